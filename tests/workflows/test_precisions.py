"""Precision as a dimension of a run: one for all networks, or a gene of each."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwnas import workflows
from hwnas.devices.agent import conditions
from hwnas.errors import FileFormatError, InputError, RuntimeMissingError, UnknownNameError
from hwnas.latency_table import LatencyTable, LayerTiming, table_path
from hwnas.measurement import Provenance, Samples
from hwnas.protocols import SearchSpace
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace, base_space
from hwnas.training.data import load_data
from hwnas.workflows import experiment_from_options, load_experiment
from hwnas.workflows.runs import member_precision, run_tables
from hwnas.workflows.setting import prepare, space_for

DATA = Path(__file__).parents[1] / "data"
SPACE = DATA / "profile_space.toml"
MIXED = ("fp32", "int8")

PROVENANCE = Provenance(
    date="2026-01-01T00:00:00+00:00", command="hwnas profile host", hwnas_version="1",
    cpu=conditions(Path("/"))["cpu"], os="o", python="3.11", runtime_version="1.31", threads=1,
    warm_up_runs=2, rounds=5, min_samples=5, visit_ms=10.0,
    seed=0,
)  # fmt: skip


def cheap(**changes):
    """A search that needs neither images nor tables."""
    options = {
        "name": "x", "space": str(SPACE), "objectives": ["macs", "model_size_bytes"],
        "evaluations": 12, "batch": 4,
    }  # fmt: skip
    return experiment_from_options(**options | changes)


def write_table(space: SearchSpace, precision: str, ms: int) -> None:
    """A table in which every layer takes so many milliseconds and the runtime none."""
    layers = tuple(
        LayerTiming(layer, (Samples((ms * 1_000_000 + 1,)),)) for layer in space.catalog.layers[1:]
    )
    table = LatencyTable(
        device="host", runtime="onnxruntime", precision=precision, threads=1,
        space=space.definition(), sessions=(PROVENANCE,), canary=(), canary_ms=1.0,
        boundary_ms=0.0, scale=1.0, quality=None, overhead=(Samples((1,)),), layers=layers,
        networks=(),
    )  # fmt: skip
    path = table_path(
        Path("latency_tables"), "host", space=space.name, runtime="onnxruntime",
        precision=precision, threads=1,
    )  # fmt: skip
    table.write(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_precision_is_fp32_unless_another_is_named():
    assert experiment_from_options(name="x", space="s").device.precisions == ("fp32",)
    assert cheap(precision=["int8"]).device.precisions == ("int8",)


def test_an_experiments_file_names_precisions(folder):
    path = folder / "mine.toml"
    path.write_text('[space]\nsource = "s"\n[device]\nprecisions = ["fp32", "int8"]\n')
    assert load_experiment(path).device.precisions == MIXED


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ('["in8"]', UnknownNameError, "Did you mean 'int8'"),
        ('["int8", "int8"]', FileFormatError, "none twice"),
        ("[]", FileFormatError, "at least one"),
    ],
)
def test_precisions_that_make_no_sense_are_refused(value, error, said, folder):
    path = folder / "mine.toml"
    path.write_text(f'[space]\nsource = "s"\n[device]\nprecisions = {value}\n')
    with pytest.raises(error, match=said):
        load_experiment(path)


def test_an_option_that_repeats_a_precision_is_refused():
    with pytest.raises(FileFormatError, match=r"--precision is .* none twice"):
        cheap(precision=["int8", "int8"])


def test_a_precision_that_the_device_lacks_is_refused_before_anything_is_done(folder):
    (folder / "coral.toml").write_text('title = "x"\nprecisions = ["int8"]\n')
    with pytest.raises(RuntimeMissingError, match=r"coral has no precision 'fp32'; .* offers int8"):
        workflows.search(cheap(device="coral.toml", precision=MIXED), "run")
    assert not (folder / "run").exists()
    assert len(workflows.search(cheap(device="coral.toml", precision=["int8"]), "run").front) > 0


def test_a_profile_of_a_precision_that_the_device_lacks_is_refused(folder):
    (folder / "coral.toml").write_text('title = "x"\nprecisions = ["int8"]\n')
    with pytest.raises(RuntimeMissingError, match="coral has no precision 'fp32'"):
        workflows.profile("coral.toml", SPACE)


def test_with_several_precisions_the_first_gene_chooses_one():
    space = prepare(cheap(precision=MIXED)).space
    assert isinstance(space, PrecisionSpace)
    assert space.precisions == MIXED
    assert not isinstance(prepare(cheap(precision=["int8"])).space, PrecisionSpace)


def test_a_space_that_chooses_precisions_itself_is_refused(folder):
    definition = PrecisionSpace(load_space(SPACE), MIXED).definition()
    base = (
        "\n".join(
            line for line in SPACE.read_text().replace("[[stages]]", "[[base.stages]]").splitlines()
        )
        .replace("[stem]", "[base.stem]")
        .replace("[head]", "[base.head]")
    )
    text = f'family = "{definition["family"]}"\nprecisions = {json.dumps(MIXED)}\n[base]\n{base}\n'
    (folder / "mixed.toml").write_text(text)
    assert isinstance(load_space("mixed.toml"), PrecisionSpace)
    with pytest.raises(InputError, match="name the space that is its base"):
        prepare(cheap(space="mixed.toml"))


def test_a_mixed_front_holds_the_precision_of_each_network(folder):
    run = workflows.search(cheap(precision=MIXED, evaluations=40), "run")
    assert base_space(run.space).definition() == load_space(SPACE).definition()
    indices, genes = run.space.split(run.evaluations.genes)
    assert set(indices) == {0, 1}
    for index in range(len(run.evaluations)):
        member = run.member(index)
        precision = member_precision(run, member)
        assert precision == member.architecture["precision"] == MIXED[member.row[0]]
        own = workflows.costs(base_space(run.space), genes[index], precision=precision)
        assert member.values["model_size_bytes"] == own["model_size_bytes"][0]
    # int8 is smaller and costs no MACs
    assert {member_precision(run, member) for member in run.front} == {"int8"}


def test_a_run_of_one_precision_has_no_gene_for_it(folder):
    run = workflows.search(cheap(precision=["int8"]), "run")
    assert run.space.definition() == load_space(SPACE).definition()
    assert base_space(run.space) is run.space
    member = run.front[0]
    assert member_precision(run, member) == "int8"
    own = workflows.costs(run.space, np.array(member.row), precision="int8")
    assert member.values["model_size_bytes"] == own["model_size_bytes"][0]
    assert run_tables(run) == {}


def test_an_interrupted_mixed_run_ends_as_one_that_was_not(folder):
    whole = workflows.search(cheap(precision=MIXED), "whole")
    cut = workflows.search(cheap(precision=MIXED), "cut")
    lines = cut.log_path.read_bytes().splitlines(keepends=True)
    cut.log_path.write_bytes(b"".join(lines[:5]))
    workflows.resume("cut")
    for name in ("log.jsonl", "front.json"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()
    assert len(whole.evaluations) == 12


def test_every_precision_needs_a_table_and_the_error_names_the_commands(folder):
    space = load_space(SPACE)
    experiment = cheap(objectives=["latency", "params"], precision=("fp16", "fp32", "int8"))
    write_table(space, "fp32", ms=3)
    with pytest.raises(InputError) as error:
        workflows.search(experiment, "run")
    command = f"hwnas profile host --space {SPACE} --precision"
    assert f"at fp16 and int8; measure it with: {command} fp16; {command} int8." in str(error.value)


def test_a_mixed_run_predicts_with_a_table_for_each_precision(folder):
    space = load_space(SPACE)
    write_table(space, "fp32", ms=3)
    write_table(space, "int8", ms=1)
    experiment = cheap(objectives=["latency", "params"], precision=MIXED)
    run = workflows.search(experiment, "run")
    write_table(space, "int8", ms=7)  # the run has its own copies
    tables = run_tables(run)
    assert tuple(tables) == MIXED
    assert {name: table.precision for name, table in tables.items()} == {p: p for p in MIXED}
    indices, genes = run.space.split(run.evaluations.genes)
    slots = (space.layer_indices(genes) > 0).sum(axis=1)
    expected = slots * np.array([3.0, 1.0])[indices]
    np.testing.assert_allclose(run.evaluations.values["latency_ms"], expected, rtol=1e-5)
    for index, precision in enumerate(MIXED):
        rows = indices == index
        np.testing.assert_allclose(tables[precision].latency_ms(genes[rows]), expected[rows], 1e-5)


def test_an_fp32_runs_supernet_serves_int8_and_mixed_runs(folder):
    write_few_images(folder / "images.npz")
    trained = {
        "space": str(DATA / "tiny_space.toml"), "data": "images.npz", "evaluations": 3, "batch": 3,
        "objectives": ["accuracy", "model_size_bytes"], "strategy": "random",
    }  # fmt: skip
    workflows.search(cheap(**trained, epochs=1), "fp32")
    trained |= {"supernet_from": "fp32"}
    int8 = workflows.search(cheap(**trained, precision=["int8"]), "int8")
    mixed = workflows.search(cheap(**trained, precision=MIXED), "mixed")
    assert len(int8.front) >= 1
    assert set(mixed.space.split(mixed.evaluations.genes)[0]) == {0, 1}
    assert mixed.complete.all()
    assert not Path("int8/supernet").exists()
    assert not Path("mixed/supernet").exists()


def write_few_images(path: Path) -> None:
    data = load_data("fashion_mnist_10k", resolution=16)
    np.savez(
        path,
        x_train=data.train.images[::80, 0], y_train=data.train.labels[::80],
        x_test=data.test.images[::60, 0], y_test=data.test.labels[::60],
    )  # fmt: skip


def test_a_restricted_space_is_wrapped_too(folder):
    experiment = cheap(space="ofa_mbv3_w1.0", resolutions=[160], precision=MIXED)
    space = prepare(experiment).space
    assert base_space(space).definition()["resolutions"] == (160,)
    assert space_for(experiment.space).definition() == base_space(space).definition()
