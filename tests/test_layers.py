"""Imports point down the layers, siblings never meet, and the engine knows no Einsum by name."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from einsim.spec import library

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "einsim"
# Lowest first; those of one row are siblings and must not import each other.
LAYERS = [
    {"errors", "extras", "units", ""},
    {"cascade"},
    {"spec", "analysis"},
    {"schedule"},
    {"model", "rtl"},
    {"mapper", "binder"},
    {"explore", "cosim"},
    {"report"},
    {"cli", "__main__"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(part: str) -> int:
    return next(level for level, parts in enumerate(LAYERS) if part in parts)


def part_of(module: str) -> str:
    """`einsim.cascade.ir` -> `cascade`; `einsim` itself -> ``."""
    return [*module.split("."), ""][1]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" if module == "einsim" else module for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] == "einsim"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0] if len(relative.parts) > 1 else relative.stem.replace("__init__", "")
    for name in imported(path):
        other = part_of(name)
        if other.startswith("__"):
            continue
        below = layer_of(other) < layer_of(own) or layer_of(other) == layer_of(own) == 0
        assert below or own in {other, "__main__"}, f"{relative} ({own}) imports {name} ({other})"


def test_every_folder_has_a_layer():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert folders <= set().union(*LAYERS)


def test_no_module_cycles():
    graph = {module_name(path): imported(path) for path in MODULES}
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if state.get(name) == 2 or name not in graph:
            return
        assert state.get(name) != 1, " -> ".join((*trail, name))
        state[name] = 1
        for other in graph[name]:
            if other != name:
                visit(other, (*trail, name))
        state[name] = 2

    for name in graph:
        visit(name, ())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_only_the_edges_touch_the_disk():
    allowed = {
        "spec/library.py",
        "explore/store.py",
        "explore/tables.py",
        "explore/segments.py",
        "report/drawing.py",
        "model/cycle/codefile.py",
    }
    allowed |= {f"rtl/{name}.py" for name in ("builds", "liberty", "timing", "verilator", "yosys")}
    pattern = re.compile(r"\bopen\(|read_text|read_bytes|write_text\(|write_bytes|\.mkdir\(|\.unlink\(")
    for path in MODULES:
        relative = str(path.relative_to(PACKAGE))
        if relative.startswith("cli/") or relative in allowed or relative == "cascade/syntax.py":
            continue
        assert not pattern.search(path.read_text()), relative


def shipped_names() -> set[str]:
    """Names that belong to data files: Einsums with names of their own, and the paper's configurations."""
    names = {"fusemax", "FuseMax"}
    for cascade_name in library.names("cascade"):
        cascade = library.load_cascade(cascade_name)
        names |= {einsum.name for einsum in cascade.einsums if len(einsum.name) > 2}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_engine_names_no_einsum(path):
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    words = {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        for word in re.findall(r"[A-Za-z0-9_]+", node.value)
    }
    words |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not words & shipped_names()


def test_files_are_rooms():
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 450} == {}


def test_no_command_loads_what_it_may_not_need():
    """Libraries that are slow to import wait until there is a figure, a table or a problem for them."""
    slow = ["matplotlib", "polars", "numba", "ortools", "optuna", "duckdb", "distributed", "onnx", "sympy"]
    modules = [module_name(path) for path in sorted((PACKAGE / "cli").glob("*.py"))]
    code = f"import sys\nfor m in {modules}: __import__(m)\nprint([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
