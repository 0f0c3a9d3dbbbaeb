"""Plant the mistakes of ``mutants.toml``, one at a time, and see whether the tests notice.

    python tests/mutants/run.py                 # all mistakes
    python tests/mutants/run.py gumbel-halved   # those named

Each mistake is planted in a copy of the package, in a temporary folder. The working tree stays as it is. The exit code
is 0 when every mistake is noticed. It is 1 when one is not, when its `old` text is not found exactly once in its file,
or when a test that should notice fails without the mistake or does not exist.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSED, FAILED = 0, 1  # exit codes of pytest; others say that nothing was tested


@dataclass(frozen=True)
class Mutant:
    """A mistake: `old` becomes `new` in `file`, which breaks the guarantee as `why` says; `tests` should notice."""

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    #: Where its test is to be, while there is none.
    awaits: str = ""

    def plant(self, tree: Path) -> None:
        """Write the mistake into a copy of the package."""
        path = tree / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")

    def times_found(self, tree: Path) -> int:
        """How often the text that is to be replaced occurs."""
        path = tree / self.file
        return path.read_text(encoding="utf-8").count(self.old) if path.exists() else 0


def load() -> list[Mutant]:
    """Read the list."""
    with open(Path(__file__).with_name("mutants.toml"), "rb") as file:
        entries = tomllib.load(file)["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def copy_tree(to: Path) -> Path:
    """Copy the package and its tests."""
    for part in ("skdpflow", "tests"):
        shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__", "mutants"))
    for part in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / part, to)
    return to


def pytest_of(tree: Path, tests: tuple[str, ...], limit: float) -> int | None:
    """Run tests against the copy of the package; return pytest's exit code, or None beyond the time limit."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (PASSED, FAILED):
        print(done.stdout.decode(errors="replace")[-2000:], done.stderr.decode(errors="replace")[-2000:])
    return done.returncode


def verdict(mutant: Mutant, limit: float) -> str:
    """Plant one mistake and say what became of it; an empty text if it was noticed."""
    if not mutant.tests:
        return f"no test yet, expected in {mutant.awaits}"
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        if (n := mutant.times_found(tree)) != 1:
            return f"its text was found {n} times in {mutant.file}"
        mutant.plant(tree)
        code = pytest_of(tree, mutant.tests, limit)
    if code is None:
        return f"no answer in {limit:g} seconds"
    return {PASSED: "SURVIVED", FAILED: ""}.get(code, "its tests could not be run")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="mistakes to plant; all if none is named")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for the tests of one mistake")
    parser.add_argument("--jobs", type=int, default=1, help="mistakes at a time")
    parser.add_argument("--tests", nargs="+", help="run these tests in place of those that are listed")
    given = parser.parse_args()
    mutants = load()
    if unknown := set(given.names) - {m.name for m in mutants}:
        parser.error(f"no such mistake: {', '.join(sorted(unknown))}")
    mutants = [m for m in mutants if not given.names or m.name in given.names]
    if given.tests:
        mutants = [Mutant(**{**vars(m), "tests": tuple(given.tests)}) for m in mutants]

    listed = tuple(dict.fromkeys(test for m in mutants for test in m.tests))
    if listed:
        with tempfile.TemporaryDirectory() as folder:
            code = pytest_of(copy_tree(Path(folder)), listed, given.limit * len(mutants))
        if code != PASSED:
            print("The tests do not pass without a mistake, so nothing can be said.")
            return 1

    def timed(mutant: Mutant) -> tuple[str, float]:
        start = time.monotonic()
        return verdict(mutant, given.limit), time.monotonic() - start

    missed = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for mutant, (problem, seconds) in zip(mutants, pool.map(timed, mutants), strict=True):
            missed += bool(problem)
            print(f"{mutant.name:<40}{problem or 'noticed'}  ({seconds:.0f} s)", flush=True)
            if problem:
                print(f"    {mutant.why}")
    print(f"{len(mutants)} mistakes, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
