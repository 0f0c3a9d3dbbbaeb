"""A skeleton of a domain file."""

from __future__ import annotations

import argparse
import sys

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import TABLE, about, read_domain
from skdpflow._cli.progress import Progress
from skdpflow.domain import Domain
from skdpflow.files import TableFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=TABLE)
    parser.add_argument(
        "--private-look",
        metavar="FILE",
        help="instead, tell on standard error how the rows fit this domain file, as check does: for you alone",
    )


def _run(given: argparse.Namespace, progress: Progress) -> None:
    table = TableFile(given.table)  # refuses a path that holds a key, which no message may repeat
    if given.private_look is not None:
        domain = read_domain(given.private_look)
        progress.stage(f"reading {given.table}")
        print(domain.check(table), file=sys.stderr)
        return
    with about(given.table):
        print(Domain.template(table))


COMMAND = Command(
    "domain",
    "print a skeleton of a domain file, from names and dtypes alone",
    "Print a skeleton of a domain file, from names and dtypes alone. No row is read without --private-look, and "
    "nothing is spent. Correct its bounds, fill in its blanks, and review it before a budget is spent.",
    _add_arguments,
    _run,
)
