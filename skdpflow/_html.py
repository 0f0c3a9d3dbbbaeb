"""Pages of HTML in one file each: styles inside, no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["escaped", "folded", "fragment", "heading", "items", "meter", "page", "paragraph", "section", "table"]

_STYLE = """
.skdpflow{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:62em;margin:0 auto;padding:1em}
.skdpflow h1{font-size:1.6em;margin:.2em 0}.skdpflow h2{font-size:1.15em;margin:1.4em 0 .3em}
.skdpflow p,.skdpflow ul{margin:.4em 0}.skdpflow table{border-collapse:collapse;margin:.5em 0;font-size:.92em}
.skdpflow th,.skdpflow td{padding:.2em .7em;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
.skdpflow th{border-bottom:2px solid #888}.skdpflow td.n,.skdpflow th.n{text-align:right}
.skdpflow tr.marked td{background:#fff1d6}.skdpflow .notice{border:2px solid #b00020;color:#b00020;padding:.5em .8em;
font-weight:bold}.skdpflow .large{font-size:1.15em}.skdpflow .note{color:#555}
.skdpflow .scroll{overflow-x:auto}.skdpflow summary{cursor:pointer;margin:.4em 0}.skdpflow *{box-sizing:border-box}
.skdpflow p,.skdpflow li{overflow-wrap:anywhere}.skdpflow .key{font-size:1.05em}
.skdpflow .meter{position:relative;height:1.7em;max-width:34em;margin:.35em 0;background:#e9ecef;border-radius:3px;
overflow:hidden;print-color-adjust:exact;-webkit-print-color-adjust:exact}.skdpflow .meter div{height:100%;
background:#9ec5e8}.skdpflow .meter.over div{background:#f1aeb5}.skdpflow .meter span{position:absolute;left:.6em;top:0;
line-height:1.7em;white-space:nowrap}
@page{margin:12mm}@media print{.skdpflow{max-width:none;font-size:9pt;line-height:1.3;padding:0}
.skdpflow h2{margin:.8em 0 .2em}.skdpflow details:not([open]){display:none}
.skdpflow section{break-inside:avoid}.skdpflow p,.skdpflow ul{margin:.25em 0}}
"""

_NUMBER = re.compile(r"[-<>]*[0-9][0-9.,]*(e[-+]?[0-9]+)?( %)?")


def escaped(text: object) -> str:
    """Return text as HTML; what is not printable, which names from elsewhere may hold, as a question mark."""
    return escape("".join(c if c.isprintable() else "?" for c in str(text)))


def paragraph(text: object, kind: str = "") -> str:
    """Return a paragraph."""
    return f'<p class="{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>"


def heading(title: object) -> str:
    """Return the heading of a page or of an object in a notebook."""
    return f"<h1>{escaped(title)}</h1>"


def folded(summary: object, *parts: str) -> str:
    """Return parts that a reader unfolds; browsers do that without a script."""
    return f"<details><summary>{escaped(summary)}</summary>{''.join(parts)}</details>"


def meter(share: float, label: object) -> str:
    """Return a bar that is filled to a share, with words on it."""
    over = " over" if share > 1.0 else ""
    width = f"{100.0 * min(max(share, 0.0), 1.0):.4g}%"
    return f'<div class="meter{over}"><div style="width:{width}"></div><span>{escaped(label)}</span></div>'


def section(title: str, *parts: str) -> str:
    """Return a section with a heading."""
    return f"<section><h2>{escaped(title)}</h2>{''.join(parts)}</section>"


def items(texts: Iterable[object]) -> str:
    """Return a list."""
    return f"<ul>{''.join(f'<li>{escaped(text)}</li>' for text in texts)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], marked: Iterable[bool] | None = None) -> str:
    """Return a table; marked rows are shaded, and columns of numbers are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    marks = [False] * len(cells) if marked is None else list(marked)
    right = [bool(cells) and all(_numeric(row[j]) for row in cells) for j in range(len(head))]

    def line(cells: Sequence[str], tag: str) -> str:
        own = (f"<{tag}{' class=n' if n else ''}>{_breakable(c)}</{tag}>" for c, n in zip(cells, right, strict=True))
        return "".join(own)

    body = "".join(
        f"<tr{' class=marked' if mark else ''}>{line(row, 'td')}</tr>" for row, mark in zip(cells, marks, strict=True)
    )
    return f'<div class="scroll"><table><thead><tr>{line(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def _breakable(text: str) -> str:
    """Return the text of a cell, in which a long name may be broken on a narrow screen."""
    return escaped(text).replace("_", "_<wbr>")


def _numeric(text: str) -> bool:
    return text in ("", "-") or _NUMBER.fullmatch(text) is not None


def fragment(body: str) -> str:
    """Return a part of a page, with its styles, as notebooks show it."""
    return f'<style>{_STYLE}</style><div class="skdpflow">{body}</div>'


def page(title: str, body: str) -> str:
    """Return a whole page."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escaped(title)}</title>'
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body style="margin:0">{fragment(body)}</body></html>\n'
