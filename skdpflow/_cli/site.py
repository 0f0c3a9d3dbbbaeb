"""The program of one of several holders of rows."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import TABLE, about, add_agreement, open_ledger, read_agreement
from skdpflow._cli.progress import Progress
from skdpflow.federation import Keys, Site
from skdpflow.files import TableFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=TABLE)
    parser.add_argument("mailbox", help="folder that the coordinator and the sites share")
    add_agreement(parser)
    parser.add_argument("--keys", required=True, metavar="FILE", help="what keys wrote")
    parser.add_argument("--target", metavar="COLUMN", help="name of the column that is the target")
    parser.add_argument("--ledger", required=True, metavar="FILE", help="budget of the rows: debited for each answer")
    parser.add_argument(
        "--ledger-budget",
        nargs=2,
        type=float,
        metavar=("EPSILON", "DELTA"),
        help="make the ledger if there is none: what may be spent on these rows in all",
    )
    parser.add_argument("--folder", required=True, help="private folder in which answers are kept")
    parser.add_argument("--fits", type=int, default=1, help="stop after so many fits (default: 1)")
    parser.add_argument("--timeout", type=float, default=600.0, help="give up after so many seconds without a request")


def _run(given: argparse.Namespace, progress: Progress) -> None:
    table = TableFile(given.table, given.target)  # refuses a path that holds a key
    agreement = read_agreement(given.agreement, given.digest)
    with about(given.keys):
        keys = Keys.load(given.keys)
    ledger = open_ledger(given.ledger, given.ledger_budget, agreement.neighbours)
    site = Site(table, agreement=agreement, keys=keys, ledger=ledger, folder=given.folder)
    progress.stage(f"waiting for requests to {site.name}")
    site.serve(given.mailbox, n_fits=given.fits, timeout=given.timeout)


COMMAND = Command(
    "site",
    "answer the requests of a federation about one's own rows",
    "Answer requests in a shared folder by masked, noisy sums over rows that nobody else sees.",
    _add_arguments,
    _run,
)
