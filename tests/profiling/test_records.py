import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.errors import DeviceError
from hwnas.measurement import DeviceState, EnergyBlock, Samples
from hwnas.profiling.records import (
    Closing,
    Header,
    Heat,
    Refusal,
    Visit,
    Waiting,
    parse_line,
)

HEADER = {
    "header": {
        "cpu": "c", "os": "o", "python": "3.8", "cores": [0, 1], "meter": None,
        "before": {"governor": "performance", "frequency_mhz": 1500.0, "temperature_c": None},
    },
    "runtime_version": "1",
}  # fmt: skip


def test_a_visit_is_read() -> None:
    line = '{"visit":3,"model":"a.onnx","runs":2,"ns":[5,6]}'
    assert parse_line(line) == Visit(3, "a.onnx", Samples((5, 6), 2))


def test_a_header_and_a_refusal_are_read() -> None:
    assert isinstance(parse_line(json.dumps(HEADER)), Header)
    assert parse_line('{"error":"model","message":"m"}') == Refusal("model", "m")


STATE = {
    "governor": "performance, schedutil", "frequency_mhz": 1500.0, "temperature_c": 51.5,
    "battery_percent": 80, "battery_status": "Discharging",
}  # fmt: skip
BLOCK = {"meter": "rapl", "runs": 10, "seconds": 2.0, "mj": 130.0, "idle_mw": 50.0}


def test_the_state_at_the_end_and_a_wait_are_read() -> None:
    closing = parse_line(json.dumps({"after": STATE}))
    assert closing == Closing(
        DeviceState("performance, schedutil", 1500.0, 51.5, 80, "Discharging")
    )
    line = '{"waiting":{"temperature_c":81.5,"max_temperature_c":70}}'
    assert parse_line(line) == Waiting(Heat(81.5, 70.0))


def test_a_block_of_energy_is_read_with_its_visit() -> None:
    visit = parse_line(
        json.dumps({"visit": 1, "model": "a", "runs": 1, "ns": [5], "energy": BLOCK})
    )
    assert isinstance(visit, Visit)
    assert visit.samples.energy == EnergyBlock("rapl", 10, 2.0, 130.0, 50.0)
    assert visit.samples.energy.inference_mj == 3.0


@pytest.mark.parametrize("change", [
    {"runs": 0}, {"runs": 2**63}, {"runs": 1.5}, {"seconds": 0.0}, {"seconds": float("nan")},
    {"mj": -1.0}, {"mj": float("inf")}, {"idle_mw": -1.0}, {"meter": None}, {"meter": "\x1b[2J"},
    {"more": 1},
])  # fmt: skip
def test_an_energy_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    line = {"visit": 1, "model": "a", "runs": 1, "ns": [5], "energy": {**BLOCK, **change}}
    with pytest.raises(DeviceError, match="no record of a timing"):
        parse_line(json.dumps(line))


@pytest.mark.parametrize("change", [
    {"temperature_c": float("nan")}, {"frequency_mhz": float("inf")}, {"governor": "a\nb"},
    {"battery_percent": 80.5}, {"battery_status": 3}, {"more": 1},
])  # fmt: skip
def test_a_state_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DeviceError, match="no record of a timing"):
        parse_line(json.dumps({"after": {**STATE, **change}}))


def test_a_message_is_shown_without_what_a_terminal_would_do() -> None:
    message = "a\x1b[2Jb\nc\u202e" + 1000 * "d"
    refusal = parse_line(json.dumps({"error": "model", "message": message}))
    assert isinstance(refusal, Refusal)
    assert refusal.message == "a [2Jb c " + 491 * "d"


def test_what_a_runtime_chatters_is_passed_over() -> None:
    assert parse_line("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.") is None
    assert parse_line("") is None


@pytest.mark.parametrize("line", [
    "{",
    "{}",
    '{"visit":1}',
    '{"visit":1,"model":"a","runs":1,"ns":[]}',
    '{"visit":1,"model":"a","runs":1,"ns":[0]}',
    '{"visit":1,"model":"a","runs":1,"ns":[-5]}',
    '{"visit":1,"model":"a","runs":1,"ns":[1.5]}',
    '{"visit":1,"model":"a","runs":1,"ns":[NaN]}',
    '{"visit":1,"model":"a","runs":0,"ns":[5]}',
    '{"visit":1,"model":"a","runs":1,"ns":5}',
    '{"visit":true,"model":"a","runs":1,"ns":[5]}',
    '{"visit":1,"model":2,"runs":1,"ns":[5]}',
    '{"visit":1,"model":"a","runs":1,"ns":[5],"more":1}',
    '{"visit":1,"model":"a","runs":1,"ns":[9223372036854775808]}',
    '{"header":{}}',
    '{"error":1,"message":"m"}',
    '{"visit":' + "[" * 100_000,
])  # fmt: skip
def test_a_line_that_looks_like_a_record_and_is_none_is_refused(line: str) -> None:
    with pytest.raises(DeviceError, match="no record of a timing"):
        parse_line(line)


ODD = st.sampled_from(
    [None, True, 0, -1, 3, 1.5, float("nan"), "", "a", [], [1], [0], [None], ["1"], {}, {"cpu": 1}]
)
KEYS = st.sampled_from(["visit", "model", "runs", "ns", "header", "runtime_version", "error"])


@given(st.dictionaries(KEYS, ODD))
def test_any_mapping_is_a_record_or_an_error_of_the_device(content: dict[str, object]) -> None:
    with contextlib.suppress(DeviceError):
        parse_line(json.dumps(content))


@given(st.text(alphabet='{}[]":,0vistnrux \\\u2028'))
def test_any_line_is_a_record_or_an_error_of_the_device(line: str) -> None:
    with contextlib.suppress(DeviceError):
        parse_line("{" + line)
