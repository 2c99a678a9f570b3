"""Finds what mpiop brings along: in a checkout deploy/, in a wheel the same as data."""

from pathlib import Path
from typing import Any, Final

import yaml

_INSTALLED: Final = Path(__file__).parent / "data" / "deploy"
_CHECKOUT: Final = Path(__file__).parents[2] / "deploy"


def deploy() -> Path:
    """Give the folder with CRD and samples."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def definitions() -> list[dict[str, Any]]:
    """Read the CustomResourceDefinition, as data for an API server."""
    source = (deploy() / "crd" / "mpijobs.yaml").read_text("utf-8")
    return list(yaml.safe_load_all(source))
