"""The files that a network is exported as: which there are to be, and whether they can be made."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwnas import plugins, runtimes
from hwnas.devices import load_device
from hwnas.devices.agent import conditions
from hwnas.errors import InputError, RuntimeMissingError, UnknownNameError
from hwnas.latency_table import LatencyTable, find_table
from hwnas.layer_weights import LayerWeights, random_weights
from hwnas.layers import LayerSpec
from hwnas.profiling.target import Target
from hwnas.search.run import Run
from hwnas.units import PRECISIONS
from hwnas.workflows.experiment import DeviceSection
from hwnas.workflows.runs import experiment_of, run_tables


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the files of an exported network.

    Attributes:
        format: File name of its writer in ``hwnas/graphs``; also the file's ending.
        precision: Of weights and activations.
        runtime: That judges and times it.
    """

    format: str
    precision: str
    runtime: str

    @property
    def file_name(self) -> str:
        """``model.onnx``, or ``model-int8.onnx`` when the precision is not fp32."""
        suffix = "" if self.precision == "fp32" else f"-{self.precision}"
        return f"model{suffix}.{self.format}"

    @property
    def layout(self) -> str:
        """Axes of images as the file takes them, such as ``NCHW``."""
        writer = plugins.load("hwnas.graphs", self.format, what="model format")
        return str(writer.LAYOUT)

    def lower(
        self,
        layers: Sequence[LayerSpec],
        weights: Sequence[LayerWeights],
        calibration: NDArray[np.float32] | None = None,
    ) -> bytes:
        """The file's content; arguments and errors are those of the format's writer."""
        writer = plugins.load("hwnas.graphs", self.format, what="model format")
        given = calibration if self.precision == "int8" else None
        content: bytes = writer.lower(layers, weights, precision=self.precision, calibration=given)
        writer.check(content)
        return content

    def outputs(self, file: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What such a file says of each input, on this machine.

        Args:
            file: As `lower` wrote it.
            inputs: Shape (N, C, H, W).

        Returns:
            Shape (N, classes).

        Raises:
            InputError: The runtime cannot run the network.
            RuntimeMissingError: The runtime is not installed on this machine.
        """
        runtime = plugins.load("hwnas.runtimes", self.runtime, what="runtime")
        try:
            found: NDArray[np.float32] = runtime.outputs(str(file), inputs)
        except ValueError as error:
            raise InputError(
                f"Runtime {self.runtime} cannot run this network as {self.file_name} "
                f"({' '.join(str(error).split())}); export it in another format or precision."
            ) from error
        except ImportError as error:
            raise RuntimeMissingError(
                f"Runtime {self.runtime}, which counts the accuracy of {self.file_name}, is not "
                f"installed on this machine: {error}."
            ) from error
        return found


def variants(
    section: DeviceSection, *, formats: Sequence[str], precisions: Sequence[str], own: str
) -> tuple[Variant, ...]:
    """Every format at every precision, what the search was made for first.

    Args:
        section: The device and the runtime that the search was made for.
        formats: File names in ``hwnas/graphs``.
        precisions: Of weights and activations; empty for ``own``.
        own: The precision that the network was searched at.

    Raises:
        UnknownNameError: A format or precision is unknown.
        RuntimeMissingError: The device or the format's runtime lacks a precision.
    """
    if not formats:
        raise InputError(
            "No format is named to export to; name some, such as "
            f"{' and '.join(plugins.names('hwnas.graphs'))}."
        )
    device = load_device(section.name)
    found = []
    for name in dict.fromkeys(formats):
        writer = plugins.load("hwnas.graphs", name, what="model format")
        runtime = runtimes.for_format(name, section.runtime)
        for precision in dict.fromkeys(precisions or (own,)):
            if precision not in PRECISIONS:
                raise UnknownNameError("precision", precision, PRECISIONS)
            if precision not in writer.PRECISIONS:
                raise InputError(
                    f"Format {name} has no precision {precision!r}; it offers "
                    f"{', '.join(writer.PRECISIONS)}."
                )
            Target(device, runtime, precision, section.threads).check()
            found.append(Variant(name, precision, runtime))
    # the sort is stable: formats and precisions stay in the order given
    return tuple(sorted(found, key=lambda v: (v.runtime, v.precision) != (section.runtime, own)))


def rehearse(wanted: Iterable[Variant], layers: Sequence[LayerSpec]) -> None:
    """Make and run each file with random weights: what cannot work shall fail before training.

    Args:
        wanted: The files.
        layers: Of the network.

    Raises:
        ExtraMissingError: A package that writes the format is not installed.
        RuntimeMissingError: The runtime is not installed on this machine.
        InputError: The runtime cannot run the network.
    """
    weights = random_weights(layers, np.random.default_rng(0))
    stem = layers[0]
    blank = np.zeros((1, stem.in_channels, stem.resolution, stem.resolution), np.float32)
    with tempfile.TemporaryDirectory(prefix="hwnas-") as folder:
        for variant in wanted:
            path = Path(folder) / variant.file_name
            path.write_bytes(variant.lower(layers, weights))
            variant.outputs(path, blank)


def table_beside(run: Run, runtime: str, precision: str) -> LatencyTable | None:
    """The latency table that a file of a run is measured beside.

    Args:
        run: Whose device and threads count.
        runtime: That times the file.
        precision: Of the file.

    Returns:
        The run's own table when it is of this runtime and precision; else what `hwnas profile`
        measured for the same space; None when there is nothing, or it is another machine's, or
        others' who left no network to measure beside.

    Raises:
        FileFormatError: The table is damaged.
    """
    section = experiment_of(run).device
    own = run_tables(run).get(precision) if runtime == section.runtime else None
    if isinstance(own, LatencyTable):
        return own
    device = load_device(section.name)
    path = find_table(
        device.name, space=run.space.name, runtime=runtime, precision=precision,
        threads=section.threads,
    )  # fmt: skip
    if path is None:
        return None
    table = LatencyTable.read(path)
    here = conditions(Path("/"))["cpu"]
    elsewhere = device.transport == "local" and table.sessions[-1].cpu != here
    return None if elsewhere else table
