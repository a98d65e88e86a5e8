"""Latency tables as files: import, search with what was imported, list."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import hwnas
from hwnas import workflows
from hwnas.errors import (
    FileFormatError,
    HwnasWarning,
    InputError,
    SpaceMismatchError,
    UnknownNameError,
)
from hwnas.workflows import experiment_from_options, import_table, load_table, tables
from hwnas.workflows.runs import run_tables

ROOT = Path(__file__).parents[2]
EXCERPT = ROOT / "tests/data/one_network_lookup_table.yaml"
SPACE = ROOT / "tests/data/one_network_space.toml"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/phone.toml").write_text('title = "A phone"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(**changes):
    return import_table([EXCERPT], **{"device": "phone", "source": "a paper"} | changes)


def asked(**changes):
    options = {
        "name": "x", "space": str(SPACE), "device": "phone", "objectives": ["latency", "params"],
        "evaluations": 4, "batch": 4,
    }  # fmt: skip
    return experiment_from_options(**options | changes)


def test_a_search_predicts_with_what_was_imported_and_says_so(folder):
    imported()
    with pytest.warns(HwnasWarning, match=r"phone are imported, not measured by hwnas: a paper"):
        run = workflows.search(asked(), "run")
    shutil.rmtree("latency_tables")  # the run has its own copy
    genes, latencies = run.evaluations.genes, run.evaluations.values["latency_ms"]
    np.testing.assert_allclose(run_tables(run)["fp32"].latency_ms(genes), latencies)
    # layers take 1, 2, ..., 16 ms; the second block of the last stage, 12 ms, may be left out
    assert {round(float(value), 9) for value in latencies} <= {136.0, 124.0}
    workflows.resume("run")
    assert all(path.exists() for path in workflows.plot("run"))


def test_a_space_that_is_not_covered_is_refused(folder):
    imported()
    with pytest.raises(SpaceMismatchError, match=r"lacks 68 of the 68 layers of space mbv3_small"):
        workflows.search(asked(space="mbv3_small_32"), "run")
    with pytest.raises(SpaceMismatchError, match=r"resolutions 224"):
        workflows.search(asked(space="ofa_mbv3_w1.2"), "run")
    assert not Path("run").exists()


def test_another_precision_was_not_imported(folder):
    imported()
    with pytest.raises(InputError, match=r"no latency table of phone .* --precision int8"):
        workflows.search(asked(precision=["int8"]), "run")


def test_importing_again_replaces_what_was_imported(folder):
    path, _ = imported()
    again, table = imported(source="another paper", runtime="TensorFlow Lite", threads=4)
    assert path == again == Path("latency_tables/phone/imported-fp32.json")
    assert load_table(path, SPACE).source == table.source == "another paper"
    assert (table.runtime, table.threads) == ("TensorFlow Lite", 4)
    assert len(table.published[0].sha256) == 64


def test_a_device_without_a_file_is_imported_with_a_warning(folder):
    with pytest.warns(HwnasWarning, match=r"devices/tablet\.toml"):
        path, _ = imported(device="tablet")
    assert path.is_file()


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"device": "../up"}, InputError, "cannot be a device's name"),
        ({"source": " "}, InputError, "--source"),
        ({"precision": "int4"}, UnknownNameError, "Did you mean 'int8'"),
        ({"threads": 0}, InputError, "0 threads"),
        ({"published": []}, InputError, "No file is named"),
        ({"published": ["no.yaml"]}, FileFormatError, "cannot be read"),
    ],
)
def test_a_mistaken_import_writes_nothing(changes, error, said, folder):
    published = changes.pop("published", [EXCERPT])
    with pytest.raises(error, match=said):
        import_table(published, **{"device": "phone", "source": "a paper"} | changes)
    assert not Path("latency_tables").exists()


def test_an_imported_table_needs_to_be_told_its_space(folder):
    path, table = imported()
    with pytest.raises(InputError, match="of no particular space"):
        load_table(path)
    space = hwnas.load_space(SPACE)
    genes = space.sample(20, np.random.default_rng(0))
    found = hwnas.load_table(path, space)
    np.testing.assert_array_equal(
        found.latency_ms(genes), hwnas.costs(space, genes, table=table)["latency_ms"]
    )


def test_imported_and_damaged_tables_are_listed(folder):
    path, table = imported()
    (path.parent / "broken.json").write_text("{")
    found = {status.path.name: status for status in tables()}
    assert found["imported-fp32.json"].table == table
    assert found["broken.json"].table is None
    assert "truncated" in found["broken.json"].fault
