"""Is our supernet faster than Once-for-All's own, at training and at evaluating a subnet?

Question: CPU seconds of a training step (forward, backward, SGD) of the same sampled subnets of
the same architecture (`ofa_mbv3_w1.0`), 32 images of 32 px and 8 of 224 px; and of an evaluation
of a subnet with its batch-norm recalibrated, 32 images of 32 px. Interleaved step by step in one
process, one thread.

    python -m benchmarks.supernet_speed

Needs Once-for-All's package, which `tools/once_for_all_package` unpacks.

Expected: at least 1.5 times its images a second in training. Evaluation, which is cutting the
network out, one pass that recalibrates, and one that counts: see the result file.
"""

import argparse
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from hwnas.networks.pixels import channels_last  # noqa: E402
from hwnas.networks.recalibrating import RecalibratingSupernet  # noqa: E402
from hwnas.networks.supernet import Supernet  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402
from hwnas.training.weight_sharing import slot_layers_of  # noqa: E402

PACKAGE = Path(__file__).parent.parent / ".once-for-all"
LAYERS = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
MIDDLE = {"ks": [5] * 20, "e": [4] * 20, "d": [3] * 5}


def official() -> Any:
    """Once-for-All's supernet, width 1.0."""
    # beside a torch without CUDA, torchvision imports only when this registration is left out
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("_meta_registrations")
    sys.path.insert(0, str(PACKAGE))
    from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3

    return OFAMobileNetV3(n_classes=1000, dropout_rate=0, width_mult=1.0, **LAYERS)


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def ours_of(pixels: int, *, kernel_transforms: bool) -> tuple[Any, Supernet]:
    """The space at one resolution, and our supernet of it."""
    space = load_space("ofa_mbv3_w1.0", resolutions=[pixels])
    supernet = Supernet(space.slot_layers, kernel_transforms=kernel_transforms)
    return space, channels_last(supernet)


def training(net: Any, pixels: int, batch: int, steps: int, kernel_transforms: bool) -> Any:
    """Seconds a step, theirs and ours, of the same subnets."""
    space, ours = ours_of(pixels, kernel_transforms=kernel_transforms)
    optimizers = [
        torch.optim.SGD(each.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        for each in (net, ours)
    ]
    net.train()
    images = torch.randn(batch, 3, pixels, pixels)
    labels = torch.randint(0, 1000, (batch,))
    ours_images = images.contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(steps + 1):
        chosen = net.sample_active_subnet()
        row = space.parse({name: chosen[name] for name in ("ks", "e", "d")} | {"r": pixels})
        layers = slot_layers_of(space, row[None])[0]

        def their_step() -> None:
            optimizers[0].zero_grad(set_to_none=True)
            functional.cross_entropy(net(images), labels).backward()
            optimizers[0].step()

        def our_step(layers: Any = layers) -> None:
            optimizers[1].zero_grad(set_to_none=True)
            functional.cross_entropy(ours(ours_images, layers), labels).backward()
            optimizers[1].step()

        seconds.append((cpu_s(their_step), cpu_s(our_step)))
    return summary(np.array(seconds[1:]), batch)


def evaluation(net: Any, times: int) -> Any:
    """Seconds to evaluate a middle subnet on 32 images of 32 px, recalibration included."""
    from ofa.imagenet_classification.elastic_nn.utils import set_running_statistics

    space, ours = ours_of(32, kernel_transforms=True)
    images = torch.randn(32, 3, 32, 32)
    ours_images = images.contiguous(memory_format=torch.channels_last)
    layers = slot_layers_of(space, space.parse(MIDDLE | {"r": 32})[None])[0]
    loader = [(images, torch.zeros(32, dtype=torch.long))]

    def theirs() -> None:
        net.set_active_subnet(**MIDDLE)
        subnet = net.get_active_subnet(preserve_weight=True)
        set_running_statistics(subnet, loader)
        subnet.eval()
        with torch.no_grad():
            subnet(images)

    recalibrating = RecalibratingSupernet(ours)

    def our_way() -> None:
        recalibrating.logits(ours_images, ours_images, layers)

    seconds = [(cpu_s(theirs), cpu_s(our_way)) for _ in range(times + 1)]
    return summary(np.array(seconds[1:]), 32)


def summary(seconds: Any, images: int) -> dict[str, Any]:
    """Medians, and the median of the ratios step by step."""
    ratios = seconds[:, 0] / seconds[:, 1]
    return {
        "once_for_all_s": round(float(np.median(seconds[:, 0])), 4),
        "hwnas_s": round(float(np.median(seconds[:, 1])), 4),
        "hwnas_images_per_s": round(images / float(np.median(seconds[:, 1])), 1),
        "ratio": round(float(np.median(ratios)), 2),
        "ratio_quartiles": [round(float(q), 2) for q in np.quantile(ratios, [0.25, 0.75])],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = official()
    results: dict[str, Any] = {}
    for pixels, batch in ((32, 32), (224, 8)):
        for transforms in (False, True):
            name = f"training, {batch} x {pixels} px, " + (
                "kernel transformations" if transforms else "plain kernels"
            )
            results[name] = training(net, pixels, batch, arguments.steps, transforms)
            print(f"{name}: {results[name]}", flush=True)
    results["evaluation, 32 x 32 px"] = evaluation(net, arguments.steps)
    print(results["evaluation, 32 x 32 px"])
    _results.write("supernet_speed", results)


if __name__ == "__main__":
    main()
