"""How training is configured; reading a configuration does not import torch."""

from dataclasses import dataclass, field
from typing import Literal

from hwnas import files

Property = Literal["resolution", "kernel_size", "depth", "width"]
"""What progressive shrinking lets vary, one after another."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How weights are updated.

    Attributes:
        batch_size: Images a step.
        learning_rate: The highest, reached after warm-up; falls to 0 along a cosine.
        warmup_fraction: Part of all steps in which the learning rate rises linearly.
        optimizer: ``sgd`` is Nesterov's with momentum 0.9.
        weight_decay: Of convolution and linear weights; batch-norm and biases have none.
        label_smoothing: Probability spread evenly over all classes.
        crop_padding: Images are padded by so many black pixels and cropped at random.
        flip: Whether images are mirrored left to right at random.
        threads: Of torch; None for all cores.
    """

    batch_size: int = 64
    learning_rate: float = 0.008
    warmup_fraction: float = 0.1
    optimizer: Literal["sgd", "adamw"] = "adamw"
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    crop_padding: int = 2
    flip: bool = True
    threads: int | None = None

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class SupernetConfig:
    """How a supernet is trained.

    Attributes:
        epochs: Passes over the training images.
        largest_first: So many of these epochs train the largest network alone: as Once-for-All
            does (Cai et al. 2020, section 3.3), since what a bad teacher says is not worth
            learning.
        random_networks: Trained each step beside the largest and the smallest.
        sandwich: Whether each step trains the largest network on the labels, and the smallest and
            the random ones on what the largest says. Without it the random networks alone are
            trained, on the labels: uniform sampling (Guo et al. 2020, section 3.2).
        progressive: What varies only from a later stage on, in that order; the epochs after
            ``largest_first`` are divided evenly among the stages, of which the first lets the
            first property vary. What is not named varies from the start.
        kernel_transforms: Whether smaller kernels are learned functions of larger ones, as in
            Once-for-All, instead of their centres.
        average: Decay of a moving average of the weights, which is then what is kept of the
            training; 0 for none.
        device: Of torch, such as ``cuda``.
        mixed_precision: Whether to compute in bfloat16 where torch deems it safe. On a CPU that
            is slower, several times, as depthwise convolutions are not made for it.
        recipe: How weights are updated.
        evaluate_every: Epochs between looks at the validation accuracy of the largest and the
            smallest network; the last epoch is always looked at.
        seed: Of weights, order, augmentation and sampled networks.
    """

    epochs: int = 8
    largest_first: int = 4
    random_networks: int = 2
    sandwich: bool = True
    progressive: tuple[Property, ...] = ()
    kernel_transforms: bool = False
    average: float = 0.0
    device: str = "cpu"
    mixed_precision: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    evaluate_every: int = 2
    seed: int = 0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How one network is trained.

    Attributes:
        images: Number of images seen, repetitions counted; rounded to whole batches.
        recipe: How weights are updated.
        use_validation: Whether the validation images are trained on too; they are no longer
            needed once a network is chosen.
        distillation: Weight of the teacher's probabilities in the loss, where there is a teacher;
            worth it when the teacher is better than what the network reaches alone.
        seed: Of order and augmentation, and of fresh weights.
    """

    images: int = 40_000
    recipe: Recipe = field(default_factory=Recipe)
    use_validation: bool = True
    distillation: float = 0.0
    seed: int = 0

    __pydantic_config__ = files.STRICT
