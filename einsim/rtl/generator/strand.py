"""The control of one strand: where it is among the epochs, what its next slot waits for, and what the slot does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from einsim.errors import SpecError
from einsim.rtl.generator.hardware import Duty, Hardware, Mask, Place, Use
from einsim.rtl.generator.words import bits_for, vector
from einsim.rtl.verilog import Module, module, signed
from einsim.schedule.pipeline.filters import Form
from einsim.schedule.pipeline.program import LOAD, STORE, Flag, Link, Pool, When
from einsim.schedule.pipeline.strands import Body

COUNT: Final = 32
"""Bits of counters of epochs, units and planned cycles; they are compared by their difference and may wrap."""


def mask_most(hardware: Hardware) -> int:
    """What a mask's value is cut off at: no element far away is on the other side of zero."""
    masks = [mask for resource in (hardware.grid, hardware.lanes) for mask in hardware.masks(resource)]
    steepest = max((max(abs(mask.down), abs(mask.right)) for mask in masks), default=1)
    return steepest * (hardware.rows + hardware.columns)


def mask_bits(hardware: Hardware) -> int:
    """Bits of a mask's value, which goes from an element to the next."""
    return bits_for(4 * mask_most(hardware) + 2)


@dataclass(frozen=True, slots=True)
class Address:
    """A number that a strand's slot comes with: the store's address that it reads (or writes)."""

    name: str
    width: int
    use: Use


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
    return " && ".join(parts) or "1'b1"


def table(name: str, values: Sequence[int], index: str, width: int) -> str:
    """A wire whose value depends on an index: a constant, the index itself, or a case for each value."""
    declared = f"  logic {vector(width)} {name};\n"
    if len(set(values)) == 1:
        return declared + f"  assign {name} = {width}'d{values[0]};"
    if list(values) == list(range(len(values))):
        return declared + f"  assign {name} = {width}'({index});"
    bits = bits_for(len(values))
    cases = "\n".join(f"      {bits}'d{n}: {name} = {width}'d{value};" for n, value in enumerate(values))
    return declared + f"  always_comb\n    case ({index})\n{cases}\n      default: {name} = '0;\n    endcase"


@dataclass
class StrandText:
    """The text of a strand's module."""

    hardware: Hardware
    duty: Duty
    ahead: int

    @property
    def loops(self) -> int:
        """Loops of the epoch."""
        return len(self.hardware.program.epochs.loops)

    @property
    def links(self) -> list[tuple[int, Link]]:
        """What the strand waits for, by number among the program's links."""
        return [(n, link) for n, link in enumerate(self.hardware.program.links) if link.reader == self.duty.number]

    @property
    def pools(self) -> list[tuple[int, Pool]]:
        """Pools that the strand's instances open."""
        return [(n, pool) for n, pool in enumerate(self.hardware.program.pools) if pool.opener == self.duty.number]

    @property
    def closes(self) -> list[tuple[int, Pool]]:
        """Pools that the strand's instances close."""
        return [(n, pool) for n, pool in enumerate(self.hardware.program.pools) if pool.closer == self.duty.number]

    @property
    def slot_bits(self) -> int:
        """Bits of the slot's number."""
        return bits_for(self.duty.slots)

    def counted_loop(self, duty: Duty) -> int:
        """The epoch's loop that makes as many iterations as a counted strand has units."""
        body: Body = self.hardware.assembly.group.body(duty.strand.einsum)
        names = [loop for loop in body.loops if loop.axis is None]
        for position in reversed(range(self.loops)):
            if self.hardware.program.epochs.loops[position] in names:
                return position
        raise SpecError(f"the generator cannot build {duty.strand.name}, which repeats by loops of its own")

    # Pieces.

    def epoch_text(self) -> Iterator[str]:
        """Counters of the epoch's loops: what is left of each, and whether an iteration is its first or last."""
        epochs = self.hardware.program.epochs
        for p, loop in enumerate(epochs.loops):
            tile, above = int(loop.tile), epochs.parent(p)
            inner = "walk" if p == self.loops - 1 else f"move_{p + 1} && last_{p + 1}"
            yield f"  // Loop {loop.name}: {tile} of {loop.rank} at a time."
            yield f"  logic {vector(COUNT)} left_{p}, index_{p};"
            yield f"  logic first_{p};"
            yield f"  wire {vector(COUNT)} extent_{p} = left_{p} < {COUNT}'d{tile} ? left_{p} : {COUNT}'d{tile};"
            around = f"size_{loop.rank}" if above is None else f"extent_{above}"
            begin = "" if above is None else f"begin_{above} + "
            yield f"  wire {vector(COUNT)} begin_{p} = {begin}{around} - left_{p};"
            beyond = self.beyond(p, around=True)
            over = f" || !({beyond})" if beyond else ""
            yield f"  wire last_{p} = left_{p} <= {COUNT}'d{tile}{over};"
            yield f"  wire move_{p} = {inner};"
            if above is None:
                yield f"  wire {vector(COUNT)} again_{p} = size_{loop.rank};"
            else:
                whole = int(epochs.loops[above].tile)
                limit = f"{COUNT}'d{whole}"
                yield f"  wire {vector(COUNT)} again_{p} = next_{above} < {limit} ? next_{above} : {limit};"
            jump = f" - {COUNT}'d{tile} * jump_{p}" if p == self.jumping else ""
            yield f"  wire {vector(COUNT)} next_{p} = reload ? again_{p}{jump} : !move_{p} ? left_{p} :"
            yield f"    last_{p} ? again_{p}{jump} : left_{p} - {COUNT}'d{tile};"
        yield from self.jump_text()
        for p in range(self.loops):
            before, beyond = self.before(p), self.beyond(p, around=False)
            yield f"  wire from_{p} = first_{p}{f' || !({before})' if before else ''};"
            yield f"  wire to_{p} = last_{p}{f' || !({beyond})' if beyond else ''};"
        moves = "\n".join(
            f"    left_{p} <= next_{p};\n"
            f"    if (reload) begin\n      first_{p} <= 1'b1;\n      index_{p} <= '0;\n"
            f"    end else if (move_{p}) begin\n      first_{p} <= last_{p};\n"
            f"      index_{p} <= last_{p} ? {f'jump_{p}' if p == self.jumping else chr(39) + '0'} : "
            f"index_{p} + 1'b1;\n    end"
            for p in range(self.loops)
        )
        yield f"  always_ff @(posedge clk) begin\n{moves}\n  end"
        yield f"  wire exists = {self.may_hold({}) or chr(49) + chr(39) + 'b1'};"

    @property
    def jumping(self) -> int | None:
        """The innermost loop, where its first tiles may be without points: it begins behind them."""
        inner = self.loops - 1
        return inner if self.towards(inner) == {1} else None

    def jump_text(self) -> Iterator[str]:
        """How many tiles without points the innermost loop begins with, as the loops around it will be."""
        p, epochs = self.jumping, self.hardware.program.epochs
        if p is None:
            return
        loop, above, tile = epochs.loops[p], epochs.parent(p), int(epochs.loops[p].tile)
        ranges: dict[str, tuple[str, str]] = {}
        for q in range(p):  # where the loops around will be
            outer = epochs.parent(q)
            size = int(epochs.loops[q].tile)
            around = f"size_{epochs.loops[q].rank}" if outer is None else f"then_extent_{outer}"
            begin = "" if outer is None else f"then_begin_{outer} + "
            yield f"  wire {vector(COUNT)} then_begin_{q} = {begin}{around} - next_{q};"
            yield f"  wire {vector(COUNT)} then_extent_{q} = next_{q} < {COUNT}'d{size} ? next_{q} : {COUNT}'d{size};"
            ranges[epochs.loops[q].rank] = (f"then_begin_{q}", f"(then_begin_{q} + then_extent_{q})")
        start, end = ("'0", f"size_{loop.rank}") if above is None else ranges[loop.rank]
        yield f"  logic {vector(COUNT)} jump_{p};"
        yield f"  always_comb begin\n    jump_{p} = '0;"
        for k in reversed(range(1, epochs.trips[p])):
            # So many tiles are left out if the one before the next has no point.
            behind = f"({start} + {COUNT}'d{k * tile})"
            condition = self.may_hold({**ranges, loop.rank: (behind, behind)})
            some = f"{behind} < {end}"
            yield f"    if (jump_{p} == '0 && {some} && !({condition})) jump_{p} = {COUNT}'d{k};"
        yield "  end"
        yield f"  wire unused_jump = &{{1'b0, {', '.join(f'then_begin_{q}, then_extent_{q}' for q in range(p))}}};"

    # Filters: conditions that some tiles do not meet with any of their points.

    def ends(self, rank: str, *, outside: int | None = None) -> tuple[str, str]:
        """The first coordinate of a rank in the epoch, and the one behind the last; of the loops outside of one only."""
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
            value = f"extent_{found[-1]} - {COUNT}'d1" if found else f"{COUNT}'d{most}"
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

    def slot_text(self) -> Iterator[str]:
        """The slot's number, its unit, and when it is planned."""
        duty, start, program = self.duty, self.duty.start, self.hardware.program
        slots = duty.slots
        yield f"  logic {vector(self.slot_bits)} slot;"
        if duty.counted:
            yield f"  logic {vector(COUNT)} unit;"
            yield "  assign begins = slot == '0;"
            yield f"  assign ends = slot == {self.slot_bits}'d{slots - 1};"
            yield f"  wire instance_begins = begins && unit == '0;"
            yield f"  wire instance_ends = ends && unit == index_{self.counted_loop(duty)};"
        else:
            of = [slot * duty.units // slots for slot in range(slots)]
            first = [int(s == 0 or of[s - 1] != of[s]) for s in range(slots)]
            final = [int(s == slots - 1 or of[s + 1] != of[s]) for s in range(slots)]
            yield table("unit", of, "slot", bits_for(duty.units))
            yield table("begins_now", first, "slot", 1)
            yield table("ends_now", final, "slot", 1)
            yield "  assign begins = begins_now;\n  assign ends = ends_now;"
            yield "  wire instance_begins = slot == '0;"
            yield f"  wire instance_ends = slot == {self.slot_bits}'d{slots - 1};"
        yield "  wire take = grant;"
        yield "  wire advance = run && !finished && exists && (present ? take && instance_ends : 1'b1);"
        yield "  wire walk = advance || (run && !finished && !exists);"
        last = f"slot == {self.slot_bits}'d{slots - 1}"
        text = "  always_ff @(posedge clk)\n    if (reload) begin\n      slot <= '0;\n"
        text += "      unit <= '0;\n" if duty.counted else ""
        text += f"    end else if (take) begin\n      slot <= {last} ? '0 : slot + 1'b1;\n"
        if duty.counted:
            text += "      if (ends) unit <= instance_ends ? '0 : unit + 1'b1;\n"
        yield text + "    end"
        if start.in_units:
            if start.pace[0] % start.pace[1]:
                raise SpecError(f"the generator cannot build {duty.strand.name}, planned {start.pace} cycles apart")
            if len(start.at) > 1:
                count = max(duty.units, len(start.at))
                values = [start.planned(u) for u in range(count)]
                yield table("at", values, f"unit{vector(bits_for(count))}" if duty.counted else "unit", COUNT)
            else:
                pace = start.pace[0] // start.pace[1]
                each = f" + {COUNT}'(unit) * {COUNT}'d{pace}" if pace else ""
                yield f"  wire {vector(COUNT)} at = {COUNT}'d{start.at[0]}{each};"
            yield "  assign holds = !begins;"
        else:
            yield table("at", [start.planned(s) for s in range(slots)], "slot", COUNT)
            yield "  assign holds = 1'b0;"
        yield f"  logic {vector(COUNT)} epoch_planned;"
        yield "  assign planned = epoch_planned + at;"
        yield (
            "  always_ff @(posedge clk)\n    if (reload) begin\n      epoch <= '0;\n      epoch_planned <= '0;\n"
            "      finished <= 1'b0;\n    end else begin\n      if (advance) begin\n        epoch <= epoch + 1'b1;\n"
            f"        epoch_planned <= epoch_planned + {COUNT}'d{program.interval};\n      end\n"
            "      if (move_0 && last_0) finished <= 1'b1;\n    end"
        )

    def spacing_text(self) -> Iterator[str]:
        """Cycles that have to pass from slot to slot."""
        spacing = self.duty.strand.spacing
        if spacing == 1:
            yield "  wire rested = 1'b1;"
            return
        bits = bits_for(spacing)
        yield f"  logic {vector(bits)} rest;"
        yield "  wire rested = rest == '0;"
        yield (
            "  always_ff @(posedge clk)\n    if (reload) rest <= '0;\n"
            f"    else if (take) rest <= {bits}'d{spacing - 1};\n    else if (!rested) rest <= rest - 1'b1;"
        )

    def link_text(self, number: int, link: Link) -> str:
        """A link's condition: the source has done as many units as the next slot needs."""
        duties = self.hardware.duties
        source, reader = duties[link.source], self.duty
        n = number
        there = flag_text(source.strand.when, self.loops)
        if source.counted:
            each = f"index_{self.counted_loop(source)} + {COUNT}'d1"
        else:
            each = f"{COUNT}'d{source.units}"
        lines = [
            f"  // {source.strand.name}: {link.cause.name.lower()}{f', {link.tensor}' if link.tensor else ''}.",
            f"  logic {vector(COUNT)} have_{n};",
            f"  always_ff @(posedge clk)\n    if (reload) have_{n} <= '0;\n    else if (done_{n}) have_{n} <= have_{n} + 1'b1;",
        ]
        if link.room is not None:
            lines += self.room_text(n, link, source)
        else:
            lines += self.value_text(n, link, source, there, each)
        waits = f"begins{f' && !first_{link.over}' if link.over is not None else ''}"
        lines.append(f"  wire met_{n} = !({waits}) || $signed(have_{n} - need_{n}) >= 0;")
        return "\n".join(lines)

    def value_text(self, n: int, link: Link, source: Duty, there: str, each: str) -> list[str]:
        """Units of the source up to the step that the next unit needs."""
        steps = link.shares[0]
        reader = self.duty
        if link.back not in {0, 1} or (link.back and steps != 1):
            raise self.cannot(link, f"from {link.back} epochs before")
        if steps == 1:
            within = each
        elif steps == source.units == reader.units or (source.counted and reader.counted):
            within = f"{COUNT}'(unit) + {COUNT}'d1"
        elif not source.counted and not reader.counted and source.units % steps == 0 and reader.units % steps == 0:
            per, mine = source.units // steps, reader.units // steps
            within = f"({COUNT}'(unit) / {COUNT}'d{mine} + {COUNT}'d1) * {COUNT}'d{per}"
        else:
            raise self.cannot(link, f"in {steps} steps")
        lines = [f"  logic {vector(COUNT)} base_{n};  // the source's units in the epochs before"]
        lines.append(f"  wire {vector(COUNT)} after_{n} = base_{n} + ({there} ? {each} : '0);")
        if link.over is not None:
            if source.strand.when.kind is not When.ALWAYS:
                raise self.cannot(link, "from an iteration before, and not in every epoch")
            if self.hardware.program.epochs.parent(link.over) is not None:
                raise self.cannot(link, "from an iteration of a loop inside a tile")
            lines += [
                f"  logic {vector(COUNT)} lag_{n}, mark_{n};  // the same an iteration of loop {link.over} before",
                "  always_ff @(posedge clk)",
                f"    if (reload) begin\n      base_{n} <= '0;\n      lag_{n} <= '0;\n      mark_{n} <= '0;",
                f"    end else if (walk) begin\n      if (advance) base_{n} <= after_{n};",
                f"      lag_{n} <= move_{link.over} ? mark_{n} : lag_{n} + {each};",
                f"      if (move_{link.over}) mark_{n} <= advance ? after_{n} : base_{n};\n    end",
                # Where iterations differ, the same step of the last epoch of the one before has to be done.
                f"  wire {vector(COUNT)} need_{n} = {f'mark_{n} - {each}' if self.hardware.filters else f'lag_{n}'}"
                f" + {within};",
                f"  wire unused_{n} = &{{1'b0, lag_{n}}};",
            ]
            return lines
        lines.append(
            f"  always_ff @(posedge clk)\n    if (reload) base_{n} <= '0;\n    else if (advance) base_{n} <= after_{n};"
        )
        need = f"base_{n}" if link.back else f"base_{n} + ({there} ? {within} : '0)"
        lines.append(f"  wire {vector(COUNT)} need_{n} = {need};")
        return lines

    def room_text(self, n: int, link: Link, source: Duty) -> list[str]:
        """Units of the source up to the step that lies as far back as there is room."""
        assert link.room is not None
        reader, steps = self.duty, link.shares[0]
        if source.strand.when != reader.strand.when:
            raise self.cannot(link, "with another number of instances")
        if steps == 1 and not reader.counted and not source.counted:
            ends, per = "instance_ends", source.units
        elif steps == reader.units and (source.counted and reader.counted):
            ends, per = "ends", 1
        elif steps == reader.units and not reader.counted and source.units % steps == 0:
            ends, per = "ends", source.units // steps
        else:
            raise self.cannot(link, f"with room for {link.room} of {steps} steps")
        return [
            f"  logic {vector(COUNT)} steps_{n};  // how many this strand has made",
            f"  always_ff @(posedge clk)\n    if (reload) steps_{n} <= '0;\n"
            f"    else if (take && {ends}) steps_{n} <= steps_{n} + 1'b1;",
            f"  wire {vector(COUNT)} need_{n} = (steps_{n} + {COUNT}'d1 - {COUNT}'d{link.room}) * {COUNT}'d{per};",
        ]

    def cannot(self, link: Link, what: str) -> SpecError:
        """A link that has no hardware."""
        source = self.hardware.duties[link.source].strand.name
        return SpecError(f"the generator cannot build how {self.duty.strand.name} waits for {source} {what}")

    def pool_text(self, number: int, pool: Pool) -> str:
        """Room for another tile."""
        bits = bits_for(pool.limit + 1)
        opens = flag_text(pool.opens, self.loops)
        return (
            f"  // Tiles of {pool.tensor}: {pool.limit} fit.\n  logic {vector(bits)} tiles_{number};\n"
            f"  wire opens_{number} = instance_begins && ({opens});\n"
            f"  wire room_{number} = !opens_{number} || tiles_{number} != {bits}'d{pool.limit};\n"
            f"  always_ff @(posedge clk)\n    if (reload) tiles_{number} <= '0;\n"
            f"    else tiles_{number} <= tiles_{number} + {bits}'(take && opens_{number}) - {bits}'(returned_{number});"
        )

    # Addresses.

    @property
    def addresses(self) -> list[Address]:
        """Everything that the strand's slots address."""
        duty = self.duty
        found = []
        for k, source in enumerate(duty.sources):
            if source.use.store.words > 1 or duty.strand.resource == STORE:
                found.append(Address(f"source_{k}", bits_for(source.use.store.words), source.use))
        for k, use in enumerate(duty.results):
            if use.store.words > 1 or duty.strand.resource == LOAD:
                found.append(Address(f"result_{k}", bits_for(use.store.words), use))
        for k, (_, use) in enumerate(duty.kept):
            if use.store.words > 1:
                found.append(Address(f"kept_{k}", bits_for(use.store.words), use))
        return found

    def address_text(self, address: Address) -> str:
        """How an address goes on from slot to slot."""
        use, name = address.use, address.name
        match use.store.place:
            case Place.STATE:
                return self.state_text(address)
            case Place.WEST | Place.NORTH if self.duty.strand.computes:
                return self.tile_text(address)
            case Place.WEST | Place.NORTH:
                steps, each, store = [1], use.store.rows, use.store
                return self.ring_text(name, bits_for(store.words), store.words, [each], steps)
            case Place.OUT | Place.FOOT if not self.duty.strand.computes:
                return self.ring_text(name, address.width, use.store.words, [use.store.rows], [1])
            case _:
                offsets = [*use.offsets, use.step]
                deltas = [b - a for a, b in zip(offsets, offsets[1:], strict=False)]
                return self.ring_text(name, address.width, use.store.words, deltas, deltas)

    def ring_text(self, name: str, bits: int, words: int, deltas: Sequence[int], _: Sequence[int]) -> str:
        """A pointer into a ring that moves with every slot."""
        moduli = [delta % words for delta in deltas]
        *within, last = moduli
        if not any(within) and last == 0:
            return f"  assign {name} = '0;"
        if len(set(moduli)) == 1:
            move = f"{bits + 1}'d{last}"
        elif len(set(within)) == 1:
            move = f"slot == {self.slot_bits}'d{len(moduli) - 1} ? {bits + 1}'d{last} : {bits + 1}'d{within[0]}"
        else:
            move = f"move_{name}"
        text = "" if not move.startswith("move_") else table(move, moduli, "slot", bits + 1) + "\n"
        return text + (
            f"  logic {vector(bits)} {name}_now;\n"
            f"  wire {vector(bits + 1)} {name}_sum = {{1'b0, {name}_now}} + ({move});\n"
            f"  wire {vector(bits)} {name}_less = {name}_sum{vector(bits)} - {bits}'({words});\n"
            f"  always_ff @(posedge clk)\n    if (reload) {name}_now <= '0;\n"
            f"    else if (take) {name}_now <= {name}_sum >= {bits + 1}'d{words} ? {name}_less : "
            f"{name}_sum{vector(bits)};\n"
            f"  assign {name} = {name}_now;"
        )

    def state_text(self, address: Address) -> str:
        """The address of a state: counters of loops, and the slot's offset."""
        use, name = address.use, address.name
        parts = []
        for position, stride in use.terms:
            counter = "unit" if position is None else f"index_{position}"
            parts.append(f"{COUNT}'({counter}) * {COUNT}'d{stride}")
        text = table(f"{name}_offset", use.offsets, "slot", COUNT)
        total = " + ".join([*parts, f"{name}_offset"])
        return f"{text}\n  assign {name} = {address.width}'({total});"

    def tile_text(self, address: Address) -> str:
        """The address in tiles that were brought: the tile of the epoch, and the slot's row."""
        use, name = address.use, address.name
        tiles = use.store.words // use.store.rows
        bits = bits_for(tiles)
        moving = [p for p in range(self.loops) if p not in use.still]
        back = [p for p in use.still if any(q > p for q in moving)]
        lines = [f"  logic {vector(bits)} {name}_tile;"]
        lines += [f"  logic {vector(bits)} {name}_mark_{p};  // where loop {p} began" for p in back]
        more = f"({name}_tile == {bits}'d{tiles - 1} ? '0 : {name}_tile + 1'b1)" if tiles > 1 else "'0"
        stays = [p for p in use.still if p not in back]
        choice = more
        conditions = []
        for p in back:
            conditions.append((f"move_{p} && !last_{p}", f"{name}_mark_{p}"))
        for p in stays:
            conditions.append((f"move_{p} && !last_{p}", f"{name}_tile"))
        for condition, value in conditions:
            choice = f"{condition} ? {value} :\n    {choice}"
        if self.jumping is not None and self.jumping in moving:
            lines.append(f"  wire {vector(bits)} {name}_goes = {choice};")
            wide = bits + 1
            far = f"{{1'b0, {name}_goes}} + (move_{self.jumping} && last_{self.jumping} ? {wide}'(jump_{self.jumping}) : '0)"
            lines.append(f"  wire {vector(wide)} {name}_far = {far};")
            lines.append(f"  wire {vector(bits)} {name}_next = {name}_far >= {wide}'d{tiles} ? "
                         f"{bits}'({name}_far - {wide}'d{tiles}) : {name}_far{vector(bits)};")  # fmt: skip
        else:
            lines.append(f"  wire {vector(bits)} {name}_goes = {choice};")
            lines.append(f"  wire {vector(bits)} {name}_next = {name}_goes;")
        marks = "".join(f"      if (move_{p} && last_{p}) {name}_mark_{p} <= {name}_goes;\n" for p in back)
        zero = "".join(f"      {name}_mark_{p} <= '0;\n" for p in back)
        lines.append(
            f"  always_ff @(posedge clk)\n    if (reload) begin\n      {name}_tile <= '0;\n{zero}"
            f"    end else if (walk) begin\n      {name}_tile <= {name}_next;\n{marks}    end"
        )
        lines.append(table(f"{name}_row", use.offsets, "slot", address.width))
        lines.append(
            f"  assign {name} = {address.width}'({address.width}'({name}_tile) * {address.width}'d{use.store.rows} + {name}_row);"
        )
        return "\n".join(lines)

    # The module.

    @property
    def ranks(self) -> list[str]:
        """Base ranks whose sizes a run is given."""
        return list(dict.fromkeys(loop.rank for loop in self.hardware.program.epochs.loops))

    @property
    def masks(self) -> list[tuple[int, Mask, Form]]:
        """Numbers of the masks among the array's, and the conditions behind them."""
        every = self.hardware.masks(self.duty.strand.resource)
        return [(every.index(mask), mask, form) for mask, form in self.hardware.masks_of(self.duty).items()]

    @property
    def fresh(self) -> int | None:
        """The loop in whose first iteration an operand is what the iteration begins with."""
        found = {source.over for source in self.duty.sources if source.over is not None}
        if len(found) > 1:
            raise SpecError(f"the generator cannot build {self.duty.strand.name}, which iterates over several loops")
        return next(iter(found), None)

    def ports(self) -> list[tuple[str, str, int]]:
        """Direction, name and width of everything but the clock."""
        found = [("input", name, 1) for name in ("reload", "run", "grant")]
        found += [("input", f"size_{rank}", COUNT) for rank in self.ranks]
        found.append(("input", "oldest", COUNT))
        found += [("input", f"done_{n}", 1) for n, _ in self.links]
        found += [("input", f"returned_{n}", 1) for n, _ in self.pools]
        found += [("output", name, 1) for name in ("finished", "ready", "holds", "ends")]
        found += [("output", name, COUNT) for name in ("epoch", "planned")]
        found += [("output", f"closes_{n}", 1) for n, _ in self.closes]
        found.append(("output", "slot_now", self.slot_bits))
        found += [("output", address.name, address.width) for address in self.addresses]
        if self.duty.work and self.duty.work.slots > 1:
            found.append(("output", "step", 3))
        if self.duty.opens:
            found.append(("output", "opens", 1))
        found += [("output", f"mask_{number}", mask_bits(self.hardware)) for number, _, _ in self.masks]
        if self.fresh is not None:
            found.append(("output", "fresh", 1))
        return found

    def module(self, prefix: str) -> Module:
        """`<prefix>_strand_<name>`."""
        duty = self.duty
        pieces = [*self.epoch_text(), *self.slot_text(), *self.spacing_text()]
        pieces += [self.link_text(n, link) for n, link in self.links]
        pieces += [self.pool_text(n, pool) for n, pool in self.pools]
        met = [f"met_{n}" for n, _ in self.links] + [f"room_{n}" for n, _ in self.pools]
        met.append(f"(!instance_begins || epoch - oldest < {COUNT}'d{self.ahead})")
        pieces.insert(0, "  logic begins, present;")
        pieces.append(f"  assign present = exists && {flag_text(duty.strand.when, self.loops)};")
        pieces.append("  assign ready = present && !finished && rested && " + " && ".join(met) + ";")
        pieces += [
            f"  assign closes_{n} = grant && instance_ends && ({flag_text(pool.closes, self.loops)});"
            for n, pool in self.closes
        ]
        pieces.append("  assign slot_now = slot;")
        pieces += [self.address_text(address) for address in self.addresses]
        if duty.work and duty.work.slots > 1:
            pieces.append(table("step_now", [s % duty.work.slots for s in range(duty.slots)], "slot", 3))
            pieces.append("  assign step = step_now;")
        if duty.opens:
            pieces.append(table("opens_now", [int(each) for each in duty.opens], "slot", 1))
            pieces.append("  assign opens = opens_now;")
        pieces += [self.mask_text(*each) for each in self.masks]
        if self.fresh is not None:
            pieces.append(f"  assign fresh = first_{self.fresh};")
        unused = [f"index_{p}" for p in range(self.loops)] + [f"first_{p}" for p in range(self.loops)]
        unused += [f"{each}_{p}" for p in range(self.loops) for each in ("last", "from", "to", "begin", "extent")]
        unused += ["oldest", "run", "unit"]
        pieces.append(f"  wire unused = &{{1'b0, {', '.join(unused)}}};")
        ports = ",\n".join(
            f"  {direction.ljust(6)} logic {vector(width) + ' ' if width > 1 else ''}{name}"
            for direction, name, width in self.ports()
        )
        return module(
            f"{prefix}_strand_{duty.name}",
            f"when the slots of {duty.strand.name} are issued, and what they address.",
            [f"{duty.strand.resource}", f"{duty.slots} slots in {duty.units} units", f"interval {self.hardware.program.interval}"],
            "module %name (\n  input  logic clk,\n%ports\n);\n%pieces\nendmodule\n",
            ports=ports,
            pieces="\n".join(pieces),
        )
