"""A large table is read in blocks: memory above the input stays small, and threads do not change that."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys, time
import numpy as np
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

kind, n_jobs = sys.argv[1], int(sys.argv[2])
n, d = 1_000_000, 20
X = np.empty((n, d))
rng = np.random.default_rng(0)
for j in range(d):
    X[:, j] = rng.normal(size=n)
y = (X[:, 0] > 0).astype(np.int8)
if kind == "pandas":
    import pandas as pd
    X = pd.DataFrame(X, columns=[f"c{j}" for j in range(d)], copy=False)
flow = DPSlicedWassersteinFlow(
    domain=None if kind == "found" else (-5.0, 5.0), target=Categories([0, 1]), n_jobs=n_jobs
)
flow.fit(X[:1000], y[:1000]).sample(1000)  # imports and caches count for nobody
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
flow.fit(X, y)
seconds = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "megabytes": (after - before) / 1024, "score": flow.score(X[:2000])}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize(("kind", "n_jobs"), [("numpy", 1), ("numpy", 2), ("found", 1), ("pandas", 2)])
def test_a_million_rows_of_twenty_columns(kind, n_jobs, capsys):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, str(n_jobs)], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    with capsys.disabled():
        print(f"\n10^6 x 20, {kind}, n_jobs={n_jobs}: {found['seconds']:.1f} s, {found['megabytes']:.0f} MB")
    assert found["megabytes"] < 500.0
    assert found["score"] > -0.1
