"""``hwnas devices``, with ``list``, ``check`` and ``add``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._console import say, show_table
from hwnas.errors import InputError

_HELP = """
Known devices: list them, check one link by link, describe a new one.

A device is a TOML file of about ten lines in ./devices, or ships with hwnas.
It is reached with your own [bold]ssh[/] or [bold]adb[/].

A board:  hwnas devices add my-pi --host pi@192.0.2.7 --like raspberry_pi_5

A phone:  hwnas devices add my-phone --benchmark-model ./benchmark_model

Then:     hwnas devices check my-pi

And when every link holds:  hwnas profile my-pi
"""

_EXPLANATION = (
    "Say how device {name} is reached: --host pi@192.0.2.7 (or an alias of your ssh configuration) "
    "for a board with ssh, --serial from 'adb devices' or --transport adb for a phone, or "
    "--transport local for this machine with another Python."
)

app = typer.Typer(help=_HELP, rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def _without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_devices()


@app.command("list")
def list_devices() -> None:
    """List the known devices, whether they can be reached now, and their latency tables.

    The same as hwnas devices alone.
    """
    # commands import what they do only when they do it: --help stays fast
    from hwnas import workflows

    known = workflows.devices()
    rows = [
        (one.device.name, one.device.title, one.device.way, "no" if one.unreachable else "yes")
        for one in known
    ]
    show_table("Devices", ("name", "title", "reached by", "reached now"), rows)
    for one in known:
        if one.tables:
            say(f"Latency tables of {one.device.name}: {', '.join(one.tables)}")
    say("Why one cannot be reached: hwnas devices check NAME. A table: hwnas profile NAME.")


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device's name or TOML file.")],
    runtime: Annotated[
        str, typer.Option(help="Require this inference runtime.  [default: any that is there]")
    ] = "",
) -> None:
    """Try each link of the chain to a device: reach it, write, Python, runtime, run a model.

    Stops at the first broken link, says how to mend it, and exits with status 1.
    """
    from hwnas import workflows
    from hwnas.workflows.device_check import Link

    def show(link: Link) -> None:
        say(f"{'ok' if link.ok else 'BROKEN':<8}{link.name:<16} {link.text}")

    links = workflows.check_device(name, runtime=runtime, on_link=show)
    if not links[-1].ok:
        raise typer.Exit(1)
    ran = next(link.runtimes for link in links if link.runtimes)
    option = "" if "onnxruntime" in ran else f" --runtime {ran[0]}"
    say(f"Every link holds. Next: hwnas profile {name}{option}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it shall be called.")],
    transport: Annotated[
        str, typer.Option(help="How it is reached: ssh, adb or local.  [default: what follows]")
    ] = "",
    host: Annotated[
        str, typer.Option(help="ssh: address, user@address, or an alias of your configuration.")
    ] = "",
    port: Annotated[int | None, typer.Option(help="ssh: port of the server.")] = None,
    identity_file: Annotated[
        Path | None, typer.Option(help="ssh: a private key.  [default: those that ssh finds]")
    ] = None,
    serial: Annotated[str, typer.Option(help="adb: which device, as 'adb devices' lists it.")] = "",
    workdir: Annotated[
        str, typer.Option(help="Folder there to work in.  [default: ~/.cache, /data/local/tmp]")
    ] = "",
    python: Annotated[
        str, typer.Option(help="The command that starts Python there.  [default: python3]")
    ] = "",
    benchmark_model: Annotated[
        Path | None,
        typer.Option(help="TFLite's benchmark_model for the device, which then needs no Python."),
    ] = None,
    like: Annotated[
        str, typer.Option(help="Take hardware, energy figures and treatment of this device.")
    ] = "",
    title: Annotated[str, typer.Option(help="What people read.  [default: the name]")] = "",
) -> None:
    """Describe a new device in ./devices/NAME.toml; an existing file is left alone.

    Without options it asks, on a terminal.
    """
    from hwnas import workflows

    transport = transport or ("ssh" if host else "adb" if serial or benchmark_model else "")
    if not transport:
        transport, host, serial = _asked(name)
    options = {
        "host": host,
        "port": port,
        "identity_file": str(identity_file or ""),
        "serial": serial,
        "workdir": workdir,
    }
    path = workflows.add_device(
        name,
        transport=transport,
        options={key: value for key, value in options.items() if value},
        python=tuple(python.split()),
        like=like,
        title=title,
        benchmark_model=str(benchmark_model or ""),
    )
    say(f"{path} is written. Next: hwnas devices check {name}")


def _asked(name: str) -> tuple[str, str, str]:
    """Transport, host and serial number, from whoever sits at the terminal."""
    if not sys.stdin.isatty():
        raise InputError(_EXPLANATION.format(name=name))
    transport = typer.prompt("Reached by (ssh, adb, local)", default="ssh")
    host = serial = ""
    if transport == "ssh":
        host = typer.prompt("Address, user@address, or an alias of your ssh configuration")
    elif transport == "adb":
        serial = typer.prompt(
            "Serial number of 'adb devices' (empty: the only one)", default="", show_default=False
        )
    return transport, host, serial
