"""The protocol of accountants, their names, and the base class of the accountants of the package."""

from __future__ import annotations

import inspect
import math
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from sklearn.base import BaseEstimator

from skdpflow._validation import invalid
from skdpflow.accountants.events import (
    Event,
    GaussianEvent,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    flatten_event,
)

__all__ = [
    "Accountant",
    "Tally",
    "TallyAccountant",
    "UnsupportedEventError",
    "accountant_name",
    "resolve_accountant",
    "tally",
]


class UnsupportedEventError(TypeError):
    """An accountant was given an event that it cannot interpret.

    See Also
    --------
    Accountant : What an accountant must do, refusing included.
    """


@runtime_checkable
class Accountant(Protocol):
    """The protocol of an accountant: it turns events into epsilon for a delta, and into delta for an epsilon.

    An accountant keeps no state: what was spent is an event, and the accountant only reads it. Both methods
    return valid upper bounds, hold under whatever neighbouring relation the event's sensitivities were
    computed for, give 0 for no events, ``inf`` (or 1) for :class:`NonPrivateEvent`, and raise
    :class:`UnsupportedEventError` for an event they do not know, alone or inside a composition.

    See Also
    --------
    resolve_accountant : From a name or an object to an accountant.
    skdpflow.testing.check_accountant : The test that an accountant of your own must pass.
    """

    def epsilon(self, event: Event, delta: float) -> float:
        """Return the smallest epsilon such that the event is (epsilon, delta)-private.

        Parameters
        ----------
        event : Event
            What was done.
        delta : float
            In [0, 1).

        Returns
        -------
        float
            An upper bound; ``inf`` when there is none.
        """
        ...

    def delta(self, event: Event, epsilon: float) -> float:
        """Return the smallest delta such that the event is (epsilon, delta)-private.

        Parameters
        ----------
        event : Event
            What was done.
        epsilon : float
            Finite and not negative.

        Returns
        -------
        float
            An upper bound, at most 1.
        """
        ...


@dataclass(frozen=True)
class Tally:
    """The parts of an event, sorted by kind.

    Attributes
    ----------
    noise_multipliers : tuple of float
        Of the Gaussian events.
    selections : tuple of SelectionEvent
        The selection events.
    threshold_delta : float
        Sum over the threshold events.
    non_private : bool
        Whether something guarantees nothing.
    repetitions : tuple of RepeatAndSelectEvent, default=()
        The repeated trials; only for accountants that know how to compose them.
    slack_epsilon, slack_delta : float, default=0.0
        Sums over the slack events.

    See Also
    --------
    tally : Makes one.
    """

    noise_multipliers: tuple[float, ...]
    selections: tuple[SelectionEvent, ...]
    threshold_delta: float
    non_private: bool
    repetitions: tuple[RepeatAndSelectEvent, ...] = ()
    slack_epsilon: float = 0.0
    slack_delta: float = 0.0

    @property
    def gaussian_mu(self) -> float:
        """Mu of the Gaussian events together, ``sqrt(sum 1 / m^2)``."""
        return math.hypot(*(1.0 / m for m in self.noise_multipliers))


def tally(event: Event, *, repetitions: bool = False) -> Tally:
    """Sort the parts of an event by kind.

    Examples
    --------
    >>> from skdpflow.accountants import ComposedEvent, GaussianEvent
    >>> from skdpflow.accountants.base import tally
    >>> tally(ComposedEvent([GaussianEvent(2.0), GaussianEvent(3.0)])).noise_multipliers
    (2.0, 3.0)
    """
    multipliers, selections, deltas, non_private = [], [], [], False
    repeated: list[RepeatAndSelectEvent] = []
    slacks: list[SlackEvent] = []
    for part in flatten_event(event):
        # Exact types: a subclass may mean something else.
        if type(part) is GaussianEvent:
            multipliers.append(part.noise_multiplier)
        elif type(part) is SelectionEvent:
            selections.append(part)
        elif type(part) is ThresholdEvent:
            deltas.append(part.delta)
        elif type(part) is SlackEvent:
            slacks.append(part)
        elif type(part) is NonPrivateEvent:
            non_private = True
        elif repetitions and type(part) is RepeatAndSelectEvent:
            repeated.append(part)
        elif type(part) is RepeatAndSelectEvent:
            raise UnsupportedEventError(
                "The best of many trials has a guarantee in Renyi divergences, which this accountant cannot compose. "
                "Use the accountant 'rdp': PrivacyLedger(..., accountant='rdp'), or RenyiAccountant()."
            )
        else:
            inside = "" if part is event else f", a part of {type(event).__name__},"
            raise UnsupportedEventError(
                f"{type(part).__name__}{inside} is not an event that this accountant knows. It knows "
                "GaussianEvent, SelectionEvent, ThresholdEvent, SlackEvent, NonPrivateEvent and compositions of them."
            )
    return Tally(
        tuple(multipliers),
        tuple(selections),
        math.fsum(deltas),
        non_private,
        tuple(repeated),
        math.fsum(slack.epsilon for slack in slacks),
        math.fsum(slack.delta for slack in slacks),
    )


class TallyAccountant(BaseEstimator):
    """Base class of the accountants of this package.

    It checks the arguments, settles what needs no curve (no events, nothing guaranteed, thresholds, slack) and
    leaves Gaussian and selection events to ``_epsilon(tally, delta)`` and ``_delta(tally, epsilon)``.

    See Also
    --------
    Accountant : The protocol; an accountant need not inherit from anything.

    Notes
    -----
    Threshold events guarantee (0, delta') each. By composition the whole is (epsilon, delta)-private
    when the rest is (epsilon, delta - sum delta')-private. Slack is added to all of that as it stands, see
    :class:`SlackEvent`.
    """

    _composes_repetitions = False

    def epsilon(self, event: Event, delta: float) -> float:
        """Return the smallest epsilon such that the event is (epsilon, delta)-private.

        Parameters
        ----------
        event : Event
            What was done.
        delta : float
            In [0, 1).

        Returns
        -------
        float
            An upper bound; ``inf`` when there is none.

        Raises
        ------
        UnsupportedEventError
            If the event, or a part of it, is not known.
        ValueError
            If delta is not in [0, 1).
        """
        if not 0.0 <= delta < 1.0:
            raise ValueError(f"The 'delta' parameter must be a number in [0, 1). Got {delta!r}.")
        parts = tally(event, repetitions=self._composes_repetitions)
        left = (float(delta) - parts.slack_delta) * math.exp(-parts.slack_epsilon) - parts.threshold_delta
        if parts.non_private or left < 0.0:
            return math.inf
        if not (parts.noise_multipliers or parts.selections or parts.repetitions):
            return parts.slack_epsilon
        return parts.slack_epsilon + self._epsilon(parts, left) if left > 0.0 else math.inf

    def delta(self, event: Event, epsilon: float) -> float:
        """Return the smallest delta such that the event is (epsilon, delta)-private.

        Parameters
        ----------
        event : Event
            What was done.
        epsilon : float
            Finite and not negative.

        Returns
        -------
        float
            An upper bound, at most 1.

        Raises
        ------
        UnsupportedEventError
            If the event, or a part of it, is not known.
        ValueError
            If epsilon is negative or not finite.
        """
        if not 0.0 <= epsilon < math.inf:
            raise ValueError(f"The 'epsilon' parameter must be a finite number that is not negative. Got {epsilon!r}.")
        parts = tally(event, repetitions=self._composes_repetitions)
        if parts.non_private or parts.slack_epsilon > 700.0:  # whose exponential overflows
            return 1.0
        exact = max(0.0, float(epsilon) - parts.slack_epsilon)
        inner = parts.threshold_delta
        if parts.noise_multipliers or parts.selections or parts.repetitions:
            inner += self._delta(parts, exact)
        # below the slack, the difference to it is what one of the neighbours may have more
        missing = math.exp(parts.slack_epsilon) - math.exp(epsilon) if epsilon < parts.slack_epsilon else 0.0
        return min(1.0, math.exp(parts.slack_epsilon) * inner + parts.slack_delta + missing)

    def _epsilon(self, parts: Tally, delta: float) -> float:
        raise NotImplementedError

    def _delta(self, parts: Tally, epsilon: float) -> float:
        raise NotImplementedError


def exp_at_most_one(log_delta: float) -> float:
    """Return exp(log_delta) as a delta: at most one, and never rounded down to a false zero."""
    return math.exp(min(0.0, max(log_delta, math.log(sys.float_info.min))))


_CLASSES = {
    "gdp": ("gaussian", "GaussianDPAccountant"),
    "zcdp": ("zcdp", "ZCDPAccountant"),
    "rdp": ("renyi", "RenyiAccountant"),
    "pld": ("pld", "PLDAccountant"),
}


def resolve_accountant(accountant: str | Accountant = "gdp", *, owner: str = "resolve_accountant") -> Accountant:
    """Turn the value of an ``accountant`` parameter into an accountant.

    Parameters
    ----------
    accountant : {"gdp", "zcdp", "rdp", "pld"} or object, default="gdp"
        A name, or an object with the methods ``epsilon(event, delta)`` and ``delta(event, epsilon)``.
    owner : str, default="resolve_accountant"
        Whose parameter it is, for messages.

    Returns
    -------
    Accountant
        A new accountant for a name, the object itself otherwise.

    Raises
    ------
    ValueError
        If the name is not known.
    TypeError
        If the object lacks a method, or is a class instead of an instance.

    See Also
    --------
    Accountant : What the methods must do.

    Examples
    --------
    >>> from skdpflow.accountants import resolve_accountant
    >>> resolve_accountant("gdp")
    GaussianDPAccountant()
    """
    if isinstance(accountant, str):
        if accountant not in _CLASSES:
            raise invalid(
                owner,
                "accountant",
                f"one of {', '.join(map(repr, _CLASSES))}, or an object with the methods "
                "epsilon(event, delta) and delta(event, epsilon)",
                accountant,
            )
        # Imported on demand, because those modules build on this one.
        module, name = _CLASSES[accountant]
        return cast(Accountant, getattr(import_module(f"skdpflow.accountants.{module}"), name)())
    if isinstance(accountant, type):
        raise TypeError(
            f"The 'accountant' parameter of {owner} must be an instance. "
            f"Got the class {accountant.__name__}: write {accountant.__name__}()."
        )
    needs = {"epsilon": "epsilon(event, delta)", "delta": "delta(event, epsilon)"}
    missing = [call for method, call in needs.items() if not _takes_two(getattr(accountant, method, None))]
    if missing:
        raise TypeError(
            f"{type(accountant).__name__} cannot be used as an accountant. It must have the methods "
            f"{' and '.join(needs.values())}. Missing: {' and '.join(missing)}."
        )
    return accountant


def accountant_name(accountant: str | Accountant) -> str:
    """Return what a Release calls an accountant; never the address of an object.

    Examples
    --------
    >>> from skdpflow.accountants.base import accountant_name
    >>> from skdpflow.accountants import ZCDPAccountant
    >>> accountant_name("gdp"), accountant_name(ZCDPAccountant())
    ('gdp', 'ZCDPAccountant()')
    """
    kind = type(accountant)
    if isinstance(accountant, str):
        return accountant
    return kind.__name__ if kind.__repr__ is object.__repr__ else repr(accountant)


def _takes_two(method: object) -> bool:
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # compiled, without a signature to look at
        return True
    return True
