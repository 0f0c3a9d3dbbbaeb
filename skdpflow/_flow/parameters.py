"""Parameters of estimators that measure rows, checked before anything is read or spent."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn.base import clone

from skdpflow._callers import caller_level
from skdpflow._validation import check_generator, check_int, check_n_jobs, check_noise_seed, check_real, invalid
from skdpflow.accountants.budget import Budget
from skdpflow.domain import Categories, Interval
from skdpflow.domain.resolve import resolve_domain
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.lineage import checked_ledger
from skdpflow.mechanisms import Mechanism, check_setting, resolve_mechanism
from skdpflow.projections import ProjectionSampler, as_sampler
from skdpflow.release import Release
from skdpflow.release.checks import TRANSPORT_LIMITS

#: Parameters of the flow alone: they may change without another look at the rows.
TRANSPORT = ("n_steps", "step_size", "n_particles")

SEEDED = (
    "noise_random_state is set: whoever knows it can remove the noise, so this fit guarantees no privacy. Use it for "
    "tests and benchmarks only."
)


def warn_of_score(estimator: Any) -> None:
    """Warn once for each ledger that the score of private rows is not covered by it."""
    ledger = getattr(estimator, "ledger", None)
    if isinstance(ledger, PrivacyLedger) and not ledger.warned_of_scores:
        warnings.warn(
            f"{type(estimator).__name__} has a ledger, but the score or density of private rows is a function of "
            "them that no ledger covers, and so is what is chosen by it. skdpflow.model_selection has dp_score, which "
            "is paid for, and DPSearchCV. On rows that are public or synthetic, nothing is lost.",
            PrivacyLeakWarning,
            stacklevel=3,
        )
        ledger.warned_of_scores = True  # not where the warning is an error


def check_transport(estimator: Any) -> dict[str, Any]:
    """Return the checked parameters of the flow."""
    name = type(estimator).__name__
    return {
        "n_steps": check_int(name, "n_steps", estimator.n_steps, *TRANSPORT_LIMITS["n_steps"]),
        "step_size": check_real(name, "step_size", estimator.step_size, 0.0, 1.0, "right"),
        "n_particles": check_int(name, "n_particles", estimator.n_particles, *TRANSPORT_LIMITS["n_particles"]),
    }


def checked_mechanism(estimator: Any) -> Mechanism:
    """Return a clone of the mechanism, so that a fit does not change the parameter."""
    mechanism = resolve_mechanism(estimator.mechanism, type(estimator).__name__)
    return cast(Mechanism, clone(mechanism, safe=False))


def same_mechanism(estimator: Any, release: Release, *, measures: bool = False) -> tuple[Mechanism, dict[str, Any]]:
    """Return the mechanism, which must be that of a Release, and the parameters that only its learning uses."""
    mechanism = checked_mechanism(estimator)
    now, then = mechanism.describe(), release.mechanism
    name = then.get("name")
    if now.get("name") != name:
        raise ValueError(
            f"The release was made by the mechanism {name!r}, which {'continue_fit' if measures else 'refit'} cannot "
            "change. Set it back, or call fit, which measures anew and spends a budget."
        )
    free = tuple(getattr(mechanism, "refit_params", ()))
    if measures:
        if release.federated is not None:
            raise ValueError(
                "The release is of the rows of several holders, and continue_fit measures one table. Fit anew, with a "
                "larger epsilon. Nothing was spent."
            )
        if release.before:
            won = any(source.contains for source in release.before)
            rests_on = "a search that it won" if won else "earlier ones, as that of a step of a pipeline does"
            raise ValueError(
                f"The release rests on {rests_on}, and its guarantee is not that of its own noise, which a further fit "
                "would add to. Fit anew, with a larger epsilon. Nothing was spent."
            )
        if not callable(getattr(mechanism, "continue_plan", None)):
            raise ValueError(
                f"The mechanism {name!r} cannot improve a release: it has no method 'continue_plan'. Call fit with a "
                "larger epsilon instead, which measures anew."
            )
        changed = sorted(key for key in now if key not in free and now[key] != then.get(key))
        if changed:
            raise ValueError(
                f"The parameters {changed} of the mechanism {name!r} are not those that the release was made with. Set "
                "them back, or call fit, which measures anew."
            )
    return mechanism, {key: now[key] for key in free}


def set_released(estimator: Any, release: Release) -> None:
    """Set the attributes that every fit has from its Release."""
    estimator.release_ = release
    estimator.privacy_spent_ = (release.epsilon, release.delta) if release.private else (float("inf"), 1.0)
    estimator.domain_ = release.domain
    estimator.n_features_in_ = len(release.domain)
    names = release.schema.feature_names
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):  # of an earlier fit
        del estimator.feature_names_in_


def warn_if_seeded(noise_seed: int | None) -> None:
    """Warn the caller of `fit` that seeded noise protects nothing."""
    if noise_seed is not None:
        warnings.warn(SEEDED, PrivacyLeakWarning, stacklevel=caller_level())


@dataclass(frozen=True)
class Parameters:
    """What `fit` of a flow works with; `seed` is drawn from ``random_state``."""

    budget: Budget
    noise_seed: int | None
    n_jobs: int | None
    mechanism: Mechanism
    projections: ProjectionSampler
    transport: dict[str, Any]
    verbose: int
    seed: int

    @classmethod
    def of(cls, estimator: Any) -> Parameters:
        """Check the parameters of an estimator; `domain` and `target` are checked with the rows."""
        name = type(estimator).__name__
        budget, verbose = Budget.of(estimator), estimator.verbose
        if isinstance(verbose, bool | np.bool_):
            verbose = int(verbose)
        checked_ledger(estimator)
        mechanism = checked_mechanism(estimator)
        offers = check_setting(mechanism, estimator.target, budget.neighbours)
        return cls(
            budget=budget,
            noise_seed=check_noise_seed(name, estimator.noise_random_state),
            n_jobs=check_n_jobs(name, estimator.n_jobs),
            mechanism=mechanism,
            projections=as_sampler(estimator.projections, available=offers, owner=name),
            transport=check_transport(estimator),
            verbose=check_int(name, "verbose", verbose, 0),
            seed=int(check_generator(name, "random_state", estimator.random_state).integers(2**31)),
        )


def check_all(estimator: Any) -> None:
    """Check the parameters of a fitted flow: also `domain` and `target`, without rows."""
    name, target = type(estimator).__name__, estimator.target
    if not isinstance(target, Interval | Categories | None):
        raise invalid(name, "target", "an Interval, a Categories or None", target)
    name_of_y = estimator.release_.schema.target_name
    resolve_domain(estimator.domain, None, estimator.n_features_in_, owner=name, target=target, target_name=name_of_y)
    Parameters.of(estimator)
