"""Plain arrays in a zip file, with a digest; nothing is ever pickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.exceptions import ReleaseError

_MAX_MEMBERS = 10_000


def write_arrays(file: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of plain numbers and text to an open file."""
    if any(array.dtype.hasobject for array in arrays.values()):
        raise TypeError("A Release can hold arrays of plain numbers and text only, not of objects.")
    signed = {**arrays, "digest": np.frombuffer(_digest(arrays), dtype=np.uint8)}
    np.savez_compressed(file, **signed)  # type: ignore[arg-type]


def read_arrays(file: Any, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote, and check its digest; raises `ReleaseError` or what NumPy and zipfile raise."""
    with zipfile.ZipFile(file) as z:
        infos = z.infolist()
        if len(infos) > _MAX_MEMBERS or sum(i.file_size for i in infos) > max_bytes:
            raise ReleaseError(f"The file is larger than a Release may be ({max_bytes} bytes unpacked).")
        arrays = {}
        for info in infos:
            with z.open(info) as member:
                # bounded: a member whose header lies about its size cannot unpack to more than it declares
                data = member.read(info.file_size + 1)
            array = np.load(io.BytesIO(data), allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ReleaseError("Not a valid Release file: it holds something other than plain arrays.")
            arrays[info.filename.removesuffix(".npy")] = array
    if bytes(arrays.pop("digest")) != _digest(arrays):
        raise ReleaseError(
            "Not a valid Release file: its digest does not match its content. It is damaged, was altered, or was not "
            "written by Release.save."
        )
    return arrays


def plain(value: object) -> Any:
    """Turn a NumPy number into one that JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A Release can hold numbers, text and arrays only. Got an instance of {type(value).__name__!r}.")


def _digest(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    h = hashlib.sha256()
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name}|{a.dtype.str}|{a.shape}|".encode())
        h.update(a.tobytes())
    return h.digest()
