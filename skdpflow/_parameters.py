"""The parameters of `DPSlicedWassersteinFlow`, checked and resolved before anything is read or spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn.base import clone

from skdpflow._validation import check_choice, check_generator, check_int, check_real, invalid
from skdpflow.accountants.base import Accountant, accountant_name, resolve_accountant
from skdpflow.ledger import PrivacyLedger
from skdpflow.mechanisms import Mechanism, check_setting, resolve_mechanism
from skdpflow.projections import ProjectionSampler, as_sampler

#: Parameters of the flow alone: they may change without another look at the rows.
TRANSPORT = ("n_steps", "step_size", "n_particles")


def check_transport(estimator: Any) -> dict[str, Any]:
    """Return the checked parameters of the flow."""
    name = type(estimator).__name__
    return {
        "n_steps": check_int(name, "n_steps", estimator.n_steps, 1),
        "step_size": check_real(name, "step_size", estimator.step_size, 0.0, 1.0, "right"),
        "n_particles": check_int(name, "n_particles", estimator.n_particles, 2),
    }


def checked_mechanism(estimator: Any) -> Mechanism:
    """Return a clone of the mechanism: whatever it does, the parameter stays as it is."""
    mechanism = resolve_mechanism(estimator.mechanism, type(estimator).__name__)
    return cast(Mechanism, clone(mechanism, safe=False))


@dataclass(frozen=True)
class Parameters:
    """What `fit` works with; `seed` is drawn from ``random_state``."""

    epsilon: float
    delta: float
    neighbours: str
    accountant: Accountant
    accountant_name: str
    mechanism: Mechanism
    projections: ProjectionSampler
    transport: dict[str, Any]
    n_jobs: int | None
    verbose: int
    seed: int
    noise_seed: int | None
    ledger: PrivacyLedger | None

    @classmethod
    def of(cls, estimator: Any) -> Parameters:
        """Check the parameters of an estimator; `domain` and `target` are checked with the rows."""
        name = type(estimator).__name__
        if not isinstance(estimator.ledger, PrivacyLedger | None):
            raise invalid(name, "ledger", "a PrivacyLedger or None", estimator.ledger)
        n_jobs, verbose, noise_seed = estimator.n_jobs, estimator.verbose, estimator.noise_random_state
        if n_jobs is not None and check_int(name, "n_jobs", n_jobs) == 0:
            raise invalid(name, "n_jobs", "None or an int other than 0", n_jobs)
        if isinstance(verbose, bool | np.bool_):
            verbose = int(verbose)
        neighbours = check_choice(name, "neighbours", estimator.neighbours, ("add-remove", "replace-one"))
        mechanism = checked_mechanism(estimator)
        offers = check_setting(mechanism, estimator.target, neighbours)
        return cls(
            ledger=estimator.ledger,
            epsilon=check_real(name, "epsilon", estimator.epsilon, 0.0),
            delta=check_real(name, "delta", estimator.delta, 0.0, 1.0),
            neighbours=neighbours,
            accountant=resolve_accountant(estimator.accountant, owner=name),
            accountant_name=accountant_name(estimator.accountant),
            mechanism=mechanism,
            projections=as_sampler(estimator.projections, available=offers, owner=name),
            transport=check_transport(estimator),
            n_jobs=None if n_jobs is None else int(n_jobs),
            verbose=check_int(name, "verbose", verbose, 0),
            noise_seed=None if noise_seed is None else check_int(name, "noise_random_state", noise_seed, 0),
            seed=int(check_generator(name, "random_state", estimator.random_state).integers(2**31)),
        )
