"""What a schema cannot say: names with the worker's index, what templates must have.

Only what mpiop itself reads or changes in a Pod template is checked; the rest is the
API server's to judge, and reaches the child untouched.
"""

import re
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.fields import Field, instead, shown

LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_CONTAINER_OBJECTS: Final = ("resources", "securityContext")

MANAGERS: Final = ("kubeflow.org/mpi-operator", "kubeflow.org/training-operator")
_OTHER: Final = re.compile(r"(?!kubeflow\.org/)[a-z0-9.-]+/[^/]+")


def managed_elsewhere(manager: object) -> bool:
    """Whether a job is another controller's, whose name has a domain of its own.

    What names nobody (a slip, "") is ours: else nobody would tell the user.
    """
    return isinstance(manager, str) and _OTHER.fullmatch(manager) is not None


def manager(field: Field) -> str | None:
    """Read whose job it is: both operators' names that mpiop replaces mean mpiop."""
    name = field.string()
    if name is not None and name not in MANAGERS and not managed_elsewhere(name):
        other = instead(name, MANAGERS)
        field.wrong(f"{shown(name)} is nobody's name; leave it out, or {other}")
    return name


def check_name(name: Field, workers: int) -> None:
    """Check that the longest name of a child is a host name."""
    value = name.string()
    if not value:
        if name.value is None or name.value == "":
            name.wrong("must be set, for example to pi")
        return
    if not LABEL.fullmatch(value):
        name.wrong(
            f"{shown(value)} must begin with a lower-case letter and have only"
            " lower-case letters, digits and hyphens, none at the end:"
            " it becomes part of host names"
        )
    longest = names.worker(value, max(workers, 1) - 1)
    if len(longest) > names.LONGEST_LABEL:
        room = names.LONGEST_LABEL - (len(longest) - len(value))
        name.wrong(
            f"too long: its last worker would be named {longest}, with"
            f" {len(longest)} characters where {names.LONGEST_LABEL} fit;"
            f" write a name of at most {room} characters"
        )


def check_template(template: Field) -> None:
    """Check the parts of a Pod template that mpiop reads or changes."""
    template.mapping()
    meta, spec = template.get("metadata"), template.get("spec")
    meta.mapping()
    meta.get("labels").strings()
    meta.get("annotations").strings()
    spec.mapping()
    spec.get("hostNetwork").boolean()
    for field in ("serviceAccountName", "dnsPolicy"):
        spec.get(field).string()
    spec.get("securityContext").mapping()
    spec.get("dnsConfig").mapping()
    for search in spec.get("dnsConfig").get("searches").entries():
        _string(search)
    for volume in spec.get("volumes").objects():
        volume.get("name").string()
    for container in spec.get("initContainers").objects():
        _check_container(container)
    _check_containers(spec.get("containers"))


def _check_containers(containers: Field) -> None:
    found = list(containers.objects())
    if containers.value is None or containers.value == []:
        containers.wrong(
            "must have at least one container; write - name: mpi, image: ... below it"
        )
    for container in found:
        _check_container(container)
        image = container.get("image")
        if image.value is None or image.value == "":
            image.wrong("must be set; write the name of an image")
        image.string()


def _check_container(container: Field) -> None:
    name = container.get("name")
    if name.value is None or name.value == "":
        name.wrong("must be set; write a name such as mpi")
    name.string()
    for field in ("command", "args"):
        for word in container.get(field).entries():
            _string(word)
    for field in ("env", "volumeMounts"):
        for entry in container.get(field).objects():
            entry.get("name").string()
    for field in ("terminationMessagePath", "terminationMessagePolicy"):
        container.get(field).string()
    for field in _CONTAINER_OBJECTS:
        container.get(field).mapping()
    for field in ("limits", "requests"):
        amounts = container.get("resources").get(field)
        for resource in amounts.mapping():
            amounts.get(resource).quantity()


def _string(entry: Field) -> None:
    if entry.string() is None and entry.value is None:
        entry.wrong("must be a string, is null")
