"""The command line: ``python -m skdpflow synthesize|sample|inspect``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow.domain import Domain
from skdpflow.files import TableFile, kind_of, write_table

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
    synthesize.add_argument("--release", help="also write the flow to this file, for sample and inspect")
    _output(synthesize)

    sample = commands.add_parser("sample", help="write synthetic rows from a release; spends nothing")
    sample.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    _output(sample)

    inspect = commands.add_parser("inspect", help="print what a release guarantees, and what that rests on")
    inspect.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    inspect.add_argument("--json", action="store_true", help="as JSON, from which the guarantee can be recomputed")
    return parser


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, help="synthetic rows: .csv or .parquet")
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
    if n < 1:
        raise ValueError("The number of synthetic rows, -n, must be at least 1.")
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        if release.target is None:
            X, y = flow.sample(size, random_state=rng), None
        else:
            X, y = flow.sample_labeled(size, random_state=rng)
        block = pd.DataFrame(X if release.schema.container != "polars" else X.to_pandas())
        block.columns = [str(name) for name in release.schema.names or release.domain.names]
        if y is not None:
            block[str(release.schema.target_name or "y")] = np.asarray(y)
        yield block


def _run(given: argparse.Namespace) -> None:
    if given.command == "inspect":
        statement = DPSlicedWassersteinFlow.load(given.release).privacy_statement()
        print(statement.to_json() if given.json else statement)
        return
    kind_of(given.output)
    if given.command == "sample":
        flow = DPSlicedWassersteinFlow.load(given.release)
    else:
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
        flow.fit(TableFile(given.table, given.target))
        if given.release is not None:
            flow.save(given.release)
        epsilon, delta = flow.privacy_spent_
        print(f"spent: epsilon={epsilon:g} delta={delta:g} neighbours={given.neighbours}", file=sys.stderr)
    write_table(_blocks(flow, given.n, given.seed), given.output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        What follows the program's name; None takes it from the command line.

    Returns
    -------
    code : int
        0 if it was done, 1 if it was refused or failed; wrong usage exits with 2.
    """
    given = _parser().parse_args(arguments)
    try:
        _run(given)
    except OSError as e:
        print(f"skdpflow: error: {e.strerror or type(e).__name__}: {e.filename}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, ImportError) as e:
        print(f"skdpflow: error: {e}", file=sys.stderr)
        return 1
    except Exception as e:  # not foreseen: its message may come from a library that shows cells
        print(f"skdpflow: error: {type(e).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
