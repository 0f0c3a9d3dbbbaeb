"""A fit of a flow to several holders of rows: what of its parameters has a meaning there."""

from __future__ import annotations

from typing import Any

from skdpflow._flow.parameters import Parameters
from skdpflow.exceptions import FederationError
from skdpflow.federation.coordinator import Federation
from skdpflow.federation.fit import federated_release
from skdpflow.ledger.lineage import sources_of
from skdpflow.release import Release


def release_of_sites(estimator: Any, federation: Federation, y: Any, given: Parameters) -> Release:
    """Measure the rows of all sites."""
    if y is not None:
        raise FederationError("The sites have the targets of their rows: call fit without y.")
    if given.noise_seed is not None:
        raise FederationError("The sites add the noise: set noise_random_state there, and not in the flow.")
    if estimator.ledger is not None:
        raise FederationError("Each site debits its own ledger: leave that of the flow at None.")
    if given.budget.accountant_name != "gdp":
        raise FederationError("A federation accounts by Gaussian differential privacy: accountant='gdp'.")
    if sources_of(estimator):
        raise FederationError("Parameters that were learnt from another release cannot be used with a federation.")
    budget = given.budget
    federation.check(estimator.domain, estimator.target, budget.neighbours, budget.epsilon, budget.delta)
    return federated_release(
        federation, budget, given.mechanism, given.projections, seed=given.seed, transport=given.transport
    )
