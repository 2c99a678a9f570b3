"""`mpiop` as a user meets it: options, exit codes, what is shown, how it ends."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from mpiop import __version__
from mpiop.cli import running
from mpiop.cli.main import cli
from tests.support.commands import SAMPLES, Way, mpiop, popen

NAMESPACES = pytest.param(
    "namespaces", id="namespaces", marks=pytest.mark.needs("namespaces")
)
HELLO = "openmpi-helloworld"
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
FOREVER = ["sleep", "1000"]
Process = subprocess.Popen[str]


def hello(*program: str, sample: str = HELLO) -> str:
    """Give a sample, with another program for its ranks if one is named."""
    text = (SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8")
    if not program:
        return text
    manifest = yaml.safe_load(text)
    template = manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    (container,) = template["spec"]["containers"]
    container["command"][-1:] = program
    return yaml.safe_dump(manifest)


def alone(*command: str) -> str:
    """Give a job that is a launcher and nothing else: it takes no time to start."""
    container = {"name": "main", "image": "none", "command": list(command)}
    return yaml.safe_dump(
        {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": {"name": "alone"},
            "spec": {
                "runPolicy": {"backoffLimit": 0},
                "mpiReplicaSpecs": {
                    "Launcher": {"template": {"spec": {"containers": [container]}}}
                },
            },
        }
    )


def written(folder: Path, text: str) -> str:
    """Write a manifest to a file and give its path."""
    file = folder / "job.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def read_until(process: Process, word: str) -> str:
    """Read lines of the output until one has a word; give them."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError(f"the output ends without {word!r}:\n{''.join(lines)}")


def interrupted(process: Process, number: signal.Signals = signal.SIGINT) -> str:
    """Send a signal, wait for the end, give the rest of the output."""
    process.send_signal(number)
    out, _ = process.communicate()
    return out


def test_standard_input_in_plain_lines() -> None:
    """A job comes in by a pipe; what goes out by one are lines without colours."""
    ran = mpiop("run", "-", stdin=alone("echo", "hello"))
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert "\x1b" not in ran.out
    lines = ran.out.splitlines()
    said = [re.sub(r"^\[ *[0-9.]+\] ", "", line) for line in lines]
    assert said.index("MPIJob default/alone created") < said.index("hello")
    assert said.index("hello") < len(said) - 1
    assert re.search(r"^phase: \w+ -> Succeeded$", "\n".join(said), re.MULTILINE)
    assert re.search(r"^Succeeded in \d+\.\d+ s$", ran.out, re.MULTILINE)


def test_json_is_one_document_on_stdout() -> None:
    """-o json keeps stdout for the document, and all else for stderr."""
    ran = mpiop("run", "-o", "json", "-", stdin=alone("echo", "hello"))
    assert ran.code == 0
    assert ran.document["verdict"] == "Succeeded"
    assert ran.document["exitCode"] == 0
    assert ran.document["phases"][-1]["phase"] == "Succeeded"
    assert "hello\n" in ran.err


@pytest.mark.checklist("7.5.malformed")
def test_the_exit_code_is_the_jobs() -> None:
    """A program that exits with 3 makes `mpiop run` exit with 3, and says why."""
    ran = mpiop("run", "-", stdin=hello("sh", "-c", "exit 3"))
    assert ran.code == 3, ran.err + ran.out
    assert re.search(r"^Failed in ", ran.out, re.MULTILINE)
    assert "exit code 3" in ran.out


def test_timeout() -> None:
    """--timeout ends a job that would go on, with 124."""
    ran = mpiop("run", "--timeout", "2", "-o", "json", "-", stdin=alone(*FOREVER))
    assert ran.code == 124, ran.err
    assert ran.document["verdict"] == "Unfinished"
    assert ran.document["exitCode"] == 124
    assert "the time given by --timeout is over" in ran.err


@pytest.mark.parametrize("isolation", [NAMESPACES, "plain"])
@pytest.mark.parametrize("phase", ["phase: Created", "-> LauncherRunning"])
def test_interrupt(phase: str, isolation: str, tmp_path: Path) -> None:
    """Ctrl-C ends everything in any phase, with 130."""
    job = written(tmp_path, hello(*FOREVER))
    with popen("run", job, way=Way(("--isolation", isolation))) as process:
        read_until(process, phase)
        rest = interrupted(process)
        assert process.returncode == 130
        assert "Unfinished in" in rest


@pytest.mark.needs("sshd")
@pytest.mark.parametrize("isolation", [NAMESPACES, "plain"])
def test_interrupt_over_ssh(isolation: str, tmp_path: Path) -> None:
    """No sshd and no rank outlives Ctrl-C."""
    job = written(tmp_path, hello(*FOREVER, sample=f"{HELLO}-ssh"))
    with popen("run", job, way=Way(("--isolation", isolation))) as process:
        read_until(process, "-> LauncherRunning")
        time.sleep(1)  # let mpirun get to its remote starts
        interrupted(process)
        assert process.returncode == 130


def test_terminate(tmp_path: Path) -> None:
    """SIGTERM, as batch systems send it, ends everything with 143."""
    job = written(tmp_path, hello(*FOREVER))
    with popen("run", job) as process:
        read_until(process, "-> LauncherRunning")
        interrupted(process, signal.SIGTERM)
        assert process.returncode == 143


def test_interrupt_before_the_job_is_read() -> None:
    """Ctrl-C while standard input is awaited ends it with 130, without a word."""
    with popen("run", "-", stdin=subprocess.PIPE) as process:
        waiting = Path("/proc", str(process.pid), "wchan")
        end = time.monotonic() + 10
        while time.monotonic() < end and "pipe" not in waiting.read_text("ascii"):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130, err
        assert err == ""


def test_output_that_nobody_reads(tmp_path: Path) -> None:
    """`mpiop run | head -1` leaves nothing behind."""
    with popen("run", written(tmp_path, hello())) as process:
        read_until(process, "created")
        assert process.stdout is not None
        process.stdout.close()
        process.wait()
        assert process.returncode != 0


@pytest.mark.needs("namespaces")
def test_an_environment_below_a_pods_own_tmp(tmp_path: Path) -> None:
    """Programs of a virtual environment below /tmp are found in Pods, too."""
    venv.create(tmp_path / "venv", symlinks=True)
    program = tmp_path / "venv" / "bin" / "kept"
    program.write_text("#!/bin/sh\necho kept in sight\n", encoding="utf-8")
    program.chmod(0o755)
    ran = subprocess.run(
        [str(program.with_name("python")), "-m", "mpiop", "run", "-"],
        input=alone("kept"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "kept in sight\n" in ran.stdout


def kubectl(printed: str, *words: str) -> str:
    """Run kubectl as a user would who follows what was printed."""
    (config,) = set(re.findall(r"export KUBECONFIG=(\S+)", printed))
    program = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [str(program), *words],
        env={**os.environ, "KUBECONFIG": config},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_keep(tmp_path: Path) -> None:
    """--keep leaves the cluster up for kubectl; Ctrl-C ends it with the job's code."""
    job = written(tmp_path, alone("sh", "-c", "echo from-the-log; exit 137"))
    with popen("run", "--keep", job) as process:
        printed = read_until(process, "get mpijobs,pods")
        assert "The cluster stays until Ctrl-C" in printed
        assert "Failed" in kubectl(printed, "get", "mpijobs")
        log = kubectl(printed, "logs", "job/alone-launcher")
        assert log == "from-the-log\n"
        interrupted(process)
        assert process.returncode == 137


def test_local_up() -> None:
    """`mpiop local up` tells how to use it, and carries MPIJobs out if asked to."""
    with popen("local", "up", "--operator") as process:
        printed = read_until(process, "get mpijobs,pods")
        sample = str(SAMPLES / f"{HELLO}.yaml")
        kubectl(printed, "apply", "-f", sample)
        condition = "--for=condition=Succeeded"
        kubectl(printed, "wait", condition, f"mpijob/{HELLO}", "--timeout=60s")
        assert "Hello world" in kubectl(printed, "logs", f"job/{HELLO}-launcher")
        interrupted(process)
        assert process.returncode == 0


def seen_on_a_terminal(
    job: str, act: Callable[[str, int], None] = lambda _text, _fd: None
) -> tuple[int, str]:
    """Run a job on a terminal; give the exit code and all that was written to it."""
    master, slave = pty.openpty()
    try:
        with popen(
            "run",
            job,
            way=Way(terminal=True),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            environment={"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        ) as process:
            os.close(slave)
            seen = b""
            while part := _read(master):
                seen += part
                act(seen.decode(errors="replace"), master)
            process.wait()
    finally:
        os.close(master)
    return process.returncode, seen.decode(errors="replace")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # the last user of the terminal has gone
        return b""


def test_live_view(tmp_path: Path) -> None:
    """A terminal shows phase and Pods as they change; at the end stands the verdict."""
    job = written(tmp_path, hello())
    code, raw = seen_on_a_terminal(job)
    assert code == 0, raw
    assert "\x1b[" in raw
    text = ANSI.sub("", raw)
    assert re.search(rf"{HELLO}  LauncherRunning  workers 2/2  \d+\.\d s", text)
    for pod in (f"{HELLO}-worker-0", f"{HELLO}-worker-1"):
        assert re.search(rf"^ +{pod} +Ready", text, re.MULTILINE)
    assert re.search(rf"^ +{HELLO}-launcher-\w+ +Ready", text, re.MULTILINE)
    end = text[text.index("Succeeded in ") :]
    assert "operator's own share" in end
    assert "LauncherRunning" not in end


def test_interrupt_on_a_terminal(tmp_path: Path) -> None:
    """Ctrl-C as it is typed reaches the whole process group, and harms nothing."""
    typed: list[str] = []

    def type_it(text: str, terminal: int) -> None:
        if "LauncherRunning" in text and not typed:
            typed.append(text)
            os.write(terminal, b"\x03")

    code, raw = seen_on_a_terminal(written(tmp_path, hello(*FOREVER)), type_it)
    assert code == 130, raw
    assert "Traceback" not in raw


def invoke(*words: str) -> Any:  # noqa: ANN401 (click's own result)
    """Run a command in this process."""
    return CliRunner().invoke(cli, words)


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_version(words: tuple[str, ...]) -> None:
    """The version of mpiop and of Python, on one line."""
    ran = invoke(*words)
    assert ran.exit_code == 0
    assert ran.output.startswith(f"mpiop {__version__} (Python ")


@pytest.mark.parametrize(
    ("words", "taught"),
    [
        ((), ("mpiop run deploy/samples/openmpi-helloworld.yaml", "First steps:")),
        (("run",), ("--keep", "--timeout SECONDS", "NAME=DIR", "Examples:", "130")),
        (("local", "up"), ("--operator", "mpiop local up --port 6443")),
        (("operator",), ("MPIOP_NAMESPACE=science",)),
    ],
)
def test_help(words: tuple[str, ...], taught: tuple[str, ...]) -> None:
    """Help shows what to type: examples line by line, exit codes, forms of values."""
    ran = invoke(*words, "--help")
    assert ran.exit_code == 0
    assert "\\b" not in ran.output
    for text in taught:
        assert text in ran.output


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (("rnu",), "run"),
        (("local", "upp"), "up"),
        (("run", "--kepe", "job.yaml"), "--keep"),
        (("run", "--imgae", "a=b", "job.yaml"), "--image"),
        (("validate", "--hepl", "job.yaml"), "--help"),
        (("version", "--halp"), "--help"),
        (("local", "up", "--oprator"), "--operator"),
        (("operator", "--namespce", "x"), "--namespace"),
    ],
)
def test_a_slip_of_the_pen(words: tuple[str, ...], nearest: str) -> None:
    """An unknown command or flag is an error that names the nearest."""
    ran = invoke(*words)
    assert ran.exit_code == 2
    _, _, meant = ran.output.lower().partition("did you mean")
    assert re.search(rf"(?<![\w-]){nearest}(?![\w-])", meant)


@pytest.mark.needs("sshd")
def test_missing_compiler(tmp_path: Path) -> None:
    """Without one, plain mode takes no job over ssh, and says so on one line more."""
    (tmp_path / "ssh").symlink_to(shutil.which("ssh") or "")
    ran = mpiop(
        "run",
        str(SAMPLES / f"{HELLO}-ssh.yaml"),
        way=Way(("--isolation", "plain")),
        environment={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert ran.code == 2, ran.err
    (line,) = ran.err.splitlines()
    assert "apt-get install gcc" in line


def test_missing_sshd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an sshd a job over ssh is refused with what to install, on one line."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(running, "_SBIN", str(tmp_path))
    ran = invoke("run", str(SAMPLES / f"{HELLO}-ssh.yaml"))
    assert ran.exit_code == 2
    (line,) = ran.output.splitlines()
    assert "apt-get install openssh-server" in line
