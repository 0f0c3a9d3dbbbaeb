"""
Three hospitals whose messages are carried by Flower
====================================================

The hospitals of :doc:`plot_federation` need no shared folder where they have another way to send messages. Here they
use `Flower <https://flower.ai>`__, which many institutions run already. It carries the bytes of requests and answers,
and nothing else: sums, masks, noise and budgets are those of skdpflow. What Flower offers for secure aggregation is not
used.

This page is not run when the documentation is built. To run it takes two or three minutes, most of them for starting
processes:

.. code-block:: bash

   pip install "skdpflow[federated,frames]" flwr
   python federation_by_flower.py
"""

# %%
# Flower never sees a row or a key
# --------------------------------
# Flower sends the program below from the coordinator to the hospitals and runs it there. Whoever can start a run
# decides what that program does. So it must not be able to read rows, keys or ledgers. Each hospital runs
# ``skdpflow site`` as another user of the operating system, with a folder as mailbox. That folder is all that Flower's
# user may read and write.

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger, Release
from skdpflow.federation import Agreement, Federation, Keys, Mailbox

# %%
# At a hospital: between Flower and the mailbox
# ---------------------------------------------
# A message with a request becomes a file in the mailbox, and the file that the site writes becomes the reply. If Flower
# delivers a message twice, the second reply is the same: the site keeps its answers, and is paid for each once.

postbox = ClientApp()


@postbox.query("ask")
def ask(message: Message, context: Context) -> Message:
    """Pass a request to the site, and its answer back; none if it takes too long."""
    site, asked = str(context.node_config["site"]), message.content["asked"]
    answers = Mailbox(str(context.node_config["mailbox"])).ask(asked["request"], [site], asked["timeout"])
    reply = ConfigRecord({"site": site, "answers": [answer for _, answer in answers]})
    return Message(RecordDict({"answered": reply}), reply_to=message)


@postbox.query("end")
def end(message: Message, context: Context) -> Message:
    """Tell the site that a fit is over."""
    Mailbox(str(context.node_config["mailbox"])).end(message.content["asked"]["fit"])
    return Message(RecordDict(), reply_to=message)


# %%
# At the coordinator: a carrier
# -----------------------------
# `Federation` needs an object with the method ``ask``. Which hospital is at which node of Flower is known once the node
# has answered for the first time. A site that does not answer in time, or whose node fails, is left out.


class FlowerCarrier:
    """Carries requests and answers as messages of Flower."""

    def __init__(self, grid: Grid, n_sites: int):
        self.grid, self.site_at = grid, {}
        while len(list(grid.get_node_ids())) < n_sites:
            time.sleep(0.5)

    def send(self, what, content, sites, timeout):
        """Send a message to the nodes of some sites, and return the replies."""
        nodes = [node for node in self.grid.get_node_ids() if self.site_at.get(node) in (None, *sites)]
        record = RecordDict({"asked": ConfigRecord(content)})
        messages = [Message(record, node, f"query.{what}", ttl=timeout) for node in nodes]
        return [reply for reply in self.grid.send_and_receive(messages, timeout=timeout) if reply.has_content()]

    def ask(self, request, sites, timeout):
        """Send a request, and return the answers of the sites: see `skdpflow.federation.Carrier`."""
        for reply in self.send("ask", {"request": request, "timeout": timeout}, sites, timeout):
            answered = reply.content["answered"]
            site = self.site_at.setdefault(reply.metadata.src_node_id, answered["site"])
            for answer in answered["answers"]:
                yield site, answer

    def end(self, fit):
        """Tell all sites that a fit is over."""
        self.send("end", {"fit": fit}, list(self.site_at.values()), timeout=30.0)


coordinator = ServerApp()


@coordinator.main()
def main(grid: Grid, context: Context) -> None:
    """Fit a flow to the rows of all hospitals, and save what may be published."""
    config = context.run_config
    agreement = Agreement.load(config["agreement"], digest=config["digest"])
    flow = DPSlicedWassersteinFlow(domain=agreement.domain, target=agreement.target, random_state=0)
    carrier = FlowerCarrier(grid, len(agreement.sites))
    flow.fit(Federation(carrier, agreement=agreement, timeout=120.0))
    flow.release_.save(config["release"])


# %%
# All of it on one machine
# ------------------------
# In earnest, each program below runs on a machine of its own, and Flower's connections are encrypted and its nodes
# known: without ``--insecure``, and with ``--enable-supernode-auth``. Nobody has to trust Flower with what is private,
# but whoever can send messages can waste a budget.
#
# Flower reports to its makers what is run, unless ``FLWR_TELEMETRY_ENABLED`` is 0. It also installs what an app asks
# for, unless that is turned off.

APP = """
[project]
name = "federation-by-flower"
version = "1.0.0"
description = "Carries the messages of a federation of skdpflow."
license = "BSD-3-Clause"
dependencies = []

[tool.flwr.app]
publisher = "skdpflow"

[tool.flwr.app.components]
serverapp = "federation_by_flower:coordinator"
clientapp = "federation_by_flower:postbox"

[tool.flwr.app.config]
agreement = ""
digest = ""
release = ""
"""


def patients(n, youngest, oldest, seed):
    """Make up patients of some ages."""
    rng = np.random.default_rng(seed)
    age = rng.triangular(youngest, (youngest + oldest) / 2, oldest, n).round()
    stroke = rng.uniform(size=n) < 1 / (1 + np.exp((75 - age) / 8))
    return np.column_stack([age, stroke]).astype(np.int64)


def free_port():
    """Return the number of a port that nobody uses."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def wait_for(port):
    """Wait until a program listens at a port."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        with socket.socket() as opened:
            if opened.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError("Flower did not start.")


def run_all(folder):
    """Start three hospitals and Flower on this machine, fit, and return the Release."""
    tables = {
        "university": patients(1500, 18, 60, 1),
        "city": patients(2500, 18, 95, 2),
        "country": patients(1000, 50, 95, 3),
    }
    keys = [Keys.generate(name) for name in tables]
    domain = Domain({"age": Interval(18, 100, integer=True)})
    agreement = Agreement({own.name: own.public for own in keys}, domain, Categories([0, 1]), epsilon=1.0, delta=1e-6)
    agreement.save(folder / "agreement.json")
    (folder / "app").mkdir()
    (folder / "app" / "pyproject.toml").write_text(APP)
    shutil.copy(__file__, folder / "app" / "federation_by_flower.py")
    port = free_port()
    link = f"127.0.0.1:{port}"
    (folder / "flower").mkdir()
    (folder / "flower" / "config.toml").write_text(f'[superlink.here]\naddress = "{link}"\ninsecure = true\n')
    environment = {
        **os.environ,
        "FLWR_HOME": str(folder / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    programs = []

    def start(name, *words):
        with open(folder / f"{name}.log", "wb") as log:
            words = [str(word) for word in words]
            programs.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
        return programs[-1]

    try:
        off = "--disable-runtime-dependency-installation"
        start("superlink", "flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", port, off)
        wait_for(port)
        sites = []
        for own in keys:
            private, box = folder / own.name, folder / own.name / "mailbox"
            box.mkdir(parents=True)
            own.save(private / "keys")
            np.savetxt(private / "rows.csv", tables[own.name], "%d", ",", header="age,stroke", comments="")
            # the program of the hospital
            words = ["--agreement", folder / "agreement.json", "--digest", agreement.digest, "--target", "stroke"]
            words += ["--keys", private / "keys", "--folder", private / "answers", "--timeout", "300"]
            words += ["--ledger", private / "ledger", "--ledger-budget", "2", "1e-5"]
            site = [sys.executable, "-m", "skdpflow", "site", private / "rows.csv", box]
            sites.append(start(f"site-{own.name}", *site, *words))
            # the node of Flower, which is told of the mailbox alone
            node = ["flower-supernode", "--insecure", "--superlink", link, "--port", free_port()]
            start(f"node-{own.name}", *node, "--node-config", f'site="{own.name}" mailbox="{box}"')
        given = {"agreement": folder / "agreement.json", "digest": agreement.digest, "release": folder / "release"}
        config = " ".join(f'{name}="{value}"' for name, value in given.items())
        run = ["flwr", "run", str(folder / "app"), "here", "--stream", "--run-config", config]
        subprocess.run(run, env=environment, check=True)
        for site in sites:
            site.wait(60)
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(60)
    return Release.load(folder / "release")


# %%
# What was spent
# --------------
# Each hospital sees in its own ledger what was debited, and checks that the debits cover the Release.

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        release = run_all(Path(temporary))
        flow = DPSlicedWassersteinFlow.from_release(release)
        print(*flow.sample_labeled(5, random_state=0), sep="\n")
        text = str(flow.privacy_statement()).splitlines()
        print("\n".join(text[text.index("Several holders:") : text.index("Sensitivity (L2, by what one row adds):")]))
        for name in release.federated.heads:
            ledger = PrivacyLedger.open(Path(temporary) / name / "ledger")
            ledger.verify([release])
            print(f"{name}: epsilon {ledger.spent():.3f} of {ledger.epsilon:g} spent at delta {ledger.delta:g}")
