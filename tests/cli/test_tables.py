"""``hwnas tables``: what others published, from the command line to a front."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
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
