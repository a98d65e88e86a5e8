import ast
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hwnas.devices import agent

RUNTIMES = Path(agent.__file__).parents[1] / "runtimes"

# a runtime as the agent sees one: a file beside it
SLEEPER = """
import time
def version(): return "1"
def load(path, threads): return lambda: time.sleep(0.001)
"""

TIMING = {
    "warm_up_runs": 1, "min_samples": 2, "max_samples": 4, "visit_ms": 1.0, "min_sample_us": 100.0,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.py").write_bytes(Path(agent.__file__).read_bytes())
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    return tmp_path


def job(folder: Path, visits: int, **changes: Any) -> Path:
    content = {
        "job": "j", "runtime": "sleeper", "threads": 1, "timing": TIMING,
        "visits": [[number, f"m{number % 3}"] for number in range(visits)],
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps({**content, **changes}))
    return folder / "j.results.jsonl"


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *options, "agent.py", "job.json"], cwd=folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> str:
    """Output of an agent whose input stays open until it has ended."""
    with process:
        assert process.stdout is not None
        return process.stdout.read()


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("path", [Path(agent.__file__), *RUNTIMES.glob("[!_]*.py")])
def test_what_runs_on_the_device_is_python_3_8(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    assert any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    ), "annotations must not be evaluated"


@pytest.mark.parametrize("path", [Path(agent.__file__), *RUNTIMES.glob("[!_]*.py")])
def test_what_runs_on_the_device_imports_nothing_but_the_standard_library(path: Path) -> None:
    top_level = [
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node.col_offset == 0
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    ]
    assert {name.split(".")[0] for name in top_level} <= sys.stdlib_module_names


def test_what_is_printed_is_what_is_recorded(folder: Path) -> None:
    results = job(folder, 4)
    output = finish(start(folder))
    assert output == results.read_text()
    header, *visits, closing = records(output)
    assert header["runtime_version"] == "1"
    assert closing.keys() == {"after"}
    assert [visit["visit"] for visit in visits] == [0, 1, 2, 3]
    assert all(2 <= len(visit["ns"]) <= 4 for visit in visits)
    assert all(ns >= 1_000_000 for visit in visits for ns in visit["ns"])


def test_a_second_start_visits_nothing_again(folder: Path) -> None:
    results = job(folder, 3)
    finish(start(folder))
    before = results.read_bytes()
    output = finish(start(folder))
    assert output == ""
    assert results.read_bytes() == before


def test_a_torn_last_line_is_measured_again_and_nothing_else(folder: Path) -> None:
    results = job(folder, 3)
    finish(start(folder))
    lines = results.read_bytes().splitlines(keepends=True)
    whole, torn = lines[:-2], lines[-2]  # the last line but the closing one
    for size in (1, len(torn) // 2, len(torn) - 1):
        results.write_bytes(b"".join(whole) + torn[:size])
        visit, closing = records(finish(start(folder)))
        assert (visit["visit"], closing.keys()) == (2, {"after"})
        assert results.read_bytes().splitlines(keepends=True)[:-2] == whole


def test_it_ends_when_its_input_ends(folder: Path) -> None:
    results = job(folder, 100_000)
    with start(folder) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=30) == agent.EXIT_ABANDONED
    assert len(results.read_text().splitlines()) < 100_000


def test_two_agents_on_one_job_share_the_visits(folder: Path) -> None:
    results = job(folder, 60)
    processes = [start(folder), start(folder)]
    threads = [threading.Thread(target=finish, args=[process]) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    visits = [record["visit"] for record in records(results.read_text()) if "visit" in record]
    assert sorted(visits) == list(range(60))


def test_a_killed_agent_goes_on_after_its_last_line(folder: Path) -> None:
    results = job(folder, 60)
    for _ in range(3):
        with start(folder) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            process.kill()
    finish(start(folder))
    visits = [record["visit"] for record in records(results.read_text()) if "visit" in record]
    assert visits == list(range(60))


def test_a_missing_runtime_is_refused_with_what_to_install(folder: Path) -> None:
    (folder / "onnxruntime.py").write_bytes((RUNTIMES / "onnxruntime.py").read_bytes())
    job(folder, 1, runtime="onnxruntime")
    process = start(folder, "-S")  # without site-packages
    output = finish(process)
    assert process.returncode == agent.EXIT_REFUSED
    assert records(output)[0]["error"] == "runtime"
    assert "pip install onnxruntime" in records(output)[0]["message"]


def test_a_very_short_model_runs_many_times_for_a_sample() -> None:
    timed = agent.time_model(lambda: None, {**TIMING, "min_sample_us": 200.0})
    assert timed["runs"] > 10


@pytest.mark.parametrize(("runs", "ms"), [(3, 0.0), (0, 20.0), (3, 20.0)])
def test_the_warm_up_lasts_for_runs_and_for_milliseconds(runs: int, ms: float) -> None:
    calls: list[float] = []
    settings = {**TIMING, "warm_up_runs": runs, "warm_up_ms": ms, "min_samples": 1}
    samples = agent.time_model(lambda: calls.append(time.perf_counter()), settings)
    timed = 1 + samples["runs"] * len(samples["ns"])
    warm_up = calls[: len(calls) - timed]
    assert len(warm_up) >= runs
    assert calls[len(warm_up)] - calls[0] >= 0.9 * ms / 1000
    assert ms or len(warm_up) == runs


def test_an_agent_ends_itself_at_the_limit_of_its_job(folder: Path) -> None:
    job(folder, 50_000, limit_s=0.3)
    process = start(folder)
    output = finish(process)
    assert process.returncode == agent.EXIT_REFUSED
    assert records(output)[-1] == {"error": "time", "message": "it took longer than 0.3 s"}
