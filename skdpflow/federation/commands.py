"""The commands of those who hold rows: ``python -m skdpflow keys|agree|site``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from skdpflow.domain import Domain
from skdpflow.exceptions import FederationError
from skdpflow.federation.agreement import Agreement
from skdpflow.federation.keys import Keys
from skdpflow.federation.site import Site
from skdpflow.files import TableFile
from skdpflow.ledger import PrivacyLedger

__all__ = ["COMMANDS", "add_agreement", "add_commands", "agreement_of"]


def add_commands(commands: Any) -> None:
    """Add the commands to a parser."""
    keys = commands.add_parser("keys", help="make the keys of a site, and print the public one")
    keys.add_argument("name", help="public name of the site")
    keys.add_argument("-o", "--output", required=True, help="new file for the keys, which stay at the site")

    agree = commands.add_parser("agree", help="write the agreement of several sites, and print its digest")
    agree.add_argument("--site", action="append", required=True, metavar="NAME=KEY", help="once for each site")
    agree.add_argument("--domain", required=True, help="JSON, as Domain.to_json writes it, with the target's column")
    agree.add_argument("--target", help="name of the column that is the target")
    agree.add_argument("--epsilon", type=float, required=True, help="the most that all fits may cost")
    agree.add_argument("--delta", type=float, default=1e-6)
    agree.add_argument("--neighbours", choices=("add-remove", "replace-one"), default="add-remove")
    agree.add_argument("--tolerates", type=int, default=1, help="how many sites may pool what they know")
    agree.add_argument("--min-sites", type=int, help="a request to fewer sites is refused")
    agree.add_argument("-o", "--output", required=True)

    site = commands.add_parser("site", help="answer the requests of a fit about rows that nobody else sees")
    site.add_argument("table", help="private rows: .csv or .parquet")
    site.add_argument("mailbox", help="folder that the coordinator and the sites share")
    add_agreement(site)
    site.add_argument("--keys", required=True, help="what 'keys' wrote")
    site.add_argument("--target", help="name of the column that is the target")
    site.add_argument("--ledger", required=True, help="file with the budget of the rows; it is made if there is none")
    site.add_argument("--ledger-epsilon", type=float, help="budget of the rows; by default that of the agreement")
    site.add_argument("--ledger-delta", type=float, help="by default that of the agreement")
    site.add_argument("--folder", required=True, help="private folder in which answers are kept")
    site.add_argument("--fits", type=int, default=1, help="stop after so many fits")
    site.add_argument("--timeout", type=float, default=600.0, help="give up after so many seconds without a request")


def add_agreement(parser: argparse.ArgumentParser) -> None:
    """Add what names an agreement."""
    parser.add_argument("--agreement", required=True, help="what 'agree' wrote")
    parser.add_argument("--digest", help="what the sites told each other: another agreement is refused")


def agreement_of(given: argparse.Namespace) -> Agreement:
    """Read the agreement."""
    return Agreement.load(given.agreement, digest=given.digest)


def _keys(given: argparse.Namespace) -> None:
    keys = Keys.generate(given.name)
    keys.save(given.output)
    print(f"{keys.name}={keys.public}")


def _agree(given: argparse.Namespace) -> None:
    domain = Domain.from_json(given.domain)
    columns, target = dict(domain), None
    if given.target is not None:
        if given.target not in columns:
            raise ValueError(f"The domain does not describe the target {given.target!r}.")
        target = columns.pop(given.target)
    sites = [text.partition("=") for text in given.site]
    if len({name for name, _, _ in sites}) < len(sites):
        raise FederationError("A site is named twice.")
    agreement = Agreement(
        {name: key for name, _, key in sites},
        Domain(columns, constraints=domain.constraints),
        target,
        epsilon=given.epsilon,
        delta=given.delta,
        neighbours=given.neighbours,
        tolerates=given.tolerates,
        min_sites=given.min_sites,
    )
    agreement.save(given.output)
    print(agreement.digest)


def _site(given: argparse.Namespace) -> None:
    agreement = agreement_of(given)
    ledger = PrivacyLedger(
        given.ledger,
        epsilon=agreement.epsilon if given.ledger_epsilon is None else given.ledger_epsilon,
        delta=agreement.delta if given.ledger_delta is None else given.ledger_delta,
        neighbours=agreement.neighbours,
    )
    site = Site(
        TableFile(given.table, given.target),
        agreement=agreement,
        keys=Keys.load(given.keys),
        ledger=ledger,
        folder=Path(given.folder),
    )
    site.serve(given.mailbox, n_fits=given.fits, timeout=given.timeout)


#: Commands by name.
COMMANDS = {"keys": _keys, "agree": _agree, "site": _site}
