"""Steps before a generator: those that pay, public ones, and those that are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._flow.rows import check_fit as check_fit_of_flow
from skdpflow._validation import invalid
from skdpflow.accountants import Event
from skdpflow.curator.fits import made_up_domain
from skdpflow.curator.gate import as_table, declared_schema
from skdpflow.curator.rowwise import fit_without_rows, map_rows, repeated, try_public_rows
from skdpflow.domain.schema import Schema
from skdpflow.frames import ELSEWHERE
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.preprocessing._base import DPTransformer
from skdpflow.release import Release

#: Estimators whose `epsilon` and `delta` are met by Gaussian mechanisms, so that shares of mu**2 add up.
PAYING = (DPSlicedWassersteinFlow, DPStandardScaler, DPQuantileTransformer, DPPCA)


def pays(step: Any) -> bool:
    """Whether a step pays for what it learns."""
    return isinstance(step, PAYING)


def is_passthrough(step: Any) -> bool:
    """Whether a step of a Pipeline does nothing."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def check_transformer(owner: str, name: str, step: Any) -> None:
    """Refuse a step that cannot be undone, or that would learn from the rows without paying."""
    missing = [m for m in ("transform", "inverse_transform") if not hasattr(step, m)]
    if isinstance(step, type) or missing:
        raise invalid(owner, name, f"a transformer with {' and '.join(missing or ['parameters'])}", step)
    if isinstance(step, FunctionTransformer) and step.func is not None and step.inverse_func is None:
        raise ValueError(f"The step {name!r} of {owner} cannot be undone: set its inverse_func.")
    if pays(step) or isinstance(step, FrozenEstimator) or not get_tags(step).requires_fit:
        return
    raise ValueError(
        f"The step {name!r} of {owner} ({type(step).__name__}) would learn from the private rows without paying, "
        "so nothing made with it would be private. Use a transformer of skdpflow.preprocessing; or, if it was fitted "
        "on public data, say so: sklearn.frozen.FrozenEstimator(step)."
    )


def check_steps(owner: str, steps: Any, reserved: Iterable[str]) -> list[tuple[str, Any]]:
    """Refuse steps with which no pipeline can keep one budget; returns those that pay."""
    if not isinstance(steps, list) or not steps:
        raise invalid(owner, "steps", "a list of (name, estimator), the last of them a generator", steps)
    names = [name for name, _ in steps]
    unusable = [name for name in names if "__" in name or name in reserved or names.count(name) > 1]
    if unusable:
        raise ValueError(
            f"The names of the steps of {owner} must differ, must not contain '__', and must not be names of its "
            f"parameters. Got {unusable}."
        )
    for name, step in steps[:-1]:
        if not is_passthrough(step):
            check_transformer(owner, name, step)
    last, generator = steps[-1]
    if not isinstance(generator, DPSlicedWassersteinFlow):
        raise invalid(owner, last, "a DPSlicedWassersteinFlow, as it is the last step", generator)
    paying = [(name, step) for name, step in steps if pays(step)]
    for name, step in paying:
        if paying[0][1] is not generator and getattr(step.domain, "constraints", None):
            raise ValueError(
                f"The domain of the step {name!r} has constraints, which rows that come back through a private "
                "transformer would not meet. Use the generator alone, or Domain(dict(domain)), which has none."
            )
    if len({step.neighbours for _, step in paying}) > 1:
        raise ValueError(f"All steps of {owner} that pay must have the same 'neighbours'.")
    for name, step in steps:
        if getattr(step, "ledger", None) is not None:
            raise ValueError(
                f"The step {name!r} has a ledger of its own, which would be charged for a part of what {owner} "
                "spends. Give it to the pipeline, which debits all steps at once: ledger=..., and None to the step."
            )
    return paying


def check_fit(step: Any, rows: Any, y: Any) -> Event:
    """Make the checks of the fit of a step that pays; spends nothing, and returns what the fit would be allowed."""
    return step._check_fit(rows) if isinstance(step, DPTransformer) else check_fit_of_flow(step, rows, y)


def tables_between(steps: Sequence[tuple[str, Any]], rows: Any) -> list[Any]:
    """Return a public row that looks like those that each step is given, None where that is not known before a fit.

    Refuses public steps that are no functions of the row alone.
    """
    *before, _ = ((name, step) for name, step in steps if not is_passthrough(step))
    if isinstance(rows, ELSEWHERE) and all(pays(step) for _, step in before):
        return [None] * (len(before) + 1)
    widths = {name: getattr(step, "n_components", None) for name, step in before if pays(step)}
    return try_public_rows([(name, widths[name] if pays(step) else step) for name, step in before], rows)


def check_fits(steps: Sequence[tuple[str, Any]], X: Any, y: Any) -> dict[str, Event]:
    """Refuse what steps would refuse of public facts, of y and of X, before anything is spent.

    Rows that come to later steps are not made yet, and their columns have bounds that earlier steps will release. So
    these steps are given made-up ones. Returns what each step would be allowed, but for one that is given the rows that
    public steps make of X.
    """
    n_rows = 1 if isinstance(X, ELSEWHERE) else as_table(X, "GenerativePipeline").shape[0]
    tables = tables_between(steps, X)
    given = [(name, step) for name, step in steps if not is_passthrough(step)]
    first = next(i for i, (_, step) in enumerate(given) if pays(step))
    allowed = {given[0][0]: check_fit(given[0][1], X, y)} if first == 0 else {}
    known = True
    for i, (name, step) in enumerate(given):
        row = tables[i] if known else None
        if i > first and pays(step):
            handed = row is None or pays(given[i - 1][1])
            if row is None:  # there is at least one column, or as many as components are wanted
                row = np.zeros((1, getattr(step, "n_components", None) or 1))
            if handed or step.domain is None:  # without a domain, cells may be errors
                row = np.zeros((1, row.shape[1]))
            if handed:
                step = clone(step).set_params(domain=made_up_domain(row.shape[1]))
            allowed[name] = check_fit(step, repeated(row, n_rows), y)
        if isinstance(step, DPPCA):  # which may choose the number of columns by what it releases
            known = step.n_components is not None
    return allowed


def schema_beside(release: Release, rows: Any, y: Any, owner: str) -> Schema:
    """Return the schema of rows to which synthetic rows are added; it does not depend on cells."""
    return declared_schema(rows, y, release.domain, release.target, owner)


def learn_nothing(step: Any, rows: Any) -> Any:
    """Return a step that needs no rows, ready to be used."""
    return step if isinstance(step, FrozenEstimator) else fit_without_rows(step, rows)


def forward(name: str, step: Any, rows: Any) -> Any:
    """Transform rows, each as a function of itself alone."""
    if is_passthrough(step):
        return rows
    return step.transform(rows) if pays(step) else map_rows(step, rows, name)
