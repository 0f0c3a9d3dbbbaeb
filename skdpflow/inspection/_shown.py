"""A quality report for a reader: as text, and as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from skdpflow import _html as html
from skdpflow.domain.check import percent

Content = Mapping[str, Any]

_WIDTH = 110
#: Lines of a table that the text shows, and the page.
_LINES, _PAGE_LINES = 12, 200
_NAMES = 20
#: Lines of the page that are not folded, if no more stand out.
_UNFOLDED = 20

SEEDED = "NOT PRIVATE: the noise was drawn from a seed. Nothing is guaranteed."
FITTED = (
    "The model was fitted to all that is compared here. Agreement is no proof that the synthetic rows are right. What "
    "stands out is something that was measured and not learnt."
)
ROWS_NOTE = (
    "Where the flow was fitted to these very rows, the comparison is kinder than one with rows that it has not seen."
)
_KINDS = {
    "target": "target",
    "column": "column",
    "location": "fine bins of a column",
    "pair": "two-way table",
    "region": "regions of a partition",
    "slice": "slice",
    "moment": "latent moment",
}


def summary(content: Content) -> list[str]:
    """Say in a few sentences what the report found."""
    measured, guarantee = content["measured"], content["guarantee"]
    marked = [own for own in measured if own["stands_out"]]
    lines = []
    if guarantee["private"]:
        lines.append(
            f"The synthetic rows are ({guarantee['epsilon']:g}, {guarantee['delta']:g})-differentially private, for "
            f"neighbours: {guarantee['neighbours']}. This part of the report spends nothing."
        )
    else:
        lines.append(SEEDED)
    rows = content["rows"]
    lines.append(
        f"About {rows['estimated']:.0f} rows were measured (+- {2 * rows['standard_deviation']:.0f}); "
        f"{content['n_samples']} synthetic rows were drawn."
    )
    if not measured:
        lines.append("Nothing that was measured can be compared with the sample.")
    elif not marked:
        lines.append(f"Of {len(measured)} comparisons none stands out of the noise.")
    else:
        lines.append(
            f"Of {len(measured)} comparisons {len(marked)} stand{'s' if len(marked) == 1 else ''} out of the noise."
        )
    lines.append(FITTED)
    return lines


def blind_spots(content: Content) -> list[str]:
    """Say what the Release cannot tell."""
    never, lines = content["never_measured"], []
    if never["n_pairs"]:
        named = [f"{a} and {b}" for a, b in never["pairs"][:_NAMES]]
        more = f", and {never['n_pairs'] - len(named)} more" if never["n_pairs"] > len(named) else ""
        known = "only their correlation" if never["pairs_have_correlations"] else "nothing together"
        lines.append(
            f"{never['n_pairs']} of {never['n_all_pairs']} pairs of columns have no two-way table; of these, {known} "
            f"was measured: {', '.join(named)}{more}."
        )
    if never["n_triples"]:
        n = never["n_triples"]
        lines.append(
            f"{n} combination{'s' if n > 1 else ''} of three columns {'were' if n > 1 else 'was'} not counted."
        )
    lines.append("Combinations of four and more columns were never counted, and neither was what is inside of a bin.")
    for own in content["columns"]:
        if own["too_rare"]:
            rare = own["too_rare"][:_NAMES]
            more = f", and {len(own['too_rare']) - len(rare)} more" if len(own["too_rare"]) > len(rare) else ""
            lines.append(f"Too rare to be told from none, of {own['name']}: {', '.join(rare)}{more}.")
    for why in dict.fromkeys(own["why"] for own in content["not_compared"]):
        own_lines = [own for own in content["not_compared"] if own["why"] == why]
        named = list(dict.fromkeys(" x ".join(own["names"]) or own["name"] for own in own_lines))
        more = f", and {len(named) - _NAMES} more" if len(named) > _NAMES else ""
        lines.append(f"Measured, but not compared, since {why}: {', '.join(named[:_NAMES])}{more}.")
    return lines


def measured_rows(content: Content, most: int) -> tuple[list[list[str]], list[bool]]:
    """Return the comparisons as cells of a table, and which of them stand out."""
    lines = content["measured"][:most]
    cells = [
        [
            "*" if own["stands_out"] else "",
            " x ".join(own["names"]),
            f"{_KINDS[own['of']]} ({own['measurement']})",
            _distance(own["distance"]),
            _distance(own["noise_alone"]),
            f"{own['largest_z']:.1f}",
            f"{own['p_value']:.1g}" if own["p_value"] > 1e-99 else "<1e-99",
            own["place"],
        ]
        for own in lines
    ]
    return cells, [own["stands_out"] for own in lines]


def _distance(value: float) -> str:
    """Write a distance; noise can exceed all counts together."""
    return f"{value:.3f}" if value <= 1.0 else ">1"


MEASURED_HEAD = ("", "what", "measured by", "distance", "noise alone", "largest z", "p-value", "where it is largest")
COLUMN_HEAD = ("column", "bins", "smallest visible share", "largest bin", "its share", "typical width", "missing")


def column_rows(content: Content) -> list[list[str]]:
    """Return how finely each column was measured, as cells of a table."""
    return [
        [
            own["name"],
            str(own["n_bins"]),
            percent(own["smallest_visible_share"]),
            own["largest_bin_is"],
            percent(own["largest_bin"]),
            own.get("typical_width", "-"),
            "-" if own["missing"] is None else percent(own["missing"]),
        ]
        for own in content["columns"]
    ]


ROW_HEAD = ("column", "total variation", "Kolmogorov-Smirnov", "Wasserstein / sd", "missing", "missing, synthetic")
PAIR_HEAD = ("pair", "total variation", "correlation", "correlation, synthetic")


def row_tables(rows: Mapping[str, Any], most: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return the exact comparisons of columns and of pairs as cells of tables."""
    columns = [
        [
            own["name"],
            f"{own['total_variation']:.3f}",
            _number(own["kolmogorov_smirnov"]),
            _number(own["wasserstein"]),
            percent(own["missing"]),
            percent(own["missing_synthetic"]),
        ]
        for own in rows["columns"][:most]
    ]
    pairs = [
        [
            " x ".join(own["names"]),
            f"{own['total_variation']:.3f}",
            _number(own["correlation"], 2),
            _number(own["correlation_synthetic"], 2),
        ]
        for own in rows["pairs"][:most]
    ]
    return columns, pairs


def row_sentences(rows: Mapping[str, Any]) -> list[str]:
    """Say what the exact comparison found."""
    lines = []
    auc = rows["two_sample_roc_auc"]
    if auc is not None:
        lines.append(
            f"A classifier that is to tell real from synthetic rows has ROC-AUC {auc:.3f} on rows that it has not seen "
            "(0.5: it cannot, 1: it always can)."
        )
    useful = rows["usefulness"]
    if useful is not None:
        lines.append(
            f"A model trained on synthetic rows has {useful['metric']} {useful['synthetic']:.3f} on real rows; trained "
            f"on real rows, {useful['real']:.3f}."
        )
    lines.append(ROWS_NOTE)
    return lines


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


# ---------------------------------------------------------------- as text


def lines_of(content: Content) -> Iterator[str]:
    """Yield the lines of the text."""
    if content["notice"] is not None:
        yield content["notice"]
        yield ""
    for sentence in summary(content):
        yield from wrap(sentence, _WIDTH)
    cells, _ = measured_rows(content, _LINES)
    yield ""
    yield f"Measured, beside the sample (least likely first, {len(cells)} of {len(content['measured'])}; * stands out):"
    yield from _aligned(MEASURED_HEAD, cells)
    yield ""
    yield "How finely columns were measured:"
    yield from _aligned(COLUMN_HEAD, column_rows(content))
    if content["outside"]:
        yield ""
        yield "Outside of what was declared, by the released counts:"
        for own in content["outside"]:
            yield f"  {own['text']}"
    yield ""
    yield "What the Release cannot tell:"
    for sentence in blind_spots(content):
        yield from wrap(sentence, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    rows = content["private_rows"]
    if rows is not None:
        yield ""
        yield f"With rows in hand. {content['notice']}"
        for sentence in row_sentences(rows):
            yield from wrap(sentence, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        columns, pairs = row_tables(rows, _LINES)
        yield from _aligned(ROW_HEAD, columns)
        if pairs:
            yield from _aligned(PAIR_HEAD, pairs)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[j]) for row in (head, *rows)) for j in range(len(head))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


# ---------------------------------------------------------------- as HTML


def html_of(content: Content) -> str:
    """Return the body of the page."""
    cells, marked = measured_rows(content, _PAGE_LINES)
    more, first = len(content["measured"]) - len(cells), max(sum(marked), _UNFOLDED)
    parts = ["<h1>Quality of synthetic rows</h1>"]
    if content["notice"] is not None:
        parts.append(html.paragraph(content["notice"], "notice"))
    parts += [html.paragraph(sentence) for sentence in summary(content)]
    rows = content["private_rows"]
    if rows is not None:
        columns, pairs = row_tables(rows, _PAGE_LINES)
        parts.append(
            html.section(
                "With rows in hand",
                html.paragraph(content["notice"], "notice"),
                *[html.paragraph(sentence) for sentence in row_sentences(rows)],
                html.table(ROW_HEAD, columns),
                html.table(PAIR_HEAD, pairs) if pairs else "",
            )
        )
    parts.append(
        html.section(
            "What was measured, beside the sample",
            html.paragraph(
                "The distance of counts is the total variation, from 0 to 1; that of moments is in standard deviations "
                "of the latent columns. Beside it stands what noise alone would give. A shaded line stands out of it.",
                "note",
            ),
            html.table(MEASURED_HEAD, cells[:first], marked[:first]),
            html.folded(f"{len(cells) - first} more", html.table(MEASURED_HEAD, cells[first:], marked[first:]))
            if cells[first:]
            else "",
            html.paragraph(f"{more} more are in the JSON.", "note") if more > 0 else "",
        )
    )
    parts.append(html.section("How finely columns were measured", html.table(COLUMN_HEAD, column_rows(content))))
    if content["outside"]:
        lines = [own["text"] for own in content["outside"]]
        parts.append(html.section("Outside of what was declared, by the released counts", html.items(lines)))
    parts.append(html.section("What the Release cannot tell", html.items(blind_spots(content))))
    if content["notice"] is not None:
        parts.append(html.paragraph(content["notice"], "notice"))
    return "".join(parts)
