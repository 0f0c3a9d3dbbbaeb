"""Messages between the coordinator and the sites: files of plain arrays and JSON, with a version and a digest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Column, column_from_dict
from skdpflow.exceptions import FederationError
from skdpflow.release.archive import packed_params, params_of, plain, read_arrays, read_json, write_arrays

VERSION = 1
_REQUEST, _ANSWER = "skdpflow-federation-request", "skdpflow-federation-answer"
#: Most bytes that a message may unpack to.
MAX_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class Wanted:
    """A statistic that is asked for.

    Parameters
    ----------
    name, kind : str
        As of a `skdpflow.release.request.Request`.
    multiplier : float
        Standard deviation, in units of the sensitivity, of the noise that nobody who is tolerated can take off.
    params : mapping
        Public parameters of the statistic.
    """

    name: str
    kind: str
    multiplier: float
    params: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Question:
    """What the coordinator asks of some sites.

    Parameters
    ----------
    agreement : str
        Digest of the agreement.
    fit : str
        A number that no other fit has, in hexadecimal digits.
    round, attempt : int
        Which round of the fit, and how often it was tried before with other sites.
    sites : tuple of str
        The sites whose answers are summed.
    epochs : tuple of str, default=()
        The `AnswerStore.epoch` of each of them; none if nothing is measured.
    wanted : tuple of Wanted, default=()
        The statistics; none asks for the schema of the rows, which is public.
    columns : tuple of Interval or Categories, or None, default=None
        How cells are encoded, see `skdpflow.release.encoding`; None is as declared.
    """

    agreement: str
    fit: str
    round: int
    attempt: int
    sites: tuple[str, ...]
    epochs: tuple[str, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    columns: tuple[Column, ...] | None = None

    def to_bytes(self) -> bytes:
        """Return it as a file."""
        arrays: dict[str, NDArray[Any]] = {}
        wanted = []
        for i, w in enumerate(self.wanted):
            wanted.append(
                {
                    "name": w.name,
                    "kind": w.kind,
                    "multiplier": w.multiplier,
                    "params": packed_params(w.params, i, arrays),
                }
            )
        header = {
            "agreement": self.agreement,
            "fit": self.fit,
            "round": self.round,
            "attempt": self.attempt,
            "sites": list(self.sites),
            "epochs": list(self.epochs),
            "wanted": wanted,
            "columns": None if self.columns is None else [column.to_dict() for column in self.columns],
        }
        return _packed(_REQUEST, header, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read and check a file; whatever is wrong with it raises a FederationError."""
        problem: str
        try:
            header, arrays = _unpacked(_REQUEST, data)
            wanted = []
            for w in header.pop("wanted"):
                params = params_of(w["params"], arrays)
                wanted.append(Wanted(_text(w["name"]), _text(w["kind"]), float(w["multiplier"]), params))
            columns = header.pop("columns")
            known = None if columns is None else tuple(column_from_dict(column) for column in columns)
            sites, epochs = (tuple(map(_text, header.pop(key))) for key in ("sites", "epochs"))
            question = cls(sites=sites, epochs=epochs, wanted=tuple(wanted), columns=known, **header)
            _texts_and_counts(question)
            return question
        except FederationError:
            raise
        except Exception as e:  # a hostile file can fail in any way
            problem = type(e).__name__
        raise FederationError(f"A request could not be read ({problem}): it is damaged, was altered, or is none.")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a site says to a request.

    Parameters
    ----------
    agreement : str
        Digest of the agreement.
    request : str
        Digest of the request.
    site : str
        Who answers.
    refused : str or None, default=None
        Why nothing was measured.
    failed : bool, default=False
        Whether the site failed after it had debited its ledger: nothing was measured, or it could not be stored.
    schema : mapping or None, default=None
        Names and dtypes of the rows.
    epoch : str or None, default=None
        The `AnswerStore.epoch` of the site, beside its schema.
    sums : tuple of ndarray of uint64, default=()
        The masked sums of the statistics.
    head : str or None, default=None
        Head of the ledger of the site after the debit.
    private : bool, default=True
        False if the noise of the site was drawn from a seed.
    """

    agreement: str
    request: str
    site: str
    refused: str | None = None
    failed: bool = False
    schema: Mapping[str, Any] | None = None
    epoch: str | None = None
    sums: tuple[NDArray[np.uint64], ...] = ()
    head: str | None = None
    private: bool = True

    def to_bytes(self) -> bytes:
        """Return it as a file."""
        header = {
            "agreement": self.agreement,
            "request": self.request,
            "site": self.site,
            "refused": self.refused,
            "failed": self.failed,
            "schema": None if self.schema is None else dict(self.schema),
            "epoch": self.epoch,
            "n_sums": len(self.sums),
            "head": self.head,
            "private": self.private,
        }
        return _packed(_ANSWER, header, {str(i): values for i, values in enumerate(self.sums)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read and check a file; whatever is wrong with it raises a FederationError."""
        problem: str
        try:
            header, arrays = _unpacked(_ANSWER, data)
            sums = tuple(arrays[str(i)] for i in range(header.pop("n_sums")))
            if len(arrays) != len(sums) or any(values.dtype != np.uint64 for values in sums):
                raise FederationError("An answer holds something other than its sums.")
            answer = cls(sums=sums, **header)
            _text(answer.agreement), _text(answer.request), _text(answer.site)
            if not (
                isinstance(answer.refused, str | None)
                and isinstance(answer.failed, bool)
                and isinstance(answer.schema, Mapping | None)
                and isinstance(answer.epoch, str | None)
                and isinstance(answer.head, str | None)
                and isinstance(answer.private, bool)
            ):
                raise FederationError("An answer has fields of the wrong types.")
            return answer
        except FederationError:
            raise
        except Exception as e:  # a hostile file can fail in any way
            problem = type(e).__name__
        raise FederationError(f"An answer could not be read ({problem}): it is damaged, was altered, or is none.")


def digest(data: bytes) -> str:
    """Return the digest of a message."""
    return hashlib.sha256(data).hexdigest()


def _packed(form: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    text = json.dumps({"format": form, "version": VERSION, **header}, allow_nan=False, default=plain).encode()
    file = io.BytesIO()
    write_arrays(file, {**arrays, "header": np.frombuffer(text, dtype=np.uint8)})
    return file.getvalue()


def _unpacked(form: str, data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    arrays = read_arrays(io.BytesIO(data), MAX_BYTES)
    header = read_json(bytes(arrays.pop("header")))
    if header.pop("format") != form:
        raise FederationError(f"This is no file of the format {form!r}.")
    if (version := header.pop("version")) != VERSION:
        raise FederationError(
            f"A message is of version {version!r}, and this package reads version {VERSION}: all sites and the "
            "coordinator need the same version of skdpflow."
        )
    return header, arrays


def _texts_and_counts(question: Question) -> None:
    for text, length in ((question.agreement, 64), (question.fit, 32)):
        if len(_text(text)) != length or not set(text) <= set("0123456789abcdef"):
            raise FederationError("The agreement and the fit of a request must be hexadecimal digits.")
    for count in (question.round, question.attempt):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**31:
            raise FederationError("The round and the attempt of a request must be whole numbers.")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FederationError("A message has something other than text where a name or digest is expected.")
    return value
