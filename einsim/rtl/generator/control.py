"""The control of a run: strands, who issues next on every resource, and the words that go out to the arrays."""

from __future__ import annotations

from dataclasses import dataclass

from einsim.rtl.generator.body import read, write
from einsim.rtl.generator.edges import control_words, north_choice, west_choice, word_ports
from einsim.rtl.generator.element import below
from einsim.rtl.generator.epochs import COUNT, mask_bits, mask_most
from einsim.rtl.generator.hardware import Duty, Hardware, Place
from einsim.rtl.generator.strand import StrandText
from einsim.rtl.generator.words import DELAY, Word, bits_for, cast, table, vector
from einsim.rtl.verilog import Module, module, signed
from einsim.schedule.pipeline.program import LOAD, STORE

_CONTROL = """
module %name (
  input  logic clk,
  input  logic reset,
  input  logic start,  // taken while idle
%size_ports
  output logic busy,
  output logic going,  // the run has begun: its cycles count
  output logic [31:0] cycles,  // of the run so far, or of the last one
%busy_ports

  input  logic [%beat_top:0] in_data,  // a row of a tile a beat
  input  logic in_valid,
  output logic in_ready,
  output logic out_valid,
  output logic out_last,  // of a tile
  input  logic out_ready,
  output logic [%out_address_top:0] out_address,

%word_ports
%fill_ports

%probe_ports
);
  // A run: what every strand knows is as it was in the beginning, then strands look for their first epochs, then go.
  logic preparing;
  logic [%prepare_bits:0] prepared;
  wire reload = start && !busy;
  wire run = preparing || going;
  logic all_finished, load_busy, store_busy;
%declared
  always_ff @(posedge clk)
    if (reset) begin
      busy <= 1'b0;
      preparing <= 1'b0;
      going <= 1'b0;
      prepared <= '0;
      cycles <= '0;
%busy_reset
    end else begin
      if (reload) begin
        busy <= 1'b1;
        preparing <= 1'b1;
        prepared <= '0;
        cycles <= '0;
%busy_reset
      end
      if (preparing) begin
        prepared <= prepared + 1'b1;
        if (prepared == %prepare) begin
          preparing <= 1'b0;
          going <= 1'b1;
        end
      end
      if (going) begin
%busy_counts
        if (all_finished) begin
          going <= 1'b0;
          busy <= 1'b0;
        end else cycles <= cycles + 1'b1;
      end
    end

%strands

  // The oldest epoch that a strand is still in.
%oldest

%arbiters

%done

%loads

%store

%words
endmodule
"""


@dataclass
class ControlText:
    """The text of the control module."""

    hardware: Hardware
    prefix: str
    ahead: int

    def __post_init__(self) -> None:
        self.texts = [StrandText(self.hardware, duty, self.ahead) for duty in self.hardware.duties]
        self.strands = [text.module(self.prefix) for text in self.texts]

    @property
    def ranks(self) -> list[str]:
        """Ranks that a run is given the sizes of."""
        return self.texts[0].ranks

    @property
    def latency(self) -> int:
        """Cycles until a beat of the stream is in its part of the buffer."""
        machine = self.hardware.design.architecture
        return machine.memories[machine.outermost].latency_cycles

    @property
    def prepare(self) -> int:
        """Cycles in which strands look for their first epochs, and what a reset has left in the arrays passes out."""
        return 2 * self.ahead + 2 * self.hardware.rows + self.hardware.columns + self.hardware.back + 8

    def strand_text(self, text: StrandText) -> str:
        """One strand with its wires."""
        n, duty = text.duty.number, text.duty
        wires, connections = [], [".clk(clk)"]
        common = {"reload", "run", *(f"size_{rank}" for rank in text.ranks), "oldest"}
        for direction, name, width in text.ports():
            if direction == "input" and name in common:
                connections.append(f".{name}({name})")
                continue
            if direction == "input" and name.startswith(("done_", "returned_")):
                connections.append(f".{name}({name})")
                continue
            wires.append(f"  logic {vector(width) + ' ' if width > 1 else ''}s{n}_{name};")
            connections.append(f".{name}(s{n}_{name})")
        joined = ",\n    ".join(connections)
        return "\n".join(
            [f"  // {duty.strand.name}.", *wires, f"  {self.strands[n].name} u_s{n} (\n    {joined}\n  );"]
        )

    def declared(self) -> str:
        """Signals between strands."""
        program = self.hardware.program
        pulses = [f"done_{n}" for n, _ in enumerate(program.links)]
        pulses += [f"returned_{n}" for n, _ in enumerate(program.pools)]
        pulses += [f"s{duty.number}_arrived" for duty in self.hardware.on(LOAD)]
        pulses += [f"s{duty.number}_sent" for duty in self.hardware.on(STORE)]
        return f"  logic {vector(COUNT)} oldest;\n  logic {', '.join(pulses)};"

    def oldest_text(self) -> str:
        """The minimum of all strands' epochs, as differences to the first strand's: counters may wrap."""
        lines = ["  logic some;", "  always_comb begin", "    oldest = '0;",
                 "    some = 1'b0;"]  # fmt: skip
        for text in self.texts:
            n = text.duty.number
            lines += [
                f"    if (!s{n}_finished && (!some || earlier(s{n}_epoch, oldest))) oldest = s{n}_epoch;",
                f"    if (!s{n}_finished) some = 1'b1;",
            ]
        lines += ["  end", "  function automatic logic earlier(input logic [31:0] a, input logic [31:0] b);",
                  "    earlier = $signed(a - b) < 0;", "  endfunction"]  # fmt: skip
        function, body = lines[-3:], lines[:-3]
        finished = " && ".join(f"s{text.duty.number}_finished" for text in self.texts)
        return "\n".join([*function, *body, f"  assign all_finished = {finished} && !load_busy && !store_busy;"])

    def arbiter_text(self, resource: str) -> str:
        """Who issues: the strand whose next slot is planned first, the program's first of several, if it is ready."""
        duties = self.hardware.on(resource)
        free = {LOAD: "!load_busy", STORE: "!store_busy"}.get(resource, "1'b1")
        lines = [f"  // {resource}: the slot that is planned first, as soon as it may."]
        holding = " || ".join(f"s{duty.number}_holds" for duty in duties)
        lines.append(f"  wire {resource}_held = {holding};")
        for place, duty in enumerate(duties):
            n = duty.number
            before = []
            for other, rival in enumerate(duties):
                if other < place:
                    before.append(f"(s{rival.number}_finished || earlier(s{n}_planned, s{rival.number}_planned))")
                elif other > place:
                    before.append(f"(s{rival.number}_finished || !earlier(s{rival.number}_planned, s{n}_planned))")
            first = " && ".join([f"!s{n}_finished", *before])
            lines.append(f"  wire s{n}_first = {resource}_held ? s{n}_holds : {first};")
            lines.append(f"  assign s{n}_grant = going && {free} && s{n}_first && s{n}_ready;")
        return "\n".join(lines)

    def done_text(self) -> str:
        """When readers see that units of their sources are done, and pools that tiles are free."""
        program, lines = self.hardware.program, ["  // Units that are done, as late as readers may use them."]
        for n, link in enumerate(program.links):
            source = self.hardware.duties[link.source]
            resource = source.strand.resource
            if resource == LOAD:
                pulse, late = f"s{link.source}_arrived", link.delay
            elif resource == STORE:
                pulse, late = f"s{link.source}_sent", link.delay
            else:
                pulse, late = f"s{link.source}_grant && s{link.source}_ends", link.delay - 1
            lines.append(
                f"  einsim_delay #(.WIDTH(1), .CLOCKS({late})) u_done_{n} (\n"
                f"    .clk(clk), .reset(reset || reload), .d({pulse}), .q(done_{n})\n  );"
            )
        for n, pool in enumerate(program.pools):
            lines.append(f"  assign returned_{n} = s{pool.closer}_closes_{n};")
        return "\n".join(lines)

    def load_text(self) -> str:
        """The channel in: rows of the tile that was decided on last, one a beat, into its store."""
        duties = self.hardware.on(LOAD)
        kinds, rows = bits_for(len(duties)), max(duty.beats for duty in duties)
        count = bits_for(rows)
        address = max(bits_for(duty.results[0].store.words) for duty in duties)
        granted = " || ".join(f"s{duty.number}_grant" for duty in duties)
        lines = [
            "  // The stream in.",
            f"  logic {vector(kinds)} load_which, load_kept;\n"
            f"  logic {vector(count)} load_row;\n  logic {vector(count)} load_rows;\n"
            f"  logic {vector(address)} load_at, load_base;",
            f"  wire load_begins = {granted};",
            "  assign in_ready = load_begins || load_busy;",
            "  wire load_beat = in_valid && in_ready;",
            "  always_comb begin\n    load_which = load_kept;\n    load_at = load_base;",
        ]
        for place, duty in enumerate(duties):
            at = cast(f"s{duty.number}_result_0", bits_for(duty.results[0].store.words), address)
            lines.append(f"    if (s{duty.number}_grant) begin\n      load_which = {kinds}'d{place};\n"
                         f"      load_at = {at};\n    end")  # fmt: skip
        lines.append("  end")
        lines.append(table("load_last_row", [duty.beats - 1 for duty in duties], "load_which", count))
        lines.append("  assign load_rows = load_last_row;")
        lines.append(f"  wire {vector(count)} load_now = load_begins ? '0 : load_row;")
        lines.append("  wire load_ends = load_beat && load_now == load_rows;")
        lines.append(
            "  always_ff @(posedge clk)\n    if (reset) load_busy <= 1'b0;\n    else begin\n"
            "      load_busy <= in_ready && !load_ends;\n      load_kept <= load_which;\n      load_base <= load_at;\n"
            "      load_row <= load_beat ? load_now + 1'b1 : load_now;\n    end"
        )
        for place, duty in enumerate(duties):
            store, n = duty.results[0].store, duty.number
            extent = self.hardware.rows if store.place is Place.WEST else self.hardware.columns
            width = store.format.width
            here = f"load_which == {kinds}'d{place}"
            bits = bits_for(store.words)
            lines.append(
                f"  always_ff @(posedge clk) begin\n    {store.name}_fill <= load_beat && {here};\n"
                f"    {store.name}_address <= {cast('load_at', address, bits)} + {cast('load_now', count, bits)};\n"
                f"    {store.name}_value <= in_data[{extent * width - 1}:0];\n  end"
            )
            lines.append(
                f"  einsim_delay #(.WIDTH(1), .CLOCKS({self.latency})) u_arrived_{n} (\n"
                f"    .clk(clk), .reset(reset || reload), .d(load_ends && {here}), .q(s{n}_arrived)\n  );"
            )
        return "\n".join(lines)

    def store_text(self) -> str:
        """The channel out: rows of a tile of results, one a beat."""
        duties = self.hardware.on(STORE)
        n, rows = duties[0].number, duties[0].beats
        count, bits = bits_for(rows), max(1, bits_for(duties[0].sources[0].use.store.words))
        return (
            "  // The stream out.\n"
            f"  logic {vector(count)} store_row;\n  logic {vector(bits)} store_base;\n"
            f"  wire {vector(count)} store_now = s{n}_grant ? '0 : store_row;\n"
            f"  wire {vector(bits)} store_at = s{n}_grant ? s{n}_source_0 : store_base;\n"
            f"  assign out_valid = s{n}_grant || store_busy;\n"
            f"  assign out_last = store_now == {count}'d{rows - 1};\n"
            f"  assign out_address = store_at + {bits}'(store_now);\n"
            "  wire store_beat = out_valid && out_ready;\n"
            f"  assign s{n}_sent = store_beat && out_last;\n"
            "  always_ff @(posedge clk)\n    if (reset) store_busy <= 1'b0;\n    else begin\n"
            f"      store_busy <= out_valid && !s{n}_sent;\n      store_base <= store_at;\n"
            "      store_row <= store_beat ? store_now + 1'b1 : store_now;\n    end"
        )

    def words_text(self) -> str:
        """What the arrays are told: words for whichever strand issues, registered."""
        grid, lanes = self.hardware.on(self.hardware.grid), self.hardware.on(self.hardware.lanes)
        words = control_words(self.hardware)
        late = [name for name in words if name in {"element", "below", "foot"}]
        lines = ["  // What the arrays are told: a cycle for the edges and the lanes' buffer, two for elements."]
        lines += [f"  logic {vector(word.width)} {name}_next;" for name, word in words.items()]
        lines += [f"  logic {vector(words[name].width)} {name}_now;" for name in late]
        zeros = "".join(f"    {name}_next = '0;\n" for name in words)
        branches = []
        for place, duty in enumerate(grid):
            inside = [f"      {name}_next = {words[name].packed(values)};"
                      for name, values in self.grid_values(duty, place, words).items()]  # fmt: skip
            branches.append(f"    if (s{duty.number}_grant) begin\n" + "\n".join(inside) + "\n    end")
        for place, duty in enumerate(lanes):
            values = self.lane_values(duty, place, words["lane"])
            branches.append(f"    if (s{duty.number}_grant) lane_next = {words['lane'].packed(values)};")
        lines.append(f"  always_comb begin\n{zeros}" + "\n".join(branches) + "\n  end")
        steps = {f"{name}_control": f"{name}_{'now' if name in late else 'next'}" for name in words}
        steps |= {f"{name}_now": f"{name}_next" for name in late}
        zero = "".join(f"      {name} <= '0;\n" for name in steps)
        move = "".join(f"      {name} <= {value};\n" for name, value in steps.items())
        lines.append(f"  always_ff @(posedge clk)\n    if (reset) begin\n{zero}    end else begin\n{move}    end")
        return "\n".join(lines)

    def grid_values(self, duty: Duty, place: int, words: dict[str, Word]) -> dict[str, dict[str, str]]:
        """Fields of the words of an operation on the 2D array."""
        n = duty.number
        fields = {name: dict(word.fields) for name, word in words.items()}
        element = {"valid": "1'b1", "op": f"{fields['element']['op']}'d{place}"}
        if duty.work and duty.work.slots > 1:
            element["step"] = f"s{n}_step"
        if duty.opens:
            element["opens"] = f"s{n}_opens"
        if duty.drained:
            element["closes"] = f"s{n}_ends"
        element |= self.mask_values(duty)
        north = {"chosen": f"{fields['north']['chosen']}'d{north_choice(self.hardware, duty)}"}
        west = {"chosen": f"{fields['west']['chosen']}'d{west_choice(self.hardware, duty)}"}
        for k, source in enumerate(duty.sources):
            store = source.use.store
            where = {Place.ELEMENT: element, Place.WEST: west}.get(store.place, north)
            if store.words > 1:
                where[read(store)] = f"s{n}_source_{k}"
        found = {"element": element, "north": north, "west": west}
        targets = list(dict.fromkeys(use.store for each in self.hardware.on(self.hardware.grid) for use in below(each)))
        for k, use in enumerate(duty.results):
            if use.store.place is Place.ELEMENT and use.store.words > 1:
                element[write(use.store)] = f"s{n}_result_{k}"
            if use.store.place is Place.LANE:
                under = {"valid": "1'b1", "to": f"{fields['below']['to']}'d{targets.index(use.store)}"}
                if use.store.words > 1:
                    under[write(use.store)] = f"s{n}_result_{k}"
                found["below"] = under
            if use.store.place is Place.FOOT:
                found["foot"] = {"valid": f"s{n}_ends", "base": f"s{n}_result_{k}"}
        return found

    def mask_values(self, duty: Duty) -> dict[str, str]:
        """Values of all masks of an array for an operation: those that it has not are positive everywhere."""
        bits, most = mask_bits(self.hardware), mask_most(self.hardware)
        every = {f"mask_{k}": signed(most, bits) for k, _ in enumerate(self.hardware.masks(duty.strand.resource))}
        return every | {f"mask_{k}": f"s{duty.number}_mask_{k}" for k, _, _ in self.texts[duty.number].masks}

    def lane_values(self, duty: Duty, place: int, word: Word) -> dict[str, str]:
        """Fields of the word of an operation on the lanes."""
        n, widths = duty.number, dict(word.fields)
        values = {"valid": "1'b1", "op": f"{widths['op']}'d{place}"}
        if duty.work and duty.work.slots > 1:
            values["step"] = f"s{n}_step"
        if duty.opens:
            values["opens"] = f"s{n}_opens"
        if self.texts[n].fresh is not None:
            values["fresh"] = f"s{n}_fresh"
        values |= self.mask_values(duty)
        for k, source in enumerate(duty.sources):
            if source.use.store.words > 1:
                values[read(source.use.store)] = f"s{n}_source_{k}"
        for k, use in enumerate(duty.results):
            if use.store.words > 1:
                values[write(use.store)] = f"s{n}_result_{k}"
        for k, (_, use) in enumerate(duty.kept):
            if use.store.words > 1:
                values[write(use.store)] = f"s{n}_kept_{k}"
        return values

    def fills(self) -> list[tuple[str, str]]:
        """Ports that fill the edges' stores: ranges and names."""
        found = []
        for place, extent in ((Place.WEST, self.hardware.rows), (Place.NORTH, self.hardware.columns)):
            for store in self.hardware.at(place):
                found += [("", f"{store.name}_fill"), (vector(bits_for(store.words)) + " ", f"{store.name}_address"),
                          (f"{vector(extent * store.format.width)} ", f"{store.name}_value")]  # fmt: skip
        return found

    def probes(self) -> list[tuple[int, str]]:
        """What can be watched: of each resource, whether it issues, which strand, and which slot of its unit."""
        slots = max(text.slot_bits for text in self.texts)
        strands = bits_for(len(self.texts))
        found = []
        for resource in self.hardware.resources:
            found += [(1, f"{resource}_issues"), (strands, f"{resource}_strand"), (slots, f"{resource}_slot")]
        return [*found, (1, "load_done"), (1, "store_done")]

    def slot_text(self, duty: Duty, width: int) -> str:
        """The number of the slot that a strand issues."""
        return cast(f"s{duty.number}_slot_now", self.texts[duty.number].slot_bits, width)

    def probe_text(self) -> str:
        """Values of what can be watched."""
        lines = []
        widths = {name: width for width, name in self.probes()}
        for resource in self.hardware.resources:
            duties = self.hardware.on(resource)
            lines.append(f"  assign {resource}_issues = " + " || ".join(f"s{d.number}_grant" for d in duties) + ";")
            body = "".join(
                f"    if (s{d.number}_grant) begin\n"
                f"      {resource}_strand = {widths[f'{resource}_strand']}'d{d.number};\n"
                f"      {resource}_slot = {self.slot_text(d, widths[f'{resource}_slot'])};\n    end\n"
                for d in duties
            )
            lines.append(f"  always_comb begin\n    {resource}_strand = '0;\n    {resource}_slot = '0;\n{body}  end")
        unused = [f"s{duty.number}_{name}" for duty in self.hardware.duties for name in ("ends", "planned")]
        lines.append(f"  wire unused = &{{1'b0, {', '.join(unused)}}};")
        lines.append("  assign load_done = load_ends;")
        lines.append(f"  assign store_done = s{self.hardware.on(STORE)[0].number}_sent;")
        return "\n".join(lines)

    def module(self) -> Module:
        """`<prefix>_control`."""
        hardware, prepare = self.hardware, self.prepare
        bits = bits_for(prepare + 1)
        arrays, out = hardware.arrays, hardware.leaving
        fill_ports = [f"  output logic {kind}{name}," for kind, name in self.fills()]
        probe_ports = [
            f"  output logic {vector(width) + ' ' if width > 1 else ''}{name}" for width, name in self.probes()
        ]
        return module(
            f"{self.prefix}_control",
            "what is issued when, from the static order and what has been done.",
            [f"interval {hardware.program.interval}", f"at most {self.ahead} epochs at a time"],
            _CONTROL,
            [*self.strands, DELAY],
            size_ports="\n".join(f"  input  logic {vector(COUNT)} size_{rank}," for rank in self.ranks),
            busy_ports="\n".join(f"  output logic [31:0] {name}_busy,  // slots issued" for name in arrays),
            busy_reset="\n".join(f"      {name}_busy <= '0;" for name in arrays),
            busy_counts="\n".join(f"        if ({name}_issues) {name}_busy <= {name}_busy + 1'b1;" for name in arrays),
            beat_top=hardware.beat * hardware.operand.width - 1,
            out_address_top=bits_for(out.words) - 1,
            fill_ports="\n".join(fill_ports),
            probe_ports=",\n".join(probe_ports),
            prepare_bits=bits - 1,
            prepare=f"{bits}'d{prepare}",
            declared=self.declared(),
            strands="\n\n".join(self.strand_text(text) for text in self.texts),
            oldest=self.oldest_text(),
            arbiters="\n\n".join(self.arbiter_text(resource) for resource in hardware.resources),
            done=self.done_text(),
            loads=self.load_text(),
            store=self.store_text() + "\n\n" + self.probe_text(),
            words=self.words_text(),
            word_ports="\n".join(word_ports(control_words(hardware), "output")),
        )
