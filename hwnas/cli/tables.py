"""``hwnas tables``, with ``list`` and ``import``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwnas.cli._console import say, show_table

if TYPE_CHECKING:
    from hwnas.workflows.table_files import TableStatus

_HELP = """
Latency tables: list them, and take over what others have published.

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
    """List all latency tables, and how far their sums are from whole networks.

    The same as hwnas tables alone.
    """
    # commands import what they do only when they do it: --help stays fast
    from hwnas import workflows

    found = workflows.tables()
    columns = ("device", "space", "measured with", "layers", "own error")
    show_table("Latency tables", columns, [_row(status) for status in found])
    for status in found:
        if status.fault:
            say(status.fault)


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

    table = status.table
    if table is None:
        return (status.device, status.path.stem, "", "", "damaged,\nsee below")
    threads = "threads unknown" if table.threads is None else f"threads: {table.threads}"
    way = f"{table.runtime or 'runtime unknown'}\n{table.precision}, {threads}"
    if isinstance(table, ImportedLatencyTable):
        space, error = "any covered", "unknown\n(imported)"
    else:
        space = str(table.space.get("name", ""))
        error = "unknown" if table.quality is None else f"{table.quality.mape:.1f} %"
    return (status.device, space, way, str(len(table.layers)), error)
