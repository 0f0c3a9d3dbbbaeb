"""Estimators whose fit is not the package's own: a statement names them."""

from __future__ import annotations

from typing import Any

from skdpflow.release.sentences import UNVERIFIED
from skdpflow.release.statement import PrivacyStatement

#: Methods that measure rows.
MEASURING = ("fit", "continue_fit", "fit_resample")


def naming_unverified(statement: PrivacyStatement, *estimators: Any) -> PrivacyStatement:
    """Return a statement that names those of the estimators that override how rows are measured."""
    named = [(type(e).__name__, method) for e in estimators for method in MEASURING if _overrides(e, method)]
    if not named:
        return statement
    content = statement.content
    unverified = [*content["unverified"], *dict.fromkeys(name for name, _ in named)]
    assumptions = [*content["assumptions"], *(UNVERIFIED.format(name, method) for name, method in named)]
    return PrivacyStatement({**content, "unverified": unverified, "assumptions": assumptions})


def _overrides(estimator: Any, method: str) -> bool:
    """Whether a class from outside the package gives an estimator a method."""
    given_by = next((kind for kind in type(estimator).__mro__ if method in vars(kind)), None)
    package = __name__.partition(".")[0]
    return given_by is not None and given_by.__module__.partition(".")[0] != package
