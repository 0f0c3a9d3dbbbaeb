"""Objects as notebooks and browsers show them: one style, no script, nothing from elsewhere, names escaped."""

import re

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Constant, Domain, DPSlicedWassersteinFlow, Interval, Key, PrivacyLedger
from skdpflow import _html as html
from skdpflow.accountants import GaussianEvent

EVIL = "<script>alert('x')</script> & co"


@pytest.fixture(scope="module")
def shown():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": "P1", "site": "A", EVIL: rng.uniform(size=500), "ward": rng.choice(["A", EVIL], 500)})
    y = pd.Series(rng.choice([EVIL, "b"], 500), name="out_come")
    domain = Domain({"id": Key("P{}"), "site": Constant("A"), EVIL: Interval(0, 1), "ward": Categories(["A", EVIL])})
    ledger = PrivacyLedger(epsilon=4.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(1.0, domain=domain, target=Categories([EVIL, "b"]), ledger=ledger).fit(X, y)
    ledger.debit(GaussianEvent(9.0), EVIL, neighbours="add-remove")
    report, statement = flow.quality_report(random_state=0), flow.privacy_statement()
    return {
        "domain": domain,
        "release": flow.release_,
        "ledger": ledger,
        "statement": statement,
        "report": report,
    }


@pytest.mark.parametrize("name", ["domain", "release", "ledger", "statement", "report"])
def test_they_are_self_contained_and_escaped(shown, name):
    text = shown[name]._repr_html_()
    assert text.startswith("<style>")
    assert 'class="skdpflow"' in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
    assert text.count("<table") == text.count("</table>")
    assert text.count("<details") == text.count("</details>")


def words(text):
    return " ".join(re.sub("<[^>]+>", " ", text[text.index("<h1>") :]).split())


def test_a_domain_tells_its_columns():
    text = words(Domain({"age": Interval(17, 90, integer=True)}, constraints=["age > 20"])._repr_html_())
    assert text == "Domain of 1 column column may hold age whole numbers from 17 to 90 In every row: age &gt; 20"
    many = Domain({f"x{j}": Interval(0, 1) for j in range(100)})._repr_html_()
    assert "70 more columns" in many
    assert many.count("<tr>") == 102


def test_a_release_tells_its_guarantee_and_measurements(shown):
    text = words(shown["release"]._repr_html_())
    assert "(1, 1e-06)-differentially private, neighbours: add-remove" in text
    assert f"{len(shown['release'].measurements)} measurements" in text
    assert shown["release"].ledger in text
    assert "Target out_come: 2 values" in text


def test_seeded_releases_are_marked():
    with pytest.warns(UserWarning, match="noise_random_state"):
        flow = DPSlicedWassersteinFlow(domain=(0, 1), noise_random_state=0).fit(
            np.random.default_rng(0).random((99, 1))
        )
    text = flow.release_._repr_html_()
    assert 'class="notice"' in text
    assert "NOT PRIVATE" in text
    assert "-differentially private" not in text


def test_a_ledger_tells_what_is_spent(tmp_path):
    ledger = PrivacyLedger(tmp_path / "p.ledger", epsilon=2.0, delta=1e-5)
    assert "Nothing was debited yet" in ledger._repr_html_()
    for i in range(15):
        ledger.debit(GaussianEvent(20.0), f"fit {i}", neighbours="add-remove")
    text = words(ledger._repr_html_())
    assert f"spent: epsilon = {ledger.spent():.4g} of 2" in text
    assert text.index("fit 14") < text.index("fit 13")
    assert "3 earlier" in text
    assert "part site=A" in ledger.part("site", "A")._repr_html_()
    (tmp_path / "p.ledger").write_bytes(b"x" * 2000)
    assert 'class="notice"' in ledger._repr_html_()


def test_numbers_are_aligned_and_dates_are_not():
    text = html.table(("when", "n"), [("2024-02-29", "1,000"), ("2024-03-01", "<1e-9")])
    assert text.count("<td class=n>") == 2
    assert html.table(("a",), [("x_y",)]).count("x_<wbr>y") == 1


def test_meters_stay_within_their_frame():
    assert 'style="width:100%"' in html.meter(1.7, "over")
    assert "over" in html.meter(1.7, "")
    assert 'style="width:0%"' in html.meter(-1.0, "")
