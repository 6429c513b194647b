"""What a simulation says, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, show_held, table
from einsim.units import show_bytes, show_count, show_si


def simulation_report(record: Record) -> RenderableType:
    """Headline, where the cycles of each array go, and the pipeline: which strand runs how many epochs behind."""
    head = _headline(record)
    if not record["feasible"]:
        return Group(head, Text(f"infeasible: {record['reason']}", style="bold red"))
    parts: list[RenderableType] = [head, Text(), _stalls(record)]
    for program in record["programs"]:
        parts += [Text(), _pipeline(program)]
    return Group(*parts)


def _headline(record: Record) -> RenderableType:
    sizes = ", ".join(f"{name}={show_count(size)}" for name, size in record["sizes"].items())
    what = f"{record['model']} at {show_count(record['seq_len'])} tokens" if record["model"] else "custom shape"
    lines = [
        Text(
            f"{record['configuration']}: {record['cascade']} on {record['architecture']}, {what} ({sizes})",
            style="bold",
        )
    ]
    left_out = [name for name, kept in record["timing"].items() if not kept and name != "stalls"]
    if left_out:
        lines.append(Text(f"ideal: without {', '.join(left_out)} times"))
    if record["feasible"]:
        shares = ((("2D"), record["util_2d"]), (("1D"), record["util_1d"]))
        closed = record["cycles_closed_form"]
        dense = "; it counts points that `when` leaves out" if record["counted_dense"] else ""
        rows = [
            ("cycles", f"{record['cycles']:,} ({show_si(record['latency_s'], 's')})"),
            ("closed form", f"{closed:,.0f} ({(record['cycles'] / closed - 1) * 100:+.3g} % in the simulation{dense})"),
            ("utilisation", ", ".join(f"{name} array {share:.1%}" for name, share in shares if share is not None)),
            ("off-chip traffic", show_bytes(record["traffic_bytes"])),
            *((f"most in {level}", show_held(record, level, held)) for level, held in record["high_water"].items()),
            *((level, f"{words} of {record['registers_depth'][level]} words a processing element")
              for level, words in record["registers_words"].items()),
        ]  # fmt: skip
        width = max(len(name) for name, _ in rows)
        lines += [Text(f"{name:<{width}}  {value}") for name, value in rows]
    return Group(*lines)


def _stalls(record: Record) -> RenderableType:
    """Where every cycle of each array goes."""
    total = record["cycles"]
    causes = list(dict.fromkeys(cause for each in record["stalls"].values() for cause in each))
    rows = []
    for array, stalls in record["stalls"].items():
        busy = total - sum(stalls.values())
        rows.append([array, *(f"{value / total:.2%}" for value in (busy, *(stalls.get(cause, 0) for cause in causes)))])
    return table("Cycles of each array, by what it did or waited for", ["array", "busy", *causes], rows)


def _pipeline(program: Record) -> RenderableType:
    loops = ", ".join(f"{name} {show_count(trips)}" for name, trips in program["loops"].items())
    bounds = f"resources {program['resource_bound']:,}, recurrences {program['recurrence_bound']:,}"
    title = (
        f"{program['name']}: {program['epochs']:,} epochs ({loops or 'one'}), "
        f"a new one every {program['interval']:,} cycles by plan; bounds: {bounds}"
    )
    rows = [
        [strand["name"], strand["resource"], str(strand["lag"]), f"{strand['planned'] % program['interval']:,}",
         f"{strand['slots']:,}", f"{strand['units']:,}"]
        for strand in program["strands"]
    ]  # fmt: skip
    return table(title, ["strand", "resource", "epochs behind", "from cycle", "slots", "units"], rows, left=2)
