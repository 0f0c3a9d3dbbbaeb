"""From which share on a level can be seen: said before a fit, and after it."""

import numpy as np

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

DOMAIN = Domain({"kind": Categories(list(range(5))), "cost": Interval(0, 1e6)})


def flow(epsilon=1.0):
    return DPSlicedWassersteinFlow(epsilon, 1e-6, domain=DOMAIN, random_state=0, n_particles=256)


def test_plan_and_statement_say_from_which_share_on_levels_are_seen():
    n, rng = 5000, np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 5, n), rng.uniform(0, 1e6, n)])
    plan, fitted = flow().plan(n_guess=n), flow().fit(X)
    said = fitted.privacy_statement().content["steps"][0]["rows"]["least_share"]
    assert 0.0 < said < 0.2
    assert 0.5 < said / plan.least_share < 2.0
    assert "cannot be told from noise" in str(plan)
    assert "cannot be told from noise" in " ".join(str(fitted.privacy_statement()).split())


def test_the_share_falls_with_rows_and_epsilon():
    shares = [flow(e).plan(n_guess=n).least_share for e, n in [(1.0, 1000), (1.0, 10_000), (3.0, 10_000)]]
    assert shares[0] > shares[1] > shares[2]


def test_numbers_alone_have_no_levels():
    plan = DPSlicedWassersteinFlow(domain=(0, 1)).plan(n_guess=1000, n_features=2)
    assert plan.least_share is None
    assert "Levels of a category" not in str(plan)


def test_plan_says_how_finely_columns_are_located():
    errors = [{e.source: e for e in flow().plan(n_guess=n).errors}["location1"] for n in (2000, 20_000)]
    assert errors[0].noise > 5 * errors[1].noise > 0.0
