"""``hwnas devices``."""

from hwnas.cli._console import show_table


def command() -> None:
    """List the known devices, whether they can be reached now, and their latency tables.

    A device is a TOML file in ./devices or one that ships with hwnas.
    """
    # commands import what they do only when they do it: --help stays fast
    from hwnas import workflows

    rows = [
        (
            status.device.name,
            status.device.title,
            status.device.transport,
            status.unreachable or "yes",
            "\n".join(status.tables) or "none: hwnas profile " + status.device.name,
        )
        for status in workflows.devices()
    ]
    show_table("Devices", ("name", "title", "transport", "reachable", "latency tables"), rows)
