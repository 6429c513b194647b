"""What a binding says, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, table
from einsim.units import show_count


def binding_report(record: Record) -> RenderableType:
    """The interval with its bounds, what every array has to do, and when every Einsum runs."""
    sizes = ", ".join(f"{name}={show_count(size)}" for name, size in record["sizes"].items())
    interval, least = record["initiation_interval"], record["lower_bound"]
    what = "no legal assignment" if record["free"] else "no pipeline of this assignment"
    if record.get("divided", {}).get("rank") is not None:
        what = "no legal assignment of these parts"
    verdict = f"proved: {what} is faster" if record["proved"] else (
        f"not proved: {least} may be possible ({1 - least / interval:.1%} less)")  # fmt: skip
    lines = [
        Text(f"{record['cascade']} on {record['architecture']} ({sizes})", style="bold"),
        Text(f"{_epoch(record)} every {interval} cycles ({record['order']}); {verdict}"),
        Text(f"bounds of this assignment: resources {record['resource_bound']}, "
             f"recurrences {record['recurrence_bound']}"),
    ]  # fmt: skip
    if record["split_bound"] is not None:
        lines.append(Text(f"Einsums divided between arrays: {record['split_bound']:g} cycles a tile or more"))
    if record["heuristic_interval"] is not None:
        lines.append(Text(f"the cycle model's own plan of this assignment: {record['heuristic_interval']}"))
    if record["simulated_interval"] is not None:
        lines.append(Text(f"simulated, cycle by cycle: {record['simulated_interval']:g} cycles a tile"))
    lines += _divided(record)
    words = ", ".join(f"{level} {count}" for level, count in record["register_words"].items())
    proof = "; none of this interval keeps fewer" if record["fewest_words"] else ""
    lines.append(Text(f"words handed on in registers: {words}{proof}"))
    lines.append(Text(f"assignments looked at: {record['tried']}, of them not legal: {len(record['refused'])}"))
    return Group(*lines, Text(), _einsums(record))


def _epoch(record: Record) -> str:
    """What is done every interval."""
    tiles = record.get("divided", {}).get("tiles") or 1
    return "a tile" if tiles == 1 else f"a group of {tiles} tiles"


def _divided(record: Record) -> list[Text]:
    """What cutting a rank gained, and what its bounds said."""
    if "divided" not in record:
        return []
    divided = record["divided"]
    lines = []
    for cut in divided["cuts"]:
        bound = f"{cut['resource_bound']:g} cycles a tile or more"
        lines.append(Text(f"best cut of {cut['rank']} by resource bound: {_parts(cut)}, {bound}"))
    whole, now = divided["undivided_cycles_per_tile"], divided["cycles_per_tile"]
    looked = f"{divided['compared']} cuts compared, {divided['bound']} of them bound"
    if divided["rank"] is None:
        most = whole / divided["split_bound"] - 1
        lines.append(Text(f"no cut is faster than the {whole:g} cycles a tile of the undivided cascade, of which "
                          f"{most:.1%} is the most to gain ({looked})"))  # fmt: skip
    else:
        lines.append(Text(f"divided: {_parts(divided)}, {now:g} cycles a tile; {divided['gain']:.3f} times as fast as "
                          f"undivided, {whole:g} ({looked})"))  # fmt: skip
    least = divided["lower_bound"]
    gap = "optimal among these cuts" if divided["proved"] else f"{now / least - 1:.1%} above that"
    lines.append(Text(f"no cut that was compared takes less than {least:g} cycles a tile: {gap}"))
    return lines


def _parts(cut: Record) -> str:
    """A rank and what it is cut into."""
    return f"{cut['rank']} in {' + '.join(map(str, cut['into'].values()))}"


def _einsums(record: Record) -> RenderableType:
    """A row an Einsum: slots on every array that can run it, the one that does, and its cycles."""
    arrays = list(record["slots"])
    rows = []
    for name, slots in record["slots_by_array"].items():
        own = record["assignment"][name]
        cycles = record["cycles"].get(name)
        when = (f"{cycles[0]:,}", f"{cycles[-1]:,}") if cycles else ("outside", "")
        moved = " (moved)" if name in record["moved"] else ""
        rows.append([name, f"{own}{moved}", *(f"{slots[a]:,}" if a in slots else "-" for a in arrays), *when])
    rows.append(["all", "", *(f"{record['slots'][array]:,}" for array in arrays), "", ""])
    title = "Slots of every Einsum in a tile, on each array that could run it; its first and last cycle"
    return table(title, ["Einsum", "runs on", *arrays, "first", "last"], rows, left=2)
