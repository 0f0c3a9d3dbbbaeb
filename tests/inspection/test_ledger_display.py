"""The picture of a ledger shows what its history says."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

from skdpflow import PrivacyLedger
from skdpflow.accountants import GaussianEvent
from skdpflow.inspection import LedgerDisplay

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def ledger_with(n):
    ledger = PrivacyLedger(epsilon=2.0, delta=1e-6)
    for i in range(n):
        ledger.part("site", i % 2).debit(GaussianEvent(15.0), f"fit {i}", neighbours="add-remove")
    return ledger


def test_steps_are_the_history_and_the_line_is_the_budget():
    ledger = ledger_with(4)
    display = LedgerDisplay.from_ledger(ledger)
    x, y = display.line_.get_data()
    assert y.tolist() == [0.0, *ledger.history()["epsilon"], ledger.spent()]
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    assert display.line_.get_drawstyle() == "steps-post"
    assert set(display.budget_line_.get_ydata()) == {2.0}
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == [
        "fit 0 [site=0]",
        "fit 1 [site=1]",
        "fit 2 [site=0]",
        "fit 3 [site=1]",
    ]
    assert display.figure_ is display.ax_.figure


def test_given_axes_style_and_redrawing():
    figure, (left, right) = plt.subplots(1, 2)
    display = LedgerDisplay.from_ledger(ledger_with(2), ax=left, line_kw={"color": "k"}, budget_kw={"label": "cap"})
    assert display.ax_ is left
    assert display.line_.get_color() == "k"
    assert display.budget_line_.get_label() == "cap"
    assert display.plot(right).ax_ is right
    assert display.figure_ is figure


def test_over_time_and_without_entries():
    ledger = ledger_with(3)
    display = LedgerDisplay.from_ledger(ledger, over="time")
    x = display.line_.get_xdata()
    assert np.array_equal(x[1:-1], ledger.history()["time"].dt.tz_localize(None).to_numpy())
    assert x[0] < x[1]
    empty = LedgerDisplay.from_ledger(ledger_with(0))
    assert empty.line_.get_ydata().size == 0
    assert empty.ax_.get_ylim()[1] > 2.0
    empty.figure_.canvas.draw()
    LedgerDisplay.from_ledger(ledger_with(1), over="time").figure_.canvas.draw()
    with pytest.raises(ValueError, match="'over'"):
        LedgerDisplay.from_ledger(ledger, over="money")


def test_many_entries_are_labelled_now_and_then():
    labels = LedgerDisplay.from_ledger(ledger_with(60)).ax_.get_xticklabels()
    assert len(labels) == 20
    assert labels[1].get_text() == "fit 3 [site=1]"


@pytest.mark.slow
def test_matplotlib_is_imported_by_drawing_only():
    code = "import sys, skdpflow, skdpflow.inspection; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
