"""The statement for a board: one page in plain words."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import Categories, DPSlicedWassersteinFlow, PrivacyLedger
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
