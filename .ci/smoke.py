"""Try an installed skdpflow as a new user would: a fit on a table of scikit-learn, and the command line."""

import subprocess
import sys
import tempfile
from pathlib import Path

from sklearn.datasets import load_breast_cancer

import skdpflow

tree = Path(__file__).resolve().parents[1]
assert tree not in Path(skdpflow.__file__).resolve().parents, "the checkout was imported, not what was installed"
assert Path(skdpflow.__file__).with_name("py.typed").exists()

frame = load_breast_cancer(as_frame=True).frame[["mean radius", "mean texture", "target"]]
domain = skdpflow.Domain(
    {
        "mean radius": skdpflow.Interval(0, 40),
        "mean texture": skdpflow.Interval(0, 60),
        "target": skdpflow.Categories([0, 1]),
    }
)
flow = skdpflow.DPSlicedWassersteinFlow(epsilon=1.0, domain=domain).fit(frame)
assert flow.sample(10).columns.tolist() == frame.columns.tolist()
assert flow.privacy_spent_ == (1.0, 1e-6)

command = sys.argv[1:] or [sys.executable, "-m", "skdpflow"]
with tempfile.TemporaryDirectory() as folder:

    def run(*arguments: str) -> str:
        return subprocess.run([*command, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    assert run("--version") == f"skdpflow {skdpflow.__version__}\n"
    frame.to_csv(Path(folder, "t.csv"), index=False)
    domain.to_json(Path(folder, "d.json"))
    run(*"synthesize t.csv --domain d.json --target target --epsilon 1 -o s.csv --release r".split())
    run(*"inspect r -o statement.html".split())
    run(*"report r -o report.html".split())
    assert {path.name for path in Path(folder).iterdir()} >= {"s.csv", "r", "statement.html", "report.html"}
print(f"skdpflow {skdpflow.__version__} works.")
