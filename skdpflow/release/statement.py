"""What a fit guarantees, in words for a reader and in numbers for an auditor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np

from skdpflow._html import fragment, page
from skdpflow.accountants.base import tally
from skdpflow.accountants.event_json import event_to_dict
from skdpflow.accountants.events import Event, flatten_event
from skdpflow.accountants.gaussian import total_mu
from skdpflow.domain import Categories, Column, Interval
from skdpflow.domain.differences import since_of
from skdpflow.domain.measured import is_measured
from skdpflow.release import sentences as texts
from skdpflow.release.archive import plain
from skdpflow.release.board import board_page
from skdpflow.release.checks import together
from skdpflow.release.content import Content
from skdpflow.release.federated import in_words
from skdpflow.release.measurement import Measurement
from skdpflow.release.mismatch import mismatches
from skdpflow.release.resolution import least_share, rarest

__all__ = ["PrivacyStatement"]

STATEMENT_VERSION = 1
_WIDTH, _NAMES = 110, 12


@dataclass(frozen=True)
class PrivacyStatement:
    """The guarantee of a fit: its epsilon and delta, its assumptions, and what it does not cover.

    ``print`` it, or keep `to_json` beside what you publish. It is a function of the Release alone, and as public.

    Parameters
    ----------
    content : mapping
        What `to_json` writes.

    Attributes
    ----------
    epsilon, delta : float
        The guarantee; ``(inf, 1.0)`` if the noise was seeded.

    See Also
    --------
    skdpflow.Release.privacy_statement : The statement of one fit.
    skdpflow.compose.GenerativePipeline.privacy_statement : That of all steps together.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> statement = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X).privacy_statement()
    >>> print(str(statement).splitlines()[0])
    (epsilon, delta) = (1, 1e-06), neighbours: add-remove, accountant: gdp
    >>> statement.content["steps"][0]["measurements"][0]["sensitivity"]
    1.0
    """

    content: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        releases: Mapping[str, Content],
        epsilon: float,
        delta: float,
        *,
        public_steps: Mapping[str, str] | None = None,
    ) -> PrivacyStatement:
        """State what some Releases guarantee together.

        Parameters
        ----------
        releases : mapping of str to Release
            By the name of the step; all of the same neighbouring relation.
        epsilon, delta : float
            What they guarantee together.
        public_steps : mapping of str to str or None, default=None
            Steps that spend nothing, with their class.

        Returns
        -------
        statement : PrivacyStatement
        """
        private = all(release.private for release in releases.values())
        neighbours = next(iter(releases.values())).neighbours
        whole = together(releases.values())
        cap = tally(whole, repetitions=True)
        content = {
            "format": "skdpflow-privacy-statement",
            "format_version": STATEMENT_VERSION,
            "guarantee": {
                "private": private,
                "epsilon": epsilon if private else None,
                "delta": delta if private else 1.0,
                "neighbours": neighbours,
                "neighbouring_tables": texts.NEIGHBOURS[neighbours],
                "unit": texts.UNIT,
                "definition": texts.DEFINITION,
                "trust": texts.TRUST,
            },
            "composition": {
                "cap": _counted(whole),
                "mu": None if cap.repetitions else cap.gaussian_mu,
                "threshold_delta": cap.threshold_delta,
                "slack": {"epsilon": cap.slack_epsilon, "delta": cap.slack_delta},
                "recompute": texts.RECOMPUTE,
            },
            "steps": [_step(name, r) for name, r in releases.items()],
            "public_steps": dict(public_steps or {}),
            "unverified": [],
            "assumptions": _assumptions(releases, public_steps or {}),
            "not_covered": texts.NOT_COVERED,
        }
        return cls(json.loads(json.dumps(content, allow_nan=False, default=plain)))

    @property
    def epsilon(self) -> float:
        """Epsilon that is guaranteed; infinite if the noise was seeded."""
        return float(self.content["guarantee"]["epsilon"]) if self.content["guarantee"]["private"] else float("inf")

    @property
    def delta(self) -> float:
        """Delta that is guaranteed."""
        return float(self.content["guarantee"]["delta"])

    def to_json(self, indent: int | None = 2) -> str:
        """Return the statement as JSON, from which the guarantee can be recomputed.

        Parameters
        ----------
        indent : int or None, default=2
            Spaces of indentation; None writes one line.

        Returns
        -------
        text : str
            The JSON.
        """
        return json.dumps(self.content, indent=indent, allow_nan=False)

    def to_html(self) -> str:
        """Return the statement as one page in plain words, for those who decide and are no experts.

        Returns
        -------
        text : str
            The page: one file without scripts. Write it with the encoding UTF-8. `to_json` is for the auditor.

        Notes
        -----
        Epsilon is told as the chance with which a guess is right. Between two cases that are equally likely beforehand,
        the best guess is right with a chance of at most ``exp(epsilon) / (1 + exp(epsilon)) + delta``.

        Examples
        --------
        >>> import numpy as np
        >>> from skdpflow import DPSlicedWassersteinFlow
        >>> X = np.random.default_rng(0).uniform(size=(500, 2))
        >>> statement = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X).privacy_statement()
        >>> "right at most 73.2 times in 100" in statement.to_html()
        True
        """
        return page("Privacy statement", board_page(self.content))

    def _repr_html_(self) -> str:
        return fragment(board_page(self.content))

    def __str__(self) -> str:
        # names may come from an untrusted file, so control characters are replaced
        return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in _lines(self.content))

    def __repr__(self) -> str:
        return f"PrivacyStatement(epsilon={self.epsilon:g}, delta={self.delta:g})"


def _counted(event: Event) -> list[dict[str, Any]]:
    """Return the parts of an event, equal ones once."""
    return [{**event_to_dict(part), "times": n} for part, n in Counter(flatten_event(event)).items()]


def _step(name: str, release: Content) -> dict[str, Any]:
    known = release.accountant.partition("(")[0]
    found = "bounds" in release
    return {
        "name": name,
        "calibrated_to": {"epsilon": release.epsilon, "delta": release.delta},
        "private": release.private,
        "accountant": {"name": release.accountant, "formula": texts.ACCOUNTANTS.get(known, texts.OWN_ACCOUNTANT)},
        "cap": _counted(release.cap),
        "before": [
            {"contains": source.contains, "gave_domain": source.gave_domain, "events": _counted(source.event)}
            for source in release.before
        ],
        "mechanism": dict(release.mechanism),
        "measurements": [_measurement(m, release) for m in release.measurements],
        "rows": {
            "schema": release.schema.to_dict(),
            "domain": release.domain.without_grids().to_dict(),
            "domain_is": "released by an earlier step"
            if release.handed_domain
            else "found privately"
            if found
            else "declared",
            "differences": {name: own.name for name, own in since_of(release.domain).items()},
            "levels_found_privately": [release.measured.names[j] for j in release.found_columns],
            "target": None if release.target is None else _without_grid(release.target).to_dict(),
            "target_is": "found privately" if "labels" in release else "declared",
            "outside": [mismatch.to_dict() for mismatch in mismatches(release)],
            "least_share": _least_share(release),
        },
        "ledger": release.ledger,
        "federation": None if release.federated is None else release.federated.stated(release.cap, release.delta),
    }


def _without_grid(column: Column) -> Column:
    """Return what was declared of a column: where its mass was located is released, not declared."""
    return column.without_grid() if isinstance(column, Interval) else column


def _least_share(release: Content) -> float | None:
    """Say from which share of the rows on a level of a category can be seen, by released counts."""
    counts = next((m for m in release.measurements if m.name == "counts"), None)
    if counts is None or not any(isinstance(c, Categories) for c in release.domain.columns):
        return None
    return least_share(release.measurements, float(counts.values.sum()))


def _measurement(m: Measurement, release: Content) -> dict[str, Any]:
    adds, formulas, reference = texts.KINDS.get(m.kind, texts.UNKNOWN_KIND)
    cap = tally(release.cap).gaussian_mu
    return {
        "name": m.name,
        "kind": m.kind,
        "noise": "Gumbel" if not tally(m.event).noise_multipliers else "rounded Gaussian",
        "integers": int(m.values.size),
        "parameters": {k: plain(v) if isinstance(v, np.generic) else v for k, v in m.params.items() if _is_plain(v)},
        "a_row_adds": adds,
        "sensitivity": m.sensitivity,
        "sensitivity_is": formulas[release.neighbours],
        "noise_scale": {"largest": float(m.noise_scale.max()), "smallest": float(m.noise_scale.min())},
        "events": _counted(m.event),
        "share": (total_mu(tally(m.event)) / cap) ** 2 if cap else None,
        "reference": reference,
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.generic)


def _assumptions(releases: Mapping[str, Content], public_steps: Mapping[str, str]) -> list[str]:
    out = [texts.ONE_ROW_EACH]
    several = len(releases) > 1
    for name, release in releases.items():
        earlier = sum(not source.contains for source in release.before)
        if earlier and not several:
            out.append(texts.EARLIER.format(earlier))
        if release.handed_domain:  # its input is a function of the Releases before it
            continue
        of = f" of the step {name!r}" if several else ""
        names = [str(n) for n in release.domain.names]
        shown = ", ".join(names[:_NAMES]) + (f", ... ({len(names)} in all)" if len(names) > _NAMES else "")
        out.append(
            f"Public by declaration{of}: {release.schema.container} rows with the columns {shown}; their types, which "
            "were not inferred from the values."
        )
        if "bounds" not in release:
            levels = ", ".join(repr(release.measured.names[j]) for j in release.found_columns)
            but = f", except the categories of {levels}, which were found privately" if levels else ""
            out.append(f"The domain{of} was declared, and not learnt from the rows{but}.")
        if any(m.kind == "location" for m in release.measurements):
            out.append(f"Bins and single values of numeric columns{of} are public, or follow from noisy counts.")
        if unmeasured := [f"{name} ({c!r})" for name, c in release.domain.items() if not is_measured(c)]:
            out.append(f"Not measured{of}, and not read: {', '.join(unmeasured)}.")
        out += [f"In every row{of}, as declared: {fact}" for fact in release.domain.constraints]
        out += [
            f"The column {name!r}{of} is measured as its difference from {own.name!r}."
            for name, own in since_of(release.domain).items()
        ]
    for release in releases.values():
        if release.numeric_target:
            out.append("The interval of the target was declared, and not learnt from the rows.")
        if release.classes is not None and "labels" not in release:
            out.append(f"The classes were declared, and not learnt from the rows: {list(release.classes)}.")
        if any(m.kind == "records" for m in release.measurements):
            of_classes = "" if release.classes is None else " of each class"
            out.append(f"The number of rows{of_classes} is public, since records are released.")
        n_fits = len(tally(release.cap).noise_multipliers)
        if n_fits > 1:
            out.append(texts.CONTINUED.format(n_fits))
        if tally(release.allowed, repetitions=True).repetitions and texts.SEARCHED not in out:
            out.append(texts.SEARCHED)
    if next(iter(releases.values())).neighbours == "replace-one":
        out.append("The number of rows is public: it is the same in neighbouring tables.")
    for name, kind in public_steps.items():
        out.append(texts.PUBLIC_STEP.format(name, kind))
    if all(release.private for release in releases.values()):
        out.append(texts.ENTROPY)
    return out


# ---------------------------------------------------------------- the text


def _lines(content: Mapping[str, Any]) -> list[str]:
    guarantee, steps, composition = content["guarantee"], content["steps"], content["composition"]
    several = len(steps) > 1
    if guarantee["private"]:
        stated = f"({guarantee['epsilon']:g}, {guarantee['delta']:g})"
    else:
        stated = "(inf, 1)"
    accountants = ", ".join(dict.fromkeys(step["accountant"]["name"] for step in steps))
    lines = [f"(epsilon, delta) = {stated}, neighbours: {guarantee['neighbours']}, accountant: {accountants}"]
    if not guarantee["private"]:
        lines += _wrapped(texts.SEEDED, "")
    lines += _wrapped(f"{guarantee['unit']} {guarantee['neighbouring_tables']} {guarantee['trust']}", "")
    for step in steps:
        asked = step["calibrated_to"]
        name = f"step {step['name']!r}, " if several else ""
        lines += ["", f"Measured by {name}mechanism {step['mechanism']['name']!r}:"]
        lines += _table(step["measurements"])
        within = f"({asked['epsilon']:g}, {asked['delta']:g}) by {step['accountant']['name']}"
        how = "calibrated to"
        if step["before"]:
            won = any(source["contains"] for source in step["before"])
            how = "one trial of the search, which is within" if won else "with what it rests on within"
        lines += _wrapped(f"Cap, fixed beforehand: {_in_words(step['cap'])}; {how} {within}.", "  ", "    ")
    slack = composition["slack"]
    lines += ["", "Accounting:"]
    for formula in dict.fromkeys(step["accountant"]["formula"] for step in steps):
        lines += _wrapped(formula, "  - ", "    ")
    if composition["mu"] is None:
        lines += _wrapped(texts.REPEATED, "  - ", "    ")
        total = _in_words(composition["cap"])
    else:
        total = f"mu = {composition['mu']:.6g}; thresholds: delta = {composition['threshold_delta']:.3g}"
    held = f"epsilon = {slack['epsilon']:.3g}, delta = {slack['delta']:.3g}"
    lines += _wrapped(f"All caps together: {total}; held back for floating-point arithmetic: {held}.", "  - ", "    ")
    for step in steps:
        if step["federation"] is not None:
            lines += ["", "Several holders:"]
            for text in in_words(step["federation"], step["calibrated_to"]["epsilon"], guarantee["neighbours"]):
                lines += _wrapped(text, "  - ", "    ")
    lines += ["", "Sensitivity (L2, by what one row adds):"]
    kinds = {m["kind"]: m for step in steps for m in step["measurements"]}
    for kind, m in kinds.items():
        lines += _wrapped(f"{kind}: {m['a_row_adds']}: {m['sensitivity_is']}", "  - ", "    ")
    lines += ["", "Mechanisms:"]
    for reference in dict.fromkeys(m["reference"] for m in kinds.values()):
        lines += _wrapped(reference, "  - ", "    ")
    lines += ["", "Assumptions:"]
    for text in content["assumptions"]:
        lines += _wrapped(text, "  - ", "    ")
    outside = [mismatch["text"] for step in steps for mismatch in step["rows"]["outside"]]
    if outside:
        lines += ["", "Outside of what was declared, by the released counts:"]
    for text in outside:
        lines += _wrapped(text, "  - ", "    ")
    for step in steps:
        if (share := step["rows"]["least_share"]) is not None:
            lines += ["", *_wrapped(rarest(share), "")]
    lines += ["", "Not covered:"]
    for text in content["not_covered"]:
        lines += _wrapped(text, "  - ", "    ")
    heads = sorted({step["ledger"] for step in steps if step["ledger"] is not None})
    of_sites = [
        f"{site} {head}" for step in steps for site, head in (step["federation"] or {}).get("heads", {}).items()
    ]
    if of_sites:
        lines += ["", "Recorded in the PrivacyLedger of each site:", *(f"  - {text}" for text in of_sites)]
    elif heads:
        lines += ["", f"Recorded in a PrivacyLedger: {', '.join(heads)}"]
    else:
        lines += ["", "Recorded in no PrivacyLedger."]
    return lines


def _wrapped(text: str, first: str, further: str = "") -> list[str]:
    return wrap(text, _WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)


def _in_words(events: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for event in events:
        values = [_in_word(v) for k, v in event.items() if k not in ("event", "times")]
        times = f"{event['times']} times " if event["times"] > 1 else ""
        parts.append(f"{times}{event['event']}({', '.join(values)})")
    return ", ".join(parts)


def _in_word(value: Any) -> str:
    if isinstance(value, Mapping):  # one of many trials
        return _in_words([{"times": 1, **part} for part in value.get("events", [value])])
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(measurements: Sequence[Mapping[str, Any]]) -> list[str]:
    head = ("name", "kind", "integers", "sensitivity", "noise scale", "share", "event")
    rows = [head]
    for m in measurements:
        scales = dict.fromkeys(f"{m['noise_scale'][end]:.5g}" for end in ("smallest", "largest"))
        share = "" if m["share"] is None else f"{100 * m['share']:.1f} %"
        row = (m["name"], m["kind"], str(m["integers"]), f"{m['sensitivity']:.6g}", " to ".join(scales), share)
        rows.append((*row, _in_words(m["events"])))
    widths = [max(len(row[j]) for row in rows) for j in range(len(head) - 1)]
    return ["  " + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
