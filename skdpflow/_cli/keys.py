"""The keys of one of several holders of rows."""

from __future__ import annotations

import argparse

from skdpflow._cli.command import Command
from skdpflow._cli.progress import Progress
from skdpflow.federation import Keys


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="public name of the site")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="new file for the keys, which stay there")


def _run(given: argparse.Namespace, progress: Progress) -> None:
    keys = Keys.generate(given.name)
    keys.save(given.output)
    print(f"{keys.name}={keys.public}")


COMMAND = Command(
    "keys",
    "make the keys of a site of a federation",
    "Make the keys of one of several sites that hold rows, and print its name and public key.",
    _add_arguments,
    _run,
)
