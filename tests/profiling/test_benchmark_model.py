"""What benchmark_model prints, read from recordings, and what its script is told.

No benchmark_model can be had where the tests run: where the recordings in
``tests/data/benchmark_model`` come from stands beside them.
"""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.devices import Device
from hwnas.devices.descriptor import Measuring, Option
from hwnas.errors import DeviceError, FileFormatError, InputError
from hwnas.measurement import DeviceState, Samples
from hwnas.profiling import harnesses
from hwnas.profiling.discipline import Timing
from hwnas.profiling.harnesses._benchmark_output import Reader, must_delegate
from hwnas.profiling.harnesses.benchmark_model import BenchmarkModel
from hwnas.profiling.job import Job
from hwnas.profiling.plan import OVERHEAD
from hwnas.profiling.records import (
    Closing,
    Conditions,
    Header,
    Heat,
    Record,
    Refusal,
    Visit,
    Waiting,
    line_of,
    parse_line,
)
from hwnas.profiling.target import Target

RECORDINGS = Path(__file__).parents[1] / "data" / "benchmark_model"


def reader(delegate: str = "none") -> Reader:
    return Reader(delegate=delegate, flags="--use_xnnpack=true", cores=(4, 5))


def frame(output: str, *, status: int = 0, model: str = "network3.tflite") -> list[str]:
    lines = [f"| {line}" for line in output.splitlines()]
    return [f"@hwnas visit 7 {model}", *lines, "", f"@hwnas end 7 {status}"]


def read(
    output: str, *, delegate: str = "none", status: int = 0, model: str = "network3.tflite"
) -> Record | None:
    take = reader(delegate)
    *before, last = [take(line) for line in frame(output, status=status, model=model)]
    assert before == [None] * len(before)
    return last


@pytest.mark.parametrize(
    ("recording", "delegate", "samples"),
    [
        ("tf1.13-cpu", "none", Samples((1_336_900_000,), 10)),  # 10 x 133690 us
        ("gpu-complete", "gpu", Samples((5_968_750_000,), 50)),  # 50 x 119375 us
        ("short-layers", "none", Samples((989_054_672,), 14192)),  # 14192 x 69.691 us
        ("tf2.8-slow", "none", Samples((147_517_000_000,), 50)),  # 50 x 2.95034e+06 us
        ("tf2.13-info", "none", Samples((5_803_300_000,), 50)),  # 50 x 116066 us
        ("percentiles-gpu-not-nnapi", "gpu", Samples((15_467_500_000,), 50)),  # 50 x 309350 us
    ],
)
def test_a_visit_is_the_mean_of_the_timed_runs(
    recording: str, delegate: str, samples: Samples
) -> None:
    output = (RECORDINGS / f"{recording}.txt").read_text()
    assert read(output, delegate=delegate) == Visit(7, "network3.tflite", samples)


@pytest.mark.parametrize(
    ("recording", "status", "delegate", "kind", "said"),
    [
        ("percentiles-gpu-not-nnapi", 0, "nnapi", "delegate", "network3.tflite ran without NNAPI"),
        ("no-gpu", 0, "gpu", "delegate", "network3.tflite ran without GPU"),
        ("tf2.13-info", 0, "xnnpack", "delegate", "network3.tflite ran without XNNPACK"),
        ("xnnpack-failed", 1, "xnnpack", "model", "Failed to apply XNNPACK delegate.; Benchmark"),
        ("op-unsupported", 1, "none", "model", "(TfLiteFlexDelegate) failed to prepare.; "),
        ("no-model", 1, "none", "model", "Failed to mmap model canary.tflite"),
        ("unknown-flag-segfault", 139, "none", "model", "killed by signal 11 after network3.tf"),
        ("unknown-flag-segfault", 137, "none", "model", "killed by signal 9 after network3.tfl"),
        ("not-executable", 126, "none", "runtime", "cannot be started (network3.tflite: /system/"),
        ("not-executable", 127, "none", "runtime", "not executable: 64-bit ELF file)"),
        ("compiled-model", 0, "none", "model", "(without the timings that TFLite's benchmark_"),
    ],
)
def test_a_failed_visit_is_refused_with_what_the_tool_said(
    recording: str, status: int, delegate: str, kind: str, said: str
) -> None:
    output = (RECORDINGS / f"{recording}.txt").read_text()
    record = read(output, status=status, delegate=delegate)
    assert isinstance(record, Refusal)
    assert record.error == kind
    assert said in record.message


def test_flags_that_the_tool_does_not_know_are_refused_though_it_goes_on() -> None:
    output = (RECORDINGS / "tf2.13-info.txt").read_text()
    assert read(f"Unconsumed cmdline flags: --use_gpu=1\n{output}") == Refusal(
        "flags", "--use_gpu=1"
    )


def test_runs_that_all_took_as_long_are_counted() -> None:
    summary = "Inference timings in us: Init: 9, Warmup (avg): 4, Inference (avg): "
    assert read(f"count=2000 curr=3(all same)\n{summary}3") == Visit(
        7, "network3.tflite", Samples((6_000_000,), 2000)
    )
    # the percentiles of newer versions follow without a space
    same = read(f"INFO: count=12 curr=3(all same) p5=3 median=3 p95=3\nINFO: {summary}3")
    assert same == Visit(7, "network3.tflite", Samples((36_000,), 12))


def test_what_takes_less_than_the_clocks_grain_is_not_nothing() -> None:
    output = "count=9 curr=0(all same)\nInference timings in us: Init: 1, Inference (avg): 0"
    assert read(output, model="overhead.tflite") == Visit(7, "overhead.tflite", Samples((1,), 9))


@pytest.mark.parametrize(
    ("count", "average"),
    [
        *(
            ("50", average)
            for average in ("nan", "-nan", "inf", "1e999", "-3", "1.2.3", "0x1", "٣")
        ),
        ("0", "3"),
        ("9" * 18, "1e9"),
    ],
)
def test_a_mean_that_is_none_is_an_error_of_the_device(count: str, average: str) -> None:
    output = f"count={count} curr=1\nInference timings in us: Inference (avg): {average}"
    with pytest.raises(DeviceError, match="no record of a timing"):
        read(output)


def test_only_what_can_be_delegated_must_be() -> None:
    assert must_delegate("gpu", "layer0")
    assert must_delegate("nnapi", "network0")
    assert must_delegate("xnnpack", "canary")
    assert must_delegate("xnnpack", "0-mine")
    # inside a network XNNPACK leaves it to other kernels for the same CPU, too
    assert not must_delegate("xnnpack", "layer0")
    assert not must_delegate("gpu", OVERHEAD)
    assert not must_delegate("none", "network0")


def test_a_header_says_what_the_device_is_and_how_it_fares() -> None:
    lines = [
        "@hwnas device binary 0123456789abcdef",
        "@hwnas device cpu ",
        "@hwnas device cpu SM8250",
        "@hwnas device cpu kona",
        "@hwnas device kernel Linux 4.19.113",
        "@hwnas device machine aarch64",
        "@hwnas device android 12",
        "@hwnas before governor schedutil",
        "@hwnas before governor performance",
        "@hwnas before governor schedutil",
        "@hwnas before khz 2419200",
        "@hwnas before khz 2841600",
        "@hwnas before mhz ",
        "@hwnas before temperature 41500",
        "@hwnas before battery_percent 83",
        "@hwnas before battery_status Discharging",
    ]
    take = reader()
    assert [take(line) for line in lines] == [None] * len(lines)
    before = DeviceState("performance, schedutil", 2841.6, 41.5, 83, "Discharging")
    conditions = Conditions(
        "SM8250", "Android 12, Linux 4.19.113 aarch64", "none", (4, 5), None, before
    )
    expected = Header(conditions, "benchmark_model 0123456789ab --use_xnnpack=true")
    assert take("@hwnas header") == expected
    assert take("@hwnas after temperature 45000") is None
    assert take("@hwnas done") == Closing(DeviceState(temperature_c=45.0))


def test_the_script_says_why_it_waits_and_why_it_refuses() -> None:
    take = reader()
    assert take("@hwnas waiting 47100 40000") == Waiting(Heat(47.1, 40.0))
    assert take("@hwnas refused hot it is at 47 C") == Refusal("hot", "it is at 47 C")


def test_what_lies_between_is_passed_over() -> None:
    take = reader()
    lines = ("", "WARNING: linker: unused DT entry", "{}", "@hwnas", "| no visit")
    assert [take(line) for line in lines] == [None] * 5


def test_a_visit_that_was_cut_short_gives_nothing() -> None:
    take = reader()
    whole = frame((RECORDINGS / "tf2.13-info.txt").read_text())
    *_, last = [take(line) for line in (*whole[:-1], *whole)]
    assert last == Visit(7, "network3.tflite", Samples((5_803_300_000,), 50))


@pytest.mark.parametrize(
    "line",
    [
        "@hwnas end 1 0",
        "@hwnas visit 1",
        "@hwnas visit x a.tflite",
        "@hwnas visit 99999999999 a.tflite",
        "@hwnas end 1 0 0",
        "@hwnas header 1",
        "@hwnas waiting 1",
        "@hwnas something else",
    ],
)
def test_a_marked_line_that_makes_no_sense_is_an_error_of_the_device(line: str) -> None:
    take = reader()
    with pytest.raises(DeviceError, match="no record of a timing"):
        take(line)


WORDS = st.sampled_from(
    [
        "@hwnas ", "| ", "visit ", "end ", "header", "done", "device ", "before ", "after ", "cpu ",
        "khz ", "temperature ", "refused hot ", "waiting ", "0", "7 ", "-1", "1e9", "nan",
        "a.tflite", "count=", "INFO: ", " curr=3", "Inference timings in us: Inference (avg): ",
        "\u2028", "\x1b",
        "Explicitly applied GPU delegate", "Unconsumed cmdline flags: ", "battery_percent ", "٣",
    ]
)  # fmt: skip
LINES = st.lists(st.lists(WORDS, max_size=6).map("".join) | st.text(max_size=40), max_size=12)


@given(LINES, st.sampled_from(["none", "gpu"]))
def test_any_output_is_records_or_an_error_of_the_device(lines: list[str], delegate: str) -> None:
    take = reader(delegate)
    with contextlib.suppress(DeviceError):
        for line in lines:
            take(line)


@given(st.lists(WORDS, max_size=12).map("".join), st.integers(0, 255))
def test_any_visit_is_a_record_or_an_error_of_the_device(output: str, status: int) -> None:
    with contextlib.suppress(DeviceError):
        assert isinstance(read(output, status=status, delegate="gpu"), (Visit, Refusal))


RECORDS = [
    Visit(3, "a.tflite", Samples((5, 6), 2)),
    Header(Conditions("c", "o", "none", (1,), None, DeviceState("g", 1.5)), "v"),
    Closing(DeviceState(battery_percent=3)),
    Waiting(Heat(47.0, 40.0)),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_read_back_from_its_line(record: Visit | Header | Closing | Waiting) -> None:
    assert parse_line(line_of(record)) == record


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "android_aarch64_benchmark_model"
    path.touch()
    return path


ANYHOW = Measuring()


def harness(measuring: Measuring = ANYHOW, **options: Option) -> BenchmarkModel:
    device = Device(
        "phone", "A phone", harness="benchmark_model", measuring=measuring,
        harness_options=options,
    )  # fmt: skip
    made = harnesses.create(Target(device, "litert", "fp32", 2))
    assert isinstance(made, BenchmarkModel)
    return made


VISITS = ((4, "canary.tflite"), (5, "layer0.tflite"))
JOB = Job("abc-0", VISITS, lambda _: b"", Timing(warm_up_runs=3))


def test_a_job_names_the_visits_and_the_flags_of_the_tool(binary: Path) -> None:
    measuring = Measuring((4, 5, 7), "performance", 40.5, 60.0)
    made = harness(measuring, binary=str(binary), num_runs=3, max_secs=8, use_caching=True)
    (text,) = made.job_files(JOB, JOB.visits).values()
    assert text.splitlines() == [
        f"results {made.results(JOB)}",
        "binary ./android_aarch64_benchmark_model",
        "mask b0",
        "core 4",
        "core 5",
        "core 7",
        "governor performance",
        "max_temperature 40500",
        "cool_down_s 60",
        "argument --num_threads=2",
        "argument --warmup_runs=3",
        "argument --warmup_min_secs=0.1",
        "argument --num_runs=5",  # at least what the profile asks for
        "argument --min_secs=0.1",
        "argument --max_secs=8",
        "argument --use_xnnpack=true",
        "argument --use_caching=true",
        "delegate XNNPACK",
        "visit 4 delegated canary.tflite",
        "visit 5 any layer0.tflite",
    ]


def test_a_binary_on_the_device_is_not_sent(binary: Path) -> None:
    there = harness(device_binary="/data/local/tmp/benchmark_model")
    assert [path.name for path in there.files()] == ["benchmark_model.sh"]
    (text,) = there.job_files(JOB, ()).values()
    assert "binary /data/local/tmp/benchmark_model\n" in text
    assert harness(binary=str(binary)).files()[1:] == (binary,)


def test_another_delegate_has_results_of_its_own(binary: Path) -> None:
    cpu, gpu = harness(binary=str(binary)), harness(binary=str(binary), delegate="gpu")
    assert cpu.results(JOB) != gpu.results(JOB)
    assert "argument --use_gpu=true\n" in gpu.job_files(JOB, ())["benchmark_model.job"]
    plain = harness(binary=str(binary), delegate="none")
    assert "argument --use_xnnpack=false\n" in plain.job_files(JOB, ())["benchmark_model.job"]


def test_options_become_part_of_the_runtimes_version(binary: Path) -> None:
    take = harness(binary=str(binary), delegate="gpu", gpu_precision_loss_allowed=False).reader()
    take("@hwnas device binary 0123456789abcdef")
    header = take("@hwnas header")
    assert isinstance(header, Header)
    assert header.runtime_version == (
        "benchmark_model 0123456789ab --use_gpu=true --gpu_precision_loss_allowed=false"
    )


def test_the_probe_says_which_binary_it_is(binary: Path) -> None:
    probe = harness(binary=str(binary)).probe()
    assert probe.files[1] == binary
    assert probe.read(["0123456789abcdef"]).endswith("is benchmark_model 0123456789ab")
    with pytest.raises(DeviceError, match=r"ro\.product\.cpu\.abi"):
        probe.read(["no such thing"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either binary"),
        ({"binary": "x", "device_binary": "/x"}, "either binary"),
        ({"binary": "/nowhere/benchmark_model"}, "expected an existing file"),
        ({"device_binary": "relative"}, "an absolute path"),
        ({"device_binary": "/tmp/a; reboot"}, "an absolute path"),
        ({"device_binary": "/b", "delegate": "npu"}, "delegate is 'npu'"),
        ({"device_binary": "/b", "delegat": "gpu"}, "did you mean 'delegate'"),
        ({"device_binary": "/b", "num_runs": "50"}, "num_runs is '50'"),
        ({"device_binary": "/b", "num_runs": 0}, "nothing can be timed"),
        ({"device_binary": "/b", "min_secs": -1.0}, "min_secs is -1"),
        ({"device_binary": "/b", "gpu_backend": "cl"}, "is for delegate gpu"),
        ({"device_binary": "/b", "disable_nnapi_cpu": True}, "is for delegate nnapi"),
        ({"device_binary": "/b", "delegate": "gpu", "gpu_backend": "c l"}, "no such name"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Option], said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        harness(ANYHOW, **options)


def test_other_runtimes_are_refused() -> None:
    device = Device(
        "phone", "A phone", harness="benchmark_model", harness_options={"device_binary": "/b"}
    )
    with pytest.raises(InputError, match="ask for --runtime litert"):
        harnesses.create(Target(device, "onnxruntime", "fp32", 1))
