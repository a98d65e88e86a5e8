import dataclasses
import math
from pathlib import Path

import pytest

from hwnas.devices import load_device
from hwnas.errors import FileFormatError, InputError
from hwnas.latency_table import LatencyTable, LayerTiming, Quality
from hwnas.layers import LayerSpec
from hwnas.measurement import DeviceState, Measurement, Provenance, Samples
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.profiling.target import Target
from hwnas.profiling.verification import (
    compared,
    faults_of,
    log_path,
    read_verifications,
    verify,
)
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
HOST = load_device("host")
TARGET = Target(HOST, "onnxruntime", "fp32", 1)
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    layer_rounds=2,
    network_rounds=2,
    steadiness=Steadiness(math.inf, math.inf, math.inf, max_unsettled=1.0),
)
ORIGIN = Provenance(
    date="2026-01-01T00:00:00+00:00", command="c", hwnas_version="1", cpu="a cpu", os="o",
    python="3.11", runtime_version="1.31", threads=1, warm_up_runs=2, rounds=5, min_samples=5,
    visit_ms=10.0, seed=0, before=DeviceState("performance", 2000.0),
)  # fmt: skip
QUALITY = Quality(
    networks=20, calibrated_on=20, mape=3.0, bias=0.0, within_5=90.0, within_10=100.0,
    spearman=0.9, coverage_90=90.0, unscaled_mape=6.0, unscaled_bias=5.0, scaled_mape=4.0,
    repeatability_mape=2.0, repeatability_spearman=0.95,
)  # fmt: skip
TABLE = LatencyTable(
    device="d", runtime="r", precision="fp32", threads=1, space={}, sessions=(ORIGIN,),
    canary=(), canary_ms=1.0, boundary_ms=0.0, scale=1.0, quality=QUALITY,
    overhead=(Samples((1_000_000,)),), networks=(),
    layers=tuple(
        LayerTiming(LayerSpec("linear", 1, 4, 4 + i), (Samples((2_000_000,)),)) for i in range(20)
    ),
)  # fmt: skip
FRESH = [(i,) for i in range(20)]  # each takes 2 ms by the table


def measured(
    errors: list[float], drift: float = 1.0, origin: Provenance = ORIGIN
) -> list[Measurement]:
    ns = [round(2_000_000 * drift / (1 + error)) for error in errors]
    return [Measurement((Samples((one,), drift=drift),) * 2, origin) for one in ns]


def test_a_table_whose_error_is_as_stated_holds() -> None:
    found = compared(TABLE, FRESH, measured([0.03, -0.03] * 10))
    assert found.mape == pytest.approx(3.0, abs=1e-3)
    assert found.bias == pytest.approx(0.0, abs=1e-3)
    assert (found.stated_mape, found.coverage_90, found.drift) == (3.0, None, 1.0)
    assert (found.holds, found.faults, found.changes) == (True, (), ())


def test_a_table_whose_error_has_grown_does_not_hold() -> None:
    found = compared(TABLE, FRESH, measured([0.06] * 20))
    assert not found.holds
    assert "its error is 6.0 %, beyond 4.5 %" in found.faults[0]


def test_errors_within_what_measurements_repeat_are_no_fault() -> None:
    halves = (Samples((1_900_000,)), Samples((2_100_000,)))
    found = compared(TABLE, FRESH, [Measurement(halves, ORIGIN)] * 20)
    assert found.repeatability_mape == pytest.approx(100 * 0.2 / 2.1, abs=1e-3)
    assert found.holds


def test_a_clock_that_changed_is_a_fault_though_drift_is_divided_out() -> None:
    found = compared(TABLE, FRESH, measured([0.0] * 20, drift=1.5))
    assert found.mape == 0.0
    assert found.drift == 1.5
    assert "1.50 times as long" in found.faults[0]


@pytest.mark.parametrize(("inside", "holds"), [(20, True), (16, True), (13, False)])
def test_intervals_that_hold_too_few_networks_are_a_fault(inside: int, holds: bool) -> None:
    # 13 or fewer of 20 have a chance of 0.2 % where 90 % are right, 16 or fewer one of 13 %
    found = compared(TABLE, FRESH, measured([0.0] * 20))
    found = dataclasses.replace(found, coverage_90=100 * inside / 20)
    assert (not list(faults_of(found))) is holds


def test_what_changed_since_is_said() -> None:
    later = dataclasses.replace(
        ORIGIN, runtime_version="1.32", cpu="another", before=DeviceState("powersave", 1500.0)
    )
    found = compared(TABLE, FRESH, measured([0.0] * 20, origin=later))
    assert found.holds
    assert found.changes == (
        "runtime version 1.31 became 1.32", "processor a cpu became another",
        "governor performance became powersave", "clock 2000 MHz became 1500 MHz",
    )  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished table of this machine."""
    folder = tmp_path_factory.mktemp("tables")
    profile(HOST, SPACE, folder=folder, networks=3, held_out=2, discipline=QUICK)
    return folder / "host" / "profile_space-onnxruntime-fp32-1t.json"


def test_fresh_networks_are_measured_and_kept_beside_the_table(path: Path) -> None:
    table = LatencyTable.read(path)
    before = path.read_bytes()
    found = [
        verify(table, TARGET, SPACE, path=path, networks=4, discipline=QUICK) for _ in range(2)
    ]
    assert read_verifications(path) == tuple(found)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if one.is_dir()] == []
    layers = [one.layers for verification in found for one in verification.networks]
    layers += [one.layers for one in table.networks]
    assert len(set(layers)) == 4 + 4 + 5
    for verification in found:
        assert verification.origin.command == "hwnas tables verify host"
        for one in verification.networks:
            expected = table.network_ms(table.layers[i].layer for i in one.layers)
            assert one.predicted_ms == pytest.approx(expected, abs=1e-6)


def test_an_interrupted_verification_goes_on_where_it_was(path: Path) -> None:
    table, known = LatencyTable.read(path), len(read_verifications(path))

    def interrupt(task: str, done: float, total: float, note: str = "") -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(table, TARGET, SPACE, path=path, networks=5, discipline=QUICK, on_progress=interrupt)
    assert len(read_verifications(path)) == known
    told: list[float] = []

    def tell(task: str, done: float, total: float, note: str = "") -> None:
        told.append(done)

    verify(table, TARGET, SPACE, path=path, networks=5, discipline=QUICK, on_progress=tell)
    assert told[0] > 4
    assert len(read_verifications(path)) == known + 1


def test_a_torn_last_line_is_none_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    table = tmp_path / "t.json"
    log_path(table).write_text('{"torn')
    assert read_verifications(table) == ()
    log_path(table).write_text('{"torn\n')
    with pytest.raises(FileFormatError, match=r"t\.verified\.jsonl holds a line"):
        read_verifications(table)


@pytest.mark.parametrize(("networks", "table", "message"), [
    (3, TABLE, "at least 4"),
    (4, dataclasses.replace(TABLE, quality=None), "states no error"),
])  # fmt: skip
def test_a_verification_that_can_say_nothing_is_refused(
    networks: int, table: LatencyTable, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        verify(table, TARGET, SPACE, path=tmp_path / "t.json", networks=networks)


def test_a_space_without_fresh_networks_is_said(path: Path) -> None:
    with pytest.raises(InputError, match="hardly any networks that were not measured yet"):
        verify(LatencyTable.read(path), TARGET, SPACE, path=path, networks=400, discipline=QUICK)
