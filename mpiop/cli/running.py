"""`mpiop run`: a cluster, an operator and one job, from its creation to its end."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final, Literal

import attrs
import click
from rich.console import Console

from mpiop.cli import bundle, report
from mpiop.cli.failure import TIMED_OUT, BadInput
from mpiop.cli.feed import Feed, Message, Signalled
from mpiop.cli.manifest import Manifest
from mpiop.cli.operating import Background, imported
from mpiop.cli.signals import as_messages
from mpiop.cli.view import Plain, Terminal, View
from mpiop.cli.watching import Watcher
from mpiop.k8s import credentials
from mpiop.k8s.clock import Clock
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.operator import connect
from mpiop.k8s.settings import Settings
from mpiop.local.cluster import Cluster, Options, PortInUse
from mpiop.local.kubelet import preload
from mpiop.local.kubelet.launch import NodeError
from mpiop.reconcile.mpijob import MPIJob, RemoteShell
from mpiop.reconcile.reading import items, text

_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"


@attrs.frozen
class RunOptions:
    """How to run.

    Attributes:
        keep: leave the cluster up after the verdict, until Ctrl-C.
        timeout: seconds after which the run is given up, None for never.
    """

    cluster: Options
    keep: bool = False
    timeout: float | None = None
    output: Literal["text", "json"] = "text"


def check_machine(job: MPIJob, images: Mapping[str, Path]) -> None:
    """See that this machine has what the job's remote start needs.

    Raises:
        BadInput: it has not; the text says what to install.
    """
    if job.remote_shell is not RemoteShell.SSH or job.worker is None:
        return
    containers = items(job.worker.template, "spec", "containers")
    if containers[0].get("command") or containers[0].get("args"):
        return  # it brings its own
    image = images.get(text(containers[0], "image"))
    if image is not None and (image / "usr/sbin/sshd").exists():
        return
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    if not all(shutil.which(program, path=path) for program in ("sshd", "ssh")):
        raise BadInput(
            "spec.remoteShell: is SSH, and this machine has no sshd; run"
            " `apt-get install openssh-server`, or set KubectlExec"
        )


def check_cluster(job: MPIJob, cluster: Cluster) -> None:
    """See that Pods can reach one another by name, where ssh is to do that.

    Raises:
        BadInput: they cannot; the text says what to install.
    """
    over_ssh = job.remote_shell is RemoteShell.SSH and job.worker is not None
    if over_ssh and cluster.isolation == "plain" and not preload.possible():
        raise BadInput(
            "spec.remoteShell: is SSH, and without namespaces Pods have names only"
            " where there is a C compiler; run `apt-get install gcc libc6-dev`, or set"
            " KubectlExec"
        )


def run(manifest: Manifest, options: RunOptions) -> int:
    """Run a job to its end; give the exit code.

    Raises:
        BadInput: the job or an option is refused; nothing is left behind.
    """
    inbox: SimpleQueue[Message] = SimpleQueue()
    out = sys.stdout if options.output == "text" else sys.stderr
    with as_messages(inbox), started(options.cluster, out) as cluster:
        check_cluster(manifest.job, cluster)
        settings = _settings(cluster)
        with Background(connect(settings)), _feed(settings, inbox) as feed:
            if options.keep:
                click.echo(f"export KUBECONFIG={cluster.kubeconfig}", file=out)
            watcher = Watcher(feed, inbox, _view(out))
            story, code = watcher.to_end(manifest, options.timeout)
            if options.output == "json":
                told = report.document(story)
                click.echo(json.dumps({**told, "exitCode": code}, indent=2))
            else:
                click.echo("\n".join(report.lines(story)))
            if options.keep and (story.settled or code == TIMED_OUT):
                click.echo(how_to_kubectl(cluster), file=out)
                wait_for_signal(inbox)
    return code


@contextmanager
def started(options: Options, out: IO[str]) -> Iterator[Cluster]:
    """Have a cluster with the MPIJob kind; say so where isolation is reduced.

    Raises:
        BadInput: the port is taken.
        ClickException: the machine does not let Pods run.
    """
    imported()
    cluster = Cluster(options)
    try:
        cluster.start()
    except PortInUse as error:
        raise BadInput(
            f"--port: {options.port} is in use; name another, or 0 for any free one"
        ) from error
    except NodeError as error:
        raise click.ClickException(f"no node could be started: {error}") from error
    try:
        if cluster.isolation == "plain":
            reason = cluster.reason
            click.echo(f"isolation is reduced to plain: {reason}", file=out)
        cluster.apply(bundle.definitions())
        yield cluster
    finally:
        cluster.stop()


def how_to_kubectl(cluster: Cluster) -> str:
    """Tell how to look at the cluster from another terminal."""
    return (
        "The cluster stays until Ctrl-C. In another terminal:\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        f"  {_kubectl()} get mpijobs,pods"
    )


def _kubectl() -> str:
    """Name the user's own kubectl, else the one that mpiop brings along."""
    brought = Path(sys.executable).with_name("kubectl")
    return "kubectl" if shutil.which("kubectl") else str(brought)


def wait_for_signal(inbox: "SimpleQueue[Message]") -> None:
    """Wait for Ctrl-C."""
    while not isinstance(inbox.get(), Signalled):
        pass


def _settings(cluster: Cluster) -> Settings:
    """Look after that cluster, alone."""
    return Settings(kubeconfig=str(cluster.kubeconfig), leader_elect=False)


@contextmanager
def _feed(settings: Settings, inbox: "SimpleQueue[Message]") -> Iterator[Feed]:
    transport = HttpTransport(lambda: credentials.load(settings), Clock.system())
    feed = Feed(transport, inbox)
    try:
        yield feed
    finally:
        feed.close()
        transport.close()


def _view(out: IO[str]) -> View:
    return Terminal(Console(file=out)) if out.isatty() else Plain(out)


def up(options: Options, *, operator: bool) -> None:
    """Have a cluster, with an operator if wanted, until Ctrl-C."""
    inbox: SimpleQueue[Message] = SimpleQueue()
    with as_messages(inbox), started(options, sys.stdout) as cluster:
        settings = _settings(cluster)
        with Background(connect(settings)) if operator else nullcontext():
            click.echo(how_to_kubectl(cluster))
            wait_for_signal(inbox)
