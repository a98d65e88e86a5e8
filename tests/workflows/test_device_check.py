"""The chain to a device, link by link, on this machine with real runtimes."""

import sys
from pathlib import Path

import pytest

from hwnas import workflows
from hwnas.devices import load_device
from hwnas.errors import DeviceError, UnknownNameError
from hwnas.profiling import harnesses
from hwnas.workflows.device_check import Link

CHAIN = ["reach", "write", "python", "runtime", "model", "conditions"]
NO_PACKAGES = f'python = ["{sys.executable}", "-I", "-S"]'
"""A Python without any runtime: the one that runs this, without its installed packages."""


def check(folder: Path, text: str, runtime: str = "") -> tuple[Link, ...]:
    path = folder / "board.toml"
    path.write_text(f'title = "A board"\n{text}\n')
    return workflows.check_device(path, runtime=runtime)


def test_every_link_to_this_machine_holds() -> None:
    seen: list[Link] = []
    links = workflows.check_device("host", on_link=seen.append)
    assert [link.name for link in links] == CHAIN
    assert all(link.ok for link in links)
    assert seen == list(links)
    runtime, model = links[3].text, links[4].text
    assert "litert (ai_edge_litert " in runtime
    assert "onnxruntime (" in runtime
    assert " ms with litert" in model
    assert " ms with onnxruntime" in model


def test_a_runtime_that_is_asked_for_is_the_only_one_tried() -> None:
    links = workflows.check_device("host", runtime="onnxruntime")
    assert "litert" not in links[3].text
    with pytest.raises(UnknownNameError, match="Did you mean 'litert'"):
        workflows.check_device("host", runtime="litrt")


@pytest.mark.parametrize(
    ("text", "broken", "said"),
    [
        ('python = ["no-such-python"]', "reach", "correct python in its file"),
        ('transport = "pigeon"', "reach", "Unknown transport 'pigeon'"),
        ('transport = "ssh"', "reach", "options: host is required"),
        ('harness = "stopwatch"', "stopwatch", "Unknown harness 'stopwatch'"),
        ('harness = "benchmark_model"', "benchmark_model", "expected either binary"),
        ('python = ["false"]', "python", "status 1"),
        (f'python = ["{sys.executable}", "-c", "print(2)"]', "python", "'2'. Install Python 3.8"),
        (NO_PACKAGES, "runtime", "pip install onnxruntime"),
        ("[measuring]\ncores = [63]", "conditions", "change measuring.cores"),
        (
            f'python = ["prlimit", "--fsize=0", "{sys.executable}"]',
            "model",
            "could not record its results",
        ),
    ],
)
def test_the_broken_link_is_the_last_and_says_how_to_mend_it(
    text: str, broken: str, said: str, tmp_path: Path
) -> None:
    *before, last = check(tmp_path, text)
    assert all(link.ok for link in before)
    assert (last.name, last.ok) == (broken, False)
    assert said in last.text


def test_all_runtimes_that_are_missing_are_named_with_what_installs_them(tmp_path: Path) -> None:
    text = check(tmp_path, NO_PACKAGES)[-1].text
    assert "pip install ai-edge-litert" in text
    assert "pip install onnxruntime" in text


def test_an_old_python_is_refused_with_the_version_that_is_needed() -> None:
    host = load_device("host")
    probe = harnesses.create(harnesses.targets(host)[0]).probe()
    assert probe.read(["3.8.0"]).endswith("is 3.8.0")
    assert probe.read(["a message of the login", "3.14.2"]).endswith("is 3.14.2")
    for lines in (["3.7.17"], ["2.7.18"], [], ["Python"]):
        with pytest.raises(DeviceError, match=r"Install Python 3\.8"):
            probe.read(lines)
