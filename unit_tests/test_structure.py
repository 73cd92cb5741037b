"""components.py is read from top to bottom: its sections use what stands above them, and nothing outlives a sync."""

import ast
import gc
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec

import pytest

from scripts.streams import ROOT

TEXT = (ROOT / "components.py").read_text(encoding="utf-8")
SECTION = re.compile(r"^# ---- (.+)$", re.MULTILINE)
MUTATIONS = {
    "append",
    "add",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "update",
}


def uses_of_what_stands_below(text: str) -> list[str]:
    """Say which section uses a name that a later one defines, as `rows: Later`."""
    starts = {text.count("\n", 0, match.start()) + 1: match[1] for match in SECTION.finditer(text)}
    statements = ast.parse(text).body
    section_of = {id(node): max((line for line in starts if line <= node.lineno), default=0) for node in statements}
    defined = {name: section_of[id(node)] for node in statements for name in names_defined(node)}
    return [
        f"{starts.get(section_of[id(node)], 'head')}: {name}"
        for node in statements
        for name in dict.fromkeys(names_used(node))
        if defined.get(name, 0) > section_of[id(node)]
    ]


def names_defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def names_used(node: ast.AST) -> Iterator[str]:
    """Yield every name below a node, those in annotations of text included."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        for annotation in (getattr(inner, "annotation", None), getattr(inner, "returns", None)):
            for text in ast.walk(annotation) if annotation else ():
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield from names_used(ast.parse(text.value))


def state(text: str) -> list[str]:
    """Name what keeps something from one sync to the next: locks, caches, and tables that are written to."""
    tree = ast.parse(text)
    found = [
        name
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and re.match(r"threading\.|itertools\.count", call_of(node.value))
        for name in names_defined(node)
    ]
    names = {name for node in tree.body for name in names_defined(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found += node.names
        if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(each) for each in node.decorator_list):
            found.append(node.name)
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found += [name for name in names if ast.unparse(node.value) == name]
        if isinstance(node, ast.Attribute) and node.attr in MUTATIONS:
            found += [name for name in names if ast.unparse(node.value) == name]
        if isinstance(node, ast.ClassDef):
            found += [
                f"{node.name}.{'.'.join(names_defined(each))}"
                for each in node.body
                if isinstance(each, (ast.Assign, ast.AnnAssign))
                and isinstance(each.value, (ast.Dict, ast.List, ast.Set))
            ]
    return found


def call_of(value: ast.expr | None) -> str:
    return ast.unparse(value.func) if isinstance(value, ast.Call) else ""


def test_it_is_no_longer_than_a_newcomer_reads_in_an_hour() -> None:
    assert len(TEXT.splitlines()) <= 1_200
    assert len(TEXT.encode()) <= 51_200


def test_a_section_uses_only_what_stands_above_it() -> None:
    assert len(SECTION.findall(TEXT)) >= 8
    assert uses_of_what_stands_below(TEXT) == []


def test_one_semaphore_is_all_that_outlives_a_sync() -> None:
    assert state(TEXT) == ["_JOBS_AT_ONCE"]


def test_whatever_loads_it_searches_for_garbage_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = SourceFileLoader("components_of_a_home", str(ROOT / "components.py"))
    module = module_from_spec(ModuleSpec(loader.name, loader))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        loader.exec_module(module)
        assert gc.get_threshold()[0] == 200_000
    finally:
        gc.set_threshold(*before)


def test_no_signal_is_handled_and_no_reply_is_unmasked() -> None:
    tree = ast.parse(TEXT)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    asked = [ast.unparse(node) for node in ast.walk(tree) if call_of(node if isinstance(node, ast.expr) else None)]

    assert "signal" not in imported
    assert [call for call in asked if call.startswith("isinstance(") and "SpooledTemporaryFile" in call] == []


def test_the_development_page_lists_what_is_used_inside_the_framework() -> None:
    tree = ast.parse(TEXT)
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    table = page.partition("# What the source uses inside the framework\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", table))))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    inner = {alias.name for node in imports if str(node.module).startswith("airbyte_cdk.") for alias in node.names}
    own = set(own_names(tree))
    private = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr)
    }

    assert {"_parse_response", "_fetch_next_page"} <= private - own
    assert (inner | (private - own)) - listed == set()


def own_names(tree: ast.AST) -> Iterator[str]:
    """Yield the methods, fields and attributes that a module itself defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# ---- rows\ndef a(): return b()\n# ---- windows\ndef b(): ...\n", ["rows: b"]),
        ('# ---- rows\ndef a(window: "list[B]"): ...\n# ---- windows\nclass B: ...\n', ["rows: B"]),
        ("# ---- rows\ndef a() -> int: return b()\ndef b(): ...\n", []),
        ("def a(): return B\n# ---- windows\nB = 1\n", ["head: B"]),
    ],
)
def test_a_use_of_what_stands_below_is_found(text: str, found: list[str]) -> None:
    assert uses_of_what_stands_below(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A = threading.Lock()\n", ["A"]),
        ("A: dict[str, int] = {}\ndef a(): A['x'] = 1\n", ["A"]),
        ("A = []\ndef a(): A.append(1)\n", ["A"]),
        ("A = 1\ndef a():\n    global A\n    A = 2\n", ["A"]),
        ("@functools.lru_cache\ndef a(): ...\n", ["a"]),
        ("class A:\n    seen = {}\n", ["A.seen"]),
        ("A = {'x': 1}\ndef a(): return A['x']\n", []),
    ],
)
def test_state_is_found(text: str, found: list[str]) -> None:
    assert state(text) == found
