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
import re
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
    name for module in (asyncio, collections.abc, ipaddress, types, typing) for name in dir(module) if name[0].isupper()
}
# Aliases that a signature shows by name, and that are spelled out nowhere else.
ALIASES = ("JSON", "What", "vrrpkit.sync._dual_stack.Settings", "vrrpkit.checks._http_expect.HTTPAnswer")
nitpick_ignore = [("py:class", name) for name in sorted(OUTSIDE_NAMES.union(ALIASES))]
nitpick_ignore_regex = [
    ("py:.*", rf"({'|'.join(sorted(OUTSIDE))})\..*"),
    ("py:(class|obj)", r"(.*\.)?_?[A-Z](_co|_contra|s)?"),  # type variables
]

# The modules with a page under reference/. A name is described on the first page that exports it.
PUBLIC = (
    "vrrpkit.errors",
    "vrrpkit.addresses",
    "vrrpkit.machine",
    "vrrpkit.packet",
    "vrrpkit.election",
    "vrrpkit.announce",
    "vrrpkit.keeping",
    "vrrpkit.stats",
    "vrrpkit.tracking",
    "vrrpkit.sync",
    "vrrpkit.ipvs",
    "vrrpkit.pool",
    "vrrpkit.checks",
    "vrrpkit.commands",
    "vrrpkit.runtime",
    "vrrpkit.trackers",
    "vrrpkit.notifications",
    "vrrpkit.lvs",
    "vrrpkit.linux",
    "vrrpkit.testing",
    "vrrpkit",
)
EXPORTS = {
    module: {name: getattr(importlib.import_module(module), name) for name in importlib.import_module(module).__all__}
    for module in PUBLIC
}
# Where a bare name leads to. Two machines have an `Event` and an `Action`; the election's are meant then.
HOMES: dict[str, str] = {}
for _module, _names in EXPORTS.items():
    for _name in _names:
        HOMES.setdefault(_name, _module)

# What only other parts of the package call: it takes and returns what is not public.
INTERNAL = {
    "AddressKeeper": frozenset({"use", "hold", "install", "release", "abandon", "sweep"}),
    "LinkWatcher": frozenset({"link", "links"}),
    "ProcessTracker": frozenset({"scanned", "changed"}),
    "RouterGroup": frozenset({"admit", "dismiss", "post_of", "review"}),
}


def home_of(name: str, value: object) -> str:
    """The first module that exports this very thing under this name."""
    return next(module for module, names in EXPORTS.items() if names.get(name, EXPORTS) is value)


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
        page = app.env.docname.rpartition("/")[2]
        return home_of(name, obj) not in {page, f"vrrpkit.{page}"}
    owner = getattr(obj, "__qualname__", "").rpartition(".")[0]
    if name in INTERNAL.get(owner, ()):
        return True
    return False if isinstance(obj, enum.Enum) else None


def prepare(app: "Sphinx", what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make reStructuredText of our docstrings, before napoleon reads them.

    An indented paragraph is code, a plural may follow a name at once, and a colon in the first line of a property
    does not separate its type.
    """
    del app, name, obj, options
    lines[:] = [*literal_blocks(re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line) for line in lines)]
    if what in {"attribute", "property", "data"} and lines and ":" in lines[0]:
        lines.insert(0, "\\ ")  # nothing, but it has no colon


def literal_blocks(lines: collections.abc.Iterable[str]) -> collections.abc.Iterator[str]:
    """Announce what is indented after an empty line as code."""
    before, gap = "", False
    for line in lines:
        if line.startswith(" ") and gap and before and not before.startswith(" "):
            yield from ("::", "")
        yield line
        gap = not line.strip()
        before = before if gap else line


def complete(app: "Sphinx", what: str, name: str, obj: types.ModuleType, options: object, lines: list[str]) -> None:
    """Add to a module's docstring what autodoc passes over: headline names, type aliases, constants."""
    del app, options
    if what != "module":
        return
    exports = EXPORTS[name]
    homes = {export: home_of(export, value) for export, value in exports.items()}
    lines += ["", *(f"* :py:obj:`{home}.{export}`" for export, home in homes.items() if home != name), ""]
    for export, value in exports.items():
        if homes[export] != name:
            continue
        if isinstance(value, typing.NewType):
            about = ["", *comment(export), "", f"A type of its own for {restify(value.__supertype__, 'smart')}."]
        elif isinstance(value, types.UnionType | types.GenericAlias) or typing.get_origin(value) is not None:
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
    app.connect("autodoc-process-docstring", prepare, priority=400)
    app.connect("autodoc-process-docstring", complete)
