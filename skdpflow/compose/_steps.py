"""Steps before a generator: those that pay, those that need not, and those that are refused."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._validation import invalid
from skdpflow.curator.gate import admit, declared_schema
from skdpflow.curator.rowwise import fit_without_rows, map_rows, try_public_rows
from skdpflow.domain.schema import Schema
from skdpflow.preprocessing import DPPCA, DPQuantileTransformer, DPStandardScaler
from skdpflow.preprocessing._base import DPTransformer
from skdpflow.release import Release
from skdpflow.sampling.writable import check_writable

#: Estimators whose `epsilon` and `delta` are met by Gaussian mechanisms, so that shares of mu**2 add up.
PAYING = (DPSlicedWassersteinFlow, DPStandardScaler, DPQuantileTransformer, DPPCA)


def pays(step: Any) -> bool:
    """Whether a step pays for what it learns: of exactly one of these classes, as a subclass could do anything."""
    return type(step) in PAYING


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
    if isinstance(step, PAYING) and not pays(step):
        raise invalid(owner, name, "one of the package's own classes where it pays, as a subclass may do more", step)
    if pays(step) or isinstance(step, FrozenEstimator) or not get_tags(step).requires_fit:
        return
    raise ValueError(
        f"The step {name!r} of {owner} ({type(step).__name__}) would learn from the private rows without paying, "
        "so nothing made with it would be private. Use a transformer of skdpflow.preprocessing; or, if it was fitted "
        "on public data, say so: sklearn.frozen.FrozenEstimator(step)."
    )


def check_rows(step: Any, rows: Any, y: Any) -> None:
    """Refuse rows that a step which pays could not use, before anything is spent."""
    if isinstance(step, DPTransformer):
        step._check_rows(rows)
    else:
        source = admit(copy.copy(step), rows, y, domain=step.domain, target=step.target)
        check_writable(source.schema, source.domain, step.target)


def check_public_steps(steps: Sequence[tuple[str, Any]], rows: Any) -> None:
    """Refuse public steps that are no functions of the row alone, before anything is spent."""
    before = [(name, step) for name, step in steps if not is_passthrough(step)]
    if not all(pays(step) for _, step in before):
        widths = {name: getattr(step, "n_components", None) for name, step in before if pays(step)}
        try_public_rows([(name, widths.get(name) if pays(step) else step) for name, step in before], rows)


def schema_beside(release: Release, rows: Any, y: Any, owner: str) -> Schema:
    """Return the schema of rows that get others from a Release beside them; no cell decides a dtype."""
    return declared_schema(rows, y, release.domain, release.target, owner)


def learn_nothing(step: Any, rows: Any) -> Any:
    """Return a step that needs no rows, ready to be used."""
    return step if isinstance(step, FrozenEstimator) else fit_without_rows(step, rows)


def forward(name: str, step: Any, rows: Any) -> Any:
    """Transform rows, each as a function of itself alone."""
    if is_passthrough(step):
        return rows
    return step.transform(rows) if pays(step) else map_rows(step, rows, name)
