"""``hwnas tables``, with ``list``, ``show``, ``verify`` and ``import``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say, show_table

if TYPE_CHECKING:
    from hwnas.workflows.table_files import TableStatus

_HELP = """
Latency tables: list them, see how good one is, whether it still holds, and take over what others
have published.

[bold]hwnas profile[/] measures tables. Tables of Once-for-All and NSGANetV2 can be imported
instead; nobody knows how far the sums of their layers are from whole networks, and the table says
so.

Example:  hwnas tables import *_lookup_table.yaml --device note10 --source "Once-for-All, Note10"

Then, where the table covers the space:  hwnas search --device note10 --space ofa_mbv3_w1.2
--resolution 160 --resolution 224 --objective latency_ms --objective macs --out runs/note10
"""

app = typer.Typer(help=_HELP, rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def _without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_tables()


@app.command("list")
def list_tables() -> None:
    """List all latency tables, and how far they are from whole networks that they never saw.

    Own error: against networks held out, Spearman rank correlation, and how many of them are in
    the 90 % intervals stated for them. Two halves: how far two halves of the measurements of these
    networks are apart.

    The same as hwnas tables alone.
    """
    # commands import what they do only when they do it: --help stays fast
    from hwnas import workflows

    found = workflows.tables()
    columns = ("device", "space", "measured with", "layers", "own error", "two halves")
    show_table("Latency tables", columns, [_row(status) for status in found])
    for status in found:
        if status.fault:
            say(status.fault)


@app.command("show")
def show_command(
    table: Annotated[
        str, typer.Argument(metavar="TABLE_OR_DEVICE", help="A table's file, or a device's name.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw predicted against measured latency of networks held out: FILE."),
    ] = None,
) -> None:
    """Show all that a latency table says of itself, and where it came from.

    Its errors are of random networks that it was not fitted on: mean absolute error, bias, shares
    within 5 % and 10 %, rank correlation, and how many lie in the 90 % intervals stated for them;
    beside them sums of layers, and two halves of the same measurements.

    Example: hwnas tables show host --plot prediction.png
    """
    from hwnas import workflows

    paths = workflows.table_paths(table)
    for path in paths:
        show_table(str(path), ("", ""), workflows.table_facts(path))
    if plot is not None:
        if len(paths) > 1:
            raise typer.BadParameter(f"{table} has {len(paths)} tables; name the file of one.")
        for written in workflows.plot_table(paths[0], plot):
            say(str(written))


@app.command("verify")
def verify_command(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="Its name or TOML file.")
    ] = "host",
    space: _options.Space = "ofa_mbv3_w1.0",
    runtime: _options.Runtime = "onnxruntime",
    precision: _options.Precision = "fp32",
    threads: _options.Threads = 1,
    networks: Annotated[int, typer.Option(min=4, help="Fresh networks to measure.")] = 12,
) -> None:
    """Measure fresh random networks on a device, and say whether its latency table still holds.

    Compared are its error with what it states, how many of the networks are in the 90 % intervals
    stated for them, and the clock: how long the canary network takes. Said is also what is not as
    it was: runtime, processor, cores, governor, clock. The exit status is 0 when the table holds
    and 1 when it does not. What was measured is kept beside the table.

    Example: hwnas tables verify my-pi --space mbv3_small_32 --runtime litert
    """
    from hwnas import workflows

    with progress_bars() as bars:
        found = workflows.verify_table(
            device, space=space, runtime=runtime, precision=precision, threads=threads,
            networks=networks, on_progress=bars,
        )  # fmt: skip
    say(workflows.verification_sentence(found))
    if not found.holds:
        raise typer.Exit(1)


@app.command("import")
def import_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="YAML files, all of one device.")
    ],
    device: Annotated[str, typer.Option("--device", "-d", help="Name of the device.")],
    source: Annotated[
        str, typer.Option(help="Who measured, and where it was published; kept in the table.")
    ],
    runtime: Annotated[
        str, typer.Option(help="What ran the layers there.", show_default="not known")
    ] = "",
    precision: Annotated[str, typer.Option(help="Of the layers: fp32, fp16 or int8.")] = "fp32",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the runtime.", show_default="not known")
    ] = None,
) -> None:
    """Make latency tables that others published one that hwnas searches with.

    Known are the YAML files of Once-for-All (a file for each resolution) and of NSGANetV2; both
    hold means in milliseconds. A table that was imported before for the device is replaced; one
    that hwnas profile measured is used first.
    """
    from hwnas import workflows

    path, table = workflows.import_table(
        files, device=device, source=source, runtime=runtime, precision=precision, threads=threads
    )
    resolutions = ", ".join(map(str, table.resolutions))
    say(f"{path}: {len(table.layers)} layers, for images of {resolutions} pixels.")
    say(table.statement)


def _row(status: "TableStatus") -> tuple[str, ...]:
    # numpy, which the tables need, shall not slow --help down
    from hwnas.imported_table import ImportedLatencyTable
    from hwnas.latency_table import LatencyTable

    table = status.table
    if table is None:
        return (status.device, status.path.stem, "", "", "damaged,\nsee below", "")
    threads = "threads unknown" if table.threads is None else f"threads: {table.threads}"
    way = f"{table.runtime or 'runtime unknown'}\n{table.precision}, {threads}"
    layers = str(len(table.layers))
    if isinstance(table, LatencyTable) and table.transferred is not None:
        layers += "\n(transferred)"
    if isinstance(table, ImportedLatencyTable):
        return (status.device, "any covered", way, layers, "unknown\n(imported)", "unknown")
    space, quality = str(table.space.get("name", "")), table.quality
    if quality is None:
        return (status.device, space, way, layers, "unknown", "unknown")
    error = f"{quality.mape:.1f} %\nrank {quality.spearman:.3f}"
    if quality.coverage_90 is not None:
        error += f"\nin 90 %: {quality.coverage_90:.0f} %"
    halves = f"{quality.repeatability_mape:.1f} %\nrank {quality.repeatability_spearman:.3f}"
    return (status.device, space, way, layers, error, halves)
