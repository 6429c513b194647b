"""A run as trace events, to be opened in Perfetto (ui.perfetto.dev) or chrome://tracing.

One microsecond of the trace is one cycle. The format is that of the Trace Event Format document: `X` are slices, `M`
names of tracks, `C` counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from einsim.model.cycle.simulate import Run
from einsim.report.occupancy import levels
from einsim.report.timeline import Bar, Timeline, timelines
from einsim.spec.architecture import Architecture

Event = dict[str, Any]

MACHINE, STRANDS, MEMORIES = 1, 2, 3
"""Processes: resources, the strands on them, what memories hold."""

_PROCESSES: Final = {MACHINE: "resources", STRANDS: "strands by resource", MEMORIES: "words in memories"}


def trace(runs: Sequence[Run], machine: Architecture) -> Event:
    """The logs of runs that follow one another, as a dictionary to be written as JSON.

    Of each resource there is a track with what it does (several strands that take turns are one slice), and below,
    in a process of their own, a track for each strand, whose slices are stretches of one epoch. Counters say how many
    words of each tensor a memory holds. Raises SpecError where a log is empty.
    """
    lines = timelines(runs, machine)
    resources = list(dict.fromkeys(name for run in runs for name in run.program.resources))
    tracks: dict[tuple[str, str], int] = {}
    for resource in resources:
        for run in runs:
            for strand in run.program.strands:
                if strand.resource == resource:
                    tracks.setdefault((resource, strand.name), len(tracks) + 1)
    events = [*_names(resources, tracks)]
    for line in lines:
        bars = list(line.bars())
        events += _strand_slices(line, bars, tracks)
        for number, resource in enumerate(resources, 1):
            own = [bar for bar in bars if line.program.strands[bar.strand].resource == resource]
            events += _resource_slices(line, own, number)
        events += _counters(line, machine)
    notes = {
        "clock_hz": machine.clock_hz,
        "time": "one microsecond of the trace is one cycle",
        "architecture": machine.name,
        "programs": [line.program.name for line in lines],
        "cycles": sum(run.cycles for run in runs),
        "covered": [list(stretch) for line in lines for stretch in line.stretches],
    }
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": notes}


def _names(resources: Sequence[str], tracks: dict[tuple[str, str], int]) -> Iterator[Event]:
    for process, name in _PROCESSES.items():
        yield _meta("process_name", process, 0, name=name)
        yield _meta("process_sort_index", process, 0, sort_index=process)
    threads = [(MACHINE, number, name) for number, name in enumerate(resources, 1)]
    threads += [(STRANDS, number, f"{resource}: {name}") for (resource, name), number in tracks.items()]
    for process, number, name in threads:
        yield _meta("thread_name", process, number, name=name)
        yield _meta("thread_sort_index", process, number, sort_index=number)


def _meta(kind: str, process: int, thread: int, **what: Any) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "ts": 0, "args": what}


def _slice(name: str, process: int, thread: int, first: int, end: int, what: Event) -> Event:
    return {"ph": "X", "name": name, "cat": "slots", "pid": process, "tid": thread, "ts": first, "dur": end - first,
            "args": what}  # fmt: skip


def _strand_slices(line: Timeline, bars: Sequence[Bar], tracks: dict[tuple[str, str], int]) -> Iterator[Event]:
    loops = line.program.epochs.loops
    names = [f"{loop.rank}{sum(each.rank == loop.rank for each in loops[:n]) or ''}" for n, loop in enumerate(loops)]
    for bar in bars:
        strand = line.program.strands[bar.strand]
        first, last = bar.units
        indices = line.walk.place(bar.epoch).indices[: strand.depth]
        what = {
            "epoch": bar.epoch,
            **dict(zip(names, indices, strict=False)),
            "unit": first if first == last else f"{first} to {last}",
            "slots": bar.slots,
            "program": line.program.name,
        }
        thread = tracks[strand.resource, strand.name]
        name = strand.einsum if strand.computes else strand.name
        yield _slice(name, STRANDS, thread, bar.first, bar.end, what)


def _resource_slices(line: Timeline, bars: Sequence[Bar], number: int) -> Iterator[Event]:
    """What a resource does from one change to the next; bars that overlap take turns."""
    changes = sorted(
        [(bar.first, 1, n) for n, bar in enumerate(bars)] + [(bar.end, 0, n) for n, bar in enumerate(bars)]
    )
    active: dict[int, None] = {}
    since = 0
    for cycle, begins, n in changes:
        if active and cycle > since:
            now = [bars[each] for each in active]
            names = [_short(line, bar) for bar in now]
            what = (
                {"epoch": now[0].epoch}
                if len(now) == 1
                else {"epochs": {name: bar.epoch for name, bar in zip(names, now, strict=True)}}
            )
            yield _slice(" + ".join(names), MACHINE, number, since, cycle, what)
        since = cycle
        if begins:
            active[n] = None
        else:
            del active[n]


def _short(line: Timeline, bar: Bar) -> str:
    strand = line.program.strands[bar.strand]
    return strand.einsum if strand.computes else strand.name


def _counters(line: Timeline, machine: Architecture) -> Iterator[Event]:
    """Words by tensor, whenever they change."""
    for number, level in enumerate(levels(line, machine), 1):
        for at, cycle in enumerate(level.cycles.tolist()):
            words = {name: int(amounts[at]) for name, amounts in level.words.items()}
            yield {
                "ph": "C",
                "name": f"{level.name} (words)",
                "pid": MEMORIES,
                "tid": number,
                "ts": cycle,
                "args": words,
            }
