"""What a mechanism did to the data, as frozen records that any accountant can interpret.

An event is the border between mechanisms and accounting: a mechanism describes what it did, an accountant
turns the description into (epsilon, delta), and neither imports the other. Each docstring below states the
guarantee that the event stands for, completely enough to account for it without seeing the mechanism.

Events do not name a neighbouring relation. Every quantity in them holds under the relation written in the
``Release`` (or ledger) that carries them: the sensitivity inside a noise multiplier was computed for that
relation before the event was made, and an accountant applies no further correction to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

__all__ = [
    "ComposedEvent",
    "Event",
    "GaussianEvent",
    "NonPrivateEvent",
    "RepeatAndSelectEvent",
    "SelectionEvent",
    "SlackEvent",
    "ThresholdEvent",
    "flatten_event",
]
SelectionKind = Literal["bounded-range", "pure"]
Repetitions = Literal["poisson", "truncated-negative-binomial"]


def _set_positive(event: Event, name: str, below: float = math.inf) -> None:
    """Store the field as a float after checking that it lies in the open interval (0, below)."""
    value = getattr(event, name)
    wanted = "a finite positive number" if math.isinf(below) else f"a number in (0, {below:g})"
    message = f"The {name!r} of {type(event).__name__} must be {wanted}. Got {value!r}."
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0.0 < number < below:
        raise ValueError(message)
    object.__setattr__(event, name, number)


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all privacy events.

    Subclass it, as a frozen dataclass, to describe a mechanism of your own; an accountant that does not
    know the new event refuses it.

    See Also
    --------
    ComposedEvent : Several events in sequence.
    """


@dataclass(frozen=True, slots=True)
class GaussianEvent(Event):
    """One release of a vector with Gaussian noise.

    The mechanism returned ``f(D) + N(0, s^2 I)``; the event keeps ``s / Delta``.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise in units of the L2 sensitivity, ``s / Delta``; finite and positive.

    See Also
    --------
    SelectionEvent : A private choice.
    skdpflow.accountants.noise_multiplier : The smallest multiplier for a given epsilon and delta.

    Notes
    -----
    ``Delta = max |f(D) - f(D')|`` over the neighbours of the relation that is named beside the event. If
    each record contributes a vector of norm at most C, ``Delta`` is C under ``"add-remove"`` and up to 2 C
    under ``"replace-one"``. That factor belongs in here and nowhere else. Other libraries define the
    multiplier of an event of the same name as s / C for every relation, and their accountants disagree on
    who multiplies by two [1]_; so an event of ours may only ever be given to their add-or-remove accountants.

    References
    ----------
    .. [1] google/differential-privacy, issue 378, "Sensitivity off by a factor of 2 with 'replace_one'
       neighbouring relation".

    Examples
    --------
    Two neighbours whose sums differ by at most 2 C, noise of standard deviation 10 C:

    >>> from skdpflow.accountants import GaussianEvent
    >>> GaussianEvent(noise_multiplier=10 / 2)
    GaussianEvent(noise_multiplier=5.0)
    """

    noise_multiplier: float

    def __post_init__(self) -> None:
        _set_positive(self, "noise_multiplier")


@dataclass(frozen=True, slots=True)
class SelectionEvent(Event):
    """One private choice from a public set of candidates.

    Parameters
    ----------
    epsilon : float
        The parameter of the guarantee; finite and positive.
    kind : {"bounded-range", "pure"}, default="bounded-range"
        ``"bounded-range"``: for neighbours D, D' the log-ratio ``ln P[M(D) = r] / P[M(D') = r]`` varies by
        at most epsilon over the candidates r, as in the exponential mechanism with weights
        ``exp(epsilon u / (2 Delta_u))``. ``"pure"``: its absolute value is at most epsilon, as in
        permute-and-flip. Bounded range implies pure with the same epsilon and is much stronger.

    See Also
    --------
    GaussianEvent : A noisy vector.

    References
    ----------
    .. [1] J. Dong, D. Durfee, R. Rogers. "Optimal Differential Privacy Composition for Exponential
       Mechanisms". ICML 2020.

    Examples
    --------
    >>> from skdpflow.accountants import SelectionEvent
    >>> SelectionEvent(0.1)
    SelectionEvent(epsilon=0.1, kind='bounded-range')
    """

    epsilon: float
    kind: SelectionKind = "bounded-range"

    def __post_init__(self) -> None:
        _set_positive(self, "epsilon")
        if self.kind not in get_args(SelectionKind):
            raise ValueError(f"The 'kind' of SelectionEvent must be 'bounded-range' or 'pure'. Got {self.kind!r}.")


@dataclass(frozen=True, slots=True)
class ThresholdEvent(Event):
    """One release that shows something only where a noisy count passes a threshold.

    Parameters
    ----------
    delta : float
        Bound on the probability that something shows which a neighbour could not have shown; in (0, 1).

    See Also
    --------
    GaussianEvent : The noise of the counts is an event of its own.

    Notes
    -----
    The deltas of all threshold events add up and are taken from the total delta, whatever the accountant.

    Examples
    --------
    >>> from skdpflow.accountants import ThresholdEvent
    >>> ThresholdEvent(1e-8)
    ThresholdEvent(delta=1e-08)
    """

    delta: float

    def __post_init__(self) -> None:
        _set_positive(self, "delta", below=1.0)


@dataclass(frozen=True, slots=True)
class SlackEvent(Event):
    r"""What the arithmetic of a computer may add to the guarantee of other events.

    Parameters
    ----------
    epsilon : float
        By how much it may change the log-ratio of the probabilities that two neighbours give to an outcome; finite
        and positive.
    delta : float
        Probability of outcomes for which it may change more; in (0, 1).

    See Also
    --------
    ThresholdEvent : A mechanism of its own; this is none.

    Notes
    -----
    Let P and Q be the distributions of the outcome for two neighbours in exact arithmetic, and P', Q' those that a
    computer draws from. But for outcomes of probability d under P', let :math:`p' \le e^a p` and :math:`q \le e^b q'`,
    with :math:`a + b \le s`. If the exact ones are :math:`(\epsilon, \delta)`-private, then for every set S of the
    other outcomes

    .. math::
        P'(S) \le e^a P(S) \le e^a (e^\epsilon Q(S) + \delta) \le e^{\epsilon + s} Q'(S) + e^s \delta,

    so what is drawn is :math:`(\epsilon + s, e^s \delta + d)`-private. Slacks of several events, which may be
    adaptive, multiply such factors. So s and d add up as they stand. To compose s like an event of its own, in squares,
    would be wrong: all of it may push in the same direction.

    Examples
    --------
    >>> from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent, SlackEvent
    >>> both = ComposedEvent([GaussianEvent(4.0), SlackEvent(0.001, 1e-9)])
    >>> accountant = GaussianDPAccountant()
    >>> round(accountant.epsilon(both, 1e-5) - accountant.epsilon(GaussianEvent(4.0), 1e-5), 4)
    0.0011
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        _set_positive(self, "epsilon")
        _set_positive(self, "delta", below=1.0)


@dataclass(frozen=True, slots=True)
class ComposedEvent(Event):
    """Several events on the same data, in sequence; nothing happened when there are none.

    Parameters
    ----------
    events : tuple of Event
        The events; any iterable is stored as a tuple. They may themselves be composed.

    See Also
    --------
    flatten_event : Its parts, without the nesting.

    Notes
    -----
    Later mechanisms may depend on what earlier ones released. Their privacy *parameters* may not, unless
    the whole was bounded by a filter such as :class:`PrivacyFilter`.

    Examples
    --------
    >>> from skdpflow.accountants import ComposedEvent, GaussianEvent
    >>> ComposedEvent([GaussianEvent(2.0), GaussianEvent(3.0)]).events
    (GaussianEvent(noise_multiplier=2.0), GaussianEvent(noise_multiplier=3.0))
    """

    events: tuple[Event, ...]

    def __post_init__(self) -> None:
        try:
            events = tuple(self.events)
        except TypeError:
            raise TypeError(
                f"The 'events' of ComposedEvent must be an iterable of events. Got {type(self.events).__name__}."
            ) from None
        for event in events:
            if not isinstance(event, Event):
                raise TypeError(f"Every event of a ComposedEvent must be an Event. Got {type(event).__name__}.")
        object.__setattr__(self, "events", events)


@dataclass(frozen=True, slots=True)
class RepeatAndSelectEvent(Event):
    """The best of a random number of trials, each with the same guarantee.

    A trial returned an outcome and a score. Trials were independent and identically distributed, their number K was
    drawn from a distribution that does not depend on the data, and only the outcome with the highest score was
    released, with its score: not K, nor anything of the other trials.

    Parameters
    ----------
    event : Event
        One trial, with its score: Gaussian events and selections.
    mean : float
        Mean of K, in [1.01, 500].
    distribution : {"poisson", "truncated-negative-binomial"}, default="poisson"
        Distribution of K, which is at least 1: a Poisson distribution conditioned on that, or a truncated negative
        binomial one.
    shape : float, default=1.0
        Shape of the negative binomial distribution, in [0, 100]: 1 is the geometric distribution, 0 the
        logarithmic one. Not used by ``"poisson"``.
    slack : float, default=0.0
        By how much floating-point arithmetic may change the log-ratio of the probabilities that two neighbours give to
        a trial's outcome.

    See Also
    --------
    skdpflow.model_selection.DPSearchCV : Makes one.
    RenyiAccountant : Composes it tightly.

    References
    ----------
    .. [1] N. Papernot, T. Steinke. "Hyperparameter Tuning with Renyi Differential Privacy". ICLR 2022.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, RenyiAccountant, RepeatAndSelectEvent
    >>> event = RepeatAndSelectEvent(GaussianEvent(8.0), mean=10)
    >>> round(RenyiAccountant().epsilon(event, delta=1e-6), 3)
    0.986
    """

    event: Event
    mean: float
    distribution: Repetitions = "poisson"
    shape: float = 1.0
    slack: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.event, Event):
            raise TypeError(f"The 'event' of {type(self).__name__} must be an Event. Got {type(self.event).__name__}.")
        for part in flatten_event(self.event):
            if type(part) not in (GaussianEvent, SelectionEvent):
                raise ValueError(
                    f"A trial of {type(self).__name__} may hold Gaussian events and selections only, as no other has "
                    f"a curve of Renyi divergences. Got {type(part).__name__}."
                )
        if self.distribution not in get_args(Repetitions):
            raise ValueError(
                f"The 'distribution' of {type(self).__name__} must be one of {get_args(Repetitions)}. "
                f"Got {self.distribution!r}."
            )
        for name, low, high in [("mean", 1.01, 500.0), ("shape", 0.0, 100.0), ("slack", 0.0, 1.0)]:
            value = getattr(self, name)
            message = f"The {name!r} of {type(self).__name__} must be a number in [{low:g}, {high:g}]. Got {value!r}."
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(message)
            if not low <= float(value) <= high:
                raise ValueError(message)
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True, slots=True)
class NonPrivateEvent(Event):
    """Something that guarantees nothing: epsilon is infinite, delta is one.

    See Also
    --------
    ComposedEvent : Holding one of these, it guarantees nothing either.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianDPAccountant, NonPrivateEvent
    >>> GaussianDPAccountant().epsilon(NonPrivateEvent(), delta=1e-5)
    inf
    """


def flatten_event(event: Event) -> Iterator[Event]:
    """Go through the parts of an event, in order, without the nesting.

    Parameters
    ----------
    event : Event
        Any event, known to this package or not.

    Yields
    ------
    Event
        Each part that is not itself a :class:`ComposedEvent`.

    Examples
    --------
    >>> from skdpflow.accountants import ComposedEvent, GaussianEvent, ThresholdEvent, flatten_event
    >>> list(flatten_event(ComposedEvent([ThresholdEvent(1e-9), ComposedEvent([GaussianEvent(2.0)])])))
    [ThresholdEvent(delta=1e-09), GaussianEvent(noise_multiplier=2.0)]
    """
    stack = [event]
    while stack:
        top = stack.pop()
        if isinstance(top, ComposedEvent):
            stack.extend(reversed(top.events))
        else:
            yield top
