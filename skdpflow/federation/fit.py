"""A fit over several sites: the rounds of a plan, each answered by sums, and the Release of them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

from skdpflow._callers import caller_level
from skdpflow.accountants import ComposedEvent, Event, GaussianEvent, NonPrivateEvent, SlackEvent
from skdpflow.accountants.budget import Budget
from skdpflow.accountants.calibrate import calibrate
from skdpflow.accountants.slack import DELTA_SLACK, EPSILON_SLACK, PLAN_SLACK, differing
from skdpflow.domain.differences import with_differences
from skdpflow.domain.measured import measured_domain, put_back
from skdpflow.domain.schema import Schema
from skdpflow.exceptions import FederationError, FederationWarning
from skdpflow.federation.coordinator import Federation, total
from skdpflow.federation.messages import Question, Wanted
from skdpflow.federation.shares import Share, strength
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.release import Measurement, Release
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.encoding import encoded_as
from skdpflow.release.federated import Federated
from skdpflow.release.implied import SUMMED, Implied, implied
from skdpflow.release.request import PlanContext, Request
from skdpflow.sampling.writable import check_writable


class Rounds:
    """The rounds of one fit, their budget, and the sites that are left.

    Parameters
    ----------
    federation : Federation
        Whom to ask.
    budget : Budget
        What the fit may spend.
    """

    def __init__(self, federation: Federation, budget: Budget) -> None:
        self._federation, self._neighbours = federation, budget.neighbours
        self.slack = SlackEvent(budget.epsilon * EPSILON_SLACK, budget.delta * DELTA_SLACK)
        epsilon, delta = budget.epsilon - self.slack.epsilon, budget.delta - self.slack.delta
        multiplier = calibrate(GaussianEvent, epsilon, delta * math.exp(-self.slack.epsilon), "gdp")
        self.mu = 1.0 / multiplier
        self.cap = GaussianEvent(multiplier)
        self._filter = PrivacyFilter(self.mu**2)
        self._planned = self._spent = 0.0
        self._slack_left = [self.slack.epsilon, self.slack.delta]
        self.fit = os.urandom(16).hex()
        self.sites = federation.agreement.names
        self.asked: tuple[str, ...] = ()
        self.rounds: list[tuple[str, ...]] = []
        self.repeated = 0
        self.heads: dict[str, str] = {}
        self.private = True
        self._epochs: dict[str, str] = {}
        self.columns: tuple[Any, ...] | None = None

    def schema(self) -> Schema:
        """Ask all sites for the names and dtypes of their rows, which have to be the same; costs nothing."""
        question = Question(self._federation.agreement.digest, self.fit, 0, 0, self.sites)
        answers = self._federation.collect(question, [])
        missing = [site for site in self.sites if site not in answers]
        if missing:
            self._leave_out(missing)
        self.asked = self.sites
        self._epochs = {site: answer.epoch or "" for site, answer in answers.items()}
        schemas = {site: dict(answer.schema or {}) for site, answer in answers.items()}
        first = schemas[self.sites[0]]
        if other := [site for site, schema in schemas.items() if schema != first]:
            raise FederationError(
                f"The rows of {other} have other containers, names or dtypes than those of {self.sites[0]!r}: give all "
                "sites tables of the same form. Nothing was spent."
            )
        return Schema.from_dict(first)

    def ask(self, requests: Sequence[Request]) -> list[Measurement]:
        """Have one round answered, again without the sites that do not answer."""
        statistics = [self._implied(request) for request in requests]
        share = sum(request.share for request in requests)
        if not share <= (1.0 - self._planned) * (1.0 + 1e-9):
            raise FederationError("The mechanism asks for more than its budget. Nothing was asked of this round.")
        attempt = 0
        while True:
            # what repeated rounds cost is taken from this round and all later ones
            factor = (1.0 - self._spent) / (1.0 - self._planned)
            wanted, shares = self._wanted(requests, statistics, factor)
            self._spent += share * factor
            question = Question(
                self._federation.agreement.digest,
                self.fit,
                len(self.rounds) + 1,
                attempt,
                self.sites,
                tuple(self._epochs[site] for site in self.sites),
                wanted,
                self.columns,
            )
            answers = self._federation.collect(question, [statistic.shape for statistic in statistics])
            for site, answer in answers.items():
                self.private &= answer.private
                if answer.head is not None:
                    self.heads[site] = answer.head
            failed = [site for site, answer in answers.items() if answer.failed]
            missing = [site for site in self.sites if site not in answers]
            if not missing and not failed:
                break
            self._leave_out(missing, failed)
            attempt, self.repeated = attempt + 1, self.repeated + 1
        self._planned += share
        self.rounds.append(self.sites)
        return [
            self._measurement(request, statistic, w, own.back(total(answers, i)))
            for i, (request, statistic, w, own) in enumerate(zip(requests, statistics, wanted, shares, strict=True))
        ]

    def _implied(self, request: Request) -> Implied:
        """Refuse what is no sum over rows."""
        if request.kind not in SUMMED:
            raise FederationError(
                f"The sites of a federation answer sums of the kinds {SUMMED}. The mechanism asks for "
                f"{request.kind!r}, which takes all rows in one place. Use mechanism='marginals', and declare what "
                "would have to be found."
            )
        if request.columns is not None:
            self.columns = tuple(request.columns)
        return implied(request.kind, request.params, self._neighbours)

    def _wanted(
        self, requests: Sequence[Request], statistics: Sequence[Implied], factor: float
    ) -> tuple[tuple[Wanted, ...], list[Share]]:
        """Return what is asked for within the budget and the slack, which are charged for it."""
        wanted, shares = [], []
        for request, statistic in zip(requests, statistics, strict=True):
            event = GaussianEvent(1.0 / (self.mu * math.sqrt(request.share * factor)))
            share = self._share(statistic.sensitivity, statistic.relative_scale, event)
            self._hold(share.slack(differing(statistic.touched, self._neighbours)))
            self._filter.debit(event, request.name)
            wanted.append(Wanted(request.name, request.kind, event.noise_multiplier, request.params))
            shares.append(share)
        return tuple(wanted), shares

    def _share(self, sensitivity: float, relative_scale: Any, event: GaussianEvent) -> Share:
        scale = relative_scale * (sensitivity * event.noise_multiplier)
        return Share.of(scale, sensitivity, len(self.sites), self._federation.agreement.tolerates)

    def _hold(self, slack: SlackEvent) -> None:
        self._slack_left = [self._slack_left[0] - slack.epsilon, self._slack_left[1] - slack.delta]
        if min(self._slack_left) < 0.0:
            raise FederationError(
                "A measurement exceeds the floating-point slack of the guarantee. Use fewer columns or a larger "
                "epsilon or delta."
            )

    def _measurement(self, request: Request, statistic: Implied, wanted: Wanted, values: Any) -> Measurement:
        """Return the sum with its noise, that of all sites, of which the cap counts only what cannot be removed."""
        tolerates = self._federation.agreement.tolerates
        event = GaussianEvent(wanted.multiplier / strength(len(self.sites), tolerates, 0))
        scale = statistic.relative_scale * (statistic.sensitivity * event.noise_multiplier)
        return Measurement(request.name, request.kind, request.params, values, scale, statistic.sensitivity, event)

    def _leave_out(self, missing: Sequence[str], failed: Sequence[str] = ()) -> None:
        """Go on without some sites, if enough are left, and say so."""
        self.sites = tuple(site for site in self.sites if site not in (*missing, *failed))
        reasons = []
        if missing:
            reasons.append(
                f"These sites did not answer in time: {list(missing)}. See that they run, or wait longer: "
                "Federation(..., timeout=...)."
            )
        if failed:
            reasons.append(
                f"These sites failed after they had debited a request: {list(failed)}. The log of each says why. What "
                "it debited stays debited."
            )
        fewest = self._federation.agreement.fewest
        if len(self.sites) < fewest:
            spent = "The rounds so far were debited at the sites." if self.rounds else ""
            raise FederationError(" ".join([*reasons, f"At least {fewest} were agreed on.", spent]).strip())
        warnings.warn(
            " ".join([*reasons, "The fit goes on without them."]), FederationWarning, stacklevel=caller_level()
        )

    def check_plan(self, mechanism: Any, context: PlanContext) -> None:
        """Refuse a plan that could exceed the floating-point slack, before anything is spent."""
        demands = getattr(mechanism, "demands", None)
        needed = 0.0
        for demand in demands(context) if callable(demands) else []:
            if demand.share > 0.0 and not demand.n_choices:
                event = GaussianEvent(1.0 / (self.mu * math.sqrt(demand.share)))
                share = self._share(demand.sensitivity, 1.0, event)
                needed += share.slack(differing(demand.touched, self._neighbours)).epsilon
        if needed > self.slack.epsilon:
            raise FederationError(
                "The fit could need more than the floating-point slack of the guarantee. Use fewer columns or a larger "
                "epsilon or delta. Nothing was spent."
            )


def federated_release(
    federation: Federation, budget: Budget, mechanism: Any, projections: Any, *, seed: int, transport: dict[str, Any]
) -> Release:
    """Carry out a mechanism's plan on the rows of all sites. Parameters as for `skdpflow.curator.measure`."""
    agreement = federation.agreement
    rounds = Rounds(federation, budget)
    schema = rounds.schema()
    check_writable(schema, agreement.domain, agreement.target)
    domain, target = with_differences(measured_domain(agreement.domain)), agreement.target
    tolerates, n_sites = agreement.tolerates, len(rounds.sites)
    mu = rounds.mu * strength(n_sites, tolerates, 0)
    # the slack of shares is 32 times the root of their number that of one draw, a little more where noise is small
    slack = PLAN_SLACK * rounds.slack.epsilon / (34.0 * math.sqrt(n_sites - tolerates))
    context = PlanContext.of(domain, target, mu, budget.neighbours, seed, projections, slack, False)
    rounds.check_plan(mechanism, context)
    measured: list[Measurement] = []
    dialogue = Dialogue(mechanism.plan(context))
    for requests in dialogue:
        answers = rounds.ask(requests)
        measured += answers
        dialogue.answer(answers)
    if rounds.columns is not None:
        domain, target = encoded_as(domain, target, rounds.columns)
    end = getattr(federation.carrier, "end", None)
    if callable(end):
        try:
            end(rounds.fit)
        except Exception as e:  # the sites go on waiting, and the release is paid for
            told = f"The sites could not be told that the fit is over ({type(e).__name__}). It is complete."
            warnings.warn(told, FederationWarning, stacklevel=caller_level())
    seeded: tuple[Event, ...] = () if rounds.private else (NonPrivateEvent(),)
    return Release(
        domain=put_back(domain, agreement.domain),
        target=target,
        schema=schema,
        neighbours=budget.neighbours,
        epsilon=budget.epsilon,
        delta=budget.delta,
        accountant="gdp",
        event=ComposedEvent(tuple(m.event for m in measured)),
        cap=ComposedEvent((rounds.cap, rounds.slack, *seeded)),
        mechanism=mechanism.describe(),
        measurements=tuple(measured),
        transport={**transport, "seed": seed},
        private=rounds.private,
        federated=Federated(
            agreement.digest,
            rounds.fit,
            rounds.asked,
            tolerates,
            tuple(rounds.rounds),
            rounds.repeated,
            rounds.heads,
        ),
    )
