"""What stands at the end: verdict, duration, where ranks ran, where time went."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mpiop.cli.story import Story
from mpiop.cli.timeline import Activity
from mpiop.reconcile.reading import dig, text

_EACH: Final = 16  # up to so many ranks have a line each


def lines(story: Story) -> Iterator[str]:
    """Say it to a person."""
    status = story.manifest.get("status")
    total = story.timeline.total
    yield f"{_verdict(story)} in {total:.3f} s"
    for field in ("reason", "message"):
        said = text(status, field)
        if said:
            yield f"{field}: {said}"
    yield from _where(story)
    asked = story.slots_asked
    wanted = "not said by -np" if asked is None else f"{asked} asked"
    yield f"slots: {wanted}, {story.slots_given} given"
    seconds = story.timeline.seconds
    parts = ", ".join(f"{one} {seconds[one]:.3f} s" for one in Activity)
    yield f"time: {parts}"
    share = story.timeline.own_share
    yield f"operator's own share: {share:.3f} s (all but mpirun and process start)"


def document(story: Story) -> dict[str, Any]:
    """Say it to a program."""
    status = story.manifest.get("status")
    seconds = story.timeline.seconds
    begin = story.begin
    return {
        "name": story.job.name,
        "namespace": story.job.namespace,
        "verdict": _verdict(story),
        "exitCode": story.exit_code,
        "reason": text(status, "reason"),
        "message": text(status, "message"),
        "durationSeconds": round(story.timeline.total, 3),
        "breakdownSeconds": {
            **{_camel(one): round(seconds[one], 3) for one in Activity},
            "operatorsOwnShare": round(story.timeline.own_share, 3),
        },
        "phases": [
            {"phase": phase, "afterSeconds": round(at - begin, 3)}
            for at, phase in story.phases
        ],
        "ranks": {str(rank): pod for rank, pod in story.rank_map.items()} or None,
        "hostsStarted": list(story.hosts_started),
        "slots": {"asked": story.slots_asked, "given": story.slots_given},
        "status": status if isinstance(status, Mapping) else {},
    }


def _verdict(story: Story) -> str:
    found = text(story.manifest, "status", "result")
    return found or ("Deleted" if story.gone else "Unfinished")


def _camel(one: Activity) -> str:
    head, *rest = str(one).split()
    return head + "".join(word.title() for word in rest)


def _where(story: Story) -> Iterator[str]:
    ranks = story.rank_map
    if 0 < len(ranks) <= _EACH:
        yield from (f"rank {rank}: {pod}" for rank, pod in ranks.items())
    elif ranks:
        by_pod: dict[str, list[int]] = defaultdict(list)
        for rank, pod in ranks.items():
            by_pod[pod].append(rank)
        yield from (f"{pod}: ranks {_ranges(found)}" for pod, found in by_pod.items())
    elif story.hosts_started:
        hosts = story.hosts_started
        more = f" and {len(hosts) - _EACH} more" if len(hosts) > _EACH else ""
        yield f"hosts started: {', '.join(hosts[:_EACH])}{more}"
    elif dig(story.manifest, "status", "result"):
        yield "hosts started: none was recorded"


def _ranges(numbers: list[int]) -> str:
    """Write 0, 1, 2, 5 as `0-2, 5`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
