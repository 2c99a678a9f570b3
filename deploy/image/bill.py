"""The bill of materials (CycloneDX) of a file system: what is in the image.

As a program, `bill.py ROOT SITE`, it prints it. The Containerfile runs it in the image,
so it knows nothing of how images are built, and needs no more than the image has.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from mpiop import __version__

SPEC: Final = "1.5"
PLACE: Final = "opt/mpiop/mpiop.cdx.json"  # in the image itself


def bill(root: Path, site: Path) -> str:
    """List mpiop itself, Debian's packages and Python's, as CycloneDX JSON."""
    own = _component("mpiop", __version__, f"pkg:generic/mpiop@{__version__}")
    components = [own, *_debian(root), *_python(site)]
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "name": "mpiop",
                "version": __version__,
            }
        },
        "components": sorted(components, key=lambda one: str(one["purl"])),
    }
    return json.dumps(told, indent=1)


def debian(root: Path) -> Iterator[tuple[str, str, str]]:
    """Give name, version and architecture of each of Debian's packages."""
    status = (root / "var/lib/dpkg/status").read_text("utf-8")
    for paragraph in status.strip().split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and not line.startswith(" ")
        )
        if fields.get("Status") == "install ok installed":
            yield fields["Package"], fields["Version"], fields["Architecture"]


def _debian(root: Path) -> Iterator[dict[str, Any]]:
    for name, version, arch in debian(root):
        purl = f"pkg:deb/debian/{name}@{version}?arch={arch}"
        yield _component(name, version, purl)


def _python(site: Path) -> list[dict[str, Any]]:
    found = []
    for one in distributions(path=[str(site)]):
        name = one.metadata["Name"].lower().replace("_", "-")
        found.append(_component(name, one.version, f"pkg:pypi/{name}@{one.version}"))
    return found


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    sys.stdout.write(bill(Path(sys.argv[1]), Path(sys.argv[2])))
