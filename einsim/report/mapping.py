"""What a search for a mapping says, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, run_report
from einsim.units import show_si


def mapping_report(record: Record) -> RenderableType:
    """The mapping file, everything about its cost, and how much better another mapping could be."""
    parts: list[RenderableType] = []
    if record["mapping"] is not None:
        parts += [Text(record["mapping"])]
    else:
        parts += [Text(f"no mapping file can say how to run it ({record['fallback']});\n"
                       "this is one Einsum after another, as einsim maps what it cannot search", style="bold"),
                  Text()]  # fmt: skip
    parts += [run_report(record), Text(), Text(_verdict(record), style="bold")]
    if record["cycle_model"] is not None:
        parts.append(Text(_cycles(record["cycle_model"])))
    return Group(*parts)


def _cycles(simulated: Record) -> str:
    if simulated["latency_s"] is None:
        return f"cycle model: does not run ({simulated['reason']})"
    return f"cycle model: {show_si(simulated['latency_s'], 's')} ({simulated['difference'] * 100:+.3g} %)"


def _verdict(record: Record) -> str:
    least, value = record["lower_bound"], record["value"]
    looked = f"{record['designs']:,} designs of {record['plans']:,} plans in {record['seconds']:.1f} s"
    if value is None:
        return f"least {record['objective']}: nothing found that fits; {looked}"
    if least is None:
        return f"{record['objective']}: {value:.6g} {record['unit']}, without a search and without a bound"
    head = f"least {record['objective']}: {value:.6g} {record['unit']}"
    if record["proved"]:
        why = "all of the space was looked at" if record["exhausted"] else "it meets its lower bound"
        return f"{head}, proved: {why}; {looked}"
    return f"{head}, not proved: no mapping is below {least:.6g} ({record['gap']:.1%} less); {looked}"
