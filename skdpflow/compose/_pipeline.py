"""Pipelines that sample, with one budget for all steps that read the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, Tags
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.parameters import warn_of_score
from skdpflow._ownership import check_free, hold
from skdpflow._validation import check_generator
from skdpflow.accountants import ComposedEvent
from skdpflow.compose._budget import split_budget, terms_of_step
from skdpflow.compose._steps import (
    check_fit,
    check_fits,
    check_steps,
    forward,
    is_passthrough,
    learn_nothing,
    pays,
)
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.joint import SingleUseDebit
from skdpflow.ledger.lineage import checked_ledger, hand_on, learns_from, payer_of, terms_of
from skdpflow.preprocessing import DPPCA
from skdpflow.release import Release
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified


class GenerativePipeline(Pipeline):
    r"""A Pipeline that ends with a generator, samples through all its steps, and has one budget.

    `fit` splits the budget over the steps that look at the rows, hands each its share and the domain that the step
    before it released, and refuses steps that would look without paying. `sample` goes back through all of them; what a
    `DPPCA` leaves out of the rows is drawn (`sample_inverse`).

    Parameters
    ----------
    steps : list of (str, estimator)
        Transformers and, last, a `DPSlicedWassersteinFlow`. A transformer is one of `skdpflow.preprocessing`, or one
        that learns nothing (a `FunctionTransformer`, say), or one that was fitted on public data, in a
        `sklearn.frozen.FrozenEstimator`. The latter two are applied to each row by itself. All have
        `inverse_transform`. The statement names a subclass of what pays that
        overrides `fit`, as unverified. ``"passthrough"`` does nothing.
    epsilon : float, default=1.0
        Privacy budget of one `fit` of all steps together, under the neighbouring relation that they share.
        It replaces the `epsilon` of the steps, and `delta` their `delta`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    weights : mapping of str to float or None, default=None
        Relative shares of the steps that pay, by name. None gives the generator four times what each transformer gets.
    ledger : PrivacyLedger or None, default=None
        Budget of the data set. `fit` debits all steps together from it, once, before any noise is drawn. Steps must not
        have a ledger of their own. Like that of a flow, it belongs to the data and not to the model.

    Attributes
    ----------
    steps_ : list of (str, estimator)
        The fitted steps. The pipeline's own indexing, ``pipe["flow"]``, gives them too. They cannot be fitted or
        continued by themselves, which would make `privacy_spent_` false; clones of them can.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` guaranteed for this fit; ``(inf, 1.0)`` if the noise of a step was seeded.
    releases_ : dict of str to Release
        What the rows gave to each step, and all that the pipeline depends on. That of a later step rests on those
        before it: its epsilon is that of the pipeline, whether it is published alone or with them.
    classes_ : ndarray of shape (n_classes,)
        Class labels; only with a categorical target.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where the first step knows them.

    See Also
    --------
    skdpflow.preprocessing.DPPCA : For wide data.

    Notes
    -----
    Steps compose as Gaussian mechanisms: with :math:`\mu` that of the whole budget, a step of weight :math:`w_i` gets
    :math:`\mu_i^2 = \mu^2 w_i / \sum_j w_j`, and the epsilon that belongs to it at `delta`. The sum of these epsilons
    is larger than `epsilon`; what all steps together guarantee is `epsilon`. A part of it is held back for the
    floating-point slack of each step, and a part of delta for labels that are found privately.

    A row passes the steps as a function of itself alone and of what was released before, so each step's
    sensitivity is what it states. There is no ``memory``: a cache would write private rows to a disk.

    *Public steps* have to be functions of the row alone. One that draws random numbers, or remembers rows, is found by
    trying it on public rows, and refused before anything is spent. Each private row is then given to a copy of the
    step, with the random generators of the step, of NumPy and of Python set back (these two are those of the process:
    no other thread may draw from them meanwhile). What a step keeps outside of itself, in variables of a module or
    of the function around it, cannot be copied: it must not depend on rows.

    *Why the whole keeps its budget.* Let :math:`(\varepsilon, \delta)` be that of the pipeline, :math:`n` the number of
    steps that pay, and :math:`l` the part of delta for labels that are found (0 if they are declared). A step holds
    back the parts :math:`s` and :math:`d` of its own epsilon and delta for floating-point arithmetic.

    1. :math:`\mu` is such that :math:`\mu`-Gaussian privacy implies privacy with
       :math:`\varepsilon' = \varepsilon (1 - n s)` and
       :math:`\delta' = \delta (1 - n d) e^{-n s \varepsilon} - l \delta`.
    2. Step :math:`i` gets :math:`\mu_i`, with :math:`\sum_i \mu_i^2 = \mu^2`, and :math:`\varepsilon_i`, the exact
       epsilon of :math:`\mu_i`-Gaussian privacy at :math:`\delta`. As :math:`\mu_i \le \mu` and
       :math:`\delta \ge \delta'`, it is at most :math:`\varepsilon'`. None of these depends on the rows.
    3. The accountant of the step chooses a noise multiplier :math:`m_i` for which it states an epsilon of at most
       :math:`\varepsilon_i (1 - s)`, at a delta below :math:`\delta`. The exact epsilon is no larger than what it
       states, and falls as delta grows: at :math:`\delta` it is below :math:`\varepsilon_i`. It grows with mu, so
       :math:`1 / m_i < \mu_i`. This takes the accountant to be right, and is checked for each step before its noise is
       drawn.
    4. In exact arithmetic, step :math:`i` is a filter with the cap :math:`1 / m_i^2`, fixed beforehand, and has the
       thresholds of labels, which spend :math:`l \delta`. Neighbouring tables are neighbours still after a map of
       single rows, and the map is a function of what was released before. So all steps together are adaptively
       composed mechanisms, whose :math:`\mu^2` never add up to more than :math:`\sum_i \mu_i^2 = \mu^2`: they are
       :math:`\mu`-Gaussian private [1]_, but for :math:`l \delta`.
    5. By 1, that is :math:`(\varepsilon', \delta' + l \delta)`-privacy.
    6. By 2, the slacks of all steps add up to at most :math:`n s \varepsilon` and :math:`n d \delta`. With them, what
       is drawn is private with :math:`\varepsilon' + n s \varepsilon = \varepsilon` and
       :math:`e^{n s \varepsilon} (\delta' + l \delta) + n d \delta = \delta`, see
       :class:`skdpflow.accountants.SlackEvent`.
    7. A ledger is charged, for each step, a Gaussian event of :math:`\mu_i`, its slack of :math:`s \varepsilon_i` and
       :math:`d \delta`, and a threshold of :math:`l \delta`. By 3, the cap of the step's Release is no more than that,
       part by part. So the entry covers all caps together.

    References
    ----------
    .. [1] A. Smith, A. Thakurta. "Fully Adaptive Composition for Gaussian Differential Privacy". 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.compose import GenerativePipeline
    >>> from skdpflow.preprocessing import DPPCA
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(5000, 2)) @ rng.normal(size=(2, 10))
    >>> pipe = GenerativePipeline([("pca", DPPCA(domain=(-5.0, 5.0))), ("flow", DPSlicedWassersteinFlow())])
    >>> pipe.fit(X).sample(3).shape, pipe.privacy_spent_
    ((3, 10), (1.0, 1e-06))
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        weights: Mapping[str, float] | None = None,
        ledger: PrivacyLedger | None = None,
    ) -> None:
        super().__init__(steps)
        self.epsilon = epsilon
        self.delta = delta
        self.weights = weights
        self.ledger = ledger

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit all steps within the budget.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,) or None, default=None
            Private target; used if the generator's ``target`` says what it is.

        Returns
        -------
        self : GenerativePipeline
            Fitted; `steps` keep their parameters.

        Raises
        ------
        ValueError, TypeError
            If a step or parameter is not valid, a step could need more memory or floating-point slack than there is, or
            the first step that pays refuses the rows: nothing is spent then. If a later step refuses what earlier ones
            make of them (a public step that fails on a row; more components than the generator can do with, where
            `DPPCA` chooses their number), what earlier steps spent is spent, and a ledger has been charged for all.
        BudgetExceededError
            If the ledger has too little left, before any row is read: nothing is spent or measured then.
        LedgerError
            If the ledger cannot record: nothing is spent or measured then.
        """
        check_free(self)
        paying = self._check_steps()
        whole = ComposedEvent(tuple(part.event for part in self._parts(paying).values()))
        neighbours = self.steps[-1][1].neighbours
        ledger = checked_ledger(self)
        payer = payer_of(self, seeded=any(step.noise_random_state is not None for _, step in paying))
        what = f"pipeline ({self.epsilon:g}, {self.delta:g})"
        if isinstance(ledger, PrivacyLedger) and ledger.what_if(whole) > ledger.epsilon:
            ledger.debit(whole, what, neighbours=neighbours)  # which refuses it, before any row is read
        given, parts = self._check_fit(X, y)
        head = None
        fitted: list[tuple[str, Any]] = []
        earlier: Release | None = None
        rows, domain = X, None
        for name, step in given:
            if is_passthrough(step):
                fitted.append((name, step))
                continue
            if name in parts:
                if domain is not None:
                    step.set_params(domain=domain)
                if earlier is None:  # nothing was spent yet
                    if rows is not X:
                        parts[name].check(check_fit(step, rows, y), name, neighbours=neighbours)
                    head = None if payer is None else payer.debit(whole, what, neighbours=neighbours)
                whole_budget = float(self.epsilon), float(self.delta)
                terms = terms_of_step(terms_of(payer), earlier, whole_budget, len(parts), handed=domain is not None)
                part = replace(parts[name], head=head, terms=terms)
                step.set_params(ledger=part).fit(rows, y).set_params(ledger=None)
                if earlier is not None:  # clones of this step rest on it, too
                    learns_from(step, earlier, gave_domain=domain is not None)
                earlier, domain = step.release_, getattr(step, "domain_out_", None)
            else:
                domain = None
                learn_nothing(step, rows)
            fitted.append((name, step))
            if len(fitted) < len(self.steps):
                rows = forward(name, step, rows)
        for _, step in fitted:
            if pays(step):
                hold(step, self)
        self.steps_ = fitted
        self._paid = list(parts)
        self.privacy_spent_ = fitted[-1][1].privacy_spent_  # it rests on all steps
        return self

    def _check_steps(self) -> list[tuple[str, Any]]:
        """Check all steps; returns those that pay."""
        return check_steps(type(self).__name__, self.steps, reserved=self.get_params(deep=False))

    def _parts(self, paying: list[tuple[str, Any]]) -> dict[str, SingleUseDebit]:
        return split_budget(type(self).__name__, self.epsilon, self.delta, paying, self.weights)

    def _check_fit(self, X: Any, y: Any) -> tuple[list[tuple[str, Any]], dict[str, SingleUseDebit]]:
        """Refuse what `fit` would refuse, and spend nothing; returns steps with their shares, and what pays for them.

        Rows that public steps make of X are checked in `fit`.
        """
        parts, neighbours = self._parts(self._check_steps()), self.steps[-1][1].neighbours
        given = [(name, step if is_passthrough(step) else clone(step)) for name, step in self.steps]
        for name, step in given:
            if name in parts:
                step.set_params(epsilon=parts[name].budget.epsilon, delta=self.delta)
        for name, event in check_fits(given, X, y).items():
            parts[name].check(event, name, neighbours=neighbours)
        return given, parts

    def privacy_statement(self) -> PrivacyStatement:
        """State what all steps guarantee together, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self)
        public = {
            name: type(s).__name__ for name, s in self.steps_ if not (is_passthrough(s) or name in self.releases_)
        }
        last = self.steps_[-1][1].release_
        statement = PrivacyStatement.of(self.releases_, last.epsilon, last.delta, public_steps=public)
        return naming_unverified(statement, self, *(step for _, step in self.steps_ if pays(step)))

    def _back(self, X: Any, rng: np.random.Generator) -> Any:
        for _, step in reversed(self.steps_[:-1]):
            if isinstance(step, DPPCA):
                X = step.sample_inverse(X, random_state=rng)
            elif not is_passthrough(step):
                X = step.inverse_transform(X)
        return X

    def sample(self, n_samples: int | None = None, **params: Any) -> Any:
        """Draw synthetic rows; free of privacy cost, as often as you like.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows; None leaves it to the generator, which takes as many as its Release estimates.
        **params : dict
            Passed to the generator's `sample`: ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            As the first step gives them back.
        """
        check_is_fitted(self)
        rng = check_generator(type(self).__name__, "random_state", params.pop("random_state", None))
        return self._back(self.steps_[-1][1].sample(n_samples, random_state=rng, **params), rng)

    def sample_labeled(self, n_samples: int | None = None, **params: Any) -> tuple[Any, Any]:
        """Draw synthetic rows with their targets; only if the generator has a target.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows; None leaves it to the generator, as where `y` has an entry for each.
        **params : dict
            Passed to the generator's `sample_labeled`: ``y``, ``proportions`` and ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            As the first step gives them back.
        y : array or series of shape (n_samples,)
            Labels or values.
        """
        check_is_fitted(self)
        rng = check_generator(type(self).__name__, "random_state", params.pop("random_state", None))
        X, y = self.steps_[-1][1].sample_labeled(n_samples, random_state=rng, **params)
        return self._back(X, rng), y

    def _transformed(self, X: Any) -> Any:
        check_is_fitted(self)
        for name, step in self.steps_[:-1]:
            X = forward(name, step, X)
        return X

    def score(self, X: Any, y: Any = None) -> float:
        """Score the generator on transformed rows; not covered by the guarantee if they are private.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            What the generator's `score` says.
        """
        rows = self._transformed(X)
        warn_of_score(self)
        return float(self.steps_[-1][1].score(rows))

    def score_samples(self, X: Any) -> Any:
        """Log-density of transformed rows, in the coordinates of the generator.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows. The result is not covered by the guarantee if they are private.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            What the generator's `score_samples` says.
        """
        rows = self._transformed(X)
        warn_of_score(self)
        return self.steps_[-1][1].score_samples(rows)

    def __getitem__(self, ind: Any) -> Any:
        """Return a step, or a plain Pipeline of some: fitted ones after `fit`."""
        return Pipeline(getattr(self, "steps_", self.steps))[ind]

    @property
    def named_steps(self) -> Bunch:
        """The steps by name: fitted ones after `fit`."""
        return Pipeline(getattr(self, "steps_", self.steps)).named_steps

    @property
    def releases_(self) -> dict[str, Release]:
        """What the rows gave to each step, and all that the pipeline depends on."""
        return {name: step.release_ for name, step in self._fitted("steps_") if name in self._paid}

    @property
    def classes_(self) -> Any:
        """Class labels; only with a categorical target."""
        return self._fitted("steps_")[-1][1].classes_

    @property
    def n_features_in_(self) -> int:
        """Number of columns seen in `fit`."""
        return int(self._first_step().n_features_in_)

    @property
    def feature_names_in_(self) -> Any:
        """Names of the columns, where X had names that are all strings."""
        return self._first_step().feature_names_in_

    def _first_step(self) -> Any:
        return next(step for _, step in self._fitted("steps_") if not is_passthrough(step))

    def _fitted(self, name: str) -> Any:
        if name not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted.")
        return vars(self)[name]

    def __sklearn_clone__(self) -> Self:
        """Return a clone that knows how often the two were fitted without a ledger."""
        return hand_on(self, super().__sklearn_clone__())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "steps_")

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that two fits differ, since each draws fresh noise."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags
