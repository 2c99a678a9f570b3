"""Follows one job from its creation to its end, and shows it as it goes."""

import os
import time
from queue import SimpleQueue
from typing import Final

import attrs

from mpiop.cli.failure import SIGNALLED, TIMED_OUT, BadInput, bad_fields
from mpiop.cli.feed import Feed, Line, LogEnded, Message, Seen, Signalled, take
from mpiop.cli.manifest import Manifest
from mpiop.cli.ranks import sample
from mpiop.cli.story import Story
from mpiop.cli.view import View
from mpiop.k8s.errors import Invalid
from mpiop.reconcile.mpijob import FieldError, Json
from mpiop.reconcile.reading import items, text

_TICK_SECONDS: Final = 0.05
_SHARE: Final = 10  # looking at processes takes at most a tenth of the time
_LOG_SECONDS: Final = 2.0  # a log that goes on after its job's end is left


@attrs.define
class Watcher:
    """Follows one job and shows it."""

    _feed: Feed
    _inbox: "SimpleQueue[Message]"
    _view: View
    _logs: set[str] = attrs.field(factory=set)  # uids of launchers: opened
    _open_logs: set[str] = attrs.field(factory=set)  # and not told to the end yet
    _next_sample: float = 0.0

    def to_end(self, manifest: Manifest, timeout: float | None) -> tuple[Story, int]:
        """Create the job and watch it until it has settled, or the time is up.

        Raises:
            BadInput: the API server refuses the job.
        """
        begin = time.monotonic()
        stored, warnings = self._create(manifest)
        story = Story(manifest.job, begin)
        job = manifest.job
        self._feed.watch(job.namespace, job.name, text(stored, "metadata", "uid"))
        end = None if timeout is None else begin + timeout
        with self._view as view:
            view.say(f"MPIJob {job.namespace}/{job.name} created", 0.0)
            for warning in warnings:
                view.say(f"warning: {warning}")
            return story, self._watch(story, end)

    def _create(self, manifest: Manifest) -> tuple[Json, tuple[str, ...]]:
        try:
            return self._feed.create(manifest.written)
        except Invalid as error:
            causes = items(error.details, "causes")
            if not causes:
                raise BadInput(error.message) from error
            raise bad_fields(
                [FieldError(text(c, "field"), text(c, "message")) for c in causes]
            ) from error

    def _watch(self, story: Story, end: float | None) -> int:
        """Take messages until the job has settled and its log has been told."""
        patience: float | None = None
        while True:
            now = time.monotonic()
            if story.settled:
                patience = now + _LOG_SECONDS if patience is None else patience
                if not self._open_logs or now >= patience:
                    return story.exit_code
            elif end is not None and now >= end:
                story.close(now)
                self._view.say("the time given by --timeout is over", now - story.begin)
                return TIMED_OUT
            message = take(self._inbox, _TICK_SECONDS)
            if isinstance(message, Signalled):
                story.close(time.monotonic())
                return SIGNALLED + message.number
            if message is not None:
                self._tell(story, message)
            self._sample(story)
            self._view.show(story)

    def _tell(self, story: Story, message: Message) -> None:
        match message:
            case Line(line):
                self._view.log(line)
            case LogEnded(uid):
                self._open_logs.discard(uid)
            case Seen() as seen:
                for line in story.see(seen):
                    self._view.say(line, seen.at - story.begin)
                self._follow(story)
            case Signalled():  # ends the watching before it comes here
                pass

    def _follow(self, story: Story) -> None:
        """Open the log of a launcher whose main container has started."""
        pod = story.launcher
        if pod is None or not pod.started or pod.uid in self._logs:
            return
        self._logs.add(pod.uid)
        self._open_logs.add(pod.uid)
        spec = story.job.launcher.template.get("spec")
        container = text(items(spec, "containers")[0], "name")
        self._feed.follow_log(story.job.namespace, pod.name, pod.uid, container)

    def _sample(self, story: Story) -> None:
        """Look where ranks are, while there may be any."""
        begin = time.monotonic()
        if not story.mpirun_runs or begin < self._next_sample:
            return
        for rank in sample(os.getpid()):
            story.ranks.see(rank)
        took = time.monotonic() - begin
        self._next_sample = begin + max(took * _SHARE, _TICK_SECONDS)
