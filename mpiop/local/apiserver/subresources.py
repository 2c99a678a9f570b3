"""What hangs below an object and is not its status: bindings, tokens, logs, ..."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from .context import Backend, Call, Object, part, timestamp
from .deletion import delete_record, options_from
from .errors import bad_request, conflict, not_found, success
from .store import Record
from .wire import Forward, Response
from .writes import keep

_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_TOKEN_SECONDS: Final = 3600
_TOKEN_MINIMUM: Final = 600


@attrs.define
class Tokens:
    """The tokens of service accounts that were given out and have not expired."""

    _known: dict[str, tuple[str, datetime, Object, str]] = attrs.field(factory=dict)

    def issue(
        self, backend: Backend, call: Call, account: Record, spec: Object
    ) -> Response:
        """Answer a TokenRequest.

        Raises:
            StatusError: 400 or 422.
        """
        seconds = spec.get("expirationSeconds") or _TOKEN_SECONDS
        if not isinstance(seconds, int) or seconds < _TOKEN_MINIMUM:
            raise bad_request("may not specify a duration less than 10 minutes")
        token = f"mpiop.{backend.uid()}.{backend.uid()}"
        until = backend.clock() + timedelta(seconds=seconds)
        user = f"system:serviceaccount:{call.namespace}:{call.name}"
        bound = part(spec, "boundObjectRef")
        uid = account.obj["metadata"]["uid"]
        if not call.dry_run:
            self._known[token] = (user, until, bound, uid)
        body = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": call.name, "namespace": call.namespace},
            "spec": {**spec, "expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": timestamp(until)},
        }
        return Response(201, body)

    def user(self, backend: Backend, token: str) -> str | None:
        """Tell whose token it is; None: nobody's, or no longer."""
        if token not in self._known:
            return None
        user, until, bound, uid = self._known[token]
        _, _, namespace, name = user.split(":")
        account = backend.find("serviceaccounts", name, namespace)
        alive = account is not None and account["metadata"]["uid"] == uid
        if bound.get("kind") == "Pod":
            pod = backend.find("pods", bound.get("name", ""), namespace)
            alive = (
                alive
                and pod is not None
                and (bound.get("uid") in {None, pod["metadata"]["uid"]})
            )
        if alive and backend.clock() < until:
            return user
        del self._known[token]
        return None


def _found(backend: Backend, call: Call) -> Record:
    record = call.record(backend)
    if record is None:
        raise not_found(call.resource, call.name)
    return record


def token(backend: Backend, tokens: Tokens, call: Call) -> Response:
    """Answer serviceaccounts/token; see Tokens.issue()."""
    spec = part(call.body(), "spec")
    return tokens.issue(backend, call, _found(backend, call), spec)


def bind(backend: Backend, call: Call) -> Response:
    """Put a Pod on a node.

    Raises:
        StatusError: 400, 404 or 409.
    """
    body = call.body()
    pod = _found(backend, call).copy(call.resource)
    node = part(body, "target").get("name")
    if not node or not isinstance(node, str):
        raise bad_request("target.name: Required value")
    if pod["metadata"].get("deletionTimestamp"):
        why = f"pod {call.name} is being deleted, cannot be assigned to a host"
        raise conflict(call.resource, call.name, why)
    if current := pod["spec"].get("nodeName"):
        why = f'pod {call.name} is already assigned to node "{current}"'
        raise conflict(call.resource, call.name, why)
    pod["spec"]["nodeName"] = node
    _set_condition(pod, {"type": "PodScheduled", "status": "True"}, backend.now())
    if not call.dry_run:
        keep(backend, call, pod)
    return Response(201, {**success({}), "code": 201})


def evict(backend: Backend, call: Call) -> Response:
    """Mark a Pod as disrupted and delete it.

    Raises:
        StatusError: 400, 404 or 409.
    """
    body = call.body()
    pod = _found(backend, call).copy(call.resource)
    options = options_from(part(body, "deleteOptions"), call)
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    if not options.dry_run and "deletionTimestamp" not in pod["metadata"]:
        _set_condition(pod, condition, backend.now())
        keep(backend, call, pod)
    delete_record(backend, call, _found(backend, call), options)
    return Response(201, {**success({}), "code": 201})


def _set_condition(pod: Object, condition: Object, now: str) -> None:
    status = pod.setdefault("status", {})
    others = [
        one for one in status.get("conditions", ()) if one["type"] != condition["type"]
    ]
    since = {"lastProbeTime": None, "lastTransitionTime": now}
    status["conditions"] = [*others, {**condition, **since}]


def finalize(backend: Backend, call: Call) -> Response:
    """Take a namespace's own finalizers, which lets it go once it is deleted.

    Raises:
        StatusError: 400, 404 or 409.
    """
    body = call.body()
    namespace = _found(backend, call).copy(call.resource)
    given = part(body, "metadata").get("resourceVersion")
    if given and given != namespace["metadata"]["resourceVersion"]:
        raise conflict(call.resource, call.name)
    finalizers = part(body, "spec").get("finalizers")
    namespace["spec"] = {"finalizers": finalizers} if finalizers else {}
    return Response(200, keep(backend, call, namespace))


def forward(backend: Backend, call: Call) -> Forward | Response:
    """Find out which container a log or an exec is about.

    Raises:
        StatusError: 400 or 404.
    """
    pod = _found(backend, call).copy(call.resource)
    container = _container(pod, call)
    kind = "log" if call.subresource == "log" else "exec"
    if not pod["spec"].get("nodeName"):
        if kind == "log":
            return Response(200, b"", headers={"content-type": "text/plain"})
        raise bad_request(f"pod {call.name} does not have a host assigned")
    return Forward(
        "log" if kind == "log" else "exec", pod, container, call.request.query
    )


def _container(pod: Object, call: Call) -> str:
    spec = pod["spec"]
    named = {
        field: [one["name"] for one in spec.get(field, ())] for field in _CONTAINERS
    }
    wanted = call.request.param("container")
    if wanted:
        if not any(wanted in names for names in named.values()):
            raise bad_request(f"container {wanted} is not valid for pod {call.name}")
        return wanted
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    main: list[str] = named["containers"]
    if len(main) == 1:
        return main[0]
    if call.subresource == "exec" and annotations.get(_DEFAULT_CONTAINER) in main:
        return annotations[_DEFAULT_CONTAINER]
    message = (
        f"a container name must be specified for pod {call.name}, "
        f"choose one of: [{' '.join(main)}]"
    )
    if init := named["initContainers"]:
        message += f" or one of the init containers: [{' '.join(init)}]"
    raise bad_request(message)


Handler = Callable[[Backend, Call], Response | Forward]
HANDLERS: Final[Mapping[str, Handler]] = {
    "binding": bind,
    "eviction": evict,
    "finalize": finalize,
    "exec": forward,
    "log": forward,
}
