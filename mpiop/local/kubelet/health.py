"""Probes over the life of one container instance."""

import asyncio
from collections.abc import Callable
from typing import Final

import attrs

from mpiop.local.kubelet.objects import Json
from mpiop.local.kubelet.probes import Prober, Report, Target
from mpiop.local.kubelet.status import ContainerState

_DEFAULT_GRACE: Final = 30


@attrs.define
class Health:
    """Keeps `started` and `ready` of a container true to its probes."""

    pod: Json
    target: Target
    state: ContainerState
    changed: Callable[[], None]
    event: Callable[[str, str, str], None]  # type, reason, message
    end: Callable[[float], None]  # end the instance, after so many seconds of grace

    async def run(self) -> None:
        """Watch over the instance until cancelled."""
        container = self.target.container
        startup = container.get("startupProbe")
        if startup:
            await self._await_startup(startup)
        readiness = container.get("readinessProbe")
        liveness = container.get("livenessProbe")
        self.state.started = True
        self.state.ready = not readiness
        self.changed()
        async with asyncio.TaskGroup() as group:
            if readiness:
                prober = Prober(readiness, self.target, self._set_ready)
                group.create_task(prober.run())
            if liveness:
                prober = Prober(
                    liveness, self.target, self._ender("Liveness", liveness)
                )
                group.create_task(prober.run())

    async def _await_startup(self, probe: Json) -> None:
        up = asyncio.Event()
        give_up = self._ender("Startup", probe)

        def report(problem: str | None) -> None:
            if problem is None:
                up.set()
            else:
                give_up(problem)

        task = asyncio.create_task(Prober(probe, self.target, report).run())
        try:
            await up.wait()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _set_ready(self, problem: str | None) -> None:
        ready = problem is None
        if ready != self.state.ready:
            self.state.ready = ready
            self.changed()
        if problem is not None:
            self.event("Warning", "Unhealthy", f"Readiness probe failed: {problem}")

    def _ender(self, kind: str, probe: Json) -> Report:
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is None:
            spec = self.pod["spec"]
            grace = spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
        ending = False

        def report(problem: str | None) -> None:
            nonlocal ending
            if problem is None or ending:
                return
            ending = True
            self.event("Warning", "Unhealthy", f"{kind} probe failed: {problem}")
            self.end(grace)

        return report
