"""What is believed of a few numbers before and after measurements: Bayesian linear regression, in closed form."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """A normal distribution of k coefficients: `mean` (k,) and `covariance` (k, k)."""

    mean: Vector
    covariance: Vector

    @classmethod
    def before(cls, mean: Sequence[float], deviations: Sequence[float]) -> "Belief":
        """Independent coefficients with these standard deviations."""
        return cls(np.array(mean, float), np.diag(np.square(np.array(deviations, float))))

    def after(
        self,
        rows: Sequence[Sequence[float]],
        values: Sequence[float],
        noise: Sequence[float],
        shared: Sequence[Sequence[float]] = (),
    ) -> "Belief":
        """Having seen values = rows @ coefficients + noise, each noise with its standard deviation.

        `shared`: (k, n), of k causes by how much one standard deviation of it moves each value.
        Source: Bishop (2006), Pattern Recognition and Machine Learning, Eq. 3.50 and 3.51.
        """
        if not len(values):
            return self
        x, y = np.array(rows, float), np.array(values, float)  # (n, k), (n,)
        causes = np.array(shared, float).reshape(len(shared), len(y))
        weighted: Any = np.linalg.solve(np.diag(np.square(np.array(noise, float))) + causes.T @ causes, x)
        before: Any = np.linalg.inv(self.covariance)
        covariance: Any = np.linalg.inv(before + weighted.T @ x)
        return Belief(covariance @ (before @ self.mean + weighted.T @ y), covariance)

    def draw(self, rng: random.Random) -> Vector:
        """Coefficients (k,) by chance."""
        normal = np.array([rng.gauss(0.0, 1.0) for _ in self.mean])
        drawn: Vector = self.mean + np.linalg.cholesky(self.covariance) @ normal
        return drawn
