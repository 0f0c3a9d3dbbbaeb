"""Private principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from skdpflow._validation import check_generator, check_int
from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.domain import Domain, Interval
from skdpflow.latent.rank import DIRECTION_STEPS
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.ledger import PrivacyLedger
from skdpflow.preprocessing._base import Array, Codes, DPTransformer, Plan, lattice_steps, rows_in
from skdpflow.release import Measurement, Release
from skdpflow.release.request import Demand, PlanContext, Request, Rounds
from skdpflow.release.sensitivity import of_ball, of_ones, of_squares
from skdpflow.transport.moments import denoise_eigenvalues, symmetric

#: Shares of mu**2; nearly all goes to the second moment, whose noise decides how many components can be seen.
SHARES = {"counts": 0.02, "mean": 0.06, "norms": 0.02, "second_moment": 0.90}
#: Share of the rows whose distance from the mean is left as it is; the others are pulled in to that distance.
KEPT = 0.75
#: A component is kept if its variance shows at this many times the edge of the noise: the squared cosine of the
#: released axis with its own is then 2/3, so each axis kept is signal for the most part.
MARGIN = 2.0 / np.sqrt(3.0)
#: So are further ones that hold at least this part of the variance that the components before them leave over, on
#: average over so many. To miss an axis costs what models could learn from it; to keep one that tells nothing costs a
#: little noise on the others.
LEAST_PART, AHEAD = 1.0 / 80.0, 8
#: Components hold at least this part of all variance, over the root of the number of rows: what is less is not learnt
#: from so many rows, however small the noise is.
LEAST_SHARE = 0.35
#: Where rows are many, axes may hold less if at least this part of their variance is beyond what an average axis among
#: those left over has. A model of k components learns their products, each with noise of k / (n mu). All together carry
#: k**4 / (n mu)**2, and one component more adds a cube in k. It is worth that while this part is at least the cube of
#: k over `CAPACITY` (n mu)**(2/3). That rows are a sample counts as noise of `SAMPLING_MU`.
LEAST_SIGNAL, CAPACITY, SAMPLING_MU = 0.5, 1.0 / 7.0, 0.25
#: Variance is left over if it is so many standard deviations of the noise in the trace.
LEFT_OVER = 3.0
#: Squared distances are counted in bins whose ends differ by this factor.
NORM_RATIO = 2.0**0.25
#: Bins of distances; the nearest end is the 2**-16th part of the largest squared distance.
NORM_BINS = 64
#: A component's domain ends at this many of its standard deviations.
LIMIT = 4.0


def spectrum_noise(second: Measurement, n: float) -> float:
    r"""Return the edge of the spectrum of the noise alone.

    The noise of the normalised second moment is a symmetric matrix with entries of standard deviation :math:`\sigma`
    off its diagonal and :math:`\sqrt 2 \sigma` on it, so its eigenvalues fill :math:`\pm 2 \sigma \sqrt d` [1]_.
    """
    step = float(second.params["radius"]) / float(second.params["steps"])
    d = len(second.params["centre"])
    return 2.0 * float(np.min(second.sd)) * step**2 / n * float(np.sqrt(d))


def n_kept(values: Array, variances: Array, edge: float, n: float, mu: float) -> int:
    """Return how many components to keep, of released eigenvalues and the variances along their axes, both falling."""
    before, d = np.arange(len(values)), len(values)
    explained = np.append(0.0, np.cumsum(variances))
    left = values.sum() - explained[:-1]  # the noise hardly moves the trace
    ahead = np.minimum(before + AHEAD, d)
    part = (explained[ahead] - explained[:-1]) / (ahead - before)
    share = LEAST_SHARE / np.sqrt(n) * max(float(values.sum()), 0.0)
    large = ((part >= LEAST_PART * left) | (values > MARGIN * edge)) & (np.maximum(part, variances) >= share)
    most = CAPACITY * np.cbrt(n / (1.0 / SAMPLING_MU + 1.0 / mu)) ** 2
    learnt = part - left / (d - before) >= np.maximum(LEAST_SIGNAL, ((before + 1) / most) ** 3) * part
    kept = (large | learnt) & ((left > LEFT_OVER * edge / np.sqrt(2.0)) | (values > MARGIN * edge))
    return max(int(np.argmin(np.append(kept, False))), 1)


class _Rounds:
    """The dialogue of `DPPCA` with the curator: mean, then distances from it, then the second moment around it."""

    def __init__(self, epsilon: float) -> None:
        self._epsilon = epsilon

    def __call__(self, context: PlanContext) -> Rounds:
        d = len(context.columns)
        levels = np.array([c.n_levels for c in context.columns])
        scaled: dict[str, Any] = {"n_components": 1, "levels": levels, "centre": np.zeros(d, dtype=np.int64)}
        all_rows = float(np.sqrt(d))
        ball = {**scaled, "radius": all_rows, "steps": self._steps(context, "mean", d, 1)}
        counts, mean = yield [
            Request("counts", "counts", SHARES["counts"], {"n_components": 1}),
            Request("mean", "mean", SHARES["mean"], ball),
        ]
        n = rows_in(counts)
        scaled = {**scaled, "centre": np.rint(centre_of(mean, n) * LATENT_STEPS).astype(np.int64)}
        largest = 4.0 * d * LATENT_STEPS**2
        edges = np.unique(np.rint(largest * NORM_RATIO ** -np.arange(NORM_BINS - 1.0, -1.0, -1.0)).astype(np.int64))
        (norms,) = yield [Request("norms", "norms", SHARES["norms"], {**scaled, "norm_edges": edges})]
        radius = radius_of(norms)
        steps = self._steps(context, "second_moment", d * (d + 1) / 2, 2)
        params = {**scaled, "radius": radius, "steps": steps, "pooled": True}
        yield [Request("second_moment", "second_moment", SHARES["second_moment"], params)]

    def demands(self, context: PlanContext) -> list[Demand]:
        """Return what is asked for: all but the radius and the centre is known beforehand."""
        d, neighbours = len(context.columns), context.neighbours
        products = d * (d + 1) // 2
        mean, second = self._steps(context, "mean", d, 1), self._steps(context, "second_moment", products, 2)
        return [
            Demand(SHARES["counts"], of_ones(1, neighbours), 1, 1),
            Demand(SHARES["mean"], of_ball(mean, neighbours), d, d),
            Demand(SHARES["norms"], of_ones(1, neighbours), 1, NORM_BINS + 1),
            Demand(SHARES["second_moment"], of_squares(second, neighbours), products, products),
        ]

    def _steps(self, context: PlanContext, name: str, touched: float, power: int) -> int:
        return lattice_steps(context, self._epsilon, SHARES[name], touched, power)


def centre_of(mean: Measurement, n: float) -> Array:
    """Return the noisy mean of the columns scaled to (-1, 1)."""
    step = float(mean.params["radius"]) / float(mean.params["steps"])
    return np.asarray(np.clip(mean.values[0] * step / n, -1.0, 1.0))


def radius_of(norms: Measurement) -> float:
    """Return the radius of a ball that holds most rows, from their noisy distances."""
    edges = np.asarray(norms.params["norm_edges"], dtype=np.float64)
    counts = norms.values[0].astype(np.float64)
    counts[np.abs(counts) < 2.0 * float(np.max(norms.sd))] = 0.0
    below = np.cumsum(np.maximum(counts, 0.0))
    if below[-1] <= 0.0:  # nothing stands out of the noise
        return float(np.sqrt(edges[-1]) / LATENT_STEPS / 2.0)
    # inside its bin, the quantile is taken where it would lie if the counts were even
    k = int(np.searchsorted(below, KEPT * below[-1]))
    low = edges[k - 1] if k else 0.0
    high = edges[min(k, len(edges) - 1)]
    before = below[k - 1] if k else 0.0
    share = (KEPT * below[-1] - before) / max(below[k] - before, 1e-12)
    return float(np.sqrt(low + share * (high - low)) / LATENT_STEPS)


class DPPCA(ClassNamePrefixFeaturesOutMixin, DPTransformer):
    r"""Principal components of a private second moment.

    Columns are scaled to (-1, 1) by their public domain, centred at a private mean, and projected to the leading
    eigenvectors of a private second moment [2]_. Components that cannot be told from the noise are left out.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one `fit`, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    domain : Domain, dict, (lower, upper) or None, default=None
        Public knowledge about the columns, which must be intervals and not nullable. None finds bounds privately, with
        4 % of the budget. Values outside are clipped.
    n_components : int or None, default=None
        Number of components; at most the number of columns. None keeps those whose released variance stands well
        above what the noise alone would show, and further ones as long as each holds one part in 80 of the variance
        that is left over. Where rows are many for the budget, it also keeps axes that hold well above the average of
        those left over. All hold a share of the variance that so many rows can teach. It keeps at least one.
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
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal principal axes of the scaled columns, largest variance first.
    explained_variance_ : ndarray of shape (n_components,)
        Variance of the rows along each released axis, as expected of the noise. Rows far from the mean are pulled in
        before they are summed, so it is too low where tails are long.
    noise_variance_ : float
        The variance that the noise alone would show.
    mean_ : ndarray of shape (n_features,)
        Released mean of the scaled columns.
    n_components_ : int
        Number of components.
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
    skdpflow.compose.GenerativePipeline : Learns the components of wide data.

    Notes
    -----
    Three rounds: the number of rows and the mean of vectors clipped to the ball that holds the whole domain; a
    histogram of the distances from that mean, which gives a radius :math:`R`; the sum of :math:`x x^\top` over rows
    centred and clipped to that ball, rounded to integer vectors of norm at most :math:`K`. Its sensitivity is
    :math:`K^2`, or :math:`\sqrt 2 K^2` when a row is replaced, with :math:`1/\sqrt 2` of the noise off the diagonal.

    With noise :math:`\sigma` in its entries, an eigenvalue :math:`\lambda > \sigma \sqrt d` shows at :math:`\lambda +
    \sigma^2 d / \lambda`, above the edge :math:`2 \sigma \sqrt d` [1]_. Axes inside the edge are not those of the rows,
    but together they hold the variance that is left over: the trace of the noise is small. The variance along each is
    what the eigenvalues tell of it [3]_.

    `transform` multiplies integers below :math:`2^{53}`, exactly, so each transformed row is a function of that row to
    the bit: what is fitted to them has the sensitivity that it states. Transformed rows are as private as the rows.

    References
    ----------
    .. [1] Benaych-Georges, F., Nadakuditi, R. R. (2011). The eigenvalues and eigenvectors of finite, low rank
       perturbations of large random matrices. Advances in Mathematics.
    .. [2] Dwork, C., Talwar, K., Thakurta, A., Zhang, L. (2014). Analyze Gauss: optimal bounds for privacy-preserving
       principal component analysis. STOC.
    .. [3] Bun, J., Allez, R., Bouchaud, J.-P., Potters, M. (2016). Rotational invariant estimator for general noisy
       matrices. IEEE Transactions on Information Theory, 62(12).

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.preprocessing import DPPCA
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(5000, 2)) @ rng.normal(size=(2, 10))
    >>> pca = DPPCA(epsilon=1.0, domain=(-5.0, 5.0)).fit(X)
    >>> 2 <= pca.n_components_ < 5, pca.privacy_spent_  # two, and seldom one more that is noise
    (True, (1.0, 1e-06))
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        domain: Any = None,
        n_components: int | None = None,
        neighbours: str = "add-remove",
        accountant: Any = "gdp",
        n_jobs: int | None = None,
        noise_random_state: int | None = None,
        ledger: PrivacyLedger | None = None,
    ) -> None:
        super().__init__(
            epsilon,
            delta,
            domain=domain,
            neighbours=neighbours,
            accountant=accountant,
            n_jobs=n_jobs,
            noise_random_state=noise_random_state,
            ledger=ledger,
        )
        self.n_components = n_components

    def _plan(self) -> Plan:
        k = self.n_components
        k = None if k is None else check_int(type(self).__name__, "n_components", k, 1)
        rounds = _Rounds(self.epsilon)
        return Plan("pca", {"n_components": k}, rounds, rounds.demands)

    def _check_width(self, n_features: int) -> None:
        if self.n_components is not None and self.n_components > n_features:
            raise ValueError(f"n_components={self.n_components} must be at most the number of columns, {n_features}.")

    def _learn_map(self, release: Release) -> Domain:
        second, n, d = release["second_moment"], rows_in(release["counts"]), len(release.domain)
        step = float(second.params["radius"]) / float(second.params["steps"])
        centre = np.asarray(second.params["centre"], dtype=np.int64)
        drift = centre_of(release["mean"], n) - centre / LATENT_STEPS  # the lattice moved the centre this little
        matrix = symmetric(second.values[0] * step**2, d) / n - np.outer(drift, drift) - np.eye(d) * step**2 / 12.0
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = values[::-1], vectors[:, ::-1]
        edge = spectrum_noise(second, n)
        variances = np.maximum(denoise_eigenvalues(values, edge / (2.0 * float(np.sqrt(d)))), 0.0)
        k = release.mechanism["n_components"]
        if k is None:
            mu = total_mu(tally(second.event)) / float(np.sqrt(SHARES["second_moment"]))
            k = n_kept(values, variances, edge, n, mu)
        sign = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(d)])
        shown = np.maximum(values[:k], edge)
        largest = (shown + np.sqrt(shown**2 - edge**2)) / 2.0  # an axis of the rows has at most this variance
        self.n_components_ = int(k)
        self._n_features_out = self.n_components_
        self.components_: Array = (vectors * sign).T[:k].copy()
        self.explained_variance_: Array = np.maximum(variances[:k], 1e-9)
        self.noise_variance_ = edge
        self._beside = (vectors[:, k:] * np.sqrt(variances[k:])).T
        self._centre = centre
        self._levels = np.asarray(second.params["levels"], dtype=np.float64)
        self.mean_: Array = centre / LATENT_STEPS
        # integers, so that products are exact and rows do not depend on each other
        self._directions = np.rint(self.components_.T * DIRECTION_STEPS)
        limits = LIMIT * np.sqrt(np.maximum(largest, 1e-9))
        prefix = type(self).__name__.lower()
        return Domain({f"{prefix}{j}": Interval(-float(limit), float(limit)) for j, limit in enumerate(limits)})

    def _forward(self, codes: Codes) -> Array:
        z = np.rint(((2 * codes + 1) / self._levels - 1.0) * LATENT_STEPS) - self._centre
        return np.asarray((z @ self._directions) / (LATENT_STEPS * DIRECTION_STEPS))

    def _backward(self, Z: Array) -> Array:
        return self._positions(Z @ self.components_)

    def _positions(self, v: Array) -> Array:
        """Places in the domain of rows that are scaled and centred."""
        return np.asarray((v + self.mean_ + 1.0) / 2.0 * self._levels)

    def sample_inverse(self, X: Any, *, random_state: Any = None) -> Any:
        """Map synthetic rows back into the domain, and draw what they lack: variance beside the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Synthetic rows of components.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            As from `inverse_transform`, plus normal noise with the covariance that the release shows beside the
            components, its eigenvalues shrunk for the privacy noise.
        """
        rng = check_generator(type(self).__name__, "random_state", random_state)
        Z = self._transformed(X)
        beside = rng.standard_normal((len(Z), len(self._beside))) @ self._beside
        return self._decode(self._positions(Z @ self.components_ + beside))
