"""What a Release of several holders says about them, and what is guaranteed against each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent, SlackEvent
from skdpflow.accountants.base import tally
from skdpflow.accountants.events import Event
from skdpflow.exceptions import ReleaseError

__all__ = ["Federated", "entry_of", "in_words"]

RECOMPUTE = (
    "Each of the m sites of a round adds noise of variance s^2 / (m - t), where t sites are tolerated. The cap is that "
    "against t sites, and the noise scales of the measurements are those of all m shares. Against j sites, multiply "
    "the mu of the cap by sqrt((m - t) / (m - j)), with the m of the round for which that is most."
)


@dataclass(frozen=True)
class Federated:
    """How a Release came about from the sums of several sites.

    Parameters
    ----------
    agreement : str
        Digest of the agreement.
    fit : str
        Number of the fit, by which the ledgers of the sites name it.
    sites : tuple of str
        All sites of the agreement that were asked.
    tolerates : int
        How many sites may pool what they know with whoever reads the Release.
    rounds : tuple of tuple of str
        The sites whose sums each round holds.
    repeated : int
        How many rounds were asked for again, because a site did not answer.
    heads : mapping of str to str
        Head of the ledger of each site after its last debit.

    Examples
    --------
    >>> from skdpflow.release.federated import Federated
    >>> Federated("00", "01", ("a", "b"), 0, (("a", "b"),), 0, {}).fewest
    2
    """

    agreement: str
    fit: str
    sites: tuple[str, ...]
    tolerates: int
    rounds: tuple[tuple[str, ...], ...]
    repeated: int
    heads: Mapping[str, str]

    @property
    def entry(self) -> str:
        """How the entries of this fit begin in the ledgers of the sites."""
        return entry_of(self.agreement, self.fit)

    @property
    def fewest(self) -> int:
        """Number of sites in the smallest round."""
        return min(map(len, self.rounds))

    @property
    def most(self) -> int:
        """Number of sites in the largest round, also of those that were asked for again."""
        return len(self.sites)

    def epsilon_against(self, pooling: int, cap: Event, delta: float) -> float:
        r"""Return the epsilon of the measurements against `pooling` sites that know what they added.

        Notes
        -----
        The cap is that against as many sites as are tolerated. With :math:`j` sites instead of :math:`t`, the noise of
        a round of :math:`m` has :math:`(m - j) / (m - t)` times the variance: the worst round counts for all.
        """
        strengths = [
            (m - self.tolerates) / (m - pooling) if pooling < m else math.inf for m in (self.fewest, self.most)
        ]
        parts = tally(cap)
        if parts.non_private or math.isinf(max(strengths)):
            return math.inf
        events: list[Event] = [GaussianEvent(1.0 / (parts.gaussian_mu * math.sqrt(max(strengths))))]
        if parts.slack_epsilon:
            # the slack is for m - t shares; where fewer sites pool, more shares are unknown
            more = max(1.0, *((m - pooling) / (m - self.tolerates) for m in (self.fewest, self.most)))
            events.append(SlackEvent(parts.slack_epsilon * more, parts.slack_delta * more))
        return float(GaussianDPAccountant().epsilon(ComposedEvent(tuple(events)), delta))

    def stated(self, cap: Event, delta: float) -> dict[str, Any]:
        """Return what a statement says, with the epsilon against several readers; None where nothing is promised."""
        against = {}
        for pooling in sorted({0, min(1, self.fewest - 1), self.tolerates, min(self.tolerates + 1, self.fewest - 1)}):
            epsilon = self.epsilon_against(pooling, cap, delta)
            against[str(pooling)] = epsilon if math.isfinite(epsilon) else None
        return {
            **self.to_dict(),
            "epsilon_against_sites_that_pool": against,
            "recompute": RECOMPUTE,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "heads": dict(self.heads)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Federated:
        """Build it from what `to_dict` returned, possibly by way of JSON."""
        names = {"agreement", "fit", "sites", "tolerates", "rounds", "repeated", "heads"}
        if set(data) != names:
            raise ReleaseError(f"What the file says of a federation must have the fields {sorted(names)}.")
        found = cls(
            agreement=data["agreement"],
            fit=data["fit"],
            sites=tuple(data["sites"]),
            tolerates=data["tolerates"],
            rounds=tuple(map(tuple, data["rounds"])),
            repeated=data["repeated"],
            heads=dict(data["heads"]),
        )
        texts = [found.agreement, found.fit, *found.sites, *found.heads, *found.heads.values()]
        known, counts = set(found.sites), (found.tolerates, found.repeated)
        if not (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)
            and found.rounds
            and all(set(names) <= known and len(set(names)) == len(names) for names in found.rounds)
            and found.fewest > found.tolerates
            and set(found.heads) <= known
        ):
            raise ReleaseError("What the file says of a federation contradicts itself.")
        return found


def entry_of(agreement: str, fit: str) -> str:
    """Return how the entries of a fit begin in the ledger of a site."""
    return f"federation {agreement[:12]}, fit {fit[:12]}"


def in_words(stated: Mapping[str, Any], epsilon: float, neighbours: str) -> list[str]:
    """Say in sentences who sees what, and what is guaranteed against whom."""
    sites, t = stated["sites"], stated["tolerates"]
    against = {int(j): e for j, e in stated["epsilon_against_sites_that_pool"].items()}
    smallest = min(map(len, stated["rounds"]))
    out = [
        f"The rows are those of {len(sites)} sites, which did not show them to each other: {', '.join(sites)}.",
        f"Whoever reads the Release, and the coordinator, see sums over all sites of a round, at least {smallest}, "
        f"with the noise of all of them. They see no answer of one site alone. Against them, {_epsilon(against[0])}.",
    ]
    if 1 in against:
        out.append(
            "A site knows its own rows and its own noise, which it can take off every sum. Against one site that reads "
            f"the Release, about the rows of the others, {_epsilon(against[1])}."
        )
    if t:
        pool = "one site" if t == 1 else f"{t} sites"
        out.append(
            f"At most {t} of the sites pool what they know with the coordinator and with whoever reads the Release, or "
            f"add less noise than was agreed. Against {pool}, epsilon is that of the guarantee, {epsilon:g}."
        )
    else:
        out.append("No site is tolerated: the guarantee holds against everybody but the sites.")
    if t + 1 in against and t > 0:
        out.append(f"Against {t + 1} sites that pool what they know, {_epsilon(against[t + 1])}.")
    if stated["repeated"]:
        out.append(
            f"{stated['repeated']} rounds were asked for again, because a site did not answer or failed. The sites "
            "that had answered paid for both. The guarantee includes both, even if the coordinator kept the sums of "
            "both."
        )
    out += [
        "What a coordinator asked for beyond this Release is limited by the cap that the sites agreed on, and stands "
        "in the ledger of each site.",
        "Rows of one person at two sites are two rows.",
        "That the coordinator sees sums only rests on the secrecy of the private keys of the sites, on X25519 and on "
        "SHAKE-256. That the Release is private does not.",
    ]
    if neighbours == "replace-one":
        out.append("The number of rows of each site is public: it is the same in neighbouring tables.")
    return out


def _epsilon(value: float | None) -> str:
    return "nothing is guaranteed" if value is None else f"epsilon = {value:.4g}"
