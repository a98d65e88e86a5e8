import torch
from torch import nn

from hwnas.training.averaging import WeightAverage


def test_the_average_of_constant_weights_is_them_and_of_changed_ones_moves_towards_them():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 2.0)
    average = WeightAverage(module, 0.5)
    average.update()
    assert average.tensors["weight"].item() == 2.0
    nn.init.constant_(module.weight, 4.0)
    average.update()  # of the second step 2 / 11 is kept
    assert torch.isclose(average.tensors["weight"], torch.tensor([[4.0 - 2.0 * 2 / 11]])).all()
    for _ in range(20):
        average.update()
    assert abs(average.tensors["weight"].item() - 4.0) < 1e-4


def test_an_average_goes_on_where_it_was():
    module = nn.Linear(2, 2)
    first = WeightAverage(module, 0.9)
    first.update()
    second = WeightAverage(module, 0.9)
    second.restore(first.tensors, first.steps)
    nn.init.zeros_(module.weight)
    first.update()
    second.update()
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name])
