"""Is a front that was searched for int8 better than one that was quantized afterwards?

Question: for LiteRT on this machine and the shipped images, space `mbv3_small_32_act` (kernel
sizes, widths, depths, squeeze-excite, and relu or hard-swish stage by stage): take the front that a
search finds with int8 accuracies (fake-quantized) and the int8 latency table, and the front that
the same search finds with fp32 accuracies and the fp32 table; write every network of both as an
int8 TFLite file; count each file's accuracy on the test images and measure its latency, all files
in turns. Which set of files dominates more? Both use the same supernet's weights, no fine-tuning.

    python -m benchmarks.int8_front [--out DIR] [--seeds 5] [--evaluations 150]

Hardware: whatever it runs on; the result file says which. What is found depends on it: XNNPACK's
int8 kernels make some layers faster and others slower than fp32, and the search for int8 avoids
those. Some 30 minutes on two x86-64 cores. A directory that holds results is continued.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from benchmarks import _results
from hwnas import files, profiling, workflows
from hwnas.catalog import FloatArray
from hwnas.devices import load_device
from hwnas.graphs import tflite
from hwnas.pareto import hypervolume, non_dominated
from hwnas.report import style
from hwnas.runtimes import litert
from hwnas.search.run import FrontMember, Run
from hwnas.training.evaluation import recalibration_part
from hwnas.workflows.experiment import DataSection, DeviceSection, Experiment, SpaceSection
from hwnas.workflows.runs import experiment_of, run_tables
from hwnas.workflows.setting import prepare
from hwnas.workflows.trained import trained_network

SPACE = "mbv3_small_32_act"
DATA = "fashion_mnist_10k"
CALIBRATION_IMAGES = 256
COLOURS = {"int8": style.VERMILION, "fp32": style.BLUE}
PICTURE = Path(__file__).parent / "results" / "int8_front.png"


@dataclass(frozen=True)
class Judged:
    """A network of a front, as its int8 file does.

    Attributes:
        id: Of the architecture.
        searched: What its search saw: accuracy in percent and latency in ms, at that precision.
        accuracy: Percent top-1 of the int8 file on the test images.
        latency_ms: Measured on the int8 file.
    """

    id: str
    searched: tuple[float, float]
    accuracy: float
    latency_ms: float


def experiment(precision: str, seed: int, evaluations: int, supernet: Path | None) -> Experiment:
    """A search for accuracy and latency at one precision."""
    plain = workflows.experiment_from_options(
        name=f"{precision}-{seed}", space=SPACE, data=DATA, runtime="litert",
        precision=[precision], evaluations=evaluations, seed=seed,
        supernet_from=str(supernet or ""),
    )  # fmt: skip
    # all searches judge the same images by the same supernet; only the strategy's seed differs
    return replace(
        plain,
        data=DataSection(DATA, validation_fraction=0.2),
        space=SpaceSection(SPACE),
        device=DeviceSection(runtime="litert", precisions=(precision,)),
        supernet=replace(plain.supernet, seed=0, epochs=5, largest_first=2, random_networks=2),
    )


def searched(precision: str, seed: int, evaluations: int, out: Path) -> Run:
    """The finished search, made now or before; the first of all trains the supernet."""
    directory = out / f"{precision}-{seed}"
    if (directory / "config.json").exists():
        return workflows.resume(directory)
    first = out / "int8-0"
    supernet = None if directory == first else first
    print(f"searching {directory.name}", flush=True)
    return workflows.search(experiment(precision, seed, evaluations, supernet), directory)


def written(run: Run, member: FrontMember, folder: Path) -> tuple[Path, float]:
    """A network as an int8 TFLite file with the supernet's weights, and its test accuracy."""
    asked = experiment_of(run)
    data = prepare(asked, run.space).data
    assert data is not None
    network = trained_network(
        run, member, asked, data, folder=folder / f"{member.id}-weights", images=0
    )
    calibration = network.inputs(recalibration_part(data.train, CALIBRATION_IMAGES))
    content = tflite.lower(
        network.layers, network.folded_weights(), precision="int8", calibration=calibration
    )
    path = folder / f"{member.id}.tflite"
    path.write_bytes(content)
    answers = litert.outputs(str(path), network.inputs(data.test))
    return path, 100.0 * float((answers.argmax(axis=1) == data.test.labels).mean())


def judged(runs: dict[str, Run], folder: Path) -> dict[str, list[Judged]]:
    """All networks of the fronts as int8 files, timed in turns; a shared one is judged once."""
    folder.mkdir(parents=True, exist_ok=True)
    members = {m.id: (run, m) for run in runs.values() for m in run.front}
    made = {name: written(run, member, folder) for name, (run, member) in members.items()}
    timed = profiling.measure_models(
        load_device("host"), [path for path, _ in made.values()], runtime="litert",
        table=run_tables(runs["int8"])["int8"],
    )  # fmt: skip
    ms = {name: one.median_ms for name, one in zip(made, timed, strict=True)}
    return {
        precision: [
            Judged(
                member.id,
                (member.values["accuracy"], member.values["latency_ms"]),
                made[member.id][1],
                ms[member.id],
            )
            for member in run.front
        ]
        for precision, run in runs.items()
    }


def losses(networks: list[Judged]) -> FloatArray:
    """Logarithm of latency and percent of errors, shape (networks, 2).

    Of the logarithm, because some files take forty times as long as others.
    """
    return np.array([[np.log(n.latency_ms), 100.0 - n.accuracy] for n in networks])


def compared(fronts: dict[str, list[Judged]]) -> dict[str, Any]:
    """Hypervolumes as shares of the box around all files, and what is on the common front."""
    every = np.concatenate([losses(networks) for networks in fronts.values()])
    low, high = every.min(axis=0), every.max(axis=0)
    reference = np.full(2, 1.0 + 1e-9)
    scaled = {name: (losses(n) - low) / (high - low) for name, n in fronts.items()}
    shares = {name: hypervolume(points, reference) for name, points in scaled.items()}
    mask = non_dominated(every)
    sizes = np.cumsum([0, *(len(n) for n in fronts.values())])
    on_front = {name: int(mask[sizes[i] : sizes[i + 1]].sum()) for i, name in enumerate(fronts)}
    return {
        "hypervolume": {name: round(share, 4) for name, share in shares.items()},
        "on_common_front": on_front,
        "networks": {name: len(networks) for name, networks in fronts.items()},
    }


def draw(seeds: list[dict[str, list[Judged]]]) -> None:
    """All files of all seeds; each seed's fronts as steps."""
    figure, axes = style.new_figure()
    for fronts in seeds:
        for name, networks in fronts.items():
            points = losses(networks)
            best = points[non_dominated(points)]
            best = best[best[:, 0].argsort()]
            ms, accuracy = np.exp(best[:, 0]), 100 - best[:, 1]
            every = np.exp(points[:, 0]), 100 - points[:, 1]
            axes.plot(*every, ".", color=COLOURS[name], alpha=0.4)
            axes.step(ms, accuracy, where="post", color=COLOURS[name], linewidth=1.2)
    style.log_axis(axes, "x")
    axes.set_xlabel("latency of the int8 file, measured (ms)")
    axes.set_ylabel("accuracy of the int8 file on test images (%)")
    labels = {"int8": "searched for int8", "fp32": "searched in fp32, quantized afterwards"}
    handles = [Line2D([], [], color=COLOURS[k], label=text) for k, text in labels.items()]
    axes.legend(handles=handles, loc="lower right", frameon=False)
    figure.savefig(PICTURE)


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/int8_front"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=150)
    given = parser.parse_args()
    for precision in ("int8", "fp32"):
        _, table = workflows.profile(
            "host", SPACE, data=DATA, runtime="litert", precision=precision
        )
        if table.quality is not None:
            print(precision, workflows.quality_sentence(table.quality))
    seeds, results = [], []
    for seed in range(given.seeds):
        runs = {p: searched(p, seed, given.evaluations, given.out) for p in ("int8", "fp32")}
        fronts = judged(runs, given.out / f"files-{seed}")
        seeds.append(fronts)
        results.append(
            compared(fronts)
            | {"fronts": {name: [files.to_plain(n) for n in f] for name, f in fronts.items()}}
        )
        print(seed, {k: v for k, v in results[-1].items() if k != "fronts"}, flush=True)
    draw(seeds)
    shares = {p: [r["hypervolume"][p] for r in results] for p in ("int8", "fp32")}
    summary = {f"mean_hypervolume_{p}": round(float(np.mean(v)), 4) for p, v in shares.items()}
    better = sum(a > b for a, b in zip(shares["int8"], shares["fp32"], strict=True))
    print(summary, f"int8 better in {better} of {len(results)}")
    result = {
        "space": SPACE, "data": DATA, "evaluations": given.evaluations, **summary,
        "int8_better_in": f"{better} of {len(results)} seeds", "seeds": results,
    }  # fmt: skip
    print(f"written to {_results.write('int8_front', result)}")


if __name__ == "__main__":
    main()
