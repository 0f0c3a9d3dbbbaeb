"""A Release as notebooks show it."""

from __future__ import annotations

from skdpflow._html import folded, heading, paragraph, section, table
from skdpflow.accountants.base import tally
from skdpflow.domain.words import counted, html_of, in_words
from skdpflow.release import sentences as texts
from skdpflow.release.content import Content
from skdpflow.release.measurement import Measurement

__all__ = ["html_of_release"]

_HEAD = ("name", "what", "integers", "noise scale")


def html_of_release(release: Content) -> str:
    """Return the guarantee, what was measured, and the columns."""
    if release.private:
        stated = (
            f"({release.epsilon:g}, {release.delta:g})-differentially private, neighbours: {release.neighbours}, "
            f"accountant: {release.accountant.partition('(')[0]}."
        )
        parts = [heading("Release"), paragraph(stated, "key")]
    else:
        parts = [heading("Release"), paragraph(texts.SEEDED, "notice")]
    if release.ledger is not None:
        parts.append(paragraph(f"Debited from a ledger, under {release.ledger}.", "note"))
    measured = table(_HEAD, [_line(m) for m in release.measurements])
    parts.append(section(f"{counted(len(release.measurements), 'measurement')}", measured))
    columns = [html_of(release.domain.without_grids(), release.domain.constraints)]
    if release.target is not None:
        columns.append(paragraph(f"Target {release.target_name}: {in_words(release.target)}"))
    parts.append(folded(counted(len(release.domain), "column"), *columns))
    parts.append(paragraph("Everything here may be published. privacy_statement() says what is guaranteed.", "note"))
    return "".join(parts)


def _line(m: Measurement) -> tuple[str, ...]:
    scale = float(m.noise_scale.max())
    what = texts.WHAT.get(m.kind, m.kind) + ("" if tally(m.event).noise_multipliers else ", with Gumbel noise")
    return m.name, what, f"{m.values.size:,}", f"{scale:.4g}" if scale < 1e3 else f"{scale:,.0f}"
