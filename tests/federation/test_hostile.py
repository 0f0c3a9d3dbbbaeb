"""Requests, files and parameters that are made to get more out of a site than it states."""

import os
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from skdpflow import Domain, Interval
from skdpflow.curator.gate import admit
from skdpflow.curator.shares import sums_of
from skdpflow.curator.sketch import sketch_rows
from skdpflow.exceptions import FederationError
from skdpflow.federation.mailbox import Mailbox
from skdpflow.federation.messages import Answer, Wanted
from skdpflow.federation.shares import Share
from skdpflow.federation.site import SiteRows
from skdpflow.latent.rank import DRAWN, Layout, RankTransform
from skdpflow.release.federated import Federated

from .conftest import DOMAIN
from .test_site import COUNTS, question, refusal

TWO = Domain({"a": Interval(0, 999, integer=True), "b": Interval(0, 9, integer=True)})


def latent(domain):
    layouts = [Layout.of(column) for column in domain.columns]
    edges = [np.array([0.0, layout.n_levels]) for layout in layouts]
    none = [np.zeros((0, 2))] * len(layouts)
    return RankTransform(edges, [np.array([0.0, 1.0])] * len(layouts), [None] * len(layouts), none, layouts).to_params()


def sums(n, kind, params):
    table = pd.DataFrame({"a": np.full(n, 3), "b": np.full(n, 3)})
    query = sums_of([(kind, params)], TWO, None)
    (sketch,) = sketch_rows(admit(SiteRows(), table, None, domain=TWO, target=None), query, 1)
    return sketch.apply(lambda values: values), query.statistics[0].sensitivity("add-remove")


def test_edges_that_are_very_far_apart_do_not_make_a_row_move_others():
    far = np.array([-1.7e308, *np.linspace(1.2e308, 1.7e308, 6)])
    params = {
        **latent(TWO),
        "n_components": 1,
        "pair_columns": np.array([0, 1]),
        "pair_edges": np.concatenate([far, [5.0]]),
        "pair_edge_sizes": np.array([7, 1]),
        "pairs": np.array([[0, 1]]),
    }
    with np.errstate(over="ignore"):
        found = [sums(n, "pairs", params) for n in range(28, 40)]
    for (values, sensitivity), (more, _) in pairwise(found):
        assert np.linalg.norm(more - values) <= sensitivity


@pytest.mark.parametrize(
    "changed",
    [
        # one code is treated in another way than all others, which takes as long or as much memory as one likes
        {"latent_levels": [[-(2**45), 0, -1], [10, 10, -1]], "latent_homes": [0] * 7 + [DRAWN, 0, 0, DRAWN],
         "latent_home_sizes": [8, 3]},
        {"latent_levels": [[1000, 999, -1], [10, 10, -1]]},
        {"latent_levels": [[1000, 1000, 5], [10, 10, -1]]},
        {"latent_homes": [0, 2000, DRAWN, 0, 9, DRAWN]},
        {"latent_orders": [1, 1], "latent_order_sizes": [0, 2]},
    ],
)  # fmt: skip
def test_a_latent_space_of_other_columns_is_refused(changed):
    mean = {"n_components": 1, "radius": 4.0, "steps": 16}
    sums_of([("mean", {**latent(TWO), **mean})], TWO, None)
    with pytest.raises(ValueError, match="latent space"):
        sums_of([("mean", {**latent(TWO), **mean, **{k: np.array(v) for k, v in changed.items()}})], TWO, None)


WRAPPING = [
    np.array([0, 500, 3, 900, 2], dtype=np.uint64),
    np.array([100, -56, 44], dtype=np.int8),
    np.array([2**62, -(2**62) - 9]),
    np.array([True, False, True]),
]


@pytest.mark.parametrize("edges", WRAPPING, ids=lambda edges: edges.dtype.name)
def test_edges_that_do_not_increase_are_refused_whatever_their_dtype(edges):
    """Their differences wrap, or are those of truth values; a search among them depends on what else is searched."""
    params = {**latent(TWO), "n_components": 1, "pair_columns": np.array([0, 1]), "pairs": np.array([[0, 1]])}
    params |= {"pair_edges": edges, "pair_edge_sizes": np.array([len(edges), 0])}
    with pytest.raises(ValueError, match="must hold"):
        sums_of([("pairs", params)], TWO, None)
    mean = {**latent(TWO), "n_components": 1, "radius": 4.0, "steps": 16}
    mean["latent_sizes"] = np.array([2, len(edges)])
    mean["latent_cdf"] = np.array([0.0, 1.0, *np.linspace(0.0, 1.0, len(edges))])
    mean["latent_edges"] = np.append(np.array([0, 1], dtype=edges.dtype), edges)
    with pytest.raises(ValueError, match="must hold"):
        sums_of([("mean", mean)], TWO, None)


def test_no_cell_decides_whether_a_request_fails():
    """Levels and steps beyond those of any distribution made the place of a drawn cell no number."""
    domain = Domain({"a": Interval(0, 9, integer=True, nullable=True), "b": Interval(0, 9, integer=True)})
    mean = {"n_components": 1, "radius": 4.0, "steps": 16, **latent(domain)}
    mean["latent_sizes"] = np.array([5, 2])
    edges = np.array([0.0, 10.0, np.nextafter(10.0, 11.0), 10.5, 11.0, 0.0, 10.0])
    far = {"latent_edges": edges, "latent_cdf": np.array([0.0, 0.1, 1.7e308, 1.71e308, 1.72e308, 0.0, 1.0])}
    with pytest.raises(ValueError, match="levels from 0 to 1"):
        sums_of([("mean", {**mean, **far})], domain, None)
    mean["latent_levels"] = np.array([[10, 11, 0], [10, 10, -1]])
    mean["latent_homes"] = np.array([0, 9, DRAWN, 0, 9, DRAWN])
    mean["latent_edges"] = np.array([0.0, 5e-324, 1.0, 2.0, 11.0, 0.0, 10.0])
    mean["latent_cdf"] = np.array([0.0, 0.1, 0.2, 0.3, 1.0, 0.0, 1.0])
    with np.errstate(all="ignore"):
        query = sums_of([("mean", mean)], domain, None)
    table = pd.DataFrame({"a": np.full(60, 3.0), "b": np.full(60, 3)})
    table = table.astype({"a": object})
    for cell in (3.0, 99.0, np.nan, -np.inf, "none"):
        table.loc[7, "a"] = cell
        (sketch,) = sketch_rows(admit(SiteRows(), table, None, domain=domain, target=None), query, 1)
        assert sketch.apply(np.shape) == (1, 2)


def test_a_column_that_is_named_again_is_refused():
    """Each time takes memory for every row, so how many rows there are would decide what fails."""
    again = {
        "n_components": 1,
        "columns": np.array([0, 1, 0]),
        "edges": np.tile([0, 5], 3),
        "edge_sizes": np.full(3, 2),
    }
    with pytest.raises(ValueError, match="each column once"):
        sums_of([("histograms", again)], TWO, None)
    again = {**latent(TWO), "n_components": 1, "pair_columns": np.array([0, 0]), "pairs": np.array([[0, 1]])}
    again |= {"pair_edges": np.array([5.0, 5.0]), "pair_edge_sizes": np.array([1, 1])}
    with pytest.raises(ValueError, match="each column once"):
        sums_of([("pairs", again)], TWO, None)


def test_many_directions_take_no_more_memory_for_a_row_than_some():
    params = {**latent(TWO), "n_components": 1, "directions": np.ones((1, 2, 2**11), dtype=np.int64)}
    params["slice_edges"] = np.zeros((1, 2**11, 1), dtype=np.int64)
    query = sums_of([("slices", params)], TWO, None)
    source = admit(SiteRows(), pd.DataFrame({"a": np.full(2**12, 3), "b": 3}), None, domain=TWO, target=None)
    tracemalloc.start()
    (sketch,) = sketch_rows(source, query, 1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24  # all at once would be 2**26
    assert sketch.apply(lambda values: np.unique(values.sum(axis=-1))).tolist() == [2**12]


def test_a_centre_of_fewer_columns_is_refused():
    params = {"centre": np.array([0]), "levels": np.array([12]), "n_components": 1}
    params |= {"directions": np.full((1, 2, 1), 2**40), "slice_edges": np.array([[[0]]])}
    with pytest.raises(ValueError, match="do not fit"):
        sums_of([("slices", params)], TWO, None)


def test_columns_are_counted_from_the_first():
    for kind in ("histograms", "location"):
        params = {"n_components": 1, "columns": np.array([-1]), "edges": np.array([0, 5]), "edge_sizes": np.array([2])}
        with pytest.raises(ValueError, match="from 0"):
            sums_of([(kind, params)], DOMAIN, None)


@pytest.mark.parametrize("multiplier", [5e-324, 1e-300, 1e-12, 1e300, 1.7e308])
def test_noise_that_cannot_be_drawn_is_refused_unpaid(parties, multiplier):
    site = parties.site("east")
    assert refusal(site, question(site, replace(COUNTS, multiplier=multiplier))) is not None
    assert site.ledger.events == ()


def test_a_share_of_almost_no_noise_is_refused():
    with pytest.raises(FederationError, match="64 bits"):
        Share.of(5e-324, 1.0, 2, 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_links_and_pipes_in_a_mailbox_are_no_messages(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    folder = tmp_path / "box"
    folder.mkdir()
    box, number = Mailbox(folder), "0" * 64
    os.mkfifo(folder / "pipe.request")
    (folder / "folder.request").mkdir()
    (folder / "link.request").symlink_to(secret)
    assert box.requests() == []
    (folder / f"{number}.east.answer").symlink_to(secret)  # after the site has looked whether there is an answer
    box.put(number, "east", b"answer")
    (folder / "f.end").symlink_to(secret)
    box.end("f")
    assert secret.read_bytes() == b"mine"
    assert (folder / f"{number}.east.answer").read_bytes() == b"answer"


def test_fewer_pooling_sites_have_more_shares_to_learn_rounding_errors_from():
    from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent, SlackEvent

    five = tuple("abcde")
    federated = Federated("00", "01", five, 4, (five,), 0, {})
    cap = ComposedEvent((GaussianEvent(2.0), SlackEvent(1e-3, 1e-8)))
    against_all = ComposedEvent((GaussianEvent(2.0 * 5**0.5), SlackEvent(5e-3, 5e-8)))
    assert federated.epsilon_against(0, cap, 1e-6) == pytest.approx(
        GaussianDPAccountant().epsilon(against_all, 1e-6), rel=1e-12
    )
    assert federated.epsilon_against(4, cap, 1e-6) == GaussianDPAccountant().epsilon(cap, 1e-6)


def test_a_request_that_mixes_statistics_of_one_array_stays_within_its_sensitivity(parties):
    """Arrays of a message may be shared by statistics, which cache what they derive from them."""
    site = parties.site("east")
    wanted = Wanted("m", "mean", 12.0, {"n_components": 2, "centre": np.zeros(3, dtype=np.int64),
                                        "levels": np.ones(3, dtype=np.int64), "radius": 2.0, "steps": 4})  # fmt: skip
    answer = Answer.from_bytes(site.answer(question(site, wanted, replace(wanted, name="n")).to_bytes()))
    assert answer.refused is None
    assert [values.shape for values in answer.sums] == [(2, 3)] * 2
