"""One container over all its restarts: start, watch, record the end, start again."""

import asyncio
import contextlib
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mpiop.local.kubelet import prepare
from mpiop.local.kubelet.execution import run_to_end
from mpiop.local.kubelet.health import Health
from mpiop.local.kubelet.logs import LogWriter, last_lines
from mpiop.local.kubelet.objects import Json, MissingError
from mpiop.local.kubelet.prepare import CreateError, Surroundings
from mpiop.local.kubelet.probes import Target, check
from mpiop.local.kubelet.runtime import Instance
from mpiop.local.kubelet.spawn import Child, StartError, start
from mpiop.local.kubelet.status import ContainerState, Terminated

_FIRST_BACKOFF: Final = 10.0  # seconds, doubled each time
_LONGEST_BACKOFF: Final = 300.0
_RETRY: Final = 2.0  # seconds until a container that cannot be made is tried again
_MESSAGE_BYTES: Final = 4096
_LOG_MESSAGE: Final = (80, 2048)  # lines, bytes
_DRAIN: Final = 1.0  # seconds for output of processes that outlive the container's
_START_FAILED: Final = 128


class Container:
    """Runs one container of a Pod as its restart policy says."""

    def __init__(
        self, manifest: Json, around: Surroundings, state: ContainerState, policy: str
    ) -> None:
        self.manifest = manifest
        self.state = state
        self.ended = asyncio.Event()  # the latest instance, its log is complete
        self.ended.set()
        self._around = around
        self._policy = policy
        self._stopping = asyncio.Event()
        self._instance: Instance | None = None
        self._child: Child | None = None
        self._ending: asyncio.Task[None] | None = None
        self._number = -1
        self._crashes = 0

    async def run(self) -> None:
        """Run until it will not be started again."""
        while not self._stopping.is_set():
            end = await self._run_once()
            self._around.changed()
            if end is not None and not self._again(end):
                return
            await self._hold(end)

    async def stop(self, grace: float) -> None:
        """End it for good: ask, wait for `grace` seconds, then kill."""
        self._stopping.set()
        await self.interrupt(grace)

    async def interrupt(self, grace: float) -> None:
        """End the running instance; the restart policy says what follows."""
        child = self._child
        if child is None:
            return
        self._tell("Normal", "Killing", f"Stopping container {self.state.name}")
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._pre_stop()
                    child.signal(signal.SIGTERM)
                    await asyncio.shield(child.exited)
        self.kill()
        await self.ended.wait()

    def kill(self) -> None:
        """End the running instance at once."""
        if self._child is not None and self._instance is not None:
            self._instance.kill()

    async def execute(
        self, argv: tuple[str, ...], stdio: tuple[int, int, int], *, terminal: bool
    ) -> Child:
        """Start another process in the running instance.

        Raises:
            StartError: it is not running, or the program cannot be started.
        """
        if self._child is None or self._instance is None or self._child.exited.done():
            raise StartError(f"container {self.manifest['name']} is not running")
        process = self._instance.joined(argv, stdio, terminal=terminal)
        return await start(process, self._around.settings.reaper)

    def log(self, *, previous: bool) -> Path:
        """Say where the output of the latest, or the previous, instance is."""
        number = self._number - previous
        return prepare.log_path(self._around.folder, self.manifest["name"], number)

    def _again(self, end: Terminated) -> bool:
        if self._stopping.is_set() or self._policy == "Never":
            return False
        return self._policy == "Always" or end.exit_code != 0

    async def _hold(self, end: Terminated | None) -> None:
        """Wait before the next try, at once for the first."""
        name, around = self.manifest["name"], self._around
        delay = _RETRY
        if end is not None:
            self._crashes = 1 if _ran_well(end) else self._crashes + 1
            delay = _backoff(self._crashes)
        if end is not None and delay:
            text = (
                f"back-off {delay:g}s restarting failed container={name} "
                f"pod={around.pod['metadata']['name']}"
            )
            self.state.now_waiting("CrashLoopBackOff", text)
            around.changed()
            self._tell("Warning", "BackOff", text)
        with contextlib.suppress(TimeoutError):
            wait = delay * around.settings.backoff
            async with asyncio.timeout(wait):
                await self._stopping.wait()
        if end is not None and not self._stopping.is_set():
            self.state.restarts += 1

    async def _run_once(self) -> Terminated | None:
        """Run one instance to its end; None where it could not even be made."""
        try:
            launch = prepare.launch(self._around, self.manifest, self._number + 1)
        except (MissingError, CreateError) as error:
            known = "Config" if isinstance(error, MissingError) else ""
            self.state.now_waiting(f"CreateContainer{known}Error", str(error))
            self._tell("Warning", "Failed", f"Error: {error}")
            return None
        self._number += 1
        log = LogWriter(self.log(previous=False))
        instance = self._around.sandbox.instance(launch)
        self.ended.clear()
        try:
            end = await self._live(instance, log)
        finally:
            self._child = self._instance = None
            instance.close()
            self.ended.set()
        self.state.now_terminated(end)
        return end

    async def _live(self, instance: Instance, log: LogWriter) -> Terminated:
        began = datetime.now(UTC)
        identifier = f"{self._around.pod['metadata']['uid']}/{self.manifest['name']}"
        identifier = f"{identifier}/{self._number}"
        try:
            child = await self._start(instance, log)
        except StartError as error:
            await log.drain(_DRAIN)
            self._tell("Warning", "Failed", f"Error: {error}")
            now = datetime.now(UTC)
            return Terminated(
                _START_FAILED, "StartError", str(error), began, now, identifier
            )
        self._child, self._instance = child, instance
        instance.started(child)
        self.state.now_running(began, identifier)
        if self._stopping.is_set():
            instance.kill()
        health = asyncio.create_task(self._health().run())
        self._around.changed()
        self._tell("Normal", "Started", f"Started container {self.state.name}")
        status = await child.exited
        finished = datetime.now(UTC)
        health.cancel()
        await asyncio.gather(health, return_exceptions=True)
        self._child = None
        oom = instance.out_of_memory()
        instance.kill()
        await log.drain(_DRAIN)
        code = os.waitstatus_to_exitcode(status)
        code = 128 - code if code < 0 else code
        reason = "Completed" if code == 0 else "OOMKilled" if oom else "Error"
        message = self._message(code)
        return Terminated(code, reason, message, began, finished, identifier)

    async def _start(self, instance: Instance, log: LogWriter) -> Child:
        null = os.open(os.devnull, os.O_RDONLY)
        stdio = null, log.pipe("stdout"), log.pipe("stderr")
        try:
            return await start(instance.process(stdio), self._around.settings.reaper)
        finally:
            for fd in stdio:
                os.close(fd)

    def _message(self, code: int) -> str:
        """Return the termination message, from its file or the end of the log."""
        path = prepare.termination_log(self._around, self.manifest, self._number)
        with contextlib.suppress(OSError):
            text = path.read_bytes()[:_MESSAGE_BYTES].decode(errors="replace")
            if text:
                return text
        policy = self.manifest.get("terminationMessagePolicy")
        if code and policy == "FallbackToLogsOnError":
            return last_lines(self.log(previous=False), *_LOG_MESSAGE)
        return ""

    async def _pre_stop(self) -> None:
        action = (self.manifest.get("lifecycle") or {}).get("preStop") or {}
        if "sleep" in action:
            await asyncio.sleep(action["sleep"]["seconds"])
        elif action:
            problem = await check({**action, "timeoutSeconds": 3600}, self._target())
            if problem is not None:
                self._tell("Warning", "FailedPreStopHook", problem)

    def _tell(self, kind: str, reason: str, message: str) -> None:
        """Record an Event of the container."""
        field = "initContainers" if self.state.init else "containers"
        path = f"spec.{field}{{{self.state.name}}}"
        self._around.event(kind, reason, message, path)

    def _health(self) -> Health:
        around = self._around

        def end(grace: float) -> None:
            self._ending = asyncio.create_task(self.interrupt(grace))

        return Health(
            around.pod, self._target(), self.state, around.changed, self._tell, end
        )

    def _target(self) -> Target:
        async def execute(argv: tuple[str, ...]) -> tuple[int, str]:
            return await run_to_end(self.execute, argv)

        return Target(self._around.sandbox.address, self.manifest, execute)


def _backoff(crashes: int) -> float:
    """Return the seconds to wait after the n-th crash in a row."""
    if crashes <= 1:
        return 0.0
    longer: float = _FIRST_BACKOFF * 2.0 ** (crashes - 2)
    return min(longer, _LONGEST_BACKOFF)


def _ran_well(end: Terminated) -> bool:
    if end.started is None or end.finished is None:
        return False
    return (end.finished - end.started).total_seconds() >= 2 * _LONGEST_BACKOFF
