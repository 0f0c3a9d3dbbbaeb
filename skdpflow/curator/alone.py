"""Public steps as functions of one row alone: they are tried on public rows, and each private row is given to a copy.

What is measured behind a step has its stated sensitivity only if a row becomes the same whatever other rows there are.
A step that draws random numbers, or keeps something of a row, breaks that: without one row, all later ones get other
draws. So a step is tried before anything is spent, and refused if it does either on public rows. As it could do so on
some private rows only, each of these is given a fresh copy of the step, with the random generators set back.

A copy has its own attributes, and the random generators among them. It shares what its functions close over, and
the variables of modules, which nothing can copy: that these are left alone is a precondition, which the statement
names. The generators of NumPy and Python are those of the process, so no other thread may use them meanwhile.
"""

from __future__ import annotations

import copy
import pickle
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["check_row_alone", "fresh_copies", "global_generators_kept"]

#: A table of one row as a comparable value: its container, columns and cells.
Outcome = tuple[Any, ...]


@contextmanager
def global_generators_kept() -> Iterator[Callable[[], None]]:
    """Yield a function that resets the generators of NumPy and Python to their state now; reset them at the end."""
    legacy, plain = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002

    def rewind() -> None:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)

    try:
        yield rewind
    finally:
        rewind()


def fresh_copies(step: Any, name: str) -> Callable[[], Any]:
    """Return a function that makes deep copies of a step as it is now; by pickle where possible, which is faster."""
    problem = ""
    try:
        stored = pickle.dumps(step, protocol=pickle.HIGHEST_PROTOCOL)
        pickle.loads(stored)
        return lambda: pickle.loads(stored)
    except Exception:  # functions without a name cannot be pickled
        pass
    try:
        original = copy.deepcopy(step)
    except Exception as error:
        problem = type(error).__name__
    if problem:
        raise TypeError(
            f"The step {name!r} ({type(step).__name__}) cannot be copied ({problem}), and each row is given a copy of "
            "it, so that no row has a part in what another becomes. Use a step that copy.deepcopy can copy."
        )
    return lambda: copy.deepcopy(original)


def check_row_alone(step: Any, name: str, rows: Sequence[Any], outcome: Callable[[Any], Outcome]) -> None:
    """Refuse a step that gives one public row two results; `rows` are two tables of one row.

    They are transformed as A, B, A by one copy, without rewinding, under two seeds of the global generators.
    """
    (a, b), seen = rows, list[list[Outcome]]()
    copies = fresh_copies(step, name)
    with global_generators_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            tried = copies()
            seen.append([_tried(tried, row, outcome) for row in (a, b, a)])
    (first, second, third), (*again, last) = seen
    if not (_equal(first, third) and _equal(first, again[0]) and _equal(second, again[1]) and _equal(first, last)):
        raise ValueError(
            f"The step {name!r} ({type(step).__name__}) gives the same row another result each time: it draws random "
            "numbers, or remembers the rows before. So one row would decide what others become, and no noise is "
            "enough for that. Use a step that is a function of the row alone. To spread out values that are alike, no "
            "step is needed: the flow draws from within its bins itself."
        )


def _tried(step: Any, row: Any, outcome: Callable[[Any], Outcome]) -> Outcome:
    """Return what a step makes of a row; an error is an outcome, too."""
    try:
        return outcome(step.transform(copy.deepcopy(row)))
    except Exception as error:
        return ("failed", type(error).__name__)


def _equal(one: Any, other: Any) -> bool:
    """Whether two outcomes are the same, NaN with NaN; what cannot be compared is not."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and _equal(one.tolist(), other.tolist())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    try:
        return one is other or bool(one == other) or (one != one and other != other)
    except Exception:
        return False
