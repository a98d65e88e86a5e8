"""Unit conversions and how quantities are shown to people."""

NS_PER_MS = 1_000_000
MS_PER_S = 1000
PJ_PER_MJ = 1e9  # picojoule in a millijoule

BYTES_PER_FP32 = 4
BYTES_PER_INT32 = 4

BYTES_PER_WEIGHT = {"fp32": 4, "fp16": 2, "int8": 1}
"""Of a weight as a model file stores it, by precision."""

PRECISIONS = tuple(BYTES_PER_WEIGHT)
"""Of weights and activations, known to hwnas; a runtime or device may offer fewer."""


def format_quantity(value: float, unit: str, std: float | None = None) -> str:
    """A value as people read it, such as ``1.23 ms``, ``1.23 ms ± 0.05`` or ``812 KiB``.

    Args:
        value: The quantity, in ``unit``.
        unit: ``ms``, ``%``, ``bytes``, ``mJ`` or an empty string for counts.
        std: Its standard deviation, in ``unit``; None where there is none to show.
    """
    if std is not None:
        deviation = format_quantity(std, unit) if unit in ("", "bytes") else f"{std:.2g}"
        return f"{format_quantity(value, unit)} ± {deviation}"
    if unit == "%":
        return f"{value:.2f} %"
    if unit == "bytes":
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB"))
    if unit == "":
        return _scaled(value, 1000, ("", "k", "M", "G")).strip()
    return f"{value:.4g} {unit}"


def _scaled(value: float, base: int, names: tuple[str, ...]) -> str:
    scale = 0
    while abs(value) >= base and scale < len(names) - 1:
        value /= base
        scale += 1
    digits = f"{value:.0f}" if scale == 0 else f"{value:.4g}"
    return f"{digits} {names[scale]}"
