"""What a latency table holds: timings of layers and networks, and what it states of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hwnas.catalog import FloatArray
from hwnas.layers import LayerSpec
from hwnas.measurement import EnergyBlock, Measurement, Samples
from hwnas.units import MS_PER_S


@dataclass(frozen=True, slots=True)
class LayerTiming:
    """A layer that was measured alone, the runtime's overhead included."""

    layer: LayerSpec
    samples: tuple[Samples, ...]

    @property
    def median_ms(self) -> float:
        """Milliseconds of a model that is this layer alone."""
        return Measurement(self.samples).median_ms


@dataclass(frozen=True, slots=True)
class NetworkTiming:
    """A whole network that was measured: to learn from, or to see how good the table is.

    Attributes:
        layers: Positions of its layers in the table, in order.
        measured_ms: Median of what was measured.
        predicted_ms: What the table predicts with numbers that this network had no part in.
        samples: One entry for each visit.
        held_out: Whether it was drawn at random to state the table's quality, which is not fitted
            on it; else the table's costs are corrected by it.
        predicted_std_ms: Standard deviation that the table states for the prediction; None where
            it states none.
    """

    layers: tuple[int, ...]
    measured_ms: float
    predicted_ms: float
    samples: tuple[Samples, ...]
    held_out: bool = False
    predicted_std_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """How far predictions are from networks held out, beside the machine's own repeatability.

    Attributes:
        networks: Random whole networks held out; all that follows is of them.
        calibrated_on: Other whole networks, which the table was fitted on.
        mape: Mean absolute error of predictions, percent of what was measured.
        bias: Mean error, percent; positive where predictions are too slow.
        within_5: Share of predictions within 5 % of what was measured, percent.
        within_10: Share within 10 %.
        spearman: Rank correlation of predicted and measured.
        coverage_90: Share of networks within the 90 % interval that was stated for them, percent;
            None where none was.
        unscaled_mape: Error of the plain sums of layers measured alone.
        unscaled_bias: Their mean error, percent.
        scaled_mape: Error of sums with the table's boundary and scale alone.
        repeatability_mape: The same error between two interleaved halves of the measurements of
            these networks; the whole measurement is about half as far from the truth.
        repeatability_spearman: Their rank correlation.
    """

    networks: int
    calibrated_on: int
    mape: float
    bias: float
    within_5: float
    within_10: float
    spearman: float
    coverage_90: float | None
    unscaled_mape: float
    unscaled_bias: float
    scaled_mape: float
    repeatability_mape: float
    repeatability_spearman: float


@dataclass(frozen=True, slots=True)
class EnergyFit:
    """How much energy networks take for their latency, by a meter, and how far that is right.

    An inference takes the power that networks draw beyond the idle device, times its latency:
    on fixed cores and clocks the power differs little from network to network.

    Attributes:
        meter: Which: ``rapl``, ``ina3221`` or ``battery``.
        active_mw: Median over the networks of their energy by their measured latency.
        networks: Whole networks whose energy was measured.
        mape: Mean absolute error, percent of what was measured, of energies predicted from
            predicted latencies; both with numbers that the network had no part in.
        bias: Mean error, percent; positive where predictions are too high.
        spearman: Rank correlation of predicted and measured.
        repeatability_mape: The same error between two halves of the measurements; None where
            networks were metered only once.
    """

    meter: str
    active_mw: float
    networks: int
    mape: float
    bias: float
    spearman: float
    repeatability_mape: float | None = None

    def energy_mj(self, latency_ms: FloatArray) -> FloatArray:
        """Energy of inferences that take so long, shape as given."""
        return latency_ms * (self.active_mw / MS_PER_S)


def sample_faults(where: str, samples: tuple[Samples, ...]) -> Iterator[str]:
    """What no timing can have given, in words."""
    if not samples or not all(visit.ns for visit in samples):
        yield f"{where} has no samples"
    for visit in samples:
        if visit.ns and min(visit.ns) <= 0:
            yield f"{where} has a sample of {min(visit.ns)} ns; expected more than 0"
        if visit.runs < 1:
            yield f"{where} has {visit.runs} runs in a sample; expected at least 1"
        if not positive(visit.drift):
            yield f"{where} has a drift of {visit.drift}; expected a number above 0"
        if visit.energy is not None:
            yield from _block_faults(where, visit.energy)


def _block_faults(where: str, block: EnergyBlock) -> Iterator[str]:
    if block.runs < 1 or not positive(block.seconds):
        yield f"{where} has an energy block of {block.runs} runs in {block.seconds} s"
    if not (0 <= block.mj < math.inf and 0 <= block.idle_mw < math.inf):
        yield f"{where} has an energy of {block.mj} mJ at {block.idle_mw} mW idle"


def positive(value: float) -> bool:
    """Whether a number is finite and above 0."""
    return 0 < value < math.inf
