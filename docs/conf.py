"""Sphinx configuration: MyST pages, furo, and a reference made from the docstrings.

Everything is checked (-n) and works without a network, so other projects are not linked: names that
belong to them are told apart from dead references by `OUTSIDE` and `OUTSIDE_NAMES` below.
"""

import asyncio
import collections.abc
import contextlib
import enum
import importlib
import importlib.metadata
import ipaddress
import sys
import types
import typing
from typing import TYPE_CHECKING

from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.typing import restify

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "vrrpkit"
author = "the vrrpkit authors"
copyright = f"2026, {author}"
release = importlib.metadata.version("vrrpkit")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "changelog.d"]

html_theme = "furo"
html_title = f"vrrpkit {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "code"  # docstrings write `code` with single backticks
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

OUTSIDE = sys.stdlib_module_names | {"aiohttp", "attr", "attrs", "pyroute2"}
OUTSIDE_NAMES = {
    name
    for module in (asyncio, collections.abc, ipaddress, types, typing)
    for name in dir(module)
    if name[0].isupper()
}
nitpick_ignore = [("py:class", name) for name in sorted(OUTSIDE_NAMES)]
nitpick_ignore_regex = [
    ("py:.*", rf"({'|'.join(sorted(OUTSIDE))})\..*"),
    ("py:(class|obj)", r"(.*\.)?_?[A-Z](_co|_contra)?"),  # type variables
]

# The packages with a page under reference/. A name is described on the first page that exports it.
PUBLIC = (
    "vrrpkit.packet",
    "vrrpkit.election",
    "vrrpkit.announce",
    "vrrpkit.runtime",
    "vrrpkit.linux",
    "vrrpkit.testing",
    "vrrpkit",
)
HOMES: dict[str, str] = {}
for _module in PUBLIC:
    for _name in importlib.import_module(_module).__all__:
        HOMES.setdefault(_name, _module)


def find_home(
    app: "Sphinx", env: "BuildEnvironment", node: "pending_xref", contnode: "TextElement"
) -> "Element | None":
    """Link a bare name, or one that was read in a private module, to the page of its public home."""
    if node.get("refdomain") != "py":
        return None
    owner, _, name = node["reftarget"].rpartition(".")
    outer = owner.rpartition(".")[2]  # the class, if the name is one of its members
    if name in HOMES:
        target = f"{HOMES[name]}.{name}"
    elif outer in HOMES:
        target = f"{HOMES[outer]}.{outer}.{name}"
    else:
        return None
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def choose(app: "Sphinx", what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Describe each exported name, on one page only, and each member of an enum, documented or not."""
    del skip, options
    if what == "module":
        return app.env.docname == "reference/vrrpkit" and HOMES.get(name) != "vrrpkit"
    return False if isinstance(obj, enum.Enum) else None


def complete(
    app: "Sphinx", what: str, name: str, obj: types.ModuleType, options: object, lines: list[str]
) -> None:
    """Add to a package's docstring what autodoc passes over: headline names, type aliases, constants."""
    del app, options
    if what != "module":
        return
    elsewhere = [export for export in obj.__all__ if HOMES.get(export, name) != name]
    lines += ["", *(f"* :py:obj:`{HOMES[export]}.{export}`" for export in elsewhere), ""]
    for export in sorted(set(obj.__all__).difference(elsewhere)):
        value = getattr(obj, export)
        if isinstance(value, types.UnionType | types.GenericAlias):
            about = ["", *comment(export), "", f"Alias of {restify(value, 'smart')}."]
        elif not isinstance(value, type) and not callable(value):
            about = [f":value: {value!r}", "", *comment(export)]
        else:
            continue  # a class or a function
        lines += [f".. py:data:: {export}", *(f"   {line}" for line in about), ""]


def comment(name: str) -> list[str]:
    """Find what the source says about an alias or a constant: a string below it, or a #: comment above."""
    for module in sorted(filter(lambda module: module.startswith("vrrpkit."), sys.modules)):
        with contextlib.suppress(PycodeError):
            found = ModuleAnalyzer.for_module(module).find_attr_docs()
            if ("", name) in found:
                return found["", name]
    return []


def setup(app: "Sphinx") -> None:
    """Register the functions above."""
    app.connect("missing-reference", find_home)
    app.connect("autodoc-skip-member", choose)
    app.connect("autodoc-process-docstring", complete)
