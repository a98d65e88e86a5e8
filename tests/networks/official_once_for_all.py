"""What Once-for-All's own package says, for tests: run with its folder on PYTHONPATH.

    python official_once_for_all.py WIDTH SUBNETS FOLDER

Writes a randomly initialised official supernet (``weights.pth``), and in ``answers.safetensors``
images with the logits of random subnets at several resolutions; their settings are in
``subnets.json``. Logits are the supernet's own at that subnet, and those of the network that the
package extracts.
"""

import json
import random
import sys
import types
from pathlib import Path

# beside a torch without CUDA, torchvision imports only when this registration is left out
sys.modules["torchvision._meta_registrations"] = types.ModuleType("_meta_registrations")

import torch  # noqa: E402
from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3  # noqa: E402
from safetensors.torch import save_file  # noqa: E402


def main(width: float, subnets: int, folder: Path) -> None:
    torch.manual_seed(0)
    random.seed(0)
    torch.set_num_threads(1)
    net = OFAMobileNetV3(
        n_classes=1000, dropout_rate=0, width_mult=width,
        ks_list=[3, 5, 7], expand_ratio_list=[3, 4, 6], depth_list=[2, 3, 4],
    )  # fmt: skip
    with torch.no_grad():
        # so that no matrix is an identity and no statistic 0 or 1
        for name, tensor in net.state_dict().items():
            if name.endswith("_matrix"):
                tensor.add_(0.05 * torch.randn_like(tensor))
            elif "running_mean" in name or name.endswith("bias"):
                tensor.normal_(0.0, 0.1)
            elif "running_var" in name or (".bn." in name and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
    net.eval()
    torch.save(net.state_dict(), folder / "weights.pth")
    settings, tensors = [], {}
    with torch.no_grad():
        for index in range(subnets):
            resolution = (160, 192, 224)[index % 3]
            setting = net.sample_active_subnet()
            images = torch.randn(2, 3, resolution, resolution)
            tensors[f"images.{index}"] = images
            tensors[f"supernet.{index}"] = net(images)
            tensors[f"subnet.{index}"] = net.get_active_subnet(preserve_weight=True).eval()(images)
            settings.append(
                {
                    "resolution": resolution,
                    "kernel_size": setting["ks"],
                    "expand_ratio": setting["e"],
                    "depth": setting["d"],
                }
            )
    save_file(tensors, folder / "answers.safetensors")
    (folder / "subnets.json").write_text(json.dumps(settings))


main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
