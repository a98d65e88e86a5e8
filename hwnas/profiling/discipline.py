"""How thoroughly a device is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a visit to a model lasts.

    Attributes:
        warm_up_runs: Least number of inferences before the first sample.
        min_samples: Least number of samples.
        max_samples: Most samples.
        visit_ms: Time after which a visit ends once it has ``min_samples``.
        min_sample_us: Models shorter than this run several times for each sample.
        warm_up_ms: Least time that inferences before the first sample take.
    """

    warm_up_runs: int = 2
    min_samples: int = 5
    max_samples: int = 20
    visit_ms: float = 10.0
    min_sample_us: float = 100.0
    warm_up_ms: float = 2.0


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What a device's speed may do between two visits to the canary network: a stretch.

    Where busy processes shared two x86 cores, visits in steady stretches were 5 to 6 % off what the
    models take in quiet, drift divided out, and visits in drifted ones 16 to 43 %.

    Attributes:
        max_step: Ratio of the canary's two times beyond which the stretch has drifted: what
            happened in between is not known.
        max_scatter: Interquartile range of the canary's samples, relative to their median, beyond
            which something else runs beside it; at least twice what is usual on the device.
        max_level: Ratio to the canary's usual time beyond which the device is shared or
            throttled: short models and long ones are then not slowed down alike.
        tries: How often drifted stretches are measured again.
        max_unsettled: Largest share of the layers, or of the whole networks, that may be left with
            less than half of their visits in steady stretches.
        max_spread: Range of the middle half of the visits to a model file, relative to their
            median, beyond which its latency is said to be doubtful.
    """

    max_step: float = 1.25
    max_scatter: float = 0.25
    max_level: float = 1.75
    tries: int = 3
    max_unsettled: float = 0.1
    max_spread: float = 0.3


@dataclass(frozen=True, slots=True)
class Discipline:
    """How thoroughly a profile measures.

    Attributes:
        timing: Of each visit.
        layer_rounds: Visits to each layer.
        network_rounds: Visits to each whole network; even, for two interleaved halves.
        network_passes: In how many stretches of time these are, each network beside others in
            each: what a processor's caches and clock do changes by the minute, and does not slow
            all networks down alike.
        canary_every: Visits between two visits to the canary network.
        energy_blocks: Visits to each whole network in each pass that its energy is measured in
            too, where the device has a meter; even in all passes, for two halves.
        steadiness: What counts as steady, and how often drifted stretches are measured again.
    """

    timing: Timing = Timing()
    layer_rounds: int = 5
    network_rounds: int = 12
    network_passes: int = 2
    canary_every: int = 6
    energy_blocks: int = 1
    steadiness: Steadiness = Steadiness()
