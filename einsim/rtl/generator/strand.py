"""The control of one strand: where it is among the epochs, what its next slot waits for, and what the slot does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from einsim.errors import SpecError
from einsim.rtl.generator.addresses import AddressText
from einsim.rtl.generator.epochs import COUNT, flag_text, mask_bits
from einsim.rtl.generator.hardware import Duty
from einsim.rtl.generator.words import Definition, bits_for, both, cast, needed, table, times, vector, where
from einsim.rtl.verilog import Module, module
from einsim.schedule.pipeline.program import Link, Pool, When
from einsim.schedule.pipeline.strands import Body


@dataclass
class StrandText(AddressText):
    """The text of a strand's module."""

    ahead: int

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

    def counted_loop(self, duty: Duty) -> int:
        """The epoch's loop that makes as many iterations as a counted strand has units."""
        body: Body = self.hardware.assembly.group.body(duty.strand.einsum)
        names = [loop for loop in body.loops if loop.axis is None]
        for position in reversed(range(self.loops)):
            if self.hardware.program.epochs.loops[position] in names:
                return position
        raise SpecError(f"the generator cannot build {duty.strand.name}, which repeats by loops of its own")

    # Pieces.

    def slot_text(self) -> Iterator[Definition]:
        """The slot's number, its unit, and when it is planned."""
        duty, start, program = self.duty, self.duty.start, self.hardware.program
        slots = duty.slots
        yield Definition(f"  logic {vector(self.slot_bits)} slot;")
        if duty.counted:
            yield Definition(f"  logic {vector(COUNT)} unit;")
            yield Definition("  assign begins = slot == '0;")
            yield Definition(f"  assign ends = slot == {self.slot_bits}'d{slots - 1};")
            yield Definition("  wire instance_begins = begins && unit == '0;")
            yield Definition(f"  wire instance_ends = ends && unit == index_{self.counted_loop(duty)};")
        else:
            of = [slot * duty.units // slots for slot in range(slots)]
            first = [int(s == 0 or of[s - 1] != of[s]) for s in range(slots)]
            final = [int(s == slots - 1 or of[s + 1] != of[s]) for s in range(slots)]
            yield Definition(table("unit", of, "slot", bits_for(duty.units)), "unit")
            yield Definition(f"  assign begins = {slots_where(first, self.slot_bits)};")
            yield Definition(f"  assign ends = {slots_where(final, self.slot_bits)};")
            yield Definition("  wire instance_begins = slot == '0;")
            yield Definition(f"  wire instance_ends = slot == {self.slot_bits}'d{slots - 1};")
        yield Definition("  wire take = grant;")
        yield Definition("  wire advance = run && !finished && exists && (present ? take && instance_ends : 1'b1);")
        yield Definition("  assign walk = advance || (run && !finished && !exists);")
        last = f"slot == {self.slot_bits}'d{slots - 1}"
        text = "  always_ff @(posedge clk)\n    if (reload) begin\n      slot <= '0;\n"
        text += "      unit <= '0;\n" if duty.counted else ""
        text += f"    end else if (take) begin\n      slot <= {last} ? '0 : slot + 1'b1;\n"
        if duty.counted:
            text += "      if (ends) unit <= instance_ends ? '0 : unit + 1'b1;\n"
        yield Definition(text + "    end")
        if start.in_units:
            if start.pace[0] % start.pace[1]:
                raise SpecError(f"the generator cannot build {duty.strand.name}, planned {start.pace} cycles apart")
            if len(start.at) > 1:
                count = max(duty.units, len(start.at))
                values = [start.planned(u) for u in range(count)]
                index = f"unit{vector(bits_for(count))}" if duty.counted else "unit"
                yield Definition(table("at", values, index, COUNT))
            else:
                pace = start.pace[0] // start.pace[1]
                unit = cast("unit", COUNT if duty.counted else bits_for(duty.units), COUNT)
                each = f" + {unit} * {COUNT}'d{pace}" if pace else ""
                yield Definition(f"  wire {vector(COUNT)} at = {COUNT}'d{start.at[0]}{each};")
            yield Definition("  assign holds = !begins;")
        else:
            yield Definition(table("at", [start.planned(s) for s in range(slots)], "slot", COUNT))
            yield Definition("  assign holds = 1'b0;")
        yield Definition(f"  logic {vector(COUNT)} epoch_planned;")
        yield Definition("  assign planned = epoch_planned + at;")
        yield Definition(
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
        source = duties[link.source]
        n = number
        there = flag_text(source.strand.when, self.loops)
        counted = f"index_{self.counted_loop(source)} + {COUNT}'d1" if source.counted else ""
        each = counted or f"{COUNT}'d{source.units}"
        lines = [
            f"  // {source.strand.name}: {link.cause.name.lower()}{f', {link.tensor}' if link.tensor else ''}.",
            f"  logic {vector(COUNT)} have_{n};",
            f"  always_ff @(posedge clk)\n    if (reload) have_{n} <= '0;",
            f"    else if (done_{n}) have_{n} <= have_{n} + 1'b1;",
        ]
        if link.room is not None:
            lines += self.room_text(n, link, source)
        else:
            lines += self.value_text(n, link, source, there, each)
        waits = "!begins" if link.over is None else f"!(begins && !first_{link.over})"
        lines.append(f"  wire met_{n} = {waits} || $signed(have_{n} - need_{n}) >= 0;")
        return "\n".join(lines)

    def value_text(self, n: int, link: Link, source: Duty, there: str, each: str) -> list[str]:
        """Units of the source up to the step that the next unit needs."""
        steps = link.shares[0]
        reader = self.duty
        if link.back not in {0, 1} or (link.back and steps != 1):
            raise self.cannot(link, f"from {link.back} epochs before")
        unit = cast("unit", COUNT if reader.counted else bits_for(reader.units), COUNT)
        if steps == 1:
            within = each
        elif steps == source.units == reader.units or (source.counted and reader.counted):
            within = f"{unit} + {COUNT}'d1"
        elif not source.counted and not reader.counted and source.units % steps == 0 and reader.units % steps == 0:
            per, mine = source.units // steps, reader.units // steps
            within = times(f"({unit} / {COUNT}'d{mine} + {COUNT}'d1)", per, COUNT)
        else:
            raise self.cannot(link, f"in {steps} steps")
        lines = [f"  logic {vector(COUNT)} base_{n};  // the source's units in the epochs before"]
        lines.append(f"  wire {vector(COUNT)} after_{n} = base_{n} + {where(there, each)};")
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
        need = f"base_{n}" if link.back else f"base_{n} + {where(there, within)}"
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
        made = f"steps_{n}" if link.room == 1 else f"(steps_{n} - {COUNT}'d{link.room - 1})"
        return [
            f"  logic {vector(COUNT)} steps_{n};  // how many this strand has made",
            f"  always_ff @(posedge clk)\n    if (reload) steps_{n} <= '0;\n"
            f"    else if (take && {ends}) steps_{n} <= steps_{n} + 1'b1;",
            f"  wire {vector(COUNT)} need_{n} = {times(made, per, COUNT)};",
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
            f"  wire opens_{number} = {both('instance_begins', opens)};\n"
            f"  wire room_{number} = !opens_{number} || tiles_{number} != {bits}'d{pool.limit};\n"
            f"  always_ff @(posedge clk)\n    if (reload) tiles_{number} <= '0;\n"
            f"    else tiles_{number} <= tiles_{number} + {bits}'(take && opens_{number}) - {bits}'(returned_{number});"
        )

    # The module.

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
        pieces = [*self.spacing_text()]
        pieces += [self.link_text(n, link) for n, link in self.links]
        pieces += [self.pool_text(n, pool) for n, pool in self.pools]
        met = [f"met_{n}" for n, _ in self.links] + [f"room_{n}" for n, _ in self.pools]
        met.append(f"(!instance_begins || epoch - oldest < {COUNT}'d{self.ahead})")
        pieces.append(f"  assign present = {both('exists', flag_text(duty.strand.when, self.loops))};")
        pieces.append("  assign ready = present && !finished && rested && " + " && ".join(met) + ";")
        pieces += [
            f"  assign closes_{n} = {both('grant', 'instance_ends', flag_text(pool.closes, self.loops))};"
            for n, pool in self.closes
        ]
        pieces.append("  assign slot_now = slot;")
        pieces += [self.address_text(address) for address in self.addresses]
        if duty.work and duty.work.slots > 1:
            pieces.append(table("step_now", [s % duty.work.slots for s in range(duty.slots)], "slot", 3))
            pieces.append("  assign step = step_now;")
        if duty.opens:
            pieces.append(f"  assign opens = {slots_where(duty.opens, self.slot_bits)};")
        pieces += [self.mask_text(*each) for each in self.masks]
        if self.fresh is not None:
            pieces.append(f"  assign fresh = first_{self.fresh};")
        pieces.append("  wire unused = &{1'b0, oldest, run};")
        body = needed([
            Definition("  logic begins, present;"), *self.epoch_text(), *self.slot_text(), *map(Definition, pieces)
        ])  # fmt: skip
        ports = ",\n".join(
            f"  {direction.ljust(6)} logic {vector(width) + ' ' if width > 1 else ''}{name}"
            for direction, name, width in self.ports()
        )
        return module(
            f"{prefix}_strand_{duty.name}",
            f"when the slots of {duty.strand.name} are issued, and what they address.",
            [
                f"{duty.strand.resource}",
                f"{duty.slots} slots in {duty.units} units",
                f"interval {self.hardware.program.interval}",
            ],
            "module %name (\n  input  logic clk,\n%ports\n);\n%pieces\nendmodule\n",
            ports=ports,
            pieces=body,
        )


def slots_where(values: Sequence[int], bits: int) -> str:
    """Whether the slot is one of those that something is true of."""
    if all(values):
        return "1'b1"
    return " || ".join(f"slot == {bits}'d{n}" for n, value in enumerate(values) if value) or "1'b0"
