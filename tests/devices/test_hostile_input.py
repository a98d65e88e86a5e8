"""A thousand hostile device files and outputs of agents: values or clear errors, nothing run."""

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwnas.devices import Device, load_device, transports
from hwnas.errors import DeviceError, FileFormatError, HwnasError
from hwnas.graphs import onnx
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.profiling import harnesses, measure_models
from hwnas.profiling.discipline import Discipline, Timing
from hwnas.profiling.records import Closing, Header, Refusal, Visit, Waiting, parse_line
from hwnas.profiling.target import Target

THOUSAND = settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SOME = settings(THOUSAND, max_examples=60)
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")

_started: list[tuple[str, object]] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in STARTS:
        _started.append((event, arguments))


sys.addaudithook(_watch)


@contextlib.contextmanager
def nothing_started() -> Iterator[None]:
    """Fails when a process is started meanwhile."""
    global _watching
    _started.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    assert not _started


@contextlib.contextmanager
def clear_errors(kind: type[HwnasError] = HwnasError) -> Iterator[None]:
    """Allows an error of a kind whose message is a sentence, and no other."""
    message = "nothing went wrong"
    try:
        yield
    except kind as error:
        message = str(error)
    assert 10 < len(message) < 20_000


def test_a_process_that_is_started_is_noticed() -> None:
    with pytest.raises(AssertionError), nothing_started():
        subprocess.run(["true"], check=True)


NASTY_TEXT = st.sampled_from([
    "", " ", "a", "-rf", "../../etc/passwd", "$(touch hacked)", "`touch hacked`", "; touch hacked",
    "a\nb", "a\x00b", "\x1b[2J", "\u202e", "'", '"', "\\", "[red]", "%s{}", "x" * 5000, "ssh",
    "adb", "local", "agent", "benchmark_model", "-oProxyCommand=touch hacked", "host", "int8",
    "user@host", "/tmp/a b", "~", "performance", "rapl", "none", "battery", "9" * 400,
])  # fmt: skip
NUMBERS = st.sampled_from(
    [0, -1, 1, 22, 65536, 2**31, 2**63, 2**200, 0.0, -0.5, 1e308, float("nan"), float("inf")]
)
SCALARS = st.one_of(NASTY_TEXT, st.text(max_size=20), NUMBERS, st.booleans())
NESTED = [[[]], [[["a"]]], [{}], [{"a": 1}, 2], {"a": {"b": {"c": []}}}, {"": 0}, {"host": ["a"]}]
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.sampled_from(NESTED))
SECTIONS = {
    "options": ["host", "user", "port", "workdir", "serial", "server", "identity", "jump"],
    "harness_options": ["binary", "device_binary", "delegate", "num_runs", "max_secs"],
    "measuring": ["cores", "governor", "max_temperature_c", "cool_down_s"],
    "energy": ["meter", "block_s", "pj_per_byte", "pj_per_fp32_mac", "source"],
    "hardware": ["processor", "cores", "memory_gb", "idle_w", "load_w"],
}
TOP = ["title", "transport", "python", "harness", "precisions", "name", *SECTIONS]


def section(keys: list[str]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.dictionaries(st.one_of(st.sampled_from(keys), NASTY_TEXT), VALUES, max_size=3), VALUES
    )


CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.one_of(st.just("A board"), VALUES),
        "transport": st.one_of(st.sampled_from(["local", "ssh", "adb"]), VALUES),
        "harness": st.one_of(st.sampled_from(["agent", "benchmark_model"]), VALUES),
        "python": st.one_of(st.lists(NASTY_TEXT, max_size=3), VALUES),
        "precisions": VALUES,
        **{name: section(keys) for name, keys in SECTIONS.items()},
    },
)


def as_toml(content: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


TEXTS = st.one_of(
    CONTENTS.map(as_toml),
    st.tuples(CONTENTS.map(as_toml), st.integers(0, 200), st.binary(max_size=5)).map(
        lambda given: given[0][: given[1]] + given[2].decode("latin-1") + given[0][given[1] + 1 :]
    ),
    st.text(max_size=100),
)
DEEP = {
    "arrays": "title = " + "[" * 20_000, "tables": "title = " + "{a=" * 20_000,
    "keys": "a." * 2000 + "b = 1", "array tables": "[[a]]\n" * 2000,
    "a long name": "[" + "a" * 100_000 + "]", "digits": "title = " + "9" * 100_000,
}  # fmt: skip


@THOUSAND
@given(text=TEXTS)
def test_a_hostile_device_file_is_a_device_or_a_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with nothing_started(), clear_errors():
        prepare(load_device(path), tmp_path)


@pytest.mark.parametrize("text", DEEP.values(), ids=list(DEEP))
def test_a_device_file_that_is_too_much_is_a_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError) as raised:
        load_device(path)
    assert len(str(raised.value)) < 2000


def prepare(device: Device, folder: Path) -> None:
    """All of a device that is made before anything is sent to it."""
    transports.create(device, folder / "device")
    harness = harnesses.create(Target(device, "litert", "fp32", 1))
    assert all(isinstance(word, str) and "\x00" not in word for word in harness.argv())
    harness.files()


STATE = {
    "governor": "performance", "frequency_mhz": 1500.0, "temperature_c": 50.5,
    "battery_percent": 80, "battery_status": "Full",
}  # fmt: skip
HEADER = {
    "header": {
        "cpu": "c", "os": "o", "python": "3.8.1", "cores": [0], "meter": "rapl", "before": STATE,
    },
    "runtime_version": "1",
}  # fmt: skip
VISIT = {"visit": 0, "model": "0-model.onnx", "runs": 2, "ns": [1000, 2000]}
BLOCK = {"meter": "rapl", "runs": 10, "seconds": 1.0, "mj": 100.0, "idle_mw": 50.0}
RECORDS = (
    HEADER, VISIT, {**VISIT, "energy": BLOCK}, {"after": STATE},
    {"waiting": {"temperature_c": 80.0, "max_temperature_c": 70.0}},
    {"error": "model", "message": "bad"},
)  # fmt: skip
HOSTILE_VALUES = st.one_of(VALUES, st.none(), st.sampled_from([[], {}, [0], [2**63], [1e5], -5]))


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A record with one value, at any depth, replaced, removed or added."""
    record = json.loads(json.dumps(draw(st.sampled_from(RECORDS))))
    place = record
    while True:
        deeper = [value for value in place.values() if isinstance(value, dict)]
        if not deeper or draw(st.booleans()):
            break
        place = deeper[0]
    key = draw(st.one_of(st.sampled_from(sorted(place)), st.text(max_size=5)))
    if draw(st.integers(0, 3)) == 0:
        place.pop(key, None)
    else:
        place[key] = draw(HOSTILE_VALUES)
    return json.dumps(record, ensure_ascii=draw(st.booleans()))


LINES = st.one_of(
    spoilt(),
    st.tuples(spoilt(), st.integers(0, 150), st.text(max_size=4)).map(
        lambda given: given[0][: given[1]] + given[2] + given[0][given[1] + 1 :]
    ),
    st.sampled_from([json.dumps(record) for record in RECORDS]),
    st.text(max_size=60).map(lambda text: "{" + text),
)


@THOUSAND
@given(LINES)
def test_a_hostile_line_is_a_record_or_a_clear_error(line: str) -> None:
    record = None
    with nothing_started(), clear_errors(DeviceError):
        record = parse_line(line)
    if isinstance(record, Visit):
        assert 0 < record.samples.median_ms < float("inf")
        if record.samples.energy is not None:
            assert np.isfinite(record.samples.energy.inference_mj)
    elif isinstance(record, Refusal):
        assert record.message.isprintable()
    elif record is not None:
        assert isinstance(record, (Header, Closing, Waiting))
        assert repr(record).isprintable()


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> tuple[Device, Path, Path]:
    """A device whose Python writes what lies in a file; that file; and a model file."""
    folder = tmp_path_factory.mktemp("talker")
    said, results, script = folder / "said", folder / "results", folder / "python"
    script.write_text(
        f"#!/bin/sh\ncat {shlex.quote(str(said))}\n"
        f"[ -f {shlex.quote(str(results))} ] && cp {shlex.quote(str(results))} "
        "measure.results.jsonl\nexit 0\n"
    )
    script.chmod(0o755)
    layers = (LayerSpec("linear", 1, 4, 4),)
    model = folder / "model.onnx"
    model.write_bytes(onnx.lower(layers, random_weights(layers, np.random.default_rng(0))))
    return replace(load_device("host"), python=(str(script),)), said, model


@SOME
@given(st.lists(LINES, max_size=6), st.lists(LINES, max_size=3))
def test_a_measurement_with_a_hostile_agent_is_a_number_or_a_clear_error(
    talker: tuple[Device, Path, Path], printed: list[str], recorded: list[str]
) -> None:
    device, said, model = talker
    said.write_bytes("\n".join(printed).encode("utf-8", "surrogatepass"))
    results = "\n".join([*recorded, ""]).encode("utf-8", "surrogatepass")
    (said.parent / "results").write_bytes(results)
    quick = Discipline(Timing(1, 1, 1, 0.1, 1.0), network_rounds=1)
    with clear_errors():
        (measured,) = measure_models(device, [model], discipline=quick)
        assert 0 < measured.median_ms < float("inf")
