"""The quality report of a Release."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import RELEASE, about, open_ledger
from skdpflow._cli.outputs import STDOUT, check_outputs, form_of, seed_of, write_text
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.files import TableFile
from skdpflow.inspection import QualityReport

_FORMS: Mapping[str, Callable[[Any], str]] = {
    ".txt": str,
    ".json": QualityReport.to_json,
    ".html": QualityReport.to_html,
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", help=RELEASE)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=STDOUT, help="write to this file instead: .txt, .json or .html"
    )
    parser.add_argument("--seed", type=seed_of, help="seed of the synthetic rows that are compared")
    parser.add_argument(
        "--private-look",
        metavar="TABLE",
        help="compare with these private rows as well: outside the guarantee, for you alone",
    )
    parser.add_argument("--ledger", metavar="FILE", help="with --private-look, note the look in this ledger")


def _run(given: argparse.Namespace, progress: Progress) -> None:
    rows = [] if given.private_look is None else [given.private_look]
    form = form_of(given.output, _FORMS)
    check_outputs([given.output], [given.release, *rows])
    if given.ledger is not None and not rows:
        raise ValueError("--ledger notes a look at private rows, and there is none: add --private-look TABLE.")
    progress.stage(f"learning the model from {given.release}")
    with about(given.release):
        flow = DPSlicedWassersteinFlow.load(given.release)
    table = None
    if rows:
        flow.set_params(ledger=open_ledger(given.ledger, None, flow.neighbours))
        release = flow.release_
        table = TableFile(given.private_look, None if release.target is None else release.target_name)
    progress.stage("comparing synthetic rows with what was measured")
    report = flow.quality_report(table, random_state=given.seed)
    write_text(given.output, form(report))


COMMAND = Command(
    "report",
    "compare synthetic rows with what was measured; spends nothing",
    "Compare synthetic rows with the released measurements, at their known noise. Nothing is spent. With "
    "--private-look, add an exact comparison with private rows: that part is outside the guarantee.",
    _add_arguments,
    _run,
)
