"""Fitted estimators that are parts of another one, whose statement is for their present fit."""

from __future__ import annotations

from typing import Any


def hold(part: Any, owner: Any) -> None:
    """Mark a fitted estimator as a part of another one."""
    part._held_by = type(owner).__name__


def check_free(estimator: Any) -> None:
    """Refuse to fit a part of another estimator, before a row is read: the statement of the whole would be false."""
    owner = getattr(estimator, "_held_by", None)
    if owner is not None:
        name = type(estimator).__name__
        raise ValueError(
            f"This {name} is a part of a fitted {owner}, whose privacy_spent_ and statement are for the fit that it "
            f"has. Nothing was spent. Fit the {owner} again, or sklearn.base.clone of the {name}; a flow with the same "
            "Release that can be continued is DPSlicedWassersteinFlow.from_release(flow.release_)."
        )
