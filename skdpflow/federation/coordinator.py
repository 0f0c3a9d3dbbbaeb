"""The coordinator: it asks sites for sums, round by round, and sees neither a row nor the sums of one site."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skdpflow._validation import check_real, invalid
from skdpflow.domain import Column, Domain
from skdpflow.exceptions import FederationError
from skdpflow.federation.agreement import Agreement
from skdpflow.federation.mailbox import Mailbox
from skdpflow.federation.messages import Answer, Question, digest
from skdpflow.federation.site import Site


@runtime_checkable
class Carrier(Protocol):
    """Takes requests to sites and brings answers back, by whatever means.

    See Also
    --------
    Federation : Uses it.
    Mailbox : Carries messages by a shared folder.

    Notes
    -----
    A carrier may have a method ``end`` as well, such as `Mailbox.end`. It is called with the number of a fit that is
    over.
    """

    def ask(self, request: bytes, sites: Sequence[str], timeout: float) -> Iterator[tuple[str, bytes]]:
        """Send a request, and return the answers as they come, until the time is over.

        Parameters
        ----------
        request : bytes
            The request.
        sites : sequence of str
            Whom to ask.
        timeout : float
            Seconds to wait.

        Yields
        ------
        answer : tuple of str and bytes
            The name of a site and its answer.
        """
        ...


class _Here:
    """Sites in this process."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = {site.name: site for site in sites}

    def ask(self, request: bytes, sites: Sequence[str], timeout: float) -> Iterator[tuple[str, bytes]]:
        for name in sites:
            if name in self._sites:
                yield name, self._sites[name].answer(request)


class Federation:
    """Several holders of rows, whom `DPSlicedWassersteinFlow.fit` asks for sums in the place of rows.

    Parameters
    ----------
    sites : sequence of Site, path, or Carrier
        The sites in this process; or a shared folder in which they look for requests, see
        ``skdpflow site``; or an object that carries messages in another way.
    agreement : Agreement or None, default=None
        What the sites agreed on; None takes it from the sites, if they are in this process.
    timeout : float, default=600.0
        Seconds to wait for the answers of a round. A site that does not answer, or that answers that it failed, is left
        out from then on. A `FederationWarning` names it. The round is repeated without it, which costs the others once
        more.

    See Also
    --------
    Site : Holds rows.
    Agreement : What is agreed on.

    Notes
    -----
    The coordinator sees sums over the sites, with their noise, and no answer of one site alone. It cannot make a site
    exceed its budget, see `Site`.

    The whole fit costs the budget of the flow, repeated rounds included: what they cost is taken from later rounds,
    which get more noise. ``privacy_statement`` says against how many sites the guarantee holds.

    Examples
    --------
    >>> from skdpflow import Domain, Interval
    >>> from skdpflow.federation import Agreement, Federation, Keys
    >>> keys = [Keys.generate(name) for name in ("north", "south")]
    >>> agreement = Agreement({k.name: k.public for k in keys}, Domain({"age": Interval(0, 100)}))
    >>> Federation(".", agreement=agreement)
    Federation(2 sites, tolerates=1)
    """

    def __init__(self, sites: Any, *, agreement: Agreement | None = None, timeout: float = 600.0) -> None:
        owner = type(self).__name__
        self.timeout = check_real(owner, "timeout", timeout, 0.0)
        if isinstance(sites, str | os.PathLike):
            carrier: Carrier = Mailbox(sites)
        elif isinstance(sites, Carrier):
            carrier = sites
        elif isinstance(sites, Sequence) and sites and all(isinstance(site, Site) for site in sites):
            carrier = _Here(sites)
            agreement = sites[0].agreement if agreement is None else agreement
        else:
            raise invalid(owner, "sites", "a list of Site, a folder, or an object with a method 'ask'", sites)
        if not isinstance(agreement, Agreement):
            raise invalid(owner, "agreement", "an Agreement, where the sites are not in this process", agreement)
        self.carrier = carrier
        self.agreement = agreement

    def check(self, domain: Any, target: Column | None, neighbours: str, epsilon: float, delta: float) -> None:
        """Refuse a fit that is not what the sites agreed on; asks nobody and spends nothing.

        Parameters
        ----------
        domain : Domain
            The declared columns.
        target : Interval, Categories or None
            What y is.
        neighbours : {"add-remove", "replace-one"}
            The neighbouring relation.
        epsilon, delta : float
            The budget.

        Raises
        ------
        FederationError
            If a parameter is another one than the agreement says.
        """
        agreed = self.agreement
        if not isinstance(domain, Domain) or domain.to_dict() != agreed.domain.to_dict():
            raise FederationError("The flow needs the domain of the agreement: domain=agreement.domain.")
        if (None if target is None else target.to_dict()) != (
            None if agreed.target is None else agreed.target.to_dict()
        ):
            raise FederationError("The flow needs the target of the agreement: target=agreement.target.")
        if neighbours != agreed.neighbours:
            raise FederationError(f"The sites agreed on neighbours={agreed.neighbours!r}.")
        if epsilon > agreed.epsilon or delta > agreed.delta:
            raise FederationError(
                f"The sites agreed on at most (epsilon, delta) = ({agreed.epsilon:g}, {agreed.delta:g})."
            )

    def collect(self, question: Question, shapes: Sequence[tuple[int, ...]]) -> dict[str, Answer]:
        """Ask sites, and return the answers of those that answered in time, also those that only say that they failed.

        Parameters
        ----------
        question : Question
            What is asked.
        shapes : sequence of tuple of int
            Shapes of the sums.

        Returns
        -------
        answers : dict of str to Answer
            By the name of the site.

        Raises
        ------
        FederationError
            If a site refuses, or answers anything but what was asked; it is named.
        """
        data = question.to_bytes()
        number, seen, answers = digest(data), dict[str, bytes](), dict[str, Answer]()
        for site, raw in self.carrier.ask(data, question.sites, self.timeout):
            if site not in question.sites:
                raise FederationError(f"An answer came from {site!r}, who was not asked.")
            if seen.setdefault(site, raw) != raw:
                raise FederationError(f"The site {site!r} answered one request twice, in different ways.")
            answers[site] = self._checked(site, raw, number, shapes)
        return answers

    def _checked(self, site: str, raw: bytes, number: str, shapes: Sequence[tuple[int, ...]]) -> Answer:
        problem, answer = None, None
        try:
            answer = Answer.from_bytes(raw)
        except FederationError as e:
            problem = str(e)
        if answer is None:
            raise FederationError(f"The site {site!r} is at fault. {problem}")
        if answer.refused is not None:
            raise FederationError(f"The site {site!r} refuses a request: {answer.refused}")
        if answer.agreement != self.agreement.digest or answer.site != site:
            raise FederationError(f"The answer of the site {site!r} is of another site or agreement.")
        if answer.request != number:
            raise FederationError(f"The answer of the site {site!r} is to another request.")
        expected = [] if answer.failed else list(shapes)
        if [values.shape for values in answer.sums] != expected or (not shapes and answer.schema is None):
            raise FederationError(f"The answer of the site {site!r} does not have the shape that was asked for.")
        return answer

    def __repr__(self) -> str:
        return f"Federation({len(self.agreement.sites)} sites, tolerates={self.agreement.tolerates})"


def total(answers: dict[str, Answer], i: int) -> NDArray[np.uint64]:
    """Add a statistic over all sites, modulo 2**64: the masks cancel."""
    return np.asarray(np.sum([answer.sums[i] for answer in answers.values()], axis=0, dtype=np.uint64))
