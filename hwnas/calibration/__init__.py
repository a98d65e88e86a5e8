"""Costs of layers, with their uncertainty, from latencies of whole networks."""

from hwnas.calibration.calibrate import calibrate, posterior
from hwnas.calibration.design import choose_networks
from hwnas.calibration.layout import Layout, layer_counts, one_hot
from hwnas.calibration.priors import layout_mixture, scaled_mixture
from hwnas.calibration.regression import Posterior
from hwnas.calibration.transfer import KnownDevices, additive_costs, transfer

__all__ = [
    "KnownDevices",
    "Layout",
    "Posterior",
    "additive_costs",
    "calibrate",
    "choose_networks",
    "layer_counts",
    "layout_mixture",
    "one_hot",
    "posterior",
    "scaled_mixture",
    "transfer",
]
