"""Architectures of Once-for-All's MobileNetV3 space as numbers that ImageNet accuracy follows.

A stage has 3 depths and 9 kinds of each of its four blocks, so it is one of 3 x 9^4 codes; what
depends on a stage alone is a table over its codes. What couples the stages is smooth: sums over
blocks, multiply-accumulates and parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hwnas.catalog import FloatArray, IntArray, total
from hwnas.errors import SpaceMismatchError
from hwnas.protocols import SearchSpace
from hwnas.spaces import load_space

SPACE = "ofa_mbv3_w1.0"
STAGES = 5
ONE_HOTS = 27
"""Of a stage: for each block kernel size and expansion ratio, three each; and three depths."""
SMOOTH = 2 + 3 * STAGES
"""Logarithms of all MACs and parameters; stage by stage depth, expansions, kernel sizes."""

_BLOCKS = 4
_DEPTHS = (2, 3, 4)
_KERNELS = (3, 5, 7)
_EXPANSIONS = (3, 4, 6)
_KINDS = len(_KERNELS) * len(_EXPANSIONS)
_STAGE_GENES = 2 * _BLOCKS
_RESOLUTION = 224  # of the counted MACs, whatever an architecture's own


@dataclass(frozen=True, slots=True, eq=False)
class StageTables:
    """Everything of a stage by its code.

    Attributes:
        one_hots: Shape (codes, `ONE_HOTS`); absent blocks have none. The same for all stages.
        sums: Depth, sum of expansion ratios, sum of kernel sizes less one, of the blocks that are
            present, shape (codes, 3). The same for all stages.
        macs: In millions, at 224 pixels, shape (stages, codes).
        params: In millions, shape (stages, codes).
        fixed: Millions of MACs and of parameters outside of the stages.
    """

    one_hots: FloatArray
    sums: FloatArray
    macs: FloatArray
    params: FloatArray
    fixed: tuple[float, float]


@cache
def stage_tables() -> StageTables:
    """The tables of the preset `SPACE`."""
    space = load_space(SPACE, resolutions=[_RESOLUTION])
    depth, kinds = _all_codes()
    present = np.arange(_BLOCKS) < (depth + min(_DEPTHS))[:, None]
    kernel, expansion = np.divmod(kinds, len(_EXPANSIONS))
    hots = [
        present[:, b, None] & (chosen[:, b, None] == np.arange(3))
        for b in range(_BLOCKS)
        for chosen in (kernel, expansion)
    ]
    one_hots = np.concatenate([*hots, depth[:, None] == np.arange(3)], axis=1).astype(np.float64)
    sums = np.stack(
        [
            present.sum(axis=1),
            (present * np.take(_EXPANSIONS, expansion)).sum(axis=1),
            (present * (np.take(_KERNELS, kernel) - 1)).sum(axis=1),
        ],
        axis=1,
    ).astype(np.float64)
    macs, params, fixed = _counted(space, depth, np.stack([kernel, expansion], axis=2))
    return StageTables(one_hots, sums, macs, params, fixed)


def stage_codes(genes: IntArray) -> IntArray:
    """The code of each stage, shape (architectures, stages).

    Args:
        genes: Canonical, shape (architectures, genes), with or without the resolution's gene.
    """
    radix = np.zeros((genes.shape[1], STAGES), dtype=np.float32)  # exact: codes are below 2**24
    own = genes.shape[1] - STAGES * (1 + _STAGE_GENES)
    for stage in range(STAGES):
        radix[own + stage, stage] = _KINDS**_BLOCKS
        first = own + STAGES + stage * _STAGE_GENES
        for block in range(_BLOCKS):
            place = _KINDS ** (_BLOCKS - 1 - block)
            radix[first + 2 * block : first + 2 * block + 2, stage] = 3 * place, place
    return (genes.astype(np.float32) @ radix).astype(np.intp)


def smooth_features(codes: IntArray) -> FloatArray:
    """The smooth numbers of architectures, shape (architectures, `SMOOTH`)."""
    tables = stage_tables()
    result = np.empty((len(codes), SMOOTH))
    macs, params = np.full(len(codes), tables.fixed[0]), np.full(len(codes), tables.fixed[1])
    for stage, own in enumerate(codes.T):
        macs += tables.macs[stage].take(own, mode="clip")
        params += tables.params[stage].take(own, mode="clip")
        result[:, 2 + stage :: STAGES] = tables.sums.take(own, axis=0, mode="clip")
    np.log(macs, out=result[:, 0])
    np.log(params, out=result[:, 1])
    return result


def one_hots(codes: IntArray) -> FloatArray:
    """One-hots of all stages side by side, shape (architectures, stages * `ONE_HOTS`)."""
    return stage_tables().one_hots[codes].reshape(len(codes), -1)


def squares(smooth: FloatArray) -> FloatArray:
    """The numbers, then the product of every pair of them, each with itself included."""
    first, second = np.triu_indices(smooth.shape[1])
    return np.concatenate([smooth, smooth[:, first] * smooth[:, second]], axis=1)


def check_space(space: SearchSpace) -> tuple[int, ...]:
    """The resolutions of a space that is `SPACE` but for its resolutions.

    Raises:
        SpaceMismatchError: It is another space.
    """
    if _without_free_keys(space.definition()) != _without_free_keys(load_space(SPACE).definition()):
        raise SpaceMismatchError(
            f"The ImageNet accuracy predictor knows space {SPACE} alone, with its 1,000 classes; "
            f"the search is in {space.name}. Give --space {SPACE}, or train a supernet with --data."
        )
    return tuple(space.definition()["resolutions"])


def _without_free_keys(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {k: value for k, value in definition.items() if k not in ("name", "resolutions")}


def _all_codes() -> tuple[IntArray, IntArray]:
    """Of every code the depth's gene, shape (codes,), and the kind of each block."""
    codes = np.arange(len(_DEPTHS) * _KINDS**_BLOCKS)
    places = _KINDS ** np.arange(_BLOCKS - 1, -1, -1)
    return codes // _KINDS**_BLOCKS, codes[:, None] // places % _KINDS


def _counted(
    space: SearchSpace, depth: IntArray, blocks: IntArray
) -> tuple[FloatArray, FloatArray, tuple[float, float]]:
    """Millions of MACs and of parameters by stage and code, and those of all other layers."""
    catalog = space.catalog
    genes = np.zeros((STAGES, len(depth), STAGES * (1 + _STAGE_GENES)), dtype=np.int64)
    for stage in range(STAGES):
        first = STAGES + stage * _STAGE_GENES
        genes[stage, :, stage] = depth
        genes[stage, :, first : first + _STAGE_GENES] = blocks.reshape(len(depth), -1)
    indices = [space.layer_indices(space.canonical(each)) for each in genes]
    slots = 2  # the stem and the fixed block come first
    found = []
    for cost in (catalog.macs, catalog.params):
        own = [
            total(cost, each[:, slots + stage * _BLOCKS : slots + (stage + 1) * _BLOCKS])
            for stage, each in enumerate(indices)
        ]
        smallest = sum(values[0] for values in own)
        found.append((np.stack(own) / 1e6, (total(cost, indices[0])[0] - smallest) / 1e6))
    (macs, other_macs), (params, other_params) = found
    return macs, params, (float(other_macs), float(other_params))
