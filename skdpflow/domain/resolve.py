"""The ``domain`` parameter of an estimator as columns of a table, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from skdpflow._validation import invalid
from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.domain import Domain
from skdpflow.domain.schema import Name

_MOST_NAMED = 5


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def _bounds(owner: str, which: str, value: object, n_features: int) -> list[Any]:
    """Return one bound per column from a scalar or a sequence."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        if np.ndim(value) == 1 and len(value) == n_features:
            return list(value)
        if np.ndim(value) != 0:
            raise ValueError(
                f"The 'domain' parameter of {owner} must have a number, or one for each of the {n_features} "
                f"columns, as its {which} bound. Got an array of shape {np.shape(value)} instead."
            )
        value = np.asarray(value).item()
    return [value] * n_features


def _without_target(
    domain: Domain, names: Sequence[str] | None, name: str, target: Column | None, owner: str
) -> Domain:
    """Take the target's column out of a domain that describes it too."""
    if name not in domain or name in (names or ()):
        return domain
    if target is None:
        raise ValueError(
            f"The 'domain' parameter of {owner} describes {name!r}, which is y and no column of X. To model y, pass "
            f"it as the 'target' parameter too: target=domain[{name!r}]. Otherwise leave it out."
        )
    if domain[name] != target:
        raise ValueError(
            f"The 'domain' and 'target' parameters of {owner} describe the target {name!r} differently: "
            f"{domain[name]!r} and {target!r}. Make them equal, or leave it out of the domain."
        )
    if len(domain) == 1:
        raise ValueError(f"The 'domain' parameter of {owner} describes the target only, and no column of X.")
    return Domain({other: domain[other] for other in domain if other != name}, constraints=domain.constraints)


def resolve_domain(
    domain: object,
    names: Sequence[Name] | None,
    n_features: int,
    *,
    owner: str = "DPSlicedWassersteinFlow",
    target: Column | None = None,
    target_name: Name | None = None,
) -> Domain | None:
    """Make a `Domain` of what a user may pass as ``domain``.

    Examples
    --------
    >>> from skdpflow.domain.resolve import resolve_domain
    >>> resolve_domain((0, [1, 10]), None, 2)
    Domain({'x0': Interval(0.0, 1.0), 'x1': Interval(0.0, 10.0)})
    """
    if domain is None:
        return None
    labels = None if names is None else list(map(str, names))
    if isinstance(domain, tuple | list) and len(domain) == 2:
        lower = _bounds(owner, "lower", domain[0], n_features)
        upper = _bounds(owner, "upper", domain[1], n_features)
        labels = labels or [f"x{j}" for j in range(n_features)]
        return Domain({name: Interval(lo, hi) for name, lo, hi in zip(labels, lower, upper, strict=True)})
    if not isinstance(domain, Mapping):
        expected = "a Domain, a dict of Interval and Categories, a pair (lower, upper) or None"
        raise invalid(owner, "domain", expected, domain)
    resolved = (domain if isinstance(domain, Domain) else Domain(domain)).without_grids()
    if target_name is not None and (labels is not None or len(resolved) == n_features + 1):
        resolved = _without_target(resolved, labels, str(target_name), target, owner)
    if labels is None:
        if len(resolved) != n_features:
            raise ValueError(
                f"The 'domain' parameter of {owner} must describe the {n_features} columns of X. "
                f"Got {len(resolved)} columns instead."
            )
        return resolved
    problems = []
    if undeclared := set(labels) - set(resolved):
        problems.append(f"Not in the domain: {_listed(undeclared)}; drop it or declare it.")
    if absent := set(resolved) - set(labels):
        problems.append(f"In the domain but not in X: {_listed(absent)}.")
    if absent and target is not None and target_name is None:
        problems.append("If that is y, pass y as a series of this name.")
    if problems and names is not None and not all(isinstance(name, str) for name in names):
        problems.append(
            "Names that are whole numbers are compared as text: X.columns = list(domain) names the columns."
        )
    if problems:
        raise ValueError(f"The 'domain' parameter of {owner} must name the columns of X. {' '.join(problems)}")
    return Domain({name: resolved[name] for name in labels}, constraints=resolved.constraints)
