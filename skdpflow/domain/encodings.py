"""Text in the encodings that editors and shells write."""

from __future__ import annotations

import codecs
from contextlib import suppress

#: What files begin with that are not in plain UTF-8; UTF-32 first, since its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(data: bytes, what: str) -> str:
    """Return the text of a file in UTF-8, or in the encoding that its byte order mark names, as Windows writes it."""
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    text = None
    with suppress(UnicodeDecodeError):
        text = data.decode(encoding)
    if text is None or "\0" in text:
        raise ValueError(
            f"{what} is not text in the encoding {encoding.removesuffix('-sig').upper()}. Save the file in the "
            "encoding UTF-8; UTF-16 and UTF-32 need a byte order mark."
        )
    return text
