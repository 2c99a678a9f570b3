"""Everything in deploy/ that somebody applies, applied to a real API server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mpiop.local.client import Json
from tests.support.cluster import Cluster
from tests.support.commands import SAMPLES
from tests.support.deployed import DEPLOY, NAME, ONE_FILE, composed, objects, rendered
from tests.support.installed import kubectl
from tests.support.live import playing

pytestmark = pytest.mark.needs("control-plane")
PARTS: Final = ("base", "components/gang")  # of the others, and in each of them
FOUND: Final = sorted(
    str(one.parent.relative_to(DEPLOY)) for one in DEPLOY.rglob("kustomization.yaml")
)
COMPONENTS: Final = "components/"
SERVER_SIDE: Final = ("--server-side", "--force-conflicts")


class Installing:
    """An administrator who installs one thing over the other, and removes it all."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.folder = folder
        self._kubectl = kubectl(cluster, folder, NAME)
        self._applied: dict[str, Json] = {}

    def apply(self, text: str, *how: str) -> None:
        """Apply without a warning; see that nothing of it is lost."""
        wanted = objects(text)
        self._applied |= {one["kind"] + one["metadata"]["name"]: one for one in wanted}
        command = ("apply", "--warnings-as-errors", *how, "-f", "-", "-o", "json")
        told = json.loads(self._kubectl.run(*command, stdin=text)[0])
        found = told["items"] if told["kind"] == "List" else [told]
        pairs = zip(wanted, found, strict=True)
        assert [name for pair in pairs for name in lost(*pair)] == []

    def remove(self) -> None:
        """Delete all that was applied."""
        text = yaml.safe_dump_all(self._applied.values())
        self._kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=text)


def lost(wanted: Any, found: Any, path: str = "") -> list[str]:  # noqa: ANN401 (JSON)
    """Name what was written and is not there; what the server adds is its business."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            name
            for key, value in wanted.items()
            for name in lost(value, found.get(key), f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return [path]
        pairs = enumerate(zip(wanted, found, strict=True))
        return [name for i, two in pairs for name in lost(*two, f"{path}[{i}]")]
    return [] if wanted == found else [f"{path}: {wanted!r}, not {found!r}"]


@pytest.fixture(scope="module")
def installing(
    bare_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installing]:
    """The administrator of a cluster with namespace and definition."""
    found = Installing(bare_cluster, tmp_path_factory.mktemp("manifests"))
    with playing(bare_cluster, NAME):
        found.apply(rendered("overlays/cluster"), *SERVER_SIDE)
        bare_cluster.define_mpijobs()  # they are, but perhaps not yet served
        yield found
        found.remove()


@pytest.mark.parametrize(
    "folder", [one for one in FOUND if not one.startswith((*PARTS, COMPONENTS))]
)
def test_a_folder_is_applied(installing: Installing, folder: str) -> None:
    """What `kubectl apply -k` would apply; the overlays, too."""
    installing.apply(rendered(folder), *SERVER_SIDE)


def test_the_one_file_is_applied(installing: Installing) -> None:
    """As it is."""
    installing.apply(ONE_FILE.read_text(encoding="utf-8"), *SERVER_SIDE)


@pytest.mark.parametrize(
    "component",
    [
        one.removeprefix(COMPONENTS)
        for one in FOUND
        if one.startswith(COMPONENTS) and one not in PARTS
    ],
)
def test_a_component_is_applied(installing: Installing, component: str) -> None:
    """In a kustomization of the user's own."""
    folder = installing.folder / component
    folder.mkdir()
    installing.apply(composed(folder, component), *SERVER_SIDE)


@pytest.mark.parametrize(
    "sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: str(path.stem)
)
def test_a_sample_is_taken(installing: Installing, sample: Path) -> None:
    """Nothing of it is pruned, the misspelt `request` in its templates included."""
    installing.apply(sample.read_text(encoding="utf-8"))
