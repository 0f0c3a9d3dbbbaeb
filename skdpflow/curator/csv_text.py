"""CSV text cut into whole records, so that every piece can be read by itself."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import IO, Any, NamedTuple, cast

import numpy as np

_CHUNK, _LONGEST = 2**22, 2**28
_BOM = codecs.BOM_UTF8


class Form(NamedTuple):
    """How a CSV file is written."""

    separator: str
    encoding: str

    @property
    def single(self) -> bool:
        """Whether a line can be cut out and decoded by itself: UTF-8, or one byte a character and ASCII among them."""
        if codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig"):
            return True
        low, high = (bytes(range(*ends)).decode(self.encoding, "replace") for ends in ((128,), (128, 256)))
        return low == "".join(map(chr, range(128))) and len(high) == 128

    def as_utf8(self, text: bytes) -> bytes:
        """Return in UTF-8 what `decoded` gave."""
        if not self.single or codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig"):
            return text
        return text.decode(self.encoding, "replace").encode(errors="replace")


@contextmanager
def decoded(file: Any, packed: bool, form: Form) -> Iterator[IO[bytes]]:
    """Read an open CSV file from its beginning: its bytes, or UTF-8 if they cannot be cut as they are."""
    file = gzip.open(file, "rb") if packed else file
    if not form.single:
        yield cast(IO[bytes], _AsUtf8(file, form.encoding))
        return
    begin = b""
    while len(begin) < len(_BOM) and (piece := file.read(len(_BOM) - len(begin))):
        begin += piece
    if begin != _BOM:
        file.seek(0)
    yield file


class _AsUtf8:
    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, errors="replace", newline="")

    def read(self, size: int) -> bytes:
        return self._text.read(size).encode(errors="replace")


def records(file: IO[bytes], separator: str) -> Iterator[bytes]:
    """Cut what follows in a file into pieces of whole records."""
    rest = b""
    while read := file.read(max(_CHUNK, len(rest))):
        rest += read
        end = _last_end(rest, separator.encode())
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _LONGEST:
            raise ValueError("A record of the file is too long.")
    if rest:
        if _last_end(rest + b"\n", separator.encode()) <= len(rest):
            raise ValueError("A quote of the file is open.")  # pandas refuses it, and pyarrow does not
        yield rest


def _last_end(text: bytes, separator: bytes) -> int:
    """Return where the last whole record ends, for text that begins with a record; 0 if none does."""
    if b'"' not in text:
        return text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
    found = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(found == ord('"'))
    ends = np.zeros(256, dtype=bool)
    ends[list(b'\r\n"' + separator)] = True
    first, last = quotes[::2], quotes[1::2]
    if ends[found[first[first > 0] - 1]].all() and ends[found[last[last < len(found) - 1] + 1]].all():
        # every quote opens or closes a cell, or is doubled inside one
        lines = np.flatnonzero(found == ord("\n" if b"\n" in text else "\r"))
        outside = lines[np.searchsorted(quotes, lines) % 2 == 0]
        return int(outside[-1]) + 1 if outside.size else 0
    at, record = 0, _record(separator)
    while (match := record.match(text, at)) is not None:
        at = match.end()
    return at


@lru_cache
def _record(separator: bytes) -> re.Pattern[bytes]:
    """Match one record; quotes count where a cell begins with one, as in pandas and pyarrow."""
    stop = re.escape(separator) + rb"\r\n"
    cell = rb'(?:"(?:[^"]|"")*+(?:"[^' + stop + rb']*+)?|[^"' + stop + rb"][^" + stop + rb"]*+|)"
    return re.compile(cell + rb"(?:" + re.escape(separator) + cell + rb")*+(?:\r\n|\n|\r)")


def header_end(text: bytes, separator: str) -> int:
    """Return where the first line ends that is not blank."""
    at, record = 0, _record(separator.encode())
    while at < len(text):
        match = record.match(text, at)
        end = len(text) if match is None else match.end()
        if text[at:end].strip() or end == at:
            return end
        at = end
    return at


def header(text: bytes, separator: str) -> list[str]:
    """Names in a CSV file, as they stand there: pandas gives others to empty and repeated ones."""
    import pandas as pd

    form: Any = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False, "encoding_errors": "replace"}
    return list(pd.read_csv(io.BytesIO(text), sep=separator, **form).iloc[0])


def parse(text: bytes, names: Sequence[str], missing: dict[str, list[str]], separator: str) -> Any:
    """Read whole records in UTF-8 as columns of text, those of `missing` only.

    Notes
    -----
    The result is an Arrow table of bytes, if pyarrow is there and reads the records as pandas does; else a pandas frame
    of text in which cells are missing. pandas fills short lines with missing cells and drops what is too much in long
    ones. pyarrow refuses both, so pandas reads a piece that has any. Cells are the same by either way.
    """
    if text.startswith(_BOM):  # in the middle of a file it is a part of a cell
        text = b"\n" + text
    if len(names) > 1 and b"\0" not in text and find_spec("pyarrow") is not None:
        table = _arrow(text, names, list(missing), separator)
        if table is not None:
            return table
    import pandas as pd

    if re.search(rb"\r(?!\n)", text):
        text = _plain_ends(text, separator.encode())
    line = separator.join(map(str, range(len(names)))).encode()  # which tells pandas how many columns there are
    return pd.read_csv(
        io.BytesIO(line + b"\n" + text),
        sep=separator,
        header=0,
        names=list(names),
        usecols=list(missing),
        dtype=str,
        index_col=False,  # a comma at the end of lines must not shift the columns
        na_values=missing,
        keep_default_na=False,
        encoding_errors="replace",
    )


def _plain_ends(text: bytes, separator: bytes) -> bytes:
    """End each record by a line feed: pandas loses an empty cell after a blank line that a lone return ends."""
    found, at, record = list[bytes](), 0, _record(separator)
    while (match := record.match(text, at)) is not None:
        found += [match.group().rstrip(b"\r\n"), b"\n"]
        at = match.end()
    return b"".join([*found, text[at:]])


def _arrow(text: bytes, names: Sequence[str], wanted: Sequence[str], separator: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    read = csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=list(names))
    parsing = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    convert = csv.ConvertOptions(
        include_columns=list(wanted), column_types=dict.fromkeys(wanted, pa.binary()), strings_can_be_null=False
    )
    try:
        return csv.read_csv(pa.BufferReader(text), read, parsing, convert)
    except pa.ArrowInvalid:  # its message shows a line
        return None
