"""Checks of a generator, before it sees a row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.multiclass import type_of_target

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
    if is_classifier(estimator) and isinstance(target, Categories) and target.declared:
        values = np.fromiter(target.values, dtype=object, count=len(target.values))
        if type_of_target(plain_labels(values)) not in ("binary", "multiclass"):
            raise ValueError(
                f"{owner} has a classifier, and scikit-learn takes the declared classes for no labels: it needs text, "
                "booleans or whole numbers, and one kind of them. Declare such classes, as target=Categories([...]), "
                "and give y as they are. Nothing was spent."
            )
    if is_regressor(estimator) and not isinstance(target, Interval):
        raise ValueError(f"{owner} has a regressor, but its generator makes labels: use target=Interval(lower, upper).")


def releases_of(fitted: Any) -> dict[str, Release]:
    """Return the Releases of a fitted flow or pipeline, by the names of its steps."""
    return getattr(fitted, "releases_", None) or {"fit": fitted.release_}


def plain_labels(y: Any) -> Any:
    """Return labels in a dtype that classifiers know: those that come as objects, if they are of one type."""
    if np.asarray(y).dtype.kind not in "OT":
        return y
    labels = [_plain_label(label) for label in y]
    kinds = set(map(type, labels))
    return np.array(labels) if len(kinds) == 1 and kinds <= {str, bool, int, float} else y


def _plain_label(label: Any) -> Any:
    if isinstance(label, Decimal):
        return int(label) if label == int(label) else float(label)
    return label
