"""What an estimator and its clones were fitted to before, and what their parameters were learnt from.

`sklearn.base.clone` hands both on. Both are public and do not depend on the rows: the number of fits without a ledger
in this process, what each of them was allowed, and the Releases that decided parameters.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from skdpflow._callers import caller_level
from skdpflow._validation import invalid
from skdpflow.accountants import ComposedEvent, Event, RestsOn, flatten_event
from skdpflow.accountants.resting import all_allowed, guarantee
from skdpflow.exceptions import LedgerError, PrivacyLeakWarning
from skdpflow.ledger.joint import SingleUseDebit, Terms
from skdpflow.ledger.ledger import PrivacyLedger
from skdpflow.release import Release

Estimator = TypeVar("Estimator")


@dataclass
class Lineage:
    """What an estimator and its clones were allowed in fits without a ledger."""

    fits: list[tuple[Event, tuple[RestsOn, ...]]] = field(default_factory=list)
    neighbours: set[str] = field(default_factory=set)
    warned: bool = False

    def note(self, event: Event, before: tuple[RestsOn, ...], neighbours: str) -> None:
        """Add a fit."""
        self.fits.append((event, before))
        self.neighbours.add(neighbours)

    def __deepcopy__(self, memo: Any) -> Lineage:
        """Return itself: a copy of an estimator is likely to be fitted to the same rows."""
        return self


@dataclass(frozen=True)
class Source:
    """A Release that decided parameters of an estimator, so that what they are fitted to next rests on it."""

    release: Release
    gave_domain: bool

    def rests_on(self) -> tuple[RestsOn, ...]:
        """Return what a fit with these parameters rests on: nothing of it contains that fit."""
        before = [replace(source, contains=False, gave_domain=False) for source in self.release.before]
        if not any(source.contains for source in self.release.before):
            before.append(RestsOn(self.release.cap))
        return (*before[:-1], replace(before[-1], gave_domain=self.gave_domain))


def lineage_of(estimator: Any) -> Lineage:
    """Return the lineage of an estimator, which begins with its first clone or fit."""
    lineage: Lineage = vars(estimator).setdefault("_lineage", Lineage())
    return lineage


def hand_on(estimator: Any, clone: Estimator) -> Estimator:
    """Give a clone the lineage of its original, and what its parameters were learnt from."""
    vars(clone)["_lineage"] = lineage_of(estimator)
    if "_learnt_from" in vars(estimator):
        vars(clone)["_learnt_from"] = vars(estimator)["_learnt_from"]
    return clone


def inherit(owner: Any, part: Any) -> None:
    """Record that a part of an estimator rests on the Release from which the parameters of the whole were learnt."""
    source = vars(owner).get("_learnt_from")
    if source is not None and not sources_of(part):
        learns_from(part, source.release)


def learns_from(estimator: Any, release: Release, *, gave_domain: bool = False) -> None:
    """Record that a Release decided parameters of an estimator and of its steps."""
    vars(estimator)["_learnt_from"] = Source(release, gave_domain)
    for attribute in ("steps", "steps_"):
        for _, step in vars(estimator).get(attribute, ()):
            if hasattr(step, "get_params") and "_learnt_from" not in vars(step):
                learns_from(step, release)


def sources_of(estimator: Any) -> tuple[Source, ...]:
    """Return what the parameters of an estimator, and of its steps, were learnt from, each once."""
    found: dict[int, Source] = {}
    for part in (estimator, *(step for _, step in getattr(estimator, "steps", ()))):
        source = getattr(part, "__dict__", {}).get("_learnt_from")
        if source is not None:
            found[id(source.release)] = source
    return tuple(found.values())


@dataclass(frozen=True)
class Unpaid:
    """Takes the place of a ledger in a fit that has none: it refuses nothing, and warns of the total of fits."""

    lineage: Lineage
    owner: str
    delta: float

    def debit(self, event: Event, what: str = "", *, neighbours: str, before: tuple[RestsOn, ...] = ()) -> str | None:
        """Note a fit, before any noise is drawn, and warn at the second one."""
        lineage = self.lineage
        if lineage.fits and not lineage.warned:
            fits = [*lineage.fits, (event, before)]
            total, accountant = guarantee(all_allowed(fits), self.delta)
            one, _ = guarantee(all_allowed(fits[-1:]), self.delta)
            relation = "" if lineage.neighbours == {neighbours} else ", if their relations were the same"
            warnings.warn(
                f"Fit number {len(fits)} without a ledger, of one {self.owner} and its clones. On the same rows they "
                f"cost epsilon={total:.4g} together, at delta={self.delta:g} and by the accountant {accountant!r}"
                f"{relation}, and not {one:.4g}. Each further one adds to it, also those of a grid search or of "
                "cross-validation. A PrivacyLedger counts all fits and refuses what is too much: "
                "ledger=PrivacyLedger(epsilon=..., delta=...). On rows of different people, or that are "
                "public, nothing is lost. This is said once.",
                PrivacyLeakWarning,
                stacklevel=caller_level(),
            )
            lineage.warned = True  # not where the warning is an error
        lineage.note(event, before, neighbours)
        return None


@dataclass(frozen=True)
class Resting:
    """Takes the place of a ledger in a fit whose parameters Releases decided: the new Release names these."""

    ledger: PrivacyLedger | Unpaid | None
    sources: tuple[Source, ...]
    delta: float

    @property
    def terms(self) -> Terms:
        """What the Release of the fit states."""
        releases = [source.release for source in self.sources]
        epsilon, delta = max(release.epsilon for release in releases), sum(release.delta for release in releases)
        return Terms(tuple(r for source in self.sources for r in source.rests_on()), (epsilon, delta + self.delta))

    def debit(self, event: Event, what: str = "", *, neighbours: str) -> str | None:
        """Debit the fit, and what it rests on where the ledger does not know of it."""
        if any(source.release.neighbours != neighbours for source in self.sources):
            raise ValueError(
                "The parameters were learnt from a Release of the other neighbouring relation, so the guarantees do "
                "not add up. Set 'neighbours' to that of the Release. Nothing was spent."
            )
        if self.ledger is None:
            return None
        if isinstance(self.ledger, Unpaid):
            return self.ledger.debit(event, what, neighbours=neighbours, before=self.terms.before)
        after, unpaid = None, list[Event]()
        for source in self.sources:
            if after is None and _knows(self.ledger, source.release):
                after = source.release.ledger
            else:
                unpaid.append(source.release.allowed)
        whole = ComposedEvent((event, *unpaid)) if unpaid else event
        return self.ledger.debit(whole, what, neighbours=neighbours, after=after)

    def affordable(self, delta: float, accountant: Any = "gdp", *, threshold_delta: float = 0.0) -> float:
        """Return what the ledger would still take."""
        assert isinstance(self.ledger, PrivacyLedger)
        return self.ledger.affordable(delta, accountant, threshold_delta=threshold_delta)


#: What a fit is paid from, or counted by.
Payer = PrivacyLedger | SingleUseDebit | Resting | Unpaid


def _knows(ledger: PrivacyLedger, release: Release) -> bool:
    """Whether a ledger was debited for a Release."""
    try:
        ledger.verify([release])
    except LedgerError:
        return False
    return True


def payer_of(estimator: Any, *, seeded: bool) -> Payer | None:
    """Return what the next fit of an estimator is debited from; nothing counts fits whose noise is seeded."""
    ledger = checked_ledger(estimator)
    if isinstance(ledger, SingleUseDebit):  # whose terms say all
        return ledger
    sources, name = sources_of(estimator), type(estimator).__name__
    own = ledger if ledger is not None or seeded else Unpaid(lineage_of(estimator), name, float(estimator.delta))
    if sum((source.release.delta for source in sources), float(estimator.delta)) >= 1.0:
        raise ValueError("The deltas of this fit and of what it rests on add up to 1 or more. Use smaller ones.")
    return Resting(own, sources, float(estimator.delta)) if sources else own


def terms_of(payer: Any) -> Terms:
    """Return what a Release states that was debited from `payer`."""
    return payer.terms if isinstance(payer, SingleUseDebit | Resting) else Terms()


def checked_ledger(estimator: Any) -> PrivacyLedger | SingleUseDebit | None:
    """Return the ledger of an estimator; a pipeline hands its steps a part of its own debit instead."""
    if not isinstance(estimator.ledger, PrivacyLedger | SingleUseDebit | None):
        raise invalid(type(estimator).__name__, "ledger", "a PrivacyLedger or None", estimator.ledger)
    return estimator.ledger


def note_more(estimator: Any, old: Release, new: Release) -> None:
    """Note what a continued fit without a ledger was allowed beyond the first one: its Release states the total."""
    more = tuple(flatten_event(new.cap))[len(tuple(flatten_event(old.cap))) :]
    lineage_of(estimator).note(ComposedEvent(more), (), new.neighbours)
