"""The command line: one module for each subcommand, and the list of them in `commands`."""

from skdpflow._cli.app import main

__all__ = ["main"]
