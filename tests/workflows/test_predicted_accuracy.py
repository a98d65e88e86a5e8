import csv
import json

import numpy as np
import pytest

from hwnas import files, workflows
from hwnas.errors import FileFormatError, InputError, RunError, SpaceMismatchError, UnknownNameError
from hwnas.prediction import encoding_of
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS, shipped_predictor
from hwnas.problem import Objective
from hwnas.search.log import LogWriter
from hwnas.search.records import Records
from hwnas.search.run import Run, RunConfig
from hwnas.spaces import load_space
from hwnas.workflows.experiment import parse_experiment
from hwnas.workflows.predicted_accuracy import fitted_on

OFA = "ofa_mbv3_w1.0"


def imagenet(**changes):
    wanted = {
        "name": "predicted", "space": OFA, "accuracy": "imagenet",
        "objectives": ["accuracy", "params"], "budgets": ["macs<=150M"], "evaluations": 40,
        **changes,
    }  # fmt: skip
    return workflows.experiment_from_options(**wanted)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search without any data."""
    return workflows.search(imagenet(), tmp_path_factory.mktemp("runs") / "imagenet")


def test_a_search_needs_no_data_and_no_training(searched):
    assert len(searched.front) > 3
    assert [o.title for o in searched.objectives] == ["predicted ImageNet accuracy", "parameters"]
    space = searched.space
    assert tuple(space.definition()["resolutions"]) == DIRECT_RESOLUTIONS
    expected = shipped_predictor().bind(space).mean(searched.evaluations.genes)
    np.testing.assert_allclose(searched.evaluations.values["accuracy"], expected)


def test_its_front_and_pictures_are_those_of_any_run(searched):
    rows = list(csv.DictReader((searched.directory / "front.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == [m.id for m in workflows.front(searched.directory)]
    drawn = {path.name for path in workflows.plot(searched.directory)}
    assert {"front_params.png", "front_macs.svg", "progress.png"} <= drawn


def test_there_are_no_weights_to_export(searched):
    with pytest.raises(InputError, match="searched with predicted accuracies, so nothing was"):
        workflows.export(searched.directory)


def test_a_finished_search_resumes_to_the_same_bytes(searched):
    log = searched.log_path.read_bytes()
    assert len(workflows.resume(searched.directory).front) == len(searched.front)
    assert searched.log_path.read_bytes() == log


def test_resolutions_that_are_named_are_kept(tmp_path):
    run = workflows.search(imagenet(resolutions=[184], evaluations=5), tmp_path / "run")
    assert run.space.definition()["resolutions"] == (184,)
    assert ((run.evaluations.values["accuracy"] > 66) & run.complete).all()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"space": "ofa_mbv3_w1.2"}, SpaceMismatchError, "the search is in ofa_mbv3_w1.2"),
        ({"space": "mbv3_small_32"}, SpaceMismatchError, "Give --space ofa_mbv3_w1.0"),
        ({"resolutions": [128, 224]}, InputError, "the space has resolution 128"),
        ({"data": "fashion_mnist_10k"}, InputError, "looks at no images, and there is data"),
        ({"precision": ["int8"]}, InputError, "at fp32 alone; the precisions are int8"),
        ({"precision": ["fp32", "int8"]}, InputError, "the precisions are fp32, int8"),
        ({"predictor_from": "runs/other"}, InputError, "predictor_from is 'runs/other'"),
        ({"accuracy": "predictor"}, InputError, "with another run's directory, or neither"),
        ({"accuracy": "imagnet"}, UnknownNameError, "Did you mean 'imagenet'"),
        ({"accuracy": "supernet"}, InputError, "accuracy needs images"),
    ],
)
def test_what_cannot_be_predicted_is_refused_before_anything_is_written(
    tmp_path, changes, error, message
):
    with pytest.raises(error, match=message):
        workflows.search(imagenet(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_experiments_file_says_the_same():
    found = parse_experiment(
        {"space": {"source": OFA}, "accuracy": "imagenet"}, source="experiment.toml"
    )
    assert found.space.resolutions == DIRECT_RESOLUTIONS
    with pytest.raises(InputError, match=r"experiment\.toml: accuracy is 'imagenet'"):
        parse_experiment(
            {"space": {"source": OFA}, "accuracy": "imagenet", "data": {"source": "images"}},
            source="experiment.toml",
        )
    with pytest.raises(FileFormatError, match="accuracy"):
        parse_experiment({"space": {"source": OFA}, "accuracy": 3}, source="experiment.toml")


SPACE = load_space("mbv3_small_32", classes=7, in_channels=1)
ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)
PARAMS = Objective("params", "", "parameters")


def evaluated_run(directory, count=40):
    """A finished run whose accuracies rise with parameters; the last one was not evaluated."""
    experiment = workflows.experiment_from_options(
        name="evaluated", space="mbv3_small_32", data="images.npz"
    )
    config = RunConfig(
        space=SPACE.definition(), objectives=(ACCURACY, PARAMS), recorded=(), budgets=(),
        strategy="random", population=count, evaluations=count, seed=0,
        experiment=files.to_plain(experiment),
    )  # fmt: skip
    run = Run.create(directory, config)
    genes = np.unique(SPACE.sample(count, np.random.default_rng(0)), axis=0)
    params = encoding_of(SPACE).trivial(genes)[:, 1]
    accuracies = 10 * np.log10(params) + genes[:, 1]
    accuracies[-1] = np.nan
    records = Records(genes, {"accuracy": accuracies, "params": params})
    with LogWriter(run.log_path) as writer:
        writer.append(records, first=0)
    return Run.open(directory)


def learning(directory, **changes):
    wanted = {
        "name": "learned", "space": "mbv3_small_32", "accuracy": "predictor",
        "predictor_from": str(directory), "objectives": ["accuracy", "params"],
        "evaluations": 30, **changes,
    }  # fmt: skip
    return workflows.experiment_from_options(**wanted)


def test_a_search_may_learn_accuracy_from_another_run(tmp_path, invoke):
    source = evaluated_run(tmp_path / "evaluated")
    predictor = fitted_on(source)
    assert predictor.rows == len(source.evaluations) - 1
    result = invoke(
        "search", "--accuracy", "predictor", "--predictor-from", source.directory,
        "--objective", "accuracy", "--objective", "params", "--evaluations", 30,
        "--out", tmp_path / "learned",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "Spearman" in result.out
    assert "macs" in result.out
    assert "predicted accuracy" in result.out
    run = workflows.load_run(tmp_path / "learned")
    assert run.space.definition() == SPACE.definition()
    np.testing.assert_allclose(
        run.evaluations.values["accuracy"], predictor.mean(run.evaluations.genes)
    )
    rows, scores = workflows.predictor_scores(run.directory)
    assert (rows, scores) == (predictor.rows, predictor.scores)
    log = run.log_path.read_bytes()
    workflows.resume(run.directory)
    assert run.log_path.read_bytes() == log
    with pytest.raises(InputError, match="evaluated no accuracy"):
        workflows.search(learning(run.directory), tmp_path / "again")


def test_a_run_with_its_own_supernet_has_no_predictor_to_show(searched):
    assert workflows.predictor_scores(searched.directory) == (0, ())


@pytest.mark.parametrize(
    "changes", [{"space": "mbv3_small_32_act"}, {"resolutions": [32, 28]}, {"space": OFA}]
)
def test_a_predictor_answers_for_the_space_it_learned_in_alone(tmp_path, changes):
    source = evaluated_run(tmp_path / "evaluated")
    with pytest.raises(SpaceMismatchError, match=r"knows that space alone"):
        workflows.search(learning(source.directory, **changes), tmp_path / "run")


def test_a_run_that_evaluated_too_few_or_none_is_refused(tmp_path, searched):
    few = evaluated_run(tmp_path / "few", count=15)
    with pytest.raises(InputError, match="at least 20 different evaluated architectures; got 14"):
        workflows.search(learning(few.directory), tmp_path / "run")
    with pytest.raises(InputError, match="evaluated no accuracy"):
        workflows.search(learning(searched.directory, space=OFA), tmp_path / "run")
    with pytest.raises(RunError, match="holds no run"):
        workflows.search(learning(tmp_path / "nowhere"), tmp_path / "run")


def test_scores_of_constant_numbers_survive_their_file(tmp_path):
    (tmp_path / "accuracy_predictor.json").write_text(
        json.dumps({"chosen": "ridge", "rows": 20, "scores": [{"name": "depth"}]})
    )
    _, (score,) = workflows.predictor_scores(tmp_path)
    assert score.name == "depth"
    assert np.isnan(score.spearman)
