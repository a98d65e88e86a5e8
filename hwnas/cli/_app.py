"""The application: finds the commands, turns errors into one sentence."""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from hwnas import plugins
from hwnas.errors import HwnasError, HwnasWarning

_HELP = """
Hardware-aware neural architecture search: the best networks for *your* data on *your* device.

Start with [bold]hwnas quickstart[/]. Then: [bold]profile[/] a device, [bold]search[/] under a
budget, [bold]plot[/] the trade-off, [bold]export[/] the chosen network; or all of it from one
file with [bold]run[/].
"""

_ORDER = (
    "quickstart", "devices", "profile", "tables", "train", "search", "resume", "front", "plot",
    "export", "measure", "run",
)  # fmt: skip
_INTERRUPTED = 130  # as shells say of a process that SIGINT ended


class _Commands(TyperGroup):
    """In the order of a user's work, also those that have commands of their own."""

    def list_commands(self, ctx: object) -> list[str]:
        del ctx
        return _commands()

    def invoke(self, ctx: Any) -> Any:
        """Run a command; of an interrupt, which typer would pass over in silence, tell."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            again = "`hwnas resume`" if ctx.invoked_subcommand == "search" else "the same command"
            kept = "What was measured and evaluated is kept"
            typer.echo(f"Interrupted. {kept}, and {again} goes on with it.", err=True)
            raise typer.Exit(_INTERRUPTED) from interrupt


def _commands() -> list[str]:
    found = plugins.names("hwnas.cli")
    return [name for name in _ORDER if name in found] + sorted(set(found) - set(_ORDER))


app = typer.Typer(
    cls=_Commands, help=_HELP, no_args_is_help=True, rich_markup_mode="rich",
    pretty_exceptions_enable=False, add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _show_version(wanted: bool) -> None:
    if wanted:
        # reading the package's metadata costs 20 ms, and only this option needs it
        from importlib.metadata import version

        typer.echo(f"hwnas {version('hwnas')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    del debug, version  # main reads --debug itself, to see errors before parsing too


for _name in _commands():
    _module = plugins.load("hwnas.cli", _name, what="command")
    if hasattr(_module, "app"):
        app.add_typer(_module.app, name=_name)
    else:
        app.command(_name)(_module.command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line on standard error, and exit status 1.

    Args:
        arguments: After the program's name; None for those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    with warnings.catch_warnings():
        warnings.simplefilter("always", HwnasWarning)
        warnings.showwarning = _show_warning
        _run(given, debug=debug)


def _run(given: Sequence[str], *, debug: bool) -> None:
    try:
        app(args=[argument for argument in given if argument != "--debug"], prog_name="hwnas")
    except HwnasError as error:
        if debug:
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as one line, without the place in the code that gave it."""
    del category, filename, lineno, file, line
    typer.echo(f"Warning: {message}", err=True)
