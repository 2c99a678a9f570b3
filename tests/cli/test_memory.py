"""The garbage collector rests while modules are imported, and no longer."""

import gc
import sys

import pytest

from mpiop.cli import running
from mpiop.cli.failure import BadInput
from mpiop.local.cluster import Cluster, Options, PortInUse


def test_a_cluster_has_its_garbage_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line switched off works again before anything is started."""

    def start(_cluster: Cluster) -> None:
        raise PortInUse

    monkeypatch.setattr(Cluster, "start", start)
    gc.disable()
    try:
        with pytest.raises(BadInput), running.started(Options({}), sys.stdout):
            pytest.fail("it was started")
        assert gc.isenabled()
    finally:
        gc.enable()
