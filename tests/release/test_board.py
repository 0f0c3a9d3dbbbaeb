"""The statement for a board: one page in plain words."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import Categories, Constant, Domain, DPSlicedWassersteinFlow, Interval, Key, PrivacyLedger
from skdpflow.release.board import guess_limit, percentage

X = np.random.default_rng(0).uniform(size=(300, 2))


def words(page):
    return " ".join(re.sub("<[^>]+>", " ", page[page.index("<h1>") :]).split())


@pytest.mark.parametrize(("epsilon", "limit"), [(0.1, "52.5"), (1.0, "73.2"), (3.0, "95.3"), (10.0, "99.996")])
def test_epsilon_is_told_as_the_chance_of_a_guess(epsilon, limit):
    page = words(DPSlicedWassersteinFlow(epsilon, domain=(0, 1)).fit(X).privacy_statement().to_html())
    assert f"the best guess is right at most {limit} times in 100" in page
    assert f"Epsilon = {epsilon:g} limits" in page
    assert "about 1 in 1,000,000" in page
    assert ("This limit is weak" in page) == (epsilon > 5)


@given(st.floats(1e-3, 30.0), st.floats(1e-12, 0.1))
def test_the_limit_is_never_understated(epsilon, delta):
    exact = (np.exp(epsilon) + delta) / (1.0 + np.exp(epsilon))  # of the best test between two cases
    assert guess_limit(epsilon, delta) >= min(exact, 1.0) - 1e-12
    assert float(percentage(guess_limit(epsilon, delta))) >= 100.0 * guess_limit(epsilon, delta) - 1e-6


def test_relation_ledger_and_declarations_are_in_the_page():
    ledger = PrivacyLedger(epsilon=3.0, delta=1e-5, neighbours="replace-one")
    flow = DPSlicedWassersteinFlow(
        1.0, 1e-7, domain=(0, 1), target=Categories([0, 1]), neighbours="replace-one", ledger=ledger
    )
    page = words(flow.fit(X, np.arange(300) % 2).privacy_statement().to_html())
    assert "which of two contents one particular row of the table had" in page
    assert flow.release_.ledger in page
    assert "The classes were declared" in page
    assert "One person has at most one row." in page
    assert not re.search(r"\bmu\b|SHAKE|Phi", page)


def test_without_a_promise_none_is_made():
    with pytest.warns(UserWarning, match="noise_random_state"):
        flow = DPSlicedWassersteinFlow(domain=(0, 1), noise_random_state=0).fit(X)
    page = words(flow.privacy_statement().to_html())
    assert "There is no promise" in page
    assert "times in 100" not in page


def test_notebooks_show_the_page():
    statement = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X).privacy_statement()
    assert statement._repr_html_() in statement.to_html()


def fitted():

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": "P1", "site": "Oslo", "age": rng.integers(20, 80, 500), "town": rng.choice(["A"], 500)})
    domain = Domain(
        {"id": Key("P{:03d}"), "site": Constant("Oslo"), "age": Interval(0, 99, integer=True), "town": Categories()},
        constraints=["age >= 18"],
    )
    y = pd.Series(rng.choice(["died", "lived"], 500), name="outcome")
    return DPSlicedWassersteinFlow(1.0, domain=domain, target=Categories(["died", "lived"])).fit(frame, y)


def test_columns_that_are_not_read_are_not_called_measured():
    page = words(fitted().privacy_statement().to_html())
    assert "measured a table of private rows (age, town, outcome) and added random noise" in page
    assert "Column site had one public value in every row. No cell of it was read." in page
    assert "Column id was not read. Its synthetic values are numbered anew" in page


def test_words_are_plain():
    page = words(fitted().privacy_statement().to_html())
    assert "Only the values of town were found from the rows, with noise." in page
    assert "The classes were declared, and not learnt from the rows: died, lived." in page
    assert "Somebody said that this holds in every row: age &gt;= 18" in page
    assert "Delta = 0.000001 is a small chance" in page
    before_experts = page[: page.index("In the words of experts")]
    assert not re.search(r"Key\(|Constant\(|\[|pandas|domain|1e-06|histogram|\bbins?\b", before_experts)


def test_no_assumption_is_lost():
    class Own(DPSlicedWassersteinFlow):
        def fit(self, X, y=None):
            return super().fit(X, y)

    flow = Own(1.0, domain=(0, 1), neighbours="replace-one").fit(X)
    statement = flow.privacy_statement()
    page = words(statement.to_html())
    assert "Unverified: the class Own overrides fit." in page
    assert "The number of rows is public" in page
    flow.continue_fit(X, extra_epsilon=1.0)
    assert "The rows were measured 2 times" in words(flow.privacy_statement().to_html())
