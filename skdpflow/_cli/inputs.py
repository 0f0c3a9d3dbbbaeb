"""Files that commands read; an error about one names it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from skdpflow.domain import Column, Domain
from skdpflow.federation import Agreement
from skdpflow.ledger import PrivacyLedger

RELEASE = "what synthesize, Release.save or flow.save wrote"
TABLE = "private rows: .csv or .parquet"
DOMAIN = "JSON, as Domain.to_json writes it, with the target's column"


@contextmanager
def about(path: str) -> Iterator[None]:
    """Put the name of a file before the message of an error about it."""
    problem: ValueError | TypeError | None = None
    try:
        yield
    except (ValueError, TypeError) as e:
        problem = e
    if problem is not None:  # without the first one as its context
        raise type(problem)(f"{path}: {problem}")


def read_domain(path: str) -> Domain:
    """Read the file of a domain."""
    with about(path):
        return Domain.from_json(path)


def read_columns(path: str, target: str | None) -> tuple[Domain, Column | None]:
    """Read the file of a domain, and take the column of the target out of it."""
    domain = read_domain(path)
    columns = dict(domain)
    if target is None:
        return domain, None
    if target not in columns:
        raise ValueError(
            f"{path}: The domain does not describe the target {target!r}. Its columns are {list(columns)[:20]}."
        )
    column = columns.pop(target)
    return Domain(columns, constraints=domain.constraints), column


def add_agreement(parser: argparse.ArgumentParser) -> None:
    """Add what names the agreement of several sites."""
    parser.add_argument("--agreement", required=True, metavar="FILE", help="what agree wrote")
    parser.add_argument("--digest", help="what the sites told each other: another agreement is refused")


def read_agreement(path: str, digest: str | None) -> Agreement:
    """Read the agreement of several sites."""
    with about(path):
        return Agreement.load(path, digest=digest)


def open_ledger(path: str | None, budget: list[float] | None, neighbours: str) -> PrivacyLedger | None:
    """Open a ledger, or make one if a budget for it is given."""
    if path is None:
        if budget is not None:
            raise ValueError("--ledger-budget needs the file of the ledger: add --ledger FILE.")
        return None
    with about(path):
        if budget is None:
            try:
                return PrivacyLedger.open(path)
            except FileNotFoundError as e:
                e.add_note("Check its name. To make a new ledger, add --ledger-budget EPSILON DELTA.")
                raise
        epsilon, delta = budget
        return PrivacyLedger(path, epsilon=epsilon, delta=delta, neighbours=neighbours)
