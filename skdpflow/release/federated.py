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

__all__ = ["Federated"]


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
    def fewest(self) -> int:
        """Number of sites in the smallest round."""
        return min(map(len, self.rounds))

    @property
    def most(self) -> int:
        """Number of sites in the largest round."""
        return max(map(len, self.rounds))

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
            events.append(SlackEvent(parts.slack_epsilon, parts.slack_delta))
        return float(GaussianDPAccountant().epsilon(ComposedEvent(tuple(events)), delta))

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
