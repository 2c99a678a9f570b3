"""Pods as real processes, in both isolations: what a Pod can rely on."""

import base64
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import Json, PodCluster, message, shell
from tests.support.script import ready

NAMESPACE = "/api/v1/namespaces/default"
SAY = "exec >/dev/termination-log 2>&1; "


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    program = folder / "helloworld" / "hello"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho hello from $0\n", encoding="utf-8")
    program.chmod(0o755)
    config = '{"Entrypoint": ["/helloworld/hello"], "Env": ["FROM_IMAGE=yes"]}'
    (folder / ".image.json").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("namespaces", marks=pytest.mark.needs("namespaces")),
        "plain",
    ],
)
def cluster(request: pytest.FixtureRequest, image: Path) -> Iterator[PodCluster]:
    with PodCluster(images={"hello": image}, isolation=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def isolated(image: Path) -> Iterator[PodCluster]:
    with PodCluster(images={"hello": image}) as made:
        yield made


needs_namespaces = pytest.mark.needs("namespaces")


def ended(pod: Json) -> Json:
    state: Json = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def running(pod: Json) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def config_map(cluster: PodCluster, name: str, **data: str) -> None:
    cluster.call(
        "POST",
        f"{NAMESPACE}/configmaps",
        {"metadata": {"name": name}, "data": data},
    )


def processes(text: str) -> list[str]:
    listing = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if text in line]


def until(holds: Any, what: str) -> None:  # noqa: ANN401
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_exit_code_and_message(cluster: PodCluster) -> None:
    """A container's exit code and termination message are in the status."""
    pod = cluster.finished(cluster.pod("code", shell(SAY + "hostname; exit 3")))
    assert pod["status"]["phase"] == "Failed"
    assert ended(pod)["exitCode"] == 3
    assert ended(pod)["reason"] == "Error"
    assert message(pod) == "code\n"
    assert not ready(pod)


def test_success(cluster: PodCluster) -> None:
    """A Pod whose containers all exit 0 has Succeeded."""
    pod = cluster.finished(cluster.pod("good", shell("true")))
    assert pod["status"]["phase"] == "Succeeded"
    assert ended(pod)["reason"] == "Completed"


def test_death_by_signal(cluster: PodCluster) -> None:
    """A signal shows as 128 and its number."""
    pod = cluster.finished(
        cluster.pod("killed", shell("sh -c 'kill -9 $$$$'; exit $?"))
    )
    assert ended(pod)["exitCode"] == 137


def test_program_not_found(cluster: PodCluster) -> None:
    """A missing program is named, and the Pod fails."""
    container = {"name": "main", "image": "none", "command": ["no-such-program"]}
    pod = cluster.finished(cluster.pod("missing", container))
    assert ended(pod)["exitCode"] == 128
    assert ended(pod)["reason"] == "StartError"
    assert "no-such-program" in message(pod)


def test_no_command(cluster: PodCluster) -> None:
    """A container without a command, and without one in its image, says so."""
    path = cluster.pod("silent", {"name": "main", "image": "none"})

    def told(pod: Json) -> bool:
        states = pod["status"].get("containerStatuses") or [{}]
        waiting = states[0].get("state", {}).get("waiting", {})
        return bool(
            waiting.get("reason") == "CreateContainerError"
            and "no command" in waiting.get("message", "")
        )

    cluster.wait(path, told)
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=1")
    cluster.gone(path)


def test_image_folder(cluster: PodCluster) -> None:
    """An image is a folder over the root, with command and environment of its own."""
    path = cluster.pod("entry", {"name": "main", "image": "hello"})
    assert ended(cluster.finished(path))["exitCode"] == 0
    assert cluster.run("logs", "entry")[1].startswith("hello from /")
    script = SAY + "/helloworld/hello; echo $FROM_IMAGE"
    pod = cluster.finished(cluster.pod("shown", shell(script, image="hello")))
    assert message(pod).endswith("hello\nyes\n")


def test_fall_back_to_logs(cluster: PodCluster) -> None:
    """The end of the log is the message of a failure, where the Pod says so."""
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    pod = cluster.pod("logged", shell("echo one; echo two >&2; exit 1", **policy))
    assert set(message(cluster.finished(pod)).split()) == {"one", "two"}


def test_environment(cluster: PodCluster) -> None:
    """Values come from fields, ConfigMaps and Secrets, and refer to one another."""
    config_map(cluster, "settings", key="blue")
    secret = {"key": base64.b64encode(b"hush").decode()}
    cluster.call(
        "POST",
        f"{NAMESPACE}/secrets",
        {"metadata": {"name": "hidden"}, "data": secret},
    )
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)b $$(A) $(NONE)"},
        {
            "name": "NAME",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}},
        },
        {
            "name": "BLUE",
            "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "key"}},
        },
        {
            "name": "CPU",
            "valueFrom": {
                "resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}
            },
        },
        {
            "name": "NO",
            "valueFrom": {
                "configMapKeyRef": {"name": "no", "key": "k", "optional": True}
            },
        },
    ]
    container = shell(
        SAY + 'echo "$A/$B/$NAME/$BLUE/$CPU/$P_key/${NO-unset}/$HOSTNAME"',
        env=env,
        envFrom=[{"prefix": "P_", "secretRef": {"name": "hidden"}}],
        resources={"limits": {"cpu": "250m"}},
    )
    pod = cluster.finished(cluster.pod("env", container))
    assert message(pod) == "a/ab $(A) $(NONE)/env/blue/250/hush/unset/env\n"


def test_waits_for_its_config_map(cluster: PodCluster) -> None:
    """A Pod waits in ContainerCreating for a volume's ConfigMap, then starts."""
    container = shell(
        SAY + "cat /etc/late/key",
        volumeMounts=[{"name": "v", "mountPath": "/etc/late"}],
    )
    volumes = [{"name": "v", "configMap": {"name": "late"}}]
    path = cluster.pod("waits", container, volumes=volumes)
    cluster.wait(
        f"{NAMESPACE}/events",
        lambda events: any(
            "late" in item.get("message", "") for item in events["items"]
        ),
    )
    assert not running(cluster.call("GET", path))
    config_map(cluster, "late", key="here")
    assert message(cluster.finished(path)) == "here"


def test_config_map_changes(cluster: PodCluster) -> None:
    """A mounted ConfigMap is refreshed in a running Pod."""
    config_map(cluster, "moving", key="old")
    script = SAY + "while ! grep new /etc/moving/key; do sleep 0.05; done"
    container = shell(script, volumeMounts=[{"name": "v", "mountPath": "/etc/moving"}])
    volumes = [{"name": "v", "configMap": {"name": "moving"}}]
    path = cluster.pod("watcher", container, volumes=volumes)
    cluster.wait(path, running)
    cluster.call(
        "PUT",
        f"{NAMESPACE}/configmaps/moving",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "moving"},
            "data": {"key": "new"},
        },
    )
    assert message(cluster.finished(path)) == "new\n"


def test_init_containers(cluster: PodCluster) -> None:
    """Init containers run one after the other before the others, and share volumes."""
    mounts = [{"name": "v", "mountPath": "/shared"}]
    inits = [
        shell(f"echo {name} >> /shared/order", name=name, volumeMounts=mounts)
        for name in ("first", "second")
    ]
    pod = cluster.finished(
        cluster.pod(
            "inits",
            shell(SAY + "cat /shared/order", volumeMounts=mounts),
            initContainers=inits,
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )
    assert message(pod) == "first\nsecond\n"
    statuses = pod["status"]["initContainerStatuses"]
    assert [item["ready"] for item in statuses] == [True, True]


def test_failing_init_container(cluster: PodCluster) -> None:
    """With restartPolicy Never a failed init container fails the Pod."""
    path = cluster.pod(
        "stuck", shell("true"), initContainers=[shell("exit 4", name="i")]
    )
    pod = cluster.finished(path)
    assert (
        pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"]
        == 4
    )
    assert "waiting" in pod["status"]["containerStatuses"][0]["state"]


def test_restarts(cluster: PodCluster) -> None:
    """OnFailure restarts until success, and tells the former end."""
    script = "cd /keep; test -e 2 && exit 0; test -e 1 && touch 2; touch 1; exit 9"
    path = cluster.pod(
        "again",
        shell(script, volumeMounts=[{"name": "v", "mountPath": "/keep"}]),
        restartPolicy="OnFailure",
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    status = cluster.finished(path)["status"]["containerStatuses"][0]
    assert status["restartCount"] == 2
    assert status["state"]["terminated"]["exitCode"] == 0
    assert status["lastState"]["terminated"]["exitCode"] == 9


def test_crash_loop(cluster: PodCluster) -> None:
    """A container that keeps failing waits in CrashLoopBackOff; the Pod is Running."""
    path = cluster.pod("loops", shell("exit 1"), restartPolicy="Always")

    def looping(pod: Json) -> bool:
        states = pod["status"].get("containerStatuses") or [{}]
        waiting = states[0].get("state", {}).get("waiting", {})
        return waiting.get("reason") == "CrashLoopBackOff" and running(pod)

    cluster.wait(path, looping)
    assert cluster.run("delete", "pod", "loops")[0] == 0


def test_probes(cluster: PodCluster) -> None:
    """Startup and readiness gate Ready; a failed liveness probe restarts."""
    probe = {"exec": {"command": ["test", "-e", "/p/up"]}, "periodSeconds": 1}
    path = cluster.pod(
        "probed",
        shell(
            "sleep 1000",
            startupProbe=probe,
            readinessProbe={**probe, "exec": {"command": ["test", "-e", "/p/ready"]}},
            livenessProbe={
                "exec": {"command": ["test", "!", "-e", "/p/ill"]},
                "periodSeconds": 1,
                "failureThreshold": 1,
                "terminationGracePeriodSeconds": 1,
            },
            volumeMounts=[{"name": "v", "mountPath": "/p"}],
        ),
        restartPolicy="Always",
        volumes=[{"name": "v", "emptyDir": {}}],
    )

    def first(pod: Json) -> Any:  # noqa: ANN401
        return (pod["status"].get("containerStatuses") or [{}])[0]

    assert not first(cluster.wait(path, running))["started"]
    assert cluster.run("exec", "probed", "--", "sh", "-c", "touch /p/up")[0] == 0
    pod = cluster.wait(path, lambda pod: first(pod)["started"])
    assert not first(pod)["ready"]
    cluster.run("exec", "probed", "--", "sh", "-c", "touch /p/ready")
    cluster.wait(path, ready)
    cluster.run("exec", "probed", "--", "sh", "-c", "touch /p/ill")
    cluster.wait(path, lambda pod: first(pod)["restartCount"] == 1)
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
    cluster.gone(path)


def test_tcp_and_http_probes(cluster: PodCluster) -> None:
    """A Pod is ready when its port answers."""
    serve = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=18099)"
    container = {
        "name": "main",
        "image": "none",
        "command": ["python", "-c", serve],
        "ports": [{"name": "web", "containerPort": 18099}],
        "startupProbe": {"tcpSocket": {"port": 18099}, "periodSeconds": 1},
        "readinessProbe": {"httpGet": {"port": "web"}, "periodSeconds": 1},
    }
    path = cluster.pod("web", container)
    cluster.wait(path, ready)
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
    cluster.gone(path)


def test_grace(cluster: PodCluster) -> None:
    """SIGTERM reaches process 1, which may end by itself; the object goes then."""
    path = cluster.pod(
        "polite", shell("trap 'exit 0' TERM; while :; do sleep 0.05; done")
    )
    cluster.wait(path, running)
    begun = time.monotonic()
    assert cluster.run("delete", "pod", "polite")[0] == 0
    assert time.monotonic() - begun < 20
    assert cluster.call("GET", path) is None


def test_events_outlive_the_pod(cluster: PodCluster) -> None:
    """They tell when it was told to stop, and are found by its container."""
    path = cluster.pod(
        "told", shell("exec sleep 1000"), terminationGracePeriodSeconds=1
    )
    cluster.wait(path, running)
    cluster.call("DELETE", path)
    cluster.gone(path)
    events = f"{path.rpartition('/pods')[0]}/events?fieldSelector=reason=Killing"
    about = "involvedObject.name=told,involvedObject.fieldPath=spec.containers{main}"
    (event,) = cluster.call("GET", f"{events},{about}")["items"]
    assert event["message"] == "Stopping container main"


def test_kill_after_grace(cluster: PodCluster) -> None:
    """Who ignores SIGTERM is killed when the grace is over, with all its children."""
    script = "trap '' TERM; sleep 87654 & while :; do sleep 0.05; done"
    path = cluster.pod("rude", shell(script), terminationGracePeriodSeconds=1)
    cluster.wait(path, running)
    until(lambda: processes("sleep 87654"), "it does not start")
    cluster.call("DELETE", path)
    cluster.gone(path)
    until(lambda: not processes("sleep 87654"), "a child is left")


def test_a_name_that_is_taken_again_at_once(cluster: PodCluster) -> None:
    """Each of many Pods of one name ends with its object, however short it lived."""
    spec = {"nodeName": "local", "containers": [shell("exec sleep 76543")]}
    path = f"{NAMESPACE}/pods/brief"
    for _ in range(10):
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "brief"}}
        cluster.call("POST", f"{NAMESPACE}/pods", {**body, "spec": spec})
        time.sleep(0.02)
        cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
    until(lambda: not processes("sleep 76543"), "a process without a Pod is left")


def test_sidecar_of_an_ended_pod(cluster: PodCluster) -> None:
    """While a sidecar takes its time the phase is not final, and the object stays."""
    leave = "trap 'until [ -e $TMPDIR/go ]; do sleep 0.05; done; exit 0' TERM"
    stay = "touch $TMPDIR/here; while :; do sleep 0.05; done # sidecar-7"
    sidecar = {
        **shell(f": ${{TMPDIR:=/tmp}}; {leave}; {stay}"),
        "name": "side",
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": ["sh", "-c", "test -e ${TMPDIR:-/tmp}/here"]},
            "periodSeconds": 1,
        },
    }
    path = cluster.pod(
        "accompanied", shell("true"), initContainers=[sidecar], restartPolicy="Never"
    )
    pod = cluster.wait(path, lambda pod: "terminated" in state(pod))
    assert pod["status"]["phase"] == "Running"
    cluster.call("DELETE", path)
    assert cluster.call("GET", path)["status"]["phase"] == "Running"
    words = ("exec", "accompanied", "-c", "side", "--", "sh", "-c")
    cluster.run(*words, "touch ${TMPDIR:-/tmp}/go")  # may itself end with the sidecar
    cluster.gone(path)
    assert not processes("sidecar-7")


def state(pod: Json) -> Json:
    main: list[Json] = pod["status"].get("containerStatuses", [{"state": {}}])
    found: Json = main[0]["state"]
    return found


def test_finalizer(cluster: PodCluster) -> None:
    """A Pod kept by a finalizer ends, says so, and stays until it is let go."""
    metadata = {"name": "kept", "finalizers": ["example.com/keep"]}
    spec = {"restartPolicy": "Always", "containers": [shell("sleep 1000")]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    cluster.call("POST", f"{NAMESPACE}/pods", body)
    path = f"{NAMESPACE}/pods/kept"
    cluster.wait(path, running)
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=1")
    pod = cluster.finished(path)
    assert pod["status"]["phase"] == "Failed"
    words = ("patch", "pod", "kept", "--type=merge", "-p")
    cluster.run(*words, '{"metadata":{"finalizers":null}}')
    cluster.gone(path)


def test_logs(cluster: PodCluster) -> None:
    """Logs can be followed, cut and timed, also those of the former instance."""
    script = "echo one; echo two; test -e /k/f && sleep 1000; touch /k/f; exit 1"
    path = cluster.pod(
        "talks",
        shell(script, volumeMounts=[{"name": "v", "mountPath": "/k"}]),
        restartPolicy="Always",
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    cluster.wait(
        path,
        lambda pod: (
            running(pod)
            and pod["status"]["containerStatuses"][0]["restartCount"] == 1
            and ready(pod)
        ),
    )
    with cluster.kubectl("logs", "-f", "talks") as follower:
        assert follower.stdout is not None
        assert [follower.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
        assert cluster.run("logs", "talks", "--tail=1")[1] == "two\n"
        assert cluster.run("logs", "talks", "--previous")[1] == "one\ntwo\n"
        stamped = cluster.run("logs", "talks", "--timestamps")[1].split("\n")[0]
        assert stamped.startswith("20")
        assert stamped.endswith("Z one")
        cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
        follower.communicate(timeout=10)


def test_exec(cluster: PodCluster) -> None:
    """Kubectl exec passes streams and exit code, and the end of input."""
    path = cluster.pod("door", shell("sleep 1000"))
    cluster.wait(path, running)
    code, out, _ = cluster.run("exec", "door", "--", "sh", "-c", "hostname; exit 5")
    assert (code, out) == (5, "door\n")
    assert cluster.run("exec", "-i", "door", "--", "cat", sent="x" * 99)[1] == "x" * 99
    code, _, err = cluster.run("exec", "door", "--", "no-such-program")
    assert code == 1
    assert "no-such-program" in err
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
    cluster.gone(path)


def test_exec_ends_with_its_client(cluster: PodCluster) -> None:
    """What an exec started dies when its stream does."""
    path = cluster.pod("left", shell("sleep 1000"))
    cluster.wait(path, running)
    script = "sleep 98765 & sleep 98766"
    with cluster.kubectl("exec", "left", "--", "sh", "-c", script) as client:
        until(lambda: len(processes("sleep 9876")) > 2, "it does not start")
        client.send_signal(signal.SIGKILL)
    until(lambda: not processes("sleep 9876"), "the remote processes live on")
    cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
    cluster.gone(path)


def test_many_at_once(cluster: PodCluster) -> None:
    """Fifty Pods created together all run to their end."""
    paths = [cluster.pod(f"many-{n}", shell(f"exit {n % 2}")) for n in range(50)]
    codes = [ended(cluster.finished(path))["exitCode"] for path in paths]
    assert codes == [n % 2 for n in range(50)]


@needs_namespaces
def test_own_network_and_names(isolated: PodCluster) -> None:
    """Pods find one another by the names of a headless Service."""
    isolated.call(
        "POST",
        f"{NAMESPACE}/services",
        {
            "metadata": {"name": "svc"},
            "spec": {"clusterIP": "None", "selector": {"app": "server"}},
        },
    )
    server = isolated.pod("server", shell("sleep 1000"), hostname="w0", subdomain="svc")
    address = isolated.wait(server, ready)["status"]["podIP"]
    script = SAY + "until getent hosts w0.svc >/dev/null; do sleep 0.05; done; "
    names = ("w0.svc", "w0.svc.default.svc", "w0.svc.default.svc.cluster.local", "svc")
    script += "; ".join(f"getent hosts {name} | cut -d' ' -f1" for name in names)
    pod = isolated.finished(isolated.pod("client", shell(script)))
    assert message(pod).split() == [address] * 4
    isolated.call("DELETE", f"{server}?gracePeriodSeconds=0")


@needs_namespaces
def test_writes_stay_in_the_pod(isolated: PodCluster, tmp_path: Path) -> None:
    """What a container writes anywhere is its own; only volumes are shared."""
    mark = tmp_path.name
    script = f"for d in /etc /usr /var /tmp /; do touch $d/{mark} || exit 1; done"
    assert (
        ended(isolated.finished(isolated.pod("writes", shell(script))))["exitCode"] == 0
    )
    places = (Path(d) / mark for d in ("/etc", "/usr", "/var", "/tmp", "/"))
    assert not [place for place in places if place.exists()]


@needs_namespaces
def test_the_machine_is_safe(isolated: PodCluster) -> None:
    """Not even root in a container reaches the machine's settings and disks."""
    script = SAY + (
        "for f in /proc/sys/kernel/panic /proc/sysrq-trigger /sys/kernel/mm/ksm/run; "
        "do "
        "{ echo 0 > $f; } 2>/dev/null && echo wrote $f; done; "
        "ls /dev | grep -c -E 'vd|sd'"
    )
    pod = isolated.finished(isolated.pod("safe", shell(script)))
    assert message(pod) == "0\n"


@needs_namespaces
def test_read_only_root(isolated: PodCluster) -> None:
    """ReadOnlyRootFilesystem holds everywhere but in volumes."""
    script = SAY + "touch /x /etc/x /tmp/x 2>/dev/null; touch /v/x && echo volume"
    container = shell(
        script,
        securityContext={"readOnlyRootFilesystem": True},
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
    )
    volumes = [{"name": "v", "emptyDir": {}}]
    pod = isolated.finished(isolated.pod("fixed", container, volumes=volumes))
    assert message(pod) == "volume\n"


@needs_namespaces
def test_run_as_user(isolated: PodCluster) -> None:
    """A container runs as the user that it asks for."""
    security = {"runAsUser": 1234, "runAsGroup": 1234}
    path = isolated.pod(
        "user", shell(SAY + "id -u; id -g; id -un"), securityContext=security
    )
    assert message(isolated.finished(path)) == "1234\n1234\nuser1234\n"


@needs_namespaces
@pytest.mark.needs("root")
def test_memory_limit(isolated: PodCluster) -> None:
    """A container over its memory limit is OOMKilled with 137."""
    container = {
        "name": "main",
        "image": "none",
        "command": ["python", "-c", "x = bytearray(200 << 20)"],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    end = ended(isolated.finished(isolated.pod("greedy", container)))
    assert (end["exitCode"], end["reason"]) == (137, "OOMKilled")


@needs_namespaces
def test_volume_details(isolated: PodCluster) -> None:
    """Items, modes, subPath, downward API and service account are in their places."""
    config_map(isolated, "files", a="A", b="B")
    volumes = [
        {
            "name": "v",
            "configMap": {
                "name": "files",
                "items": [{"key": "a", "path": "deep/a", "mode": 0o400}],
            },
        },
        {"name": "w", "configMap": {"name": "files"}},
        {
            "name": "d",
            "downwardAPI": {
                "items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]
            },
        },
    ]
    mounts = [
        {"name": "v", "mountPath": "/v"},
        {"name": "w", "mountPath": "/etc/only-b", "subPath": "b"},
        {"name": "d", "mountPath": "/d"},
    ]
    script = SAY + (
        "ls -m /v; stat -L -c %a /v/deep/a; cat /etc/only-b; echo; cat /d/l; echo; "
        "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; "
    )
    container = shell(script, volumeMounts=mounts)
    pod = isolated.finished(isolated.pod("files", container, volumes=volumes))
    assert message(pod).splitlines()[:5] == [
        "deep",
        "400",
        "B",
        'app="files"',
        "default",
    ]
