"""What the analysis says of cascades, as records for scripts and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.analysis.footprint import Footprint, footprint
from einsim.analysis.passes import StreamPasses, count_passes
from einsim.analysis.sizes import leading, show, total, work
from einsim.analysis.witness import witnesses
from einsim.cascade import Cascade
from einsim.report.tables import table
from einsim.spec.zoo import System

Record = dict[str, Any]


def most(passes: Iterable[StreamPasses]) -> int | str:
    """The passes of the stream that needs most; 0 where there is no stream."""
    found = list(passes)
    if not found:
        return 0
    return max(found, key=lambda each: (each.repeated is not None, each.first)).number


def passes_record(cascade: Cascade, rank: str | None) -> Record:
    """Passes over each stream, with witnesses and footprints; on top those of the stream that needs most."""
    every = count_passes(cascade, rank)
    streams = [_stream_record(cascade, passes) for passes in every]
    number = most(every)
    first = next((stream for stream in streams if stream["passes"] == number), {})
    return {
        "cascade": cascade.name,
        "passes": number,
        "sequence": [stream["sequence"] for stream in streams],
        "witness": first.get("witness", []),
        "footprint": first.get("footprint", []),
        "running": first.get("running", {}),
        "inputs_read_again": first.get("inputs_read_again", {}),
        "streams": streams,
    }


def _stream_record(cascade: Cascade, passes: StreamPasses) -> Record:
    live = footprint(cascade, passes)
    return {
        "sequence": passes.stream.name,
        "passes": passes.number,
        "witness": [str(witness) for witness in witnesses(cascade, passes)],
        "footprint": footprint_records(live),
        "running": {tensor: show(amount) for tensor, amount in live.running.items()},
        "inputs_read_again": {tensor: list(reads) for tensor, reads in live.reread.items()},
        "einsums": {name: {"pass": state.number, "after": state.after} for name, state in passes.states.items()},
    }


def footprint_records(live: Footprint) -> list[Record]:
    """One record a tensor that crosses a pass boundary: elements held, and the alternatives to holding them."""
    return [
        {
            "tensor": each.tensor,
            "made_in": each.made,
            "read_in": list(each.read),
            "rows": list(each.rows),
            "per_row": show(each.per_row),
            "total": show(each.total),
            "spill_words": show(each.spill),
            "recompute_operations": show(each.recompute),
        }
        for each in live.crossing
    ]


def passes_report(record: Record) -> RenderableType:
    """The same for people."""
    parts: list[RenderableType] = []
    for stream in record["streams"]:
        number = stream["passes"]
        noun = "pass" if number == 1 else "passes"
        parts.append(Text(f"{record['cascade']}: {number} {noun} over {stream['sequence']}", style="bold"))
        parts += [Text(f"  {witness}") for witness in stream["witness"]]
        rows = [
            (each["tensor"], f"{each['made_in']} -> {', '.join(map(str, each['read_in']))}", each["per_row"],
             each["total"], each["spill_words"], each["recompute_operations"])
            for each in stream["footprint"]
        ]  # fmt: skip
        if rows:
            title = "Alive across passes (elements): hold them, spill them, or make them again"
            columns = ("tensor", "passes", "a row", "in all", "spill and reload", "operations to recompute")
            parts += [Text(), table(title, columns, rows, left=2, fold=columns)]
        if stream["running"]:
            state = ", ".join(f"{tensor} {amount}" for tensor, amount in stream["running"].items())
            parts.append(Text(f"  running state (elements): {state}"))
        for tensor, reads in stream["inputs_read_again"].items():
            parts.append(Text(f"  input {tensor} is read in passes {', '.join(map(str, reads))}"))
        parts.append(Text())
    return Group(*parts[:-1]) if parts else Text("")


def zoo_record(system: System, cascades: dict[str, Cascade]) -> Record:
    """One system with its variants: passes, sequence, footprints, operations."""
    return {
        "name": system.name,
        "title": system.title,
        "class": system.kind,
        "seed": system.seed,
        "confidence": system.confidence,
        "source": system.source,
        "description": system.description,
        "straightforward": system.straightforward,
        "best": system.best,
        "rewrites": system.rewrites,
        "resists": system.resists,
        "sizes": [{"name": each.name, "sizes": dict(each.sizes)} for each in system.sizes],
        "variants": [_variant(system, name, cascades[name]) for name in system.variants],
    }


def _variant(system: System, name: str, cascade: Cascade) -> Record:
    every = count_passes(cascade) if cascade.sequences else ()
    operations = total(work(cascade, einsum) for einsum in cascade.einsums)
    return {
        "name": name,
        "cascade": system.cascade_name(name),
        "passes": most(every),
        "sequence": [passes.stream.name for passes in every],
        "footprint": [record for passes in every for record in footprint_records(footprint(cascade, passes))],
        "operations": show(operations),
        "leading_operations": show(leading(operations)),
    }


def zoo_table(records: list[Record]) -> RenderableType:
    """The list of the zoo: passes as written and at best, and what the written form keeps alive."""
    rows = []
    for record in records:
        variants = {each["name"]: each for each in record["variants"]}
        written, best = variants[record["straightforward"]], variants[record["best"]]
        held = ", ".join(f"{each['tensor']} {each['per_row']}" for each in written["footprint"]) or "-"
        passes = f"{written['passes']} -> {best['passes']}"
        sequence = "; ".join(written["sequence"]) or "-"
        rows.append((record["name"], record["title"], record["class"], record["confidence"], sequence, passes, held,
                     written["leading_operations"]))  # fmt: skip
    columns = ("name", "system", "class", "source", "sequence", "passes", "alive, a row", "most operations")
    fold = ("system", "sequence", "alive, a row", "most operations")
    title = f"{len(records)} systems; passes as written and at best; alive across passes, and operations, as written"
    return table(title, columns, rows, left=8, fold=fold)


def system_report(record: Record, written: str) -> RenderableType:
    """One system explained: what it is, its variants with their passes, and the straightforward one as text."""
    folding = ("alive across passes, a row", "operations")
    rows = [
        (
            variant["cascade"] + ("  (as written)" if variant["name"] == record["straightforward"] else "")
            + ("  (best)" if variant["name"] == record["best"] else ""),
            str(variant["passes"]),
            ", ".join(f"{each['tensor']} {each['per_row']}" for each in variant["footprint"]) or "-",
            variant["operations"],
        )
        for variant in record["variants"]
    ]  # fmt: skip
    facts = [f"class {record['class']}", f"source ({record['confidence']}): {record['source']}"]
    if record["seed"]:
        facts.insert(1, f"surveyed system{'s' * (len(record['seed']) > 1)} {', '.join(map(str, record['seed']))}")
    parts: list[RenderableType] = [
        Text(f"{record['name']}: {record['title']}", style="bold"),
        Text(record["description"]),
        Text("; ".join(facts), style="dim"),
        Text(),
        table("Variants", ("cascade", "passes", *folding), rows, left=4, fold=folding),
    ]
    for heading, text in (("From the one to the other", record["rewrites"]), ("What resists", record["resists"])):
        if text:
            parts += [Text(), Text(f"{heading}: {text}")]
    sizes = "; ".join(
        f"{each['name']} ({', '.join(f'{symbol}={value}' for symbol, value in each['sizes'].items())})"
        for each in record["sizes"]
    )
    parts += [Text(), Text(f"Published sizes: {sizes or 'none'}"), Text(), Text(written.rstrip())]
    return Group(*parts)


_GROUPS: Final = ("0 passes (no sequence)", "1 pass", "2 passes", "3 passes", "more passes")


def taxonomy_record(records: list[Record]) -> dict[str, list[str]]:
    """All cascades of the zoo by their passes (FuseMax, table I): 1, 2, 3 and more."""
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for record in records:
        for variant in record["variants"]:
            number = variant["passes"]
            place = min(number, 4) if isinstance(number, int) else 4
            groups[_GROUPS[place]].append(variant["cascade"])
    return {group: names for group, names in groups.items() if names}


def taxonomy_report(groups: dict[str, list[str]]) -> RenderableType:
    """The same for people."""
    rows = [(group, str(len(names)), ", ".join(names)) for group, names in groups.items()]
    return table("The zoo by passes over its sequence", ("passes", "cascades", "which"), rows, left=3, fold=("which",))
