"""Runtimes: one file for each way to run a model file; the file itself is sent to the device."""

from hwnas import plugins
from hwnas.errors import UnknownNameError


def formats() -> dict[str, tuple[str, ...]]:
    """Runtimes by the model format that they run, which is also the ending of its files."""
    found: dict[str, tuple[str, ...]] = {}
    for name in plugins.names(__name__):
        model_format = plugins.load(__name__, name, what="runtime").MODEL_FORMAT
        found[model_format] = (*found.get(model_format, ()), name)
    return found


def for_format(model_format: str, preferred: str = "") -> str:
    """The runtime for a model format: the preferred one if it runs that, else the first that does.

    Args:
        model_format: Such as ``onnx``.
        preferred: File name of a runtime; empty for none.

    Raises:
        UnknownNameError: No runtime runs the format.
    """
    known = formats()
    if model_format not in known:
        raise UnknownNameError("model format", model_format, known)
    runtimes = known[model_format]
    return preferred if preferred in runtimes else runtimes[0]
