"""The privacy statement of a Release."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import RELEASE, about
from skdpflow._cli.outputs import STDOUT, check_outputs, form_of, write_text
from skdpflow._cli.progress import Progress
from skdpflow._flow.files import load_flow
from skdpflow.release.statement import PrivacyStatement

_FORMS: Mapping[str, Callable[[Any], str]] = {
    ".txt": str,
    ".json": PrivacyStatement.to_json,
    ".html": PrivacyStatement.to_html,
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", help=RELEASE)
    parser.add_argument("--json", action="store_true", help="print JSON, from which the guarantee can be recomputed")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default=STDOUT,
        help="write to this file instead: .txt, .json, or .html for one page in plain words",
    )


def _run(given: argparse.Namespace, progress: Progress) -> None:
    form = form_of(given.output, _FORMS)
    check_outputs([given.output], [given.release])
    with about(given.release):
        statement = load_flow(given.release)[0].privacy_statement()
    write_text(given.output, statement.to_json() if given.json else form(statement))


COMMAND = Command(
    "inspect",
    "print what a release guarantees, and what that rests on",
    "Print the privacy statement of a release: what is guaranteed, what was measured, and what that rests on. Nothing "
    "is spent.",
    _add_arguments,
    _run,
)
