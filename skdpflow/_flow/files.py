"""A fitted flow as a file: its Release beside its parameters as JSON, no pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from skdpflow import accountants, mechanisms, projections
from skdpflow._outputs import replacing
from skdpflow.domain import Categories, Domain, Interval, column_from_dict
from skdpflow.exceptions import ReleaseError
from skdpflow.release import Release
from skdpflow.release.archive import check_sizes, read_json, read_member

FLOW_VERSION = 1
_RELEASE, _PARAMETERS = "release.npz", "parameters.json"
_MAX_RELEASE = 2**31
#: Seeds are not saved: with the seed of the noise, the noise can be removed, and a fitted flow needs neither seed.
_SEEDS = ("random_state", "noise_random_state")


class _Foreign(TypeError):
    """A parameter whose class is not of this package."""


def _to_plain(value: Any) -> Any:
    """Return a parameter as JSON can hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_plain(entry) for entry in value]
    if isinstance(value, Domain | Interval | Categories):
        return value.to_dict()
    if isinstance(value, Mapping):
        return _to_plain(Domain(value))
    name = type(value).__name__
    if any(getattr(module, name, None) is type(value) for module in (accountants, mechanisms, projections)):
        params = value.get_params(deep=False) if hasattr(value, "get_params") else vars(value)
        return {"kind": "object", "class": name, "params": {key: _to_plain(entry) for key, entry in params.items()}}
    raise _Foreign


def _from_plain(value: Any) -> Any:
    """Return a parameter from what JSON held."""
    if isinstance(value, list):
        return tuple(_from_plain(entry) for entry in value)
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "domain":
        return Domain.from_dict(value)
    if value.get("kind") != "object":
        return column_from_dict(value)
    for module in (accountants, mechanisms, projections):
        kind = getattr(module, value["class"]) if value["class"] in module.__all__ else None
        if isinstance(kind, type):  # never a function
            return kind(**{key: _from_plain(entry) for key, entry in value["params"].items()})
    raise ReleaseError("The file names a class that skdpflow does not have.")


def save_flow(release: Release, parameters: Mapping[str, Any], file: Any) -> None:
    """Write a Release and parameters."""
    if isinstance(file, str | os.PathLike):
        with replacing(file) as opened:
            save_flow(release, parameters, opened)
        return
    plain = {}
    for name, value in parameters.items():
        if name in _SEEDS:
            continue
        try:
            plain[name] = _to_plain(value)
        except _Foreign:
            continue
    buffer = io.BytesIO()
    release.save(buffer)
    header = {"format": "skdpflow-flow", "format_version": FLOW_VERSION, "parameters": plain}
    with zipfile.ZipFile(file, "w") as z:  # members have no time of writing, so equal flows make equal files
        z.writestr(zipfile.ZipInfo(_PARAMETERS), json.dumps(header, indent=2))
        z.writestr(zipfile.ZipInfo(_RELEASE), buffer.getvalue())


def load_flow(file: str | os.PathLike[str] | io.IOBase) -> tuple[Release, dict[str, Any]]:
    """Read a Release and parameters."""
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            return load_flow(opened)
    problem, header, data = None, None, b""
    try:
        with zipfile.ZipFile(file) as z:
            if _PARAMETERS not in z.namelist():
                file.seek(0)
                return Release.load(file), {}
            if len(z.namelist()) > 2:
                raise ReleaseError("The file holds more than the parameters and the Release of a flow.")
            check_sizes(z.infolist(), _MAX_RELEASE)
            header, data = (read_member(z, z.getinfo(name)) for name in (_PARAMETERS, _RELEASE))
            header = read_json(header)
        if header["format"] != "skdpflow-flow" or header["format_version"] != FLOW_VERSION:
            raise ReleaseError(f"This is not the file of a flow of version {FLOW_VERSION}.")
        if not set(_SEEDS).isdisjoint(header["parameters"]):
            raise ReleaseError("The file names a seed, which save never does: whoever wrote it could remove noise.")
        parameters = {name: _from_plain(value) for name, value in header["parameters"].items()}
    except ReleaseError:
        raise
    except Exception as e:  # a hostile file can fail in any way
        problem = type(e).__name__
    if problem is not None:
        raise ReleaseError(
            f"Not the file of a flow: it could not be read ({problem}). Give the file that `save`, Release.save or the "
            "option --release of the command line wrote."
        )
    return Release.load(io.BytesIO(data)), parameters
