"""The job that a reconcile is about, as far as the shell needs to know it."""

import attrs

from mpiop.k8s.store import Key
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import integer, text


@attrs.frozen
class Subject:
    """Who the job is; a later job of the same name has another uid."""

    namespace: str
    name: str
    uid: str
    generation: int

    @classmethod
    def of(cls, manifest: Json) -> "Subject":
        """Read it off the MPIJob."""
        meta = manifest.get("metadata")
        return cls(
            namespace=text(meta, "namespace"),
            name=text(meta, "name"),
            uid=text(meta, "uid"),
            generation=integer(meta, "generation"),
        )

    @property
    def key(self) -> Key:
        """Its place in queue and cache."""
        return Key(self.namespace, self.name)
