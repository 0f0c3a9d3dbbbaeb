"""From the sums of several holders of rows to synthetic rows."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.fits import add_kept, check_fit, warn_of_little, write_fit
from skdpflow._cli.inputs import add_agreement, read_agreement
from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.federation import Federation


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mailbox", help="folder that the coordinator and the sites share")
    add_agreement(parser)
    parser.add_argument("--epsilon", type=float, help="what may be spent; by default what the sites agreed on")
    parser.add_argument("--delta", type=float, help="by default what the sites agreed on")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for the answers of a round")
    add_kept(parser)


def _run(given: argparse.Namespace, progress: Progress) -> None:
    kept = check_fit(given, [given.agreement])
    agreement = read_agreement(given.agreement, given.digest)
    flow = DPSlicedWassersteinFlow(
        agreement.epsilon if given.epsilon is None else given.epsilon,
        agreement.delta if given.delta is None else given.delta,
        domain=agreement.domain,
        target=agreement.target,
        neighbours=agreement.neighbours,
    )
    warn_of_little(flow)
    progress.stage(f"asking {len(agreement.sites)} sites")
    flow.fit(Federation(given.mailbox, agreement=agreement, timeout=given.timeout))
    write_fit(flow, kept, given, progress)


COMMAND = Command(
    "federate",
    "ask the sites of a federation and write synthetic rows",
    "Ask several sites for sums in a shared folder, and write synthetic rows.",
    _add_arguments,
    _run,
)
