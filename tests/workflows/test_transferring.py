import math
from pathlib import Path

import pytest

from hwnas import workflows
from hwnas.cli import main
from hwnas.devices import load_device
from hwnas.errors import InputError
from hwnas.latency_table import LatencyTable
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.progress import silent
from hwnas.spaces import load_space
from hwnas.workflows.profiling import profile_space
from hwnas.workflows.transferring import known_tables, transfer_sentence

FILE = Path(__file__).parents[1] / "data" / "profile_space.toml"
SPACE = load_space(FILE)
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    layer_rounds=2,
    network_rounds=2,
    steadiness=Steadiness(math.inf, math.inf, math.inf, max_unsettled=1.0),
)


def profiled(folder: Path) -> tuple[Path, LatencyTable]:
    return profile_space(
        load_device("host"), SPACE, runtime="onnxruntime", precision="fp32", threads=1, networks=0,
        held_out=0, seed=0, folder=folder, on_progress=silent, discipline=QUICK,
    )  # fmt: skip


def test_other_tables_that_hold_the_layers_are_transferred_from(tmp_path):
    measured, table = profiled(tmp_path)
    (measured.parent / "damaged.json").write_text("{")
    path, found = workflows.transfer(
        "host", FILE, threads=2, measurements=5, held_out=2, folder=tmp_path, discipline=QUICK
    )
    assert [donor.threads for donor in found.transferred.donors] == [1]
    sentence = transfer_sentence(found)
    assert sentence.startswith("Transferred from host (onnxruntime, fp32, threads: 1) by 5 whole")
    assert "Against 2 others" in sentence
    facts = dict(workflows.table_facts(path))
    assert facts["donor 1"].startswith("host, onnxruntime, fp32, threads: 1")
    # nothing is transferred from what was transferred, nor from the table itself
    assert [one for one, _ in known_tables(SPACE, tmp_path, target=path)] == [measured]
    assert known_tables(SPACE, tmp_path, target=measured) == ()
    with pytest.raises(InputError, match="not transferred"):
        transfer_sentence(table)


def test_without_another_table_the_command_says_what_to_do(tmp_path, capsys):
    with pytest.raises(InputError, match=r"nothing to transfer from.*hwnas profile host"):
        workflows.transfer("host", FILE, folder=tmp_path)
    with pytest.raises(SystemExit):
        main(["profile", "one", "two", "--transfer"])
    assert "for one device" in capsys.readouterr().err
