"""From a private table to synthetic rows, within a budget."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.fits import add_kept, check_fit, warn_of_little, write_fit
from skdpflow._cli.inputs import DOMAIN, TABLE, open_ledger, read_columns
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.files import TableFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=TABLE)
    parser.add_argument("--domain", required=True, metavar="FILE", help=DOMAIN)
    parser.add_argument(
        "--epsilon", type=float, required=True, help="what may be spent: 1 to 3 is usual, and less protects more"
    )
    parser.add_argument(
        "--delta",
        type=float,
        default=1e-6,
        help="probability with which the guarantee may fail; well below one over the number of rows (default: 1e-6)",
    )
    parser.add_argument(
        "--neighbours",
        choices=("add-remove", "replace-one"),
        default="add-remove",
        help="whether neighbouring tables differ by one row more (the default), or by the content of one row",
    )
    parser.add_argument("--target", metavar="COLUMN", help="name of the column that is the target")
    parser.add_argument(
        "--ledger", metavar="FILE", help="budget of the data set: debited before anything is measured, or refuses"
    )
    parser.add_argument(
        "--ledger-budget",
        nargs=2,
        type=float,
        metavar=("EPSILON", "DELTA"),
        help="make the ledger if there is none: what may be spent on these rows in all",
    )
    add_kept(parser)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    table = TableFile(given.table, given.target)  # refuses a path that holds a key, which no message may repeat
    inputs = [given.table, given.domain, *([] if given.ledger is None else [given.ledger])]
    kept = check_fit(given, inputs)
    domain, target = read_columns(given.domain, given.target)
    flow = DPSlicedWassersteinFlow(
        given.epsilon,
        given.delta,
        domain=domain,
        target=target,
        neighbours=given.neighbours,
        ledger=open_ledger(given.ledger, given.ledger_budget, given.neighbours),
    )
    warn_of_little(flow)
    progress.stage(f"measuring {given.table}")
    write_fit(flow.fit(table), kept, given, progress)


COMMAND = Command(
    "synthesize",
    "measure a table within a budget and write synthetic rows",
    "Measure a private table within a budget and write synthetic rows. Each run spends the budget again.",
    _add_arguments,
    _run,
)
