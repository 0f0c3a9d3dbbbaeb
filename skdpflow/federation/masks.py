"""Masks that cancel in the sum of all sites: pads that two sites share, which one adds and the other subtracts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_LABEL = b"skdpflow federation pad 1"


def pad(secret: bytes, about: bytes, first: str, second: str, n: int) -> NDArray[np.uint64]:
    """Return the pad of two sites for one request: SHAKE-256 of their secret and of what it is used for.

    Notes
    -----
    The parts are preceded by their lengths, so that different parts never make the same input. `about` is the digest of
    the request, which holds the digest of the agreement, the fit, round, attempt and subset: no pad is used for two
    requests.
    """
    parts = (_LABEL, secret, about, first.encode(), second.encode())
    data = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return np.frombuffer(hashlib.shake_256(data).digest(8 * n), dtype="<u8").astype(np.uint64)


def mask(own: str, secrets: Mapping[str, bytes], about: bytes, n: int) -> NDArray[np.uint64]:
    """Return what a site adds to its answer, modulo 2**64: zero in the sum over the site and all others in `secrets`.

    Notes
    -----
    Let :math:`p_{ij}` be the pad of sites i < j: i adds it, j subtracts it. Without the answer of one site, its pads
    with each of the others stay, and these are independent and uniform for whoever does not have the secrets: any m - 1
    of m answers are uniform. If some sites give their pads away, the same holds for the answers of the others, of which
    only the sum can be known.
    """
    total = np.zeros(n, dtype=np.uint64)
    for other, secret in secrets.items():
        first, second = sorted((own, other))
        shared = pad(secret, about, first, second, n)
        total = total + shared if own == first else total - shared
    return total
