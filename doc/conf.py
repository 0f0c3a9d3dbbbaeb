"""Sphinx configuration. The build is offline: no intersphinx inventories are fetched."""

import sys
import tomllib
from pathlib import Path

import skdpflow

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skdpflow"
author = "skdpflow developers"
copyright = "2026, skdpflow developers"
version = release = skdpflow.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # the site must work without a network
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "tables"]
default_role = "literal"

# One page per public name: what a package lists in __all__ is what is documented.
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"  # fit() and not DPSlicedWassersteinFlow.fit() in the margin
numpydoc_show_class_members = False

pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
numpydoc_validation_checks = set(pyproject["tool"]["numpydoc_validation"]["checks"])
numpydoc_validation_exclude = set(pyproject["tool"]["numpydoc_validation"]["exclude"])

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "within_subsection_order": "gallery_order.ReadingOrder",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "doc_module": ("skdpflow",),
    "reference_url": {"skdpflow": None},
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skdpflow"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "header_links_before_dropdown": 6,
    "show_nav_level": 2,
}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"index": [], "first_table": []}  # pages without pages below them


def skip_members_of_other_libraries(app, what, name, obj, skip, options):
    """Leave out what classes inherit from other libraries: its text links into their manuals."""
    found = getattr(obj, "fget", None) or getattr(obj, "__objclass__", obj)  # a property; a method of a built-in class
    module = getattr(found, "__module__", None)
    generated = name.startswith("set_") and name.endswith("_request")  # by scikit-learn
    return True if generated or (module is not None and not module.startswith("skdpflow")) else None


def setup(app):
    app.connect("autodoc-skip-member", skip_members_of_other_libraries)
