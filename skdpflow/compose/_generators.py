"""What is asked of a generator, and checked before it sees a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from skdpflow._validation import invalid
from skdpflow.domain import Categories, Column, Interval
from skdpflow.release import Release


def check_generator_of(owner: str, generator: Any, *methods: str) -> None:
    """Refuse what is not an estimator with the wanted methods."""
    missing = [m for m in ("fit", "get_params", *methods) if not callable(getattr(generator, m, None))]
    if isinstance(generator, type) or missing:
        expected = f"an estimator with the methods {', '.join(('fit', *methods))}, like DPSlicedWassersteinFlow"
        raise invalid(owner, "generator", expected, generator)


def declared_target(generator: Any) -> Column | None:
    """Return what a generator, or the generator inside it, declares about y."""
    params = generator.get_params()
    found = [k for k, v in params.items() if k.rpartition("__")[2] == "target" and v is not None]
    return params[min(found, key=lambda k: k.count("__"))] if found else None  # not that of a part of it


def check_target_for(owner: str, generator: Any, estimator: Any) -> None:
    """Refuse a generator whose target is not what an estimator predicts: nothing is spent then."""
    target = declared_target(generator)
    if target is None:
        raise ValueError(
            f"The generator of {owner} has no target, so its rows would have no y. Set target=Categories([...]) for "
            "labels or target=Interval(lower, upper) for a number."
        )
    if is_classifier(estimator) and not isinstance(target, Categories):
        raise ValueError(
            f"{owner} has a classifier, but its generator makes a numeric y: use target=Categories([...])."
        )
    if is_regressor(estimator) and not isinstance(target, Interval):
        raise ValueError(f"{owner} has a regressor, but its generator makes labels: use target=Interval(lower, upper).")


def releases_of(fitted: Any) -> dict[str, Release]:
    """Return the Releases of a fitted flow or pipeline, by the names of its steps."""
    return getattr(fitted, "releases_", None) or {"fit": fitted.release_}


def plain_labels(y: Any) -> Any:
    """Return labels that came as objects with the dtype that they have in common, if there is one."""
    if getattr(y, "dtype", None) != np.dtype(object):
        return y
    labels = y.tolist()
    return np.array(labels) if len(set(map(type, labels))) == 1 else y
