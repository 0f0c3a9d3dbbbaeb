"""Only the doors may import the curator."""

import importlib
import tomllib
from pathlib import Path
from types import ModuleType

import skdpflow
import skdpflow._flow.rows

PACKAGE = Path(skdpflow.__file__).parent
#: The modules that may hand rows to the curator, as the import contracts of pyproject.toml say.
DOORS = {
    "_flow/rows.py",
    "compose/_steps.py",
    "domain/domain.py",
    "federation/site.py",
    "model_selection/_score.py",
    "model_selection/_search.py",
    "preprocessing/_base.py",
}


def modules():
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_the_doors_are_those_of_the_import_contracts():
    with (PACKAGE.parent / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (allowed,) = (c["allowed_importers"] for c in contracts if c["id"] == "rows")
    assert {"skdpflow/" + door for door in DOORS} == {name.replace(".", "/") + ".py" for name in allowed}


def test_no_other_module_holds_anything_of_the_curator():
    """However it came there: what modules hold when all of them are imported."""
    held = []
    for path in modules():
        name = ".".join(["skdpflow", *path.removesuffix(".py").split("/")]).removesuffix(".__init__")
        if path.startswith("curator/") or path in DOORS or path.endswith("__main__.py"):
            continue
        for key, value in vars(importlib.import_module(name)).items():
            origin = getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", None)
            if str(origin).startswith("skdpflow.curator") and (name, key) != ("skdpflow", "curator"):
                held.append((name, key))
    assert held == []


def test_the_curator_is_not_public():
    assert "curator" not in skdpflow.__all__
