"""A fitted flow goes into a file and comes back, without pickle."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from skops import io as skops

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.accountants import ZCDPAccountant
from skdpflow.exceptions import ReleaseError
from skdpflow.projections import OrthogonalProjections

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(300, 2)), RNG.integers(2, size=300)
PARAMETERS = {
    "domain": Domain({"a": Interval(0, 1), "b": Interval(0, 1, nullable=True)}),
    "target": Categories([0, 1]),
    "projections": OrthogonalProjections(),
    "accountant": ZCDPAccountant(),
    "n_particles": 500,
    "random_state": 3,
}


@pytest.fixture(scope="module")
def flow():
    return DPSlicedWassersteinFlow(epsilon=3.0, **PARAMETERS).fit(X, Y)


def saved(flow):
    file = io.BytesIO()
    flow.save(file)
    return file


def test_samples_and_parameters_are_the_same(flow, tmp_path):
    flow.save(tmp_path / "flow.skdp")
    again = DPSlicedWassersteinFlow.load(tmp_path / "flow.skdp")
    for one, two in zip(*(f.sample_labeled(50, random_state=1) for f in (flow, again)), strict=True):
        assert np.array_equal(one, two, equal_nan=True)
    assert repr(again) == repr(clone(flow).set_params(random_state=None))
    assert again.privacy_spent_ == flow.privacy_spent_
    assert again.refit().release_["counts"].values.tolist() == flow.release_["counts"].values.tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epsilon", -1.0),
        ("delta", 2.0),
        ("neighbours", "near"),
        ("accountant", "mine"),
        ("mechanism", 7),
        ("projections", "all"),
        ("n_jobs", 0),
        ("verbose", "much"),
        ("n_steps", -1),
        ("target", 5),
        ("domain", [1]),
    ],
)
def test_a_file_with_a_wrong_parameter_is_refused(flow, name, value):
    with zipfile.ZipFile(saved(flow)) as z:
        members = {member: z.read(member) for member in z.namelist()}
    header = json.loads(members["parameters.json"])
    header["parameters"][name] = value
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        for member, data in {**members, "parameters.json": json.dumps(header)}.items():
            z.writestr(member, data)
    with pytest.raises((ValueError, TypeError), match=f"The '{name}' parameter of DPSlicedWassersteinFlow must be"):
        DPSlicedWassersteinFlow.load(file)
    with pytest.raises((ValueError, TypeError), match=f"The '{name}' parameter of DPSlicedWassersteinFlow must be"):
        DPSlicedWassersteinFlow.load(saved(flow), **{name: value})


def test_a_release_file_is_a_flow_too(flow):
    file = io.BytesIO()
    flow.release_.save(file)
    again = DPSlicedWassersteinFlow.load(file, verbose=2)
    assert again.verbose == 2
    assert np.array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0), equal_nan=True)


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_seeds_and_foreign_objects_stay_out(flow):
    class Mine(OrthogonalProjections):
        pass

    with zipfile.ZipFile(saved(clone(flow).set_params(projections=Mine()).fit(X, Y))) as z:
        names, text = z.namelist(), z.read("parameters.json")
    assert names == ["parameters.json", "release.npz"]
    assert {"random_state", "noise_random_state", "projections"}.isdisjoint(json.loads(text)["parameters"])


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"format_version": 1', '"format_version": 2', "version 1"),
        ("OrthogonalProjections", "Popen", "class that skdpflow does not have"),
        ('"parameters"', '"other"', "could not be read"),
        ("OrthogonalProjections", "draw_directions", "class that skdpflow does not have"),
        ('"parameters": {', '"parameters": {"noise_random_state": 1,', "names a seed"),
        ('"parameters": {', '"parameters": {"random_state": 1,', "names a seed"),
    ],
)
def test_other_files_are_refused(flow, old, new, match):
    with zipfile.ZipFile(saved(flow)) as z:
        members = {name: z.read(name) for name in z.namelist()}
    assert old.encode() in members["parameters.json"]
    members["parameters.json"] = members["parameters.json"].replace(old.encode(), new.encode())
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        for name, data in members.items():
            z.writestr(name, data)
    with pytest.raises(ReleaseError, match=match):
        DPSlicedWassersteinFlow.load(file)
    with pytest.raises(
        ReleaseError, match=r"could not be read .*Give the file that `save`, Release.save or the option"
    ):
        DPSlicedWassersteinFlow.load(io.BytesIO(b"nothing"))


def test_skops_stores_and_restores_a_fitted_flow(flow):
    data = skops.dumps(flow)
    trusted = skops.get_untrusted_types(data=data)
    assert all(name.startswith(("skdpflow.", "numpy.")) for name in trusted)
    again = skops.loads(data, trusted=trusted)
    assert np.array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0), equal_nan=True)


def test_skops_keeps_constraints():
    domain = Domain({"a": Interval(0, 9), "b": Interval(0, 9)}, constraints=["a <= b"])
    data = skops.dumps(domain)
    assert skops.loads(data, trusted=skops.get_untrusted_types(data=data)) == domain


def test_a_file_that_unpacks_to_too_much_is_refused(flow, monkeypatch):
    monkeypatch.setattr("skdpflow._flow.files._MAX_RELEASE", 100)
    with pytest.raises(ReleaseError, match="larger"):
        DPSlicedWassersteinFlow.load(saved(flow))


def test_a_file_is_read_without_pickle(flow, capsys):
    class Loud:
        def __reduce__(self):
            return print, ("unpickled",)

    for name in ("parameters.json", "release.npz"):
        with zipfile.ZipFile(saved(flow)) as z:
            members = {**{name: z.read(name) for name in z.namelist()}, name: pickle.dumps(Loud())}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as z:
            for member, data in members.items():
                z.writestr(member, data)
        with pytest.raises(ReleaseError):
            DPSlicedWassersteinFlow.load(file)
    assert capsys.readouterr().out == ""


def test_equal_flows_make_equal_files(monkeypatch):
    flow = DPSlicedWassersteinFlow(domain=(0, 1), n_particles=64).fit(np.full((50, 1), 0.5))
    files = []
    for year in (2001, 2026):
        monkeypatch.setattr("time.localtime", lambda *args, year=year: (year, 1, 2, 3, 4, 5, 0, 2, 0))
        flow.save(buffer := io.BytesIO())
        files.append(buffer.getvalue())
    assert files[0] == files[1]
