"""Integer noise and random ranks: the only random numbers that a guarantee rests on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfinv, ndtri

#: Largest standard deviation, in lattice units, that `NoiseSource.rounded_gaussian` draws.
MAX_SCALE = 2.0**24

#: Rows whose ranks are drawn together, and rows that have a key of their own.
_RANK_GROUP, _STRETCH = 2**8, 2**16

_MANTISSA = np.uint64(2**52 - 1)
_SIGN = np.uint64(1) << np.uint64(63)


class NoiseSource:
    r"""Rounded Gaussian noise from operating-system entropy, or from a seed for tests.

    With an integer sketch :math:`c`, the sum :math:`c + \mathrm{rint}(N(0, s^2))` equals
    :math:`\mathrm{rint}(c + N(0, s^2))`: it is post-processing of the continuous Gaussian mechanism, so Gaussian
    accounting applies as it stands and no floating-point image of the data reaches the output [1]_.

    Parameters
    ----------
    seed : int or None, default=None
        None draws from the operating system. An integer makes the noise repeatable, and so removable by whoever knows
        it: for tests and benchmarks only; `private` is then False.

    stream : int, default=0
        Streams of one seed are independent: fits whose noise must differ have different ones.

    Attributes
    ----------
    private : bool
        Whether the noise is unpredictable.

    Notes
    -----
    A half-normal is drawn as :math:`-\Phi^{-1}(u / 2)` with a full-exponent uniform :math:`u` in the open interval
    (0, 1): a geometric exponent and a 53-bit mantissa, so that every integer in the tail can be reached; 64-bit
    uniforms alone leave gaps that reveal :math:`c` when :math:`s` is large [2]_. A separate random bit is the sign.

    References
    ----------
    .. [1] Balle, B., Wang, Y.-X. (2018). Improving the Gaussian mechanism for differential privacy. ICML.
    .. [2] Mironov, I. (2012). On significance of the least significant bits for differential privacy. CCS.
    """

    def __init__(self, seed: int | None = None, stream: int = 0) -> None:
        self.private = seed is None
        self._generator = None if seed is None else np.random.Philox([seed, stream] if stream else seed)

    def _words(self, n: int) -> NDArray[np.uint64]:
        if self._generator is None:
            return np.frombuffer(os.urandom(8 * n), dtype=np.uint64)
        return np.asarray(self._generator.random_raw(n), dtype=np.uint64)

    def _geometric(self, n: int) -> NDArray[np.int64]:
        """Number of tails before the first head, by trailing zero bits; unbounded."""
        out = np.zeros(n, dtype=np.int64)
        pending = np.arange(n)
        while pending.size:
            words = self._words(pending.size)
            low_bit = words & (~words + np.uint64(1))
            found = words != 0
            out[pending[found]] += np.frexp(low_bit[found].astype(np.float64))[1] - 1
            pending = pending[~found]
            out[pending] += 64
        return out

    def rounded_gaussian(self, scale: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Draw ``rint(N(0, scale**2))``."""
        s = np.broadcast_to(np.asarray(scale, dtype=np.float64), shape)
        if s.size and not (np.all(s > 0) and np.all(s <= MAX_SCALE)):
            raise ValueError(f"The noise scale must be in (0, {MAX_SCALE:g}] lattice units.")
        n = int(np.prod(shape))
        words = self._words(n)
        z = half_normal(self._uniform(words))
        z = np.where(words & _SIGN, z, -z).reshape(shape) * s
        if not np.isfinite(z).all():
            raise FloatingPointError("A noise draw was not finite; nothing was released.")
        return np.rint(z).astype(np.int64)

    def uniform(self, n: int) -> NDArray[np.float64]:
        """Draw full-exponent uniforms in the open interval (0, 1)."""
        return self._uniform(self._words(n))

    def _uniform(self, words: NDArray[np.uint64]) -> NDArray[np.float64]:
        mantissa = 1.0 + (words & _MANTISSA).astype(np.float64) * 2.0**-52
        return np.asarray(np.ldexp(mantissa, -1 - self._geometric(len(words))))

    def rank_key(self) -> int:
        """Draw a fresh 128-bit secret for random ranks; it is used for one round and then discarded."""
        low, high = (int(w) for w in self._words(2))
        return (high << 64) | low

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A NoiseSource cannot be pickled or copied.")


def half_normal(u: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Upper quantiles of the half-normal distribution, :math:`-\Phi^{-1}(u / 2)`.

    Notes
    -----
    SciPy's inverse normal is off by up to ten units around z = 1.1, its inverse error function by less than five, but
    not in the tail. A test measures both.
    """
    return np.where(u < 0.1, -ndtri(u / 2.0), np.sqrt(2.0) * erfinv(1.0 - u))


class RankKeys:
    """Secrets from which the ranks of some rows in one round follow, and of no other rows.

    The rows of a table are cut into stretches of 2**16. Each has a key, the output of SHAKE-128 on the secret of the
    round and the number of the stretch. Whoever computes with a part of the rows is given the keys of its stretches
    and never the secret. What is in a stretch is the same however rows are cut into parts.

    Notes
    -----
    Ranks are the output of SHAKE-128 on the key and the number of a group of rows, so that they can be computed again
    for any block. Nobody outside may know them: with a public key, removing a row would re-rank every later row and
    the sensitivity of everything computed from ranks would be void. With a secret one, the ranks of the rows that two
    neighbours share can be coupled to be equal, since they are independent and identically distributed, and the
    sensitivity is that of the one row, see `skdpflow.curator.parts`. This takes the hash for a random function: a
    generator made for simulations would not do, because the guarantee rests on it.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)

    @classmethod
    def of(cls, secret: int, start: int, stop: int) -> RankKeys:
        """Derive the keys of the rows from `start` up to `stop` from the secret of a round."""
        first, last = start // _STRETCH, max(start, stop - 1) // _STRETCH
        root = secret.to_bytes(16, "little")
        return cls({number: _hash(root, number, 16) for number in range(first, last + 1)})

    def ranks(self, start: int, n_rows: int, n_columns: int) -> NDArray[np.float64]:
        """Uniform ranks in [0, 1) of the rows ``start .. start + n_rows - 1`` of the table."""
        first, last = start // _RANK_GROUP, (start + n_rows - 1) // _RANK_GROUP
        groups = (
            _hash(self._keys[group * _RANK_GROUP // _STRETCH], group, 4 * _RANK_GROUP * n_columns)
            for group in range(first, last + 1)
        )
        words = np.frombuffer(b"".join(groups), dtype="<u4").reshape(-1, n_columns)
        skip = start - first * _RANK_GROUP
        return words[skip : skip + n_rows] * 2.0**-32

    def sealed(self) -> dict[int, bytes]:
        """Return what `RankKeys` is made of, for a message to who computes with these rows."""
        return dict(self._keys)

    def __repr__(self) -> str:
        return "RankKeys(<secret>)"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("RankKeys are secret: they cannot be pickled or copied.")


def _hash(key: bytes, number: int, n_bytes: int) -> bytes:
    return hashlib.shake_128(key + number.to_bytes(8, "little")).digest(n_bytes)
