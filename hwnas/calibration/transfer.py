"""A new device from few measurements: priors made of what layers cost on known devices.

A device's costs are a mix of a few factors that known devices differ by, of quantities that any
device may have its own price for, and of what only it does.
"""

from dataclasses import dataclass

import numpy as np

from hwnas.calibration.calibrate import posterior
from hwnas.calibration.departures import departures
from hwnas.calibration.layout import Layout
from hwnas.calibration.priors import Mixture, mixture
from hwnas.calibration.regression import Posterior, checked
from hwnas.catalog import FloatArray
from hwnas.errors import InputError

_MOST_FACTORS = 6
_POWERS = (1.0, 0.5, 0.25)
_VARIANCES = (0.3, 0.1, 0.03)  # of the powers; relative to a latency's, as the next two
_QUANTITIES_VARIANCE = 0.2
_OWN_VARIANCE = 0.05  # of what no known device shows
_LEAST_SHARE = 1e-6  # of the devices' variance; below it a factor is rounding


@dataclass(frozen=True, slots=True, eq=False)
class KnownDevices:
    """What layers cost on devices that were measured before.

    Attributes:
        costs: Of each layer on each device, in any unit, shape (layers, devices).
        layout: Where layers stand and what kind they are.
        networks: Counts of layers in typical networks of the space, in whose latencies devices
            are compared, shape (networks, layers).
        quantities: What is known of layers beside, such as multiply-accumulates and bytes, in any
            units, shape (layers, quantities); None where nothing is.
    """

    costs: FloatArray
    layout: Layout
    networks: FloatArray
    quantities: FloatArray | None = None

    def __post_init__(self) -> None:
        layers = len(self.layout)
        if self.costs.ndim != 2 or len(self.costs) != layers or not self.costs.shape[1]:
            raise InputError(
                f"Expected the costs of {layers} layers on at least one known device, got shape "
                f"{self.costs.shape}."
            )
        if self.networks.ndim != 2 or self.networks.shape[1] != layers:
            raise InputError(
                f"Expected networks as counts of {layers} layers, got shape {self.networks.shape}."
            )
        known = [self.costs, self.networks]
        if self.quantities is not None:
            if self.quantities.ndim != 2 or len(self.quantities) != layers:
                raise InputError(
                    f"Expected quantities of {layers} layers, got shape {self.quantities.shape}."
                )
            known.append(self.quantities)
        if not all(np.isfinite(array).all() for array in known):
            raise InputError("Costs on known devices hold NaN or infinite numbers.")

    def family(self) -> Mixture:
        """Prior of another device's costs, as variances to be learned.

        Principal components of the known devices, all scaled to the same spread of latencies, and
        weighted by three powers of their eigenvalues: powers below 1 say that what sets known
        devices apart little may well set the new one apart. Quantities, each with as much spread.
        What neither explains departs from a kind's usual cost where it does so on known devices.
        """
        factors, shares = self._factors()
        parts = [(factors * shares**power) @ factors.T for power in _POWERS]
        variances = [*_VARIANCES]
        shown = factors * np.sqrt(shares**0.5 / np.sum(shares**0.5))
        if self.quantities is not None and self.quantities.shape[1]:
            quantities = self._scaled(self.quantities)
            parts.append(quantities @ quantities.T)
            variances.append(_QUANTITIES_VARIANCE)
            shown = np.hstack([shown, quantities / np.sqrt(quantities.shape[1])])
        return mixture(
            [*parts, departures(self.layout, shown)],
            self.networks,
            log_means=np.log([*variances, _OWN_VARIANCE]),
            log_deviation=1.0,
        )

    def expected_covariance(self) -> FloatArray:
        """Prior covariance to choose the first networks by; a latency's variance is about 1."""
        family = self.family()
        return family.covariance(family.start)

    def _factors(self) -> tuple[FloatArray, FloatArray]:
        """Costs of principal components, shape (layers, factors), and their shares, (factors,).

        Each component's latencies have a standard deviation of 1 over the networks.
        """
        scaled = self._scaled(self.costs)
        if not scaled.any(axis=0).all():
            raise InputError("On a known device all networks of the space take equally long.")
        latencies = (self.networks - self.networks.mean(axis=0)) @ scaled
        _, singular, directions = np.linalg.svd(latencies, full_matrices=False)
        shares = singular**2 / np.sum(singular**2)
        kept = slice(min(_MOST_FACTORS, int(np.sum(shares > _LEAST_SHARE))))
        return self._scaled(scaled @ directions[kept].T), shares[kept]

    def _scaled(self, costs: FloatArray) -> FloatArray:
        """Costs whose sums over the networks have a standard deviation of 1, or 0 where all are."""
        sums = (self.networks - self.networks.mean(axis=0)) @ costs
        spread = sums.std(axis=0)
        varies = spread > 1e-9 * np.maximum(np.abs(self.networks @ costs).max(axis=0), 1e-300)
        return np.where(varies, costs / np.where(varies, spread, 1.0), 0.0)


def transfer(counts: FloatArray, measured_ms: FloatArray, *, known: KnownDevices) -> Posterior:
    """Costs of layers on a new device, from a few whole networks and what is known of others.

    Args:
        counts: How often each layer is in each measured network, shape (networks, layers).
        measured_ms: Latencies on the new device in milliseconds, shape (networks,).
        known: The known devices; the new one must not be among them.

    Raises:
        InputError: Arrays do not fit together, hold what cannot have been measured, or too few
            different networks to tell anything.
    """
    counts, measured = checked(counts, measured_ms)
    if counts.shape[1] != len(known.layout):
        raise InputError(
            f"Known devices have {len(known.layout)} layers and the counts {counts.shape[1]}; "
            "both must be of the same catalog."
        )
    return posterior(counts, measured, families=(known.family(),))


def additive_costs(counts: FloatArray, latencies: FloatArray) -> FloatArray:
    """Costs of layers that explain many networks on known devices best, shape (layers, devices).

    Least squares of minimum norm; only sums over networks of the space mean anything.

    Args:
        counts: How often each layer is in each network, shape (networks, layers).
        latencies: Shape (networks, devices).

    Raises:
        InputError: Something is not finite, or there are fewer networks than layers.
    """
    if latencies.ndim != 2 or len(latencies) != len(counts):
        raise InputError(
            f"Expected latencies of {len(counts)} networks on known devices, got shape "
            f"{latencies.shape}."
        )
    if len(counts) <= counts.shape[1]:
        raise InputError(
            f"{len(counts)} networks cannot tell {counts.shape[1]} layers apart by least squares; "
            "use `calibrate` for each known device."
        )
    if not (np.isfinite(latencies).all() and np.isfinite(counts).all()):
        raise InputError("Latencies on known devices hold NaN or infinite numbers.")
    centred = counts - counts.mean(axis=0)
    solution, *_ = np.linalg.lstsq(centred, latencies - latencies.mean(axis=0), rcond=None)
    return np.asarray(solution)
