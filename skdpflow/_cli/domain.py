"""A skeleton of a domain file."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import TABLE, about
from skdpflow._cli.progress import Progress
from skdpflow.domain import Domain
from skdpflow.files import TableFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=TABLE)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    with about(given.table):
        print(Domain.template(TableFile(given.table)))


COMMAND = Command(
    "domain",
    "print a skeleton of a domain file, from names and dtypes alone",
    "Print a skeleton of a domain file, from names and dtypes alone. No row is read, and nothing is spent. Correct its "
    "bounds, fill in its blanks, and review it before a budget is spent.",
    _add_arguments,
    _run,
)
