"""What a site answers, and what it refuses by itself."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
from skdpflow.curator.statistics import STATISTICS
from skdpflow.exceptions import FederationError, PrivacyLeakWarning
from skdpflow.federation import Agreement, Federation, Keys, Site
from skdpflow.federation.messages import Answer, Question, Wanted
from skdpflow.release.implied import SUMMED, implied

from .conftest import DOMAIN, TARGET, Parties, rows

COUNTS = Wanted("counts", "counts", 12.0, {"n_components": 2, "unlisted": True})


def question(site, *wanted, **changed):
    agreement = site.agreement
    asked = Question(agreement.digest, "f" * 32, 1, 0, agreement.names, (), wanted or (COUNTS,))
    asked = replace(asked, **changed)
    epoch = Answer.from_bytes(
        site.answer(replace(asked, sites=agreement.names, wanted=(), agreement=agreement.digest).to_bytes())
    ).epoch
    return replace(asked, epochs=(epoch,) * len(asked.sites))


def refusal(site, asked):
    answer = Answer.from_bytes(site.answer(asked if isinstance(asked, bytes) else asked.to_bytes()))
    assert answer.sums == ()
    return answer.refused


def test_the_same_request_gets_the_same_bytes_and_is_paid_for_once(parties, tmp_path):
    site = parties.site("east", folder=tmp_path)
    asked = question(site).to_bytes()
    first = site.answer(asked)
    assert site.answer(asked) == first
    assert len(site.ledger.events) == 1
    again = parties.site("east", folder=tmp_path, ledger=site.ledger)  # after a crash
    assert again.answer(asked) == first
    assert len(site.ledger.events) == 1


def test_overlapping_subsets_and_later_attempts_are_fresh_and_paid_for():
    parties = Parties(("a", "b", "c", "d"), tolerates=0, min_sites=3)
    site = parties.site("a")
    asked = [
        question(site),
        question(site, attempt=1),
        question(site, round=2),
        question(site, fit="e" * 32),
        question(site, sites=("a", "b", "c"), attempt=1),
        question(site, sites=("a", "b", "d"), attempt=1),
    ]
    answers = [Answer.from_bytes(site.answer(one.to_bytes())).sums[0].tobytes() for one in asked]
    assert len(set(answers)) == len(asked)
    assert len(site.ledger.events) == len(asked)


def test_a_coordinator_cannot_overspend():
    """It asks for overlapping sums until both budgets refuse."""
    parties = Parties(("a", "b", "c"), tolerates=0)
    generous, poor = parties.site("a"), parties.site("b", ledger=PrivacyLedger(epsilon=0.5, delta=1e-5))
    for site, limit in [(generous, "the agreement"), (poor, "its ledger")]:
        reasons = []
        for attempt in range(160):
            sites = ("a", "b") if attempt % 2 else ("a", "b", "c")
            answer = Answer.from_bytes(site.answer(question(site, sites=sites, attempt=attempt).to_bytes()))
            reasons.append(answer.refused)
        assert any(reason is not None and limit in reason for reason in reasons)
        assert site.ledger.spent() <= min(site.ledger.epsilon, 1.0)
        n = len(site.ledger.events)
        assert sum(reason is None for reason in reasons) == n


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"agreement": "0" * 64}, "another agreement"),
        ({"sites": ("east",)}, "goes to 1 sites"),
        ({"sites": ("north", "south")}, "not to this site"),
        ({"sites": ("east", "mallory")}, "sites of the agreement"),
        ({"sites": ("north", "east")}, "in order"),
        ({"sites": ("east", "east", "north")}, "each once"),
        ({"wanted": (COUNTS,) * 65}, "at most 64"),
        ({"wanted": (replace(COUNTS, kind="records"),)}, "sums of the kinds"),
        ({"wanted": (replace(COUNTS, kind="select_pairs"),)}, "sums of the kinds"),
        ({"wanted": (replace(COUNTS, kind="bounds"),)}, "sums of the kinds"),
        ({"wanted": (replace(COUNTS, multiplier=0.0),)}, "positive"),
        ({"wanted": (replace(COUNTS, multiplier=-1.0),)}, "positive"),
        ({"wanted": (replace(COUNTS, multiplier=1e-9),)}, "64 bits"),
        ({"wanted": (replace(COUNTS, multiplier=1e12),)}, "at most"),
        ({"wanted": (replace(COUNTS, multiplier=0.05),)}, "what is left of the agreement"),
        ({"wanted": (replace(COUNTS, params={}),)}, "do not fit"),
        ({"wanted": (replace(COUNTS, params={"n_components": 0}),)}, "do not fit"),
        ({"columns": (TARGET,) * 3}, "nothing else"),
    ],
)
def test_what_was_not_agreed_on_is_refused_unpaid(parties, changed, message):
    site = parties.site("east")
    assert message in refusal(site, question(site, **changed))
    assert site.ledger.events == ()


@pytest.mark.parametrize("columns", [[7], [0, 1, 99]])
def test_parameters_that_do_not_fit_the_columns_are_refused_unpaid(parties, columns):
    """By made-up rows, so that no private row decides it."""
    edges = np.tile([0, 1], len(columns))
    params = {
        "n_components": 2,
        "columns": np.array(columns),
        "edges": edges,
        "edge_sizes": np.full(len(columns), 2),
    }
    site = parties.site("east")
    assert "do not fit" in refusal(site, question(site, Wanted("h", "histograms", 5.0, params)))
    assert site.ledger.events == ()


def test_damaged_requests_are_refused_unpaid(parties):
    site = parties.site("east")
    asked = question(site).to_bytes()
    rng = np.random.default_rng(0)
    for data in (b"", b"PK", asked[:-10], asked[: len(asked) // 2], asked[::-1]):
        assert "could not be read" in refusal(site, data)
    for _ in range(50):
        changed = bytearray(asked)
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
        answer = Answer.from_bytes(site.answer(bytes(changed)))
        assert answer.refused is not None or answer.sums  # bits that zip does not read
    assert site.ledger.spent() <= site.ledger.epsilon


def test_an_answer_of_another_version_names_it(parties, monkeypatch):
    from skdpflow.federation import messages

    site = parties.site("east")
    monkeypatch.setattr(messages, "VERSION", 2)
    asked = question(site).to_bytes()
    monkeypatch.undo()
    assert "version 2" in refusal(site, asked)


def test_a_site_needs_the_keys_and_the_relation_that_were_agreed_on(parties):
    X, y = rows(20, 0)
    given = {"agreement": parties.agreement, "ledger": PrivacyLedger(epsilon=1, delta=1e-6)}
    with pytest.raises(FederationError, match="no site 'east' with the public key"):
        Site(X, y, keys=Keys.generate("east"), **given)
    ledger = PrivacyLedger(epsilon=1, delta=1e-6, neighbours="replace-one")
    with pytest.raises(FederationError, match="replace-one"):
        Site(X, y, keys=parties.keys["east"], agreement=parties.agreement, ledger=ledger)
    with pytest.raises(ValueError, match="a PrivacyLedger"):
        Site(X, y, keys=parties.keys["east"], agreement=parties.agreement)
    with pytest.raises(ValueError, match="no ledger covers it"):
        Site(X, y, keys=parties.keys["east"], noise_random_state=0, **given)


def test_seeded_noise_is_said_to_protect_nothing(parties):
    X, y = rows(20, 0)
    with pytest.warns(PrivacyLeakWarning, match="noise_random_state"):
        Site(X, y, keys=parties.keys["east"], agreement=parties.agreement, noise_random_state=0)
    release = DPSlicedWassersteinFlow(domain=DOMAIN, target=TARGET, n_particles=64).fit(Federation(parties.seeded()))
    assert release.privacy_spent_ == (float("inf"), 1.0)
    assert "NOT PRIVATE" in str(release.privacy_statement())


def test_sites_and_keys_do_not_leave_by_accident(parties):
    for secret in (parties.site("east"), parties.keys["east"]):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)
    assert repr(parties.keys["east"]) == "Keys('east', <private>)"


def test_an_agreement_comes_back_from_its_file_and_is_pinned(parties, tmp_path):
    file = tmp_path / "agreement.json"
    parties.agreement.save(file)
    assert Agreement.load(file, digest=parties.agreement.digest).to_json() == parties.agreement.to_json()
    with pytest.raises(FederationError, match="not the file on which the sites agreed"):
        Agreement.load(file, digest="0" * 64)
    other = Keys.generate("east")
    file.write_text(file.read_text().replace(parties.keys["east"].public, other.public))
    with pytest.raises(FederationError, match="not the file on which the sites agreed"):
        Agreement.load(file, digest=parties.agreement.digest)
    file.write_text("{}")
    with pytest.raises(FederationError, match="no agreement"):
        Agreement.load(file)


def test_keys_come_back_from_a_file_that_only_its_owner_reads(tmp_path):
    keys = Keys.generate("east")
    keys.save(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert Keys.load(tmp_path / "keys").public == keys.public
    with pytest.raises(FileExistsError):
        keys.save(tmp_path / "keys")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"domain": None}, "declares the values"),
        ({"tolerates": 3}, "tolerates"),
        ({"tolerates": 2, "min_sites": 2}, "min_sites"),
        ({"epsilon": 33.0}, "epsilon"),
        ({"names": ("a/b", "c")}, "name of a site"),
        ({"names": ("a",)}, "between 2 to"),
    ],
)
def test_agreements_that_cannot_hold_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Parties(**changed)


def test_the_coordinator_knows_of_a_statistic_what_the_site_knows(parties, monkeypatch):
    """Shape, sensitivity, touched coordinates and relative noise follow from public parameters."""
    seen = []

    def spy(kind):
        original = STATISTICS[kind]

        class Spy(original):
            def __init__(self, params):
                super().__init__(params)
                seen.append((kind, params, self))

        return Spy

    for kind in SUMMED:
        monkeypatch.setitem(STATISTICS, kind, spy(kind))
    from skdpflow.mechanisms import MarginalsMechanism

    mechanism = MarginalsMechanism(n_slices=2, n_pairs=1, n_partitions=2, n_cuts=1)
    flow = DPSlicedWassersteinFlow(domain=DOMAIN, target=TARGET, mechanism=mechanism, n_particles=64)
    flow.fit(Federation(parties.sites()))
    assert {kind for kind, _, _ in seen} == set(SUMMED) - {"norms"}
    for kind, params, statistic in seen:
        for neighbours in ("add-remove", "replace-one"):
            known = implied(kind, params, neighbours)
            assert known.shape == statistic.shape
            assert known.sensitivity == pytest.approx(statistic.sensitivity(neighbours))
            assert known.touched == statistic.touched
            np.testing.assert_array_equal(known.relative_scale, statistic.relative_scale)


def test_messages_hold_no_pickle(parties):
    asked = question(parties.site("east")).to_bytes()
    with np.load(io.BytesIO(asked), allow_pickle=False) as arrays:
        assert "header" in arrays


def test_a_site_that_lost_its_answers_answers_no_old_request(parties, tmp_path):
    """Another share of noise with the same mask would weaken what the other sites paid for."""
    for first, second in [(None, None), (tmp_path / "a", tmp_path / "b")]:
        site = parties.site("east", folder=first)
        asked = question(site)
        assert Answer.from_bytes(site.answer(asked.to_bytes())).refused is None
        again = parties.site("east", folder=second, ledger=site.ledger)
        assert "it lost others" in refusal(again, asked)
        assert len(site.ledger.events) == 1
        assert "it lost others" in refusal(again, replace(asked, epochs=()))


def test_the_debit_comes_before_the_noise(parties, monkeypatch):
    from skdpflow.curator.noise import NoiseSource

    site = parties.site("east")

    def broken(self, scale, shape):
        assert len(site.ledger.events) == 1
        raise MemoryError

    monkeypatch.setattr(NoiseSource, "rounded_gaussian", broken)
    answer = Answer.from_bytes(site.answer(question(site).to_bytes()))
    assert answer.failed
    assert len(site.ledger.events) == 1


def test_made_up_rows_have_every_kind_of_code():
    from skdpflow import Categories, Interval
    from skdpflow.curator.shares import _probes
    from skdpflow.domain.codes import n_codes

    for column in (*DOMAIN.columns, Interval(0, 1, nullable=True), Categories(["x"], nullable=True)):
        assert set(range(column.n_values, n_codes(column))) < set(_probes(column).tolist())
        assert _probes(column).min() == 0
