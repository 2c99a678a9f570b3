"""A cluster as a test sees it: a kubeconfig, and a few things that every test needs."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import pytest
import yaml

from mpiop.local.apiserver.wire import Request
from mpiop.local.client import (
    CONFIG_MAPS,
    CRDS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    ApiError,
    Client,
    Deletion,
    Json,
    Resource,
)
from tests.support import deployed
from tests.support.audit import AuditLog
from tests.support.http import Http

PATIENCE: Final = 60.0
LOOK_SECONDS: Final = 0.03  # before looking again, and ten times as long in the end
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
RBAC: Final = f"{_RBAC_GROUP}/v1"
ROLES: Final = Resource(RBAC, "roles")
ROLE_BINDINGS: Final = Resource(RBAC, "rolebindings")
REVIEWS: Final = Resource("authorization.k8s.io/v1", "subjectaccessreviews")
MPIJOBS: Final = Resource("kubeflow.org/v2beta1", "mpijobs")
Rules = Sequence[Mapping[str, Sequence[str]]]
Found = TypeVar("Found")


@attrs.frozen
class Account:
    """Somebody who may do something.

    Attributes:
        user: the name under which the API server knows it.
        kubeconfig: path of the file that makes one it.
    """

    user: str
    kubeconfig: str


@attrs.define
class Cluster:
    """One cluster, seen by its administrator.

    Attributes:
        kubeconfig: path of the administrator's.
        patience: seconds for which `eventually` waits.
        brief: it ends with the tests.
    """

    kubeconfig: str
    _audit: AuditLog | None = None
    patience: float = PATIENCE
    brief: bool = False
    http: Http = attrs.field(init=False)
    client: Client = attrs.field(init=False)
    _numbers: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1))

    def __attrs_post_init__(self) -> None:
        self.http = Http(self.kubeconfig)
        self.client = Client(self.http.handle)

    @property
    def audit(self) -> AuditLog:
        """The audit log; a test that needs it is skipped on other people's clusters."""
        if self._audit is None:
            pytest.skip("requests cannot be counted on a cluster that is not ours")
        return self._audit

    @property
    def counts_requests(self) -> bool:
        """Whether there is an audit log."""
        return self._audit is not None

    @functools.cached_property
    def minor(self) -> int:
        """The server's minor version, such as 37."""
        answer: Any = self.http.handle(Request("GET", "/version")).body
        return int(answer["minor"].rstrip("+"))

    def ready(self) -> bool:
        """Whether the API server answers, and thinks itself ready."""
        return self.http.ready()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def await_account(self, namespace: str) -> None:
        """Wait for what the controllers put into a new namespace and Pods need."""
        self.eventually(lambda: self.find(SERVICE_ACCOUNTS, namespace, "default"))
        self.eventually(lambda: self.find(CONFIG_MAPS, namespace, "kube-root-ca.crt"))

    def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Read an object; None where there is none."""
        try:
            return self.client.get(resource, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def eventually(self, look: Callable[[], Found], what: str = "") -> Found:
        """Look again and again until there is something true; give it."""
        end, pause = time.monotonic() + self.patience, LOOK_SECONDS
        while not (found := look()):
            assert time.monotonic() < end, f"{what or look} after {self.patience:g} s"
            time.sleep(pause)
            pause = min(2 * pause, 10 * LOOK_SECONDS)  # looking costs both sides
        return found

    @contextmanager
    def namespace(self, **labels: str) -> Iterator[str]:
        """Make a namespace, ready for Pods; it is deleted in the end.

        On a brief cluster only its jobs are: the end of a namespace is some hundred
        requests of a controller's, for nobody.
        """
        meta = {"generateName": "mpiop-test-", "labels": labels}
        made = self.client.create(NAMESPACES, {"metadata": meta})
        name = str(made["metadata"]["name"])
        try:
            self.await_account(name)
            yield name
        finally:
            gone = [made] if self.find(NAMESPACES, "", name) is not None else []
            resource = NAMESPACES
            if self.brief and gone:
                resource, gone = MPIJOBS, self._jobs(name)
            for one in gone:
                self.client.delete(resource, one, Deletion(policy="Background"))

    def _jobs(self, namespace: str) -> list[Json]:
        try:
            found: list[Json] = self.client.list(MPIJOBS, namespace)["items"]
        except ApiError as error:
            if error.status == 404:  # it does not know them
                return []
            raise
        return found

    def define_mpijobs(self) -> None:
        """Create the MPIJob's definition where it is missing, and wait for it."""
        definition = deployed.definition()
        self.create_if_missing(CRDS, definition)
        self.eventually(self._mpijobs_served, "the MPIJob definition is not served")

    def create_if_missing(self, resource: Resource, obj: Json) -> None:
        """Create an object; one of that name may be there."""
        try:
            self.client.create(resource, obj)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def account(self, folder: Path, namespace: str, rules: Rules) -> Account:
        """Make a ServiceAccount that may do this in its namespace."""
        name = f"account-{next(self._numbers)}"
        where = {"metadata": {"name": name, "namespace": namespace}}
        self.client.create(SERVICE_ACCOUNTS, where)
        self.client.create(ROLES, {**where, "rules": list(rules)})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        role = {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": name}
        bound = {"roleRef": role, "subjects": [subject]}
        self.client.create(ROLE_BINDINGS, {**where, **bound})
        account = self.log_in(folder, namespace, name)
        self.await_right(account.user, namespace, rules[0])
        return account

    def grant(self, account: Account, namespace: str, rules: Rules) -> None:
        """Let an account that was made here do this instead, in its namespace."""
        role = self.client.get(ROLES, namespace, account.user.rpartition(":")[2])
        self.client.patch(ROLES, role, {"rules": list(rules)})

    def await_right(
        self, user: str, namespace: str, rule: Mapping[str, Sequence[str]]
    ) -> None:
        """Wait until what was granted is: the server grants rights from a cache."""
        group, resource = rule["apiGroups"][0], rule["resources"][0]
        plural, _, subresource = resource.partition("/")
        attributes = {
            "namespace": namespace,
            "verb": rule["verbs"][0],
            "group": group,
            "resource": plural,
            "subresource": subresource,
        }
        review = {
            "metadata": {},
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        self.eventually(
            lambda: self.client.create(REVIEWS, review)["status"]["allowed"],
            f"{user} may not {rule}",
        )

    def log_in(self, folder: Path, namespace: str, name: str) -> Account:
        """Get a token for a ServiceAccount, and write a kubeconfig with it."""
        request = {"spec": {"expirationSeconds": 3600 * 4}}
        owner = {"metadata": {"name": name, "namespace": namespace}}
        answer = self.client.create_sub(SERVICE_ACCOUNTS, owner, "token", request)
        config = yaml.safe_load(Path(self.kubeconfig).read_text(encoding="utf-8"))
        context = _current(config)
        config["users"] = [
            {"name": context["user"], "user": {"token": answer["status"]["token"]}}
        ]
        path = folder / f"{namespace}-{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return Account(f"system:serviceaccount:{namespace}:{name}", str(path))

    def _mpijobs_served(self) -> bool:
        try:
            self.client.list(MPIJOBS, limit="1")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


def _current(config: Any) -> Any:  # noqa: ANN401 (a kubeconfig)
    contexts = {one["name"]: one["context"] for one in config["contexts"]}
    return contexts[config["current-context"]]
