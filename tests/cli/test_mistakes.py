"""What a user does wrong, and the one sentence that says so."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SPACE = Path(__file__).parents[1] / "data" / "tiny_space.toml"
SEARCH = ("search", "--space", "mbv3_small_32", "--out", "new")
COSTS = (*SEARCH, "--objective", "params", "--objective", "macs")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sentence(result):
    """The error, once it is certain that it is one line and no traceback."""
    assert result.status == 1
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    return result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("profile", "hots"), "Unknown device 'hots'. Did you mean 'host'?"),
        (("profile", "host", "--space", "ofa_mbv3"), "Unknown search space 'ofa_mbv3'. Did you"),
        (("profile", "host", "--resolution", "100"), "Resolution 100 is not offered"),
        (("profile", "host", "--runtime", "onnx"), "Unknown runtime 'onnx'"),
        (("profile", "host", "--precision", "int4"), "no precision 'int4'"),
        ((*SEARCH, "--objective", "acuracy", "--objective", "macs"), "Did you mean 'accuracy'?"),
        ((*SEARCH, "--objective", "macs"), "two to 5 different objectives"),
        ((*SEARCH, "--objective", "accuracy", "--objective", "macs"), "accuracy needs images"),
        ((*COSTS, "--budget", "params=3"), "not of the form"),
        ((*COSTS, "--budget", "parms<=3"), "Did you mean 'params'?"),
        ((*COSTS, "--budget", "params<=1"), "goes from"),
        ((*COSTS, "--budget", "params<=1M@40%"), "more than 50 and less than 100"),
        ((*COSTS, "--budget", "params<=1M@95"), "not of the form"),
        ((*COSTS, "--budget", "params<=1M@95%"), "Write params<=1e+06 where the number is exact"),
        ((*COSTS, "--measure-finalists", "9"), "the search has none; add latency_ms"),
        (("front", "nowhere", "--measure"), "holds no run"),
        ((*COSTS, "--precision", "int4"), "Unknown precision 'int4'. Did you mean 'int8'?"),
        ((*COSTS, "--precision", "int8", "--precision", "int8"), "none twice"),
        ((*COSTS, "--strategy", "nsga9"), "Unknown strategy 'nsga9'"),
        ((*COSTS, "--data", "no_such_folder"), "Unknown data set 'no_such_folder'"),
        ((*SEARCH, "--objective", "latency", "--objective", "macs"), "hwnas profile host --space"),
        (("front", "nowhere"), "holds no run"),
        (("resume", "nowhere"), "holds no run"),
        (("plot", "nowhere"), "holds no run"),
        (("export", "nowhere"), "holds no run"),
        (("measure", "nowhere.onnx"), "There is no model file"),
        (("measure", "nowhere.tflite"), "There is no model file"),
        (("run", "nowhere.toml"), "cannot be read"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(arguments, said, empty, invoke):
    assert said in sentence(invoke(*arguments))
    assert not (empty / "new").exists()


def test_a_misspelt_key_of_an_experiment_is_named_with_the_right_one(empty, invoke):
    (empty / "x.toml").write_text('[space]\nsource = "mbv3_small_32"\n[search]\nevalutions = 5\n')
    message = sentence(invoke("run", "x.toml"))
    assert "search.evalutions is not a known key; did you mean 'evaluations'?" in message


def test_an_empty_image_folder_is_refused(empty, invoke):
    (empty / "images").mkdir()
    assert "images" in sentence(invoke(*COSTS, "--data", "images"))


def test_one_corrupt_image_among_many_is_skipped_and_named(empty, invoke):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (empty / "images" / label).mkdir(parents=True)
        for number in range(60):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(empty / "images" / label / f"{number}.png")
    (empty / "images/cat/7.png").write_bytes(b"no image")
    result = invoke(*COSTS, "--data", "images", "--evaluations", 2)
    assert result.status == 0
    assert result.err.startswith("Warning: 1 of the files in ")
    assert "cat/7.png" in result.err


def test_a_truncated_latency_table_is_refused(empty, workplace, invoke):
    (table,) = (workplace / "latency_tables/host").glob("*.json")
    (empty / "latency_tables/host").mkdir(parents=True)
    content = table.read_bytes()
    (empty / "latency_tables/host" / table.name).write_bytes(content[: len(content) // 2])
    result = invoke(
        "search", "--space", SPACE, "--objective", "latency_ms", "--objective", "params",
        "--out", "new",
    )  # fmt: skip
    assert "truncated" in sentence(result)


def test_a_table_of_another_space_is_refused_with_the_command_that_extends_it(
    empty, workplace, invoke
):
    (table,) = (workplace / "latency_tables/host").glob("*.json")
    (empty / "latency_tables/host").mkdir(parents=True)
    renamed = table.name.replace("tiny_space", "mbv3_small_32")
    shutil.copy(table, empty / "latency_tables/host" / renamed)
    result = invoke(*SEARCH, "--objective", "latency_ms", "--objective", "params")
    assert "lacks" in sentence(result)
    assert "hwnas profile host --space mbv3_small_32" in result.err


def test_a_table_from_another_processor_is_used_with_a_warning(empty, workplace, invoke):
    (table,) = (workplace / "latency_tables/host").glob("*.json")
    (empty / "latency_tables/host").mkdir(parents=True)
    content = json.loads(table.read_text())
    content["sessions"][-1]["cpu"] = "Abacus 3000"
    (empty / "latency_tables/host" / table.name).write_text(json.dumps(content))
    result = invoke(
        "search", "--space", SPACE, "--data", workplace / "images.npz", "--objective", "latency_ms",
        "--objective", "params", "--evaluations", 2, "--out", "new",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "was measured on Abacus 3000" in result.err


def test_a_file_that_is_no_model_cannot_be_measured(empty, invoke):
    (empty / "model.onnx").write_bytes(b"not a model")
    assert "model.onnx" in sentence(invoke("measure", "model.onnx"))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0\0\0\0TFL3" + bytes(200)])
def test_a_tflite_file_that_is_none_cannot_be_measured(content, empty, invoke):
    (empty / "model.tflite").write_bytes(content)
    message = sentence(invoke("measure", "model.tflite"))
    assert "could not load a model with litert: 0-model.tflite" in message


def test_a_file_whose_ending_no_runtime_knows_is_refused(empty, invoke):
    (empty / "model.pt").write_bytes(b"")
    message = sentence(invoke("measure", "model.pt"))
    assert "ends in .tflite (litert) or .onnx (onnxruntime)" in message


def test_a_runtime_does_not_measure_files_of_another_format(empty, invoke):
    (empty / "model.tflite").write_bytes(b"")
    message = sentence(invoke("measure", "model.tflite", "--runtime", "onnxruntime"))
    assert "model.tflite is not an existing .onnx file" in message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "tflit"), "Unknown model format 'tflit'. Did you mean 'tflite'?"),
        (("--precision", "int4"), "Unknown precision 'int4'. Did you mean 'int8'?"),
    ],
)
def test_an_unknown_format_or_precision_of_an_export_is_named(arguments, said, workplace, invoke):
    assert said in sentence(invoke("export", workplace / "runs/tiny", *arguments))


def test_a_precision_that_the_device_lacks_is_not_profiled(empty, invoke):
    (empty / "board.toml").write_text('title = "No integers"\nprecisions = ["fp32"]\n')
    message = sentence(invoke("profile", "board.toml", "--precision", "int8"))
    assert "Device board has no precision 'int8'; its file says it offers fp32" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "runs/tiny", "--format", "tflite"),
        ("profile", "host", "--space", "mbv3_small_32", "--runtime", "litert"),
        ("run", "tiny.toml", "--out", "runs/never"),
    ],
)
@pytest.mark.parametrize("package", ["ai_edge_litert", "ai_edge_quantizer"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(arguments, package, workplace):
    if package == "ai_edge_quantizer":
        arguments = (*arguments, *(() if arguments[0] == "run" else ("--precision", "int8")))
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"  # as if it were not installed
        "from hwnas.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=workplace, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    message = done.stderr
    assert message.startswith("Error: ")
    assert "pip install 'hwnas[litert]'" in message
    assert not (workplace / "runs/never").exists()


def test_an_id_that_the_run_does_not_hold_is_answered_with_some_that_it_does(workplace, invoke):
    message = sentence(invoke("export", workplace / "runs/tiny", "--pick", "00000000"))
    assert "holds no architecture with id '00000000'" in message


def test_a_pick_that_no_network_meets_is_answered_with_the_nearest(workplace, invoke):
    message = sentence(invoke("export", workplace / "runs/tiny", "--pick", "latency_ms<=1e-6"))
    assert "the nearest has" in message


def test_debug_shows_the_traceback(empty, invoke):
    with pytest.raises(Exception, match="holds no run"):
        invoke("front", "nowhere", "--debug")


def test_images_with_labels_out_of_range_are_refused(empty, invoke):
    images = np.zeros((20, 8, 8), np.uint8)
    labels = np.array([0, 1] * 9 + [0, -3])
    np.savez("bad.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert "bad.npz" in sentence(invoke(*COSTS, "--data", "bad.npz"))


def test_a_damaged_run_is_named(empty, workplace, invoke):
    shutil.copytree(workplace / "runs/tiny", empty / "copy")
    log = empty / "copy/log.jsonl"
    lines = log.read_text().splitlines()
    lines[2] = json.dumps({"index": 2})
    log.write_text("\n".join(lines) + "\n")
    assert "line 3" in sentence(invoke("front", "copy"))
