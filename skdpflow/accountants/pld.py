"""Privacy loss distributions, through the dp-accounting package."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from skdpflow.accountants.base import Tally, TallyAccountant
from skdpflow.accountants.gaussian import selection_mu

__all__ = ["PLDAccountant"]

# Above this, a pure selection hides almost nothing; its dominating Gaussian keeps exp() in range.
_LARGE_EPSILON = 100.0
# Beyond this, epsilon is in the thousands. To report infinity is valid, and avoids huge arrays.
_LARGE_MU = 100.0
# Below this a Gaussian is charged as if it had this mu: the library squares its inverse.
_SMALL_MU = 1e-9
# Sums and transforms of probabilities in double precision are off by a tenth of this.
_FLOAT_ERROR = 1e-14


class PLDAccountant(TallyAccountant):
    """Accountant that composes privacy loss distributions numerically.

    It needs the extra ``accounting``: ``pip install "skdpflow[accounting]"``.

    Parameters
    ----------
    value_discretization_interval : float, default=1e-4
        Step of the grid of privacy losses. Losses are rounded towards less privacy, so that a coarser grid
        gives a larger, still valid, epsilon.

    See Also
    --------
    GaussianDPAccountant : As tight for Gaussian events, exact and much faster.

    Notes
    -----
    Gaussian events become one Gaussian; a selection of bounded range becomes the Gaussian that dominates it
    (see :func:`skdpflow.accountants.gaussian.selection_mu`), and so does a pure one that is finer than the grid;
    other pure selections become randomised response, which dominates them tightly [1]_. Where the total privacy
    loss spreads over more than one unit, the step of the grid grows in proportion, which bounds time and memory;
    a total mu above 100, where epsilon is in the thousands, counts as infinite. Every delta is raised by 1e-14
    for rounding, so that no smaller one can be certified.

    The events' multipliers are sensitivity-based under whatever neighbouring relation they were made for.
    They are therefore always handed over as for adding or removing a record, where that library takes
    the sensitivity to be one; its replace-one setting would double it.

    References
    ----------
    .. [1] V. Doroshenko, B. Ghazi, P. Kamath, R. Kumar, P. Manurangsi. "Connect the Dots: Tighter Discrete
       Approximations of Privacy Loss Distributions". PETS 2022.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, PLDAccountant
    >>> round(PLDAccountant().epsilon(GaussianEvent(4.0), delta=1e-5), 3)
    0.926
    """

    def __init__(self, value_discretization_interval: float = 1e-4) -> None:
        self.value_discretization_interval = value_discretization_interval

    def _epsilon(self, parts: Tally, delta: float) -> float:
        distribution = self._distribution(parts)
        if distribution is None or delta <= _FLOAT_ERROR:
            return math.inf
        return float(distribution.get_epsilon_for_delta(delta - _FLOAT_ERROR))

    def _delta(self, parts: Tally, epsilon: float) -> float:
        distribution = self._distribution(parts)
        return 1.0 if distribution is None else float(distribution.get_delta_for_epsilon(epsilon)) + _FLOAT_ERROR

    def _distribution(self, parts: Tally) -> Any:
        """Return the composed distribution, or None if the loss is beyond all bounds."""
        interval = self.value_discretization_interval
        if not 0.0 < interval <= 1.0:
            raise ValueError(
                "The 'value_discretization_interval' parameter of PLDAccountant must be a number in (0, 1]. "
                f"Got {interval!r}."
            )
        library, parameters = _import_dp_accounting()
        # a selection finer than the grid would be rounded up to a step of it
        gridded = [s for s in parts.selections if s.kind == "pure" and interval <= s.epsilon <= _LARGE_EPSILON]
        pure = Counter(selection.epsilon for selection in gridded)
        dominated = [s for s in parts.selections if s not in gridded]
        mu = math.hypot(parts.gaussian_mu, *map(selection_mu, dominated))
        if mu > _LARGE_MU:
            return None
        interval *= max(1.0, mu, math.fsum(pure.elements()))
        plds = [
            library.from_privacy_parameters(
                parameters(epsilon, 0.0), value_discretization_interval=interval
            ).self_compose(count)
            for epsilon, count in sorted(pure.items())
        ]
        if mu > 0.0:
            deviation = 1.0 / max(mu, _SMALL_MU)
            plds.append(library.from_gaussian_mechanism(deviation, value_discretization_interval=interval))
        total = plds[0]
        for pld in plds[1:]:
            total = total.compose(pld)
        return total


def _import_dp_accounting() -> tuple[Any, Any]:
    try:
        from dp_accounting.pld import common, privacy_loss_distribution
    except ImportError as error:
        raise ImportError(
            "PLDAccountant (accountant='pld') needs the dp-accounting package. "
            'Install it with: pip install "skdpflow[accounting]"'
        ) from error
    return privacy_loss_distribution, common.DifferentialPrivacyParameters
