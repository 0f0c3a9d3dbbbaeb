"""What a fit, a score or a search may spend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from skdpflow._validation import check_choice, check_real
from skdpflow.accountants.base import Accountant, accountant_name, resolve_accountant


@dataclass(frozen=True)
class Budget:
    """How much may be spent, and how it is accounted for.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee asked for.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation.
    accountant : Accountant
        Calibrates the total noise.
    accountant_name : str
        Its name in the Release.
    """

    epsilon: float
    delta: float
    neighbours: str
    accountant: Accountant
    accountant_name: str

    @classmethod
    def checked(cls, owner: str, epsilon: Any, delta: Any, neighbours: Any, accountant: Any) -> Self:
        """Check the parameters of `owner`."""
        return cls(
            check_real(owner, "epsilon", epsilon, 0.0),
            check_real(owner, "delta", delta, 0.0, 1.0),
            check_choice(owner, "neighbours", neighbours, ("add-remove", "replace-one")),
            resolve_accountant(accountant, owner=owner),
            accountant_name(accountant),
        )

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Check the parameters of an estimator."""
        name, e = type(estimator).__name__, estimator
        return cls.checked(name, e.epsilon, e.delta, e.neighbours, e.accountant)
