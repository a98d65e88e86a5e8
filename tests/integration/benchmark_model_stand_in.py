"""A stand-in for TFLite's benchmark_model, which cannot be had where the tests run.

It really loads and runs the .tflite file, with ai-edge-litert, and prints the lines that the tool
is documented to print (``tests/data/benchmark_model``), in microseconds like the tool. It has the
flags that it uses, and the tool's way with others: it names them and goes on. It knows one
delegate, XNNPACK, and says of it what the interpreter says.
"""

import sys
import time
from collections.abc import Callable

KNOWN = {
    "graph": "", "num_threads": "1", "num_runs": "50", "min_secs": "1", "max_secs": "150",
    "warmup_runs": "1", "warmup_min_secs": "0.5", "use_xnnpack": "", "use_gpu": "false",
}  # fmt: skip


def main() -> int:
    given = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
    if given.get("help") == "true":
        say("usage: benchmark_model <flags>\nFlags:\n\t--graph=\tstring\trequired\tgraph file")
        return 1
    say("INFO: STARTING!")
    flags = KNOWN | given
    unknown = [f"--{name}={value}" for name, value in given.items() if name not in KNOWN]
    if unknown:
        say(f"WARN: Unconsumed cmdline flags: {' '.join(unknown)}")
    if flags["use_gpu"] == "true":
        say("WARN: GPU acceleration is unsupported on this platform.")
    start = now_us()
    try:
        invoke = load(flags)
    except (RuntimeError, ValueError, OSError) as error:
        say(f"ERROR: {error}\nERROR: Benchmarking failed.")
        return 1
    init = now_us() - start
    say(f"INFO: Initialized session in {init / 1e3:g}ms.")
    limit = float(flags["max_secs"])
    warm = runs(invoke, int(flags["warmup_runs"]), float(flags["warmup_min_secs"]), limit)
    timed = runs(invoke, int(flags["num_runs"]), float(flags["min_secs"]), limit)
    say(
        f"INFO: Inference timings in us: Init: {init}, First inference: {warm[0]}, "
        f"Warmup (avg): {sum(warm) / len(warm):g}, Inference (avg): {sum(timed) / len(timed):g}"
    )
    return 0


def load(flags: dict[str, str]) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    from numpy.random import default_rng

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    kernels = plain if flags["use_xnnpack"] == "false" else OpResolverType.AUTO
    interpreter = Interpreter(
        flags["graph"], num_threads=int(flags["num_threads"]), experimental_op_resolver_type=kernels
    )
    interpreter.allocate_tensors()
    say(f"INFO: Loaded model {flags['graph']}")
    if flags["use_xnnpack"] == "true":
        operators = [one["op_name"] for one in interpreter._get_ops_details()]
        say(delegation(operators.count("DELEGATE")))
    for given in interpreter.get_input_details():
        numbers = default_rng().uniform(-0.5, 0.5, given["shape"]).astype(given["dtype"])
        interpreter.set_tensor(given["index"], numbers)
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def delegation(parts: int) -> str:
    if parts == 0:
        return (
            "INFO: Though XNNPACK delegate is explicitly applied, the model graph will not be "
            "executed by the delegate."
        )
    return (
        "INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed "
        f"by the delegate w/ {parts} delegate kernels."
    )


def runs(invoke: Callable[[], object], least: int, seconds: float, limit: float) -> list[int]:
    say(
        f"INFO: Running benchmark for at least {least} iterations and at least {seconds:g} seconds "
        f"but terminate if exceeding {limit:g} seconds."
    )
    begin, taken = now_us(), list[int]()
    while True:
        elapsed = (now_us() - begin) / 1e6
        if elapsed > limit or (len(taken) >= least and elapsed >= seconds):
            break
        start = now_us()
        invoke()
        taken.append(now_us() - start)
    say(f"INFO: {statistics(taken)}\n")
    return taken


def statistics(taken: list[int]) -> str:
    if min(taken) == max(taken):
        return f"count={len(taken)} curr={taken[-1]}" + ("(all same)" if len(taken) > 1 else "")
    mean = sum(taken) / len(taken)
    deviation = (sum(one * one for one in taken) / len(taken) - mean * mean) ** 0.5
    return (
        f"count={len(taken)} first={taken[0]} curr={taken[-1]} min={min(taken)} max={max(taken)} "
        f"avg={mean:g} std={deviation:.0f}"
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def now_us() -> int:
    return time.monotonic_ns() // 1000


if __name__ == "__main__":
    sys.exit(main())
