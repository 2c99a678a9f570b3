"""The kubelet's pure parts: environment, names, paths, users, logs, rewriting."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpiop.local.kubelet import env, hosts, logs, users
from mpiop.local.kubelet.objects import MissingError, quantity
from mpiop.local.kubelet.paths import resolve
from mpiop.local.kubelet.rewrite import Rewriting, of_pod
from mpiop.local.kubelet.status import (
    ContainerState,
    PodFacts,
    Terminated,
    pod_phase,
    pod_status,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTS = env.Facts("10.88.0.9", "10.88.0.1", 4, 8 << 30)


def pod(**spec: Any) -> dict[str, Any]:  # noqa: ANN401
    metadata = {"name": "p", "namespace": "space", "uid": "u"}
    containers = [{"name": "main", "image": "i"}]
    return {"metadata": metadata, "spec": {"containers": containers, **spec}}


def slice_of(*endpoints: dict[str, Any], service: str = "svc") -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    metadata = {"name": "s", "namespace": "space", "labels": labels}
    return {"metadata": metadata, "endpoints": list(endpoints)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "a"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("x$(A)$(A)", "xaa"),
        ("$", "$"),
        ("$$", "$"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    """References are replaced, doubled signs escape, unknown names stay."""
    assert env.expand(text, {"A": "a"}) == expected


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_expansion_leaves_other_text(text: str) -> None:
    """Text without a sign is never changed."""
    assert env.expand(text, {"A": "a"}) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", 0.1),
        ("2", 2),
        ("1Gi", 1 << 30),
        ("1k", 1000),
        (3, 3),
        ("1.5Mi", 1572864),
    ],
)
def test_quantities(text: object, number: float) -> None:
    """Quantities are read with their units."""
    assert quantity(text) == pytest.approx(number)


def test_unknown_field_is_refused() -> None:
    """A fieldRef that is not supported is an error, not an empty value."""
    with pytest.raises(MissingError, match=r"spec\.nothing"):
        env.field(pod(), "spec.nothing", FACTS)


def test_only_ready_endpoints_have_names() -> None:
    """As with DNS, an endpoint that is not ready is not published."""
    ready = {"addresses": ["10.0.0.1"], "hostname": "w0", "conditions": {"ready": True}}
    other = {
        "addresses": ["10.0.0.2"],
        "hostname": "w1",
        "conditions": {"ready": False},
    }
    text = hosts.hosts_file(pod(), "10.0.0.9", hosts.records([slice_of(ready, other)]))
    assert "w0.svc.space.svc.cluster.local" in text
    assert "w1" not in text


def test_bare_names_need_a_search_domain() -> None:
    """A bare host name resolves among Pods of a subdomain, and by a search domain."""
    records = hosts.records([slice_of({"addresses": ["10.0.0.1"], "hostname": "w0"})])
    search = {"searches": ["svc.space.svc.cluster.local"]}
    seen = [
        "w0" in hosts.hosts_file(one, "10.0.0.9", records).split()
        for one in (pod(), pod(subdomain="svc"), pod(dnsConfig=search))
    ]
    assert seen == [False, True, True]


def test_hosts_are_rewritten_in_place(tmp_path: Path) -> None:
    """The file stays the same file, whatever its new length: Pods have it mounted."""
    path = tmp_path / "hosts"
    hosts.rewrite(path, "long text\n")
    before = path.stat().st_ino
    for text in ("short\n", "other\n", "much longer text\n"):
        hosts.rewrite(path, text)
        assert path.read_text() == text
    assert path.stat().st_ino == before


def test_links_are_followed_inside(tmp_path: Path) -> None:
    """Links lead to places of the container, the upper layer's first."""
    for name in ("upper", "lower"):
        (tmp_path / name / "var").mkdir(parents=True)
    (tmp_path / "lower" / "var" / "run").symlink_to("/run")
    (tmp_path / "upper" / "opt").symlink_to("var/../srv")
    layers = [tmp_path / "upper", tmp_path / "lower"]
    assert resolve("/var/run/secrets", layers) == "/run/secrets"
    assert resolve("/opt/x", layers) == "/srv/x"
    assert resolve("/../a/./b", layers) == "/a/b"


def test_endless_links_are_refused(tmp_path: Path) -> None:
    """A circle of links is an error."""
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="too many"):
        resolve("/a", [tmp_path])


def test_rewriting_takes_whole_paths_only() -> None:
    """A path is replaced as a whole or as a start, never inside of another."""
    rewriting = Rewriting({"/etc/mpi": "/X", "/etc/mpi/deep": "/Y"})
    text = "/etc/mpi /etc/mpi/hostfile=/etc/mpi/deep/a:/etc/mpi2 /usr/etc/mpi"
    assert rewriting.text(text) == "/X /X/hostfile=/Y/a:/etc/mpi2 /usr/etc/mpi"
    assert rewriting.data(b"\xff/etc/mpi") == b"\xff/etc/mpi"


def test_rewriting_knows_images_and_volumes(tmp_path: Path) -> None:
    """Mount paths and what only the image has are known."""
    (tmp_path / "helloworld").mkdir()
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "mpi-thing").touch()
    mounts = [{"name": "v", "mountPath": "/etc/mpi"}]
    container = {"name": "main", "image": "i", "volumeMounts": mounts}
    volumes = [{"name": "v", "configMap": {"name": "c"}}]
    made = pod(containers=[container], volumes=volumes)
    assert of_pod(made, Path("/state"), {"i": tmp_path}).places == {
        "/etc/mpi": "/state/v",
        "/helloworld": f"{tmp_path}/helloworld",
        "/usr/bin/mpi-thing": f"{tmp_path}/usr/bin/mpi-thing",
    }


def test_one_user_is_root_by_name() -> None:
    """Where only one user exists it is called root, and has a home and a shell."""
    passwd = "root:x:0:0:root:/root:/bin/bash\nme:x:1001:1001::/home/me:/bin/sh\n"
    user = users.user_of(pod(), {"name": "main"}, passwd=passwd, alone=1001)
    text = users.passwd_with(passwd, user, as_root=True)
    assert text.splitlines()[0] == "root:x:1001:1001:root:/root:/bin/bash"
    assert users.home(text, user) == "/root"


def test_unknown_user_gets_an_entry() -> None:
    """A uid without an entry gets one: ssh insists on it."""
    container = {"name": "main", "securityContext": {"runAsUser": 77}}
    user = users.user_of(pod(), container, passwd="", alone=None)
    assert ":77:" in users.passwd_with("", user, as_root=False)


def test_capabilities() -> None:
    """Root keeps what container runtimes leave it, changed as the Pod asks."""
    usual = users.capabilities({})
    assert usual is not None
    assert 21 not in usual  # SYS_ADMIN
    changed = {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    context = {"securityContext": {"capabilities": changed}}
    assert users.capabilities(context) == frozenset({21})
    assert users.capabilities({"securityContext": {"privileged": True}}) is None


def end(code: int) -> Terminated:
    return Terminated(code, "Error" if code else "Completed")


@pytest.mark.parametrize(
    ("codes", "over", "verdict", "phase"),
    [
        ((0, 0), False, False, "Running"),
        ((0, 1), False, False, "Running"),
        ((0, None), False, False, "Running"),
        ((0, None), False, True, "Running"),
        ((0, 0), True, False, "Succeeded"),
        ((0, 0), True, True, "Failed"),
        ((0, 137), True, False, "Failed"),
    ],
)
def test_phase(
    codes: tuple[int | None, ...], over: bool, verdict: bool, phase: str
) -> None:
    """A final phase follows from the ends, and only once nothing runs any more."""
    states = []
    for code in codes:
        state = ContainerState("c", "i")
        state.now_running(NOW, "id")
        if code is not None:
            state.now_terminated(end(code))
        states.append(state)
    forced = ("DeadlineExceeded", "it took too long") if verdict else None
    assert pod_phase(states, PodFacts(NOW, NOW, over=over, verdict=forced)) == phase


def test_phase_before_the_start() -> None:
    """A Pod that ends before its containers were made has failed."""
    states = [ContainerState("init", "i", init=True), ContainerState("c", "i")]
    assert pod_phase(states, PodFacts(NOW, NOW)) == "Pending"
    assert pod_phase(states, PodFacts(NOW, NOW, over=True)) == "Failed"


def test_conditions_keep_their_time() -> None:
    """A condition's time moves only when its status does."""
    state = ContainerState("c", "i")
    facts = PodFacts(NOW, NOW, address="10.0.0.1")
    first = pod_status([state], facts, [])["conditions"]
    state.now_running(NOW, "id")
    state.ready = True
    later = PodFacts(NOW, NOW.replace(minute=30), address="10.0.0.1")
    second = pod_status([state], later, first)["conditions"]
    moved = [
        one["type"]
        for one, other in zip(first, second, strict=True)
        if one["lastTransitionTime"] != other["lastTransitionTime"]
    ]
    assert moved == ["Ready", "ContainersReady"]


def test_log_reading(tmp_path: Path) -> None:
    """Output is kept line by line, and read back from its end, whole or cut."""
    path = tmp_path / "log"

    async def story() -> None:
        import os

        writer = logs.LogWriter(path)
        fd = writer.pipe("stdout")
        os.write(fd, b"one\ntwo\nthr")
        os.close(fd)
        await writer.drain(5)
        ended = asyncio.Event()
        ended.set()

        async def text(query: logs.LogQuery) -> bytes:
            return b"".join([part async for part in logs.read(path, query, ended)])

        assert await text(logs.LogQuery()) == b"one\ntwo\nthr"
        assert await text(logs.LogQuery(tail_lines=2)) == b"two\nthr"
        assert await text(logs.LogQuery(tail_lines=0)) == b""
        assert await text(logs.LogQuery(limit_bytes=5)) == b"one\nt"
        future = datetime(2100, 1, 1, tzinfo=UTC)
        assert await text(logs.LogQuery(since=future)) == b""

    asyncio.run(story())
    assert logs.last_lines(path, 1, 100) == "thr"
