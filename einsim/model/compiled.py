"""The kernels of `einsim.model.kernels`, compiled.

The source stands once. This module loads a second copy of it in which every function is a numba
dispatcher, so that calls between kernels are compiled calls; machine code is cached on disk.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from types import FunctionType, ModuleType

from einsim.model import kernels


@lru_cache(maxsize=1)
def compiled_kernels() -> ModuleType:
    """A copy of the kernels module with every function jitted (lazily, cached, GIL released)."""
    from numba import njit  # noqa: PLC0415 - importing numba costs half a second and most commands need none

    spec = importlib.util.spec_from_file_location("einsim.model.kernels_compiled", kernels.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # numba's cache finds a function's globals by its module's name
    spec.loader.exec_module(module)
    for name, function in list(vars(module).items()):
        if isinstance(function, FunctionType):
            setattr(module, name, njit(cache=True, nogil=True, error_model="numpy")(function))
    return module
