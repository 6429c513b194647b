"""Where a strand is among the epochs: loops, flags, filters, and masks of elements without a point, as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from einsim.errors import SpecError
from einsim.rtl.generator.hardware import Duty, Hardware, Mask
from einsim.rtl.generator.words import TRUE, Definition, bits_for, both, vector
from einsim.rtl.verilog import signed
from einsim.schedule.pipeline.filters import Form
from einsim.schedule.pipeline.program import Flag, When

COUNT: Final = 32
"""Bits of counters of epochs, units and planned cycles; they are compared by their difference and may wrap."""


def flag_text(flag: Flag, loops: int) -> str:
    """Whether the epoch at hand is one of a flag's, from `from_<loop>` and `to_<loop>`."""
    match flag.kind:
        case When.ALWAYS:
            parts: list[str] = []
        case When.FIRST:
            parts = [f"from_{p}" for p in range(flag.depth, loops)]
        case When.LAST:
            parts = [f"to_{p}" for p in range(flag.depth, loops)]
        case When.ARRIVES:
            parts = [f"from_{p}" for p in flag.still]
        case When.LEAVES:
            parts = [f"to_{p}" for p in flag.still]
        case _:
            raise SpecError("the generator cannot build partial results that come back")
    return both(*parts)


def mask_most(hardware: Hardware) -> int:
    """What a mask's value is cut off at: no element far away is on the other side of zero."""
    masks = [mask for resource in (hardware.grid, hardware.lanes) for mask in hardware.masks(resource)]
    steepest = max((max(abs(mask.down), abs(mask.right)) for mask in masks), default=1)
    return steepest * (hardware.rows + hardware.columns)


def mask_bits(hardware: Hardware) -> int:
    """Bits of a mask's value, which goes from an element to the next."""
    return bits_for(4 * mask_most(hardware) + 2)


@dataclass
class EpochText:
    """The text of a strand's counters of loops."""

    hardware: Hardware
    duty: Duty

    @property
    def loops(self) -> int:
        """Loops of the epoch."""
        return len(self.hardware.program.epochs.loops)

    @property
    def ranks(self) -> list[str]:
        """Base ranks whose sizes a run is given."""
        return list(dict.fromkeys(loop.rank for loop in self.hardware.program.epochs.loops))

    @property
    def masks(self) -> list[tuple[int, Mask, Form]]:
        """Numbers of the masks among the array's, and the conditions behind them."""
        every = self.hardware.masks(self.duty.strand.resource)
        return [(every.index(mask), mask, form) for mask, form in self.hardware.masks_of(self.duty).items()]

    def epoch_text(self) -> Iterator[Definition]:
        """Counters of the epoch's loops: what is left of each, and whether an iteration is its first or last."""
        declared = ["walk", *(f"{kind}_{p}" for p in range(self.loops) for kind in ("last", "move"))]
        yield Definition(f"  logic {', '.join(declared)};")
        if self.jumping is not None:
            yield Definition(f"  logic {vector(COUNT)} jump_{self.jumping};")
        for p in range(self.loops):
            yield from self.loop_text(p)
        yield from self.jump_text()
        for p in range(self.loops):
            before, beyond = self.before(p), self.beyond(p, around=False)
            yield Definition(f"  wire from_{p} = first_{p}{f' || !({before})' if before else ''};", f"from_{p}")
            yield Definition(f"  wire to_{p} = last_{p}{f' || !({beyond})' if beyond else ''};", f"to_{p}")
        for p in range(self.loops):
            again = f"jump_{p}" if p == self.jumping else "'0"
            yield Definition(f"  always_ff @(posedge clk) left_{p} <= next_{p};")
            yield Definition(
                f"  always_ff @(posedge clk) first_{p} <= reload || (move_{p} ? last_{p} : first_{p});", f"first_{p}"
            )
            yield Definition(
                f"  always_ff @(posedge clk) index_{p} <= reload ? '0 : !move_{p} ? index_{p} : "
                f"last_{p} ? {again} : index_{p} + 1'b1;",
                f"index_{p}",
            )
        yield Definition(f"  wire exists = {self.may_hold({}) or TRUE};")

    def loop_text(self, p: int) -> Iterator[Definition]:
        """What there is of one loop."""
        epochs = self.hardware.program.epochs
        loop, above = epochs.loops[p], epochs.parent(p)
        tile, word = int(loop.tile), vector(COUNT)
        inner = "walk" if p == self.loops - 1 else f"move_{p + 1} && last_{p + 1}"
        around = f"size_{loop.rank}" if above is None else f"extent_{above}"
        begin = "" if above is None else f"begin_{above} + "
        beyond = self.beyond(p, around=True)
        yield Definition(f"  // Loop {loop.name}: {tile} of {loop.rank} at a time.\n  logic {word} left_{p};")
        yield Definition(f"  logic {word} index_{p};", f"index_{p}")
        yield Definition(f"  logic first_{p};", f"first_{p}")
        least = f"left_{p} < {COUNT}'d{tile} ? left_{p} : {COUNT}'d{tile}"
        yield Definition(f"  wire {word} extent_{p} = {least};", f"extent_{p}")
        yield Definition(f"  wire {word} begin_{p} = {begin}{around} - left_{p};", f"begin_{p}")
        yield Definition(f"  assign last_{p} = left_{p} <= {COUNT}'d{tile}{f' || !({beyond})' if beyond else ''};")
        yield Definition(f"  assign move_{p} = {inner};")
        again = f"size_{loop.rank}"
        if above is not None:
            limit = f"{COUNT}'d{int(epochs.loops[above].tile)}"
            again = f"next_{above} < {limit} ? next_{above} : {limit}"
        yield Definition(f"  wire {word} again_{p} = {again};")
        jump = f" - {COUNT}'d{tile} * jump_{p}" if p == self.jumping else ""
        yield Definition(
            f"  wire {word} next_{p} = reload ? again_{p}{jump} : !move_{p} ? left_{p} :\n"
            f"    last_{p} ? again_{p}{jump} : left_{p} - {COUNT}'d{tile};"
        )

    @property
    def jumping(self) -> int | None:
        """The innermost loop, where its first tiles may be without points: it begins behind them."""
        inner = self.loops - 1
        return inner if self.towards(inner) == {1} else None

    def jump_text(self) -> Iterator[Definition]:
        """How many tiles without points the innermost loop begins with, as the loops around it will be."""
        p, epochs = self.jumping, self.hardware.program.epochs
        if p is None:
            return
        loop, above, tile = epochs.loops[p], epochs.parent(p), int(epochs.loops[p].tile)
        ranges: dict[str, tuple[str, str]] = {}
        for q in range(p):  # where the loops around will be
            outer, size = epochs.parent(q), f"{COUNT}'d{int(epochs.loops[q].tile)}"
            around = f"size_{epochs.loops[q].rank}" if outer is None else f"then_extent_{outer}"
            begin = "" if outer is None else f"then_begin_{outer} + "
            word = vector(COUNT)
            yield Definition(f"  wire {word} then_begin_{q} = {begin}{around} - next_{q};", f"then_begin_{q}")
            least = f"next_{q} < {size} ? next_{q} : {size}"
            yield Definition(f"  wire {word} then_extent_{q} = {least};", f"then_extent_{q}")
            ranges[epochs.loops[q].rank] = (f"then_begin_{q}", f"(then_begin_{q} + then_extent_{q})")
        start, end = ("'0", f"size_{loop.rank}") if above is None else ranges[loop.rank]
        lines = [f"  always_comb begin\n    jump_{p} = '0;"]
        for k in reversed(range(1, epochs.trips[p])):
            # So many tiles are left out if the one before the next has no point.
            behind = f"({start} + {COUNT}'d{k * tile})"
            condition = self.may_hold({**ranges, loop.rank: (behind, behind)})
            lines.append(f"    if (jump_{p} == '0 && {behind} < {end} && !({condition})) jump_{p} = {COUNT}'d{k};")
        yield Definition("\n".join([*lines, "  end"]))

    # Filters: conditions that some tiles do not meet with any of their points.

    def ends(self, rank: str, *, outside: int | None = None) -> tuple[str, str]:
        """A rank's first coordinate in the epoch, and the one behind its last; of the loops outside of one only."""
        loops = self.hardware.program.epochs.loops
        found = [p for p, loop in enumerate(loops) if loop.rank == rank and (outside is None or p < outside)]
        if not found:
            sizes = self.hardware.program.epochs.sizes
            return "'0", f"size_{rank}" if rank in self.ranks else f"{COUNT}'d{sizes[rank]}"
        return f"begin_{found[-1]}", f"(begin_{found[-1]} + extent_{found[-1]})"

    def may_hold(self, changed: dict[str, tuple[str, str]], outside: int | None = None) -> str:
        """Whether an epoch has points, with ranges of some ranks changed; empty where all epochs have."""
        groups = []
        for forms in self.hardware.filters:
            conditions = []
            for form in forms:
                terms = [signed(form.constant, COUNT)]
                for rank, factor in form.factors:
                    begin, end = changed.get(rank) or self.ends(rank, outside=outside)
                    best = f"{end} - {COUNT}'d1" if factor > 0 else begin
                    terms.append(f"{signed(factor, COUNT)} * $signed({best})")
                conditions.append(f"({' + '.join(terms)} >= 0)")
            groups.append(" && ".join(conditions))
        return " || ".join(f"({group})" for group in groups)

    def towards(self, position: int) -> set[int]:
        """Signs with which conditions depend on a loop's rank."""
        rank = self.hardware.program.epochs.loops[position].rank
        factors = [f for forms in self.hardware.filters for form in forms for r, f in form.factors if r == rank]
        signs = {1 if factor > 0 else -1 for factor in factors}
        if len(signs) > 1:
            raise SpecError("the generator cannot build filters from both sides")
        return signs

    def beyond(self, position: int, *, around: bool) -> str:
        """Whether the loop's next tile has points: with the epoch's others or, around it, with any; empty if always."""
        loop = self.hardware.program.epochs.loops[position]
        if self.towards(position) != {-1}:
            return ""
        start = f"(begin_{position} + {COUNT}'d{int(loop.tile)})"
        return self.may_hold({loop.rank: (start, start)}, outside=position if around else None)

    def before(self, position: int) -> str:
        """Whether the loop's tile before has points; empty if always."""
        loop = self.hardware.program.epochs.loops[position]
        if self.towards(position) != {1}:
            return ""
        return self.may_hold({loop.rank: (f"begin_{position}", f"begin_{position}")})

    def mask_text(self, number: int, mask: Mask, form: Form) -> str:
        """The first element's value of a mask, cut off where no element is different any more."""
        hardware = self.hardware
        bits, most = mask_bits(hardware), mask_most(hardware)
        body = hardware.assembly.group.body(self.duty.strand.einsum)
        if not form.constant and form.factors and not form.factors[0][1]:  # rows of a partial tile
            rank = form.factors[0][0]
            found = [p for p, loop in enumerate(hardware.program.epochs.loops) if loop.rank == rank]
            value = f"$signed(extent_{found[-1]} - {COUNT}'d1)" if found else f"{COUNT}'sd{most}"
        else:
            inside = {loop.rank for loop in body.loops if loop.axis is None} & {r for r, _ in form.factors}
            known = {loop.rank for loop in hardware.program.epochs.loops}
            if not {rank for rank, _ in form.factors} <= known:
                raise SpecError(f"the generator cannot build the filter of {self.duty.strand.name} over {inside}")
            terms = [signed(form.constant, COUNT)]
            terms += [f"{signed(factor, COUNT)} * $signed({self.ends(rank)[0]})" for rank, factor in form.factors]
            value = " + ".join(terms)
        return (
            f"  wire signed {vector(COUNT)} whole_{number} = {value};\n"
            f"  assign mask_{number} = whole_{number} > {COUNT}'sd{most} ? {signed(most, bits)} :\n"
            f"    whole_{number} < -{COUNT}'sd{most} ? {signed(-most, bits)} : whole_{number}[{bits - 1}:0];"
        )
