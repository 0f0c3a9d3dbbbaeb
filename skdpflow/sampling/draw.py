"""Synthetic rows from a learned model: how many of what is asked for, drawn, and decoded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow._validation import check_generator, check_int, check_shares, class_codes
from skdpflow.domain import Domain, Key
from skdpflow.release import Release
from skdpflow.release.size import released_size
from skdpflow.sampling.cells import cells_of
from skdpflow.sampling.constrained import sample_met
from skdpflow.sampling.constraints import Constraints
from skdpflow.sampling.decode import decode_target, rows_of, unmeasured_cells
from skdpflow.sampling.where import Ranges, condition_of, sample_where
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Components = NDArray[np.int64]


def request(owner: str, release: Release, n_samples: Any, random_state: Any) -> tuple[int, np.random.Generator]:
    """Check how many rows are asked for, and with which randomness; None asks for as many as were measured."""
    n = released_size(release) if n_samples is None else check_int(owner, "n_samples", n_samples, 0)
    return n, check_generator(owner, "random_state", random_state)


def labelled_request(
    owner: str, release: Release, n_samples: Any, y: Any, proportions: Any, random_state: Any
) -> tuple[int, np.random.Generator, Components | None]:
    """Check a request for rows with labels; returns the wanted components too, or None for any."""
    if release.target is None:
        raise ValueError(
            f"This {owner} has no target to sample: set `target` and pass y to fit. (With "
            "Categories(), labels are found privately; on little data none may be found.)"
        )
    if y is not None and proportions is not None:
        raise ValueError("Pass either y or proportions: each says which classes are wanted.")
    if (y is not None or proportions is not None) and release.classes is None:
        raise ValueError("y and proportions need a target with classes: target=Categories([...]).")
    classes = release.classes or ()
    if y is not None:
        component = class_codes(owner, "y", y, classes)
        n, rng = request(owner, release, len(component) if n_samples is None else n_samples, random_state)
        if n != len(component):
            raise ValueError("y must have n_samples entries. Leave n_samples out: one row is drawn per entry.")
        return n, rng, component
    n, rng = request(owner, release, n_samples, random_state)
    if proportions is None:
        return n, rng, None
    if isinstance(proportions, Mapping) and list(proportions) == [release.target_name]:  # {"ward": {"A": 0.5, ...}}
        named = proportions[release.target_name]
        proportions = named if isinstance(named, Mapping) else proportions
    shares = check_shares(owner, "proportions", proportions, classes)
    return n, rng, rng.choice(len(shares), size=n, p=shares)


def _condition(where: Any, release: Release) -> tuple[Ranges, list[int] | None]:
    """Turn a condition on columns and the target into ranges of positions, and the classes that it allows."""
    domain, target, name = release.domain, release.target, release.target_name
    if target is None or name in domain:
        return condition_of(where, domain), None
    ranges = condition_of(where, Domain({**domain, name: target}))
    if release.classes is None:
        return ranges, None
    allowed = ranges.pop(len(release.measured), None)
    if allowed is None:
        return ranges, None
    return ranges, [c for c in range(len(release.classes)) if any(low <= c < high for low, high in allowed)]


def draw_positions(
    model: Model,
    release: Release,
    n: int,
    rng: np.random.Generator,
    where: Mapping[str, Any] | None = None,
    component: Components | None = None,
) -> tuple[Array, Components]:
    """Draw positions, of given components or of any, that meet the constraints and a condition if there are any."""
    constraints = Constraints.of(release.measured, release.measured_schema)

    def drawn(component: Components, *, fixed: bool = False) -> tuple[Array, Components]:
        return (
            (model.sample(component, rng), component)
            if constraints is None
            else sample_met(model, constraints, component, rng, fixed=fixed)
        )

    if where is None:
        return drawn(model.draw_components(n, rng) if component is None else component, fixed=component is not None)
    ranges, classes = _condition(where, release)
    if classes is not None:
        if component is not None:
            raise ValueError("The target is in `where`, so pass neither y nor proportions: each says which classes.")
        model = model.restricted(classes)
    if not ranges:
        return drawn(model.draw_components(n, rng) if component is None else component, fixed=component is not None)
    tied, own = (() if constraints is None else constraints.indices), partial(in_own_values, release)
    if component is None:
        return sample_where(model, n, ranges, lambda m: drawn(model.draw_components(m, rng)), rng, tied, own)
    positions = np.empty((n, model.latent.n_columns))
    for c in np.unique(component):
        rows = component == c
        of_class = partial(np.full, fill_value=c, dtype=np.int64)
        draw = lambda m, of_class=of_class: drawn(of_class(m), fixed=True)  # noqa: E731
        positions[rows] = sample_where(model, int(rows.sum()), ranges, draw, rng, tied, own)[0]
    return positions, component


def in_own_values(release: Release, positions: Array) -> Array:
    """Return positions of the measured columns as they are declared: those of differences become those of values."""
    constraints = Constraints.of(release.measured, release.measured_schema)
    return positions if constraints is None else constraints.in_own_values(positions)


def decode_rows(release: Release, positions: Array, component: Components) -> tuple[Any, Any]:
    """Return rows like those that were given, and their targets if there is a target."""
    domain, schema = release.measured, release.measured_schema
    d = len(domain)
    cells = cells_of(positions[:, :d], domain, schema)
    constraints = Constraints.of(domain, schema)
    if constraints is not None:  # exactly what was computed, and not what the lattice rounds it to
        for j, own in constraints.solve(positions)[2].items():
            cells[j] = own
    X = rows_of(cells, release.domain, release.schema)
    if release.target is None:
        return X, None
    return X, decode_target(positions[:, d] if release.numeric_target else component, release.target, release.schema)


def keys_from(release: Release, j: int, n: int, first: int) -> Any:
    """Return the keys of rows that are numbered from `first`."""
    column = release.domain.columns[j]
    assert isinstance(column, Key)
    return unmeasured_cells(column, n, release.schema.container, release.schema.dtypes[j], first)
