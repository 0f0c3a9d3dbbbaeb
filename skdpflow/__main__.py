"""The command line: ``python -m skdpflow domain|synthesize|sample|inspect``, and the commands of a federation."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._flow.files import load_flow
from skdpflow._outputs import check_writable, place
from skdpflow.domain import Domain, Key
from skdpflow.federation import Federation
from skdpflow.federation.commands import COMMANDS, add_agreement, add_commands, agreement_of
from skdpflow.files import TableFile, check_table, write_table
from skdpflow.sampling.draw import keys_from

STDOUT = "-"
ROWS_FILE = "synthetic rows: .csv or .parquet, or - for CSV to standard output"
_BLOCK = 2**16


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skdpflow",
        description="Differentially private synthetic tables.",
        epilog="Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage.",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    synthesize = commands.add_parser("synthesize", help="measure a table within a budget and write synthetic rows")
    synthesize.add_argument("table", help="private rows: .csv or .parquet")
    synthesize.add_argument(
        "--domain", required=True, help="JSON, as Domain.to_json writes it, with the target's column"
    )
    synthesize.add_argument("--epsilon", type=float, required=True)
    synthesize.add_argument("--delta", type=float, default=1e-6)
    synthesize.add_argument("--neighbours", choices=("add-remove", "replace-one"), default="add-remove")
    synthesize.add_argument("--target", help="name of the column that is the target")
    synthesize.add_argument("--release", help="keep the flow in this file, for sample and inspect")
    synthesize.add_argument("-o", "--output", required=True, help=ROWS_FILE)
    _rows(synthesize)

    domain = commands.add_parser(
        "domain", help="print a skeleton of a domain file, from names and dtypes alone; no row is read"
    )
    domain.add_argument("table", help="private rows: .csv or .parquet")
    domain.add_argument(
        "--private-look",
        metavar="DOMAIN",
        help="instead, print to standard error how rows fit this domain file: a look at private rows, for you alone",
    )

    sample = commands.add_parser("sample", help="write synthetic rows from a release; spends nothing")
    sample.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    sample.add_argument("-o", "--output", default=STDOUT, help=f"{ROWS_FILE} (the default)")
    _rows(sample)

    inspect = commands.add_parser("inspect", help="print what a release guarantees, and what that rests on")
    inspect.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    inspect.add_argument("--json", action="store_true", help="as JSON, from which the guarantee can be recomputed")

    add_commands(commands)
    federate = commands.add_parser("federate", help="ask the sites of an agreement, and write synthetic rows")
    federate.add_argument("mailbox", help="folder that the coordinator and the sites share")
    add_agreement(federate)
    federate.add_argument("--epsilon", type=float, help="by default that of the agreement")
    federate.add_argument("--delta", type=float, help="by default that of the agreement")
    federate.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for the answers of a round")
    federate.add_argument("--release", help="keep the flow in this file, for sample and inspect")
    federate.add_argument("-o", "--output", required=True, help=ROWS_FILE)
    _rows(federate)
    return parser


def _rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, help="number of synthetic rows; by default the released number of rows")
    parser.add_argument("--seed", type=int, help="seed of the synthetic rows; does not touch the privacy noise")


def _blocks(flow: DPSlicedWassersteinFlow, n: int | None, seed: int | None) -> Iterator[Any]:
    """Draw frames of at most a block."""
    import pandas as pd

    release, rng = flow.release_, np.random.default_rng(seed)
    if n is None:
        name = "counts" if "counts" in release else "target"
        if name not in release:
            raise ValueError("This release does not tell the number of rows: say how many with -n.")
        n = max(int(release[name].values.sum()), 1)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        if release.target is None:
            X, y = flow.sample(size, random_state=rng), None
        else:
            X, y = flow.sample_labeled(size, random_state=rng)
        block = pd.DataFrame(X if release.schema.container != "polars" else X.to_pandas())
        block.columns = [str(name) for name in release.schema.names or release.domain.names]
        keys = [j for j, column in enumerate(release.domain.columns) if start and isinstance(column, Key)]
        for j in keys:  # every block is a sample of its own
            block[block.columns[j]] = np.asarray(keys_from(release, j, size, start))
        if y is not None:
            block[str(release.schema.target_name or "y")] = np.asarray(y)
        yield block


def _check_outputs(given: argparse.Namespace, outputs: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuse what could not be written, before anything is spent."""
    if given.n is not None and given.n < 1:
        raise ValueError("The number of synthetic rows, -n, must be at least 1.")
    if given.output != STDOUT:
        check_table(given.output)
    taken = dict.fromkeys(map(place, inputs), "is an input, which must not be overwritten")
    for name in outputs:
        if place(name) in taken:
            raise ValueError(f"{Path(name).name!r} {taken[place(name)]}: choose another name.")
        taken[place(name)] = "cannot hold both the synthetic rows and the release"
        check_writable(name)


def _write(blocks: Iterator[Any], output: str) -> None:
    if output != STDOUT:
        write_table(blocks, output)
        return
    for i, block in enumerate(blocks):
        block.to_csv(sys.stdout, header=not i, index=False)
    sys.stdout.flush()


def _sample(given: argparse.Namespace) -> None:
    _check_outputs(given, [given.output] if given.output != STDOUT else [], [given.release])
    flow = DPSlicedWassersteinFlow.load(given.release)
    _write(_blocks(flow, given.n, given.seed), given.output)


def _synthesize(given: argparse.Namespace) -> None:
    """Measure a table."""
    kept = _kept_in(given, [given.table, given.domain])
    domain = Domain.from_json(given.domain)
    columns = dict(domain)
    target = None
    if given.target is not None:
        if given.target not in columns:
            raise ValueError(f"The domain does not describe the target {given.target!r}.")
        target = columns.pop(given.target)
    flow = DPSlicedWassersteinFlow(
        given.epsilon,
        given.delta,
        domain=Domain(columns, constraints=domain.constraints),
        target=target,
        neighbours=given.neighbours,
    )
    _write_fit(flow.fit(TableFile(given.table, given.target)), kept, given)


def _federate(given: argparse.Namespace) -> None:
    """Measure the tables of several sites."""
    kept = _kept_in(given, [given.agreement])
    agreement = agreement_of(given)
    flow = DPSlicedWassersteinFlow(
        agreement.epsilon if given.epsilon is None else given.epsilon,
        agreement.delta if given.delta is None else given.delta,
        domain=agreement.domain,
        target=agreement.target,
        neighbours=agreement.neighbours,
    )
    federation = Federation(given.mailbox, agreement=agreement, timeout=given.timeout)
    _write_fit(flow.fit(federation), kept, given)


def _kept_in(given: argparse.Namespace, inputs: Sequence[str]) -> str:
    """Return the file that keeps the release, once it is sure that everything can be written."""
    to_file = given.output != STDOUT
    kept = given.release or f"{given.output if to_file else given.command}.release"
    if given.release is None and os.path.lexists(kept):
        raise ValueError(
            f"{kept!r} may hold the release of an earlier run that could not write its rows. Draw them from it with "
            "'sample', move it away, or name another file with --release."
        )
    _check_outputs(given, [*([given.output] if to_file else []), kept], inputs)
    return kept


def _write_fit(flow: DPSlicedWassersteinFlow, wanted: str, given: argparse.Namespace) -> None:
    """Keep the release, and then write rows: what was paid for is in a file before anything else can fail."""
    kept = _keep(flow, wanted)
    epsilon, delta = flow.privacy_spent_
    print(f"spent: epsilon={epsilon:g} delta={delta:g} neighbours={flow.neighbours}", file=sys.stderr)
    try:
        _write(_blocks(flow, given.n, given.seed), given.output)
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


def _inspect(given: argparse.Namespace) -> None:
    statement = load_flow(given.release)[0].privacy_statement()
    print(statement.to_json() if given.json else statement)


def _domain(given: argparse.Namespace) -> None:
    table = TableFile(given.table)
    if given.private_look is None:
        print(Domain.template(table))
    else:  # never to where the domain file goes
        print(Domain.from_json(given.private_look).check(table), file=sys.stderr)


_COMMANDS = {
    **COMMANDS,
    "domain": _domain,
    "synthesize": _synthesize,
    "federate": _federate,
    "sample": _sample,
    "inspect": _inspect,
}


def _run(given: argparse.Namespace) -> None:
    _COMMANDS[given.command](given)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    given = _parser().parse_args(arguments)
    try:
        _run(given)
    except BrokenPipeError as e:  # whoever reads the rows has enough; nothing is left to flush into the closed pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(*getattr(e, "__notes__", ()), sep="\n", end="", file=sys.stderr)
        return 1
    except OSError as e:
        where = "" if e.filename is None else f": {e.filename}"
        return _failed(e, f"{e.strerror or type(e).__name__}{where}")
    except (ValueError, TypeError, ImportError) as e:
        return _failed(e, str(e))
    except Exception as e:  # not foreseen: its message may come from a library that shows cells
        return _failed(e, type(e).__name__)
    return 0


def _failed(error: Exception, message: str) -> int:
    print(f"skdpflow: error: {message}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
