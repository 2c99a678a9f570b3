"""The commands. Heavy modules are imported by the command that needs them."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Literal

import click

from mpiop import __version__
from mpiop.cli import flags
from mpiop.cli.failure import BadInput

_DEBUG: Final = 4  # upstream's -v counts up
_STREAM = click.File("r", encoding="utf-8")
_Command = Callable[..., Any]


def _version() -> str:
    return f"mpiop {__version__} (Python {platform.python_version()})"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=__version__, message=_version())
def cli() -> None:
    """Run MPI programs on Kubernetes, or on this machine alone.

    \b
    First steps:
      mpiop run deploy/samples/openmpi-helloworld.yaml
      mpiop run --keep job.yaml        # and look at it with kubectl
      mpiop local up --operator        # a cluster to play with
      mpiop COMMAND --help
    """  # noqa: D301 (\b is click's)


def _cluster_options(command: _Command) -> _Command:
    """Add the options that choose the embedded cluster."""
    options = (
        click.option(
            "--image",
            "images",
            multiple=True,
            metavar="NAME=DIR",
            help="Directory that stands for an image, laid over this machine's file"
            " system; may be given again. Images without one are this machine.",
        ),
        click.option(
            "--isolation",
            type=click.Choice(["auto", "namespaces", "plain"]),
            default="auto",
            show_default=True,
            help="How Pods are kept apart; plain needs nothing of the machine.",
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            default=0,
            metavar="PORT",
            help="Of the API server on loopback; by default any free one.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Log to stderr."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.argument("file", type=_STREAM)
@click.option("--keep", is_flag=True, help="Leave the cluster up until Ctrl-C.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Give up after so long, with exit code 124.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: one document on stdout at the end, all else on stderr.",
)
@click.option("-n", "--namespace", metavar="NAME", help="Where to run the job.")
@_cluster_options
def run(  # noqa: PLR0913 (one parameter an option, as click has it)
    *,
    file: IO[str],
    keep: bool,
    timeout: float | None,
    output: Literal["text", "json"],
    namespace: str | None,
    images: tuple[str, ...],
    isolation: Literal["auto", "namespaces", "plain"],
    port: int,
    verbose: bool,
) -> None:
    """Run the MPIJob in FILE (- for standard input) here, to its end.

    A small cluster is started for it: its Pods are processes of this machine, and
    nothing is left of it afterwards. The exit code is the job's: 0 when it
    succeeded, else the launcher's own. 2 tells of bad input, 124 of --timeout, 130
    of Ctrl-C.

    \b
    Examples:
      mpiop run deploy/samples/openmpi-helloworld.yaml
      mpiop run --image my/solver:1.0=./build job.yaml
      mpiop run --timeout 60 -o json - <job.yaml | jq .verdict
      mpiop run --keep job.yaml
    """  # noqa: D301 (\b is click's)
    from mpiop.cli import images as image
    from mpiop.cli import manifest

    chosen = manifest.read(file, namespace)
    beside = Path(file.name).parent if file.name != "<stdin>" else Path()
    mapping = image.mapping(chosen.job, image.parse_options(images), beside)
    # Only now what takes long to import: a slip of the pen is told at once.
    from mpiop.cli import running
    from mpiop.local.cluster import Options

    running.check_machine(chosen.job, mapping)
    _log(verbose=verbose)
    cluster = Options(mapping, isolation, port)
    options = running.RunOptions(cluster, keep, timeout, output)
    raise SystemExit(running.run(chosen, options))


@cli.command()
@click.argument("file", type=_STREAM)
def validate(file: IO[str]) -> None:
    """Check the MPIJob in FILE; bad ones exit with 2."""
    from mpiop.cli import manifest

    job = manifest.read(file, None).job
    click.echo(f"MPIJob {job.name} is well-formed")


@cli.group()
def local() -> None:
    """The embedded cluster by itself."""


@local.command()
@click.option(
    "--operator/--no-operator",
    default=False,
    show_default=True,
    help="Also run an operator, so that MPIJobs are carried out.",
)
@_cluster_options
def up(
    *,
    operator: bool,
    images: tuple[str, ...],
    isolation: Literal["auto", "namespaces", "plain"],
    port: int,
    verbose: bool,
) -> None:
    """Start an empty cluster and leave it up until Ctrl-C.

    \b
    Examples:
      mpiop local up --operator
      mpiop local up --port 6443
    """  # noqa: D301 (\b is click's)
    from mpiop.cli import images as image
    from mpiop.cli import running
    from mpiop.local.cluster import Options

    given = {**image.bundled(), **image.parse_options(images)}
    _log(verbose=verbose)
    running.up(Options(given, isolation, port), operator=operator)


@cli.command(cls=flags.OperatorCommand)
def operator(
    *, version: bool, verbosity: int | None, **given: str | float | None
) -> None:
    """Run the operator against a cluster until it is told to end.

    Each flag may also be set as MPIOP_NAME in the environment. Flags may be spelt with
    one dash, as mpi-operator's are.

    \b
    Examples:
      mpiop operator --kubeconfig ~/.kube/config --no-leader-elect
      MPIOP_NAMESPACE=science,chemistry mpiop operator
    """  # noqa: D301 (\b is click's)
    from mpiop.cli import operating
    from mpiop.k8s.settings import Settings, SettingsError

    if version:
        click.echo(_version())
        return
    if verbosity is not None and verbosity >= _DEBUG:
        given["log_level"] = given["log_level"] or "debug"
    try:
        raise SystemExit(operating.serve(Settings.read(os.environ, **given)))
    except SettingsError as error:
        raise BadInput(str(error)) from error


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(_version())


def _log(*, verbose: bool) -> None:
    from mpiop.cli.logs import log_to_stderr

    log_to_stderr("info" if verbose else "warning")
