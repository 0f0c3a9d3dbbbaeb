"""Callbacks of scikit-learn: told of rounds and passes, never of rows, and no way to change what is spent."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger

pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
DOMAIN = Domain({"a": Interval(0.0, 1.0), "b": Interval(0.0, 1.0)})
QUARTERS = [f"{share} % of the rows read" for share in (25, 50, 75, 100)]


class Noted:
    """Notes every call with all that it is given; fails when a task of a name ends."""

    def __init__(self, fails_at=None, stops=False):
        self.fails_at, self.stops, self.calls, self.given, self.contexts = fails_at, stops, [], [], []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self._note("begin", estimator, context, X, y, metadata, fitted_estimator)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self._note("end", estimator, context, X, y, metadata, fitted_estimator)
        if context.task_name == self.fails_at:
            raise OSError("no space left")
        return self.stops

    def _note(self, what, estimator, context, *given):
        self.calls.append((what, context.task_name))
        self.given += [*given, *(value for name, value in vars(estimator).items() if "callback" not in name)]
        self.contexts.append(context)


def rows(n):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 2))
    return X, (X[:, 0] > 0.5).astype(int)


def flow(**params):
    return DPSlicedWassersteinFlow(
        4.0, domain=DOMAIN, target=Categories([0, 1]), n_particles=50, random_state=0, **{"n_jobs": 1, **params}
    )


def test_callbacks_are_told_of_rounds_and_passes():
    X, y = rows(500)
    noted = Noted()
    own = flow().set_callbacks(noted).fit(X, y)
    rounds = [
        name for what, name in noted.calls if what == "begin" and name not in (*QUARTERS, "fit", "checks", "model")
    ]
    expected = [("setup", "fit"), ("begin", "fit"), ("begin", "checks"), ("end", "checks")]
    for name in rounds:
        steps = [(what, share) for share in QUARTERS for what in ("begin", "end")]
        expected += [("begin", name), *steps, ("end", name)]
    expected += [("begin", "model"), ("end", "model"), ("end", "fit"), ("teardown", "fit")]
    assert noted.calls == expected
    assert {m.name for m in own.release_.measurements} <= set(", ".join(rounds).split(", "))


def test_callbacks_get_no_rows_and_the_same_tasks_for_any_number_of_them(monkeypatch):
    told = []
    for n, block in ((300, 2**16), (300, 50)):
        noted, (X, y) = Noted(), rows(n)
        monkeypatch.setattr("skdpflow.curator.source._BLOCK_ROWS", block)
        monkeypatch.setattr("skdpflow.curator.source._LEAST_ROWS", min(block, 2**11))
        flow(noise_random_state=0).set_callbacks(noted).fit(X, y)
        assert not any(np.shape(value)[:1] == (n,) for value in noted.given if isinstance(value, np.ndarray))
        assert not any(value is X or value is y for value in noted.given)
        told.append((noted.calls, [(c.task_id, c.max_subtasks) for c in noted.contexts]))
    assert told[0] == told[1]
    root = next(c for c in noted.contexts if c.task_name == "fit")
    assert root.max_subtasks is None
    assert {c.max_subtasks for c in noted.contexts} == {None, 0, 4}


def test_nothing_is_scored():
    X, y = rows(300)
    monitor = ScoringMonitor(scoring=lambda estimator, X, y: 1.0)
    flow().set_callbacks(monitor).fit(X, y)
    with pytest.raises(ValueError, match="No logs"):
        monitor.get_logs()


def test_a_progress_bar_is_shown(capsys):
    pytest.importorskip("rich")
    X, y = rows(300)
    fitted = flow().set_callbacks(ProgressBar()).fit(X, y)
    assert "DPSlicedWassersteinFlow - fit" in capsys.readouterr().out
    assert len(pickle.loads(pickle.dumps(fitted)).sample(3)) == 3
    fitted.set_callbacks().continue_fit(X, y, extra_epsilon=1.0)


def test_a_callback_changes_no_bit_and_stops_nothing():
    X, y = rows(300)
    plain = flow(noise_random_state=0).fit(X, y)
    told = flow(noise_random_state=0).set_callbacks(Noted(stops=True)).fit(X, y)
    assert [m.values.tobytes() for m in plain.release_.measurements] == [
        m.values.tobytes() for m in told.release_.measurements
    ]
    assert sorted(vars(plain)) == sorted(set(vars(told)) - {"_skl_callbacks"})


@pytest.mark.parametrize(
    ("fails_at", "debits"), [("checks", 0), ("25 % of the rows read", 1), ("model", 1), ("fit", 1)]
)
def test_a_callback_that_fails_keeps_the_debit(fails_at, debits, tmp_path):
    X, y = rows(300)
    ledger, noted = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5), Noted(fails_at)
    own = flow(ledger=ledger).set_callbacks(noted)
    with pytest.raises(OSError, match="no space left"):
        own.fit(X, y)
    assert len(ledger.history()) == debits
    assert noted.calls[-1] == ("teardown", "fit")
    assert fails_at in ("model", "fit") or not hasattr(own, "release_")


def test_hooks_that_scikit_learn_refuses_are_refused_before_the_debit(tmp_path):
    class Odd(Noted):
        def on_fit_task_end(self, estimator, context, *, rows):
            pass

    X, y = rows(300)
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=9.0, delta=1e-5)
    with pytest.raises(TypeError, match="not valid"):
        flow(ledger=ledger).set_callbacks(Odd()).fit(X, y)
    assert len(ledger.history()) == 0


def test_a_further_fit_and_a_clone_tell_their_callbacks():
    X, y = rows(300)
    noted = Noted()
    own = flow().fit(X, y).set_callbacks(noted)
    own.continue_fit(X, y, extra_epsilon=1.0)
    assert ("end", "continue_fit") in noted.calls
    clone(own).fit(X, y)
    assert ("end", "fit") in noted.calls
