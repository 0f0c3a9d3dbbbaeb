"""Private quantile transform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.base import OneToOneFeatureMixin

from skdpflow._validation import check_choice, check_int
from skdpflow.domain import Domain, Interval
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.ledger import PrivacyLedger
from skdpflow.mechanisms.marginals.histograms import bin_edges, rank_transform
from skdpflow.preprocessing._base import Array, Codes, DPTransformer, Plan
from skdpflow.release import Release
from skdpflow.release.request import PlanContext, Request, Rounds


class DPQuantileTransformer(OneToOneFeatureMixin, DPTransformer):
    r"""Map numeric columns to uniform or normal ones by privately released distribution functions.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one `fit`, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    domain : Domain, dict, (lower, upper) or None, default=None
        Public knowledge about the columns, which must be intervals and not nullable. None finds bounds privately, with
        4 % of the budget. Values outside are clipped.
    n_bins : int, default=64
        Bins of the histogram of a column; integer columns of at most as many values get a bin for each value.
    output_distribution : {"uniform", "normal"}, default="uniform"
        What the columns become: uniform in [0, 1], or standard normal, cut at four standard deviations.
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
    DPStandardScaler : Needs less budget, and keeps the shapes of the columns.

    Notes
    -----
    Histograms of all :math:`d` columns: a row adds one to one bin of each, so the sensitivity is :math:`\sqrt d`, or
    :math:`\sqrt{2d}` when a row is replaced. Counts are denoised at their known noise. The map is strictly
    increasing, so `inverse_transform` undoes it up to the lattice of the domain.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.preprocessing import DPQuantileTransformer
    >>> X = np.random.default_rng(0).exponential(size=(20_000, 1))
    >>> quantiles = DPQuantileTransformer(epsilon=1.0, domain=(0.0, 20.0)).fit(X)
    >>> np.round(quantiles.transform([[0.0], [np.log(2)], [20.0]]).ravel(), 1).tolist()
    [0.0, 0.5, 1.0]
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        domain: Any = None,
        n_bins: int = 64,
        output_distribution: str = "uniform",
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
        self.n_bins = n_bins
        self.output_distribution = output_distribution

    def _plan(self) -> Plan:
        name = type(self).__name__
        n_bins = check_int(name, "n_bins", self.n_bins, 2)
        output = check_choice(name, "output_distribution", self.output_distribution, ("uniform", "normal"))

        def rounds(context: PlanContext) -> Rounds:
            edges = [bin_edges(c, n_bins, n_bins) for c in context.columns]
            params = {
                "n_components": 1,
                "columns": np.arange(len(edges)),
                "edges": np.concatenate(edges),
                "edge_sizes": np.array([len(e) for e in edges]),
            }
            yield [Request("histograms", "histograms", 1.0, params)]

        return Plan("quantile_transformer", {"n_bins": n_bins, "output_distribution": output}, rounds)

    def _learn_map(self, release: Release) -> Domain:
        m = release["histograms"]
        total = max(float(m.values.sum()) / len(release.domain), 1.0)
        transform = rank_transform(m, None, release.domain.columns, total, clip=True)
        # rows keep their places inside a bin: without random ranks, to spread it would be to lose them
        self._transform = replace(transform, spreads=[np.zeros((0, 2))] * len(release.domain))
        self._normal = release.mechanism["output_distribution"] == "normal"
        ends = (-LATENT_LIMIT, LATENT_LIMIT) if self._normal else (0.0, 1.0)
        return Domain({name: Interval(*ends) for name in release.domain})

    def _forward(self, codes: Codes) -> Array:
        z = self._transform.to_latent(codes, 0.5)
        return z if self._normal else np.asarray(ndtr(z))

    def _backward(self, Z: Array) -> Array:
        z = Z if self._normal else ndtri(np.clip(Z, 0.0, 1.0))
        return self._transform.from_latent(np.clip(z, -LATENT_LIMIT, LATENT_LIMIT))
