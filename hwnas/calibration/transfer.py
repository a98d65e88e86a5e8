"""A new device from few measurements: priors made of what layers cost on known devices.

A device's costs are a mix of a few factors that known devices differ by, and of what only it does.
"""

from dataclasses import dataclass

import numpy as np

from hwnas.calibration.calibrate import posterior
from hwnas.calibration.layout import Layout
from hwnas.calibration.priors import Mixture, mixture
from hwnas.calibration.regression import Posterior, checked
from hwnas.catalog import FloatArray
from hwnas.errors import InputError

_MOST_FACTORS = 6
_POWERS = (1.0, 0.5, 0.25)
_LOG_VARIANCES = (0.0, -1.0, -2.0, -2.5)  # of the powers and of what no known device shows
_LEAST_SHARE = 1e-6  # of the devices' variance; below it a factor is rounding


@dataclass(frozen=True, slots=True, eq=False)
class KnownDevices:
    """What layers cost on devices that were measured before.

    Attributes:
        costs: Of each layer on each device, in any unit, shape (layers, devices). Anything else
            that networks sum up may stand among them, such as multiply-accumulates.
        layout: Where layers stand and what kind they are.
        networks: Counts of layers in typical networks of the space, in whose latencies devices
            are compared, shape (networks, layers).
    """

    costs: FloatArray
    layout: Layout
    networks: FloatArray

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
        if not (np.isfinite(self.costs).all() and np.isfinite(self.networks).all()):
            raise InputError("Costs on known devices hold NaN or infinite numbers.")

    def family(self) -> Mixture:
        """Prior of another device's costs, as variances to be learned.

        Principal components of the known devices, all scaled to the same spread of latencies, and
        weighted by three powers of their eigenvalues: powers below 1 say that what sets known
        devices apart little may well set the new one apart. What no known device shows is left to
        costs that kinds share everywhere and nearby, and to each layer.
        """
        factors, shares = self._factors()
        spectra = [(factors * shares**power) @ factors.T for power in _POWERS]
        same, relative = self.layout.same_kind, self.layout.distances / self.layout.extent
        own = np.diag(self.layout.real.astype(np.float64))
        rest = same + 0.5 * same * np.exp(-4 * relative) + 0.3 * own
        return mixture(
            [*spectra, rest],
            self.networks,
            log_means=np.array(_LOG_VARIANCES),
            log_deviation=1.5,
        )

    def expected_covariance(self) -> FloatArray:
        """Prior covariance to choose the first networks by; a latency's variance is about 1."""
        family = self.family()
        return family.covariance(family.start)

    def _factors(self) -> tuple[FloatArray, FloatArray]:
        """Costs of principal components, shape (layers, factors), and their shares, (factors,).

        Each component's latencies have a standard deviation of 1 over the networks.
        """
        centred = self.networks - self.networks.mean(axis=0)
        latencies = centred @ self.costs
        spread = latencies.std(axis=0)
        if not (spread > 0).all():
            raise InputError("On a known device all networks of the space take equally long.")
        scaled = latencies / spread
        _, singular, directions = np.linalg.svd(scaled, full_matrices=False)
        shares = singular**2 / np.sum(singular**2)
        kept = slice(min(_MOST_FACTORS, int(np.sum(shares > _LEAST_SHARE))))
        factors = (self.costs / spread) @ directions[kept].T
        return factors / (centred @ factors).std(axis=0), shares[kept]


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
