"""The file on which the sites of a federation agree before anything is measured."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from skdpflow._outputs import replacing
from skdpflow._validation import check_choice, check_int, check_real
from skdpflow.domain import Categories, Column, Domain, Interval, column_from_dict
from skdpflow.domain.categories import is_undeclared
from skdpflow.exceptions import FederationError
from skdpflow.federation.keys import check_name

_FORMAT = "skdpflow-federation-1"
#: Most sites, and the largest epsilon: the proof of `skdpflow.federation.shares` uses both.
MAX_SITES, MAX_EPSILON = 100, 32.0


@dataclass(frozen=True, eq=False)
class Agreement:
    """What all sites agreed on: who they are, what their rows look like, and the most that may be spent.

    Parameters
    ----------
    sites : mapping of str to str
        Public name of each site and its public key, see `Keys`.
    domain : Domain
        The columns of all sites, declared.
    target : Categories, Interval or None, default=None
        What y is, declared.
    epsilon, delta : float
        The agreed cap: the most that all fits under this agreement may cost the rows of a site, repeated rounds
        included. Epsilon is at most 32.
    neighbours : {"add-remove", "replace-one"}, default="add-remove"
        The neighbouring relation. Under "replace-one", the number of rows of each site is public.
    tolerates : int, default=1
        How many sites may pool what they know with whoever reads the Release: the guarantee holds against them all.
        With 0, it holds against everybody but the sites.
    min_sites : int or None, default=None
        A request to fewer sites is refused. None is the smallest that is possible: `tolerates` + 1, at least 2.

    Attributes
    ----------
    digest : str
        SHA-256 of the content. Each site compares it, by telephone or on paper, with that of the others.

    See Also
    --------
    Site : Holds rows and keeps to the agreement.
    Federation : Asks the sites.

    Examples
    --------
    >>> from skdpflow import Domain, Interval
    >>> from skdpflow.federation import Agreement, Keys
    >>> keys = [Keys.generate(name) for name in ("north", "south", "west")]
    >>> agreement = Agreement(
    ...     {k.name: k.public for k in keys}, Domain({"age": Interval(0, 100)}), epsilon=1.0, delta=1e-6
    ... )
    >>> agreement.tolerates, agreement.min_sites, len(agreement.digest)
    (1, 2, 64)
    """

    sites: Mapping[str, str]
    domain: Domain
    target: Column | None = None
    epsilon: float = 1.0
    delta: float = 1e-6
    neighbours: str = "add-remove"
    tolerates: int = 1
    min_sites: int | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.sites, Mapping) or not 2 <= len(self.sites) <= MAX_SITES:
            raise FederationError(f"An agreement is between 2 to {MAX_SITES} sites, each with its public key.")
        for site, key in self.sites.items():
            check_name(site)
            _check_key(site, key)
        if len(set(self.sites.values())) < len(self.sites):
            raise FederationError("Two sites of the agreement have the same public key: each needs its own.")
        if not isinstance(self.domain, Domain) or self.domain.undeclared:
            raise FederationError(
                "The domain of an agreement must be a Domain that declares the values of all columns: levels cannot be "
                "found privately over several sites, so list them in Categories([...])."
            )
        if not isinstance(self.target, Interval | Categories | None) or is_undeclared(self.target):
            raise FederationError(
                "The target of an agreement must be an Interval, a Categories with its labels, or None: labels cannot "
                "be found privately over several sites."
            )
        tolerates = check_int(name, "tolerates", self.tolerates, 0, len(self.sites) - 1)
        least = max(tolerates + 1, 2)
        fewest = (
            least if self.min_sites is None else check_int(name, "min_sites", self.min_sites, least, len(self.sites))
        )
        values = {
            "sites": MappingProxyType(dict(sorted(self.sites.items()))),
            "epsilon": check_real(name, "epsilon", self.epsilon, 0.0, MAX_EPSILON, "right"),
            "delta": check_real(name, "delta", self.delta, 0.0, 1.0),
            "neighbours": check_choice(name, "neighbours", self.neighbours, ("add-remove", "replace-one")),
            "tolerates": tolerates,
            "min_sites": fewest,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sites, sorted."""
        return tuple(self.sites)

    @property
    def fewest(self) -> int:
        """The smallest number of sites that a request may go to."""
        assert self.min_sites is not None
        return self.min_sites

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the content as JSON: equal agreements give equal text.

        Returns
        -------
        text : str
            What `save` writes.
        """
        content = {
            "format": _FORMAT,
            "sites": dict(self.sites),
            "domain": self.domain.to_dict(),
            "target": None if self.target is None else self.target.to_dict(),
            "epsilon": self.epsilon,
            "delta": self.delta,
            "neighbours": self.neighbours,
            "tolerates": self.tolerates,
            "min_sites": self.min_sites,
        }
        return json.dumps(content, sort_keys=True, allow_nan=False, indent=1)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the agreement to a file, which is public.

        Parameters
        ----------
        file : path
            Where to write.
        """
        with replacing(file) as opened:
            opened.write(self.to_json().encode())

    @classmethod
    def load(cls, file: str | os.PathLike[str], *, digest: str | None = None) -> Self:
        """Read an agreement.

        Parameters
        ----------
        file : path
            What `save` wrote.
        digest : str or None, default=None
            What the sites told each other outside of this file; another one is refused. None trusts the file.

        Returns
        -------
        agreement : Agreement
        """
        text = Path(file).read_text()
        agreement, problem = None, None
        try:
            content: dict[str, Any] = json.loads(text)
            if content.pop("format") != _FORMAT:
                raise FederationError("it is of another version")
            domain, target = content.pop("domain"), content.pop("target")
            target = None if target is None else column_from_dict(target)
            agreement = cls(domain=Domain.from_dict(domain), target=target, **content)
        except FederationError as e:
            problem = str(e)
        except Exception as e:  # a hostile file can fail in any way
            problem = type(e).__name__
        if agreement is None:
            raise FederationError(f"{Path(file).name!r} is no agreement of a federation ({problem}).")
        if digest is not None and digest != agreement.digest:
            raise FederationError(
                f"{Path(file).name!r} has the digest {agreement.digest}, and not the expected one: it is not the file "
                "on which the sites agreed."
            )
        return agreement

    def __repr__(self) -> str:
        return (
            f"Agreement({len(self.sites)} sites, tolerates={self.tolerates}, epsilon={self.epsilon:g}, "
            f"delta={self.delta:g}, digest={self.digest[:12]}...)"
        )


def _check_key(site: str, key: object) -> None:
    ok = isinstance(key, str) and len(key) == 64 and all(c in "0123456789abcdef" for c in key)
    if not ok:
        raise FederationError(f"The public key of the site {site!r} must be 64 hexadecimal digits, see Keys.public.")
