"""What fails at a site, before and after the debit: the site goes on, and the coordinator learns that it failed."""

import errno
import logging
import os
import threading

import pytest

from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
from skdpflow.curator.noise import NoiseSource
from skdpflow.exceptions import FederationError, FederationWarning
from skdpflow.federation import Federation, Mailbox, store
from skdpflow.federation import mailbox as mailbox_module
from skdpflow.federation import site as site_module
from skdpflow.federation.messages import Answer, Question, digest

from .conftest import DOMAIN, TARGET, Parties
from .test_faults import Post, fit
from .test_site import question

SECRET = "row 17 is 42 years old"


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), SECRET)


def raising(error):
    def fails(*args, **kwargs):
        raise error

    return fails


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), MemoryError(), FederationError(SECRET), RecursionError(SECRET)]
)
@pytest.mark.parametrize(
    ("where", "what"),
    [(site_module, "noisy_shares"), (NoiseSource, "rounded_gaussian"), (site_module, "mask")],
    ids=["rows", "noise", "masks"],
)
def test_after_the_debit_the_answer_is_that_the_site_failed(parties, monkeypatch, caplog, error, where, what):
    site = parties.site("east")
    asked, other = question(site).to_bytes(), question(site, round=2).to_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(where, what, raising(error))
        raw = site.answer(asked)
    answer = Answer.from_bytes(raw)
    # all that is not the same for every error stays at the site
    assert (answer.failed, answer.refused, answer.schema, answer.epoch, answer.sums) == (True, None, None, None, ())
    assert SECRET.encode() not in raw
    assert type(error).__name__.encode() not in raw
    assert type(error).__name__ in caplog.text
    assert SECRET not in caplog.text
    assert len(site.ledger.events) == 1
    assert site.answer(asked) == raw  # it stays the answer, and is paid for once
    assert len(site.ledger.events) == 1
    assert Answer.from_bytes(site.answer(other)).sums  # the site goes on
    assert len(site.ledger.events) == 2


def test_a_full_disk_after_the_debit(parties, monkeypatch, caplog, tmp_path):
    """The answer cannot be stored, so it is not sent; also not when there is room again, or after a restart."""
    site = parties.site("east", folder=tmp_path)
    asked = question(site)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        raw = site.answer(asked.to_bytes())
    assert Answer.from_bytes(raw).failed
    assert "No space left" in caplog.text
    assert SECRET not in caplog.text
    assert site.answer(asked.to_bytes()) == raw
    assert len(site.ledger.events) == 1
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".part"]
    assert Answer.from_bytes(site.answer(question(site, round=2).to_bytes())).sums
    again = parties.site("east", folder=tmp_path, ledger=site.ledger)  # only memory held that it failed
    assert Answer.from_bytes(again.answer(asked.to_bytes())).sums  # the first sums that are sent, paid for once more
    assert len(site.ledger.events) == 3


def test_an_answer_that_may_not_survive_a_power_failure_is_not_replaced(parties, monkeypatch, tmp_path):
    """Its name could not be flushed: whatever was stored stays the only one."""
    site = parties.site("east", folder=tmp_path)
    asked = question(site).to_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(store, "_flush", full)
        assert Answer.from_bytes(site.answer(asked)).failed
    again = parties.site("east", folder=tmp_path, ledger=site.ledger)
    assert Answer.from_bytes(again.answer(asked)).sums
    assert len(site.ledger.events) == 1


def test_without_a_ledger_nothing_is_measured(parties, monkeypatch, tmp_path):
    ledger = PrivacyLedger(tmp_path / "ledger", epsilon=2.0, delta=1e-5)
    site = parties.site("east", ledger=ledger)
    asked = question(site).to_bytes()
    (tmp_path / "ledger").rename(tmp_path / "away")
    with monkeypatch.context() as broken:
        broken.setattr(NoiseSource, "rounded_gaussian", raising(AssertionError()))
        assert "could not be used" in Answer.from_bytes(site.answer(asked)).refused
    (tmp_path / "away").rename(tmp_path / "ledger")
    assert Answer.from_bytes(site.answer(asked)).sums


@pytest.mark.parametrize("where", ["_check", "_check_affordable", "_debit"])
def test_what_is_not_foreseen_before_the_debit_is_a_refusal(parties, monkeypatch, caplog, where):
    site = parties.site("east")
    asked = question(site).to_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(site_module.Site, where, raising(OverflowError(SECRET)))
        raw = site.answer(asked)
    assert "its log says why" in Answer.from_bytes(raw).refused
    assert SECRET.encode() not in raw
    assert "OverflowError" in caplog.text
    assert SECRET not in caplog.text
    assert site.ledger.events == ()
    assert Answer.from_bytes(site.answer(asked)).sums


def test_a_folder_that_cannot_be_read_is_a_refusal(parties, monkeypatch):
    site = parties.site("east")
    asked = question(site).to_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(store.AnswerStore, "get", full)
        assert "its log says why" in Answer.from_bytes(site.answer(asked)).refused
    assert site.ledger.events == ()


class FailingOnce(Post):
    """One site fails in one round."""

    def __init__(self, sites, name, number, monkeypatch):
        super().__init__(sites)
        self.name, self.number, self.monkeypatch = name, number, monkeypatch

    def ask(self, request, sites, timeout):
        number = Question.from_bytes(request).round
        for name in sites:
            with self.monkeypatch.context() as broken:
                if (name, number) == (self.name, self.number):
                    broken.setattr(NoiseSource, "rounded_gaussian", raising(RuntimeError(SECRET)))
                yield name, self.sites[name].answer(request)


def test_the_coordinator_goes_on_without_a_site_that_failed(monkeypatch):
    parties = Parties(("a", "b", "c", "d"), tolerates=1, min_sites=2)
    sites = parties.sites()
    with pytest.warns(FederationWarning, match=r"failed after they had debited a request: \['c'\]") as heard:
        fitted = fit(parties, FailingOnce(sites, "c", 3, monkeypatch))
    assert all(SECRET not in str(one.message) for one in heard)
    told = fitted.release_.federated
    assert told.repeated == 1
    assert set(told.rounds[2:]) == {("a", "b", "d")}
    assert fitted.privacy_spent_ == (1.0, 1e-6)
    for site in sites:
        site.ledger.verify([fitted.release_])
        assert site.ledger.spent() <= 1.0


def test_too_few_sites_are_left_after_one_failed(monkeypatch):
    parties = Parties(min_sites=3)
    sites = parties.sites()
    said = r"failed after they had debited a request: \['east'\]\. The log of each says why.* At least 3 were agreed on"
    with pytest.raises(FederationError, match=said) as caught:
        fit(parties, FailingOnce(sites, "east", 2, monkeypatch))
    assert SECRET not in str(caught.value)
    assert {len(site.ledger.events) for site in sites} == {2}


def test_a_site_that_fails_where_nothing_is_measured_is_at_fault(parties):
    def claim(asked, answers):
        number = digest(asked.to_bytes())
        return [(name, Answer(parties.agreement.digest, number, name, failed=True).to_bytes()) for name, _ in answers]

    with pytest.raises(FederationError, match="'east' does not have the shape"):
        fit(parties, Post(parties.sites(), claim))


@pytest.mark.slow
def test_a_site_that_serves_a_folder_goes_on_after_every_fault(parties, monkeypatch, tmp_path, caplog):
    """Garbage in the folder, a disk that is full for a moment, and sites that fail once: then a fit that works."""
    caplog.set_level(logging.ERROR)
    box = tmp_path / "box"
    box.mkdir()
    for i, junk in enumerate([b"", b"PK", b"\x00" * 1000]):
        (box / f"{digest(junk)}.request").write_bytes(junk)
        (box / f"{i}.request").write_bytes(junk)
    sites = [parties.site(name, folder=tmp_path / name) for name in parties.keys]
    write, times = mailbox_module._write, []

    def sometimes_full(file, content):
        if file.suffix == ".answer" and len(times) < 20:
            times.append(file)
            full()
        write(file, content)

    monkeypatch.setattr(mailbox_module, "_write", sometimes_full)
    threads = [threading.Thread(target=site.serve, args=(box,), kwargs={"timeout": 60.0}) for site in sites]
    failing = question(sites[0]).to_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(NoiseSource, "rounded_gaussian", raising(ValueError(SECRET)))
        for thread in threads:
            thread.start()
        answers = dict(Mailbox(box).ask(failing, list(parties.keys), 60.0))
    assert Answer.from_bytes(answers["east"]).failed
    assert len(times) == 20
    federation = Federation(box, agreement=parties.agreement, timeout=60.0)
    flow = DPSlicedWassersteinFlow(0.5, domain=DOMAIN, target=TARGET, n_particles=64, n_steps=1).fit(federation)
    for thread in threads:
        thread.join(60.0)
        assert not thread.is_alive()
    assert flow.privacy_spent_ == (0.5, 1e-6)
    assert "No space left" in caplog.text
    assert SECRET not in caplog.text
