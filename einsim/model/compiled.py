"""Kernels, compiled: modules of plain functions, loaded a second time with every function a numba dispatcher.

The source stands once. Calls between kernels, of one module or of several, are compiled calls; machine code is
cached on disk.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from einsim.model import kernels


@lru_cache(maxsize=8)
def compiled(modules: tuple[ModuleType, ...]) -> ModuleType:
    """A copy of the last of some modules with its functions and those it takes from the others jitted.

    Lazily, cached, with the interpreter lock released. A module may take functions from those before it. Functions
    that take a memory (`layout.Memory`) and integers only are compiled for just that, callees first: numba would
    compile them once more for every constant among their arguments. Name all modules whose functions and constants
    they use: the cache is for just these sources.
    """
    from numba import njit  # noqa: PLC0415 - importing numba costs half a second and most commands need none

    jitted: dict[FunctionType, Any] = {}
    copy = modules[-1]
    digest = hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()[:12]
    for module in modules:
        copy = _second(module)
        for name, function in list(vars(copy).items()):
            if isinstance(function, FunctionType) and function.__module__ == copy.__name__:
                inner = _signature(function) is not None and name not in ENTRIES
                function.__qualname__ = f"{name}_{digest}"  # numba's cache knows a function's own source only
                options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True} if inner else {}
                jitted[getattr(module, name)] = njit(cache=True, nogil=True, error_model="numpy", **options)(function)
                setattr(copy, name, jitted[getattr(module, name)])
            elif isinstance(function, FunctionType) and function in jitted:
                setattr(copy, name, jitted[function])
    for kernel in jitted.values():
        _compile(kernel)
    return copy


ENTRIES = frozenset({"begin", "run"})
"""Kernels over a memory that Python calls; the others are called by kernels only."""


def _second(module: ModuleType) -> ModuleType:
    """A second copy of a module, whose memories are indexed with unsigned numbers: numba then looks at no signs."""
    assert module.__file__ is not None
    copy = ModuleType(f"{module.__name__}_compiled")
    copy.__file__ = module.__file__
    tree = _Unsigned().visit(ast.parse(inspect.getsource(module)))
    copy.__dict__["uint64"] = np.uint64
    sys.modules[copy.__name__] = copy  # numba's cache finds a function's globals by its module's name
    exec(compile(ast.fix_missing_locations(tree), module.__file__, "exec"), copy.__dict__)
    return copy


class _Unsigned(ast.NodeTransformer):
    """`M[at]` becomes `M[uint64(at)]`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "M":
            node.slice = ast.Call(ast.Name("uint64", ast.Load()), [node.slice], [])
        return node


def _signature(function: FunctionType) -> tuple[str, ...] | None:
    """Types of a kernel's arguments by its annotations; None where it takes anything but a memory and integers."""
    names = {"Memory": "int64[::1]", "int": "int64"}
    kinds = [str(kind) for name, kind in function.__annotations__.items() if name != "return"]
    return tuple(names[kind] for kind in kinds) if set(kinds) <= set(names) and "Memory" in kinds else None


def _compile(kernel: Any) -> None:
    """Compiles a kernel over a memory for its annotated types, after those that it calls."""
    types = _signature(kernel.py_func)
    if types is None or kernel.signatures:
        return
    for name in kernel.py_func.__code__.co_names:
        callee = kernel.py_func.__globals__.get(name)
        if hasattr(callee, "py_func"):
            _compile(callee)
    kernel.compile(f"({', '.join(types)},)")
    kernel.disable_compile()


def compiled_kernels() -> ModuleType:
    """The compiled counting kernels."""
    return compiled((kernels,))
