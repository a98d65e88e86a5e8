"""Once-for-All's published accuracy predictor, read from a file that hwnas does not hold.

A multilayer perceptron of three hidden layers (Cai et al., ICLR 2020, section 3.4). Its inputs are
20 kernel sizes and 20 expansion ratios as one-hots, zero for absent blocks, then 8 resolutions,
112 + 16 i pixels, of which 160 to 224 were trained; its output times 100 is top-1 in percent.
"""

from pathlib import Path

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import FileFormatError
from hwnas.prediction.imagenet_features import ONE_HOTS, STAGES, one_hots, stage_codes

_LAYERS = ("0", "2", "4", "6")
_FIRST_RESOLUTION, _STEP, _RESOLUTIONS = 112, 16, 8
_BLOCK_FEATURES = ONE_HOTS - 3  # without the depth's


class PublishedMlp:
    """The perceptron.

    Args:
        path: An ``.npz`` file with the arrays ``0.weight``, ``0.bias`` ... ``6.bias``.

    Raises:
        FileFormatError: It is no such file.
    """

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._layers = [
                    (arrays[f"{n}.weight"].astype(float), arrays[f"{n}.bias"].astype(float))
                    for n in _LAYERS
                ]
        except (OSError, ValueError, KeyError) as error:
            raise FileFormatError(
                f"{path} does not hold Once-for-All's accuracy predictor ({error}); expected an "
                ".npz file with 0.weight, 0.bias ... 6.bias."
            ) from error

    def top1(self, genes: IntArray, resolution: int) -> FloatArray:
        """Predicted top-1 in percent, shape (architectures,).

        Args:
            genes: Canonical, of the space of width 1.0, shape (architectures, genes).
            resolution: 160, 176, 192, 208 or 224 pixels, whatever the genes say.
        """
        hidden = _inputs(genes, resolution)
        for weight, bias in self._layers[:-1]:
            hidden = np.maximum(hidden @ weight.T + bias, 0.0)
        weight, bias = self._layers[-1]
        return np.asarray(100.0 * (hidden @ weight.T + bias)[:, 0])


def _inputs(genes: IntArray, resolution: int) -> FloatArray:
    hot = one_hots(stage_codes(genes)).reshape(len(genes), STAGES, ONE_HOTS)
    blocks = hot[:, :, :_BLOCK_FEATURES].reshape(len(genes), -1, 2, 3)
    steps = np.zeros((len(genes), _RESOLUTIONS))
    steps[:, (resolution - _FIRST_RESOLUTION) // _STEP] = 1.0
    kernels, expansions = (blocks[:, :, which].reshape(len(genes), -1) for which in (0, 1))
    return np.concatenate([kernels, expansions, steps], axis=1)
