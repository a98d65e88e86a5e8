import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.errors import DeviceError
from hwnas.measurement import Samples
from hwnas.profiling.records import Header, Refusal, Visit, parse_line

HEADER = {
    "header": {
        "cpu": "c", "os": "o", "python": "3.8", "governor": None, "frequency_mhz": None,
    },
    "runtime_version": "1",
}  # fmt: skip


def test_a_visit_is_read() -> None:
    line = '{"visit":3,"model":"a.onnx","runs":2,"ns":[5,6]}'
    assert parse_line(line) == Visit(3, "a.onnx", Samples((5, 6), 2))


def test_a_header_and_a_refusal_are_read() -> None:
    assert isinstance(parse_line(json.dumps(HEADER)), Header)
    assert parse_line('{"error":"model","message":"m"}') == Refusal("model", "m")


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
