"""A Gaussian process over rows of choices: what a quantity probably is, and how sure that is.

Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning": algorithm 2.1 for the
prediction, equation 5.9 for the derivatives of the marginal likelihood.
"""

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from hwnas.catalog import FloatArray, IntArray
from hwnas.strategies._surrogate_kernel import ChoiceKernel, Encoded

_JITTER = 1e-6
_STEPS = 30
_REFIT_GROWTH = 1.2
_RANGE = 6.0


class ChoiceProcess:
    """One quantity's process; its hyper-parameters are kept from fit to fit.

    Args:
        kernel: Of the space's rows.
    """

    def __init__(self, kernel: ChoiceKernel) -> None:
        self._kernel = kernel
        self._parameters = kernel.start()
        self._learned_from = 0

    def fit(self, genes: IntArray, values: FloatArray) -> None:
        """Learn from all that is known so far.

        Hyper-parameters maximise the marginal likelihood times their prior. They are learned
        anew only when there is a good deal more to learn from than last time.

        Args:
            genes: Shape (architectures, genes), at least one row.
            values: Shape (architectures,).
        """
        self._mean = float(values.mean())
        self._scale = float(values.std()) or 1.0
        scaled = (values - self._mean) / self._scale
        self._rows = self._kernel.encode(genes).exact()
        if len(genes) >= _REFIT_GROWTH * self._learned_from:
            self._parameters = self._learned(scaled)
            self._learned_from = len(genes)
        covariance = self._kernel.covariance(self._parameters, self._rows, self._rows)
        self._root = cholesky(self._with_own(covariance, self._parameters), lower=True)
        self._solved = cho_solve((self._root, True), scaled)

    def encode(self, genes: IntArray) -> Encoded:
        """Rows ready for `mean` and `Beliefs`; the same for all processes of a space."""
        return self._kernel.encode(genes)

    def mean(self, rows: Encoded) -> FloatArray:
        """Expected values, shape (architectures,)."""
        covariance = self._kernel.covariance(self._parameters, rows, self._rows)
        solved = self._solved.astype(covariance.dtype)
        return np.asarray((covariance @ solved) * self._scale + self._mean, dtype=np.float64)

    def beliefs(self, rows: Encoded) -> "Beliefs":
        """What is believed of some rows together."""
        rows = rows.exact()
        covariance = self._kernel.covariance(self._parameters, rows, self._rows)
        mean = covariance @ self._solved * self._scale + self._mean
        explained = solve_triangular(self._root, covariance.T, lower=True, check_finite=False)
        return Beliefs(self._kernel, self._parameters, rows, explained, mean, self._scale)

    def _with_own(self, covariance: FloatArray, parameters: FloatArray) -> FloatArray:
        own = np.exp(parameters[2]) + _JITTER
        return np.asarray(covariance + own * np.eye(len(covariance)))

    def _learned(self, scaled: FloatArray) -> FloatArray:
        mean, deviation = self._kernel.prior()

        def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
            away = (parameters - mean) / deviation
            covariance = self._kernel.covariance(parameters, self._rows, self._rows)
            try:
                root = cholesky(
                    self._with_own(covariance, parameters), lower=True, check_finite=False
                )
            except np.linalg.LinAlgError:
                # no probability: the line search turns back
                return 1e10, np.zeros(len(parameters))
            lower, _ = dpotri(root, lower=1)
            inverse = np.tril(lower) + np.tril(lower, -1).T
            solved = inverse @ scaled
            value = 0.5 * scaled @ solved + np.log(root.diagonal()).sum() + 0.5 * away @ away
            slope = 0.5 * (inverse - np.outer(solved, solved))
            gradient = self._kernel.gradient(parameters, self._rows, slope)
            return float(value), gradient + away / deviation

        found = minimize(
            loss, self._parameters, jac=True, method="L-BFGS-B",
            bounds=np.stack([mean - _RANGE, mean + _RANGE], axis=1), options={"maxiter": _STEPS},
        )  # fmt: skip
        # the last digits depend on the machine, and proposals must not
        return np.asarray(np.round(found.x, 3))


class Beliefs:
    """Joint expectation of one quantity over some rows, and how it narrows as rows are picked.

    Attributes:
        mean: Expected values, shape (architectures,).
    """

    def __init__(
        self,
        kernel: ChoiceKernel,
        parameters: FloatArray,
        rows: Encoded,
        explained: FloatArray,
        mean: FloatArray,
        scale: float,
    ) -> None:
        self._kernel = kernel
        self._parameters = parameters
        self._rows = rows
        self._explained = explained
        self._variance = kernel.variance(parameters) - (explained**2).sum(axis=0)
        self._scale = scale
        self.mean = mean

    @property
    def std(self) -> FloatArray:
        """Of what an evaluation will say, shape (architectures,)."""
        own = np.exp(self._parameters[2]) + _JITTER
        return np.asarray(np.sqrt(np.maximum(self._variance, 0.0) + own) * self._scale)

    def pick(self, index: int) -> None:
        """Narrow the deviations as if this row were evaluated with the expected result."""
        row = self._rows[np.array([index])]
        prior = self._kernel.covariance(self._parameters, row, self._rows)[0]
        shared = prior - self._explained[:, index] @ self._explained
        own = np.exp(self._parameters[2]) + _JITTER
        column = shared / np.sqrt(max(self._variance[index], 0.0) + own)
        self._explained = np.concatenate([self._explained, column[None]])
        self._variance = self._variance - column**2
