"""`einsim bound`: the least traffic of cascades against the capacity of the buffer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from einsim.analysis.bound import traffic_bound
from einsim.analysis.passes import count_passes
from einsim.cascade import Cascade, bind_sizes, size_parameters
from einsim.cli.common import JsonOption, command_line
from einsim.cli.output import print_json, show_result
from einsim.errors import Location, SpecError, suggest
from einsim.report.bound import CAPACITIES, Curve, bound_record, bound_table, draw_bound
from einsim.report.theory import most
from einsim.spec import library
from einsim.spec.workload import parse_shape
from einsim.units import parse_count


def bound(
    *cascades: Annotated[str, Parameter(help="Cascades: shipped names or files")],
    sizes: Annotated[str, Parameter(name="--sizes", help="Sizes of the ranks: E=64,F=64,M=16K,P=16K,M0=256")],
    batch: Annotated[str, Parameter(name="--batch", help="Independent copies, such as batch times heads")] = "1",
    rank: Annotated[
        str | None, Parameter(name="--rank", help="The sequence's rank; by default the cascade's own sequences")
    ] = None,
    word_bytes: Annotated[int, Parameter(name="--word-bytes", help="Bytes of a word")] = 2,
    out: Annotated[Path | None, Parameter(name="--out", help="A folder for bound.png and bound.svg")] = None,
    json: JsonOption = False,
) -> None:
    """Print and draw the traffic that no mapping can avoid, against the capacity of the buffer.

    Example: einsim bound attention-3pass attention-1pass --sizes E=64,F=64,M=16K,P=16K,M0=256 --batch 768
    """
    curves = bound_curves(cascades, sizes, batch, rank, word_bytes)
    files: list[Path] = []
    if out is not None:
        from einsim.report.drawing import save_figure  # noqa: PLC0415 - matplotlib is slow to import

        files = save_figure(draw_bound(curves), "bound", out)
    if json:
        options = {"--sizes": sizes, "--batch": batch, "--rank": rank, "--word-bytes": word_bytes}
        command = command_line("bound", list(dict.fromkeys(cascades)), options)
        print_json({**bound_record(curves, word_bytes, copies_of(batch), [str(file) for file in files]),
                    "command": command})  # fmt: skip
        return
    show_result(bound_table(curves))
    for file in files:
        show_result(f"wrote {file}")


def bound_curves(cascades: Sequence[str], sizes: str, batch: str, rank: str | None, word_bytes: int) -> list[Curve]:
    """The curve of every cascade."""
    if not cascades:
        raise SpecError("no cascade is given", at=Location("bound"), remedy="name one or several: attention-3pass")
    if word_bytes < 1:
        raise SpecError(f"{word_bytes} is not positive", at=Location("--word-bytes"))
    found = [library.load_cascade(name, at=Location("bound")) for name in dict.fromkeys(cascades)]
    given = parse_shape(sizes, "--sizes")
    known = {symbol for cascade in found for symbol in size_parameters(cascade)}
    for symbol in given:
        if symbol not in known:
            raise SpecError(
                f"no cascade here takes a size {symbol}", at=Location("--sizes"), remedy=suggest(symbol, known)
            )
    return [_curve(cascade, given, rank, copies_of(batch), word_bytes) for cascade in found]


def _curve(cascade: Cascade, given: dict[str, int], rank: str | None, batch: int, word_bytes: int) -> Curve:
    own = {symbol: size for symbol, size in given.items() if symbol in size_parameters(cascade)}
    every = bind_sizes(cascade, own)
    found = traffic_bound(cascade, every, rank, batch)
    moved = tuple(words * word_bytes for words in found.curve(capacity // word_bytes for capacity in CAPACITIES))
    passes = most(count_passes(cascade, rank)) if rank is not None or cascade.sequences else 0
    return Curve(cascade.name, passes, own, found.compulsory * batch * word_bytes, moved)


def copies_of(text: str) -> int:
    """The number of independent copies that --batch gives; raises SpecError where it is none."""
    try:
        copies = parse_count(text)
    except ValueError as error:
        raise SpecError(str(error), at=Location("--batch")) from None
    if copies < 1:
        raise SpecError(f"{text} is not positive", at=Location("--batch"))
    return copies
