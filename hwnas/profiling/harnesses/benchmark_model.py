"""TFLite's benchmark_model, for devices without Python such as phones reached by adb.

The binary is public and not part of hwnas; its flags are described in TensorFlow's
``tensorflow/lite/tools/benchmark/README.md``. One process of it makes one visit. It states the
mean of its runs in microseconds and not each of them, so that a visit is one sample: as many
runs as it counted, and their number times the mean.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from hwnas import devices, files
from hwnas.errors import DeviceError, FileFormatError, InputError
from hwnas.profiling.harnesses import Probe
from hwnas.profiling.harnesses._benchmark_output import DELEGATES, Reader, must_delegate
from hwnas.profiling.job import Job
from hwnas.profiling.records import Record
from hwnas.profiling.target import Target

_SCRIPT = Path(devices.__file__).with_name("benchmark_model.sh")
_JOB_FILE = "benchmark_model.job"
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SAFE_PATH = re.compile(r"/[A-Za-z0-9_./+-]+")
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_.,:/-]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What ``[harness_options]`` of a device file may hold.

    All but the first three are flags of benchmark_model under their own names; those that are
    None are left to it. The least runs and seconds of a visit are raised to those of the profile.

    Attributes:
        binary: Path on this machine of benchmark_model, built for the device; it is sent there.
        device_binary: Path of one that lies on the device already.
        delegate: What must execute the models: ``xnnpack``, ``gpu``, ``nnapi``, or ``none`` for
            TFLite's own kernels.
        warmup_runs: Least inferences before the timed ones.
        warmup_min_secs: Least seconds of them; every visit starts with cold caches.
        num_runs: Least timed inferences.
        min_secs: Least seconds of them.
        max_secs: Seconds after which no further inference begins, of either kind.
        run_delay: Seconds between two inferences.
        use_caching: Whether repacked weights are kept.
        allow_fp16: Whether fp32 may be computed as fp16.
        max_delegated_partitions: Most parts of a model that the delegate gets.
        min_nodes_per_partition: Least operators of such a part.
        xnnpack_force_fp16: Whether XNNPACK computes in fp16.
        gpu_precision_loss_allowed: Whether the GPU may compute in fp16.
        gpu_experimental_enable_quant: Whether the GPU takes quantized models.
        gpu_inference_for_sustained_speed: Whether the GPU prefers sustained speed.
        gpu_backend: ``cl`` or ``gl``.
        nnapi_execution_preference: Such as ``sustained_speed``.
        nnapi_accelerator_name: Of NNAPI's accelerators.
        nnapi_allow_fp16: Whether NNAPI may compute in fp16.
        disable_nnapi_cpu: Whether NNAPI's own CPU implementation is excluded.
    """

    binary: str = ""
    device_binary: str = ""
    delegate: Literal["xnnpack", "none", "gpu", "nnapi"] = "xnnpack"
    warmup_runs: int = 1
    warmup_min_secs: float = 0.1
    num_runs: int = 10
    min_secs: float = 0.1
    max_secs: float = 10.0
    run_delay: float | None = None
    use_caching: bool | None = None
    allow_fp16: bool | None = None
    max_delegated_partitions: int | None = None
    min_nodes_per_partition: int | None = None
    xnnpack_force_fp16: bool | None = None
    gpu_precision_loss_allowed: bool | None = None
    gpu_experimental_enable_quant: bool | None = None
    gpu_inference_for_sustained_speed: bool | None = None
    gpu_backend: str | None = None
    nnapi_execution_preference: str | None = None
    nnapi_accelerator_name: str | None = None
    nnapi_allow_fp16: bool | None = None
    disable_nnapi_cpu: bool | None = None

    __pydantic_config__ = files.STRICT


def create(target: Target) -> "BenchmarkModel":
    """The harness for a target.

    Raises:
        InputError: Its runtime runs no TFLite models.
        FileFormatError: The device file's options are not those of this harness, or there is no
            such binary.
    """
    if target.module.MODEL_FORMAT != "tflite":
        raise InputError(
            f"Device {target.device.name}: benchmark_model runs TFLite models, not those of "
            f"{target.runtime}; ask for --runtime litert."
        )
    return BenchmarkModel(target)


class BenchmarkModel:
    """Sends ``hwnas/devices/benchmark_model.sh`` and the binary; a `Harness`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._given = dict(target.device.harness_options)
        source = f"Device {target.device.name}: harness_options"
        self._options = files.parse(self._given, Options, source=source)
        _check(self._options, source)

    def files(self) -> Sequence[Path]:
        """The script, and the binary if it is sent."""
        binary = self._options.binary
        return (_SCRIPT, *([Path(binary).expanduser()] if binary else []))

    def job_files(self, job: Job, visits: Sequence[tuple[int, str]]) -> Mapping[str, str]:
        """The job as lines of a key and a value."""
        options, measuring = self._options, self._target.device.measuring
        lines = [f"results {self.results(job)}", f"binary {self._binary()}"]
        if measuring.cores:
            lines.append(f"mask {sum(1 << core for core in measuring.cores):x}")
            lines += [f"core {core}" for core in measuring.cores]
        if measuring.governor:
            lines.append(f"governor {measuring.governor}")
        if measuring.max_temperature_c is not None:
            lines.append(f"max_temperature {measuring.max_temperature_c * 1000:.0f}")
            lines.append(f"cool_down_s {measuring.cool_down_s:.0f}")
        lines += [f"argument {flag}" for flag in self._arguments(job)]
        lines.append(f"delegate {DELEGATES.get(options.delegate, '')}")
        for number, model in visits:
            name = model.rpartition(".")[0]
            need = "delegated" if must_delegate(options.delegate, name) else "any"
            lines.append(f"visit {number} {need} {model}")
        return {_JOB_FILE: "".join(f"{line}\n" for line in lines)}

    def argv(self) -> Sequence[str]:
        """The script in the device's shell."""
        return ("sh", _SCRIPT.name, _JOB_FILE)

    def results(self, job: Job) -> str:
        """One file for each job and each way to run benchmark_model."""
        return f"{job.name}-{files.digest(self._given)}.results.txt"

    def reader(self) -> Callable[[str], Record | None]:
        """Lines of one visit belong together."""
        return Reader(
            delegate=self._options.delegate,
            flags=" ".join(self._flags()),
            cores=self._target.device.measuring.cores,
        )

    def probe(self) -> Probe:
        """Asks the binary for its help."""
        binary = self._binary()
        mend = (
            "Take TFLite's benchmark_model for the device's processor ('adb shell getprop "
            "ro.product.cpu.abi' says which) and name it in harness_options.binary."
        )

        def read(lines: Sequence[str]) -> str:
            if not lines or not re.fullmatch(r"[0-9a-f]{6,64}", lines[-1]):
                raise DeviceError(f"{binary} says {' '.join(lines)[:200]!r}. {mend}")
            return f"{binary} is benchmark_model {lines[-1][:12]}"

        argv = ("sh", _SCRIPT.name, "probe", binary)
        return Probe("benchmark_model", self.files(), argv, read, mend)

    def _binary(self) -> str:
        options = self._options
        return options.device_binary or f"./{Path(options.binary).name}"

    def _flags(self) -> list[str]:
        """What decides which numbers come: the delegate, and whatever the device file gives."""
        delegate = self._options.delegate
        use = f"use_{delegate}" if delegate in DELEGATES else "use_xnnpack"
        flags = [f"--{use}={_text(delegate != 'none')}"]
        paths = ("binary", "device_binary", "delegate")
        return flags + [f"--{k}={_text(v)}" for k, v in self._given.items() if k not in paths]

    def _arguments(self, job: Job) -> list[str]:
        options, timing = self._options, job.timing
        least = {
            "warmup_runs": max(options.warmup_runs, timing.warm_up_runs),
            "warmup_min_secs": max(options.warmup_min_secs, timing.warm_up_ms / 1000),
            "num_runs": max(options.num_runs, timing.min_samples),
            "min_secs": max(options.min_secs, timing.visit_ms / 1000),
            "max_secs": options.max_secs,
        }
        others = [flag for flag in self._flags() if flag[2:].partition("=")[0] not in least]
        return [
            f"--num_threads={self._target.threads}",
            *(f"--{name}={_text(value)}" for name, value in least.items()),
            *others,
        ]


def _check(options: Options, source: str) -> None:
    """Refuse options that cannot be meant; FileFormatError says which."""
    if bool(options.binary) == bool(options.device_binary):
        raise FileFormatError(
            f"{source}: expected either binary, the path on this machine of TFLite's "
            "benchmark_model built for the device, or device_binary, its path on the device."
        )
    path = Path(options.binary).expanduser()
    if options.binary and not (path.is_file() and _SAFE_NAME.fullmatch(path.name)):
        raise FileFormatError(
            f"{source}: binary is {options.binary!r}; expected an existing file whose name is of "
            "letters, digits, '.', '_' and '-'."
        )
    if options.device_binary and not _SAFE_PATH.fullmatch(options.device_binary):
        raise FileFormatError(
            f"{source}: device_binary is {options.device_binary!r}; expected an absolute path of "
            "letters, digits, '.', '_', '+', '-' and '/'."
        )
    for item in dataclasses.fields(options)[3:]:
        value = getattr(options, item.name)
        if isinstance(value, str) and not _SAFE_TEXT.fullmatch(value):
            raise FileFormatError(f"{source}: {item.name} is {value!r}, which is no such name.")
        if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
            raise FileFormatError(f"{source}: {item.name} is {value}; expected 0 or more.")
        owner = item.name.removeprefix("disable_").partition("_")[0]
        if value is not None and owner in DELEGATES and owner != options.delegate:
            raise FileFormatError(
                f"{source}: {item.name} is for delegate {owner}, and delegate is "
                f"{options.delegate}; remove one of them."
            )
    if options.num_runs < 1 or options.max_secs <= 0:
        raise FileFormatError(f"{source}: without runs and seconds nothing can be timed.")


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:g}"
