"""The bill of materials (CycloneDX) of a file system: what is in the image."""

import json
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from mpiop import __version__

SPEC: Final = "1.5"


def bill(root: Path, site: Path) -> str:
    """List Debian's and Python's packages, as CycloneDX JSON."""
    components = [*_debian(root), *_python(site)]
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


def _debian(root: Path) -> list[dict[str, Any]]:
    status = (root / "var/lib/dpkg/status").read_text("utf-8")
    found = []
    for paragraph in status.strip().split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and not line.startswith(" ")
        )
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            arch = fields["Architecture"]
            purl = f"pkg:deb/debian/{name}@{version}?arch={arch}"
            found.append(_component(name, version, purl))
    return found


def _python(site: Path) -> list[dict[str, Any]]:
    found = []
    for one in distributions(path=[str(site)]):
        name = one.metadata["Name"].lower().replace("_", "-")
        found.append(_component(name, one.version, f"pkg:pypi/{name}@{one.version}"))
    return found


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": version, "purl": purl}
