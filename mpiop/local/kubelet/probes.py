"""Probes of a container: exec, tcpSocket and httpGet."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import attrs

from mpiop.local.kubelet.objects import Json

_REDIRECT: Final = range(200, 400)
Execute = Callable[[tuple[str, ...]], Awaitable[tuple[int, str]]]
Report = Callable[[str | None], None]  # what is wrong, None where nothing is


@attrs.frozen
class Target:
    """Where and how a container can be reached."""

    address: str
    container: Json
    execute: Execute  # command -> exit code, output; ends it when cancelled


@attrs.frozen
class Prober:
    """One probe's loop; `report` gets each result that its threshold confirms."""

    probe: Json
    target: Target
    report: Report

    async def run(self) -> None:
        """Probe until cancelled."""
        probe = self.probe
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        successes = failures = 0
        while True:
            problem = await check(probe, self.target)
            if problem is None:
                successes, failures = successes + 1, 0
                if successes >= (probe.get("successThreshold") or 1):
                    self.report(None)
            else:
                successes, failures = 0, failures + 1
                if failures >= (probe.get("failureThreshold") or 3):
                    self.report(problem)
            await asyncio.sleep(probe.get("periodSeconds") or 10)


async def check(probe: Json, target: Target) -> str | None:
    """Probe once; return what is wrong, None where nothing is."""
    timeout = probe.get("timeoutSeconds") or 1
    try:
        async with asyncio.timeout(timeout):
            if "exec" in probe:
                return await _execute(probe["exec"], target)
            if "tcpSocket" in probe:
                return await _connect(probe["tcpSocket"], target)
            if "httpGet" in probe:
                return await _get(probe["httpGet"], target)
    except TimeoutError:
        return f"timed out after {timeout}s"
    except (OSError, aiohttp.ClientError) as error:
        return str(error)
    return "this kind of probe is not supported here"


async def _execute(action: Json, target: Target) -> str | None:
    code, output = await target.execute(tuple(action.get("command", ())))
    return None if code == 0 else output.strip() or f"exit code {code}"


async def _connect(action: Json, target: Target) -> str | None:
    host = action.get("host") or target.address
    port = _port(action["port"], target.container)
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


async def _get(action: Json, target: Target) -> str | None:
    host = action.get("host") or target.address
    scheme = (action.get("scheme") or "HTTP").lower()
    port = _port(action["port"], target.container)
    path = action.get("path") or "/"
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {item["name"]: item["value"] for item in action.get("httpHeaders") or ()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer,
    ):
        if answer.status in _REDIRECT:
            return None
        return f"HTTP probe failed with statuscode: {answer.status}"


def _port(wanted: int | str, container: Json) -> int:
    if isinstance(wanted, int) or wanted.isdigit():
        return int(wanted)
    for port in container.get("ports") or ():
        if port.get("name") == wanted:
            number: int = port["containerPort"]
            return number
    raise OSError(f"couldn't find port: {wanted}")
