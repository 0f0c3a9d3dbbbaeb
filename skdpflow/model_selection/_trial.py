"""What one trial of a search may do, and how a candidate is given its part of the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._flow.parameters import Parameters
from skdpflow._flow.rows import check_fit as check_fit_of_flow
from skdpflow._validation import check_n_jobs, invalid
from skdpflow.accountants import (
    ComposedEvent,
    Event,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    SlackEvent,
    calibrate,
)
from skdpflow.accountants.base import Accountant, accountant_name, resolve_accountant
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.repetition import steepness
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK
from skdpflow.compose import GenerativePipeline, TrainOnSynthetic
from skdpflow.compose._budget import split_budget
from skdpflow.compose._generators import check_generator_of, check_target_for, releases_of
from skdpflow.compose._steps import PAYING, is_passthrough, pays
from skdpflow.domain.categories import is_undeclared
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.joint import SingleUseDebit
from skdpflow.ledger.lineage import learns_from, sources_of


@dataclass(frozen=True)
class TrialAllocation:
    r"""How the budget of a whole search is allocated to its trials.

    Parameters
    ----------
    budget : Budget
        What the whole search may spend.
    mean : float
        Mean number of trials.
    distribution : {"poisson", "truncated-negative-binomial"}
        Distribution of their number.
    shape : float
        Its shape.
    score_share : float
        Part of a trial's :math:`\mu^2` that its score gets.
    n_steps : int
        Number of steps of a candidate that look at the rows; each holds back a share of epsilon and of delta for
        floating-point arithmetic.

    Notes
    -----
    A trial fits a candidate and releases its score: two Gaussian mechanisms, whose noise is the one number that is
    calibrated, so that the Renyi curve of the whole search meets (epsilon, delta). Each then gets the (epsilon, delta)
    to which its own calibration answers with that noise.

    The floating-point slack of a trial has two parts. The log-ratio by which probabilities may be off is part of the
    trial's curve. With a small probability a trial is off by more: that of a bad draw, at most the share that its steps
    hold back of the delta that they were given. What such draws do to the best of all trials is said in
    :func:`skdpflow.accountants.repetition.steepness`: a little slack, for any epsilon that is stated in the end.
    """

    budget: Budget
    mean: float
    distribution: str
    shape: float
    score_share: float
    n_steps: int

    @property
    def counts(self) -> bool:
        """Whether the number of rows is private, and so is released once with noise."""
        return self.budget.neighbours == "add-remove"

    @property
    def delta_each(self) -> float:
        """Delta with which the parts of a trial are calibrated; small, so that each has an epsilon above 0."""
        return self.budget.delta / (4.0 * self.mean)

    @property
    def bad_draw(self) -> float:
        """Probability of a bad draw in a trial."""
        return self.delta_each * (self.n_steps + 1) * DELTA_SLACK

    @property
    def slack_epsilon(self) -> float:
        """What a trial may be off by, in the logarithm; each part of it asks for less than twice epsilon.

        A trial given that it has no bad draw is off by the logarithm of its probability, too, in both neighbours.
        """
        return 2.0 * self.budget.epsilon * (self.n_steps + 1) * EPSILON_SLACK + 4.0 * self.bad_draw

    def event(self, multiplier: float) -> Event:
        """Return the event of the whole search, for the noise multiplier of one trial."""
        score = GaussianEvent(multiplier / math.sqrt(self.score_share))
        trial = ComposedEvent((GaussianEvent(multiplier / math.sqrt(1.0 - self.score_share)), score))
        best = RepeatAndSelectEvent(
            trial,
            self.mean,
            self.distribution,  # type: ignore[arg-type]
            self.shape,
            self.slack_epsilon,
        )
        steep = steepness(self.mean, self.distribution, self.shape)
        slack = SlackEvent(
            2.0 * self.budget.epsilon * EPSILON_SLACK + (2.0 * steep + 4.0) * self.bad_draw,
            self.mean * self.bad_draw + self.delta_each * DELTA_SLACK,  # the latter of the number of rows
        )
        return ComposedEvent((best, *((score,) if self.counts else ()), slack))

    def fit_event(self, mu: float, n_steps: int, *, private: bool = True) -> Event:
        """Return what the fit of one trial may do at most."""
        slack = SlackEvent(2.0 * self.budget.epsilon * n_steps * EPSILON_SLACK, self.delta_each * n_steps * DELTA_SLACK)
        return ComposedEvent((GaussianEvent(1.0 / mu), slack, *(() if private else (NonPrivateEvent(),))))

    def calibrated(self) -> float:
        """Return the noise multiplier of one trial."""
        return calibrate(self.event, self.budget.epsilon, self.budget.delta, self.budget.accountant)

    def epsilon_for(self, mu: float, accountant: Accountant, n_steps: int = 1) -> float:
        """Return the epsilon that stands for a given noise, for an estimator that calibrates with `delta_each`."""

        def exact(epsilon: float) -> tuple[float, float]:
            """Return what is left of epsilon and delta without slack."""
            slack = epsilon * n_steps * EPSILON_SLACK
            return epsilon - slack, self.delta_each * (1.0 - n_steps * DELTA_SLACK) * math.exp(-slack)

        epsilon = 0.0
        for _ in range(3):  # the slack hardly changes
            epsilon = accountant.epsilon(_measuring(1.0 / mu), exact(epsilon)[1]) / (1.0 - n_steps * EPSILON_SLACK)
        if not 0.0 < epsilon <= 2.0 * self.budget.epsilon:
            raise ValueError(
                f"The accountant {accountant_name(accountant)} needs more than twice the epsilon of the search for one "
                "trial, at the small delta of a trial. Use accountant='gdp' in the generator."
            )
        step = 1e-9
        while 1.0 / calibrate(_measuring, *exact(epsilon), accountant) > mu:
            epsilon *= 1.0 - step
            step *= 2.0
        return epsilon


def _measuring(multiplier: float) -> Event:
    """Return the event that a curator calibrates: an accountant may treat a composition in a way of its own."""
    return ComposedEvent((GaussianEvent(multiplier),))


def paying_steps(generator: Any) -> list[Any]:
    """Return what looks at the rows in a generator, the first one first."""
    if isinstance(generator, GenerativePipeline):
        return [step for _, step in generator.steps if not is_passthrough(step)]
    return [generator]


def check_candidate(owner: str, estimator: Any) -> None:
    """Refuse an estimator whose trials would not be private, or would fail; sees no rows.

    After these checks, and those of the rows at the gate, a fit can fail only by what it released. So whether it fails
    is as private as the fit.
    """
    if not isinstance(estimator, TrainOnSynthetic):
        raise invalid(
            owner,
            "estimator",
            "a TrainOnSynthetic, whose generator looks at the rows with noise and whose model does not look at them: "
            "TrainOnSynthetic(LogisticRegression(), DPSlicedWassersteinFlow(...))",
            estimator,
        )
    generator = estimator.generator
    check_generator_of(owner, generator, "sample_labeled")
    if not isinstance(generator, DPSlicedWassersteinFlow | GenerativePipeline):
        raise invalid(
            owner, "generator", "a DPSlicedWassersteinFlow or a GenerativePipeline of private steps", generator
        )
    check_target_for(owner, generator, estimator.estimator)
    target = paying_steps(generator)[-1].target
    if is_undeclared(target):
        raise ValueError(
            f"{owner} needs declared classes: target=Categories([...]). Finding labels has a threshold, and so no "
            "curve of Renyi divergences."
        )
    steps = paying_steps(generator)
    public = [type(step).__name__ for step in steps if not pays(step)]
    if public:
        known = ", ".join(kind.__name__ for kind in PAYING)
        raise ValueError(
            f"The steps {public} of the generator are none of {known}: what does not pay may fail on a row in some "
            "trials and not in others. Transform the rows before the search, and search with the rest."
        )
    _check_silent(owner, estimator)
    for step in (generator, *steps):
        for parameter in ("ledger", "noise_random_state"):
            if getattr(step, parameter, None) is not None:
                raise ValueError(
                    f"The generator of {owner} must not have a {parameter}: the search has one for all its trials."
                )
    if sources_of(estimator) or sources_of(generator):
        raise ValueError(
            f"The parameters of the generator of {owner} were learnt from a Release of rows (by a search, from_release "
            "or a pipeline), and a search cannot say what its winner then rests on. Search with a new generator, whose "
            "parameters you set yourself, and with the ledger that all this is charged to. Nothing was spent."
        )
    for step in steps:
        Budget.of(step)
        check_n_jobs(type(step).__name__, step.n_jobs)
    Parameters.of(clone(steps[-1]))  # a random_state must not move on
    if isinstance(generator, GenerativePipeline):
        paying = generator._check_steps()
        split_budget(owner, generator.epsilon, generator.delta, paying, generator.weights)


def _check_silent(owner: str, estimator: Any) -> None:
    """Refuse a model that would write in every trial, as their number is secret; what generators print is dropped."""
    for key, value in estimator.get_params().items():
        name = key.rpartition("__")[2] if key.startswith("estimator__") else ""
        if name in ("verbose", "verbosity") and isinstance(value, Real | np.bool_) and float(value) > 0.0:
            raise ValueError(
                f"{key}={value!r} would print in every trial of {owner}, and so tell how many there are. Set it to 0."
            )
        if name == "memory" and value is not None:
            raise ValueError(
                f"{key!r} would be given something in every trial of {owner}, and so tell how many there are. Set it "
                "to None."
            )


def declarations(generator: Any) -> tuple[Any, Any, bool]:
    """Return what a generator declares about the rows: the relation, y, and whether the classes of rows are public."""
    last = paying_steps(generator)[-1]
    return last.neighbours, last.target, bool(getattr(last.mechanism, "public_labels", False))


def check_labels(estimator: TrainOnSynthetic) -> None:
    """Refuse a fit that took the class of every row for public, although its mechanism did not declare it."""
    releases = releases_of(estimator.generator_).values()
    shown = any(r.classes is not None and any(m.kind == "records" for m in r.measurements) for r in releases)
    if shown and not declarations(estimator.generator)[2]:
        raise ValueError("The mechanism shows the class of every row, and has no parameter public_labels=True.")


def give_budget(estimator: TrainOnSynthetic, allocation: TrialAllocation, mu: float, *, private: bool = True) -> None:
    """Set the epsilon and delta of a candidate, so that its fit has the noise of a trial, and no less."""
    generator = estimator.generator
    n_steps = len(paying_steps(generator))
    if n_steps > allocation.n_steps:
        raise ValueError("A candidate must not have more private steps than the estimator of the search.")
    gdp = isinstance(generator, GenerativePipeline)
    accountant = GaussianDPAccountant() if gdp else resolve_accountant(generator.accountant)
    epsilon = allocation.epsilon_for(mu, accountant, n_steps)
    own = replace(allocation.budget, epsilon=epsilon, delta=allocation.delta_each)
    paid = SingleUseDebit(own, allocation.fit_event(mu, n_steps, private=private))
    generator.set_params(epsilon=own.epsilon, delta=own.delta, ledger=paid)


def check_fit(generator: Any, X: Any, y: Any) -> None:
    """Refuse what the fit of a trial would refuse of public facts, before the search is paid for."""
    if isinstance(generator, GenerativePipeline):
        generator._check_fit(X, y)
    else:
        check_fit_of_flow(generator, X, y)


def give_back(estimator: TrainOnSynthetic, original: Any, ledger: PrivacyLedger | None) -> None:
    """Give the winner of a search what the user's estimator has, so that its clones spend that.

    Its parameters were chosen by the search, so what its clones are fitted to rests on it.
    """
    fitted = estimator.generator_
    release = list(releases_of(fitted).values())[-1]
    estimator.generator.set_params(epsilon=original.epsilon, delta=original.delta, ledger=ledger)
    for step in paying_steps(estimator.generator):
        step.set_params(noise_random_state=None)
    fitted.set_params(epsilon=release.epsilon, delta=release.delta, ledger=ledger)
    for part in (estimator, estimator.generator, fitted):
        learns_from(part, release)
