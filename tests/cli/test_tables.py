"""``hwnas tables``: what others published, and how good a measured table is."""

import json
import re
from pathlib import Path

import pytest

from hwnas import workflows

DATA = Path(__file__).parents[1] / "data"
SPACE = DATA / "profile_space.toml"
EXCERPT = DATA / "one_network_lookup_table.yaml"
IMPORT = ("tables", "import", EXCERPT, "--device", "phone", "--source", "a paper")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/phone.toml").write_text('title = "A phone"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_published_table_is_imported_listed_and_searched_with(folder, invoke):
    result = invoke(*IMPORT, "--runtime", "TensorFlow Lite")
    assert result.status == 0, result.err
    assert "imported-fp32.json: 16 layers, for images of 224 pixels." in result.out
    assert "hwnas measured none of them" in result.out
    listed = invoke("tables").out
    assert listed == invoke("tables", "list").out
    for word in ("phone", "any covered", "TensorFlow Lite", "unknown", "(imported)"):
        assert word in listed
    result = invoke(
        "search", "--device", "phone", "--space", DATA / "one_network_space.toml", "--objective",
        "latency_ms", "--objective", "params", "--evaluations", 2, "--out", "run",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "124 ms" in result.out
    assert result.err.startswith("Warning: Latencies of phone are imported, not measured by hwnas")


def test_a_damaged_table_is_listed_with_what_is_wrong(folder, invoke):
    (folder / "latency_tables/phone").mkdir(parents=True)
    (folder / "latency_tables/phone/x.json").write_text("{")
    result = invoke("tables")
    assert result.status == 0
    assert "damaged" in result.out
    assert "x.json is not valid JSON" in result.out


def test_a_device_that_is_not_described_yet_is_pointed_out(folder, invoke):
    result = invoke(*IMPORT[:3], "--device", "tablet", "--source", "a paper")
    assert result.status == 0
    assert "describe it in devices/tablet.toml" in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tables", "import", "no.yaml", *IMPORT[3:]), "no.yaml cannot be read"),
        (("tables", "show", "phne"), "Unknown device with latency tables 'phne'"),
        (("tables", "verify", "phone", "--space", "mbv3_small_32", "--threads", "4"),
         "There is no latency table of phone for space mbv3_small_32 with onnxruntime, fp32, "
         "threads: 4; measure it with: hwnas profile phone --space mbv3_small_32 --threads 4."),
        (("tables", "import", DATA / "tiny_space.toml", *IMPORT[3:]), "is neither a layer"),
        ((*IMPORT[:3], "--device", "a b", "--source", "x"), "cannot be a device's name"),
        ((*IMPORT, "--precision", "fp23"), "Did you mean 'fp32'"),
        (
            ("search", "--device", "phone", "--objective", "macs", "--objective", "latency@phne",
             "--out", "run"),
            "Unknown device 'phne'. Did you mean 'phone'?",
        ),
        (
            ("search", "--objective", "macs", "--objective", "params", "--budget",
             "latency_ms@phone<=12", "--out", "run"),
            "There is no latency table of phone for space mbv3_small_32; measure it with: hwnas "
            "profile phone --space mbv3_small_32.",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_in_one_sentence(arguments, said, folder, invoke):
    result = invoke(*arguments)
    assert result.status == 1
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    assert said in result.err
    assert not (folder / "latency_tables").exists()
    assert not (folder / "run").exists()


def test_the_help_of_search_teaches_other_devices(invoke):
    assert "latency_ms@pixel_8" in invoke("search", "--help").out


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A working folder with a measured table of this machine."""
    folder = tmp_path_factory.mktemp("measured")
    workflows.profile(
        "host", SPACE, networks=4, held_out=3, accept_unsteady=True,
        folder=folder / "latency_tables",
    )  # fmt: skip
    return folder


def test_a_measured_table_is_listed_with_its_error_and_shown_in_full(measured, invoke, monkeypatch):
    monkeypatch.chdir(measured)
    listed = invoke("tables").out
    assert re.search(r"host .* rank", listed.replace("\n", " "))
    assert "in 90 %" in listed
    (path,) = (measured / "latency_tables/host").glob("*.json")
    result = invoke("tables", "show", path, "--plot", "p.png")
    assert result.status == 0, result.err
    for word in (
        "4 whole networks", "3 random whole networks", "mean absolute error", "Spearman",
        "90 % intervals", "two halves", "plain sums", "session 1", "hwnas profile host",
    ):  # fmt: skip
        assert word in " ".join(result.out.split())
    assert (measured / "p.png").read_bytes().startswith(b"\x89PNG")
    assert (measured / "p.svg").exists()


def test_a_table_is_verified_and_the_exit_status_says_whether_it_holds(
    measured, invoke, monkeypatch
):
    monkeypatch.chdir(measured)
    result = invoke("tables", "verify", "host", "--space", SPACE, "--networks", 4)
    holds = "The table holds." in result.out
    assert holds or "The table does not hold: " in result.out
    assert result.status == (0 if holds else 1)
    assert "4 fresh networks" in result.out
    assert "verified 20" in invoke("tables", "show", "host").out
    (path,) = (measured / "latency_tables/host").glob("*.json")
    content = json.loads(path.read_text())
    content["canary_ms"] /= 100  # as if the machine had been a hundred times as fast
    path.write_text(json.dumps(content))
    result = invoke("tables", "verify", "host", "--space", SPACE, "--networks", 4)
    assert result.status == 1
    assert "as long as when the table was measured" in " ".join(result.out.split())


def test_an_imported_table_is_shown_with_its_source_and_cannot_be_drawn(folder, invoke):
    assert invoke(*IMPORT).status == 0
    assert "a paper" in invoke("tables", "show", "phone").out
    result = invoke("tables", "show", "phone", "--plot", "p.png")
    assert result.status == 1
    assert "nothing to draw" in result.err
