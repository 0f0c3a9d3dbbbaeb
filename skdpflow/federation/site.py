"""A site: it holds rows, checks each request by itself, and answers with masked, noisy sums."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skdpflow._validation import check_n_jobs, check_noise_seed, invalid
from skdpflow.accountants import ComposedEvent, Event, GaussianEvent, NonPrivateEvent
from skdpflow.accountants.slack import differing
from skdpflow.curator.gate import admit
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.shares import noisy_shares, sums_of
from skdpflow.curator.sketch import Sums
from skdpflow.curator.statistics import Statistic
from skdpflow.exceptions import BudgetExceededError, FederationError, PrivacyLeakWarning
from skdpflow.federation.agreement import Agreement
from skdpflow.federation.keys import Keys
from skdpflow.federation.mailbox import POLL, Mailbox
from skdpflow.federation.masks import mask
from skdpflow.federation.messages import Answer, Question, Wanted, digest
from skdpflow.federation.shares import MAX_ROWS, Share
from skdpflow.federation.store import AnswerStore
from skdpflow.ledger import PrivacyLedger
from skdpflow.release.encoding import encoded_as
from skdpflow.release.federated import entry_of

#: Most statistics of one request.
MAX_STATISTICS = 64
_log = logging.getLogger(__name__)


class SiteRows(BaseEstimator):
    """Stands in for an estimator in the checks of the rows of a site."""


@dataclass(frozen=True)
class _Checked:
    """A request that passed all checks and is not paid for."""

    query: Sums
    shares: tuple[Share, ...]
    event: Event
    what: str


class Site:
    """The rows of one holder, who answers requests and shows the rows to nobody.

    Parameters
    ----------
    X : {array-like, pandas.DataFrame, polars.DataFrame} or TableFile
        The private rows.
    y : array-like or None, default=None
        Their target, if the agreement has one.
    agreement : Agreement
        What all sites agreed on. Compare its `digest` with the other sites before.
    keys : Keys
        The name and the private key of this site.
    ledger : PrivacyLedger or None
        The budget of the rows. Each answer is debited from it. None only with `noise_random_state`.
    folder : path or None, default=None
        Where answers and the spending under the agreement are kept, private as the rows. None keeps them in memory:
        then they are lost when the process ends, and `ledger` alone limits what can be spent.
    noise_random_state : int or None, default=None
        Seed of the noise, for tests and benchmarks: the sums of this site are not protected then.
    n_jobs : int or None, default=None
        Threads that read the rows.

    Attributes
    ----------
    name : str
        Public name of the site.

    See Also
    --------
    Agreement : What is checked.
    Federation : Asks the sites.

    Notes
    -----
    A request is refused, and nothing is spent, if it is of another agreement, goes to too few sites, asks for anything
    but sums of known statistics, has too little noise for the budget, or could exceed 64 bits. Otherwise the answer is
    debited twice, under the agreement and from `ledger`, before noise is drawn, and stored before it is sent. The same
    request gets the same bytes again, and any other one costs again. So whoever sends requests can waste a budget, and
    cannot exceed it.

    The ledger states what is guaranteed against everybody but more than `tolerates` other sites. Parameters of a
    request are tried on made-up rows before the debit. If something fails after it, such as a disk that is full, the
    debit stays, and the answer to this request is that the site failed. The reason goes to the log of this process, as
    the type of the error and what the operating system says of it. The site goes on with the next request.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow, Domain, Interval, PrivacyLedger
    >>> from skdpflow.federation import Agreement, Federation, Keys, Site
    >>> keys = [Keys.generate(name) for name in ("north", "south", "west")]
    >>> domain = Domain({"x0": Interval(0, 1), "x1": Interval(0, 1)})
    >>> agreement = Agreement({k.name: k.public for k in keys}, domain)
    >>> rng = np.random.default_rng(0)
    >>> sites = [
    ...     Site(rng.uniform(size=(300, 2)), agreement=agreement, keys=k, ledger=PrivacyLedger(epsilon=2, delta=1e-5))
    ...     for k in keys
    ... ]
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=domain).fit(Federation(sites))
    >>> flow.privacy_spent_, flow.sample(5).shape
    ((1.0, 1e-06), (5, 2))
    """

    def __init__(
        self,
        X: Any,
        y: Any = None,
        *,
        agreement: Agreement,
        keys: Keys,
        ledger: PrivacyLedger | None = None,
        folder: str | os.PathLike[str] | None = None,
        noise_random_state: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        owner = type(self).__name__
        if not isinstance(agreement, Agreement):
            raise invalid(owner, "agreement", "an Agreement", agreement)
        if not isinstance(keys, Keys):
            raise invalid(owner, "keys", "Keys of this site", keys)
        if agreement.sites.get(keys.name) != keys.public:
            raise FederationError(f"The agreement has no site {keys.name!r} with the public key of these keys.")
        seed = check_noise_seed(owner, noise_random_state)
        if (isinstance(ledger, PrivacyLedger) is (seed is not None)) or not isinstance(ledger, PrivacyLedger | None):
            wanted = "a PrivacyLedger" if seed is None else "None while noise_random_state is set: no ledger covers it"
            raise invalid(owner, "ledger", wanted, ledger)
        if ledger is not None and ledger.neighbours != agreement.neighbours:
            raise FederationError(
                f"The ledger is for neighbours={ledger.neighbours!r} and the agreement for {agreement.neighbours!r}."
            )
        if seed is not None:
            warnings.warn(
                "noise_random_state is set: whoever knows it can remove the noise of this site, so a fit guarantees "
                "nothing for its rows. Use it for tests and benchmarks only.",
                PrivacyLeakWarning,
                stacklevel=2,
            )
        self.name = keys.name
        self.agreement = agreement
        self._keys = keys
        self._secrets = {name: keys.agreed(key) for name, key in agreement.sites.items() if name != self.name}
        self._source = admit(SiteRows(), X, y, domain=agreement.domain, target=agreement.target)
        if self._source.n_rows > MAX_ROWS:
            raise FederationError("A site can have at most 2**36 rows.")
        self._noise = NoiseSource(seed)
        self._ledger = ledger
        self._n_jobs = check_n_jobs(owner, n_jobs)
        self._source.check_workers(self._n_jobs)
        place = None if folder is None else Path(folder)
        self._store = AnswerStore(place)
        self._cap = PrivacyLedger(
            None if place is None else place / f"{agreement.digest}.ledger",
            epsilon=agreement.epsilon,
            delta=agreement.delta,
            neighbours=agreement.neighbours,
        )

    @property
    def ledger(self) -> PrivacyLedger | None:
        """The budget of the rows."""
        return self._ledger

    def answer(self, request: bytes) -> bytes:
        """Answer a request, or say why it is refused.

        Parameters
        ----------
        request : bytes
            What the coordinator sent.

        Returns
        -------
        answer : bytes
            What to send back. The same request gives the same bytes once it was paid for.
        """
        number = digest(request)
        try:
            kept = self._store.get(number)
            if kept is not None:
                return kept
            question = Question.from_bytes(request)
            self._check_address(question)
            if not question.wanted:
                schema = self._source.table_schema.to_dict()
                return self._answer(number, schema=schema, epoch=self._store.epoch).to_bytes()
            checked = self._check(question)
            self._check_affordable(checked.event)
            head = self._debit(checked)
        except (ValueError, TypeError, BudgetExceededError) as e:  # of public facts: no private row was read
            return self._answer(number, refused=str(e)).to_bytes()
        except Exception as e:  # not foreseen, and so without its text; also before any private row was read
            _log.error("A request could not be checked (%s).", _cause(e))
            return self._answer(number, refused="It could not check the request: its log says why.").to_bytes()
        try:
            sums = self._measured(question, checked, number)
            return self._store.put(number, self._answer(number, sums=sums, head=head).to_bytes())
        except Exception as e:  # of private rows, or of the machine: nothing of it leaves the site
            _log.error("A request was debited and could not be answered (%s).", _cause(e))
            return self._store.put_failure(number, self._answer(number, failed=True, head=head).to_bytes())

    def serve(self, mailbox: Mailbox | str | os.PathLike[str], *, n_fits: int = 1, timeout: float = 600.0) -> None:
        """Answer the requests in a shared folder.

        Parameters
        ----------
        mailbox : Mailbox or path
            The folder.
        n_fits : int, default=1
            After how many fits to stop.
        timeout : float, default=600.0
            Seconds without a request after which to give up.

        Raises
        ------
        FederationError
            If no request came for so long.
        """
        box = mailbox if isinstance(mailbox, Mailbox) else Mailbox(mailbox)
        over, seen, heard = box.ended(), set[str](), time.monotonic()
        problems = set[str]()
        while len(box.ended() - over) < n_fits:
            try:
                for number, request in box.requests(seen):
                    if not box.answered(number, self.name) and self._concerns(request):
                        box.put(number, self.name, self.answer(request))
                        heard = time.monotonic()
                    seen.add(number)
            except OSError as e:  # of the shared folder: what is not seen is tried again, with the same answer
                if (problem := _cause(e)) not in problems:
                    _log.error("The mailbox could not be used (%s). It is tried again.", problem)
                problems.add(problem)
            if time.monotonic() - heard > timeout:
                raise FederationError(f"No request came to {self.name!r} for {timeout:g} seconds.")
            time.sleep(POLL)

    def _concerns(self, request: bytes) -> bool:
        """Say whether a request is to this site; what cannot be read gets an answer that says so."""
        try:
            return self.name in Question.from_bytes(request).sites
        except FederationError:
            return True

    def _answer(self, number: str, **content: Any) -> Answer:
        return Answer(self.agreement.digest, number, self.name, private=self._noise.private, **content)

    def _check_address(self, question: Question) -> None:
        """Refuse requests of another agreement, or to sites that were not agreed on, or to too few."""
        agreement, sites = self.agreement, question.sites
        if question.agreement != agreement.digest:
            raise FederationError("The request is of another agreement than that of this site.")
        if list(sites) != sorted(set(sites)) or not set(sites) <= set(agreement.names):
            raise FederationError("The request must name sites of the agreement, in order and each once.")
        if self.name not in sites:
            raise FederationError("The request is not to this site.")
        if len(sites) < agreement.fewest:
            raise FederationError(
                f"The request goes to {len(sites)} sites, and at least {agreement.fewest} were agreed."
            )

    def _check(self, question: Question) -> _Checked:
        """Refuse what this site does not answer; reads no row."""
        epochs = dict(zip(question.sites, question.epochs, strict=False))
        if len(question.epochs) != len(question.sites) or epochs[self.name] != self._store.epoch:
            raise FederationError(
                "The request is older than the answers that this site has: it lost others, and answers none of that "
                "time again. Begin a new fit."
            )
        if len(question.wanted) > MAX_STATISTICS:
            raise FederationError(f"A request may ask for at most {MAX_STATISTICS} statistics.")
        assert self._source.domain is not None
        domain, target = self._source.domain, self.agreement.target
        if question.columns is not None:
            domain, target = encoded_as(domain, target, question.columns)
        query = sums_of([(wanted.kind, wanted.params) for wanted in question.wanted], domain, target)
        n, t, neighbours = len(question.sites), self.agreement.tolerates, self.agreement.neighbours
        shares, events = [], []
        for wanted, statistic in zip(question.wanted, query.statistics, strict=True):
            share, event = self._share(wanted, statistic, n, t, neighbours)
            shares.append(share)
            events += [event, share.slack(differing(statistic.touched, neighbours))]
        if not self._noise.private:
            events.append(NonPrivateEvent())
        what = f"{entry_of(question.agreement, question.fit)}, round {question.round}"
        return _Checked(query, tuple(shares), ComposedEvent(tuple(events)), what)

    @staticmethod
    def _share(wanted: Wanted, statistic: Statistic, n: int, t: int, neighbours: str) -> tuple[Share, Event]:
        """Return the noise of this site, from the multiplier that is asked for and the sensitivity that it knows."""
        event, sensitivity = GaussianEvent(wanted.multiplier), statistic.sensitivity(neighbours)
        scale = statistic.relative_scale * (sensitivity * event.noise_multiplier)
        return Share.of(scale, sensitivity, n, t), event

    def _check_affordable(self, event: Event) -> None:
        """Refuse what one of the two budgets has no room for, before either is debited."""
        ledgers = {"the agreement": self._cap, "its ledger": self._ledger} if self._noise.private else {}
        for name, ledger in ledgers.items():
            assert ledger is not None
            if not ledger.what_if(event) <= ledger.epsilon:
                raise BudgetExceededError(f"The request exceeds what is left of {name}. Nothing was spent.")

    def _debit(self, checked: _Checked) -> str | None:
        """Debit both budgets; seeded noise, for tests, is in none."""
        if not self._noise.private:
            return None
        assert self._ledger is not None
        self._cap.debit(checked.event, checked.what, neighbours=self.agreement.neighbours)
        return self._ledger.debit(checked.event, checked.what, neighbours=self.agreement.neighbours)

    def _measured(self, question: Question, checked: _Checked, number: str) -> tuple[NDArray[np.uint64], ...]:
        """Return the masked sums with fresh noise."""
        values = noisy_shares(
            self._source,
            checked.query,
            [share.shift for share in checked.shares],
            [share.scale for share in checked.shares],
            self._noise,
            n_jobs=self._n_jobs,
        )
        secrets = {name: self._secrets[name] for name in question.sites if name != self.name}
        return _masked(values, mask(self.name, secrets, bytes.fromhex(number), sum(v.size for v in values)))

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A Site holds private rows and cannot be pickled or copied.")

    def __repr__(self) -> str:
        return f"Site({self.name!r}, agreement={self.agreement.digest[:12]}...)"


def _cause(error: Exception) -> str:
    """Say what an error is without its text, which may hold values of rows."""
    reason = error.strerror if isinstance(error, OSError) else None
    return type(error).__name__ if reason is None else f"{type(error).__name__}: {reason}"


def _masked(values: Sequence[NDArray[np.uint64]], pads: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], ...]:
    """Add the pads, modulo 2**64, one word for each entry."""
    ends = np.cumsum([v.size for v in values])
    parts = np.split(pads, ends[:-1])
    return tuple(v + part.reshape(v.shape) for v, part in zip(values, parts, strict=True))
