"""Plain arrays in a zip file, with a digest. Nothing is pickled, and nothing unpacks to more than is allowed."""

from __future__ import annotations

import hashlib
import io
import json
import math
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from skdpflow.exceptions import ReleaseError

_MAX_MEMBERS = 10_000
#: Most bytes that a file may unpack to: this number, or this factor times its own size if that is more. Noise hardly
#: compresses.
_ALWAYS, _MAX_RATIO = 2**26, 200
#: Most bytes of JSON, and most lists and objects in it. In memory they need some tens of times as much.
_MAX_JSON, _MAX_NESTS = 2**25, 2**20
#: Kinds of numbers and text, and versions of NumPy's format in which they are written.
_KINDS = "biufU"
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def write_arrays(file: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of plain numbers and text to an open file."""
    if any(array.dtype.kind not in _KINDS for array in arrays.values()):
        raise TypeError("A Release can hold arrays of plain numbers and text only, not of objects.")
    signed = {**arrays, "digest": np.frombuffer(_digest(arrays), dtype=np.uint8)}
    np.savez_compressed(file, **signed)  # type: ignore[arg-type]


def read_arrays(file: Any, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote, and check its digest; raises `ReleaseError` or what NumPy and zipfile raise."""
    with zipfile.ZipFile(file) as z:
        infos = z.infolist()
        check_sizes(infos, max_bytes)
        arrays = {}
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name in arrays:
                raise ReleaseError("Not a valid Release file: it holds two arrays of one name.")
            arrays[name] = _array(read_member(z, info))
    if "digest" not in arrays or bytes(arrays.pop("digest")) != _digest(arrays):
        raise ReleaseError(
            "Not a valid Release file: its digest does not match its content. It is damaged, was altered, or was not "
            "written by Release.save."
        )
    return arrays


def check_sizes(infos: list[zipfile.ZipInfo], max_bytes: int) -> None:
    """Refuse a file that declares to unpack to more than is allowed; `read_member` checks what it declares."""
    unpacked, packed = sum(i.file_size for i in infos), sum(i.compress_size for i in infos)
    most = min(max_bytes, max(_ALWAYS, _MAX_RATIO * packed))
    if len(infos) > _MAX_MEMBERS or unpacked > most:
        raise ReleaseError(
            f"The file is larger than a Release may be ({most} bytes unpacked, for a file of its size, and "
            f"{_MAX_MEMBERS} arrays)."
        )


def read_member(z: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpack a member, and no more of it than it declares."""
    with z.open(info) as member:
        data = member.read(info.file_size)
        if len(data) < info.file_size or member.read(1):
            raise ReleaseError("The file is damaged: a part of it has another size than it says.")
    return data


def read_json(data: bytes) -> Any:
    """Read JSON of bounded size."""
    if len(data) > _MAX_JSON or data.count(b"[") + data.count(b"{") > _MAX_NESTS:
        raise ReleaseError(
            f"The description in the file is larger than it may be: {_MAX_JSON} bytes, {_MAX_NESTS} lists and objects."
        )
    return json.loads(data, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    """Read a number; NaN and infinity were never written."""
    number = float(text)
    if not math.isfinite(number):
        raise ReleaseError("The description in the file has a number that is not finite.")
    return number


def plain(value: object) -> Any:
    """Turn a NumPy number into one that JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A Release can hold numbers, text and arrays only. Got an instance of {type(value).__name__!r}.")


def packed_params(params: Mapping[str, Any], i: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return parameters of statistic number i as JSON can hold them, and put their arrays among those of a file."""
    packed: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, np.ndarray):
            arrays[f"{i}.{key}"] = value
            packed[key] = {"array": f"{i}.{key}"}
        else:
            packed[key] = {"value": value}
    return packed


def params_of(packed: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return parameters as they were before `packed_params`."""
    return {k: arrays[v["array"]] if "array" in v else v["value"] for k, v in packed.items()}


def _array(data: bytes) -> NDArray[Any]:
    """Read an array whose header agrees with its size, before memory is allocated for it."""
    file, found = io.BytesIO(data), None
    with suppress(ValueError), warnings.catch_warnings(action="ignore"):
        version = npy.read_magic(file)
        if version in _HEADERS:
            found = _HEADERS[version](file)
    if found is None or found[2].kind not in _KINDS:
        raise ReleaseError("Not a valid Release file: it holds something other than plain arrays.")
    shape, fortran_order, dtype = found
    begin = file.tell()
    if (
        min(shape, default=0) < 0
        or begin + math.prod(shape) * dtype.itemsize != len(data)
        or dtype.itemsize > len(data)
    ):
        raise ReleaseError("Not a valid Release file: an array is not of the shape that it says.")
    flat = np.frombuffer(data, dtype=dtype, offset=begin) if begin < len(data) else np.empty(0, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")


def _digest(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    h = hashlib.sha256()
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name}|{a.dtype.str}|{a.shape}|".encode())
        h.update(a.tobytes())
    return h.digest()
