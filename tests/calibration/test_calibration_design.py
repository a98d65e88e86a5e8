import numpy as np
import pytest

from hwnas.calibration import choose_networks
from hwnas.errors import InputError


def test_the_least_known_network_comes_first_and_then_another_direction():
    candidates = np.array([[3.0, 0], [2.9, 0], [0, 1], [0, 0.5]])
    chosen = choose_networks(candidates, 2, covariance=np.eye(2), noise=0.1)
    assert chosen.tolist() == [0, 2]


@pytest.mark.parametrize("criterion", ["A", "D"])
def test_greedy_choices_are_those_of_posteriors_worked_out_one_by_one(criterion):
    rng = np.random.default_rng(0)
    candidates, reference = rng.standard_normal((30, 5)), rng.standard_normal((20, 5))
    factor = rng.standard_normal((5, 5))
    covariance, noise = factor @ factor.T, 0.3
    chosen = choose_networks(
        candidates, 6, covariance=covariance, noise=noise, criterion=criterion, reference=reference
    )

    def value(picked: list[int]) -> float:
        rows = candidates[picked]
        after = np.linalg.inv(np.linalg.inv(covariance) + rows.T @ rows / noise)
        if criterion == "D":
            return float(np.linalg.slogdet(after)[1])
        return float(np.einsum("ni,ij,nj->", reference, after, reference))

    expected: list[int] = []
    for _ in range(6):
        rest = [i for i in range(30) if i not in expected]
        expected.append(min(rest, key=lambda i: value([*expected, i])))
    assert chosen.tolist() == expected


def test_no_network_is_chosen_twice_even_where_nothing_is_left_to_learn():
    chosen = choose_networks(np.zeros((4, 2)), 4, covariance=np.eye(2), noise=0.0)
    assert sorted(chosen.tolist()) == [0, 1, 2, 3]


def test_more_networks_than_candidates_are_refused():
    with pytest.raises(InputError, match="Cannot choose 5 of 4"):
        choose_networks(np.eye(4), 5, covariance=np.eye(4), noise=0.1)
