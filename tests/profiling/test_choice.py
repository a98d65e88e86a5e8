from pathlib import Path

import numpy as np
import pytest

from hwnas.calibration import layer_counts
from hwnas.calibration.isolated import Evidence, expected_covariance
from hwnas.calibration.layer_layout import layer_layout
from hwnas.profiling.choice import choose_whole
from hwnas.spaces import load_space

SPACE = load_space("mbv3_small_32")
TINY = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")


def chosen(networks: int, held_out: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return choose_whole(SPACE, np.random.default_rng(seed), networks=networks, held_out=held_out)


def test_no_network_has_both_roles_or_one_twice() -> None:
    told, unseen = chosen(24, 16)
    assert (len(told), len(unseen)) == (24, 16)
    assert len(np.unique([*told, *unseen], axis=0)) == 40


def test_networks_held_out_are_a_random_sample_whatever_else_is_measured() -> None:
    expected = SPACE.sample(16, np.random.default_rng(0))
    for networks in (0, 3, 24):
        np.testing.assert_array_equal(chosen(networks, 16)[1], expected)


def test_the_same_seed_chooses_the_same() -> None:
    np.testing.assert_array_equal(chosen(12, 4)[0], chosen(12, 4)[0])
    assert (chosen(12, 4)[0] != chosen(12, 4, seed=1)[0]).any()


def test_a_space_with_few_networks_gives_what_it_has() -> None:
    told, unseen = choose_whole(TINY, np.random.default_rng(0), networks=400, held_out=2)
    assert 0 < len(told) < 400
    assert len(unseen) == 2


@pytest.mark.parametrize("seed", range(3))
def test_what_is_chosen_leaves_less_uncertain_than_random_networks(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    rows = np.concatenate([SPACE.sample(300, rng), chosen(16, 0, seed)[0], SPACE.sample(16, rng)])
    catalog = SPACE.catalog
    counts = layer_counts(SPACE.layer_indices(rows), len(catalog))
    costs = catalog.macs / 8 + catalog.moved
    sums = counts @ costs
    evidence = Evidence(layer_layout(catalog.layers), costs, 0.05 * sums.mean(), counts, sums)
    covariance, noise = expected_covariance(evidence)
    design = evidence.relative_counts - evidence.relative_counts.mean(axis=0)

    def left(told: np.ndarray) -> float:
        across = design[:300] @ covariance @ told.T
        marginal = told @ covariance @ told.T + noise * np.eye(len(told))
        return -float(np.trace(across @ np.linalg.solve(marginal, across.T)))

    assert left(design[300:316]) < left(design[316:])
