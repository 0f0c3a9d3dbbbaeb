"""The budget of a data set: what was spent on it by all fits together, in memory or in one SQLite file."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any

from skdpflow._html import fragment, heading, paragraph
from skdpflow._validation import check_choice, check_real, invalid
from skdpflow.accountants import (
    Accountant,
    Event,
    event_to_dict,
    resolve_accountant,
)
from skdpflow.exceptions import BudgetExceededError, LedgerError
from skdpflow.ledger.affordable import largest_epsilon
from skdpflow.ledger.entries import Entry, check_paid, read_entries, read_entry
from skdpflow.ledger.log import Chain, Row, first_row
from skdpflow.ledger.parts import Part, worst_cases
from skdpflow.ledger.shown import html_of_ledger

__all__ = ["PrivacyLedger"]

_ACCOUNTANTS = ("gdp", "zcdp", "rdp", "pld")


def _text(name: str | Integral) -> str:
    """Return what a name or key is, whatever a subclass such as an Enum writes for it: equal ones are one part."""
    return str.__str__(name) if isinstance(name, str) else str(int(name))


class PrivacyLedger:
    """A budget for everything that is ever done to one data set.

    Pass it as `ledger` to every fit on the data. A fit debits its whole budget before noise is drawn, and a fit that
    does not fit in is refused before anything is measured. Copies that `clone` and `deepcopy` make are
    the ledger itself.

    Parameters
    ----------
    path : path or None, default=None
        File of the ledger; it is made if there is none. None keeps the ledger in the memory of this process.
    epsilon : float
        What may be spent in all, finite and positive, under the relation `neighbours`.
    delta : float
        Probability with which the guarantee may fail, in (0, 1).
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        The neighbouring relation; fits under the other one are refused.
    accountant : {"gdp", "zcdp", "rdp", "pld"}, default="gdp"
        Composes the events of all fits.

    Raises
    ------
    LedgerError
        If the file is damaged, is no ledger, or was made with another budget, relation or accountant.

    See Also
    --------
    skdpflow.accountants.PrivacyFilter : The filter within one fit.

    Notes
    -----
    The guarantee of the total is that of composition: rows may be the same in all fits, and later fits may depend
    on what earlier ones released. Fits on rows of different sites or classes can be charged to these alone, see `part`.

    If how much each fit may spend is fixed beforehand, the total is (epsilon, delta)-private. If that is decided on
    the way, depending on earlier releases, it is (epsilon + s, 2 e^s delta)-private with the accountants ``"gdp"`` and
    ``"zcdp"``, where s bounds what all fits together may hold back in epsilon for rounding: a 4096th of the epsilon of
    each, of each step of a pipeline, and of the total by then of each continuation. For the other accountants nothing
    is claimed then. The reason: let P and Q be all outcomes on two neighbours in exact arithmetic, and let H take
    thresholds (and shares of delta held back) as Q does and all else as P does, given what came before. Their deltas
    sum to less than `delta`, so ``P(S) <= H(S) + delta``. Between H and Q, sums of mu**2 (or rho) never exceed the one
    that `epsilon` and `delta` allow without any threshold or slack. Such a cap is a filter, also for adaptively chosen
    terms [1]_ [2]_, so ``H(S) <= e^epsilon Q(S) + delta``. Rounding adds s (`skdpflow.accountants.SlackEvent`).
    Thresholds, slack and mu may trade places on the way, which is why delta and s count twice: whoever needs delta
    itself makes the ledger with half of it.

    A fit is charged for all that it was allowed: the noise to which its own accountant calibrated it, its thresholds,
    and what it holds back for rounding (`skdpflow.accountants.SlackEvent`). If its accountant is that
    of the ledger, it can ask for the ledger's whole (epsilon, delta); another one may calibrate to less noise than the
    ledger accepts (``"gdp"`` does, for ``"zcdp"`` and ``"rdp"``), and then the refusal says what would fit. The shares
    of delta add up: after 255 fits with the delta of the ledger nothing is left (after 9 that find labels), so give
    fits a hundredth of it or less.

    On disk every debit is a transaction of its own. It is flushed before noise is drawn, so a crash or power failure
    can waste budget and not forget it, provided that disk and file system keep what they report as flushed. Entries
    form a chain of SHA-256 hashes that begins with a random key, and an object that has read it refuses any that does
    not extend it. A Release holds the head after its debit: `verify` finds out later that a file was set back to an
    older copy. Not detected are: a whole chain that is written anew; a file that is deleted and begun again, or set
    back, while nobody has it open or verifies an earlier Release; and two copies of the file that are both used, each
    of which spends the budget. Keep one file, on a local disk, where locks work.

    References
    ----------
    .. [1] Smith, A., Thakurta, A. (2022). Fully adaptive composition for Gaussian differential privacy.
       arXiv:2210.17520.
    .. [2] Feldman, V., Zrnic, T. (2021). Individual privacy accounting via a Renyi filter. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
    >>> ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    >>> X = np.random.default_rng(0).uniform(size=(200, 2))
    >>> flow = DPSlicedWassersteinFlow(epsilon=0.8, domain=(0, 1), ledger=ledger).fit(X)
    >>> ledger.verify([flow.release_])
    >>> len(ledger.events), ledger.spent() < 0.81
    (1, True)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        epsilon: float,
        delta: float,
        neighbours: str = "add-remove",
        accountant: str = "gdp",
    ) -> None:
        name = type(self).__name__
        budget = {
            "epsilon": check_real(name, "epsilon", epsilon, 0.0),
            "delta": check_real(name, "delta", delta, 0.0, 1.0),
            "neighbours": check_choice(name, "neighbours", neighbours, ("add-remove", "replace-one")),
            "accountant": check_choice(name, "accountant", accountant, _ACCOUNTANTS),
        }
        self._chain = Chain(path, {"format": "skdpflow-ledger-1", **budget}, read_entry)
        self._part: Part | None = None
        self.warned_of_scores = False  # so that it is said once

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> PrivacyLedger:
        """Open the ledger in a file, with the budget that it was made with.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        ledger : PrivacyLedger
            The ledger.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        LedgerError
            If the file is damaged, or is no ledger.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from skdpflow import PrivacyLedger
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "patients.ledger")
        >>> ledger = PrivacyLedger(path, epsilon=2.0, delta=1e-6)
        >>> PrivacyLedger.open(path)
        PrivacyLedger('patients.ledger', epsilon=2, delta=1e-06, neighbours='add-remove')
        >>> folder.cleanup()
        """
        found = Path(path).resolve()
        if not found.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
        first = first_row(found)
        budget = {name: first.get(name) for name in ("epsilon", "delta", "neighbours", "accountant")}
        return cls(found, **budget)  # type: ignore[arg-type]

    @property
    def epsilon(self) -> float:
        """What may be spent in all."""
        return float(self._chain.first["epsilon"])

    @property
    def delta(self) -> float:
        """Probability with which the guarantee may fail."""
        return float(self._chain.first["delta"])

    @property
    def neighbours(self) -> str:
        """The neighbouring relation."""
        return str(self._chain.first["neighbours"])

    @property
    def accountant(self) -> str:
        """Name of the accountant that composes all fits."""
        return str(self._chain.first["accountant"])

    @property
    def path(self) -> Path | None:
        """The file, or None."""
        return self._chain.path

    def part(self, by: str, key: str | int) -> PrivacyLedger:
        """Return the same ledger for fits on one part of the rows, which cost rows of other parts nothing.

        Parameters
        ----------
        by : str
            Name of the partition, such as ``"site"``.
        key : str or int
            What all rows of the fit have there, such as ``"A"``; 1 and "1" are the same key.

        Returns
        -------
        ledger : PrivacyLedger
            Pass it as `ledger` to fits on these rows. Its `spent`, `remaining`, `affordable` and `what_if` are what
            such rows were and may be charged; entries go to the common ledger.

        Raises
        ------
        LedgerError
            If the ledger is for "replace-one": a replaced row can move from one part to another, which both parts
            would see as another number of rows, and that is public there.
        ValueError, TypeError
            If the name or key is none, or this is the ledger of a part already.

        Notes
        -----
        A record has one key in each partition. So it is charged for all fits without a part, and for those with its own
        key, and the ledger's total is that of the worst record: for each partition the key that was charged most, by
        composition of the events and not by adding epsilons.

        The ledger sees no rows. You declare, and it cannot check, that

        - the key is a function of the *record alone*, decided before: a site, a region, a class. Folds of
          cross-validation, samples and quantiles are none, since removing a record moves others between them
          (and training folds overlap): charge these without a part;
        - the fit was given rows with this key only, and nothing else that was learnt from others unpaid;
        - which keys are fitted does not depend on the rows. That a site has rows at all would tell of them.

        A person with rows in two parts is charged in both.

        The time for a debit grows with the product, over the partitions, of the number of keys none of which was
        charged at least as much as another in every respect. Equal fits on all keys make that one. Where keys are
        charged differently in many ways, use few partitions.

        Examples
        --------
        >>> from skdpflow import PrivacyLedger
        >>> from skdpflow.accountants import GaussianEvent
        >>> ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
        >>> for site in ["A", "B", "C"]:
        ...     head = ledger.part("site", site).debit(GaussianEvent(6.0), site, neighbours="add-remove")
        >>> ledger.spent() == ledger.part("site", "B").spent()
        True
        """
        name = type(self).__name__
        if self.neighbours != "add-remove":
            raise LedgerError(
                "Parts need a ledger with neighbours='add-remove': a replaced row can leave one part and enter "
                "another, and would change the number of rows of both. Under 'replace-one', charge the whole ledger."
            )
        if self._part is not None:
            raise ValueError(f"{self!r} is the ledger of a part already. Call `part` of the whole ledger.")
        if not isinstance(by, str) or not by:
            raise invalid(name, "by", "the name of a partition", by)
        if not isinstance(key, str | Integral) or isinstance(key, bool):
            raise invalid(name, "key", "a str or an int", key)
        view = copy(self)
        view._part = (_text(by), _text(key))
        return view

    @property
    def is_part(self) -> bool:
        """Whether this is the ledger of a part."""
        return self._part is not None

    def debit(self, event: Event, what: str = "", *, neighbours: str, after: str | None = None) -> str:
        """Record a spend that is about to happen, or refuse it and record nothing.

        Parameters
        ----------
        event : Event
            What is about to be done.
        what : str, default=""
            What it is for, in words that may be published.
        neighbours : {"add-remove", "replace-one"}
            The relation that the event's multipliers are for.
        after : str or None, default=None
            Head of the debit that this one continues: a Release holds the last one, which leads to all of them.

        Returns
        -------
        head : str
            Head of the chain after this entry.

        Raises
        ------
        BudgetExceededError
            If less than that is left.
        LedgerError
            If the ledger cannot record here, is damaged, or is bound to the other relation.
        """
        if neighbours != self.neighbours:
            raise LedgerError(
                f"The ledger is for neighbours={self.neighbours!r}, and this is {neighbours!r}: the two "
                "cannot be added up."
            )
        content = {"time": datetime.now(UTC).isoformat(), "what": str(what), "event": event_to_dict(event)}
        if self._part is not None:
            content["part"] = list(self._part)
        if after is not None:
            content["after"] = after

        def checked(rows: list[Row]) -> dict[str, Any]:
            parts = {head: json.loads(text).get("part") for _, text, head in rows}
            if after is not None and self._part is not None and parts.get(after) != content["part"]:
                raise LedgerError(
                    "This continues a fit on other rows: use the ledger of the same part, or of all rows."
                )
            entries = read_entries(rows)
            spent, total = self._spent(entries), self._spent([*entries, (event, self._part)])
            if not total <= self.epsilon:
                raise BudgetExceededError(
                    f"{str(what) or 'This'!r} exceeds the ledger: epsilon = {spent:.6g} of {self.epsilon:g} spent at "
                    f"delta = {self.delta:g}, so {self.epsilon - spent:.6g} is left, and with it the total "
                    f"would be {total:.6g}. Nothing was spent or measured; ask for less."
                )
            return content

        return self._chain.append(checked)

    def _spent(self, entries: list[Entry]) -> float:
        accountant = resolve_accountant(self.accountant)
        return max(float(accountant.epsilon(case, self.delta)) for case in worst_cases(entries, self._part))

    @property
    def events(self) -> tuple[Event, ...]:
        """What was recorded, in order."""
        return tuple(event for event, _ in read_entries(self._chain.read()))

    def spent(self) -> float:
        """Return the epsilon of all entries together, at the ledger's delta.

        Returns
        -------
        epsilon : float
            What the rows have been charged so far.
        """
        return self._spent(read_entries(self._chain.read()))

    def remaining(self) -> float:
        """Return the ledger's epsilon less what is spent; by tight composition a fit may ask for more than that.

        Returns
        -------
        epsilon : float
            At least 0.
        """
        return max(0.0, self.epsilon - self.spent())

    def what_if(self, event: Event) -> float:
        """Return what `spent` would be after an event; records nothing.

        Parameters
        ----------
        event : Event
            What might be done.

        Returns
        -------
        epsilon : float
            At the ledger's delta.
        """
        return self._spent([*read_entries(self._chain.read()), (event, self._part)])

    def affordable(self, delta: float, accountant: str | Accountant = "gdp", *, threshold_delta: float = 0.0) -> float:
        """Return what epsilon a fit may still ask for; by tight composition it can be more than `remaining`.

        Parameters
        ----------
        delta : float
            The fit's delta. Small ones leave more for later fits: the deltas' shares for rounding add up.
        accountant : {"gdp", "zcdp", "rdp", "pld"} or Accountant, default="gdp"
            The fit's accountant. Where it is not the ledger's, the ledger may count the same noise as more.
        threshold_delta : float, default=0.0
            Part of `delta` that the fit uses to find labels; a tenth of it with ``target=Categories()``.

        Returns
        -------
        epsilon : float
            A little below the largest that is accepted; 0 if nothing is.
        """
        delta = check_real("affordable", "delta", delta, 0.0, 1.0)
        thresholds = check_real("affordable", "threshold_delta", threshold_delta, 0.0, delta, "left")
        fit = resolve_accountant(accountant, owner="affordable")
        cases = list(worst_cases(read_entries(self._chain.read()), self._part))
        return largest_epsilon(cases, (self.epsilon, self.delta), self.accountant, fit, delta, thresholds)

    def history(self) -> Any:
        """Return the entries as a pandas DataFrame.

        Returns
        -------
        history : pandas.DataFrame
            Columns ``time``, ``what``, ``part`` (as in "site=A", or empty), ``event`` (JSON), ``epsilon`` (of all
            entries so far) and ``head``.
        """
        import pandas as pd

        table = [
            (pd.Timestamp(entry["time"]), entry["what"], part, json.dumps(entry["event"]), so_far, head)
            for entry, part, so_far, head in self._history()
        ]
        return pd.DataFrame(table, columns=["time", "what", "part", "event", "epsilon", "head"])

    def _history(self) -> Iterator[tuple[dict[str, Any], str, float, str]]:
        """Yield each entry, its part, epsilon of all entries so far, and the head of the chain after it."""
        rows = self._chain.read()
        entries = read_entries(rows)
        for i, (_, text, head) in enumerate(rows[1:], 1):
            entry = json.loads(text)
            yield entry, "=".join(entry.get("part", ())), self._spent(entries[:i]), head

    def verify(self, releases: Iterable[Any]) -> None:
        """Check that the chain holds a debit for every Release, of all that its fit was allowed.

        Parameters
        ----------
        releases : iterable of Release
            Releases made with this ledger, or, if it is that of a part, with it or with that of all rows. Pass all
            of them together.

        Raises
        ------
        LedgerError
            If one is missing: the ledger was set back to an older copy, or is not the one of that fit. Also if the
            debit is smaller than the `cap` of the Release, of another neighbouring relation, or for another part.
            Releases of several fits with the same debit, such as the steps of a pipeline, have to be covered by it
            together. Of a Release of several holders, the ledger of each has to hold debits of what it measured.

        Notes
        -----
        The debit comes before anything is measured, so a head does not say what was. Whoever alters a Release that
        was not paid for can write another one's head into it. That is found only where both are given together, and
        together exceed the debit.
        """
        check_paid(self._chain.read(), releases, self._part, self.neighbours)

    def __sklearn_clone__(self) -> PrivacyLedger:
        """Return the ledger itself: a copy would forget what is spent."""
        return self

    def __deepcopy__(self, memo: Any) -> PrivacyLedger:
        return self

    def _repr_html_(self) -> str:
        title = "Privacy ledger" + ("" if self.path is None else f" {self.path.name}")
        title += "" if self._part is None else f", part {'='.join(self._part)}"
        try:
            entries = [(str(entry["time"]), entry["what"], part, e) for entry, part, e, _ in self._history()]
        except LedgerError as error:  # a notebook shows what is wrong, and goes on
            return fragment(heading(title) + paragraph(error, "notice"))
        return fragment(html_of_ledger(title, self.epsilon, self.delta, self.neighbours, entries))

    def __repr__(self) -> str:
        where = "" if self.path is None else f"{self.path.name!r}, "
        text = f"PrivacyLedger({where}epsilon={self.epsilon:g}, delta={self.delta:g}, neighbours={self.neighbours!r})"
        return text if self._part is None else f"{text}.part({self._part[0]!r}, {self._part[1]!r})"
