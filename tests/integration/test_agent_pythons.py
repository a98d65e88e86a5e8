"""The agent on the Pythons that devices have, each with the runtimes that there are for it."""

import os
from pathlib import Path

import pytest

from hwnas.devices import load_device
from hwnas.latency_table import LatencyTable
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.spaces import load_space

PROJECT = Path(__file__).parents[2]
VENVS = Path(os.environ.get("HWNAS_AGENT_PYTHONS", PROJECT / ".agent-pythons"))
SPACE = PROJECT / "tests" / "data" / "profile_space.toml"
TIMING = Timing(1, 2, 3, visit_ms=1.0, min_sample_us=200.0, warm_up_ms=0.0)
ANYHOW = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0)

OLD = {"litert": "tflite_runtime 2.14.0"}
NEW = {"litert": "ai_edge_litert ", "onnxruntime": "1."}
"""Runtimes by the names that hwnas knows, and how their versions begin."""

PYTHONS = sorted({"3.8", "3.13"} | {path.name for path in VENVS.glob("3.*")})
CASES = [
    (python, runtime, version)
    for python in PYTHONS
    for runtime, version in (OLD if python in ("3.8", "3.9") else NEW).items()
]


@pytest.mark.parametrize(("python", "runtime", "version"), CASES)
def test_the_agent_profiles_a_space(
    python: str, runtime: str, version: str, tmp_path: Path
) -> None:
    interpreter = VENVS / python / "bin" / "python"
    if not interpreter.exists():
        pytest.skip(f"there is no {interpreter}: make it with tools/agent_pythons")
    file = tmp_path / "board.toml"
    file.write_text(f'title = "A board"\npython = ["{interpreter}"]\n')
    space = load_space(SPACE)
    profile(
        load_device(file), space, folder=tmp_path, runtime=runtime, networks=4, held_out=2,
        discipline=Discipline(TIMING, 2, 2, steadiness=ANYHOW),
    )  # fmt: skip
    table = LatencyTable.read(tmp_path / "board" / f"profile_space-{runtime}-fp32-1t.json")
    assert {timing.layer for timing in table.layers} == set(space.catalog.layers[1:])
    assert len(table.networks) == 6
    for session in table.sessions:
        assert session.python.startswith(f"{python}.")
        assert session.runtime_version.startswith(version)
