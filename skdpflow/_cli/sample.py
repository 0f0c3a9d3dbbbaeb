"""Synthetic rows from a Release."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import RELEASE, about
from skdpflow._cli.outputs import ROWS_FILE, STDOUT, add_rows, check_outputs, check_rows, write_rows
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", help=RELEASE)
    parser.add_argument("-o", "--output", metavar="FILE", default=STDOUT, help=f"{ROWS_FILE} (the default)")
    add_rows(parser)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    check_rows(given.n, given.output)
    check_outputs([given.output], [given.release])
    progress.stage(f"learning the model from {given.release}")
    with about(given.release):
        flow = DPSlicedWassersteinFlow.load(given.release)
    write_rows(flow, given.n, given.seed, given.output, progress)


COMMAND = Command(
    "sample",
    "write synthetic rows from a release; spends nothing",
    "Write synthetic rows from a release. No private row is needed, and nothing is spent.",
    _add_arguments,
    _run,
)
