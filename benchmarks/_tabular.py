"""Whole search spaces as tables: every architecture's objectives, from a file.

A problem file holds `genes` (N, G), `cardinalities` (G,), `objectives` (N, M) minimised and
`objective_names` (M,). Each objective is scaled to [0, 1] by its minimum and maximum in the file;
the reference point is the median of the first and the 90th percentile of the others; a hypervolume
ratio of 1 is the hypervolume of the file's own front.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import hypervolume, normalised


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A tabulated space.

    Attributes:
        name: The file's, without `search_` and the ending.
        digest: Of the file's content.
        cardinalities: Shape (genes,).
        names: Of the objectives.
        objectives: As in the file, shape (architectures, objectives).
        scaled: The same from 0 to 1.
        reference: In the scaled objectives, shape (objectives,).
        whole: Hypervolume of the file's own front.
        positions: Row numbers by genes.
    """

    name: str
    digest: str
    cardinalities: IntArray
    names: tuple[str, ...]
    objectives: FloatArray
    scaled: FloatArray
    reference: FloatArray
    whole: float
    positions: dict[bytes, int]

    def rows(self, genes: IntArray) -> IntArray:
        """Row numbers of architectures, shape (architectures,); -1 where the file has none."""
        keys = map(bytes, np.ascontiguousarray(genes, dtype=np.int16))
        return np.array([self.positions.get(key, -1) for key in keys], dtype=np.int64)

    def losses(self, genes: IntArray) -> FloatArray:
        """Objectives of shape (architectures, objectives); the worst where the file has none."""
        rows = self.rows(genes)
        return np.where(rows[:, None] >= 0, self.objectives[rows], self.objectives.max(axis=0))

    def ratio(self, rows: IntArray) -> float:
        """Hypervolume ratio of the architectures with these row numbers."""
        return hypervolume(self.scaled[rows], self.reference) / self.whole


def load(path: Path) -> Table:
    """A problem file."""
    with np.load(path) as content:
        genes, cardinalities = content["genes"], content["cardinalities"].astype(np.int64)
        objectives = content["objectives"].astype(np.float64)
        names = tuple(str(name) for name in content["objective_names"])
    scaled = normalised(objectives)
    reference = np.append(np.median(scaled[:, 0]), np.quantile(scaled[:, 1:], 0.9, axis=0))
    keys = map(bytes, np.ascontiguousarray(genes, dtype=np.int16))
    return Table(
        name=path.stem.removeprefix("search_"),
        digest=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        cardinalities=cardinalities,
        names=names,
        objectives=objectives,
        scaled=scaled,
        reference=reference,
        whole=hypervolume(scaled, reference),
        positions={key: i for i, key in enumerate(keys)},
    )
