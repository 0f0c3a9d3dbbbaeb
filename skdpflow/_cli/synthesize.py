"""From a private table to synthetic rows, within a budget."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import DOMAIN, TABLE, open_ledger, read_domain
from skdpflow._cli.outputs import ROWS_FILE, STDOUT, add_rows, check_outputs, check_rows, write_rows
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.domain import Domain
from skdpflow.files import TableFile
from skdpflow.release.board import guess_limit

#: Budgets of which a warning is given: by the chance of a right guess (from an epsilon of about 7 on), and by delta.
_HARDLY, _OFTEN = 0.999, 1e-3


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
    parser.add_argument("--release", metavar="FILE", help="keep the flow in this file, for sample, inspect and report")
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
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=ROWS_FILE)
    add_rows(parser)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    """Measure, keep the release, and then write rows: what was paid for is in a file before anything else can fail."""
    to_file = given.output != STDOUT
    kept = given.release or f"{given.output if to_file else 'synthesize'}.release"
    if given.release is None and os.path.lexists(kept):
        raise ValueError(
            f"{kept!r} may hold the release of an earlier run that could not write its rows. Draw them from it with "
            "'sample', move it away, or name another file with --release."
        )
    check_rows(given.n, given.output)
    inputs = [given.table, given.domain, *([] if given.ledger is None else [given.ledger])]
    check_outputs([given.output, kept], inputs)
    flow = _flow(given)
    _warn_of_little(given.epsilon, given.delta)
    progress.stage(f"measuring {given.table}")
    flow.fit(TableFile(given.table, given.target))
    kept = _keep(flow, kept)
    epsilon, delta = flow.privacy_spent_
    print(f"spent: epsilon={epsilon:g} delta={delta:g} neighbours={given.neighbours}", file=sys.stderr)
    if flow.ledger is not None:
        own = flow.ledger
        text = f"ledger: spent epsilon={own.spent():.4g} of {own.epsilon:g} at delta={own.delta:g}, by all fits"
        print(text, file=sys.stderr)
    progress.detail(str(flow.privacy_statement()))
    try:
        write_rows(flow, given.n, given.seed, given.output, progress)
    except BaseException as e:
        e.add_note(f"The release that was paid for is in {kept!r}: draw rows from it with 'sample'.")
        raise
    if given.release is None:
        os.unlink(kept)


def _flow(given: argparse.Namespace) -> DPSlicedWassersteinFlow:
    """Return the flow that is asked for."""
    domain = read_domain(given.domain)
    columns, target = dict(domain), None
    if given.target is not None:
        if given.target not in columns:
            raise ValueError(
                f"{given.domain}: The domain does not describe the target {given.target!r}. Its columns are "
                f"{list(columns)[:20]}."
            )
        target = columns.pop(given.target)
    return DPSlicedWassersteinFlow(
        given.epsilon,
        given.delta,
        domain=Domain(columns, constraints=domain.constraints),
        target=target,
        neighbours=given.neighbours,
        ledger=open_ledger(given.ledger, given.ledger_budget, given.neighbours),
    )


def _warn_of_little(epsilon: float, delta: float) -> None:
    """Say that a budget protects hardly anybody, before it is spent."""
    if (limit := guess_limit(epsilon, delta)) > _HARDLY or delta > _OFTEN:
        print(
            f"skdpflow: warning: epsilon={epsilon:g} with delta={delta:g} protects hardly anybody: a guess whether a "
            f"person's row was in the table may be right {100 * limit:.3g} times in 100. An epsilon of 1 to 3 is "
            "usual, and a delta well below one over the number of rows.",
            file=sys.stderr,
        )


def _keep(flow: DPSlicedWassersteinFlow, wanted: str) -> str:
    """Save a fitted flow, in the folder of temporary files if there is no room where it is wanted."""
    try:
        flow.save(wanted)
        return wanted
    except OSError:
        handle, other = tempfile.mkstemp(suffix=".release")
        os.close(handle)
        flow.save(other)
        print(f"skdpflow: {wanted!r} could not be written; the release is in {other!r}.", file=sys.stderr)
        return other


COMMAND = Command(
    "synthesize",
    "measure a table within a budget and write synthetic rows",
    "Measure a private table within a budget and write synthetic rows. Each run spends the budget again.",
    _add_arguments,
    _run,
)
