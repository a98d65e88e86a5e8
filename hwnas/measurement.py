"""Raw timings and meter readings, what they come to, and where they came from."""

import math
import statistics
from dataclasses import dataclass

from hwnas import files
from hwnas.units import NS_PER_MS

_NORMAL_RANGE = 2 * statistics.NormalDist().inv_cdf(0.75)  # of the middle half, in deviations
_MEDIAN_ERROR = math.sqrt(math.pi / 2)


@dataclass(frozen=True, slots=True)
class EnergyBlock:
    """What an energy meter gave while one model ran again and again for seconds.

    Attributes:
        meter: Which: ``rapl``, ``ina3221`` or ``battery``.
        runs: Inferences.
        seconds: How long they took together.
        mj: Energy that the meter counted meanwhile, idle power included.
        idle_mw: What the same meter said while the device was idle, before the models.
    """

    meter: str
    runs: int
    seconds: float
    mj: float
    idle_mw: float

    __pydantic_config__ = files.STRICT

    @property
    def inference_mj(self) -> float:
        """Energy of one inference beyond what the idle device takes in that time."""
        return (self.mj - self.idle_mw * self.seconds) / self.runs


@dataclass(frozen=True, slots=True)
class Samples:
    """What one visit to a model gave: raw timings, a few milliseconds' worth.

    Attributes:
        ns: Nanoseconds that each sample took.
        runs: Inferences that one sample covers; more than 1 for models near the clock's grain.
        drift: How slow the machine was around the visit, as a ratio to the table's usual; 1 if
            nothing was watched.
        energy: Of a block of further runs after the timings; None where no meter was read.
    """

    ns: tuple[int, ...]
    runs: int = 1
    drift: float = 1.0
    energy: EnergyBlock | None = None

    @property
    def median_ms(self) -> float:
        """Median milliseconds of one inference, drift divided out."""
        return statistics.median(self.ns) / (self.runs * NS_PER_MS * self.drift)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device was set and how it fared at one moment; None for what could not be read.

    Attributes:
        governor: CPU frequency governor of the cores that may be used; all if they differ.
        frequency_mhz: Of the fastest of these cores.
        temperature_c: Of the hottest sensor, degrees Celsius.
        battery_percent: Charge of the battery.
        battery_status: As the kernel names it, such as ``Discharging``.
    """

    governor: str | None = None
    frequency_mhz: float | None = None
    temperature_c: float | None = None
    battery_percent: int | None = None
    battery_status: str | None = None

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Stability:
    """How steady a device was while a table was measured, as its canary network shows.

    Attributes:
        stretches: Parts of the work between two visits to the canary, those made again included.
        drifted: Of these, how many the device's speed changed in, or something else ran beside;
            what was measured in them was measured again.
        unsettled: Layers and whole networks that have less than half of their visits in steady
            stretches even so; visits from drifted ones count for them.
        canary_low: Ratio to the canary's usual time that a twentieth of the visits to it are below.
        canary_high: Ratio that a twentieth are above.
    """

    stretches: int
    drifted: int
    unsettled: int
    canary_low: float
    canary_high: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where and how something was measured.

    Attributes:
        date: When it began, ISO 8601 with time zone.
        command: The command line that asked for it.
        hwnas_version: Of the client.
        cpu: Model name as the device's kernel gives it.
        os: Name, release and architecture.
        python: Of the agent.
        runtime_version: Of the runtime that the table names.
        threads: Of every operator.
        warm_up_runs: Least inferences before the samples of each visit.
        rounds: Visits to each model.
        min_samples: Least number of samples a visit takes.
        visit_ms: Time after which a visit ends once it has them.
        seed: Of the order of visits, the weights and the choice of whole networks.
        warm_up_ms: Least time that inferences before the samples take.
        cores: CPUs that the models were pinned to; empty when to none.
        meter: What measured energy; None where nothing did.
        before: The device when measuring began.
        after: The device when it had ended; None when the last part was cut short.
        stability: How steady it was meanwhile; None where no canary watched.
    """

    date: str
    command: str
    hwnas_version: str
    cpu: str
    os: str
    python: str
    runtime_version: str
    threads: int
    warm_up_runs: int
    rounds: int
    min_samples: int
    visit_ms: float
    seed: int
    warm_up_ms: float = 0.0
    cores: tuple[int, ...] = ()
    meter: str | None = None
    before: DeviceState = DeviceState()
    after: DeviceState | None = None
    stability: Stability | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """All visits to one model, in the order they were made.

    Attributes:
        samples: One entry for each visit.
        provenance: Where it was measured; None where the owner of the measurement says it.
    """

    samples: tuple[Samples, ...]
    provenance: Provenance | None = None

    @property
    def median_ms(self) -> float:
        """Milliseconds of one inference: the median of the visits' medians."""
        return statistics.median(visit.median_ms for visit in self.samples)

    @property
    def halves_ms(self) -> tuple[float, float]:
        """The same from every other visit alone: two interleaved halves of the measurement."""
        if len(self.samples) < 2:
            return self.median_ms, self.median_ms
        first, second = Measurement(self.samples[::2]), Measurement(self.samples[1::2])
        return first.median_ms, second.median_ms

    @property
    def repeatability(self) -> float:
        """Relative difference of the two halves: how far the number itself can be trusted."""
        first, second = self.halves_ms
        return abs(first - second) / self.median_ms

    @property
    def spread(self) -> float:
        """Relative range of the middle half of the visits: how unsteady the device was."""
        if len(self.samples) < 2:
            return 0.0
        low, _, high = statistics.quantiles(
            (visit.median_ms for visit in self.samples), method="inclusive"
        )
        return (high - low) / self.median_ms

    @property
    def error_ms(self) -> float:
        """Standard error of `median_ms`, as if visits were normal: 0 where there is only one.

        The deviation is that of a normal distribution with the visits' interquartile range, and
        the median of many normal visits errs by 1.253 times what their mean does.
        """
        deviation_ms = self.spread * self.median_ms / _NORMAL_RANGE
        return _MEDIAN_ERROR * deviation_ms / math.sqrt(len(self.samples))

    @property
    def drift(self) -> float:
        """How slow the machine was while this was measured, as `Samples.drift`; their median."""
        return statistics.median(visit.drift for visit in self.samples)

    @property
    def count(self) -> int:
        """Number of raw samples."""
        return sum(len(visit.ns) for visit in self.samples)

    @property
    def energy_mj(self) -> float | None:
        """Energy of one inference beyond idle: the median of its blocks; None without any."""
        found = [visit.energy.inference_mj for visit in self.samples if visit.energy is not None]
        return statistics.median(found) if found else None
