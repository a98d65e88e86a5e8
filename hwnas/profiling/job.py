"""A batch of models as it is sent to a device."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwnas import plugins
from hwnas.devices import Device
from hwnas.layer_weights import random_weights
from hwnas.profiling.discipline import Timing
from hwnas.profiling.plan import Batch, is_layer_model, metered_visits
from hwnas.profiling.target import Target

_START_S = 120.0
_VISIT_S = 30.0  # of the slowest model on the slowest board
_SETTLE_S = 10.0  # beside a block: the slowest gauge, and the last run of the slowest model


@dataclass(frozen=True, slots=True)
class Job:
    """One push and one command.

    Attributes:
        name: Of the results file on the device; unlike that of any other job in the folder.
        visits: Number of each visit and the file name of its model, in order.
        content: A model's bytes by its file name; asked only for models that are still visited.
        timing: Of each visit.
        metered: Numbers of the visits in which energy is measured too, where there is a meter.
    """

    name: str
    visits: tuple[tuple[int, str], ...]
    content: Callable[[str], bytes]
    timing: Timing
    metered: frozenset[int] = frozenset()

    def limit_s(self, device: Device, visits: int) -> float:
        """The longest that a number of its visits may take, without time to cool down."""
        meter_s = (len(self.metered) + 1) * (device.energy.block_s + _SETTLE_S)
        return _START_S + _VISIT_S * visits + meter_s


def lowered_job(
    target: Target, batch: Batch, *, name: str, seed: int, timing: Timing, energy_blocks: int = 0
) -> Job:
    """A batch as a job; its models get random weights and are written when they are sent.

    Single layers take and give what they do inside a network of the target's precision; whole
    networks are as they would be exported.

    Args:
        target: Whose runtime says the format, and the precision of the models.
        batch: Layers of the models, and the visits.
        name: Of the job.
        seed: Of the weights.
        timing: Of each visit.
        energy_blocks: Visits to each whole network in which energy is measured too.
    """
    ending = target.module.MODEL_FORMAT
    graphs = plugins.load("hwnas.graphs", ending, what="model format")

    def content(file_name: str) -> bytes:
        model = file_name.removesuffix(f".{ending}")
        layers = batch.models[model]
        weights = random_weights(layers, np.random.default_rng(seed))
        inner = is_layer_model(model)
        return bytes(graphs.lower(layers, weights, precision=target.precision, inner=inner))

    visits = tuple((number, f"{model}.{ending}") for number, model in batch.visits)
    return Job(name, visits, content, timing, metered_visits(batch, energy_blocks))
