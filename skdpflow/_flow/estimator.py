"""The estimator: its parameters, its fits, and how it comes back from a Release or a file."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.base import BaseFlow
from skdpflow._flow.federated import release_of_sites
from skdpflow._flow.files import load_flow
from skdpflow._flow.parameters import (
    TRANSPORT,
    Parameters,
    check_all,
    check_transport,
    checked_mechanism,
    same_mechanism,
    warn_if_seeded,
)
from skdpflow._flow.plan import FitPlan
from skdpflow._flow.rows import continued_release, first_release, rehearsed
from skdpflow._flow.tasks import Tasks
from skdpflow._ownership import check_free
from skdpflow._validation import check_real, invalid
from skdpflow.domain import Column
from skdpflow.exceptions import ReleaseError
from skdpflow.federation.coordinator import Federation
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.lineage import hand_on, learns_from, lineage_of
from skdpflow.mechanisms import resolve_mechanism
from skdpflow.release import Release
from skdpflow.release.mismatch import warn_of_mismatch


class DPSlicedWassersteinFlow(CallbackSupportMixin, BaseFlow):
    r"""Differentially private generative model of a table by a sliced-Wasserstein flow.

    `fit` measures noisy integer statistics of the rows (the `Release`), from which everything else is
    computed: a flow of latent Gaussian particles towards the released one-dimensional distributions [1]_.
    Sampling is unlimited and costs no privacy.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one `fit`, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1); well below one over the number of rows.
    domain : Domain, dict, (lower, upper) or None, default=None
        Public knowledge about the columns of X. ``(lower, upper)`` are numbers or one per column. None finds
        bounds of numeric columns privately, with 4 % of the budget. Cells outside are no error: see `Domain`.
    target : Categories, Interval or None, default=None
        What y is: ``Categories([...])`` class labels, ``Categories()`` labels that are found privately,
        ``Interval(lower, upper)`` a number; None ignores y.
    mechanism : {"marginals", "records"} or Mechanism, default="marginals"
        What is measured: central histograms and moments, or the paper's noisy projected records.
    projections : {"auto", "orthogonal", "uniform", "sobol", "principal"} or sampler, default="auto"
        Chooses the directions of slices.
    accountant : {"gdp", "zcdp", "rdp", "pld"} or Accountant, default="gdp"
        Calibrates the noise to `epsilon` and `delta`.
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        Whether neighbouring tables differ by one row more, or by the content of one row.
    n_steps : int, default=2
        Passes of the flow over the slices; it stops when nothing moves.
    step_size : float, default=1.0
        Fraction of the way that particles move along each direction, in (0, 1]. The paper's step is this
        times the number of columns.
    n_particles : int, default=8192
        Particles that follow the flow; the number of rows that can be sampled is unlimited.
    n_jobs : int or None, default=None
        Threads that read the rows; workers, if a `TableFile` is shared and joblib has a backend that starts some.
    verbose : int, default=0
        1 prints what is measured. 2 prints rounds as well, and the share of the rows that is read. Only released values
        are shown.
    random_state : int, RandomState instance, Generator or None, default=None
        Public randomness: directions and particles. It does not make `fit` reproducible, since the noise
        comes from the operating system.
    noise_random_state : int or None, default=None
        Seed of the noise, for tests and benchmarks. Whoever knows it can remove the noise: a
        `PrivacyLeakWarning` is raised and the release is marked as not private.
    ledger : PrivacyLedger or None, default=None
        Budget of the data set. `fit` debits its own whole budget from it before any noise is drawn.
        It belongs to the data and not to the model: `save`, `load` and `from_release` leave it out, so a later
        `fit` of such a flow is charged only if it is given the ledger again.

    Attributes
    ----------
    release_ : Release
        What the rows gave, and all that the model depends on.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` guaranteed for all that `release_` holds; ``(inf, 1.0)`` if the noise was seeded.
    domain_ : Domain
        The columns, with bounds that were found privately filled in.
    classes_ : ndarray of shape (n_classes,)
        Class labels; only with a categorical target.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    skdpflow.Release : The released statistics; save and share them.
    skdpflow.Domain : Public knowledge about the columns.

    Notes
    -----
    Guarantee: everything that `fit` stores is a function of `release_`, which is (epsilon,
    delta)-differentially private under `neighbours`, given the public schema (names, dtypes, domain,
    classes). Not covered: that `fit` raised an error (for no rows; without a domain, for missing values), run time,
    and `score` and `score_samples` of private rows, which are functions of those rows.

    References
    ----------
    .. [1] Sebag, I., Pydi, M. S., Franceschi, J.-Y., Rakotomamonjy, A., Gartrell, M., Atif, J., Allauzen,
       A. (2023). Differentially private gradient flow based on the sliced Wasserstein distance.
       arXiv:2312.08227.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(1000, 3)), rng.integers(2, size=1000)
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(-4.0, 4.0), target=Categories([0, 1]))
    >>> X_new, y_new = flow.fit(X, y).sample_labeled(5)
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
        ledger: PrivacyLedger | None = None,
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
        self.ledger = ledger

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure the rows within the budget, and learn the model from the measurements.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame, TableFile} of shape (n_samples, n_features), or Federation
            Private rows, or the sites that hold them.
        y : array-like of shape (n_samples,) or None, default=None
            Private target; used if `target` says what it is.

        Returns
        -------
        self : DPSlicedWassersteinFlow
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows cannot be used: nothing is spent then, and no value of a
            row is shown.
        BudgetExceededError, LedgerError
            If the ledger has too little left or cannot record: nothing is spent or measured then.

        Warns
        -----
        DomainMismatchWarning
            If the released counts say that rows lie outside of the declared columns or classes.

        Notes
        -----
        Parameters, rows and what the plan could need of memory and of the floating-point slack are checked first. Then
        the ledger is debited the whole budget, and noise is drawn. An error after that (an interrupt, a mechanism
        that fails) leaves no new Release, but the debit stays in the ledger. Without a ledger, count the whole budget
        as spent, too.
        """
        check_free(self)
        given, tasks = Parameters.of(self), Tasks(self, "fit")
        warn_if_seeded(given.noise_seed)
        if isinstance(X, Federation):
            release = release_of_sites(self, X, y, given)
        else:
            release = first_release(self, X, y, given, tasks)
        if given.verbose:
            print(release.privacy_statement())
        self._learn(release, given.mechanism)
        tasks.end()
        warn_of_mismatch(release)
        return self

    @with_callbacks
    def continue_fit(self, X: Any, y: Any = None, *, extra_epsilon: float) -> Self:
        r"""Measure the rows again with a further budget, and improve the model by it.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            The private rows that `fit` was given.
        y : array-like of shape (n_samples,) or None, default=None
            Their target, if `fit` had one.
        extra_epsilon : float
            Added to the epsilon of the Release, under its relation and at its delta.

        Returns
        -------
        self : DPSlicedWassersteinFlow
            With a Release of all measurements, old and new; `privacy_spent_` is their total guarantee.

        Raises
        ------
        ValueError, TypeError
            If the mechanism cannot do it or is not the one of the Release, `extra_epsilon` is too small to pay for
            anything, the first fit had a ledger and this one has none, the rows cannot be used, or the flow is a part
            of a fitted pipeline, search or the like, which states the guarantee of the fit that it has: nothing is
            spent then.
        BudgetExceededError, LedgerError
            If the ledger has too little left, does not know of the first fit, or cannot record: nothing is
            spent or measured then.

        Notes
        -----
        Going from :math:`\varepsilon` to :math:`\varepsilon + \varepsilon'` costs :math:`\mu^2(\varepsilon +
        \varepsilon') - \mu^2(\varepsilon)` of Gaussian privacy, so two steps buy what one would have, but for what the
        first spent on parameters that stay (bins, the latent space). What was measured is measured again and
        averaged by its precision; tables that only the larger budget pays for are added. The domain, classes, relation
        and delta are those of the Release, whatever the parameters say now.

        The total holds for every row that was in X at any time. The statistics are averaged as those of one table: rows
        that came or went in between make the model worse, not less private. `extra_epsilon` has to be fixed before
        the first Release is looked at; where it is decided later, the guarantee is the budget of the `ledger`. The
        ledger is debited the increment, or all if it does not know of the first fit.

        Parameters and rows are checked first. Then the ledger is debited, and noise is drawn. An error after that
        leaves the Release as it was, but the debit stays in the ledger. Without a ledger, count `extra_epsilon` as
        spent, too.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(500, 2))
        >>> flow = DPSlicedWassersteinFlow(epsilon=0.5, domain=(0, 1)).fit(X)
        >>> flow.continue_fit(X, extra_epsilon=0.25).privacy_spent_
        (0.75, 1e-06)
        """
        check_is_fitted(self)
        extra = check_real(type(self).__name__, "extra_epsilon", extra_epsilon, 0.0)
        given, (mechanism, _) = Parameters.of(self), same_mechanism(self, self.release_, measures=True)
        check_free(self)
        warn_if_seeded(given.noise_seed)
        tasks = Tasks(self, "continue_fit")
        release = continued_release(self, X, y, given, mechanism, extra, tasks)
        if given.verbose:
            print(release.privacy_statement())
        self._learn(release, mechanism)
        tasks.end()
        warn_of_mismatch(release)
        return self

    def plan(self, *, n_guess: int, n_features: int | None = None, n_classes: int | None = None) -> FitPlan:
        """Tell what `fit` would measure and how accurate that would be; sees no data and spends nothing.

        Parameters
        ----------
        n_guess : int
            Public guess of the number of rows.
        n_features : int or None, default=None
            Number of columns; None takes it from `domain`.
        n_classes : int or None, default=None
            Number of classes; None takes it from `target`. If `target` is None, it plans for labels of that many
            classes.

        Returns
        -------
        plan : FitPlan
            Rounds, shares, noise and expected accuracy; ``print`` it.

        Raises
        ------
        ValueError
            If a parameter is not valid, or a number is missing or contradicts what is declared.

        Notes
        -----
        The plan of `fit` depends on what is released along the way. So a fit is rehearsed, by the same code, on
        `n_guess` made-up rows: spread over their domains, in classes of equal size that differ a little. It takes about
        as long as a fit on that many rows. What real rows are like changes later rounds somewhat: whether
        classes are described apart or together, and which two-way tables are chosen.

        Examples
        --------
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> plan = DPSlicedWassersteinFlow(epsilon=1.0, domain=(0, 1)).plan(n_guess=1000, n_features=4, n_classes=2)
        >>> print(str(plan).splitlines()[0])
        (epsilon, delta) = (1, 1e-06), neighbours: add-remove, mechanism: marginals
        """
        return rehearsed(self, n_guess, n_features, n_classes)

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
            With the attributes that `fit` gave, and samples equal to the bit. Parameters that a Release does
            not hold (projections, accountant, seeds) have their defaults.

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
        flow = cls(
            release.epsilon,
            release.delta,
            domain=release.domain,
            target=release.target,
            mechanism=resolve_mechanism(release.mechanism if mechanism is None else mechanism, cls.__name__),
            neighbours=release.neighbours,
            **{name: release.transport[name] for name in TRANSPORT},
        )
        check_transport(flow)  # a file may hold anything
        if release.private:
            lineage_of(flow).note(release.cap, release.before, release.neighbours)
        gave_domain = "bounds" in release or "levels" in release or release.handed_domain
        if release.before or gave_domain or "labels" in release:  # which decided what is a parameter here
            learns_from(flow, release, gave_domain=gave_domain)
        return flow._learn(release, checked_mechanism(flow))

    @classmethod
    def load(cls, file: Any, **parameters: Any) -> Self:
        """Read a fitted flow from what `save`, or `Release.save`, wrote.

        Parameters
        ----------
        file : path or binary file object
            What to read.
        **parameters : dict
            Constructor parameters that take the place of those in the file, such as a mechanism of your own class.

        Returns
        -------
        flow : DPSlicedWassersteinFlow
            With the attributes that `fit` gave, and samples equal to the bit.

        Raises
        ------
        OSError
            If there is no such file.
        ReleaseError
            If the file is damaged, of another format or version, asks for too much memory, or holds no flow.
        ValueError, TypeError
            If a parameter is not valid here.

        Examples
        --------
        >>> import io, numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(200, 2))
        >>> file = io.BytesIO()
        >>> DPSlicedWassersteinFlow(epsilon=2.0, domain=(0, 1), accountant="zcdp").fit(X).save(file)
        >>> DPSlicedWassersteinFlow.load(file)
        DPSlicedWassersteinFlow(accountant='zcdp', domain=(0, 1), epsilon=2.0)
        """
        release, saved = load_flow(file)
        known = {name: value for name, value in saved.items() if name in cls().get_params(deep=False)}
        declared, problem = {"domain", "target"} <= set(known), None
        try:  # a file may hold anything
            known |= {name: parameters[name] for name in ("mechanism",) if name in parameters}
            flow = cls.from_release(release, mechanism=known.get("mechanism")).set_params(**known)
            check_all(flow)
            flow._model.sample(np.arange(len(flow._model.components)), np.random.default_rng(0))
        except Exception as e:
            if "mechanism" in parameters:
                raise
            problem = str(e) if isinstance(e, ValueError | TypeError) else type(e).__name__
        if problem is not None:
            raise ReleaseError(f"The file holds no flow that can be learnt again: {problem}")
        if not release.before and declared:
            vars(flow).pop("_learnt_from", None)
        flow.set_params(**parameters)
        check_all(flow)
        return flow

    def __sklearn_clone__(self) -> Self:
        """Return a clone that knows how often the two were fitted without a ledger."""
        return hand_on(self, super().__sklearn_clone__())

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that two fits differ, since each draws fresh noise, and which cells are errors."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        # with a domain, no cell is an error
        tags.input_tags.allow_nan = tags.input_tags.string = self.domain is not None
        return tags
