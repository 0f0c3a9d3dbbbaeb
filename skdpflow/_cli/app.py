"""Arguments, messages and exit codes of all subcommands."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import skdpflow
from skdpflow._cli.commands import COMMANDS
from skdpflow._cli.progress import Progress
from skdpflow.exceptions import BudgetExceededError, DomainMismatchWarning, FederationWarning, PrivacyLeakWarning

EPILOG = """\
exit codes:
  0    done
  1    refused or failed: the reason is on the standard error; what is refused spends nothing
  2    wrong usage
  3    the ledger has too little left: nothing was spent
  130  interrupted: what was debited before stays spent
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    started = Path(sys.argv[0]).name if sys.argv else ""
    top = argparse.ArgumentParser(
        prog="python -m skdpflow" if started == "__main__.py" else "skdpflow",
        description="Differentially private synthetic tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"skdpflow {skdpflow.__version__}")
    verbose: dict[str, Any] = {"action": "store_true", "help": "say on the standard error what is done"}
    top.add_argument("-v", "--verbose", **verbose)
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = subparsers.add_parser(command.name, help=command.summary, description=command.description)
        command.add_arguments(own)
        own.add_argument("-v", "--verbose", default=argparse.SUPPRESS, **verbose)
        own.set_defaults(run=command.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            given.run(given, Progress(given.verbose))
    except BrokenPipeError as e:  # whoever reads the rows has enough; nothing is left to flush into the closed pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(*getattr(e, "__notes__", ()), sep="\n", end="", file=sys.stderr)
        return 1
    except KeyboardInterrupt as e:
        return _failed(e, "interrupted", 130)
    except OSError as e:
        where = "" if e.filename is None else f": {e.filename}"
        return _failed(e, f"{e.strerror or type(e).__name__}{where}")
    except BudgetExceededError as e:
        return _failed(e, str(e), 3)
    except (ValueError, TypeError, ImportError) as e:
        return _failed(e, str(e))
    except Exception as e:  # not foreseen: its message may come from a library that shows cells
        return _failed(e, type(e).__name__)
    return 0


def _failed(error: BaseException, message: str, code: int = 1) -> int:
    print(f"skdpflow: error: {message}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of this package, and of others the category only: their text may hold cells."""
    own = issubclass(category, DomainMismatchWarning | FederationWarning | PrivacyLeakWarning)
    print(f"skdpflow: warning: {message if own else category.__name__}", file=sys.stderr)
