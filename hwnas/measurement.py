"""Raw timings, what they come to, and where they came from."""

import statistics
from dataclasses import dataclass

from hwnas.units import NS_PER_MS


@dataclass(frozen=True, slots=True)
class Samples:
    """What one visit to a model gave: raw timings, a few milliseconds' worth.

    Attributes:
        ns: Nanoseconds that each sample took.
        runs: Inferences that one sample covers; more than 1 for models near the clock's grain.
        drift: How slow the machine was around the visit, as a ratio to the table's usual; 1 if
            nothing was watched.
    """

    ns: tuple[int, ...]
    runs: int = 1
    drift: float = 1.0

    @property
    def median_ms(self) -> float:
        """Median milliseconds of one inference, drift divided out."""
        return statistics.median(self.ns) / (self.runs * NS_PER_MS * self.drift)


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
        governor: CPU frequency governor; None where it cannot be read.
        frequency_mhz: Of the first core when the agent started; None where it cannot be read.
        warm_up_runs: Inferences before the samples of each visit.
        rounds: Visits to each model.
        min_samples: Least number of samples a visit takes.
        visit_ms: Time after which a visit ends once it has them.
        seed: Of the order of visits, the weights and the choice of whole networks.
    """

    date: str
    command: str
    hwnas_version: str
    cpu: str
    os: str
    python: str
    runtime_version: str
    threads: int
    governor: str | None
    frequency_mhz: float | None
    warm_up_runs: int
    rounds: int
    min_samples: int
    visit_ms: float
    seed: int


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
    def drift(self) -> float:
        """How slow the machine was while this was measured, as `Samples.drift`; their median."""
        return statistics.median(visit.drift for visit in self.samples)

    @property
    def count(self) -> int:
        """Number of raw samples."""
        return sum(len(visit.ns) for visit in self.samples)
