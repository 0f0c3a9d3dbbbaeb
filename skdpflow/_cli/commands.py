"""The subcommands, in the order of a first use: a new one is a module with a `COMMAND`, and a line here."""

from __future__ import annotations

from skdpflow._cli import agree, check, domain, federate, inspect, keys, report, sample, site, synthesize
from skdpflow._cli.command import Command

COMMANDS: tuple[Command, ...] = (
    domain.COMMAND,
    check.COMMAND,
    synthesize.COMMAND,
    sample.COMMAND,
    inspect.COMMAND,
    report.COMMAND,
    keys.COMMAND,
    agree.COMMAND,
    site.COMMAND,
    federate.COMMAND,
)
