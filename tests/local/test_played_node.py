"""The node that tests play: who sees a launcher run can end it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import attrs

from mpiop.local.client import Json
from tests.fake_kubelet import FakeKubelet
from tests.support.script import ROLE, Script


@attrs.define
class Kubelet:
    """One launcher Pod; `seen` is called once the API server tells that it runs."""

    seen: Callable[[], None] | None = None
    ended: bool = False

    def pods(self) -> list[Json]:
        meta = {"name": "pi-launcher", "uid": "1", "labels": {ROLE: "launcher"}}
        phase = "Running" if self.seen is None else "Pending"
        status = {"phase": phase, "containerStatuses": []}  # its init containers run
        return [{"metadata": meta, "status": status}]

    def run(self, _: Json) -> None:
        seen, self.seen = self.seen, None
        assert seen is not None
        seen()

    def fail(self, *_: object) -> None:
        self.ended = True


def test_a_launcher_that_is_ended_as_soon_as_it_runs_ends() -> None:
    """Told on another thread, before the node has taken its own step to the end."""
    kubelet = Kubelet()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    script = Script(cast("FakeKubelet", kubelet), lambda: now, launcher_seconds=1e6)
    kubelet.seen = script.end_launchers
    script.step()
    script.step()
    assert kubelet.ended
