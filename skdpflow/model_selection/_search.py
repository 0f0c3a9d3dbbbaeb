"""A search for parameters with one guarantee for all that it does."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.parameters import SEEDED, warn_of_score
from skdpflow._isolation import Replica, sealed
from skdpflow._ownership import hold
from skdpflow._validation import check_choice, check_int, check_noise_seed, check_real, invalid
from skdpflow.accountants import ComposedEvent, Event, GaussianDPAccountant, NonPrivateEvent, RestsOn
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.repetition import number_of_trials
from skdpflow.compose._generators import releases_of
from skdpflow.curator.curator import Curator
from skdpflow.curator.fits import check_demands
from skdpflow.curator.gate import admit
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.scoring import RowScorer
from skdpflow.domain import Column
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.joint import Terms
from skdpflow.ledger.lineage import hand_on, payer_of
from skdpflow.model_selection._score import check_scoring
from skdpflow.model_selection._space import check_domain, check_space, draw_candidate
from skdpflow.model_selection._trial import (
    TrialAllocation,
    check_candidate,
    check_fit,
    check_labels,
    give_back,
    give_budget,
    paying_steps,
)
from skdpflow.release.mismatch import warn_of_mismatch
from skdpflow.release.statement import PrivacyStatement
from skdpflow.release.unverified import naming_unverified
from skdpflow.sampling.writable import check_writable


def _best_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return hasattr(getattr(self, "best_estimator_", self.estimator), method)

    return check


class DPSearchCV(MetaEstimatorMixin, BaseEstimator):
    r"""Search for the best parameters of a private model, with one guarantee for the whole search.

    A random number of trials is made. Each draws parameters at random, fits the estimator to all rows with noise, and
    scores it on them with noise. Only the trial with the best noisy score is released: its parameters, its model and
    its score. So the whole costs a few times one trial, and not the sum of all [1]_ [2]_.

    Parameters
    ----------
    estimator : TrainOnSynthetic
        The model to search over; its generator is a `DPSlicedWassersteinFlow`, or a `GenerativePipeline` of private
        steps. The search sets the generator's `epsilon` and `delta` in each trial. Classes have to be declared. The
        model must not be verbose or have a ``memory``. Predictions are scored as `dp_score` says.
    param_distributions : dict or list of dict
        Parameters, such as ``"estimator__C"`` or ``"generator__mechanism__n_bins"``, with a list of values or a
        distribution with a method ``rvs``, as for `RandomizedSearchCV`. Values are drawn independently, with
        replacement. From a list of dicts, one is drawn first. All of it is public. What is declared about the rows (the
        relation, domain, target and ``public_labels``) is the same in all.
    n_iter : float, default=10
        Mean of the number of trials, in [1.01, 500]. The number itself is random and never known.
    scoring : {"accuracy", "neg_brier_score", "neg_mean_absolute_error"}, default="accuracy"
        A mean of terms of single rows, as for `dp_score`.
    epsilon : float, default=1.0
        Budget of the whole search, at most 10, under the neighbouring relation of the generator.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    distribution : {"poisson", "truncated-negative-binomial"}, default="poisson"
        Of the number of trials, which is at least 1. ``"poisson"`` keeps it close to its mean; with the other, few
        trials are likely, and many cheap.
    shape : float, default=1.0
        Of the truncated negative binomial distribution, in [0, 100]: 1 is the geometric distribution, 0 the
        logarithmic one.
    score_share : float, default=0.1
        Part of a trial's budget that its score gets, in (0, 1).
    max_rows : int, default=5000
        Rows that models are scored on, drawn at random if there are more. Each is predicted by itself, which takes
        time.
    ledger : PrivacyLedger or None, default=None
        Budget of the data set, with ``accountant="rdp"``. The whole search is debited once, before any noise is drawn.
        It is then the ledger of `best_estimator_`, too, for fits of its clones.
    noise_random_state : int or None, default=None
        Seed of the noise, the trials and their number, for tests and benchmarks; nothing is guaranteed then.

    Attributes
    ----------
    best_params_ : dict
        Parameters of the winning trial.
    best_estimator_ : TrainOnSynthetic
        Its model. Its Releases state what the whole search was allowed, and so do those of its clones, with what these
        are allowed, as their parameters were chosen by the search.
    best_score_ : float
        Its noisy score. The best of several noisy scores is too high by about their noise.
    best_index_ : int
        Always 0: the winning trial is the only one that is known.
    cv_results_ : dict of arrays of shape (1,)
        The winning trial alone, with the keys that scikit-learn uses.
    privacy_spent_ : tuple of float
        ``(epsilon, delta)`` of all that `fit` did; ``(inf, 1.0)`` if the noise was seeded.
    event_ : Event
        What the search was allowed at most, for an accountant to recompute.
    scorer_ : str
        The scoring.
    classes_ : ndarray of shape (n_classes,)
        Class labels; only with a classifier.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    dp_score : The score alone.
    skdpflow.accountants.RepeatAndSelectEvent : What the search is to an accountant.

    Notes
    -----
    *Why it is private.* A trial draws parameters, fits, and scores; all trials are alike and independent. Its fit and
    its score are Gaussian mechanisms, with one curve of Renyi divergences whatever the parameters are. The number of
    trials is drawn from the entropy of the operating system, independently of the rows. For the best of such trials,
    the curve of the whole follows from that of one
    (:func:`skdpflow.accountants.repetition.repeated_divergences`). The noise of a trial is calibrated such that this
    meets (epsilon, delta), with the noisy number of rows included. That parameters are drawn in secret matters: if it
    were known what the fifth trial would be, its victory would say that there were five. So there is no
    `random_state` for them.

    *Folds.* There are none. Which fold a row is in would depend on the rows before it, and each fold would see fewer
    rows. Fit and score read the same rows and are charged one after the other. A model that is :math:`\mu`-Gaussian
    differentially private knows little of any single row: its expected score on a row that it was fitted to is at most
    :math:`2 \Phi(\mu / 2) - 1` above that on a new one, and far less in practice.

    *Failures.* A trial that fails, which it can only do by what it released, has the lowest score. No warning of a
    trial is shown, and nothing that Python code prints in it. Callbacks of scikit-learn are taken off the copies that
    are tried, so no trial calls them, and the winner has none. The global random generators of NumPy and Python have a
    fresh state in each trial, and their old one afterwards; other threads should not draw from them meanwhile. How long
    a search takes tells how many trials there were, and is not covered, nor is what an estimator writes to files, to a
    log, from compiled code or from processes of its own: keep it to yourself.

    References
    ----------
    .. [1] J. Liu, K. Talwar. "Private Selection from Private Candidates". STOC 2019.
    .. [2] N. Papernot, T. Steinke. "Hyperparameter Tuning with Renyi Differential Privacy". ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> from skdpflow.compose import TrainOnSynthetic
    >>> from skdpflow.model_selection import DPSearchCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> y = np.where(X[:, 0] > 0, "high", "low")
    >>> flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories(["high", "low"]))
    >>> model = TrainOnSynthetic(LogisticRegression(), flow)
    >>> search = DPSearchCV(model, {"estimator__C": [1e-6, 1.0]}, n_iter=4, epsilon=2.0).fit(X, y)
    >>> search.best_estimator_.predict([[2.0, 0.0]]).shape, search.privacy_spent_
    ((1,), (2.0, 1e-06))
    """

    classes_: NDArray[Any]
    feature_names_in_: NDArray[Any]

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: float = 10,
        scoring: str = "accuracy",
        epsilon: float = 1.0,
        delta: float = 1e-6,
        distribution: str = "poisson",
        shape: float = 1.0,
        score_share: float = 0.1,
        max_rows: int = 5000,
        ledger: PrivacyLedger | None = None,
        noise_random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.scoring = scoring
        self.epsilon = epsilon
        self.delta = delta
        self.distribution = distribution
        self.shape = shape
        self.score_share = score_share
        self.max_rows = max_rows
        self.ledger = ledger
        self.noise_random_state = noise_random_state

    # ------------------------------------------------------------------ before anything is read

    def _allocation(self) -> TrialAllocation:
        name = type(self).__name__
        check_candidate(name, self.estimator)
        generator = self.estimator.generator
        if not isinstance(self.ledger, PrivacyLedger | None):
            raise invalid(name, "ledger", "a PrivacyLedger or None", self.ledger)
        if self.ledger is not None and self.ledger.accountant != "rdp":
            raise ValueError(
                f"The guarantee of a search is a curve of Renyi divergences, which a ledger with accountant="
                f"{self.ledger.accountant!r} cannot compose. Use PrivacyLedger(..., accountant='rdp')."
            )
        return TrialAllocation(
            budget=Budget.checked(
                name,
                check_real(name, "epsilon", self.epsilon, 0.0, 10.0, "right"),
                self.delta,
                paying_steps(generator)[-1].neighbours,
                "rdp",
            ),
            mean=check_real(name, "n_iter", self.n_iter, 1.01, 500.0, "both"),
            distribution=check_choice(
                name, "distribution", self.distribution, ("poisson", "truncated-negative-binomial")
            ),
            shape=check_real(name, "shape", self.shape, 0.0, 100.0, "both"),
            score_share=check_real(name, "score_share", self.score_share, 0.0, 1.0),
            n_steps=len(paying_steps(generator)),
        )

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Search, within the budget.

        Parameters
        ----------
        X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,)
            Private target.

        Returns
        -------
        self : DPSearchCV
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not valid or the rows cannot be used; nothing is spent then. Also if the winning trial,
            and so every trial, failed: the budget is spent then.
        BudgetExceededError, LedgerError
            If the ledger has too little left or cannot record; nothing is spent then.
        """
        name = type(self).__name__
        allocation, spaces = self._allocation(), check_space(name, self.param_distributions)
        generator = self.estimator.generator
        target = check_scoring(name, self.scoring, self.estimator, paying_steps(generator)[-1].target)
        max_rows = check_int(name, "max_rows", self.max_rows, 1)
        noise = NoiseSource(check_noise_seed(name, self.noise_random_state))
        multiplier = allocation.calibrated()
        mu_fit = np.sqrt(1.0 - allocation.score_share) / multiplier
        candidates = self._candidates(allocation, spaces, mu_fit, noise, target)
        first = copy.copy(paying_steps(generator)[0])
        source = admit(first, X, y, domain=first.domain, target=target)
        if source.domain is not None and source.domain.undeclared:
            raise ValueError(
                f"{name} needs declared categories: Categories([...]) for {list(source.domain.undeclared)}. Finding "
                "them has a threshold, and so no curve of Renyi divergences."
            )
        check_writable(source.table_schema, source.declared, target)
        for _, candidate in candidates:
            check_domain(name, candidate, source)
            with sealed(noise.rank_key()):
                check_fit(candidate.generator, X, y)
        budget = allocation.budget
        neighbours = budget.neighbours
        with warnings.catch_warnings(action="ignore"):  # which the gate has given
            scorer = RowScorer(name, X, y, target, self.scoring, neighbours, noise)
        gdp = GaussianDPAccountant()
        mu_score = np.sqrt(allocation.score_share) / multiplier
        epsilon = allocation.epsilon_for(mu_score, gdp)
        part = Budget(epsilon, allocation.delta_each, neighbours, gdp, "gdp")
        for demand in scorer.demands(1.0, 1.0):  # each in a curator of its own
            check_demands(Curator(scorer.source, part, noise), [demand], neighbours)

        event = allocation.event(multiplier)
        if not noise.private:
            event = ComposedEvent((event, NonPrivateEvent()))
            warnings.warn(SEEDED, PrivacyLeakWarning, stacklevel=2)
        head, payer = None, payer_of(self, seeded=not noise.private)
        if payer is not None:  # one entry: the time between two would tell how many trials there were
            what = f"search ({budget.epsilon:g}, {budget.delta:g})"
            head = payer.debit(event, what, neighbours=neighbours)
        terms = Terms((RestsOn(event, contains=True),), (budget.epsilon, budget.delta))
        for _, candidate in candidates:
            paid = replace(candidate.generator.ledger, head=head, terms=terms)
            candidate.generator.set_params(ledger=paid)
        scorer.count(Curator(scorer.source, part, noise), 1.0, max_rows)
        trials = (_trial(c, X, y, scorer, Curator(scorer.source, part, noise), noise.rank_key()) for c in candidates)
        params, candidate, score, failure = max(trials, key=_score_of)
        del candidates, trials  # an error holds what is here
        if failure:
            raise ValueError(
                f"The winning trial failed ({failure}), and so did all others. The budget of the search is spent. Fit "
                "`estimator` to rows that are not private, to see what is wrong."
            )
        give_back(candidate, generator, self.ledger)
        self._learn(params, candidate, score, event)
        hold(candidate, self)
        warn_of_mismatch(*releases_of(candidate.generator_).values())
        return self

    def _candidates(
        self, allocation: TrialAllocation, spaces: list[dict[str, Any]], mu: float, noise: NoiseSource, target: Column
    ) -> list[tuple[dict[str, Any], Any]]:
        """Draw the number of trials and the candidates, before any row is read."""
        name, candidates = type(self).__name__, []
        number = number_of_trials(
            float(noise.uniform(1)[0]), allocation.mean, allocation.distribution, allocation.shape
        )
        for _ in range(number):
            with sealed(noise.rank_key()):
                params, candidate = draw_candidate(name, self.estimator, spaces, noise.rank_key())
                check_scoring(name, self.scoring, candidate, target)
                give_budget(candidate, allocation, mu, private=noise.private)
                if not noise.private:
                    for step in paying_steps(candidate.generator):
                        step.set_params(noise_random_state=noise.rank_key() % 2**31)
            candidates.append((params, candidate))
        return candidates

    def _learn(self, params: dict[str, Any], model: Any, score: float, event: Event) -> None:
        """Set the attributes from the winning trial."""
        self.best_params_, self.best_score_, self.best_index_ = params, score, 0
        self.best_estimator_ = model
        self.cv_results_ = {
            "params": [params],
            "mean_test_score": np.array([score]),
            "rank_test_score": np.array([1], dtype=np.int32),
            **{f"param_{key}": _masked(value) for key, value in params.items()},
        }
        self.event_, self.scorer_ = event, self.scoring
        self.privacy_spent_: tuple[float, float] = model.privacy_spent_
        self.n_features_in_: int = model.n_features_in_
        for attribute in ("classes_", "feature_names_in_"):
            if hasattr(model, attribute):
                setattr(self, attribute, getattr(model, attribute))
            elif attribute in vars(self):  # of an earlier fit
                delattr(self, attribute)

    # ------------------------------------------------------------------ the best model

    @available_if(_best_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predict with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities of the classes with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    @available_if(_best_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Compute the decision function of the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the model gives it.
        """
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    @available_if(_best_has("score"))
    def score(self, X: Any, y: Any) -> float:
        """Score the best model on rows; not covered by the guarantee if they are private, unlike `dp_score`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            True targets.

        Returns
        -------
        score : float
            Accuracy or R2, as the model scores.
        """
        check_is_fitted(self)
        warn_of_score(self)
        return float(self.best_estimator_.score(X, y))

    def sample(self, n_samples: int = 1, **params: Any) -> Any:
        """Draw synthetic rows from the generator of the best model; free of privacy cost.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        **params : dict
            Passed to the generator's `sample`: ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        """
        check_is_fitted(self)
        return self.best_estimator_.generator_.sample(n_samples, **params)

    def sample_labeled(self, n_samples: int | None = None, **params: Any) -> tuple[Any, Any]:
        """Draw synthetic rows with their targets from the generator of the best model.

        Parameters
        ----------
        n_samples : int or None, default=None
            Number of rows; None leaves it to the generator, as where `y` has an entry for each.
        **params : dict
            Passed to the generator's `sample_labeled`: ``y``, ``proportions`` and ``random_state``, for instance.

        Returns
        -------
        X : {ndarray, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
            Rows.
        y : array or series of shape (n_samples,)
            Labels or values.
        """
        check_is_fitted(self)
        return self.best_estimator_.generator_.sample_labeled(n_samples, **params)

    def privacy_statement(self) -> PrivacyStatement:
        """State what the search guarantees, what that rests on, and what it does not cover.

        Returns
        -------
        statement : PrivacyStatement
            ``print`` it, or keep its `to_json` beside what you publish.
        """
        check_is_fitted(self)
        return naming_unverified(cast(PrivacyStatement, self.best_estimator_.privacy_statement()), self)

    def __sklearn_clone__(self) -> Self:
        """Return a clone that knows how often the two were fitted without a ledger."""
        return hand_on(self, super().__sklearn_clone__())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_estimator_")

    def __sklearn_tags__(self) -> Tags:
        """Behave as the estimator does."""
        tags = get_tags(self.estimator)
        tags.non_deterministic = True
        return tags


def _trial(
    candidate: tuple[dict[str, Any], Any], X: Any, y: Any, scorer: RowScorer, curator: Curator, key: int
) -> tuple[dict[str, Any], Any, float, str]:
    """Fit and score one candidate; nothing is heard of it, and if it fails, it loses."""
    params, model = candidate
    with sealed(key):
        try:
            model.fit(X, y)
            check_labels(model)
            return params, model, scorer.score(Replica(model), curator, 1.0), ""
        except Exception as error:
            return params, model, -math.inf, type(error).__name__


def _score_of(trial: tuple[dict[str, Any], Any, float, str]) -> float:
    return trial[2]


def _masked(value: Any) -> np.ma.MaskedArray[Any, Any]:
    """Return a value as the columns of scikit-learn's results hold them."""
    array = np.ma.MaskedArray(np.empty(1, dtype=object), mask=False)
    array[0] = value
    return array
