"""Runs calls side by side on threads that never keep the process.

The standard library's pool is waited for at the end of a process; a call that hangs
would keep an operator that was told to end.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
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

    def run(
        self,
        calls: Sequence[Callable[[], T]],
        go_on: Callable[[T], bool] = lambda _: True,
    ) -> Sequence[T]:
        """Run calls side by side, ever more at once; wait until the last has ended.

        Args:
            calls: what is run, begun in this order.
            go_on: told each result as it comes, on some thread; whether others that
                have not begun may begin.

        Returns:
            The results of the calls that were begun, in their order.

        Raises:
            BaseException: what a call raised.
        """
        return SlowStart(calls, go_on, self._threads, self._tasks.put).results()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class SlowStart(Generic[T]):
    """Calls of which one begins first; each that ends well lets two more begin.

    Nothing waits for a whole round to end, so that what is on its way never runs dry.

    Args:
        calls: what is to be done.
        go_on: whether a result is a good one.
        most: how many are on their way at most.
        submit: takes a task that is ready to run; others may come between two of ours.
    """

    def __init__(
        self,
        calls: Sequence[Callable[[], T]],
        go_on: Callable[[T], bool],
        most: int,
        submit: Callable[[Task], None],
    ) -> None:
        self._calls = calls
        self._go_on = go_on
        self._most = most
        self._submit = submit
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._begun = 0
        self._results: dict[int, T] = {}
        self._on_the_way = 0
        self._good = True
        self._raised: BaseException | None = None
        with self._lock:
            self._begin(1)

    def results(self) -> Sequence[T]:
        """Wait for the end; give what came of the calls that were begun.

        Raises:
            BaseException: what one of them raised.
        """
        self._ended.wait()
        if self._raised is not None:
            raise self._raised
        return [self._results[index] for index in range(self._begun)]

    def _begin(self, count: int) -> None:
        left = len(self._calls) - self._begun if self._good else 0
        for _ in range(min(count, left)):
            self._submit(partial(self._run, self._begun))
            self._begun += 1
            self._on_the_way += 1
        if not self._on_the_way:
            self._ended.set()

    def _run(self, index: int) -> None:
        good = False
        try:
            self._results[index] = result = self._calls[index]()
            good = self._go_on(result)
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self._raised = error
        with self._lock:
            self._on_the_way -= 1
            self._good = self._good and good
            self._begin(min(2, self._most - self._on_the_way))
