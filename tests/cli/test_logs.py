"""How records become lines."""

import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from mpiop.cli import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger("mpiop")
    handlers, level, propagate = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:], root.propagate = handlers, propagate
    root.setLevel(level)


def log() -> logging.Logger:
    return logging.getLogger("mpiop.test")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the context holds; nothing is said twice."""
    logs.log_to_stderr("debug", "json")
    logs.log_to_stderr("debug", "json")
    odd = {"mpijob": 'a"b\nc', "acted": 0, "none": None, "empty": "", "list": [1]}
    log().debug("reconciled", extra=odd)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "debug",
        "logger": "mpiop.test",
        "message": "reconciled",
        "mpijob": 'a"b\nc',
        "acted": 0,
        "list": [1],
    }


def test_text_is_one_line_with_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    """Values with spaces or ends of lines are quoted."""
    logs.log_to_stderr("info")
    log().debug("not said")
    log().info("reconciled", extra={"phase": "Created", "cause": "a b\nc=d"})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('INFO reconciled phase=Created cause="a b\\nc=d"')


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_nobody_catches_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    """In the log's own format, from any thread."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.log_to_stderr("info", style)
    logs.log_uncaught()

    def fail() -> None:
        raise LookupError("lost")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join(30)
    text = capsys.readouterr().err
    assert text.count("LookupError: lost") == 1
    if style == "json":
        found = json.loads(text)
        assert (found["level"], found["message"]) == ("critical", "uncaught")
