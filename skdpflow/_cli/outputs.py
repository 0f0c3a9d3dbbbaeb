"""What commands write: tried before anything is spent, and complete or absent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skdpflow._cli.progress import Progress
from skdpflow._flow import DPSlicedWassersteinFlow
from skdpflow._outputs import check_writable, place, replacing
from skdpflow.domain import Key
from skdpflow.files import check_table, write_table
from skdpflow.release.size import released_size
from skdpflow.sampling.draw import keys_from

STDOUT = "-"
ROWS_FILE = "synthetic rows: .csv or .parquet, or - for CSV to standard output"
_BLOCK = 2**16


def seed_of(text: str) -> int:
    """Read a seed; a negative one would be refused where rows are drawn, when the budget is spent."""
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError("a seed must be a whole number from 0")
    return seed


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add what says which synthetic rows are wanted."""
    parser.add_argument("-n", type=int, metavar="ROWS", help="number of synthetic rows; by default the released one")
    parser.add_argument("--seed", type=seed_of, help="seed of the synthetic rows; does not touch the privacy noise")


def check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuse what could not be written, before anything is spent."""
    taken = dict.fromkeys(map(place, inputs), "is an input, which must not be overwritten")
    for name in outputs:
        if name == STDOUT:
            continue
        if place(name) in taken:
            raise ValueError(f"{Path(name).name!r} {taken[place(name)]}: choose another name.")
        taken[place(name)] = "cannot hold both the synthetic rows and the release"
        check_writable(name)


def check_rows(n: int | None, output: str) -> None:
    """Refuse rows that could not be written."""
    if n is not None and n < 1:
        raise ValueError("The number of synthetic rows, -n, must be at least 1.")
    if output != STDOUT:
        check_table(output)


def write_rows(flow: DPSlicedWassersteinFlow, n: int | None, seed: int | None, output: str, progress: Progress) -> None:
    """Draw rows block by block and write them."""
    n = released_size(flow.release_) if n is None else n
    blocks = progress.rows(_blocks(flow, n, seed), n)
    if output != STDOUT:
        write_table(blocks, output)
        return
    for i, block in enumerate(blocks):
        block.to_csv(sys.stdout, header=not i, index=False)
    sys.stdout.flush()


def _blocks(flow: DPSlicedWassersteinFlow, n: int, seed: int | None) -> Iterator[Any]:
    """Draw frames of at most a block."""
    import pandas as pd

    release, rng = flow.release_, np.random.default_rng(seed)
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
            block[release.target_name] = np.asarray(y)
        yield block


def form_of(output: str, forms: Mapping[str, Callable[[Any], str]]) -> Callable[[Any], str]:
    """Return the form that the end of a name asks for; the standard output gets text."""
    end = ".txt" if output == STDOUT else Path(output).suffix.lower()
    if end not in forms:
        raise ValueError(f"The output must be a file whose name ends in {', '.join(forms)}. Got {Path(output).name!r}.")
    return forms[end]


def write_text(output: str, text: str) -> None:
    """Write a text to a file or to the standard output."""
    if output == STDOUT:
        print(text)
        return
    with replacing(output) as file:
        file.write((text.rstrip("\n") + "\n").encode())
