"""Events about a job, as `kubectl describe` and `kubectl events` show them."""

import hashlib
from datetime import datetime
from typing import Final

from mpiop.k8s.subject import Subject
from mpiop.reconcile import names
from mpiop.reconcile.actions import EmitEvent
from mpiop.reconcile.mpijob import Json

COMPONENT: Final = "mpi-job-controller"
LONGEST_BYTES: Final = 1024  # what the API server takes


def event(job: Subject, action: EmitEvent, now: datetime) -> Json:
    """Render an Event; the same said in the same second is the same object."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{job.uid} {action.type} {action.reason} {action.message} {stamp}"
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name}.{digest}", "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
        },
        "type": action.type,
        "reason": action.reason,
        "message": cut(action.message),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def cut(message: str) -> str:
    """Shorten to what an Event holds, between two characters."""
    return message.encode()[:LONGEST_BYTES].decode(errors="ignore")
