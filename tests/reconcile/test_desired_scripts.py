"""Our scripts under a real shell: the agent over both transports, the wait, sshd."""

import base64
import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from mpiop.k8s.keys import make_keys
from mpiop.reconcile.desired.config_map import config_map
from mpiop.reconcile.desired.launcher import launcher_job
from mpiop.reconcile.mpijob import Install, MPIJob
from mpiop.reconcile.parse import parse

PATIENCE = 20.0
KUBECTL = """#!/bin/sh
echo "$*" | head -n 1 >>"$0.log"
while [ "$1" != -- ]; do shift; done
shift
exec setsid "$@"
"""
SSH = """#!/bin/sh
printf '%s\\n' "$@" >"$0.args"
for last; do :; done
exec /bin/sh -c "$last"
"""
# Knows every name, but for those in a file beside it, in which a number is a code.
GETENT = """#!/bin/sh
echo "$2" >>"$0.log"
while read -r name code; do
  [ "$name" != "$2" ] || exit "$code"
done <"$0.unknown"
"""
KEY_FILES = {
    "ssh-privatekey": "id",
    "ssh-publickey": "authorized_keys",
    "known_hosts": "known_hosts",
    "host-privatekey": "host_key",
}


def job_of(shell: str, command: list[str] | None = None, **spec: object) -> MPIJob:
    """Give a job of four workers."""
    main: dict[str, Any] = {"name": "mpi", "image": "i"}
    worker = {**main, "command": command} if command else main
    replicas = {
        "Launcher": {"template": {"spec": {"containers": [main]}}},
        "Worker": {"replicas": 4, "template": {"spec": {"containers": [worker]}}},
    }
    job = parse(
        {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": {"name": "pi"},
            "spec": {"mpiReplicaSpecs": replicas, "remoteShell": shell, **spec},
        }
    )
    assert isinstance(job, MPIJob)
    return job


@attrs.frozen
class Mounted:
    """The ConfigMap as it lies in a container, and the agent's own folder."""

    folder: Path

    @property
    def run(self) -> Path:
        """Where kubectl, key copies and claims lie."""
        return self.folder / "run"

    @property
    def record(self) -> Path:
        """The termination log."""
        return self.folder / "termination-log"

    def environment(self, **more: str) -> dict[str, str]:
        """Give the launcher's environment, with our stand-ins first on PATH."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        found = {"PATH": path, "MPIOP_RUN": str(self.run)}
        return {**found, "MPIOP_RECORD": str(self.record), **more}

    def start(
        self, *words: str, script: str = "agent.sh", **more: str
    ) -> "subprocess.Popen[str]":
        """Start one of the scripts."""
        return subprocess.Popen(
            [str(self.folder / script), *words],
            env=self.environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *words: str, said: str = "", **more: str) -> tuple[int, str, str]:
        """Run the agent to its end."""
        with self.start(*words, **more) as process:
            out, err = process.communicate(said, timeout=PATIENCE)
        return process.returncode, out, err


def mount(folder: Path, job: MPIJob, *, fake_ssh: bool = True) -> Mounted:
    """Lay out what a launcher of the job has mounted."""
    mounted = Mounted(folder)
    mounted.run.mkdir()
    (folder / "bin").mkdir()
    data = cast("dict[str, str]", config_map(job, Install(), [])["data"])
    programs = {"run/kubectl": KUBECTL, "bin/getent": GETENT, "bin/getent.unknown": ""}
    programs |= {"bin/ssh": SSH} if fake_ssh else {}
    for name, text in {**data, **programs}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for key, value in make_keys().items():
        if key in KEY_FILES:
            (folder / KEY_FILES[key]).write_bytes(base64.b64decode(value))
    mounted.record.touch()
    return mounted


@pytest.fixture(params=["KubectlExec", "SSH", "image's SSH"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Mounted:
    """Give the scripts of each transport."""
    shell = str(request.param)
    own = ["sshd"] if shell == "image's SSH" else None
    return mount(tmp_path, job_of(shell.removeprefix("image's "), own))


def until(true: Callable[[], object]) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not hold in time.
    """
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def alive(mark: str) -> list[int]:
    """Find processes by a word of their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if mark in words:
            found.append(int(path.parent.name))
    return found


def test_the_command_runs_and_stdout_is_its_own(mounted: Mounted) -> None:
    """Words after the host are one shell command; its output and code come back."""
    code, out, err = mounted.call(
        "pi-worker-1.pi.default.svc", "echo a; echo b >&2;", "exit 7"
    )
    assert (code, out) == (7, "a\n")
    assert err.endswith("b\n")
    assert mounted.record.read_text() == "+1\n!1 7\n"


@pytest.mark.parametrize("host", ["pi-launcher", "me@pi-launcher.pi.default.svc"])
def test_a_launcher_that_takes_ranks_starts_its_own(
    mounted: Mounted, host: str
) -> None:
    """It has no sshd, and Intel MPI calls its own host as well; no worker took part."""
    said = "sh -c 'echo here $PPID'"
    with mounted.start(host, said) as process:
        out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.split()) == (0, ["here", str(process.pid)])
    assert mounted.record.read_text() == ""
    code, out, _ = mounted.call(host, "echo there", MPIOP_RECORD="")
    assert (code, out) == (0, "there\n")


@pytest.mark.parametrize(
    "words",
    [
        ["pi-worker-3", "true"],
        ["-x", "pi-worker-3", "true"],
        ["-q", "-o", "A=b", "-oC=d", "-p", "22", "me@pi-worker-3.pi.x.svc", "true"],
        ["pi-worker-3", "-n", "true"],
        ["-l", "me", "pi-worker-3", "true"],
    ],
)
def test_the_host_is_found_among_options(mounted: Mounted, words: list[str]) -> None:
    """As ssh would find it; every MPI calls with others."""
    assert mounted.call(*words)[0] == 0
    assert mounted.record.read_text() == "+3\n"


@pytest.mark.compat("objects.kubectl-delivery")
def test_kubectl_is_delivered_beside_a_hosts_file(tmp_path: Path) -> None:
    """The launcher's own line, as v1's commands append it; workers go by DNS."""
    job = job_of("KubectlExec")
    mounted = mount(tmp_path, job)
    shutil.copy(mounted.run / "kubectl", tmp_path / "bin/kubectl")
    (tmp_path / "kube").mkdir()
    template: Any = launcher_job(job, Install(), 0, suspend=False)["spec"]
    delivery = template["template"]["spec"]["initContainers"][0]
    env = mounted.environment(TARGET_DIR=str(tmp_path / "kube"))
    subprocess.run(delivery["command"], env=env, check=True, timeout=PATIENCE)
    assert (tmp_path / "kube/kubectl").read_text() == KUBECTL
    known = Path("/etc/hosts").read_text().splitlines()
    assert (tmp_path / "kube/hosts").read_text().splitlines() == known[-1:]
    amounts = {"cpu": "100m", "memory": "128Mi"}
    assert delivery["resources"] == {"limits": amounts, "requests": amounts}


@pytest.mark.defect("E2")
def test_the_launcher_reads_no_pods(tmp_path: Path) -> None:
    """It enters its workers to wait for them and to start ranks, by their names."""
    mounted = mount(tmp_path, job_of("KubectlExec"))
    with mounted.start(script="wait.sh", MPIOP_REPORT=str(tmp_path / "said")) as wait:
        wait.communicate(timeout=PATIENCE)
    assert mounted.call("pi-worker-1", "true")[0] == 0
    called = (mounted.run / "kubectl.log").read_text().splitlines()
    options = ["--cache-dir", str(mounted.run / "cache")]
    assert {tuple(one.split()[:4]) for one in called} == {(*options, "exec", "-i")}
    assert sorted(one.split()[4] for one in called) == [
        "pi-worker-0",
        "pi-worker-1",
        "pi-worker-1",
        "pi-worker-2",
        "pi-worker-3",
    ]


@pytest.mark.checklist("7.6.GeneratingHostsFile")
def test_kubectl_gets_pod_and_container(tmp_path: Path) -> None:
    """A sidecar may come first in a worker, so the container is named."""
    mounted = mount(tmp_path, job_of("KubectlExec", mainContainer="it's"))
    mounted.call("-x", "me@pi-worker-2.pi.default.svc", "true")
    said = (mounted.run / "kubectl.log").read_text()
    assert "exec -i pi-worker-2 -c it's -- /bin/sh -c" in said


def test_ssh_keeps_its_options_and_gets_ours(tmp_path: Path) -> None:
    """Our key, which only its owner may read, our configuration, then the caller's."""
    mounted = mount(tmp_path, job_of("SSH"))
    assert mounted.call("-x", "pi-worker-2", "true")[0] == 0
    words = (tmp_path / "bin/ssh.args").read_text().split("\n")
    assert words[words.index("-F") + 1] == f"{tmp_path}/ssh_config"
    assert words[words.index("-i") + 1] == f"{mounted.run}/id"
    assert words[-4:] == ["-x", "pi-worker-2", "true", ""]
    assert (mounted.run / "id").stat().st_mode & 0o777 == 0o600


def test_an_images_own_ssh_gets_upstreams_words_only(tmp_path: Path) -> None:
    """The contract of a worker with a command is upstream's."""
    mounted = mount(tmp_path, job_of("SSH", ["sshd"]))
    mounted.call("pi-worker-2", "true")
    words = (tmp_path / "bin/ssh.args").read_text().split("\n")
    assert words == ["-o", "ConnectionAttempts=10", "pi-worker-2", "true", ""]


def test_hydras_proxies_call_by_address(mounted: Mounted) -> None:
    """The launcher's name may not resolve in a worker; its address always serves."""
    words = ("pi-worker-0", "echo", "--control-port", "pi-launcher:4711", "-v")
    assert mounted.call(*words, MPIOP_POD_IP="10.1.2.3")[1] == (
        "--control-port 10.1.2.3:4711 -v\n"
    )
    assert "pi-launcher:4711" in mounted.call(*words, MPIOP_POD_IP="fd00::1")[1]


def test_the_record_stays_small_whatever_happens(mounted: Mounted) -> None:
    """Side by side and repeated: each host once, and never beyond 3,500 bytes."""
    hosts = [f"pi-worker-{index}" for index in (*range(60), *range(60), 300)]
    hosts += [f"a-host-with-a-long-name-{index}" for index in range(40)]
    for _ in range(2):
        running = [mounted.start(host, "exit 9") for host in hosts]
        for process in running:
            with process:
                process.communicate(timeout=60)
    text = mounted.record.read_text()
    assert len(text) <= 3500
    lines = text.splitlines()
    started = [line for line in lines if line.startswith("+")]
    assert len(started) == len(set(started))
    assert {f"+{index}" for index in range(60)} <= set(started)
    assert all(re.fullmatch(r"\+\S+|!\S+ 9", line) for line in lines)


def test_without_a_record_nothing_is_written(mounted: Mounted) -> None:
    """The wait's own starts are no starts of the program."""
    assert mounted.call("pi-worker-1", "exit 3", MPIOP_RECORD="")[0] == 3
    assert mounted.record.read_text() == ""


@pytest.fixture(params=[signal.SIGTERM, signal.SIGKILL])
def ending(request: pytest.FixtureRequest) -> int:
    """Give how the agent ends."""
    return int(request.param)


def test_remote_processes_die_with_the_stream(tmp_path: Path, ending: int) -> None:
    """However the agent ends, ranks in process groups of their own end as well."""
    mounted = mount(tmp_path, job_of("KubectlExec"))
    mark = f"{tmp_path.name}-{ending}"
    rank = "import os, time; os.setpgid(0, 0); print('up', flush=True); time.sleep(600)"
    command = f'python3 -c "{rank}" {mark} & wait'
    with mounted.start("pi-worker-0", command) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "up\n"
        assert alive(mark)
        agent.send_signal(ending)
        until(lambda: not alive(mark))
        agent.communicate(timeout=PATIENCE)


def test_an_agent_that_is_ended_records_no_failure(mounted: Mounted) -> None:
    """Agents are ended by an mpirun that is done; that is nobody's mistake."""
    with mounted.start("pi-worker-0", "echo up; exec sleep 600") as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "up\n"
        agent.terminate()
        agent.communicate(timeout=PATIENCE)
    assert mounted.record.read_text() == "+0\n"


@pytest.mark.checklist("7.6.WaitingPodRunning")
@pytest.mark.defect("E11")
def test_the_wait_names_the_first_blocker_until_all_answer(mounted: Mounted) -> None:
    """One line a change in log and termination message; empty at the end."""
    gate = mounted.folder / "gate"
    stub = f"#!/bin/sh\n[ -e {gate} ] || {{ echo no route to $5 >&2; exit 9; }}\n"
    (mounted.folder / "agent.sh").write_text(stub)
    report = mounted.folder / "report"
    with mounted.start(script="wait.sh", MPIOP_REPORT=str(report)) as wait:
        until(lambda: report.exists() and "pi-worker-0" in report.read_text())
        assert "waiting for 4 of the hosts" in report.read_text()
        assert "no route to pi-worker-0" in report.read_text()
        gate.touch()
        out, _ = wait.communicate(timeout=PATIENCE)
    assert wait.returncode == 0
    assert out.splitlines()[-1] == "every host answers"
    assert report.read_text() == ""


@pytest.mark.defect("D23")
@pytest.mark.compat("objects.kubectl-delivery")
def test_a_launcher_over_kubectl_finds_the_names_of_all_workers(tmp_path: Path) -> None:
    """A name comes to DNS after its Pod is ready; programs use what hostfiles say."""
    mounted = mount(tmp_path, job_of("KubectlExec"))
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    unknown = tmp_path / "bin/getent.unknown"
    unknown.write_text("pi-worker-1 2\n")
    report = tmp_path / "report"
    with mounted.start(script="wait.sh", MPIOP_REPORT=str(report)) as wait:
        until(lambda: report.exists() and "pi-worker-1 to" in report.read_text())
        assert wait.poll() is None
        unknown.write_text("")
        out, _ = wait.communicate(timeout=PATIENCE)
    asked = (tmp_path / "bin/getent.log").read_text().split()
    workers = [f"pi-worker-{index}" for index in range(4)]
    assert list(dict.fromkeys(asked)) == ["localhost", *workers]
    assert out.splitlines() == [
        "waiting for the name of pi-worker-1 to resolve",
        "every host answers",
    ]
    assert report.read_text() == ""


@pytest.mark.parametrize("code", [124, 2])
def test_kubectl_goes_on_where_there_are_no_names(tmp_path: Path, code: int) -> None:
    """At once where no server answers in time, after a while where one says no."""
    mounted = mount(tmp_path, job_of("KubectlExec"))
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    (tmp_path / "bin/sleep").write_text('#!/bin/sh\necho "$1" >>"$0.log"\n')
    (tmp_path / "bin/sleep").chmod(0o755)
    (tmp_path / "bin/getent.unknown").write_text(f"pi-worker-0 {code}\n")
    report = str(tmp_path / "report")
    with mounted.start(script="wait.sh", MPIOP_REPORT=report) as wait:
        out, _ = wait.communicate(timeout=PATIENCE)
    assert wait.returncode == 0
    assert "pi-worker-0 has no name here" in out
    slept = tmp_path / "bin/sleep.log"
    seconds = sum(map(float, slept.read_text().split())) if slept.exists() else 0
    assert seconds == pytest.approx(30 if code == 2 else 0)


def scaled(mounted: Mounted, hostfile: str) -> None:
    """Change the mounted hostfile at once, as a kubelet does."""
    new = mounted.folder / "new"
    new.write_text(hostfile)
    new.rename(mounted.folder / "hostfile")


def test_the_wait_follows_a_scaling(mounted: Mounted) -> None:
    """Workers that are wanted no more are not waited for, and new ones are proved."""
    there, calls = mounted.folder / "there", mounted.folder / "calls"
    there.write_text("pi-worker-0\npi-worker-1\n")
    stub = f"#!/bin/sh\necho ${{5%%.*}} >>{calls}\ngrep -qxF ${{5%%.*}} {there}\n"
    (mounted.folder / "agent.sh").write_text(stub)
    report = mounted.folder / "report"
    before = (mounted.folder / "hostfile").read_text()
    with mounted.start(script="wait.sh", MPIOP_REPORT=str(report)) as wait:
        until(lambda: report.exists() and "2 of the hosts" in report.read_text())
        scaled(mounted, before.replace("worker-2", "worker-4"))
        until(lambda: "pi-worker-4" in calls.read_text())
        assert wait.poll() is None  # one that is still wanted has not answered
        lines = before.splitlines(keepends=True)
        scaled(mounted, "".join(one for one in lines if "-0" in one or "-1" in one))
        out, _ = wait.communicate(timeout=PATIENCE)
    assert out.splitlines()[-1] == "every host answers"
    assert calls.read_text().split().count("pi-worker-0") == 1


def test_the_wait_ends_when_asked_to(mounted: Mounted) -> None:
    """A container's first process hears SIGTERM only where it listens."""
    (mounted.folder / "agent.sh").write_text("#!/bin/sh\nexit 1\n")
    report = mounted.folder / "report"
    with mounted.start(script="wait.sh", MPIOP_REPORT=str(report)) as wait:
        until(report.exists)
        wait.terminate()
        wait.communicate(timeout=PATIENCE)
    assert wait.returncode == 143


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Mounted, int]]:
    """Run a worker's sshd on a free port of the loopback."""
    with _serving(tmp_path) as served:
        yield served


@contextlib.contextmanager
def _serving(tmp_path: Path, script: str = "sshd.sh") -> Iterator[tuple[Mounted, int]]:
    mounted = mount(tmp_path, job_of("SSH"), fake_ssh=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("sshd_config", "ssh_config"):
        path = tmp_path / name
        path.chmod(0o644)
        text = path.read_text().replace("Port 2222", f"Port {port}")
        path.write_text(text.replace("Host pi-worker-*", "Host 127.0.0.1 pi-worker-*"))
    odd = {"ODD": "a 'b' \"c\"\n$d", "PATH": f"/odd/bin:{os.environ['PATH']}"}
    with mounted.start(script=script, **odd) as daemon:
        until(lambda: _listens(port))
        yield mounted, port
        daemon.terminate()
        daemon.communicate(timeout=PATIENCE)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.needs("sshd")
def test_ranks_see_their_containers_environment(server: tuple[Mounted, int]) -> None:
    """Quotes, newlines and PATH included, over our sshd, key and known_hosts."""
    mounted, _ = server
    code, out, err = mounted.call("127.0.0.1", 'echo "$PATH"; printf %s "$ODD"; exit 5')
    assert code == 5, err
    path, odd = out.split("\n", 1)
    assert path.startswith("/odd/bin:")
    assert odd == "a 'b' \"c\"\n$d"
    assert mounted.record.read_text() == "+127\n!127 5\n"


@pytest.mark.needs("sshd")
def test_ssh_carries_standard_input(server: tuple[Mounted, int]) -> None:
    """The agent keeps all three streams."""
    mounted, _ = server
    assert mounted.call("127.0.0.1", "cat", said="through")[1] == "through"


@pytest.mark.needs("sshd", "namespaces")
def test_a_session_reads_no_bashrc(tmp_path: Path) -> None:
    """Bash under sshd would, for every rank; one that waited hung the whole job."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text("echo read\n")
    wrapped = tmp_path / "wrapped.sh"
    account = pwd.getpwuid(os.getuid()).pw_dir
    wrapped.write_text(
        "#!/bin/sh\nexec unshare --mount sh -ec "
        f"'mount --bind {home} {account}; exec {tmp_path}/sshd.sh'\n"
    )
    wrapped.chmod(0o755)
    with _serving(tmp_path, "wrapped.sh") as (mounted, _):
        code, out, err = mounted.call("127.0.0.1", 'echo "${SHLVL-none}"')
    assert (code, err) == (0, "")
    assert out in {"none\n", "1\n"}  # as under /bin/sh of kubectl exec


@pytest.mark.needs("sshd")
def test_openssh_takes_the_keys(tmp_path: Path) -> None:
    """ECDSA P-521 in PEM for users, a host key that known_hosts names."""
    keys = {name: base64.b64decode(value) for name, value in make_keys().items()}
    for name in ("ssh-privatekey", "host-privatekey"):
        path = tmp_path / name
        path.write_bytes(keys[name])
        path.chmod(0o600)
        shown = subprocess.run(
            [shutil.which("ssh-keygen") or "ssh-keygen", "-y", "-f", str(path)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        public = "known_hosts" if name.startswith("host") else "ssh-publickey"
        assert " ".join(shown[:2]) in keys[public].decode()
    assert keys["ssh-privatekey"].startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert keys["ssh-publickey"].startswith(b"ecdsa-sha2-nistp521 ")


@pytest.mark.parametrize("known", [True, False])
def test_a_uid_without_an_account_gets_one(tmp_path: Path, *, known: bool) -> None:
    """The image's accounts stay; one is added for a uid that has none."""
    mounted = mount(tmp_path, job_of("SSH"))
    name = mounted.folder / "bin" / "id"
    name.write_text(
        '#!/bin/sh\ncase $1 in -u) echo 4711;; -g) echo 12;; -un) exit "$CODE";; esac\n'
    )
    name.chmod(0o555)
    with mounted.start(
        script="account.sh", CODE="0" if known else "1", HOME="/home/x"
    ) as process:
        process.communicate(timeout=PATIENCE)
    image = Path("/etc/passwd").read_text()
    added = "" if known else "mpi:x:4711:12::/home/x:/bin/sh\n"
    assert process.returncode == 0
    assert (mounted.run / "passwd").read_text() == image + added
