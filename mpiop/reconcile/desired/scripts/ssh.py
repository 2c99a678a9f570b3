"""Both ends of ssh, where they are ours: sshd, its sessions, the client's settings."""

from typing import Final

PORT: Final = 2222

# Main process of a worker that has no command of its own. Keys are copied, since ssh
# refuses a key that others may read, and a Secret's files may belong to another uid.
SSHD: Final = r"""
here=${0%/*}
run=${MPIOP_RUN:-$default_run}
umask 077
sshd=$(command -v sshd || echo /usr/sbin/sshd)
if [ ! -x "$sshd" ]; then
  echo "this image has no sshd: install openssh-server in it," \
    "or set spec.remoteShell: KubectlExec" >&2
  exit 127
fi
cat "$here/host_key" >"$run/host_key" || exit 1
# Ranks see the environment of their container: sessions read it back.
(unset PWD OLDPWD SHLVL _; export -p) >"$run/environment" || exit 1
if [ "$(id -u)" = 0 ]; then
  mkdir -p /run/sshd && chmod 755 /run/sshd
  # An account with ! for a password counts as locked; * only has none.
  if grep -q '^root:!' /etc/shadow 2>/dev/null; then
    sed -i 's/^root:![^:]*:/root:*:/' /etc/shadow
  fi
fi
set -- -f "$here/sshd_config" -o "HostKey=$run/host_key" \
  -o "AuthorizedKeysFile=$here/authorized_keys" \
  -o "ForceCommand=/bin/sh $here/session.sh $run"
# sshd runs that by the account's shell, and bash there reads ~/.bashrc, which may wait,
# print or take locks, unless it is in another shell. OpenSSH before 7.8 can't tell it.
if "$sshd" -t "$@" -o SetEnv=SHLVL=1 2>/dev/null; then
  set -- "$@" -o SetEnv=SHLVL=1
fi
exec "$sshd" -D -e "$@"
"""

# What sshd runs for every session. A command gets /bin/sh, as it does with kubectl
# exec: bash would read ~/.bashrc under sshd, which may turn PATH round again.
SESSION: Final = r"""
unset SHLVL
. "$1/environment"
if [ -n "${SSH_ORIGINAL_COMMAND+set}" ]; then
  exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
fi
exec "${SHELL:-/bin/sh}" -l
"""

SSHD_CONFIG: Final = f"""\
Port {PORT}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
MaxStartups 1000
MaxSessions 1000
X11Forwarding no
PrintMotd no
"""


def ssh_config(hosts: str, directory: str) -> str:
    """Give the client's settings for this job's hosts; others keep the defaults."""
    return f"""\
Host {hosts}
  Port {PORT}
  IdentityFile {directory}/id_rsa
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  CheckHostIP no
  BatchMode yes
  ConnectTimeout 10
  GSSAPIAuthentication no
  LogLevel ERROR
"""
