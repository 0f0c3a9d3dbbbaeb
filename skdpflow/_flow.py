"""The estimator: plan, measure, learn the transport, sample."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdpflow._validation import check_choice, check_int, check_real, invalid
from skdpflow.accountants import resolve_accountant
from skdpflow.curator.gate import admit
from skdpflow.curator.measure import Budget, measure
from skdpflow.curator.noise import NoiseSource
from skdpflow.domain import Column, Domain, Interval
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.mechanisms import resolve_mechanism
from skdpflow.metrics import sliced_wasserstein_distance
from skdpflow.projections import as_sampler
from skdpflow.release import Release
from skdpflow.transport.decode import decode, decode_target
from skdpflow.transport.density import log_density
from skdpflow.transport.scale import unit_scaled

#: Rows of the synthetic sample that `score` compares with, and number of its directions.
SCORE_SAMPLES, SCORE_DIRECTIONS = 10_000, 256


class DPSlicedWassersteinFlow(BaseEstimator):
    r"""Differentially private generative model of a table by a sliced-Wasserstein flow.

    `fit` measures noisy integer statistics of the rows (the `Release`), from which everything else is computed: a
    flow of latent Gaussian particles towards the released one-dimensional distributions [1]_. Sampling is unlimited and
    costs no privacy.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one `fit`, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1); well below one over the number of rows.
    domain : Domain, dict, (lower, upper) or None, default=None
        Public knowledge about the columns of X. ``(lower, upper)`` are numbers or one per column. None finds
        bounds of numeric columns privately, with a tenth of the budget. Values outside are clipped.
    target : Categories, Interval or None, default=None
        What y is: ``Categories([...])`` class labels, ``Categories()`` labels that are found privately,
        ``Interval(lower, upper)`` a number; None ignores y.
    mechanism : {"marginals", "records"} or Mechanism, default="marginals"
        What is measured: central histograms and moments, or the paper's noisy projected records.
    projections : {"auto", "orthogonal", "uniform", "sobol", "principal"} or ProjectionSampler, default="auto"
        Chooses the directions of slices.
    accountant : {"gdp", "zcdp", "rdp", "pld"} or Accountant, default="gdp"
        Calibrates the noise to `epsilon` and `delta`.
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        Whether neighbouring tables differ by one row more, or by the content of one row.
    n_steps : int, default=2
        Passes of the flow over the slices; it stops when nothing moves.
    step_size : float, default=1.0
        Fraction of the way that particles move along each direction, in (0, 1]. The paper's step is this times the
        number of columns.
    n_particles : int, default=8192
        Particles that follow the flow; the number of rows that can be sampled is unlimited.
    n_jobs : int or None, default=None
        Threads that read the rows.
    verbose : int, default=0
        1 prints what is measured. Only released values are shown.
    random_state : int, RandomState instance or None, default=None
        Public randomness: directions and particles. It does not make `fit` reproducible, since the noise comes from
        the operating system.
    noise_random_state : int or None, default=None
        Seed of the noise, for tests and benchmarks. Whoever knows it can remove the noise: a `PrivacyLeakWarning` is
        raised and the release is marked as not private.

    Attributes
    ----------
    release_ : Release
        What the rows gave, and all that the model depends on.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` guaranteed for this fit.
    domain_ : Domain
        The columns, with bounds that were found privately filled in.
    classes_ : ndarray of shape (n_classes,)
        Class labels; only with a categorical target.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    skdpflow.Release : The released statistics; save and share them.
    skdpflow.Domain : Public knowledge about the columns.

    Notes
    -----
    Guarantee: everything that `fit` stores is a function of `release_`, which is (epsilon, delta)-differentially
    private under `neighbours`, given the public schema (names, dtypes, domain, classes). Not covered: that `fit`
    raised an error on malformed input (missing values, no rows), run time, and `score` and `score_samples` of private
    rows, which are functions of those rows.

    References
    ----------
    .. [1] Sebag, I., Pydi, M. S., Franceschi, J.-Y., Rakotomamonjy, A., Gartrell, M., Atif, J., Allauzen, A. (2023).
       Differentially private gradient flow based on the sliced Wasserstein distance. arXiv:2312.08227.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(1000, 3)), rng.integers(2, size=1000)
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(-4.0, 4.0), target=Categories([0, 1]), random_state=0)
    >>> X_new, y_new = flow.fit(X, y).sample_labeled(5, random_state=0)
    >>> X_new.shape, y_new.shape, flow.privacy_spent_
    ((5, 3), (5,), (1.0, 1e-06))
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        domain: Any = None,
        target: Column | None = None,
        mechanism: Any = "marginals",
        projections: Any = "auto",
        accountant: Any = "gdp",
        neighbours: str = "add-remove",
        n_steps: int = 2,
        step_size: float = 1.0,
        n_particles: int = 8192,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
        noise_random_state: int | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.domain = domain
        self.target = target
        self.mechanism = mechanism
        self.projections = projections
        self.accountant = accountant
        self.neighbours = neighbours
        self.n_steps = n_steps
        self.step_size = step_size
        self.n_particles = n_particles
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state
        self.noise_random_state = noise_random_state

    # ------------------------------------------------------------------ fitting

    def _transport_params(self) -> dict[str, Any]:
        name = type(self).__name__
        return {
            "n_steps": check_int(name, "n_steps", self.n_steps, 1),
            "step_size": check_real(name, "step_size", self.step_size, 0.0, 1.0, "right"),
            "n_particles": check_int(name, "n_particles", self.n_particles, 2),
        }

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure the rows within the budget, and learn the model from the measurements.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,) or None, default=None
            Private target; used if `target` says what it is.

        Returns
        -------
        self : DPSlicedWassersteinFlow
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows cannot be used; nothing is spent then, and no value of a row is shown.
        """
        name = type(self).__name__
        check_choice(name, "neighbours", self.neighbours, ("add-remove", "replace-one"))
        accountant = resolve_accountant(self.accountant)
        budget = Budget(
            check_real(name, "epsilon", self.epsilon, 0.0),
            check_real(name, "delta", self.delta, 0.0, 1.0),
            self.neighbours,
            accountant,
            self.accountant if isinstance(self.accountant, str) else repr(accountant),
        )
        transport = self._transport_params()
        mechanism = resolve_mechanism(self.mechanism, name)
        projections = as_sampler(self.projections)
        noise = NoiseSource(
            None
            if self.noise_random_state is None
            else check_int(name, "noise_random_state", self.noise_random_state, 0)
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        source = admit(self, X, y, domain=self.domain, target=self.target)
        if not noise.private:
            warnings.warn(
                "noise_random_state is set: whoever knows it can remove the noise, so this fit guarantees no privacy. "
                "Use it for tests and benchmarks only.",
                PrivacyLeakWarning,
                stacklevel=2,
            )
        release = measure(
            source,
            source.domain,
            self.target,
            mechanism,
            projections,
            budget,
            noise,
            seed=seed,
            transport=transport,
            n_jobs=self.n_jobs,
        )
        if self.verbose:
            print(release.describe())
        return self._learn(release, mechanism)

    def _learn(self, release: Release, mechanism: Any) -> Self:
        """Set every fitted attribute from a Release."""
        self.release_ = release
        self.privacy_spent_ = (release.epsilon, release.delta) if release.private else (float("inf"), 1.0)
        self.domain_: Domain = release.domain
        self.n_features_in_ = len(release.domain)
        names = release.schema.feature_names
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        if release.classes is not None:
            self.classes_ = np.asarray(decode_target(np.arange(len(release.classes)), release.target, release.schema))
        self._mechanism = mechanism
        self._model = mechanism.learn(release)
        return self

    @classmethod
    def from_release(cls, release: Release, *, mechanism: Any = None) -> Self:
        """Build the fitted estimator that `release` came from, without any rows.

        Parameters
        ----------
        release : Release
            What a fit released.
        mechanism : Mechanism or None, default=None
            The mechanism object, where it is not one of the package's own.

        Returns
        -------
        flow : DPSlicedWassersteinFlow
            With the attributes that `fit` gave, and samples equal to the bit.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(200, 2))
        >>> flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
        >>> again = DPSlicedWassersteinFlow.from_release(flow.release_)
        >>> bool((flow.sample(5, random_state=0) == again.sample(5, random_state=0)).all())
        True
        """
        if not isinstance(release, Release):
            raise invalid(cls.__name__, "release", "a Release; Release.load reads one from a file", release)
        transport = {k: v for k, v in release.transport.items() if k in ("n_steps", "step_size", "n_particles")}
        resolved = resolve_mechanism(release.mechanism if mechanism is None else mechanism, cls.__name__)
        flow = cls(
            release.epsilon,
            release.delta,
            domain=release.domain,
            target=release.target,
            mechanism=resolved,
            neighbours=release.neighbours,
            **transport,
        )
        return flow._learn(release, resolved)

    def refit(self) -> Self:
        """Learn the model again from `release_` with the current transport parameters; spends nothing.

        Returns
        -------
        self : DPSlicedWassersteinFlow
            With the model that `n_steps`, `step_size` and `n_particles` now give.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(200, 2))
        >>> flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
        >>> flow.set_params(n_steps=5).refit().privacy_spent_
        (1.0, 1e-06)
        """
        check_is_fitted(self)
        transport = {**self.release_.transport, **self._transport_params()}
        release = self.release_.with_transport(transport)
        return self._learn(release, self._mechanism)

    # ------------------------------------------------------------------ sampling

    def _draw(self, leaf: NDArray[np.int64], rng: np.random.Generator) -> tuple[Any, Any]:
        release = self.release_
        positions = self._model.sample(leaf, rng)
        d = len(release.domain)
        X = decode(positions[:, :d], release.domain, release.schema)
        if release.target is None:
            return X, None
        y = positions[:, d] if release.numeric_target else leaf
        return X, decode_target(y, release.target, release.schema)

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Any:
        """Draw synthetic rows; free of privacy cost, as often as you like.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness; None gives new rows at every call.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            In the container, with the names, order and dtypes that `fit` was given.
        """
        check_is_fitted(self)
        n = check_int(type(self).__name__, "n_samples", n_samples, 0)
        rng = _generator(random_state)
        return self._draw(self._model.draw_leaves(n, rng), rng)[0]

    def sample_labeled(
        self, n_samples: int = 1, *, proportions: Mapping[Any, float] | None = None, random_state: Any = None
    ) -> tuple[Any, Any]:
        """Draw synthetic rows with their targets; only when fitted with a target.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        proportions : mapping of class to float or None, default=None
            Wanted share of each class, summing to one; classes that are not named get none. None takes the
            released class frequencies.
        random_state : int, RandomState instance, Generator or None, default=None
            Public randomness; None gives new rows at every call.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array or series of shape (n_samples,)
            Labels or values.

        Raises
        ------
        ValueError
            If the model has no target, or a proportion does not fit the classes.
        """
        check_is_fitted(self)
        if self.release_.target is None:
            raise ValueError(
                f"This {type(self).__name__} has no target to sample: set `target` and pass y to fit. (With "
                "Categories(), labels are found privately; on little data none may be found.)"
            )
        n = check_int(type(self).__name__, "n_samples", n_samples, 0)
        rng = _generator(random_state)
        if proportions is None:
            leaf = self._model.draw_leaves(n, rng)
        else:
            leaf = rng.choice(len(self._model.weights), size=n, p=self._proportions(proportions))
        return self._draw(leaf, rng)

    def _proportions(self, proportions: Mapping[Any, float]) -> NDArray[np.float64]:
        classes = self.release_.classes
        if classes is None:
            raise ValueError("proportions need a target with classes: target=Categories([...]).")
        unknown = [k for k in proportions if k not in classes]
        p = np.array([float(proportions.get(c, 0.0)) for c in classes])
        if unknown or not (p >= 0).all() or not np.isclose(p.sum(), 1.0):
            raise ValueError(
                f"proportions must map classes of {list(classes)} to shares that are not negative and sum to one."
            )
        return p / p.sum()

    # ------------------------------------------------------------------ scoring

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the sliced Wasserstein-2 distance between X and a synthetic sample; higher is better.

        Numeric columns are scaled to the unit interval by the domain, categories are one-hot encoded.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows to compare with. The result is a function of them and is not covered by the guarantee.
        y : None
            Ignored.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        source = admit(self, X, domain=self.domain_, reset=False)
        real = np.concatenate([unit_scaled(codes, self.domain_) for _, codes, _ in source.blocks(self.domain_)])
        rng = np.random.default_rng(self.release_.transport["seed"])
        positions = self._model.sample(self._model.draw_leaves(SCORE_SAMPLES, rng), rng)
        codes = np.floor(positions[:, : len(self.domain_)]).astype(np.int64)
        synthetic = unit_scaled(codes, self.domain_)
        return -sliced_wasserstein_distance(
            real, synthetic, n_projections=SCORE_DIRECTIONS, seed=int(self.release_.transport["seed"])
        )

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        r"""Log-density of rows under the learned model.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows. The result is a function of them and is not covered by the guarantee if they are private.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            With respect to the Lebesgue measure on continuous columns and the counting measure on integers and
            categories; -inf for rows outside the domain. A numeric target is integrated out.

        Notes
        -----
        For continuous columns it is the density of the flow at the row, rounded to the lattice of the domain. The mass
        of an integer or category is the integral of the density over its cell: it is bounded from below by the mean of
        the log-density over a fixed public point set (Jensen's inequality).
        """
        check_is_fitted(self)
        source = admit(self, X, domain=self.domain_, reset=False)
        columns = self.domain_.columns
        numeric = [j for j, c in enumerate(columns) if isinstance(c, Interval)]
        lower = np.array([columns[j].lower for j in numeric])
        upper = np.array([columns[j].upper for j in numeric])
        out = []
        for start, stop in source.spans():
            density = log_density(self._model, source.block(start, stop, self.domain_)[0], self.domain_)
            x = source.numbers(start, stop, numeric)
            density[((x < lower) | (x > upper)).any(axis=1)] = -np.inf
            out.append(density)
        return np.concatenate(out)

    def __sklearn_tags__(self) -> Tags:
        """Declare what scikit-learn should know: results are random, and columns may hold strings."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def _generator(random_state: Any) -> np.random.Generator:
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1, size=4))
