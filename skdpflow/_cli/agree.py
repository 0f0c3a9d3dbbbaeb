"""The agreement of several holders of rows."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.inputs import DOMAIN, read_columns
from skdpflow._cli.progress import Progress
from skdpflow.federation import Agreement


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", action="append", required=True, metavar="NAME=KEY", help="what keys printed, of each")
    parser.add_argument("--domain", required=True, metavar="FILE", help=DOMAIN)
    parser.add_argument("--target", metavar="COLUMN", help="name of the column that is the target")
    parser.add_argument("--epsilon", type=float, required=True, help="the most that all fits may cost a site")
    parser.add_argument("--delta", type=float, default=1e-6, help="the same of delta (default: 1e-6)")
    parser.add_argument("--neighbours", choices=("add-remove", "replace-one"), default="add-remove")
    parser.add_argument("--tolerates", type=int, default=1, help="how many sites may pool what they know (default: 1)")
    parser.add_argument("--min-sites", type=int, help="a request to fewer sites is refused")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="file for the agreement, which is public")


def _run(given: argparse.Namespace, progress: Progress) -> None:
    domain, target = read_columns(given.domain, given.target)
    sites = [text.partition("=") for text in given.site]
    if len({name for name, _, _ in sites}) < len(sites):
        raise ValueError("A site is named twice: give --site once for each.")
    agreement = Agreement(
        {name: key for name, _, key in sites},
        domain,
        target,
        epsilon=given.epsilon,
        delta=given.delta,
        neighbours=given.neighbours,
        tolerates=given.tolerates,
        min_sites=given.min_sites,
    )
    agreement.save(given.output)
    print(agreement.digest)


COMMAND = Command(
    "agree",
    "write the agreement of the sites of a federation",
    "Write what several sites agree on, and print its digest, which they compare.",
    _add_arguments,
    _run,
)
