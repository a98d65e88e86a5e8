"""``hwnas profile``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say

if TYPE_CHECKING:
    from hwnas.latency_table import LatencyTable
    from hwnas.workflows.several_devices import Profiled


def command(
    devices: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DEVICE]...", help="Names or TOML files.  [default: host]"),
    ] = None,
    space: _options.Space = "ofa_mbv3_w1.0",
    resolution: _options.Resolutions = None,
    data: Annotated[
        str, typer.Option(help="Take classes and input channels from these images.")
    ] = "",
    classes: Annotated[int | None, typer.Option(min=1, help="Classes of the network.")] = None,
    in_channels: Annotated[
        int | None, typer.Option(min=1, help="Input channels: 1 grey, 3 colour.")
    ] = None,
    runtime: _options.Runtime = "onnxruntime",
    precision: _options.Precision = "fp32",
    threads: _options.Threads = 1,
    networks: Annotated[
        int, typer.Option(min=0, help="Whole networks that correct the table, chosen to tell most.")
    ] = 24,
    held_out: Annotated[
        int, typer.Option(min=0, help="Further random networks, by which it states its own error.")
    ] = 16,
    seed: _options.Seed = 0,
    accept_unsteady: Annotated[
        bool,
        typer.Option(
            "--accept-unsteady",
            help="Write the table, with a warning, even where the device's speed changed too much.",
        ),
    ] = False,
    transfer: Annotated[
        bool,
        typer.Option(
            "--transfer", help="Measure no layers: take them from the tables of other devices."
        ),
    ] = False,
    measurements: Annotated[
        int,
        typer.Option(min=1, help="With --transfer: whole networks to learn the new device from."),
    ] = 10,
) -> None:
    """Measure a latency table: every layer of a search space, on the device.

    Layers that the table already holds are not measured again, and an interrupted profile
    continues where it was. At the end whole networks are measured: some correct what layers cost
    and say how uncertain that is; of others, held out, the table states how far it is from them,
    beside how far two halves of the same measurements are from each other.

    Each runtime, precision and number of threads has a table of its own: what is fastest with one
    need not be with another.

    Several devices are measured at the same time, those at the same address in turns. One that
    fails does not stop the others; the exit status is then 1. Do not measure this machine at the
    same time as others: sending them models disturbs it.

    With --transfer, layers are not measured: their costs come from all other latency tables that
    hold them, of whatever device, runtime or precision, and are corrected by a few whole networks
    measured on this device, each chosen to tell most. It takes a minute, and the table says where
    it comes from and how far it errs on networks held out. Without any other table, profile.

    Example: hwnas profile new-phone --transfer --measurements 10

    Example: hwnas profile host --space ofa_mbv3_w1.0 --resolution 160 --resolution 224

    Example: hwnas profile host --space mbv3_small_32 --runtime litert --precision int8

    Example: hwnas profile my-pi my-phone --space mbv3_small_32 --runtime litert
    """
    from hwnas import workflows

    settings: dict[str, Any] = {
        "resolutions": tuple(resolution or ()), "data": data, "classes": classes,
        "in_channels": in_channels, "runtime": runtime, "precision": precision,
        "threads": threads, "networks": networks, "held_out": held_out, "seed": seed,
        "accept_unsteady": accept_unsteady,
    }  # fmt: skip
    wanted = devices or ["host"]
    if transfer:
        _transferred(wanted, space, settings, measurements)
        return
    if len(wanted) > 1:
        _several(wanted, space, settings)
        return
    with progress_bars() as bars:
        path, table = workflows.profile(wanted[0], space, **settings, on_progress=bars)
    say(_told(table, path))


def _transferred(
    devices: list[str], space: str, settings: dict[str, Any], measurements: int
) -> None:
    from hwnas import workflows

    if len(devices) > 1:
        raise typer.BadParameter(f"--transfer is for one device, and {len(devices)} are named.")
    settings = {**settings, "measurements": measurements}
    for unused in ("networks", "accept_unsteady"):  # what is unsteady is measured as well as can be
        del settings[unused]
    with progress_bars() as bars:
        path, table = workflows.transfer(devices[0], space, **settings, on_progress=bars)
    say(f"{path}: {workflows.transfer_sentence(table)}")


def _several(devices: list[str], space: str, settings: dict[str, Any]) -> None:
    from hwnas import workflows

    def at_once(one: "Profiled") -> None:
        if one.error is not None:
            typer.echo(f"Error: {one.error}", err=True)

    with progress_bars() as bars:
        ended = workflows.profile_devices(
            devices, space, **settings, on_progress=bars, on_end=at_once
        )
    for one in ended:
        say(
            f"{one.device}: "
            + (_told(one.table, one.path) if one.table else f"failed: {one.error}")
        )
    if any(one.error is not None for one in ended):
        raise typer.Exit(1)


def _told(table: "LatencyTable", path: Path | None) -> str:
    from hwnas import workflows

    text = f"{path}: {len(table.layers)} layers."
    if table.quality is not None:
        text += f"\n{workflows.quality_sentence(table.quality)}"
    if table.energy is not None:
        text += f"\n{workflows.energy_sentence(table.energy)}"
    return text
