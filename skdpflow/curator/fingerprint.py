"""What tells that two processes compute the same bits: the code, its dependencies, and a sample of their arithmetic.

**Why equal fingerprints are equal bits.** What a worker does with a row consists of these steps, and of no others.

- Cells become numbers and codes by code of the same versions: by parsers, which round correctly, and by comparisons.
- Sums, products, quotients and square roots of two doubles, and rounding to whole numbers, each a step of its own:
  IEEE 754 says what each gives. `PiecewiseLinear` is made of these, and `numpy.interp` is not used, since compilers may
  fuse its product with its sum.
- Scores of the rank transform are looked up among thresholds that are made of whole numbers, see
  `skdpflow.latent.scores`. No worker computes a logarithm, an exponential or a normal quantile, which differ between
  processors although the versions are equal.
- Products of matrices have whole entries and sums below 2**53, or 2**24 in single precision. They are exact in any
  order, so the libraries of linear algebra and their threads play no part, unless one computes with fewer bits.

So a processor or a library could only give other bits by an arithmetic that is not that of IEEE 754: one that flushes
the smallest numbers to zero, fuses steps, or multiplies matrices with fewer bits. The sample has numbers of which each
of these would make others.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.latent.scores import lattice_scores, thresholds

_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow")


@cache
def fingerprint() -> str:
    """Return a digest that is the same where the same bits are computed."""
    digest = hashlib.sha256(repr((sys.version_info[:2], sys.byteorder)).encode())
    for name in _PACKAGES:
        try:
            digest.update(f"{name} {version(name)}".encode())
        except PackageNotFoundError:
            digest.update(name.encode())
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root).as_posix()).encode() + path.read_bytes())
    for values in _arithmetic():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def product(rows: NDArray[Any]) -> NDArray[Any]:
    """Multiply a matrix with itself, by the library that statistics use."""
    return np.asarray(rows.T @ rows)


def _arithmetic() -> list[NDArray[Any]]:
    """Compute with a hundred thousand numbers whose last bits tell arithmetics apart."""
    u: NDArray[np.float64] = (np.arange(1, 100_000, dtype=np.float64) * 0.618_033_988_749_895) % 1.0
    x: NDArray[np.float64] = (u - 0.5) * 6.0
    levels = np.linspace(-3.0, 3.0, 65)
    bent = PiecewiseLinear([levels], [levels * levels * levels])(x)
    smallest = np.array([5e-324, 1e-310]) * np.array([1.0, 0.5])
    whole = np.rint(x[: 2**14] * 2.0**19).reshape(-1, 64)  # sums below 2**53 whose last bits count
    small = (np.arange(2**18) % 61 % 2).reshape(2**12, 64).astype(np.float32)
    steps = [thresholds(), lattice_scores(u), bent, np.sqrt(u), u * u, u / 0.3, np.floor(u / 0.1), np.rint(x * 2.0**10)]
    return [*steps, smallest, product(whole), product(small), (u * 2.0**40).astype(np.int64)]
