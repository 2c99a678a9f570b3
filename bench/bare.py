"""Bare clients: each creates Pods as fast as a server takes them, and does no more."""

import base64
import http.client
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import yaml

from mpiop.k8s.api import METADATA
from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call

IN_FLIGHT: Final = Settings().writers
QUERY: Final = (("fieldManager", "bench"), ("fieldValidation", "Warn"))


def by_our_http(kubeconfig: str, path: str, bodies: Sequence[bytes]) -> None:
    """Send by the operator's own HTTP, without the operator."""
    settings = Settings(kubeconfig=kubeconfig)
    transport = HttpTransport(lambda: load(settings), Clock.system(), IN_FLIGHT)
    calls = (Call("POST", path, QUERY, body, accept=METADATA) for body in bodies)
    answers = {sent.reply().status for sent in transport.request_all(calls)}
    transport.close()
    assert answers == {201}


def by_threads(kubeconfig: str, path: str, bodies: Sequence[bytes]) -> None:
    """Send by the standard library: a thread for each connection, nothing of ours."""
    left, taken = iter(bodies), threading.Lock()
    answers: list[int] = []

    def one_after_another() -> None:
        connection, headers = _connection(kubeconfig)
        while True:
            with taken:
                body = next(left, None)
            if body is None:
                break
            connection.request("POST", f"{path}?{urlencode(QUERY)}", body, headers)
            reply = connection.getresponse()
            reply.read()
            answers.append(reply.status)
        connection.close()

    threads = [threading.Thread(target=one_after_another) for _ in range(IN_FLIGHT)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers == [201] * len(bodies)


def _connection(kubeconfig: str) -> tuple[http.client.HTTPSConnection, dict[str, str]]:
    config: Any = yaml.safe_load(Path(kubeconfig).read_text("utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    url = urlsplit(cluster["server"])
    assert url.hostname is not None
    connection = http.client.HTTPSConnection(
        url.hostname, url.port, context=ssl.create_default_context(cadata=authority)
    )
    return connection, {
        "Authorization": f"Bearer {user['token']}",
        "Content-Type": "application/json",
        "Accept": METADATA,
    }
