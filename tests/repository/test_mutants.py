"""The list of planted mistakes names texts and tests that exist."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]


def names_in(path):
    """The functions and classes of a module, with those of its classes as `Class::method`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef))


def exists(test):
    file, _, name = test.partition("::")
    return (ROOT / file).is_file() and (not name or name.partition("[")[0] in names_in(ROOT / file))


def test_each_test_that_should_notice_a_mistake_exists():
    assert [test for mutant in MUTANTS for test in mutant["tests"] if not exists(test)] == []


def test_each_mistake_can_be_planted_in_one_place():
    found = {m["name"]: (ROOT / m["file"]).read_text(encoding="utf-8").count(m["old"]) for m in MUTANTS}
    assert {name: count for name, count in found.items() if count != 1} == {}
