"""`einsim zoo`, `einsim taxonomy`, `einsim passes`, `einsim evaluate`: what can be said of cascades alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from einsim.cascade import evaluate as evaluate_cascade
from einsim.cli.common import JsonOption, command_line
from einsim.cli.output import print_json, show_result
from einsim.errors import Location, SpecError
from einsim.report.tables import table
from einsim.report.theory import (
    passes_record,
    passes_report,
    taxonomy_record,
    taxonomy_report,
    zoo_record,
    zoo_table,
)
from einsim.spec import library
from einsim.spec.workload import parse_shape

CascadeArgument = Annotated[str, Parameter(help="A cascade: a shipped name or a file")]


def _records() -> list[dict[str, Any]]:
    systems = library.load_systems()
    return [
        zoo_record(system, {v: library.load_cascade(system.cascade_name(v)) for v in system.variants})
        for system in systems
    ]


def zoo(*, json: JsonOption = False) -> None:
    """List the zoo of attention systems: passes as written and at best, and what must be kept alive.

    Example: einsim zoo
    """
    records = _records()
    if json:
        print_json(records)
    else:
        show_result(zoo_table(records))


def taxonomy(*, json: JsonOption = False) -> None:
    """Sort every cascade of the zoo by the passes that it needs (FuseMax, table I).

    Example: einsim taxonomy
    """
    groups = taxonomy_record(_records())
    if json:
        print_json(groups)
    else:
        show_result(taxonomy_report(groups))


def passes(
    cascade: CascadeArgument,
    *,
    rank: Annotated[
        str | None, Parameter(name="--rank", help="The rank to count over; by default the cascade's own sequences")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Count the passes of a cascade over a sequence, say why, and what must stay alive between them.

    Example: einsim passes attention-3pass
    """
    record = passes_record(library.load_cascade(cascade, at=Location("passes")), rank)
    if json:
        print_json(record | {"command": command_line("passes", [cascade], {"--rank": rank})})
    else:
        show_result(passes_report(record))


def evaluate(
    cascade: CascadeArgument,
    *,
    inputs: Annotated[Path, Parameter(name="--inputs", help="A .npz file with one array an input")],
    sizes: Annotated[str | None, Parameter(name="--sizes", help="Sizes that no array gives: M0=256,J=8")] = None,
    out: Annotated[Path | None, Parameter(name="--out", help="Where to write every tensor made (.npz)")] = None,
    json: JsonOption = False,
) -> None:
    """Compute a cascade on real tensors, in double precision.

    Example: einsim evaluate attention-1pass --inputs in.npz --sizes M0=64 --out out.npz
    """
    found = library.load_cascade(cascade, at=Location("evaluate"))
    arrays = library.load_arrays(inputs)
    used = {name: array for name, array in arrays.items() if name in {tensor.name for tensor in found.inputs}}
    unused = sorted(set(arrays) - set(used))
    if unused:
        raise SpecError(
            f"cascade {found.name!r} has no input {unused[0]!r}", at=Location(str(inputs)),
            remedy=f"its inputs are {', '.join(str(tensor) for tensor in found.inputs)}",
        )  # fmt: skip
    made = evaluate_cascade(found, used, parse_shape(sizes, "--sizes") if sizes else {})
    if out is not None:
        library.save_arrays(out, made)
    if json:
        tensors = [
            {"tensor": name, "shape": list(array.shape), "output": name in found.outputs, **_range(array)}
            for name, array in made.items()
        ]
        command = command_line("evaluate", [cascade], {"--inputs": inputs, "--sizes": sizes})
        print_json({"cascade": found.name, "out": None if out is None else str(out), "tensors": tensors,
                    "command": command})  # fmt: skip
    else:
        lines = [
            (name, " x ".join(map(str, array.shape)) or "scalar", "output" if name in found.outputs else "",
             *map(_shown, _range(array).values()))
            for name, array in made.items()
        ]  # fmt: skip
        show_result(table(f"{found.name}", ("tensor", "shape", "", "least", "greatest"), lines, left=3))


def _range(array: np.ndarray[Any, Any]) -> dict[str, float | None]:
    """The least and greatest finite element; None where there is none."""
    finite = array[np.isfinite(array)]
    return {
        "least": float(finite.min()) if finite.size else None,
        "greatest": float(finite.max()) if finite.size else None,
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
