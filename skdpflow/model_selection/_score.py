"""A private score: the mean of a term of each row, with noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdpflow._flow.parameters import warn_if_seeded
from skdpflow._isolation import Replica
from skdpflow._validation import check_int, check_noise_seed, invalid
from skdpflow.accountants.base import Accountant
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
from skdpflow.curator.fits import check_demands
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.scoring import SCORINGS, RowScorer
from skdpflow.domain import Categories, Column, Interval
from skdpflow.ledger import PrivacyLedger

#: Part of a score's budget that finds the number of rows, where that is private.
COUNT_SHARE = 0.4


def check_scoring(owner: str, scoring: object, estimator: Any, target: Column | None) -> Column:
    """Check a scoring, and return what y is."""
    if not (isinstance(scoring, str) and scoring in SCORINGS):
        raise invalid(
            owner,
            "scoring",
            f"a str among {sorted(SCORINGS)}: a private score is a mean of terms of single rows, within bounds. The "
            "area under a ROC curve compares rows with each other, and in R2 a single row counts without bounds",
            scoring,
        )
    method = SCORINGS[scoring][0]
    if not callable(getattr(estimator, method, None)):
        raise ValueError(f"scoring={scoring!r} needs an estimator with the method {method}.")
    if scoring == "neg_mean_absolute_error":
        if not isinstance(target, Interval):
            raise invalid(owner, "target", "an Interval, which bounds the error of a row, with this scoring", target)
    elif not isinstance(target, Categories) or not target.declared:
        raise invalid(owner, "target", "a Categories([...]) of the classes, with this scoring", target)
    return target


def dp_score(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scoring: str = "accuracy",
    epsilon: float = 0.1,
    delta: float = 1e-6,
    target: Column | None = None,
    max_rows: int = 10_000,
    neighbours: str = "add-remove",
    accountant: str | Accountant = "gdp",
    ledger: PrivacyLedger | None = None,
    noise_random_state: int | None = None,
) -> float:
    r"""Score a fitted model on private rows, within a budget of its own.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier or regressor. What it knows of the rows must have been released already, as
        for `TrainOnSynthetic`; and its prediction for a row must be a function of that row, see the notes. A copy of it
        is scored.
    X : {array-like, pandas.DataFrame, polars.DataFrame} of shape (n_samples, n_features)
        Private rows.
    y : array-like of shape (n_samples,)
        Private targets.
    scoring : {"accuracy", "neg_brier_score", "neg_mean_absolute_error"}, default="accuracy"
        Fraction of rows whose class is right; minus half the squared distance of the probabilities from the class;
        minus the absolute error, as a fraction of the width of `target`.
    epsilon : float, default=0.1
        Budget of this score, under the relation `neighbours`.
    delta : float, default=1e-6
        Probability with which the guarantee may fail, in (0, 1).
    target : Categories, Interval or None, default=None
        What y is; None takes the classes of the estimator. Needed for numbers, which are clipped to the Interval.
    max_rows : int, default=10_000
        Rows to score, drawn at random if there are more. Each is predicted by itself, which takes time.
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        Whether neighbouring tables differ by one row more, or by the content of one row. The number of rows is private
        under the first, and then a part of the budget is spent on it.
    accountant : {"gdp", "zcdp", "rdp", "pld"} or Accountant, default="gdp"
        Calibrates the noise.
    ledger : PrivacyLedger or None, default=None
        Budget of the data set, debited before any noise is drawn.
    noise_random_state : int or None, default=None
        Seed of the noise, for tests and benchmarks; nothing is guaranteed then.

    Returns
    -------
    score : float
        Higher is better. In [0, 1], or in [-1, 0] where the name begins with ``neg_``.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not valid or the rows cannot be used; nothing is spent then.
    BudgetExceededError, LedgerError
        If the ledger has too little left or cannot record; nothing is spent then.

    See Also
    --------
    DPSearchCV : Chooses parameters by such scores.

    Notes
    -----
    The score is a function of a noisy sum and, under ``"add-remove"``, of a noisy number of rows. The term of a row is
    in [0, 1] and depends on that row alone, since each is predicted by itself: so one row changes the sum of
    :math:`2t - 1` by at most 1 (2 under ``"replace-one"``), and the number of rows by 1. A row that cannot be predicted
    has the term 0, so that no error tells about a row.

    Rows are copied before they are predicted, and random generators in the model, and the global ones of NumPy and
    Python, are set back before each. But an estimator of your own that keeps something else of a row and uses it for
    the next one cannot be recognised, and nothing is guaranteed for its score.

    With :math:`\mu` that of (epsilon, delta), the standard error that comes from the noise is about
    :math:`0.65 / (\mu n)` for n rows, at a score near a half, and at most :math:`1 / (\mu n)`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> from skdpflow.compose import TrainOnSynthetic
    >>> from skdpflow.model_selection import dp_score
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> y = np.where(X[:, 0] > 0, "high", "low")
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(-4.0, 4.0), target=Categories(["high", "low"]))
    >>> model = TrainOnSynthetic(LogisticRegression(), flow).fit(X[:1500], y[:1500])
    >>> 0.8 < dp_score(model, X[1500:], y[1500:], epsilon=1.0) <= 1.0
    True
    """
    name = "dp_score"
    check_is_fitted(estimator)
    if target is None and hasattr(estimator, "classes_"):
        target = Categories(np.asarray(estimator.classes_).tolist())
    target = check_scoring(name, scoring, estimator, target)
    max_rows = check_int(name, "max_rows", max_rows, 1)
    if not isinstance(ledger, PrivacyLedger | None):
        raise invalid(name, "ledger", "a PrivacyLedger or None", ledger)
    budget = Budget.checked(name, epsilon, delta, neighbours, accountant)
    noise_seed = check_noise_seed(name, noise_random_state)
    replica, noise = Replica(estimator), NoiseSource(noise_seed)
    scorer = RowScorer(name, X, y, target, scoring, budget.neighbours, noise)
    warn_if_seeded(noise_seed)
    curator = Curator(scorer.source, budget, noise)
    count_share = COUNT_SHARE if budget.neighbours == "add-remove" else 0.0
    check_demands(curator, scorer.demands(count_share, 1.0 - count_share), budget.neighbours)
    if ledger is not None:
        ledger.debit(curator.whole_event, f"score ({budget.epsilon:g}, {budget.delta:g})", neighbours=budget.neighbours)
    scorer.count(curator, count_share, max_rows)
    return scorer.score(replica, curator, 1.0 - count_share)
