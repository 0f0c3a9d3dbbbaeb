"""
Three hospitals, one model, no common table
===========================================

Three hospitals want one model of the patients of all. None may show its rows to the others, and there is nobody whom
all of them would trust with a common table. Each runs a program of its own beside its rows. The programs exchange files
in a shared folder, in which noisy, masked sums are all that can be read.
"""

# %%
# Three hospitals
# ---------------
# The patients are made up. The university hospital sees the young, the city hospital everybody, and the country
# hospital the old. The risk of a stroke depends on age, blood pressure and smoking, and is the same everywhere.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.federation import Agreement, Federation, Keys


def patients(n, youngest, oldest, seed):
    """Make up patients of some ages."""
    rng = np.random.default_rng(seed)
    age = rng.triangular(youngest, (youngest + oldest) / 2, oldest, n).round()
    pressure = np.clip(rng.normal(105 + 0.5 * age, 14), 80, 220).round()
    smoker = rng.uniform(size=n) < 0.35 - 0.003 * age
    risk = 1 / (1 + np.exp(-(0.06 * (age - 70) + 0.03 * (pressure - 140) + 1.0 * smoker - 0.8)))
    stroke = rng.uniform(size=n) < risk
    return pd.DataFrame({"age": age, "pressure": pressure, "smoker": smoker * 1, "stroke": stroke * 1}, dtype=np.int64)


tables = {
    "university": patients(1500, 18, 60, 1),
    "city": patients(2500, 18, 95, 2),
    "country": patients(1000, 50, 95, 3),
}
test = patients(5000, 18, 95, 4)

# %%
# What they agree on
# ------------------
# Each hospital makes keys, and tells the others the public one. All of them write down who takes part, what the rows
# look like, the most that may be spent, and against how many hospitals the guarantee is to hold: here against one of
# them that pools what it knows with whoever reads the model. The file has a digest, which they compare by telephone.

folder = Path(tempfile.mkdtemp())
(folder / "mailbox").mkdir()
keys = [Keys.generate(name) for name in tables]
for own in keys:
    own.save(folder / f"{own.name}.keys")
agreement = Agreement(
    {own.name: own.public for own in keys},
    Domain(
        {
            "age": Interval(18, 100, integer=True),
            "pressure": Interval(60, 240, integer=True),
            "smoker": Categories([0, 1]),
        }
    ),
    target=Categories([0, 1]),
    epsilon=1.0,
    tolerates=1,
)
agreement.save(folder / "agreement.json")
agreement

# %%
# Each hospital starts its program
# --------------------------------
# It names the table, the shared folder, the digest that was agreed on, its keys, and the ledger with the budget of its
# patients. Each answer is debited there before any noise is drawn.

programs = []
for name, table in tables.items():
    table.to_csv(folder / f"{name}.csv", index=False)
    own = {
        "--agreement": folder / "agreement.json",
        "--digest": agreement.digest,
        "--keys": folder / f"{name}.keys",
        "--target": "stroke",
        "--ledger": folder / f"{name}.ledger",
        "--folder": folder / f"{name}.private",
    }
    budget = ["--ledger-budget", "2", "1e-5"]
    words = [sys.executable, "-m", "skdpflow", "site", folder / f"{name}.csv", folder / "mailbox"]
    programs.append(
        subprocess.Popen(
            [*map(str, words), *(str(word) for pair in own.items() for word in pair), *budget],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    )

# %%
# The coordinator fits a flow
# ---------------------------
# In the place of rows, `fit` gets the federation. From the command line it is ``skdpflow federate``.

flow = DPSlicedWassersteinFlow(domain=agreement.domain, target=agreement.target, random_state=0)
flow.fit(Federation(folder / "mailbox", agreement=agreement, timeout=120))
for program in programs:
    program.wait()
flow.sample(3, random_state=0)

# %%
# What is guaranteed against whom
# -------------------------------
# The sums carry the noise of all three. A hospital can take off its own, so the guarantee against it is weaker than
# against others. The statement says both, and names the entry in the ledger of each hospital.

statement = flow.privacy_statement()
text = str(statement).splitlines()
print("\n".join(text[text.index("Several holders:") : text.index("Sensitivity (L2, by what one row adds):")]))

# %%
# Was it worth it?
# ----------------
# A model of strokes, trained on synthetic rows, is tested on other people of all ages. Beside it stand models that each
# hospital makes alone with the same epsilon, and the one that nobody can have: of all real rows in one place.


def auc(X, y):
    """Train on some rows, and test on people of all ages."""
    if len(np.unique(y)) < 2:
        return 0.5
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.asarray(X), y)
    return roc_auc_score(test["stroke"], model.predict_proba(test.drop(columns="stroke").to_numpy())[:, 1])


found = {"together": auc(*flow.sample_labeled(5000, random_state=0))}
for name, table in tables.items():
    alone = DPSlicedWassersteinFlow(domain=agreement.domain, target=agreement.target, random_state=0)
    alone.fit(table.drop(columns="stroke"), table["stroke"])
    found[f"{name} alone"] = auc(*alone.sample_labeled(5000, random_state=0))
pooled = pd.concat(tables.values())
real = auc(pooled.drop(columns="stroke"), pooled["stroke"])

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
ages = np.arange(18, 101, 6)
for name, table in tables.items():
    left.hist(table["age"], ages, histtype="step", label=name)
synthetic = flow.sample(len(pooled), random_state=0)
left.hist(synthetic["age"], ages, color="lightgrey", label="synthetic")
left.set(xlabel="age", ylabel="patients")
left.legend()
right.barh(list(found), list(found.values()), color=["C3", "C0", "C1", "C2"])
right.axvline(real, color="grey", ls="--", label="all real rows")
right.set(xlabel="ROC-AUC of a stroke", xlim=(0.5, 0.9))
right.invert_yaxis()
right.legend(loc="lower right")
plt.show()
