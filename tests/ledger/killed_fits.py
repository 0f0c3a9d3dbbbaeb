"""Kill fits at random moments and look at what is left; a program, so that it imports once and forks without threads.

    python killed_fits.py FOLDER KILLS SEED

prints as JSON how many fits were killed where. A fit marks what it reaches in a pipe, which outlives it: ``s`` that it
starts, ``d`` that it is about to debit, ``p`` that the debit has returned, ``n`` that it is about to draw noise.
"""

import json
import os
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from skdpflow import BudgetExceededError, DPSlicedWassersteinFlow, PrivacyLedger, Release
from skdpflow.curator.noise import NoiseSource
from skdpflow.exceptions import DomainMismatchWarning

warnings.simplefilter("ignore", DomainMismatchWarning)  # one fit in a thousand is warned of its noise alone

ROWS = np.random.default_rng(0).uniform(size=(20, 1))
BUDGET = {"epsilon": 0.2, "delta": 1e-6}  # enough for some twenty fits
SAVED, REFUSED = 0, 3


def marking(function, before, after, pipe):
    def marked(*args, **kwargs):
        os.write(pipe, before)
        result = function(*args, **kwargs)
        os.write(pipe, after)
        return result

    return marked


def fit(path, file, pipe):
    """Open the ledger, fit, and save the Release under its name in one step."""
    NoiseSource.rounded_gaussian = marking(NoiseSource.rounded_gaussian, b"n", b"", pipe)
    PrivacyLedger.debit = marking(PrivacyLedger.debit, b"d", b"p", pipe)
    os.write(pipe, b"s")
    flow = DPSlicedWassersteinFlow(0.05, 1e-8, domain=(0, 1), n_particles=8, n_steps=1)
    try:
        flow.set_params(ledger=PrivacyLedger(path, **BUDGET)).fit(ROWS)
    except BudgetExceededError:
        return REFUSED
    flow.release_.save(file.with_suffix(".new"))
    os.replace(file.with_suffix(".new"), file)
    return SAVED


def run(path, file, wanted, delay):
    """Return the marks of one fit, when they were read, and how it ended: its exit code, or None if it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            code = fit(path, file, writing)
        finally:
            os._exit(code)
    os.close(writing)
    marks, times = b"", []
    while (mark := os.read(reading, 1)) and mark != wanted:
        marks += mark
        times.append(time.perf_counter())
    if mark:
        marks += mark
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while mark := os.read(reading, 1):
        marks += mark
    os.close(reading)
    times.append(time.perf_counter())
    return marks, times, None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def check(path, file, marks, before):
    """Check ledger and file after a fit, and return how many entries there are now."""
    ledger = PrivacyLedger(path, **BUDGET)
    now, saved = len(ledger.events), file.exists()
    assert now - before in (0, 1), "a fit is charged once"
    for fact, happened in [("noise was drawn", b"n" in marks), ("debited", b"p" in marks), ("saved", saved)]:
        assert now > before or not happened, f"{fact} without an entry"
    assert ledger.spent() <= BUDGET["epsilon"]
    if saved:
        ledger.verify([Release.load(file)])
    return now


def main(folder, kills, seed):
    rng, counts, number, entries, files = np.random.default_rng(seed), Counter(), 0, 0, []
    path = folder / "0.ledger"
    _, times, code = run(folder / "rehearsal.ledger", folder / "rehearsal.release", b"", 0.0)
    assert code == SAVED
    lengths = {b"s": times[-1] - times[0], b"d": times[2] - times[1], b"n": times[-1] - times[3]}
    while counts["killed"] < kills:
        wanted = (b"s", b"d", b"n")[len(files) % 3]
        file = folder / f"{len(files)}.release"
        files.append(file)
        marks, _, code = run(path, file, wanted, rng.uniform(0, 0.85 * lengths[wanted]))
        journal = path.with_name(path.name + "-journal").exists()
        before, entries = entries, check(path, file, marks, entries) if path.exists() else 0
        if code == REFUSED:
            counts["refused"] += 1
            number, entries = number + 1, 0
            path = folder / f"{number}.ledger"
        elif code == SAVED:
            counts["finished"] += 1
        else:
            assert code is None, "a fit failed by itself"
            counts["killed"] += 1
            saved = file.exists()
            counts["after it was saved" if saved else "between" if entries > before else "before the debit"] += 1
            counts["in the transaction"] += journal
    for i in range(number + 1):
        path = folder / f"{i}.ledger"
        if path.exists():
            heads = set(PrivacyLedger(path, **BUDGET).history()["head"])
            counts["entries"] += len(heads)
            counts["releases"] += sum(Release.load(file).ledger in heads for file in files if file.exists())
    assert counts["releases"] == sum(file.exists() for file in files)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
