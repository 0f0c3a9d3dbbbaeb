"""How private rows fit a domain file."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import DOMAIN, TABLE, read_domain
from skdpflow._cli.progress import Progress
from skdpflow.files import TableFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=TABLE)
    parser.add_argument("--domain", required=True, metavar="FILE", help=DOMAIN)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    domain = read_domain(given.domain)
    table = TableFile(given.table)  # refuses a path that holds a key, which no message may repeat
    progress.stage(f"reading {given.table}")
    print(domain.check(table))


COMMAND = Command(
    "check",
    "tell the holder of the rows how they fit a domain file: a look at private rows, for you alone",
    "Tell how the rows of a table fit a domain file, exactly. This is a look at private rows, outside the guarantee: "
    "do not share it. Nothing is spent. Declare what is true of any such table, not what this one shows.",
    _add_arguments,
    _run,
)
