"""Kill sites and coordinators at random moments, and look at what is left; a program, so that it forks without threads.

    python killed_parties.py FOLDER RUNS SEED

prints as JSON what happened. In each run three sites and a coordinator work as processes with a folder as mailbox. One
of the four is killed after a random time; a killed site begins again, with the same folder. Then no budget may be
exceeded, and each Release that was saved must have its debits in the ledger of each of its sites.
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

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger, Release
from skdpflow.exceptions import DomainMismatchWarning, FederationError, FederationWarning
from skdpflow.federation import Agreement, Federation, Keys, Site

warnings.simplefilter("ignore", DomainMismatchWarning)  # one fit in a thousand is warned of its noise alone
warnings.simplefilter("ignore", FederationWarning)

DOMAIN = Domain({"a": Interval(0, 1)})
NAMES = ("a", "b", "c")
BUDGET = {"epsilon": 0.5, "delta": 1e-5}  # for about eight fits at 0.1: runs share ledgers, so some are refused
FAILED, SAVED = 3, 0


def child(work):
    """Run something in a process of its own; returns its number."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


def site(folder, agreement, keys, number):
    def work():
        rows = np.random.default_rng(NAMES.index(keys.name)).uniform(size=(40, 1))
        ledger = PrivacyLedger(folder / f"{keys.name}.ledger", **BUDGET)
        own = Site(rows, agreement=agreement, keys=keys, ledger=ledger, folder=folder / f"{keys.name}.state")
        try:
            own.serve(folder / f"box{number}", timeout=8.0)
        except FederationError:  # nobody asked for a while
            return FAILED
        return SAVED

    return child(work)


def coordinator(folder, agreement, number):
    def work():
        flow = DPSlicedWassersteinFlow(0.1, 1e-7, domain=DOMAIN, n_particles=8, n_steps=1)
        try:
            flow.fit(Federation(folder / f"box{number}", agreement=agreement, timeout=3.0))
        except FederationError:
            return FAILED
        file = folder / f"{number}.release"
        flow.release_.save(file.with_suffix(".new"))
        os.replace(file.with_suffix(".new"), file)
        return SAVED

    return child(work)


def check(folder, release):
    """No overspend; and every round of a Release stands in the ledgers of its sites, for what it cost."""
    for name in NAMES:
        ledger = PrivacyLedger(folder / f"{name}.ledger", **BUDGET)
        assert ledger.spent() <= ledger.epsilon
        if release is None:
            continue
        if name in release.federated.heads:
            ledger.verify([release])
        assert not any(name in names for names in release.federated.rounds) or name in release.federated.heads


def main(folder, runs, seed):
    rng, counts = np.random.default_rng(seed), Counter()
    keys = {name: Keys.generate(name) for name in NAMES}
    agreement = Agreement({k.name: k.public for k in keys.values()}, DOMAIN, epsilon=0.5, delta=1e-5, min_sites=2)
    length = None
    for number in range(runs + 1):  # the first one is a rehearsal, which nobody disturbs
        (folder / f"box{number}").mkdir()
        begun = time.monotonic()
        pids = {name: site(folder, agreement, keys[name], number) for name in NAMES}
        pids["coordinator"] = coordinator(folder, agreement, number)
        if number:
            victim = str(rng.choice([*NAMES, "coordinator"]))
            time.sleep(rng.uniform(0.0, length))
            if os.waitpid(pids[victim], os.WNOHANG) == (0, 0):
                os.kill(pids[victim], signal.SIGKILL)
                os.waitpid(pids[victim], 0)
                counts["killed"] += 1
                counts[f"killed {'coordinator' if victim == 'coordinator' else 'site'}"] += 1
                if victim != "coordinator" and rng.uniform() < 0.7:
                    pids[victim] = site(folder, agreement, keys[victim], number)
                    counts["site began again"] += 1
                else:
                    del pids[victim]
            else:
                del pids[victim]
        if "coordinator" in pids:
            os.waitpid(pids.pop("coordinator"), 0)
        length = length or time.monotonic() - begun
        for name in [name for name in pids if name in NAMES]:  # those that wait for nobody
            os.kill(pids[name], signal.SIGTERM)
            os.waitpid(pids[name], 0)
        file = folder / f"{number}.release"
        release = Release.load(file) if file.exists() else None
        counts["releases"] += release is not None
        counts["repeated rounds"] += 0 if release is None else release.federated.repeated
        check(folder, release)
        counts["runs"] += bool(number)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
