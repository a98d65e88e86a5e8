"""int8 for networks of usual width, trained on the quickstart's images.

Question: hand-made networks at width 1.0, trained from scratch at 32 pixels on the images of the
quickstart with its fine-tuning recipe: how many points of test accuracy do their int8 files lose in
TFLite and in ONNX, and how long do these take as a ratio to the fp32 files, in turns, one thread?
(`benchmarks.int8` asks the same of the quickstart's own narrow networks.)

    python -m benchmarks.int8_wide [--images 24000]

Hardware: whatever it runs on; the result file says which. Expected on x86-64 with AMX: less than a
point lost, TFLite ratios of 0.15 to 0.65, ONNX Runtime ratios of 0.5 to 1. Some ten minutes.
"""

from benchmarks import _results

_results.one_thread()

import argparse  # noqa: E402
from dataclasses import replace  # noqa: E402
from importlib import resources  # noqa: E402

from benchmarks.int8 import FORMATS, latency_ratios, test_accuracies  # noqa: E402
from hwnas import workflows  # noqa: E402
from hwnas.networks.folding import folded_weights  # noqa: E402
from hwnas.reference_networks import REFERENCE_NAMES, reference_network  # noqa: E402
from hwnas.training.data import load_data  # noqa: E402
from hwnas.training.fine_tune import train_network  # noqa: E402

RESOLUTION = 32


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=24_000)
    images = parser.parse_args().images
    with resources.as_file(resources.files("hwnas.workflows") / "quickstart.toml") as path:
        experiment = workflows.load_experiment(path)
    data = load_data(experiment.data.source, resolution=RESOLUTION)
    config = replace(experiment.fine_tune, images=images)
    networks = {}
    for name in REFERENCE_NAMES:
        layers = reference_network(
            name, resolution=RESOLUTION, classes=len(data.classes), in_channels=data.in_channels
        )
        ratios = latency_ratios(layers)
        trained = train_network(layers, data, config)
        accuracy = test_accuracies(layers, folded_weights(trained), data)
        lost = {f: round(accuracy[f"{f}_fp32"] - accuracy[f"{f}_int8"], 3) for f in FORMATS}
        networks[name] = {"latency": ratios, "accuracy": accuracy, "points_lost": lost}
        print(name, networks[name], flush=True)
    result = {"resolution": RESOLUTION, "images_trained_on": images, "networks": networks}
    print(f"written to {_results.write('int8_wide', result)}")


if __name__ == "__main__":
    main()
