"""Whole networks measured for real on this machine."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwnas.devices import load_device
from hwnas.errors import InputError
from hwnas.measurement import Provenance
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.profiling.networks import measure_networks
from hwnas.profiling.plan import choose_canary
from hwnas.profiling.table import empty_table
from hwnas.profiling.target import Target
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
LARGE = load_space("mbv3_small_32")
TARGET = Target(load_device("host"), "onnxruntime", "fp32", 1)
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    network_rounds=4,
    steadiness=Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, max_unsettled=1.0),
)
ROWS = SPACE.sample(3, np.random.default_rng(0))
NETWORKS = [architecture_layers(SPACE, row) for row in ROWS]
NETWORKS[1] = architecture_layers(LARGE, LARGE.cardinalities - 1)
CANARY = choose_canary(SPACE, np.random.default_rng(0))


def measured(folder, networks=NETWORKS, **changes):
    given = {"folder": folder, "canary": CANARY, "discipline": QUICK} | changes
    return measure_networks(TARGET, networks, **given)


def test_networks_are_measured_in_turns_and_returned_in_order(tmp_path):
    found = measured(tmp_path / "work", command="a test")
    assert len(found) == 3
    assert found[1].median_ms > 3 * max(found[0].median_ms, found[2].median_ms)
    assert {len(one.samples) for one in found} == {4}
    assert all(one.error_ms > 0 for one in found)
    assert found[0].provenance.command == "a test"
    assert not (tmp_path / "work").exists()


def test_drift_is_relative_to_the_table(tmp_path):
    slow = replace(empty_table(TARGET), canary=CANARY, canary_ms=1e-3)
    here, relative = measured(tmp_path / "a")[0], measured(tmp_path / "b", table=slow)[0]
    assert 0.2 < here.drift < 5
    assert relative.drift > 3
    assert relative.median_ms < here.median_ms


def test_an_interrupted_measurement_goes_on_where_it_was(tmp_path):
    stop = 7

    def interrupt(task, done, total, note=""):
        if done >= stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path / "work", on_progress=interrupt)
    (log,) = (tmp_path / "work").glob("*/samples.jsonl")
    before = [json.loads(line) for line in log.read_text().splitlines()]
    kept = {tuple(record["ns"]) for record in before if "ns" in record}
    assert len(kept) >= stop
    reports = []
    found = measured(tmp_path / "work", on_progress=lambda *told: reports.append(told[1]))
    assert min(reports) > stop
    networks = {record["ns"][0] for record in before if "network" in record.get("model", "")}
    assert networks <= {visit.ns[0] for one in found for visit in one.samples}


def test_what_is_left_of_other_networks_is_dropped(tmp_path):
    def interrupt(task, done, total, note=""):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path / "work", on_progress=interrupt)
    (found,) = measured(tmp_path / "work", [NETWORKS[1]])
    assert found.median_ms > 0
    assert not (tmp_path / "work").exists()


def test_a_table_of_another_processor_is_refused(tmp_path):
    origin = Provenance(
        date="2026-01-01T00:00:00+00:00", command="hwnas profile host", hwnas_version="1",
        cpu="Another CPU", os="o", python="3.11", runtime_version="1", threads=1, warm_up_runs=2,
        rounds=5, min_samples=5, visit_ms=10.0, seed=0,
    )  # fmt: skip
    table = replace(empty_table(TARGET), canary=CANARY, canary_ms=1.0, sessions=(origin,))
    with pytest.raises(InputError, match=r"measured on Another CPU .* do not mix"):
        measured(tmp_path / "work", table=table)
