"""Whom a warning is for."""

from __future__ import annotations

import inspect

#: Modules between whoever calls and what warns: this package, and what scikit-learn puts around `fit` for callbacks.
_BETWEEN = ("skdpflow.", "sklearn.callback.")


def caller_level() -> int:
    """Return the stack level of the first caller outside of this package, for a warning."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_BETWEEN):
        level, frame = level + 1, frame.f_back
    return max(level, 1)
