"""`einsim bind`: which array runs each Einsum, and when, with the proof that it is not possible any faster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from einsim.binder.bind import bind as find
from einsim.binder.divide import bind_divided
from einsim.binder.record import bound_record, divided_record
from einsim.binder.solver import Order
from einsim.binder.starts import from_cascade, from_mapping, in_tiles
from einsim.cli.common import ArchOption, JsonOption, command_line
from einsim.cli.output import print_json, show_result
from einsim.errors import Location, SpecError
from einsim.report.binding import binding_report
from einsim.spec import library
from einsim.spec.workload import parse_shape


def bind(
    cascade: Annotated[str | None, Parameter(help="A cascade: a shipped name or a file")] = None,
    *,
    shape: Annotated[
        str, Parameter(name="--shape", help="Sizes: E=64,F=64; those of tiled ranks (M, P) are many tiles if not given")
    ],
    arch: ArchOption = None,
    mapping: Annotated[
        str | None, Parameter(help="Take the tiles of a mapping (a shipped name or a file), and start from its binding")
    ] = None,
    order: Annotated[
        Order, Parameter(help="Tiles interleaved, the mapping's phases one after another, or a single tile at a time")
    ] = Order.INTERLEAVED,
    divide: Annotated[
        bool, Parameter(negative="", help="Also cut a rank in two parts that are bound apart, and keep what is faster")
    ] = False,
    fixed: Annotated[bool, Parameter(negative="", help="Einsums stay on the arrays where they start")] = False,
    ideal: Annotated[
        bool,
        Parameter(
            negative="",
            help="As published closed forms count: no travel, latencies, ports or "
            "registers; stalls as the mapping states them",
        ),
    ] = False,
    seconds: Annotated[float, Parameter(help="Time to search and to prove")] = 20.0,
    out: Annotated[Path | None, Parameter(name="--out", help="Write the binding: a mapping file (YAML)")] = None,
    json: JsonOption = False,
) -> int:
    """Find which array runs each Einsum, and a software pipeline of tiles with the least initiation interval.

    Example: einsim bind attention-1pass --arch fusemax --shape E=64,F=64 --out bound.yaml
    """
    if not 0 < seconds <= 1e6:
        raise SpecError(f"{seconds} seconds", at=Location("--seconds"), remedy="a number of seconds above 0")
    if out is not None and not out.parent.is_dir():
        raise SpecError(f"there is no folder {str(out.parent)!r}", at=Location("--out"), remedy="make it first")
    sizes = parse_shape(shape)
    if divide:
        _require_dividable(mapping, order, fixed=fixed)
    if mapping is not None:
        start = from_mapping(mapping, arch, sizes, order, ideal=ideal, free=not fixed)
        if cascade is not None and library.load_cascade(cascade, at=Location("bind")).name != start.cascade.name:
            raise SpecError(f"{mapping} maps {start.cascade.name}, not {cascade}", at=Location("--mapping"),
                            remedy="leave the cascade out")  # fmt: skip
        record = bound_record(find(start, seconds))
    elif cascade is None or arch is None:
        raise SpecError("bind needs a cascade and --arch, or --mapping", at=Location("bind"),
                        remedy="einsim bind CASCADE --arch ARCHITECTURE --shape E=64,F=64")  # fmt: skip
    elif divide:
        record = divided_record(bind_divided(in_tiles(cascade, arch, sizes, order, ideal=ideal), seconds))
    else:
        record = bound_record(find(from_cascade(cascade, arch, sizes, order, ideal=ideal, free=not fixed), seconds))
    record["command"] = command_line("bind", [] if cascade is None else [cascade], {
        "--shape": shape, "--arch": arch, "--mapping": mapping, "--order": order, "--divide": divide, "--fixed": fixed,
        "--ideal": ideal, "--seconds": seconds})  # fmt: skip
    if out is not None:
        out.write_text(record["binding"])
    if json:
        print_json(record)
    else:
        show_result(binding_report(record))
    return 0


def _require_dividable(mapping: str | None, order: Order, *, fixed: bool) -> None:
    """Raise SpecError for options that leave nothing to divide."""
    at = Location("--divide")
    if mapping is not None:
        raise SpecError("a mapping says itself what is divided", at=at,
                        remedy="write divide: into the mapping, or give a cascade and --arch instead")  # fmt: skip
    if fixed:
        raise SpecError("parts are cut to run on different arrays, and --fixed keeps Einsums where they are", at=at,
                        remedy="leave out --fixed")  # fmt: skip
    if order is not Order.INTERLEAVED:
        raise SpecError(f"parts run beside each other, not in the order {str(order)!r}", at=at,
                        remedy="leave out --order")  # fmt: skip
