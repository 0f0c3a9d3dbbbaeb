"""A fit over several sites, from the first request to synthetic rows."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger, Release
from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent
from skdpflow.curator.curator import Curator
from skdpflow.curator.noise import NoiseSource, RankKeys
from skdpflow.exceptions import FederationError, LedgerError
from skdpflow.federation import Federation, Site
from skdpflow.federation.shares import Share
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism

from .conftest import DOMAIN, NAMES, TARGET, Parties, rows


def flow(**given):
    given = {"domain": DOMAIN, "target": TARGET, "random_state": 0, "n_particles": 512, **given}
    return DPSlicedWassersteinFlow(**given)


@pytest.mark.parametrize("tolerates", [0, 1, 2])
def test_a_federation_gives_synthetic_rows_and_keeps_to_the_budget(tolerates):
    sites = Parties(tolerates=tolerates).sites()
    fitted = flow().fit(Federation(sites))
    assert fitted.privacy_spent_ == (1.0, 1e-6)
    X, y = fitted.sample_labeled(50, random_state=0)
    assert list(X.columns) == ["a", "b", "c"]
    assert set(y) <= {"no", "yes"}
    assert X["c"].isin(["x", "y", "z"]).all()
    for site in sites:
        assert GaussianDPAccountant().epsilon(ComposedEvent(site.ledger.events), 1e-6) <= 1.0
    assert set(fitted.release_.federated.heads) == {site.name for site in sites}


@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
def test_without_collusion_the_release_is_that_of_one_table_with_the_same_noise(monkeypatch, neighbours):
    """Ranks are those of no position, and the noise of the table is the sum of the sites' noise."""
    monkeypatch.setattr(RankKeys, "ranks", lambda self, start, n, d: np.full((n, d), 0.25))
    monkeypatch.setattr(NoiseSource, "rank_key", lambda self: 0)
    parties = Parties(tolerates=0, neighbours=neighbours)
    given = {"neighbours": neighbours, "mechanism": MarginalsMechanism(n_pairs=3)}  # all pairs: none has to be chosen
    together = flow(**given).fit(Federation(parties.seeded())).release_

    sources = [NoiseSource(seed) for seed in range(len(parties.keys))]

    def draw(self, scale, shape, *, differing):
        share = Share.of(scale, 1.0, len(sources), 0)
        total = sum(source.rounded_gaussian(share.scale, shape) for source in sources)
        return share.back(np.ascontiguousarray(total).view(np.uint64))

    monkeypatch.setattr(Curator, "draw", draw)
    tables = [rows(200, sorted(parties.keys).index(name)) for name in parties.keys]
    X, y = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    with pytest.warns(UserWarning, match="noise_random_state"):
        alone = flow(**given, noise_random_state=0).fit(X, y).release_
    assert [m.name for m in together.measurements] == [m.name for m in alone.measurements]
    for one, other in zip(together.measurements, alone.measurements, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_allclose(one.noise_scale, other.noise_scale, rtol=1e-12)
        assert one.sensitivity == other.sensitivity
    assert not together.private
    assert not alone.private


def test_a_federated_release_comes_back_from_its_file():
    fitted = flow().fit(Federation(Parties().sites()))
    file = io.BytesIO()
    fitted.release_.save(file)
    again = Release.load(io.BytesIO(file.getvalue()))
    assert again.federated == fitted.release_.federated
    model = DPSlicedWassersteinFlow.from_release(again)
    pd.testing.assert_frame_equal(model.sample(5, random_state=0), fitted.sample(5, random_state=0))


def test_pairs_of_columns_are_taken_by_their_released_moments():
    fitted = flow(mechanism=MarginalsMechanism(n_pairs=2)).fit(Federation(Parties().sites(2000)))
    names = [m.name for m in fitted.release_.measurements]
    assert "pairs" in names
    assert "selected" not in names


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"domain": None}, "domain of the agreement"),
        ({"target": None}, "target of the agreement"),
        ({"neighbours": "replace-one"}, "agreed on neighbours"),
        ({"epsilon": 1.5}, "at most"),
        ({"delta": 1e-3}, "at most"),
        ({"accountant": "zcdp"}, "accountant='gdp'"),
        ({"noise_random_state": 0}, "set noise_random_state there"),
        ({"ledger": PrivacyLedger(epsilon=1, delta=1e-6)}, "its own ledger"),
    ],
)
@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_what_was_not_agreed_on_is_refused_before_anything_is_spent(parties, given, message):
    sites = parties.sites()
    with pytest.raises(FederationError, match=message):
        flow(**given).fit(Federation(sites))
    assert all(site.ledger.events == () for site in sites)


def test_records_are_refused_before_anything_is_spent():
    domain = Domain({"a": Interval(0, 1), "b": Interval(0, 9, integer=True)})
    parties = Parties(domain=domain, target=None, neighbours="replace-one")
    sites = []
    for i, name in enumerate(parties.keys):
        X, _ = rows(50, i)
        ledger = PrivacyLedger(epsilon=2, delta=1e-5, neighbours="replace-one")
        sites.append(Site(X[["a", "b"]], agreement=parties.agreement, keys=parties.keys[name], ledger=ledger))
    with pytest.raises(FederationError, match="'records'"):
        flow(domain=domain, target=None, neighbours="replace-one", mechanism=RecordsMechanism()).fit(Federation(sites))
    assert all(site.ledger.events == () for site in sites)


def test_tables_of_different_forms_are_refused(parties):
    sites = parties.sites()
    X, y = rows(50, 9)
    ledger = PrivacyLedger(epsilon=2, delta=1e-5)
    keys = parties.keys[NAMES[0]]
    sites[0] = Site(X.astype({"b": "float32"}), y, agreement=parties.agreement, keys=keys, ledger=ledger)
    with pytest.raises(FederationError, match="other containers, names or dtypes"):
        flow().fit(Federation(sites))
    assert all(site.ledger.events == () for site in sites)


def test_a_federated_fit_is_not_continued_on_one_table(parties):
    fitted = flow().fit(Federation(parties.sites()))
    with pytest.raises(ValueError, match="several holders"):
        fitted.continue_fit(*rows(50, 0), extra_epsilon=0.5)


def test_each_ledger_verifies_the_release(parties):
    sites = parties.sites()
    release = flow().fit(Federation(sites)).release_
    for site in sites:
        site.ledger.verify([release])
    with pytest.raises(LedgerError, match="not in the ledger"):
        Parties().site("east").ledger.verify([release])
    more = replace(release, event=ComposedEvent((*release.event.events, GaussianEvent(1.0))))
    with pytest.raises(LedgerError, match="smaller than what it measured"):
        sites[0].ledger.verify([more])
