"""Runs calls side by side on threads that never keep the process.

The standard library's pool is waited for at the end of a process; a call that hangs
would keep an operator that was told to end.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
Task = Callable[[], None]


class Pool(Generic[T]):
    """Some daemon threads; a context manager that lets them go."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()

    def __enter__(self) -> "Pool[T]":
        """Start the threads."""
        for number in range(self._threads):
            name = f"{self._name}-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let each thread end after the call that it is at."""
        for _number in range(self._threads):
            self._tasks.put(None)

    def run(self, calls: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Run calls side by side; give their results in order, as they come.

        Raises:
            BaseException: what a call raised.
        """
        boxes = [_Box(call) for call in calls]
        for box in boxes:
            self._tasks.put(box.run)
        for box in boxes:
            yield box.result()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class _Box(Generic[T]):
    """A call and what came of it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._found: list[T] = []
        self._raised: BaseException | None = None

    def run(self) -> None:
        try:
            self._found.append(self._call())
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self._raised = error
        self._ended.set()

    def result(self) -> T:
        self._ended.wait()
        if self._raised is not None:
            raise self._raised
        return self._found[0]
