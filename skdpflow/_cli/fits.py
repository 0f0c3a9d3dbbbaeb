"""What a command keeps of a fit: its release, in a file before anything else can fail, and synthetic rows."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from skdpflow._cli.outputs import ROWS_FILE, STDOUT, add_rows, check_outputs, check_rows, write_rows
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.release.board import guess_limit

#: Budgets of which a warning is given: by the chance of a right guess (from an epsilon of about 7 on), and by delta.
_HARDLY, _OFTEN = 0.999, 1e-3


def add_kept(parser: argparse.ArgumentParser) -> None:
    """Add what says where the release and synthetic rows go."""
    parser.add_argument("--release", metavar="FILE", help="keep the flow in this file, for sample, inspect and report")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=ROWS_FILE)
    add_rows(parser)


def check_fit(given: argparse.Namespace, inputs: Sequence[str]) -> str:
    """Refuse what could not be written, before anything is spent, and return the file that keeps the release."""
    to_file = given.output != STDOUT
    kept = str(given.release or f"{given.output if to_file else given.command}.release")
    if given.release is None and os.path.lexists(kept):
        raise ValueError(
            f"{kept!r} may hold the release of an earlier run that could not write its rows. Draw them from it with "
            "'sample', move it away, or name another file with --release."
        )
    check_rows(given.n, given.output)
    check_outputs([given.output, kept], inputs)
    return kept


def warn_of_little(flow: DPSlicedWassersteinFlow) -> None:
    """Say that a budget protects hardly anybody, before it is spent."""
    epsilon, delta = flow.epsilon, flow.delta
    if epsilon <= 0 or not 0 < delta < 1:  # the fit refuses it
        return
    if (limit := guess_limit(epsilon, delta)) > _HARDLY or delta > _OFTEN:
        print(
            f"skdpflow: warning: epsilon={epsilon:g} with delta={delta:g} protects hardly anybody: a guess whether a "
            f"person's row was in the table may be right {100 * limit:.3g} times in 100. An epsilon of 1 to 3 is "
            "usual, and a delta well below one over the number of rows.",
            file=sys.stderr,
        )


def write_fit(flow: DPSlicedWassersteinFlow, wanted: str, given: argparse.Namespace, progress: Progress) -> None:
    """Keep the release, and then write rows: what was paid for is in a file before anything else can fail."""
    kept = _keep(flow, wanted)
    epsilon, delta = flow.privacy_spent_
    print(f"spent: epsilon={epsilon:g} delta={delta:g} neighbours={flow.neighbours}", file=sys.stderr)
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
