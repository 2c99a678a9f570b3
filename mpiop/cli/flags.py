"""The flags of `mpiop operator`, made from its settings; and their table in the docs.

Upstream's operators are Go programs: `-namespace x` and `-namespace=x` mean what
`--namespace x` means, and a boolean may be given a value. A Deployment that has only
its image changed goes on to work.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final

import attrs
import click

from mpiop.k8s.settings import Settings, flag_names, told, variables

# Flags of Go's log library: everything goes to stderr here, once.
IGNORED: Final = (
    "add-dir-header",
    "alsologtostderr",
    "legacy-stderr-threshold-behavior",
    "log-backtrace-at",
    "log-dir",
    "log-file",
    "log-file-max-size",
    "logtostderr",
    "one-output",
    "skip-headers",
    "skip-log-headers",
    "stderrthreshold",
    "vmodule",
)
# Flags of the Training Operator that set a port of ours by an address, `:8080`.
ADDRESSES: Final = {
    "metrics-bind-address": "monitoring-port",
    "health-probe-bind-address": "health-port",
}
SCHEMES: Final = "enable-scheme"
# Its other flags that a Deployment may pass: accepted, with a line that says why not.
_NO_WEBHOOK: Final = (
    "mpiop has no webhook, the definition itself refuses what cannot be meant;"
    " delete the Training Operator's ValidatingWebhookConfiguration"
)
_NO_PYTORCH: Final = "mpiop looks after MPIJobs alone"
WITHOUT_EFFECT: Final = {
    "webhook-server-port": _NO_WEBHOOK,
    "webhook-service-name": _NO_WEBHOOK,
    "webhook-secret-name": _NO_WEBHOOK,
    "pytorch-init-container-image": _NO_PYTORCH,
    "pytorch-init-container-template-file": _NO_PYTORCH,
    "pytorch-init-container-max-tries": _NO_PYTORCH,
    "zap-devel": "see --log-format and --log-level",
    "zap-encoder": "see --log-format",
    "zap-log-level": "see --log-level",
    "zap-stacktrace-level": "see --log-level",
    "zap-time-encoding": "times are always RFC 3339",
}
_SHORT: Final = {"n": "namespace", "h": "help"}
_TRUE: Final = frozenset({"true", "t", "1"})
_FALSE: Final = frozenset({"false", "f", "0"})
_VALUELESS: Final = frozenset(IGNORED) - {
    "log-backtrace-at",
    "log-dir",
    "log-file",
    "log-file-max-size",
    "stderrthreshold",
    "vmodule",
}


class OperatorCommand(click.Command):
    """The operator's command: its flags may be spelt as Go programs take them."""

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 (click's)
        super().__init__(*args, **attributes)
        self.params += options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Respell the arguments, then take them as any command does."""
        return super().parse_args(ctx, list(respelt(args)))


def respelt(args: Sequence[str]) -> Iterator[str]:
    """Write Go's spellings as click takes them; refuse what no flag is called.

    Raises:
        UsageError: an unknown flag; the text names the nearest.
    """
    known = _known()
    given = iter(args)
    for arg in given:
        if arg == "--":
            return
        if not arg.startswith("-") or len(arg) == 1:
            raise click.UsageError(f"unexpected argument {arg!r}: there are only flags")
        name, equals, value = arg.lstrip("-").partition("=")
        kind = known.get(_plain(name))
        if kind is None:
            raise click.UsageError(_unknown(name, known))
        if kind is bool:
            yield from _boolean(name, value if equals else "true")
            continue
        value = value if equals else next(given, "")
        if not equals and not value:
            raise click.UsageError(f"flag --{name} needs a value")
        yield from _valued(_plain(name), value)


def _valued(name: str, value: str) -> Iterator[str]:
    """Write a flag and its value; warn where it has no effect."""
    if name in IGNORED:
        return
    if name in ADDRESSES:
        yield from _address(name, value)
    elif name == SCHEMES:
        _schemes(value)
    elif name in WITHOUT_EFFECT:
        _no_effect(name, WITHOUT_EFFECT[name])
    else:
        yield f"--{_SHORT.get(name, name)}={value}"


def _address(name: str, value: str) -> Iterator[str]:
    """Write `host:port` as our two flags; `0` means none."""
    host, _, port = value.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(
            f"flag --{name} must be an address such as :8080, or 0, is {value!r}"
        )
    yield f"--{ADDRESSES[name]}={port}"
    if host:
        yield f"--bind-address={host.strip('[]')}"


def _schemes(value: str) -> None:
    """Warn of every kind but the one that is ours, which needs no telling."""
    if value.lower() != "mpijob":
        _no_effect(f"{SCHEMES}={value}", "mpiop looks after MPIJobs, and always")


def _no_effect(flag: str, why: str) -> None:
    click.echo(f"Warning: --{flag} has no effect: {why}", err=True)


def options() -> list[click.Option]:
    """Make click's options from the settings."""
    found: list[click.Option] = []
    for field in attrs.fields(Settings):
        names = list(dict.fromkeys(f"--{_plain(n)}" for n in flag_names(field)))
        if isinstance(field.default, bool):
            names[0] = f"{names[0]}/--no-{names[0][2:]}"
        if field.name == "namespace":
            names.insert(0, "-n")
        kind = type(field.default) if not told(field).choices else None
        found.append(
            click.Option(
                [*names, field.name],
                type=click.Choice(told(field).choices) if kind is None else kind,
                default=None,
                metavar=None if kind in {bool, None} else _metavar(field),
                help=_help(field),
            )
        )
    text = "Log more: from 4 on as --log-level debug; upstream's flag."
    found.append(click.Option(["-v", "--v", "verbosity"], type=int, help=text))
    text = "Print the version and end."
    found.append(click.Option(["--version", "version"], is_flag=True, help=text))
    return found


def table() -> str:
    """Render the table of flags, as docs/operations.md shows it."""
    lines = ["| flag | default | variables | what |", "|---|---|---|---|"]
    for field in attrs.fields(Settings):
        flags = " ".join(f"`--{name}`" for name in flag_names(field))
        default = str(field.default)
        if isinstance(field.default, bool):
            default = default.lower()
        shown = f"`{default}`" if default else ""
        names = " ".join(f"`{name}`" for name in variables(field))
        lines.append(f"| {flags} | {shown} | {names} | {_text(field)} |")
    for name, ours in ADDRESSES.items():
        text = f"`host:port`, or `0`: as `--{ours}`, and `--bind-address` for the host"
        lines.append(f"| `--{name}` | | | {text} |")
    text = "no effect, and a warning where it is not `mpijob`"
    lines.append(f"| `--{SCHEMES}` | | | {text} |")
    for why in dict.fromkeys(WITHOUT_EFFECT.values()):
        flags = " ".join(f"`--{k}`" for k, v in WITHOUT_EFFECT.items() if v == why)
        lines.append(f"| {flags} | | | no effect, and a warning: {why} |")
    return "\n".join(lines)


def _known() -> dict[str, type]:
    """Map every flag to the type of its value."""
    found: dict[str, type] = dict.fromkeys(IGNORED, str)
    found |= dict.fromkeys([*ADDRESSES, *WITHOUT_EFFECT, SCHEMES], str)
    found |= dict.fromkeys([*_VALUELESS, "zap-devel"], bool)
    for field in attrs.fields(Settings):
        found |= {_plain(n): type(field.default) for n in flag_names(field)}
        if isinstance(field.default, bool):
            found["no-" + flag_names(field)[0]] = bool
    return found | {"n": str, "v": int, "version": bool, "help": bool, "h": bool}


def _plain(name: str) -> str:
    """Spell a flag as we do: upstream has `kubeConfig`, `log_dir`."""
    return name.lower().replace("_", "-")


def _boolean(name: str, value: str) -> Iterator[str]:
    plain = _plain(name)
    if value.lower() not in _TRUE | _FALSE:
        raise click.UsageError(f"flag --{name} must be true or false, is {value!r}")
    wanted = value.lower() in _TRUE
    if plain in IGNORED or (not wanted and plain in {"version", "help", "h"}):
        return
    if plain in WITHOUT_EFFECT:
        _no_effect(plain, WITHOUT_EFFECT[plain])
        return
    if not wanted:
        plain = plain[3:] if plain.startswith("no-") else f"no-{plain}"
    yield f"--{_SHORT.get(plain, plain)}"


def _unknown(name: str, known: dict[str, type]) -> str:
    near = get_close_matches(_plain(name), [*known], n=1)
    hint = f"; did you mean --{near[0]}?" if near else "; see mpiop operator --help"
    return f"there is no flag --{name}{hint}"


def _text(field: "attrs.Attribute[Any]") -> str:
    choices = told(field).choices
    return told(field).text + (f": {' or '.join(choices)}" if choices else "")


def _help(field: "attrs.Attribute[Any]") -> str:
    text = told(field).text
    shown = "" if field.default in {"", None} else f" [{str(field.default).lower()}]"
    return f"{text[0].upper()}{text[1:]}.{shown}"


def _metavar(field: "attrs.Attribute[Any]") -> str:
    return "NUMBER" if isinstance(field.default, int | float) else "TEXT"
