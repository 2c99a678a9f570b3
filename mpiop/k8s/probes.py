"""What /healthz and /readyz answer, in words."""

from collections.abc import Callable, Iterable

import attrs

from mpiop.k8s.leader import Elector
from mpiop.k8s.pulse import Pulse
from mpiop.k8s.rights import GANG, WITHOUT, Right, Rights


@attrs.frozen
class Answer:
    """Yes or no, and why."""

    ok: bool
    text: str


@attrs.frozen
class Probes:
    """Asks the parts of an operator; any thread may call.

    Attributes:
        unlisted: names what has not been listed yet.
        unserved: names the kinds that the API server does not know.
    """

    pulse: Pulse
    rights: Rights
    elector: Elector | None
    unlisted: Callable[[], Iterable[str]]
    unserved: Callable[[], Iterable[str]]

    def health(self) -> Answer:
        """Whether every loop moves; a restart is what helps where one does not."""
        stalled = self.pulse.stalled()
        if stalled:
            return Answer(ok=False, text=f"stands still: {', '.join(stalled)}\n")
        return Answer(ok=True, text="ok\n")

    def readiness(self) -> Answer:
        """Whether jobs would be looked after, if this replica were to lead."""
        wrong = list(self._wrong())
        lines = ["not ready", *wrong] if wrong else ["ok"]
        lines += [
            f"degraded: {component}: missing {_listed(rights)}: {WITHOUT[component]}"
            for component, rights in self.rights.degraded.items()
        ]
        lines += [
            f"degraded: {GANG}: the API server does not know {kind}: {WITHOUT[GANG]}"
            for kind in sorted(self.unserved())
        ]
        return Answer(not wrong, "\n".join(lines) + "\n")

    def _wrong(self) -> Iterable[str]:
        unlisted = sorted(self.unlisted())
        if unlisted:
            yield f"caches: not listed yet: {', '.join(unlisted)}"
        if not self.rights.asked:
            yield "rights: not asked for yet"
        if self.rights.blocking:
            yield f"rights: missing {_listed(self.rights.blocking)}"
        if self.elector is not None and self.elector.trouble:
            yield f"leader election: {self.elector.trouble}"


def _listed(rights: Iterable[Right]) -> str:
    return ", ".join(map(str, rights))
