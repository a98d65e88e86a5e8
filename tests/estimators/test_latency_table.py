from pathlib import Path

import numpy as np
import pytest

import hwnas
from hwnas import estimators
from hwnas.devices import load_device
from hwnas.errors import InputError, SpaceMismatchError
from hwnas.latency_table import LatencyTable, LayerTiming
from hwnas.measurement import Samples
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")


def made_table(layers: int) -> LatencyTable:
    """The first layers of the space; each takes a number of ms that says which it is."""
    return LatencyTable(
        device="host", runtime="onnxruntime", precision="fp32", threads=1, space={}, sessions=(),
        canary=(), canary_ms=1.0, boundary_ms=0.0, scale=1.0, quality=None,
        overhead=(Samples((1_000_000,)),),
        layers=tuple(
            LayerTiming(layer, (Samples(((i + 1) ** 2 * 1_000_000,)),))
            for i, layer in enumerate(SPACE.catalog.layers[1 : layers + 1], start=1)
        ),
        networks=(),
    )  # fmt: skip


def test_latency_is_the_tables_and_cheap() -> None:
    table = made_table(len(SPACE.catalog) - 1)
    made = estimators.create(
        "latency_ms", estimators.EstimatorContext(SPACE, tables={"fp32": table})
    )
    genes = SPACE.sample(10, np.random.default_rng(0))
    expected = [table.network_ms(architecture_layers(SPACE, row)) for row in genes]
    np.testing.assert_allclose(made.estimate(genes).mean, expected, rtol=1e-12)
    assert made.cheap
    assert made.objective.name == "latency_ms"


def test_without_a_table_the_error_names_the_command_that_measures_one() -> None:
    context = estimators.EstimatorContext(SPACE, device=load_device("host"))
    with pytest.raises(InputError, match=r"hwnas profile host --space profile_space\.$"):
        estimators.create("latency", context)


def test_the_table_of_another_precision_is_not_used() -> None:
    tables = {"fp32": made_table(len(SPACE.catalog) - 1)}
    context = estimators.EstimatorContext(SPACE, tables=tables, precision="int8")
    with pytest.raises(InputError, match="--space profile_space --precision int8"):
        estimators.create("latency_ms", context)


def test_a_table_that_lacks_layers_is_refused() -> None:
    with pytest.raises(SpaceMismatchError, match="lacks 2 of the 12 layers"):
        estimators.create(
            "latency_ms", estimators.EstimatorContext(SPACE, tables={"fp32": made_table(10)})
        )


def test_costs_at_one_precision_refuse_a_table_of_another() -> None:
    table, genes = made_table(len(SPACE.catalog) - 1), SPACE.sample(3, np.random.default_rng(0))
    assert (hwnas.costs(SPACE, genes, table=table)["latency_ms"] > 0).all()
    with pytest.raises(InputError, match="measured at fp32, and costs at int8"):
        hwnas.costs(SPACE, genes, table=table, precision="int8")
