"""Whole models for the terminal: what was run, what it takes, kernel by kernel."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, table
from einsim.units import show_bytes, show_count, show_si

_SCOPES: Final = {
    "attention": "attention of one layer",
    "linear": "linear layers of one layer",
    "attention+linear": "attention and linear layers of one layer",
    "layer": "one layer of every kind",
    "model": "the whole model",
}
_LAYERS: Final = {
    "overlapped": "overlapped: kernels on different arrays run at the same time",
    "fused": "fused: each layer is one kernel, whose activations stay on chip",
}


_MANY: Final = 8
"""Kernels of one name that have a row each."""


def whole_report(record: Record) -> RenderableType:
    """Headline with totals, and a row for every kernel: how often, how long, how much energy and traffic."""
    lines: list[RenderableType] = [Text(_title(record), style="bold"), *map(Text, _facts(record))]
    if not record["feasible"]:
        lines.append(Text(f"infeasible: {record['reason']}", style="bold red"))
        return Group(*lines, Text(), _kernels(record))
    shares = (("2D", record["util_2d"]), ("1D", record["util_1d"]))
    rows = [
        ("latency", f"{show_si(record['latency_s'], 's')}, {record['tokens_per_s']:,.4g} tokens/s"),
        ("compute, memory", f"{show_si(record['compute_s'], 's')}, {show_si(record['memory_s'], 's')} summed up"),
        ("energy", show_si(record["energy_pj"] * 1e-12, "J")),
        ("off-chip traffic", show_bytes(record["traffic_bytes"])),
        ("multiply-accumulates", f"{record['macs']:,} in products of matrices"),
        ("utilisation", ", ".join(f"{name} array {share:.1%}" for name, share in shares if share is not None)),
        ("area", f"{record['area_um2'] / 1e6:.4g} mm²"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    lines += [Text(f"{name:<{width}}  {value}") for name, value in rows]
    return Group(*lines, Text(), _kernels(record))


def simulated_whole_report(record: Record) -> RenderableType:
    """Headline with the cycles beside those of the closed form, and a row for every kernel."""
    lines: list[RenderableType] = [Text(_title(record), style="bold"), *map(Text, _facts(record))]
    if record["feasible"]:
        closed = record["cycles_closed_form"]
        lines += [
            Text(f"cycles       {record['cycles']:,} ({show_si(record['latency_s'], 's')}), "
                 f"{record['tokens_per_s']:,.4g} tokens/s"),
            Text(f"closed form  {closed:,.0f} ({(record['cycles'] / closed - 1) * 100:+.3g} % in the simulation)"),
        ]  # fmt: skip
    else:
        lines.append(Text(f"infeasible: {record['reason']}", style="bold red"))
    rows = []
    for alike in _steps(record["kernels"]):
        first, times = alike[0], sum(each["times"] for each in alike)
        fits = all(each["feasible"] for each in alike)
        cycles, closed = (sum(each[name] * each["times"] for each in alike) if fits else 0
                          for name in ("cycles", "cycles_closed_form"))  # fmt: skip
        rows.append([
            first["kernel"], first["group"], f"{times:,}", _sizes(first) + (" ..." if len(alike) > 1 else ""),
            f"{cycles / times:,.0f}" if fits else "-", f"{cycles / closed:.3f}" if fits and closed else "-",
            show_si(sum(each["latency_s"] * each["times"] for each in alike), "s") if fits else "-",
        ])  # fmt: skip
    columns = ("kernel", "group", "times", "sizes", "cycles of one", "by closed form", "time of all")
    return Group(*lines, Text(), table("Kernels", columns, rows, left=2))


def _title(record: Record) -> str:
    machine = f"{record['configuration']} on {record['architecture']}"
    return f"{record['model']}, {_SCOPES[record['scope']]}, {_work(record)}: {machine}"


def _work(record: Record) -> str:
    cached = [(count, length) for count, length in record["context"] if length]
    behind = ", ".join(f"{count:,} x {show_count(length)}" for count, length in cached)
    batch, new = record["batch"], show_count(record["new_tokens"])
    if record["phase"] == "decode":
        plural = "token" if record["new_tokens"] == 1 else "tokens"
        return f"decode of {new} {plural} for {batch:,} sequences with {behind or 'nothing'} cached"
    return f"prefill of {batch:,} sequences of {new} tokens" + (f" behind {behind} cached" if behind else "")


def _facts(record: Record) -> list[str]:
    """Parameters and bytes, the binding, and all that is not counted."""
    lines = []
    if record["parameters"]:
        active = record["active_parameters"]
        each = f", {active / 1e9:,.4g} G of them for a token" if active != record["parameters"] else ""
        held = f"; {show_bytes(record['weights_bytes'])} of weights" if "weights_bytes" in record else ""
        cache = f", {show_bytes(record['cache_bytes'])} of cache" if record.get("cache_bytes") else ""
        lines.append(f"{record['parameters'] / 1e9:,.4g} G parameters{each}{held}{cache}")
    if record["causal"] == "skip":
        lines.append("causal: queries in blocks, each with the keys up to its last token")
    lines += [text for choice, text in _LAYERS.items() if record["layers"] == choice]
    lines += [f"not counted: {what}" for what in record["left_out"]]
    lines += [f"skipped: {what}" for what in record["skipped"]]
    if record["unused_fields"]:
        lines.append(f"fields that nobody read: {', '.join(record['unused_fields'])}")
    return lines


def _kernels(record: Record) -> RenderableType:
    total = record["latency_s"] or 0.0
    rows = []
    for alike in _steps(record["kernels"]):
        first, times = alike[0], sum(each["times"] for each in alike)
        fits = all(each["feasible"] for each in alike)
        sums = {name: sum(each[name] * each["times"] for each in alike) if fits else 0.0
                for name in ("latency_s", "compute_s", "memory_s", "energy_pj", "traffic_bytes")}  # fmt: skip
        rows.append([
            first["kernel"], first["group"], f"{times:,}", _sizes(first) + (" ..." if len(alike) > 1 else ""),
            show_si(sums["latency_s"] / times, "s") if fits else "-",
            show_si(sums["latency_s"], "s") if fits else "-",
            f"{sums['latency_s'] / total:.1%}" if fits and total else "-",
            ("memory" if sums["memory_s"] >= sums["compute_s"] else "compute") if fits else "does not fit",
            show_si(sums["energy_pj"] * 1e-12, "J") if fits else "-",
            show_bytes(sums["traffic_bytes"]) if fits else "-",
        ])  # fmt: skip
    columns = ("kernel", "group", "times", "sizes", "time of one", "of all", "share", "bound by", "energy", "traffic")
    return table("Kernels", columns, rows, left=2)


def _steps(kernels: list[Record]) -> list[list[Record]]:
    """Kernels of one name that differ in length only (as those of a decode's steps), together where they are many."""
    found: dict[tuple[str, str], list[Record]] = {}
    for each in kernels:
        found.setdefault((each["group"], each["kernel"]), []).append(each)
    return [part for alike in found.values() for part in ([alike] if len(alike) > _MANY else [[k] for k in alike])]


def _sizes(each: Record) -> str:
    text = ", ".join(f"{name}={show_count(size)}" for name, size in each["sizes"].items())
    return f"{each['instances']:,} x ({text})" if each["instances"] > 1 else text
