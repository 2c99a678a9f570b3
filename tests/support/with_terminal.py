"""Run a Python command whose standard input is its controlling terminal.

SCRIPT -m MODULE ARGS, as the leader of a session: Ctrl-C on that terminal reaches it.
"""

import fcntl
import os
import sys
import termios

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
