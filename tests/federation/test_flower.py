"""The example that carries messages by Flower; skipped without the package `flwr`, which is in no extra."""

import importlib.util
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.exceptions import FederationError, FederationWarning
from skdpflow.federation import Federation, Mailbox, Site
from skdpflow.federation.messages import Question, digest

from .conftest import DOMAIN, TARGET, Parties
from .test_site import question

app = pytest.importorskip("flwr.app")
serverapp = pytest.importorskip("flwr.serverapp")

EXAMPLE = Path(__file__).parents[2] / "examples" / "federation_by_flower.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("federation_by_flower", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Message = Letter
    return module


class Letter:
    """Stands in for a Message, which can be made in processes of Flower only."""

    def __init__(self, content, dst_node_id=None, message_type=None, *, reply_to=None, ttl=None):
        self.content = content
        source = None if reply_to is None else reply_to.metadata.dst_node_id
        self.metadata = SimpleNamespace(dst_node_id=dst_node_id, src_node_id=source, message_type=message_type)

    def has_content(self):
        return isinstance(self.content, app.RecordDict)


class FakeGrid(serverapp.Grid):
    """Delivers messages to the programs of the nodes in this process; `change` may change a list of replies."""

    def __init__(self, client, configs, change=lambda round, replies: replies):
        self.client, self.change, self.replies = client, change, []
        self.nodes = {
            100 + i: app.Context(1, 100 + i, config, app.RecordDict(), {}) for i, config in enumerate(configs)
        }
        self.sent = []

    def get_node_ids(self):
        return list(self.nodes)

    def send_and_receive(self, messages, *, timeout=None):
        messages = list(messages)
        replies = [self.client(message, self.nodes[message.metadata.dst_node_id]) for message in messages]
        asked = messages[0].content["asked"]
        if "request" not in asked:
            return replies
        self.sent += [(m.metadata.dst_node_id, m.content["asked"]["request"]) for m in messages]
        return self.change(Question.from_bytes(asked["request"]).round, replies)

    def unused(self, *args, **kwargs):
        raise NotImplementedError

    set_run = run = create_message = push_messages = pull_messages = unused


class Hospitals:
    """Sites that serve a mailbox each, in threads, and what they were asked."""

    def __init__(self, parties, folder, monkeypatch):
        self.parties, self.heard = parties, []
        self.sites = [parties.site(name, folder=folder / name) for name in parties.keys]
        self.configs = [{"site": site.name, "mailbox": str(folder / site.name / "box")} for site in self.sites]
        answer = Site.answer

        def listening(site, request):
            raw = answer(site, request)
            self.heard.append((site.name, request, raw))
            return raw

        monkeypatch.setattr(Site, "answer", listening)
        self.threads = []
        for site, config in zip(self.sites, self.configs, strict=True):
            Path(config["mailbox"]).mkdir()
            self.threads.append(
                threading.Thread(target=self.serve, args=(site, config["mailbox"]), kwargs={"timeout": 2.0})
            )
            self.threads[-1].start()

    @staticmethod
    def serve(site, box, timeout):
        try:
            site.serve(box, timeout=timeout)
        except FederationError as e:
            assert "No request came" in str(e)  # noqa: PT017

    def join(self):
        for thread in self.threads:
            thread.join(60.0)
            assert not thread.is_alive()


@pytest.fixture
def hospitals(tmp_path, monkeypatch):
    found = Hospitals(Parties(("a", "b", "c"), tolerates=0, min_sites=2), tmp_path, monkeypatch)
    yield found
    found.join()


def fit(example, hospitals, change=lambda round, replies: replies, timeout=20.0):
    grid = FakeGrid(example.postbox, hospitals.configs, change)
    flow = DPSlicedWassersteinFlow(0.5, domain=DOMAIN, target=TARGET, n_particles=64, n_steps=1, random_state=0)
    carrier = example.FlowerCarrier(grid, len(hospitals.sites))
    return flow.fit(Federation(carrier, agreement=hospitals.parties.agreement, timeout=timeout)), grid


@pytest.mark.slow
def test_flower_carries_the_bytes_of_a_mailbox(example, hospitals):
    fitted, grid = fit(example, hospitals)
    assert fitted.privacy_spent_ == (0.5, 1e-6)
    sent = {request for _, request in grid.sent}
    assert {request for _, request, _ in hospitals.heard} == sent
    for own, config in zip(hospitals.sites, hospitals.configs, strict=True):
        own.ledger.verify([fitted.release_])
        box = Mailbox(config["mailbox"])
        answers = {digest(request): raw for name, request, raw in hospitals.heard if name == own.name}
        found = {file.name: file.read_bytes() for file in box.folder.glob("*.answer")}
        assert found == {f"{number}.{own.name}.answer": raw for number, raw in answers.items()}
        assert box.ended() == {fitted.release_.federated.fit}
        assert box.requests() == []


@pytest.mark.slow
def test_messages_that_are_duplicated_reordered_and_delivered_again_change_nothing(example, hospitals):
    fitted, _ = fit(example, hospitals, lambda round, replies: [*replies[::-1], *replies])
    spent = [len(site.ledger.events) for site in hospitals.sites]
    for name, request, raw in list(hospitals.heard):
        config = next(config for config in hospitals.configs if config["site"] == name)
        context = app.Context(1, 7, config, app.RecordDict(), {})
        record = app.RecordDict({"asked": app.ConfigRecord({"request": request, "timeout": 5.0})})
        reply = example.postbox(Letter(record, 7, "query.ask"), context)
        assert reply.content["answered"]["answers"] == [raw]  # from the mailbox: the site has stopped
        own = next(site for site in hospitals.sites if site.name == name)
        assert own.answer(request) == raw
    assert [len(site.ledger.events) for site in hospitals.sites] == spent
    assert fitted.privacy_spent_ == (0.5, 1e-6)


def changed(reply, **fields):
    record = app.ConfigRecord({**reply.content["answered"], **fields})
    reply.content = app.RecordDict({"answered": record})
    return reply


def replayed(old):
    def change(round, replies):
        for reply in replies:
            site = reply.content["answered"]["site"]
            old.setdefault(site, reply.content["answered"]["answers"])
            if round == 2:
                changed(reply, answers=old[site])
        return replies

    return change


def first(change):
    return lambda round, replies: [change(replies[0]), *replies[1:]] if round == 2 else replies


FAULTS = {
    "truncated": (first(lambda reply: changed(reply, answers=[reply.content["answered"]["answers"][0][:-9]])), "fault"),
    "empty": (first(lambda reply: changed(reply, answers=[b""])), "fault"),
    "no bytes": (first(lambda reply: changed(reply, answers=["text"])), "fault"),
    "replayed": (replayed({}), "to another request"),
    "twice": (
        first(lambda reply: changed(reply, answers=[reply.content["answered"]["answers"][0], b"other"])),
        "twice, in different ways",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_replies_are_named_and_no_release_comes_of_them(example, hospitals, fault):
    change, said = FAULTS[fault]
    with pytest.raises(FederationError, match=said):
        fit(example, hospitals, change)
    for site in hospitals.sites:
        assert site.ledger.spent() <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lost", "error", "no answer"])
def test_a_node_that_fails_is_left_out(example, hospitals, how):
    def change(round, replies):
        if round < 2 or replies[-1].content["answered"]["site"] != "c":
            return replies
        if how == "lost":
            return replies[:-1]
        if how == "error":
            return [*replies[:-1], Letter(app.Error(0, "killed"), reply_to=Letter(None, 102))]
        return [*replies[:-1], changed(replies[-1], answers=[])]

    with pytest.warns(FederationWarning, match=r"\['c'\]"):
        fitted, grid = fit(example, hospitals, change)
    assert fitted.release_.federated.rounds[-1] == ("a", "b")
    assert grid.sent[-1][0] in (100, 101)
    assert fitted.privacy_spent_ == (0.5, 1e-6)


def test_a_site_that_does_not_answer_in_time_gives_no_answer(example, tmp_path, parties):
    context = app.Context(1, 7, {"site": "east", "mailbox": str(tmp_path)}, app.RecordDict(), {})
    asked = question(parties.site("east")).to_bytes()
    record = app.RecordDict({"asked": app.ConfigRecord({"request": asked, "timeout": 0.05})})
    reply = example.postbox(Letter(record, 7, "query.ask"), context)
    assert reply.content["answered"]["answers"] == []
    assert Mailbox(tmp_path).requests() == []  # nobody pays for what is not waited for


@pytest.mark.slow
def test_three_hospitals_over_real_processes_of_flower(example, tmp_path):
    """A SuperLink, three SuperNodes and three sites, over the loopback; about three minutes."""
    from skdpflow import PrivacyLedger

    release = example.run_all(tmp_path)
    assert set(release.federated.heads) == {"city", "country", "university"}
    for name in release.federated.sites:
        ledger = PrivacyLedger.open(tmp_path / name / "ledger")
        ledger.verify([release])
        assert ledger.spent() <= 1.0
    secrets = [(tmp_path / name / "keys").read_bytes() for name in release.federated.sites]
    for file in (tmp_path / "flower").rglob("*"):
        assert not file.is_file() or not any(secret in file.read_bytes() for secret in secrets)
