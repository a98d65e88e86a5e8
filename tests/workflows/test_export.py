"""The files of the tiny run: what their cards say is what the files do."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load, save

from hwnas.devices import load_device
from hwnas.errors import HwnasWarning, InputError
from hwnas.latency_table import LatencyTable
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.runtimes import litert, onnxruntime
from hwnas.spaces.precision_choice import base_space
from hwnas.training.evaluation import batches_at
from hwnas.workflows import export, load_run, measure_references
from hwnas.workflows.model_card import read_cards
from hwnas.workflows.references import read_references
from hwnas.workflows.runs import experiment_of
from hwnas.workflows.setting import prepare

QUICK = Discipline(
    Timing(1, 2, 3, 0.2, 50.0), layer_rounds=2, network_rounds=2,
    steadiness=Steadiness(max_unsettled=1.0),
)  # fmt: skip
NAMES = ["model.onnx", "model-int8.onnx", "model.tflite", "model-int8.tflite"]


@pytest.fixture
def run(workplace, tmp_path, monkeypatch):
    """A copy of the finished run, in a folder without latency tables of its own."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(workplace / "runs/tiny", tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def cards(workplace, tmp_path_factory):
    """Of the files that the run's experiment names, by file name, exported to a copy of the run."""
    folder = tmp_path_factory.mktemp("exported")
    copy = shutil.copytree(
        workplace / "runs/tiny", folder / "tiny", ignore=shutil.ignore_patterns("export")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return {card.file.name: card for card in export(copy)}


def test_an_experiment_names_formats_and_precisions(cards):
    assert {*NAMES} == {*cards}


@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_of_a_file_is_what_its_own_runtime_counts(name, cards, workplace):
    experiment = experiment_of(load_run(workplace / "runs/tiny"))
    test = prepare(experiment).data.test
    resolution = cards[name].architecture["r"]
    inputs = np.concatenate([batch.numpy() for batch in batches_at(test, resolution)])
    runtime = {"onnx": onnxruntime, "tflite": litert}[cards[name].format]
    outputs = runtime.outputs(str(cards[name].file), np.ascontiguousarray(inputs))
    right = [int(one.argmax()) == label for one, label in zip(outputs, test.labels, strict=True)]
    assert cards[name].accuracy_file == pytest.approx(100 * sum(right) / len(right))


def test_points_lost_are_counted_from_the_fp32_torch_module(cards):
    assert len({card.accuracy_fine_tuned for card in cards.values()}) == 1
    for card in cards.values():
        assert card.points_lost == card.accuracy_fine_tuned - card.accuracy_file
    assert cards["model.tflite"].points_lost == pytest.approx(0.0, abs=1.6)


def test_an_int8_card_says_what_calibrated_it_and_an_fp32_card_does_not(cards):
    assert cards["model-int8.tflite"].calibration_images == 160
    assert "160 images of the training part" in cards["model-int8.tflite"].markdown()
    assert "points lost to int8" in cards["model-int8.tflite"].markdown()
    assert cards["model.tflite"].calibration_images == 0
    assert "points lost" not in cards["model.tflite"].markdown()


def test_a_card_shows_the_input_as_its_format_takes_it(cards):
    resolution = cards["model.onnx"].architecture["r"]
    assert cards["model.onnx"].input_shape == (1, 1, resolution, resolution)
    assert cards["model.tflite"].input_shape == (1, resolution, resolution, 1)
    assert "(NHWC)" in cards["model.tflite"].markdown()


def test_the_runs_own_table_predicts_only_what_it_was_measured_for(cards):
    assert cards["model.onnx"].latency_predicted_ms is not None
    assert cards["model.onnx"].latency_drift is not None
    for name in NAMES[1:]:
        assert cards[name].latency_predicted_ms is None
        assert cards[name].latency_drift is None
        assert "There is no latency table" in cards[name].markdown()


def test_a_table_that_lies_there_predicts_another_runtimes_files(run):
    found = load_run(run)
    table = profile(
        load_device("host"), base_space(found.space), folder=Path("latency_tables"),
        runtime="litert", networks=3, held_out=2, discipline=QUICK,
    )  # fmt: skip
    (card,) = export(run, formats=["tflite"], precisions=["fp32"], images=0)
    assert card.latency_predicted_ms is not None
    assert card.latency_drift is not None
    assert table.runtime == "litert"
    assert "% off" in card.markdown()


def test_a_table_of_another_processor_predicts_nothing(run, workplace):
    (own,) = (run / "latency_tables").glob("*.json")
    content = own.read_text().replace('"runtime":"onnxruntime"', '"runtime":"litert"')
    content = content.replace('"runtime": "onnxruntime"', '"runtime": "litert"')
    cpu = LatencyTable.read(own).sessions[-1].cpu
    target = Path("latency_tables/host/tiny_space-litert-fp32-1t.json")
    target.parent.mkdir(parents=True)
    target.write_text(content.replace(cpu, "Abacus 3000"))
    (card,) = export(run, formats=["tflite"], precisions=["fp32"], images=0)
    assert card.latency_predicted_ms is None


def test_the_network_is_trained_once_for_all_files(run):
    export(run, images=64, formats=["onnx"], precisions=["fp32"])
    weights = next(run.glob("export/*/weights.safetensors"))
    made = weights.stat().st_mtime_ns
    cards = export(run, images=64, formats=["tflite", "onnx"], precisions=["fp16"])
    assert weights.stat().st_mtime_ns == made
    assert [card.file.name for card in cards] == ["model-fp16.tflite", "model-fp16.onnx"]
    assert all(card.parity <= 1e-2 for card in cards)


def test_cards_are_read_back_as_they_were_written(run):
    cards = export(run, images=0, formats=["onnx", "tflite"], precisions=["fp16"])
    assert read_cards(run)[-2:] == cards


def test_a_file_that_loses_much_accuracy_comes_with_a_warning(run):
    (card,) = export(run, images=2048, formats=["onnx"], precisions=["fp32"])
    assert card.accuracy_fine_tuned > 15  # chance is 10
    # one logit that is far from the others leaves eight bits nothing to tell those apart with
    weights = card.file.parent / "weights.safetensors"
    state = load(weights.read_bytes())
    last = [name for name, tensor in state.items() if tensor.shape == (10,)][-1]
    state[last][0] -= 1e4
    weights.write_bytes(save(state))
    with pytest.warns(HwnasWarning, match="points of accuracy to int8") as said:
        export(run, images=2048, formats=["tflite"], precisions=["int8"])
    assert "search with --precision int8" in str(said[0].message)


def test_hand_made_networks_are_lowered_like_the_file_they_stand_beside(run):
    (card,) = export(run, images=0, formats=["tflite"], precisions=["int8"])
    before = read_references(run)
    references = measure_references(run, card)
    assert references.model == f"{card.id}/model-int8.tflite"
    assert before.model.endswith("/model.onnx")
    sizes = {network.label: network.values["model_size_bytes"] for network in before.networks}
    for network in references.networks:
        assert network.values["model_size_bytes"] < sizes[network.label]
    assert measure_references(run, card) == references


def test_an_export_to_no_known_format_is_refused_before_anything_is_trained(run):
    with pytest.raises(InputError, match="Did you mean 'tflite'"):
        export(run, formats=["tflit"], images=100_000_000)
