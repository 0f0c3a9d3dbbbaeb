"""Private standardisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from skdpflow.domain import Domain, Interval
from skdpflow.mechanisms.marginals.histograms import scales
from skdpflow.preprocessing._base import Array, Codes, DPTransformer, Plan, lattice_steps, rows_in
from skdpflow.release import Measurement, Release
from skdpflow.release.request import PlanContext, Request, Rounds

#: No vector of v and v**2 - 1/3 with v in (-1, 1) is longer than 1.202 times the root of the number of columns.
RADIUS = 1.21
COUNTS_SHARE = 0.05
#: Smallest variance of a column scaled to (-1, 1): a standard deviation of the 2000th part of its width.
SMALLEST_VARIANCE = 1e-6


def scaled_moments(m: Measurement, n: float) -> tuple[Array, Array]:
    """Estimate mean and variance of each column scaled to (-1, 1).

    Variances are shrunk to their mean over the columns by the ratio of their noise to their spread.
    """
    step = float(m.params["radius"]) / float(m.params["steps"])
    first, second = m.values * step / n
    noise = (float(np.max(m.sd)) * step / n) ** 2
    mean = np.clip(first, -1.0, 1.0)
    # values are spread over their codes, which adds to their variance
    variance = second + 1.0 / 3.0 - mean**2 - 1.0 / (3.0 * np.asarray(m.params["scale_codes"][1::2]) ** 2)
    variance_noise = noise * (1.0 + 4.0 * mean**2)
    centre = max(float(np.average(variance)), SMALLEST_VARIANCE)
    spread = max(float(np.mean((variance - centre) ** 2 - variance_noise)), 0.0)
    variance = centre + spread / (spread + variance_noise) * (variance - centre)
    return mean, np.clip(variance, SMALLEST_VARIANCE, 1.0)


class DPStandardScaler(OneToOneFeatureMixin, DPTransformer):
    r"""Standardise numeric columns by privately released means and variances.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one `fit`, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    domain : Domain, dict, (lower, upper) or None, default=None
        Public knowledge about the columns, which must be intervals and not nullable. None finds bounds privately, with
        4 % of the budget. Values outside are clipped.
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        Whether neighbouring tables differ by one row more, or by the content of one row.
    accountant : {"gdp", "zcdp", "rdp", "pld"} or Accountant, default="gdp"
        Calibrates the noise to `epsilon` and `delta`.
    n_jobs : int or None, default=None
        Threads that read the rows.
    noise_random_state : int or None, default=None
        Seed of the noise, for tests and benchmarks: the fit is not private then.
    ledger : PrivacyLedger or None, default=None
        Budget of the data set. `fit` debits its own whole budget from it before any noise is drawn.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,)
        Released means, variances, and standard deviations. Variances are shrunk to what all columns have in common
        (as shares of the squared widths of their domains) by their known noise, and positive.
    domain_, domain_out_ : Domain
        The columns before and after, as the next step may use them.
    release_ : Release
        What the rows gave, and all that the transformer depends on.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` guaranteed for this fit; ``(inf, 1.0)`` if the noise was seeded.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    DPQuantileTransformer : Maps each column to a uniform or normal one.

    Notes
    -----
    One statistic gives everything: the sum of the first two powers of the columns, scaled by their domain, clipped to
    a ball of :math:`K` lattice units that holds all of them. Its sensitivity is :math:`K`, or :math:`2K` when a row is
    replaced. Transformed rows are as private as the rows; the transformer itself may be published.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.preprocessing import DPStandardScaler
    >>> X = np.random.default_rng(0).normal(5.0, 2.0, size=(20_000, 2))
    >>> scaler = DPStandardScaler(epsilon=1.0, domain=(-10.0, 20.0)).fit(X)
    >>> Z = scaler.transform(X)
    >>> bool(abs(Z.mean()) < 0.1), bool(abs(Z.std() - 1.0) < 0.1), scaler.privacy_spent_
    (True, True, (1.0, 1e-06))
    """

    def _plan(self) -> Plan:
        def rounds(context: PlanContext) -> Rounds:
            d = len(context.domain)
            moments: dict[str, Any] = {
                "columns": np.arange(d),
                **scales(context.columns),
                "radius": RADIUS * float(np.sqrt(d)),
                "steps": lattice_steps(context, self.epsilon, 1.0 - COUNTS_SHARE, 2 * d, 1),
            }
            yield [
                Request("counts", "counts", COUNTS_SHARE, {"n_components": 1}),
                Request("column_moments", "column_moments", 1.0 - COUNTS_SHARE, moments),
            ]

        return Plan("standard_scaler", {}, rounds)

    def _learn_map(self, release: Release) -> Domain:
        mean, variance = scaled_moments(release["column_moments"], rows_in(release["counts"]))
        columns = release.domain.columns
        self._lower = np.array([c.lower for c in columns], dtype=np.float64)  # type: ignore[union-attr]
        width = np.array([c.upper for c in columns], dtype=np.float64) - self._lower  # type: ignore[union-attr]
        levels = np.array([c.n_levels for c in columns], dtype=np.float64)
        discrete = np.array([isinstance(c, Interval) and c.discrete for c in columns])
        # the code of an integer is its distance from the lower bound
        self._step = np.where(discrete, 1.0, width / levels)
        self._offset = np.where(discrete, 0.0, 0.5)
        self.mean_: Array = self._lower + self._step * ((mean + 1.0) / 2.0 * levels - 0.5 + self._offset)
        self.var_: Array = variance * (self._step * levels / 2.0) ** 2
        self.scale_: Array = np.sqrt(self.var_)
        return Domain(
            {
                name: Interval(float((c.lower - m) / s), float((c.upper - m) / s))  # type: ignore[union-attr]
                for (name, c), m, s in zip(release.domain.items(), self.mean_, self.scale_, strict=True)
            }
        )

    def _forward(self, codes: Codes) -> Array:
        return np.asarray((self._lower + (codes + self._offset) * self._step - self.mean_) / self.scale_)

    def _backward(self, Z: Array) -> Array:
        position = (Z * self.scale_ + self.mean_ - self._lower) / self._step
        return np.asarray(position + 0.5 - self._offset)  # integers are rounded to the nearest
