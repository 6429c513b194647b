"""What a search for a mapping says, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, run_report, table


def mapping_report(record: Record) -> RenderableType:
    """The mapping file, everything about its cost, and how much better another mapping could be."""
    parts: list[RenderableType] = []
    if record["mapping"] is not None:
        parts += [Text(record["mapping"])]
    else:
        parts += [Text(f"no mapping file ({record['fallback']});\n"
                       "this is one Einsum after another, as einsim maps what it cannot search", style="bold"),
                  Text()]  # fmt: skip
    parts += [run_report(record), Text()]
    if len(record["candidates"]) > 1:
        parts += [_compared(record), Text()]
    parts += [Text(line, style="bold") for line in (_closed(record), _cycles(record)) if line]
    return Group(*parts, Text(_looked(record)))


def _compared(record: Record) -> RenderableType:
    """What the answer was chosen from."""
    rows = [
        (each["name"], _number(each["value"]), _number(each["cycle_value"]), each["reason"] or "")
        for each in record["candidates"]
    ]
    columns = ("mapping", "closed form", "cycle model", "")
    return table(f"Least {record['objective']} ({record['unit']}), best first", columns, rows, left=1)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _closed(record: Record) -> str:
    """The closed form's value beside the bound."""
    value, least = record["value"], record["lower_bound"]
    if value is None:
        return f"least {record['objective']}: nothing found that fits"
    head = f"closed form: {value:.6g} {record['unit']}"
    if least is None:
        return f"{head}, without a bound"
    if record["proved"]:
        why = "all of the space was looked at" if value > least * (1 + 1e-9) else "it meets its lower bound"
        return f"{head}, proved: {why}"
    less = record["closed_form_best"]
    other = f" (one that does not run so well has {less:.6g})" if less is not None else ""
    return f"{head}, not proved: no mapping is below {least:.6g} ({record['gap']:.2%} less){other}"


def _cycles(record: Record) -> str:
    """The cycle model's value beside the same bound."""
    value, run = record["cycle_value"], record["cycle_model"]
    if run is None:
        return ""
    if value is None:
        return f"cycle model: does not run ({run['reason']})"
    head = f"cycle model: {value:.6g} {record['unit']}"
    if record["cycle_proved"]:
        return f"{head}, proved"
    if record["cycle_gap"] is None:
        return f"{head}, without a bound"
    return f"{head}, not proved: no mapping is below {record['lower_bound']:.6g} ({record['cycle_gap']:.2%} less)"


def _looked(record: Record) -> str:
    return (f"{record['designs']:,} designs of {record['plans']:,} plans, {record['runs']:,} of them run in the cycle "
            f"model, in {record['seconds']:.1f} s")  # fmt: skip
