"""Rules for the whole session: what may be skipped, and that nothing is left behind.

Where pytest-xdist spreads the session over processes, the first one sets the folder
up and looks for what is left; the others tell it what they did not run.
"""

import gc
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import Verbosity, settings
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from tests.support.fixtures import (  # noqa: F401 (that is how fixtures get known)
    admin,
    bare_cluster,
    control_plane,
    installed,
    namespace,
    operated,
    operator_account,
)
from tests.support.machine import CAPABILITIES, addresses_named
from tests.support.spread import ByFile, ClustersEnd, longest_first
from tests.support.told import show
from tests.support.traced import imports_traced_once, one_tracer, traced_as_meant

IN_CI = os.environ.get("CI", "") not in {"", "0", "false"}
NETWORKS = Path("/sys/class/net"), Path("/run/netns")
PATIENCE = 5.0  # seconds in which what is ending may end

settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile(
    "ci",
    max_examples=500,
    deadline=None,
    derandomize=True,
    print_blob=True,
    verbosity=Verbosity.normal,
)
settings.register_profile("long", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))

_not_run = pytest.StashKey[list[tuple[str, str]]]()
_left = pytest.StashKey[list[str]]()
_folder = pytest.StashKey[Path]()
_networks = pytest.StashKey[frozenset[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the session a folder for temporary files, whose name marks what is ours.

    Every process that a test starts has it in its environment, so that whatever
    outlives the session can be told from other people's processes.
    """
    config.stash[_not_run] = []
    sys.addaudithook(_LoopbackOnly())
    config.pluginmanager.register(ClustersEnd())
    if hasattr(config, "workerinput"):  # started by pytest-xdist, in that folder
        return
    usual = tempfile.gettempdir()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", usual)
    folder = Path(tempfile.mkdtemp(prefix="mpt-", dir=usual)).resolve()
    folder.chmod(0o1777)  # other users' tests write there, too
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.stash[_folder] = folder
    config.stash[_networks] = _network_names()


@pytest.hookimpl(tryfirst=True)  # before pytest-cov's
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let coverage be measured once at a time."""
    one_tracer(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Give each process whole files, in the order in which they were collected."""
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take over what one of the processes did not run."""
    not_run = getattr(node, "workeroutput", {}).get("not_run", [])
    node.config.stash[_not_run] += [(one, reason) for one, reason in not_run]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure the coverage of imports in one process."""
    with imports_traced_once(session.config):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `-m kubernetes` choose what needs an API server, for `make e2e`."""
    longest_first(items)
    for item in items:
        if "bare_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs("control-plane"))
        needed = {name for one in item.iter_markers("needs") for name in one.args}
        if needed & {"kubernetes", "api-server", "control-plane", "gangs"}:
            item.add_marker(pytest.mark.kubernetes)


def pytest_collection_finish() -> None:
    """Keep what is there for good out of the garbage collector's way.

    To look through it again and again is a sixth of what a whole life computes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)  # there is memory


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage by the tests that state cases."""
    with traced_as_meant(item):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run; in CI that is a failure."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            reason = CAPABILITIES[name]()
            if not reason:
                continue
            if IN_CI:
                pytest.fail(f"CI must offer {name}: {reason}", pytrace=False)
            item.config.stash[_not_run].append((item.nodeid, f"{name}: {reason}"))
            pytest.skip(f"needs {name}: {reason}")


@pytest.hookimpl(trylast=True)  # after the processes of pytest-xdist have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session where a process, mount, network or file of ours is left."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # pytest-xdist sends it to the first process
        output["not_run"] = session.config.stash[_not_run]
        return
    folder = session.config.stash[_folder]
    end = time.monotonic() + PATIENCE
    while (left := _leftovers(session.config)) and time.monotonic() < end:
        time.sleep(0.1)
    session.config.stash[_left] = left
    shutil.rmtree(folder, ignore_errors=True)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was seen; list what was not run, and what was left behind."""
    show(terminalreporter)
    for title, lines in (
        ("not run on this machine", [f"{a} - {b}" for a, b in config.stash[_not_run]]),
        ("left behind by the tests", config.stash.get(_left, [])),
    ):
        if lines:
            terminalreporter.section(title)
            terminalreporter.write("\n".join(lines) + "\n")


class _LoopbackOnly:
    """Refuses sockets to other machines, in the test process alone.

    But for the API server that MPIOP_E2E_KUBECONFIG names.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._named = addresses_named()

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if event not in {"socket.connect", "socket.bind", "socket.sendto"}:
            return
        if os.getpid() != self._pid:  # a fork, perhaps in a network of its own
            return
        one, address = args[0], args[-1]
        if not isinstance(one, socket.socket):
            return
        if one.family not in {socket.AF_INET, socket.AF_INET6} or _loopback(address):
            return
        if not (isinstance(address, tuple) and address[0] in self._named):
            raise RuntimeError(f"{event} to {address}: tests stay on this machine")


def _loopback(address: object) -> bool:
    host = str(address[0]) if isinstance(address, tuple) else ""
    return host.startswith("127.") or host in {"::1", "localhost"}


def _leftovers(config: pytest.Config) -> list[str]:
    folder = config.stash[_folder]
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    before = config.stash[_networks]
    new = _network_names() - before
    return [
        *(f"process {process}" for process in _processes(str(folder))),
        *(f"mount {line.split()[4]}" for line in mounts if str(folder) in line),
        *(f"network {name}" for name in sorted(new)),
        *(f"file {path}" for path in folder.glob("mpiop-*")),
    ]


def _network_names() -> frozenset[str]:
    found = (base.iterdir() for base in NETWORKS if base.is_dir())
    return frozenset(str(one) for each in found for one in each)


def _processes(mark: str) -> Iterator[str]:
    """Name the processes that carry the mark, other than this one's ancestors."""
    own = {os.getpid(), os.getppid()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) in own:
            continue
        try:
            carried = (entry / "environ").read_bytes() + (
                entry / "cmdline"
            ).read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if mark.encode() in carried:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            yield f"{entry.name}: {words.decode(errors='replace')}"
