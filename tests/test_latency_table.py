import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hwnas.calibration.isolated import calibration
from hwnas.calibration.residual import Residual
from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.latency_table import (
    BoundLatencyTable,
    EnergyFit,
    LatencyTable,
    LayerTiming,
    NetworkTiming,
    Quality,
    evidence_of,
    profile_command,
    table_path,
)
from hwnas.measurement import EnergyBlock, Measurement, Provenance, Samples
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parent / "data" / "profile_space.toml")
ORIGIN = Provenance(
    date="2026-01-01T00:00:00+00:00", command="hwnas profile host", hwnas_version="1", cpu="c",
    os="o", python="3.11", runtime_version="1.31", threads=1,
    warm_up_runs=2, rounds=5, min_samples=5, visit_ms=10.0, seed=0,
)  # fmt: skip


def ms(value: float) -> tuple[Samples, ...]:
    return (Samples((round(value * 1e6),)),)


QUALITY = Quality(
    networks=1, calibrated_on=1, mape=3.0, bias=-1.0, within_5=100.0, within_10=100.0,
    spearman=0.9, coverage_90=100.0, unscaled_mape=6.0, unscaled_bias=5.0, scaled_mape=4.0,
    repeatability_mape=2.0, repeatability_spearman=0.95,
)  # fmt: skip
METERED = (Samples((2_000_000,), energy=EnergyBlock("rapl", 10, 0.25, 43.5, 50.0)),)


def made_table(**changes: object) -> LatencyTable:
    """Overhead 0.5 ms, layer i of the catalog alone 0.75 + i ms, of which 0.25 are boundary."""
    layers = SPACE.catalog.layers[1:]
    table = LatencyTable(
        device="host",
        runtime="onnxruntime",
        precision="fp32",
        threads=1,
        space=json.loads(json.dumps(SPACE.definition())),
        sessions=(ORIGIN,),
        canary=layers[:2],
        canary_ms=1.5,
        boundary_ms=0.25,
        scale=2.0,
        quality=QUALITY,
        overhead=ms(0.5),
        layers=tuple(LayerTiming(layer, ms(0.75 + i)) for i, layer in enumerate(layers, start=1)),
        networks=(
            NetworkTiming((0, 1), 5.0, 5.1, ms(5.0)),
            NetworkTiming((0,), 2.0, 1.9, METERED, held_out=True, predicted_std_ms=0.1),
        ),
        energy=EnergyFit("rapl", 1500.0, 2, 3.0, -1.0, 0.9, 2.0),
    )
    return dataclasses.replace(table, **changes)


def test_a_network_takes_the_overhead_once_and_its_layers_less_boundary_times_the_scale() -> None:
    layers = SPACE.catalog.layers
    assert made_table().network_ms([layers[1], layers[3]]) == pytest.approx(0.5 + 2 * (1 + 3))


def test_latency_of_a_population_equals_the_sum_layer_by_layer() -> None:
    table = made_table().bind(SPACE)
    genes = SPACE.sample(20, np.random.default_rng(0))
    slow = [table.network_ms(architecture_layers(SPACE, row)) for row in genes]
    np.testing.assert_allclose(table.latency_ms(genes), slow, rtol=1e-12)


def test_a_bound_table_is_still_the_table_that_was_read() -> None:
    bound = made_table().bind(SPACE)
    assert isinstance(bound, BoundLatencyTable)
    assert bound.quality == made_table().quality


def test_the_empty_layer_costs_nothing() -> None:
    assert made_table().layer_ms(SPACE.catalog)[0] == 0.0


def test_a_layer_faster_than_overhead_and_boundary_costs_nothing() -> None:
    layer = SPACE.catalog.layers[1]
    table = made_table(layers=(LayerTiming(layer, ms(0.7)),), networks=())
    assert table.cost_ms[layer] == 0.0


def test_drift_and_runs_are_divided_out_of_a_visit() -> None:
    assert Samples((8_000_000, 4_000_000, 6_000_000), runs=2, drift=1.5).median_ms == 2.0


def test_halves_take_every_other_visit() -> None:
    visits = tuple(Samples((value * 1_000_000,)) for value in (1, 4, 1, 4))
    measurement = Measurement(visits)
    assert measurement.halves_ms == (1.0, 4.0)
    assert measurement.repeatability == pytest.approx(3.0 / 2.5)


def test_a_table_of_another_space_names_the_command_that_adds_its_layers() -> None:
    other = load_space("mbv3_small_32")
    with pytest.raises(SpaceMismatchError) as raised:
        made_table().bind(other)
    count = len(other.catalog) - 1
    assert f"lacks {count} of the {count} layers of space mbv3_small_32" in str(raised.value)
    assert "hwnas profile host --space mbv3_small_32" in str(raised.value)


def test_a_command_names_only_what_differs_from_the_default() -> None:
    command = profile_command("pi", space="s", runtime="litert", precision="int8", threads=4)
    assert command == "hwnas profile pi --space s --runtime litert --precision int8 --threads 4"


def test_a_table_lies_under_its_device_and_is_named_by_what_it_holds() -> None:
    path = table_path(
        Path("latency_tables"), "pi", space="a", runtime="r", precision="fp32", threads=2
    )
    assert path == Path("latency_tables/pi/a-r-fp32-2t.json")


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made_table().write(tmp_path / "t.json")
    assert LatencyTable.read(tmp_path / "t.json") == made_table()


def test_a_table_has_a_line_for_each_layer(tmp_path: Path) -> None:
    made_table().write(tmp_path / "t.json")
    lines = (tmp_path / "t.json").read_text().splitlines()
    layers = [line for line in lines if line.lstrip().startswith('{"layer":')]
    assert len(layers) == len(made_table().layers)


def test_a_table_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    made_table().write(path)
    content = path.read_bytes()
    for size in range(0, len(content) - 2, 50):
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=r"t\.json"):
            LatencyTable.read(path)


@pytest.mark.parametrize("content", ["[]", "{}", '"text"', '{"format": "other"}'])
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(FileFormatError, match="not a latency table"):
        LatencyTable.read(tmp_path / "t.json")


LEARNED = '{"variances":[0.1,0,0,0,0,0,0],"noise":0.02,"precisions":[1.0]}'
MISSED = (
    '{"variances":[0.1,0,0,0],"noise":0.02,"precisions":[1.0],"error":2.0,"additive_error":4.0}'
)


@pytest.mark.parametrize(("old", "new"), [
    ('"version": 2', '"version": 3'),
    ('"version": 2', '"version": "2"'),
    ('"version": 2', '"version": "1"'),
    ('"version": 2', '"version": true'),
    ('"predicted_std_ms":0.1', '"predicted_std_ms":0.0'),
    ('"predicted_std_ms":0.1', '"predicted_std_ms":NaN'),
    ('"held_out":true', '"held_out":1'),
    ('"calibration": null', f'"calibration": {LEARNED.replace("0.1", "-0.1")}'),
    ('"calibration": null', f'"calibration": {LEARNED.replace("0.02", "0.0")}'),
    ('"calibration": null', f'"calibration": {LEARNED.replace("[1.0]", "[1.0,1.0]")}'),
    ('"calibration": null', f'"calibration": {LEARNED.replace("[0.1,", "[")}'),
    ('"calibration": null', f'"calibration": {LEARNED.replace("[1.0]", "[NaN]")}'),
    ('"residual": null', f'"residual": {MISSED}'),
    ('"residual": null', f'"residual": {MISSED.replace("[1.0]", "[]")}'),
    ('"ns":[1750000]', '"ns":[-1750000]'),
    ('"ns":[1750000]', '"ns":[0]'),
    ('"ns":[1750000]', '"ns":[NaN]'),
    ('"ns":[1750000]', '"ns":[1.5]'),
    ('"ns":[1750000]', '"ns":[]'),
    ('"ns":[1750000]', '"ns":[1750000],"runs":0'),
    ('"ns":[1750000]', '"ns":[1750000],"drift":NaN'),
    ('"ns":[1750000]', '"ns":[1750000],"drift":-1.0'),
    ('"ns":[1750000]', '"ns":[1750000],"speed":1'),
    ('"scale": 2.0', '"scale": Infinity'),
    ('"active_mw":1500.0', '"active_mw":0.0'),
    ('"active_mw":1500.0', '"active_mw":NaN'),
    ('"active_mw":1500.0', '"active_mw":1500.0,"more":1'),
    ('"seconds":0.25', '"seconds":0.0'),
    ('"mj":43.5', '"mj":-43.5'),
    ('"mj":43.5', '"mj":NaN'),
    ('"idle_mw":50.0', '"idle_mw":Infinity'),
    ('"runs":10', '"runs":0'),
    ('"runs":10', '"runs":10,"more":1'),
    ('"boundary_ms": 0.25', '"boundary_ms": NaN'),
    ('"canary_ms": 1.5', '"canary_ms": 0.0'),
    ('"threads": 1', '"threads": "1"'),
    ('"layers":[0,1]', '"layers":[0,99]'),
    ('"measured_ms":5.0', '"measured_ms":NaN'),
    ('"kind":"pool"', '"kind":"attention"'),
    ('"device": "host",\n', ""),
])  # fmt: skip
def test_a_table_with_what_nobody_can_have_measured_is_refused(
    old: str, new: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.json"
    made_table().write(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=r"t\.json"):
        LatencyTable.read(path)


def test_a_layer_twice_is_refused(tmp_path: Path) -> None:
    layers = made_table().layers
    made_table(layers=(*layers, layers[0])).write(tmp_path / "t.json")
    with pytest.raises(FileFormatError, match="twice"):
        LatencyTable.read(tmp_path / "t.json")


def test_a_file_holds_plain_json(tmp_path: Path) -> None:
    made_table().write(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["quality"]["mape"] == 3.0


def test_a_table_of_version_1_is_read_with_roles_for_its_networks(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    network = NetworkTiming((0, 1), 5.0, 5.1, ms(5.0))
    made_table(networks=(network,) * 4).write(path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith('"calibration"')]
    path.write_text("\n".join(lines).replace('"version": 2', '"version": 1').replace(
        '"energy": {"meter":"rapl","active_mw":1500.0,"networks":2,"mape":3.0,"bias":-1.0,'
        '"spearman":0.9,"repeatability_mape":2.0},', '"energy": null,'
    ))  # fmt: skip
    table = LatencyTable.read(path)
    assert [network.held_out for network in table.networks] == [False, False, True, False]
    assert (table.quality, table.calibration) == (None, None)
    assert table.network_ms([SPACE.catalog.layers[1]]) == pytest.approx(0.5 + 2 * 1)


def device_networks(count: int, seed: int) -> tuple[NetworkTiming, ...]:
    """Networks on a device whose layers take 1.3 times as long as in `made_table`, and 2 ms."""
    places = {layer: i for i, layer in enumerate(SPACE.catalog.layers[1:])}
    noise = np.random.default_rng(seed)
    timings = []
    for row in SPACE.sample(count, noise):
        layers = tuple(places[layer] for layer in architecture_layers(SPACE, row))
        exact = 2.0 + 1.3 * sum(2 * (1 + i) for i in layers)
        measured = round(exact * (1 + 0.01 * noise.standard_normal()), 6)
        timings.append(NetworkTiming(layers, measured, measured, ms(measured)))
    return tuple(timings)


def calibrated_table(count: int = 24) -> LatencyTable:
    table = made_table(networks=device_networks(count, 1), quality=None)
    return dataclasses.replace(table, calibration=calibration(evidence_of(table)))


def test_without_whole_networks_no_deviation_is_stated() -> None:
    assert (
        made_table().bind(SPACE).latency_std_ms(SPACE.sample(3, np.random.default_rng(0))) is None
    )


def test_whole_networks_correct_latencies_and_say_how_uncertain_they_are() -> None:
    bound = calibrated_table().bind(SPACE)
    genes = SPACE.sample(200, np.random.default_rng(5))
    exact = 2.0 + 1.3 * (made_table().bind(SPACE).latency_ms(genes) - 0.5)
    errors = bound.latency_ms(genes) / exact - 1
    assert np.abs(errors).mean() < 0.01
    deviations = bound.latency_std_ms(genes)
    assert deviations is not None
    assert (deviations / exact > 0.003).all()
    assert (deviations / exact < 0.05).all()


def test_a_calibrated_table_predicts_the_same_after_it_was_read_back(tmp_path: Path) -> None:
    table = calibrated_table()
    table.write(tmp_path / "t.json")
    read = LatencyTable.read(tmp_path / "t.json")
    genes = SPACE.sample(20, np.random.default_rng(0))
    np.testing.assert_array_equal(
        read.bind(SPACE).latency_ms(genes), table.bind(SPACE).latency_ms(genes)
    )
    np.testing.assert_array_equal(
        read.bind(SPACE).latency_std_ms(genes), table.bind(SPACE).latency_std_ms(genes)
    )


def test_latencies_of_a_calibrated_table_equal_those_network_by_network() -> None:
    table = calibrated_table()
    genes = SPACE.sample(20, np.random.default_rng(0))
    slow = [table.network_ms(architecture_layers(SPACE, row)) for row in genes]
    np.testing.assert_allclose(table.bind(SPACE).latency_ms(genes), slow, rtol=1e-12)


def test_deviations_are_of_the_covariance_written_out() -> None:
    table = calibrated_table()
    assert table.calibrated is not None
    row = SPACE.sample(1, np.random.default_rng(3))
    counts = np.zeros(len(table.layers) + 1)
    for layer in architecture_layers(SPACE, row[0]):
        counts[SPACE.catalog.index(layer) - 1] += 1
    counts[-1] = 1
    uncertain = counts @ table.calibrated.posterior.covariance @ counts
    bound = table.bind(SPACE)
    noise = table.calibrated.noise * bound.latency_ms(row)[0]
    assert bound.latency_std_ms(row) == pytest.approx(np.sqrt(uncertain + noise**2))


def test_a_second_model_corrects_sums_and_states_deviations_of_its_own(tmp_path: Path) -> None:
    table = calibrated_table(24)
    assert table.calibration is not None
    second = Residual((0.01, 0.001, 0.001, 0.001), 0.01, (1.0,) * 24, 2.0, 4.0)
    corrected = dataclasses.replace(table, residual=second)
    corrected.write(tmp_path / "t.json")
    bound = LatencyTable.read(tmp_path / "t.json").bind(SPACE)
    genes = SPACE.sample(20, np.random.default_rng(0))
    slow = [corrected.network_ms(architecture_layers(SPACE, row)) for row in genes]
    np.testing.assert_allclose(bound.latency_ms(genes), slow, rtol=1e-9)
    assert (bound.latency_ms(genes) != table.bind(SPACE).latency_ms(genes)).all()
    deviations = bound.latency_std_ms(genes)
    assert deviations is not None
    assert (deviations > 0.01 * bound.latency_ms(genes)).all()
