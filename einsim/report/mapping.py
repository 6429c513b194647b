"""What a search for a mapping says, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, run_report


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
    return Group(*parts)


def _verdict(record: Record) -> str:
    least, value = record["lower_bound"], record["value"]
    looked = f"{record['designs']:,} designs of {record['plans']:,} plans in {record['seconds']:.1f} s"
    if value is None:
        return f"least {record['objective']}: nothing found that fits; {looked}"
    head = f"least {record['objective']}: {value:.6g} {record['unit']}"
    if record["proved"] and record["gap"] == 0 or record["exhausted"]:
        why = "all of the space was looked at" if record["exhausted"] else "its lower bound"
        return f"{head}, proved ({why}); {looked}"
    if record["proved"]:
        return f"{head}, proved (its lower bound); {looked}"
    return f"{head}, at most {record['gap']:.1%} above the least there is (lower bound {least:.6g}); {looked}"
