"""What the slots of a strand address: pointers into rings, states and tiles, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from einsim.rtl.generator.epochs import COUNT, EpochText
from einsim.rtl.generator.hardware import Place, Use
from einsim.rtl.generator.words import bits_for, cast, table, times, vector
from einsim.schedule.pipeline.program import LOAD, STORE


@dataclass(frozen=True, slots=True)
class Address:
    """A number that a strand's slot comes with: the store's address that it reads (or writes)."""

    name: str
    width: int
    use: Use


@dataclass
class AddressText(EpochText):
    """The text of a strand's addresses."""

    @property
    def slot_bits(self) -> int:
        """Bits of the slot's number."""
        return bits_for(self.duty.slots)

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
        use = address.use
        match use.store.place:
            case Place.STATE:
                return self.state_text(address)
            case Place.WEST | Place.NORTH if self.duty.strand.computes:
                return self.tile_text(address)
            case Place.WEST | Place.NORTH | Place.OUT | Place.FOOT if not self.duty.strand.computes:
                return self.ring_text(address, [use.store.rows])  # a transfer moves a tile
            case _:
                return self.ring_text(address, [after - before for before, after in pairwise([*use.offsets, use.step])])

    def ring_text(self, address: Address, deltas: Sequence[int]) -> str:
        """A pointer into a ring that moves on by so much with each slot."""
        name, bits, words = address.name, address.width, address.use.store.words
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
            f"  wire {vector(bits)} {name}_less = {name}_sum{vector(bits)} - {bits}'d{words % (1 << bits)};\n"
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
            counter = "unit" if position is None else f"index_{position}"  # both of COUNT bits
            parts.append(times(counter, stride, COUNT))
        text = ""
        if any(use.offsets) or not parts:
            text = table(f"{name}_offset", use.offsets, "slot", COUNT) + "\n"
            parts.append(f"{name}_offset")
        total = " + ".join(parts)
        return f"{text}  assign {name} = {address.width}'({total});"

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
        for p, value in [*((p, f"{name}_mark_{p}") for p in back), *((p, f"{name}_tile") for p in stays)]:
            choice = f"move_{p} && !last_{p} ? {value} :\n    {choice}"
        if self.jumping is not None and self.jumping in moving:
            lines.append(f"  wire {vector(bits)} {name}_goes = {choice};")
            wide = bits + 1
            p = self.jumping
            far = f"{{1'b0, {name}_goes}} + (move_{p} && last_{p} ? {wide}'(jump_{p}) : '0)"
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
            f"  assign {name} = {cast(f'{name}_tile', bits, address.width)} * {address.width}'d{use.store.rows}"
            f" + {name}_row;"
        )
        return "\n".join(lines)
