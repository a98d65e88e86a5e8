"""Fit the ImageNet accuracy predictor that ships with hwnas, and say how good it is.

It reads measured subnets of the Once-for-All supernet of width 1.0 at 224 pixels (JSON lines with
`kernel_size`, `expand_ratio`, `depth`, `top1_pct`; converted from the results that DyNAS-T
publishes) and Once-for-All's own accuracy predictor (an `.npz` file converted from CompOFA's
copy). Neither file is part of hwnas: what ships are the fitted coefficients. The same files give
the same bytes.

    python tools/fit_imagenet_predictor.py ofa_mbv3_w1.0_imagenet.jsonl acc_predictor.npz
"""

import argparse
from pathlib import Path

import numpy as np

from hwnas import files
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS, ImageNetPredictor
from hwnas.prediction.imagenet_features import SPACE
from hwnas.prediction.imagenet_fitting import fit_coefficients, fit_shifts, held_out
from hwnas.prediction.measured_subnets import read_subnets
from hwnas.prediction.published_mlp import PublishedMlp
from hwnas.spaces import load_space

TARGET = Path(__file__).parent.parent / "hwnas/prediction/data/ofa_mbv3_w1.0"
EVERYDAY = 20_000

SOURCES = [
    {
        "what": "measured ImageNet top-1 of subnets of the Once-for-All supernet, 224 pixels",
        "from": "DyNAS-T (Intel Labs), published search results",
        "licence": "Apache-2.0",
    },
    {
        "what": "Once-for-All's accuracy predictor, for differences between resolutions only",
        "from": "CompOFA's copy of Once-for-All's (Cai et al., ICLR 2020)",
        "licence": "Apache-2.0",
    },
]


def main() -> None:
    """Read the two files given on the command line, write the predictor into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, help="measured subnets, JSON lines")
    parser.add_argument("mlp", type=Path, help="Once-for-All's accuracy predictor, .npz")
    parser.add_argument("--target", type=Path, default=TARGET, help="without ending")
    arguments = parser.parse_args()
    space = load_space(SPACE, resolutions=list(DIRECT_RESOLUTIONS))
    measured, mlp = read_subnets(arguments.rows, space), PublishedMlp(arguments.mlp)
    everyday = space.sample(EVERYDAY, np.random.default_rng(0))
    coefficients = fit_coefficients(measured.genes, measured.top1, everyday=everyday)
    largest = mlp.top1(everyday, DIRECT_RESOLUTIONS[-1])
    shifts, explained = fit_shifts(
        everyday,
        lambda resolution: mlp.top1(everyday, resolution) - largest,
        resolutions=DIRECT_RESOLUTIONS[:-1],
        scales=(coefficients.smooth_mean, coefficients.smooth_scale),
    )
    predictor = ImageNetPredictor(coefficients, shifts)
    scores = held_out(measured, space, everyday=everyday)
    about = {
        "predicts": "ImageNet top-1 of subnets of ofa_mbv3_w1.0, 160 to 224 pixels, in percent",
        "licence": "Apache-2.0, as hwnas",
        "made_by": "tools/fit_imagenet_predictor.py",
        "sources": SOURCES,
        "rows": len(measured.top1),
        "five_fold": files.to_plain(scores),
        "variance_of_shifts_explained": {str(r): round(e, 3) for r, e in explained.items()},
    }
    target = arguments.target
    files.write_bytes(target.with_name(f"{target.name}.safetensors"), predictor.to_bytes())
    files.write_json(target.with_name(f"{target.name}.json"), about)


if __name__ == "__main__":
    main()
