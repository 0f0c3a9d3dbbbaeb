"""The command line: ``python -m skdpflow synthesize|sample|inspect``."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
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
    synthesize.add_argument("-o", "--output", required=True, help="synthetic rows: .csv or .parquet")
    _rows(synthesize)

    sample = commands.add_parser("sample", help="write synthetic rows from a release; spends nothing")
    sample.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    sample.add_argument("-o", "--output", help="synthetic rows: .csv or .parquet; CSV to standard output if left out")
    _rows(sample)

    inspect = commands.add_parser("inspect", help="print what a release guarantees, and what that rests on")
    inspect.add_argument("release", help="what synthesize, Release.save or flow.save wrote")
    inspect.add_argument("--json", action="store_true", help="as JSON, from which the guarantee can be recomputed")
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
        if y is not None:
            block[str(release.schema.target_name or "y")] = np.asarray(y)
        yield block


def _check_output(given: argparse.Namespace) -> None:
    """Refuse what could not be written, before anything is spent."""
    if given.n is not None and given.n < 1:
        raise ValueError("The number of synthetic rows, -n, must be at least 1.")
    if given.output is not None:
        kind_of(given.output)
    inputs = [given.release] if given.command == "sample" else [given.table, given.domain]
    outputs = [given.output] if given.command == "sample" else [given.output, given.release]
    for path in map(Path, filter(None, outputs)):
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
        if path.exists() and any(Path(name).exists() and path.samefile(name) for name in inputs):
            raise ValueError(f"{path.name!r} is an input, which must not be overwritten: choose another name.")


def _write(blocks: Iterator[Any], output: str | None) -> None:
    if output is not None:
        write_table(blocks, output)
        return
    for i, block in enumerate(blocks):
        block.to_csv(sys.stdout, header=not i, index=False)
    sys.stdout.flush()


def _run(given: argparse.Namespace) -> None:
    if given.command == "inspect":
        statement = DPSlicedWassersteinFlow.load(given.release).privacy_statement()
        print(statement.to_json() if given.json else statement)
        return
    _check_output(given)
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
    _write(_blocks(flow, given.n, given.seed), given.output)


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
    except BrokenPipeError:  # whoever reads the rows has enough; nothing is left to flush into the closed pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
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
