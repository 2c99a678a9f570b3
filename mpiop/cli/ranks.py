"""Where each rank runs, read off the processes: exact, or not told at all.

Open MPI and Hydra tell every rank its number and the number of all by environment.
Whoever owns the processes can read that in /proc, and the host name that their Pod
has. A map is exact when every rank of one mpirun was seen, each in one Pod only.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

# Rank and size, then what tells one mpirun from another.
_NUMBERS: Final = (
    (b"OMPI_COMM_WORLD_RANK", b"OMPI_COMM_WORLD_SIZE"),
    (b"PMI_RANK", b"PMI_SIZE"),
)
_RUNS: Final = (b"PMIX_NAMESPACE", b"PMI_JOBID", b"HYDI_CONTROL_FD")
_HOST: Final = b"MPIOP_HOSTNAME"  # set in plain mode, where Pods share a file system
_HOSTNAME: Final = "etc/hostname"


@attrs.frozen
class Rank:
    """One process of an MPI program."""

    run: str
    number: int
    size: int
    host: str


@attrs.define
class Ranks:
    """Collects what is seen of ranks, sample by sample."""

    _runs: dict[str, dict[int, set[str]]] = attrs.field(factory=dict)
    _sizes: dict[str, int] = attrs.field(factory=dict)
    _over: set[str] = attrs.field(factory=set)

    def see(self, rank: Rank) -> None:
        """Take in one process."""
        if rank.run in self._over:
            return
        self._runs.setdefault(rank.run, {}).setdefault(rank.number, set()).add(
            rank.host
        )
        self._sizes[rank.run] = rank.size

    def restart(self) -> None:
        """Forget what was seen: another attempt begins."""
        self._over |= self._runs.keys()
        self._runs.clear()
        self._sizes.clear()

    def exact(self) -> dict[int, str]:
        """Map rank to host for the last mpirun that was seen whole; else empty."""
        for run in reversed(self._runs):
            seen = self._runs[run]
            whole = set(seen) == set(range(self._sizes[run]))
            if whole and all(len(hosts) == 1 for hosts in seen.values()):
                return {number: min(seen[number]) for number in sorted(seen)}
        return {}


def sample(root: int) -> Iterator[Rank]:
    """Look at all descendants of a process now; those that vanish are left out."""
    for process in _descendants(root):
        try:
            environment = (process / "environ").read_bytes()
            found = _rank(environment, process)
        except OSError:  # it has ended, or is another user's
            continue
        if found is not None:
            yield found


def _rank(environment: bytes, process: Path) -> Rank | None:
    pairs = (entry.partition(b"=") for entry in environment.split(b"\0"))
    env = {key: value.decode(errors="replace") for key, _, value in pairs}
    for number, size in _NUMBERS:
        if env.get(number, "").isdecimal() and env.get(size, "").isdecimal():
            run = next((env[key] for key in _RUNS if key in env), "")
            return Rank(run, int(env[number]), int(env[size]), _host(env, process))
    return None


def _host(env: Mapping[bytes, str], process: Path) -> str:
    if _HOST in env:
        return env[_HOST]
    return (process / "root" / _HOSTNAME).read_text("utf-8").strip()


def _descendants(root: int) -> Iterator[Path]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            children.setdefault(_parent(entry), []).append(int(entry.name))
    found = [root]
    while found:
        for child in children.get(found.pop(), ()):
            found.append(child)
            yield Path("/proc", str(child))


def _parent(process: Path) -> int:
    try:
        stat = (process / "stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[1])
