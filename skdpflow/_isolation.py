"""Runs users' estimators with their own random state, and without their warnings and output."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np


@contextmanager
def sealed(key: int) -> Iterator[None]:
    """Run code without its warnings and output, and with random generators that do not depend on earlier runs.

    Notes
    -----
    Warnings and what is written to Python's standard output and standard error are dropped. What compiled code writes
    by itself is not: callers refuse estimators that are set to do so.
    """
    legacy, plain = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        np.random.seed(np.random.SeedSequence(key).generate_state(624))  # noqa: NPY002
        random.seed(key)
        try:
            yield
        finally:
            np.random.set_state(legacy)  # noqa: NPY002
            random.setstate(plain)


class Replica:
    """A copy of a model whose predictions for a row do not depend on which rows it predicted before.

    A prediction changes the copy only. Before each row, `rewind` sets all random generators that
    the copy can reach back to where they were: those in its attributes, and the global ones.

    Parameters
    ----------
    estimator : estimator
        Fitted; it is left as it is.

    Attributes
    ----------
    model : estimator
        The copy.

    Raises
    ------
    TypeError
        If it cannot be copied.
    """

    def __init__(self, estimator: Any) -> None:
        memo: dict[int, Any] = {}
        try:
            self.model = copy.deepcopy(estimator, memo)
        except Exception as error:
            failure = type(error).__name__
        else:
            failure = ""
        if failure:
            raise TypeError(
                f"{type(estimator).__name__} cannot be copied ({failure}), and a model is scored on a copy, so that "
                "nothing of the rows stays in it. Use an estimator that copy.deepcopy can copy."
            )
        self._generators = [found for found in memo.values() if isinstance(found, _GENERATORS)]

    def rewinder(self) -> Callable[[], None]:
        """Return what sets all generators to where they are now."""
        legacy, plain = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
        states = [_state(generator) for generator in self._generators]

        def rewind() -> None:
            np.random.set_state(legacy)  # noqa: NPY002
            random.setstate(plain)
            for generator, state in zip(self._generators, states, strict=True):
                _set_state(generator, state)

        return rewind


_GENERATORS = (np.random.RandomState, np.random.Generator, np.random.BitGenerator, random.Random)


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    if isinstance(generator, random.Random):
        return generator.getstate()
    bits = generator.bit_generator if isinstance(generator, np.random.Generator) else generator
    return bits.state


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.state = state
