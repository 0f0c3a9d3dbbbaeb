"""What a subcommand consists of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from skdpflow._cli.progress import Progress


@dataclass(frozen=True)
class Command:
    """A subcommand: its name, a line of help, a longer one, its arguments, and what it does."""

    name: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Progress], None]
