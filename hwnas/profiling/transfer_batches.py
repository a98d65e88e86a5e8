"""Networks measured batch after batch, each chosen after the one before; each kept when done."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hwnas.files import STRICT, digest, parse, read_json, to_plain, write_json
from hwnas.latency_table import LatencyTable
from hwnas.layers import LayerSpec
from hwnas.measurement import Measurement
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.networks import measure_networks
from hwnas.profiling.target import Target
from hwnas.progress import Progress


@dataclasses.dataclass(frozen=True, slots=True)
class _Done:
    """A batch that was measured: fingerprint of its request, networks, and last the canary."""

    request: str
    measurements: tuple[Measurement, ...]

    __pydantic_config__ = STRICT


class Batches:
    """Measures networks of one device, in a unit of time that all batches share.

    Args:
        target: What is measured on.
        folder: For what was measured so far.
        seed: Of the weights and of the order of visits.
        discipline: How thoroughly.
        command: What to state as the command that measured.
        on_progress: Told after each visit.
    """

    def __init__(
        self,
        target: Target,
        folder: Path,
        *,
        seed: int,
        discipline: Discipline,
        command: str,
        on_progress: Progress,
    ) -> None:
        self._target, self._folder = target, folder
        self._seed, self._discipline = seed, discipline
        self._command, self._on_progress = command, on_progress
        self._number = 0

    def measure(
        self, networks: Sequence[tuple[LayerSpec, ...]], table: LatencyTable
    ) -> tuple[tuple[Measurement, ...], float]:
        """Latencies of the next batch, and what the canary takes when drift is 1.

        A batch that an interrupted run has measured is not measured again.

        Args:
            networks: Layers of each.
            table: Whose canary is visited; drift is relative to its ``canary_ms`` unless that is 0.
        """
        path = self._folder / f"batch{self._number}.json"
        request = digest(
            {
                "networks": to_plain(_Networks((*networks, table.canary))),
                "canary_ms": table.canary_ms,
                "discipline": to_plain(self._discipline),
                "seed": self._seed,
            }
        )
        done = parse(read_json(path), _Done, source=str(path)) if path.is_file() else None
        if done is None or done.request != request:
            done = _Done(request, self._measured((*networks, table.canary), table))
            write_json(path, to_plain(done), indent=None)
        self._number += 1
        canary_ms = table.canary_ms or round(done.measurements[-1].median_ms, 6)
        return done.measurements[:-1], canary_ms

    def _measured(
        self, networks: Sequence[tuple[LayerSpec, ...]], table: LatencyTable
    ) -> tuple[Measurement, ...]:
        return measure_networks(
            self._target,
            networks,
            folder=self._folder / f"batch{self._number}",
            canary=table.canary,
            table=table if table.sessions else None,
            seed=self._seed + self._number,
            discipline=self._discipline,
            command=self._command,
            on_progress=self._on_progress,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Networks:
    """Networks as they are fingerprinted."""

    layers: tuple[tuple[LayerSpec, ...], ...]
