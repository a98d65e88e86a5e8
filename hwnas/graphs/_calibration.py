"""What every quantizer asks of its calibration inputs."""

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import InputError


def check_calibration(calibration: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuse inputs that cannot calibrate a network.

    Args:
        calibration: Inputs, the first axis counts them.
        shape: Of one input of the network, (C, H, W) or (C,).

    Raises:
        InputError: There are none, they have another shape, or one is not finite.
    """
    if len(calibration) == 0:
        raise InputError(
            "The calibration set is empty; int8 needs some images of the training part to see "
            "what ranges the activations have."
        )
    if calibration.shape[1:] != shape:
        raise InputError(
            f"Calibration inputs have shape {calibration.shape[1:]}; the network takes {shape}."
        )
    if not np.isfinite(calibration).all():
        raise InputError("A calibration input holds a value that is not finite; remove it.")
