import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest

from hwnas.devices import load_device
from hwnas.errors import DeviceError, InputError, UnsteadyWarning
from hwnas.graphs import onnx
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.measurement import Samples
from hwnas.profiling import measure_model, measure_models
from hwnas.profiling.discipline import Discipline, Steadiness, Timing

HOST = load_device("host")
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    network_rounds=4,
)
SMALL = (LayerSpec("conv", 8, 3, 4, kernel_size=3),)
LARGE = (LayerSpec("conv", 64, 16, 64, kernel_size=5),)


def written(folder: Path, name: str, layers: tuple[LayerSpec, ...]) -> Path:
    path = folder / name
    path.write_bytes(onnx.lower(layers, random_weights(layers, np.random.default_rng(0))))
    return path


def test_a_model_file_is_measured(tmp_path: Path) -> None:
    measured = measure_model(HOST, written(tmp_path, "a.onnx", SMALL))
    assert measured.median_ms > 0
    assert measured.repeatability >= 0
    assert measured.provenance is not None
    assert len(measured.samples) == measured.provenance.rounds
    assert "hwnas measure" in measured.provenance.command


def test_models_are_measured_in_turns_and_returned_in_order(tmp_path: Path) -> None:
    paths = [written(tmp_path, "large.onnx", LARGE), written(tmp_path, "small.onnx", SMALL)]
    large, small = measure_models(HOST, paths, discipline=QUICK)
    assert large.median_ms > small.median_ms
    assert len(large.samples) == len(small.samples) == 4
    assert {visit.drift for visit in large.samples} == {1.0}


def test_visits_that_differ_much_are_a_warning_with_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "a.onnx", SMALL)
    strict = dataclasses.replace(QUICK, network_rounds=8, steadiness=Steadiness(max_spread=-1.0))
    with pytest.warns(UnsteadyWarning, match=r"host was unsteady.*a\.onnx.*8 visits .* ms"):
        measure_models(HOST, [path], discipline=strict)


def test_few_visits_say_nothing_of_steadiness(tmp_path: Path) -> None:
    path = written(tmp_path, "a.onnx", SMALL)
    strict = dataclasses.replace(QUICK, steadiness=Steadiness(max_spread=-1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_models(HOST, [path], discipline=strict)


def test_files_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    paths = [written(tmp_path / "a", "m.onnx", LARGE), written(tmp_path / "b", "m.onnx", SMALL)]
    large, small = measure_models(HOST, paths, discipline=QUICK)
    assert large.median_ms > small.median_ms


def table_with_canary(canary_ms: float) -> LatencyTable:
    return LatencyTable(
        device="host", runtime="onnxruntime", precision="fp32", threads=1, space={}, sessions=(),
        canary=SMALL, canary_ms=canary_ms, boundary_ms=0.0, scale=1.0, quality=None,
        overhead=(Samples((1_000_000,)),), layers=(), networks=(),
    )  # fmt: skip


def test_with_a_table_drift_against_its_canary_is_divided_out(tmp_path: Path) -> None:
    path = written(tmp_path, "a.onnx", SMALL)
    (measured,) = measure_models(HOST, [path], table=table_with_canary(1000.0), discipline=QUICK)
    assert all(visit.drift < 0.5 for visit in measured.samples)


def test_a_table_of_another_device_is_refused(tmp_path: Path) -> None:
    table = dataclasses.replace(table_with_canary(1.0), device="pi")
    with pytest.raises(InputError, match="table is of pi"):
        measure_model(HOST, written(tmp_path, "a.onnx", SMALL), table=table)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(DeviceError, match="could not load a model with onnxruntime"):
        measure_model(HOST, tmp_path / "bad.onnx")


@pytest.mark.parametrize("name", ["missing.onnx", "model.tflite"])
def test_a_missing_file_or_another_format_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(InputError, match=r"not an existing \.onnx file"):
        measure_model(HOST, tmp_path / name)
