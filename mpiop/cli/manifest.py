"""Reads the one MPIJob that a file holds; needs no cluster for it."""

from collections.abc import Mapping
from typing import IO, Final

import attrs
import yaml

from mpiop.cli.failure import BadInput, bad_fields
from mpiop.reconcile.mpijob import Json, MPIJob
from mpiop.reconcile.parse import parse
from mpiop.reconcile.reading import text

DEFAULT_NAMESPACE: Final = "default"


@attrs.frozen
class Manifest:
    """An MPIJob as written, with its namespace filled in, and as it is meant."""

    written: Json
    job: MPIJob


def read(file: IO[str], namespace: str | None) -> Manifest:
    """Read the MPIJob of a file.

    Args:
        file: YAML or JSON.
        namespace: where the job is to run; None for the manifest's own.

    Raises:
        BadInput: the file is not YAML, not one document, no mapping, or no MPIJob
            that can be carried out.
    """
    written = _one_mapping(file)
    job = parse(written)
    if isinstance(job, tuple):
        raise bad_fields(job)
    meta = written["metadata"]
    given = text(meta, "namespace")
    if namespace and given and namespace != given:
        raise BadInput(
            f'metadata.namespace: is "{given}", but --namespace says "{namespace}";'
            " drop one of them"
        )
    chosen = namespace or given or DEFAULT_NAMESPACE
    assert isinstance(meta, Mapping)  # noqa: S101 - parse() found the name in it
    placed = {**written, "metadata": {**meta, "namespace": chosen}}
    return Manifest(placed, attrs.evolve(job, namespace=chosen))


def _one_mapping(file: IO[str]) -> Json:
    try:
        documents = [one for one in yaml.safe_load_all(file) if one is not None]
    except yaml.YAMLError as error:
        raise BadInput(f"{file.name}: is not YAML: {_where(error)}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name}: is not YAML: {error.reason}") from error
    if len(documents) != 1:
        raise BadInput(
            f"{file.name}: holds {len(documents)} documents; one MPIJob is expected"
        )
    (document,) = documents
    if not isinstance(document, Mapping):
        kind = type(document).__name__
        raise BadInput(f"{file.name}: is a {kind}; a mapping, an MPIJob, is expected")
    return document


def _where(error: yaml.YAMLError) -> str:
    """Say what is wrong and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1})" if mark is not None else problem
