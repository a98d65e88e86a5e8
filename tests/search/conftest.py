from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from hwnas.catalog import FloatArray, IntArray, LayerCatalog, total
from hwnas.estimators import EstimatorContext, create
from hwnas.problem import Budget, Objective
from hwnas.protocols import Estimate, Estimator, SearchSpace
from hwnas.search import Run, RunConfig
from hwnas.search.records import Records
from hwnas.spaces import load_space

ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)


def capacity(catalog: LayerCatalog) -> FloatArray:
    """A number for each layer that grows with it, more slowly than its costs do."""
    return np.log1p(catalog.params) + np.array([layer.kernel_size for layer in catalog.layers])


@dataclass
class Expensive:
    """An accuracy that is computed from the layers, and counts how often it is asked."""

    space: SearchSpace
    objective: Objective = ACCURACY
    cheap: bool = False
    asked: int = 0
    after: float = field(default=np.inf)
    answer: float = np.nan

    def estimate(self, genes: IntArray) -> Estimate:
        values = total(capacity(self.space.catalog), self.space.layer_indices(genes)) / 3
        self.asked += len(genes)
        return Estimate(values if self.asked <= self.after else np.full(len(genes), self.answer))


def _records(
    genes: Sequence[tuple[int, ...]], values: Sequence[Mapping[str, float | None]]
) -> Records:
    columns = {n: np.array([v[n] for v in values], dtype=np.float64) for n in values[0]}
    return Records(np.array(genes), columns)


@pytest.fixture(scope="session")
def as_records() -> Callable[..., Records]:
    """Evaluations from rows of genes and their values by name; None where there is none."""
    return _records


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return load_space(Path(__file__).parents[1] / "data" / "search_space.toml")


@pytest.fixture
def costs(space: SearchSpace) -> dict[str, Estimator]:
    context = EstimatorContext(space)
    names = ("macs", "params", "model_size_bytes", "peak_memory_bytes")
    return {name: create(name, context) for name in names}


@pytest.fixture
def expensive(space: SearchSpace) -> Expensive:
    return Expensive(space)


@pytest.fixture
def config(space: SearchSpace, costs: dict[str, Estimator]) -> RunConfig:
    """Accuracy against MACs within a budget of parameters, 60 evaluations."""
    return RunConfig(
        space=space.definition(),
        objectives=(ACCURACY, costs["macs"].objective),
        recorded=(costs["params"].objective,),
        budgets=(Budget("params", 12_000),),
        population=10,
        evaluations=60,
        seed=3,
    )


@pytest.fixture
def estimators(expensive: Expensive, costs: dict[str, Estimator]) -> list[Estimator]:
    return [expensive, costs["macs"], costs["params"]]


@pytest.fixture
def run(tmp_path: Path, config: RunConfig) -> Run:
    return Run.create(tmp_path / "run", config)


@pytest.fixture
def unbounded(config: RunConfig) -> RunConfig:
    return replace(config, budgets=())
