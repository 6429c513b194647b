"""What memories and register files hold: words of each tensor over time, and words that are handed on in registers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from einsim.model.cycle.simulate import Run
from einsim.report import style
from einsim.report.page import (
    UNLOGGED,
    Panel,
    frame_sides,
    gaps,
    make_page,
    over_amounts,
    over_cycles,
    shade_gaps,
    swatch,
)
from einsim.report.style import Look
from einsim.report.timeline import END, EPOCH, FIRST, SLOT, SLOTS, STRAND, Timeline, Window, nothing_in, timelines
from einsim.schedule.pipeline.program import Pool, Program
from einsim.spec.architecture import Architecture

STATE: Final = "always there"
_STATE_LOOK: Final = Look("#BBBBBB")
_FAR: Final = 1.6  # times what is held from which a capacity is not drawn to scale
_PANEL_PT: Final = 96.0


@dataclass(frozen=True, slots=True)
class Level:
    """Words of each tensor that a memory holds from each of some cycles on, and how many it has room for."""

    name: str
    capacity: int
    cycles: NDArray[np.int64]
    words: dict[str, NDArray[np.int64]]

    @property
    def total(self) -> NDArray[np.int64]:
        """Words of all tensors."""
        found: NDArray[np.int64] = np.sum(list(self.words.values()), axis=0, dtype=np.int64)
        return found


def levels(line: Timeline, machine: Architecture) -> list[Level]:
    """What each memory on chip holds during one run, as far as its log goes.

    A tile is there from the first slot of the instance that brings it to the last of the one that uses it last.
    """
    found = []
    names = pool_names(line.program)
    for level, memory in list(machine.memories.items())[1:]:
        pools = [(name, pool) for name, pool in zip(names, line.program.pools, strict=True)
                 if pool.level == level and any(pool.words)]  # fmt: skip
        changes = {name: _changes(line, pool) for name, pool in pools}
        cycles = np.unique(np.array([line.begin, *(cycle for each in changes.values() for cycle, _ in each)], np.int64))
        words = {STATE: np.full(len(cycles), line.program.fixed.get(level, 0), np.int64)}
        for name, each in changes.items():
            steps = np.zeros(len(cycles), np.int64)
            np.add.at(steps, np.searchsorted(cycles, [cycle for cycle, _ in each]), [amount for _, amount in each])
            words[name] = np.cumsum(steps)
        found.append(Level(level, (memory.capacity_bytes or 0) // machine.word_bytes, cycles, words))
    return found


def pool_names(program: Program) -> list[str]:
    """Names of pools: their tensors, and where that is not enough, who uses them, and who brings them."""
    names = [pool.tensor for pool in program.pools]
    for of in ("closer", "opener"):
        places = [(pool.level, name) for pool, name in zip(program.pools, names, strict=True)]
        owners = [program.strands[getattr(pool, of)] for pool in program.pools]
        names = [
            name if places.count(place) == 1 else f"{name} {'for' if of == 'closer' else 'from'} {strand.einsum}"
            for name, place, strand in zip(names, places, owners, strict=True)
        ]
    return names


def _changes(line: Timeline, pool: Pool) -> list[tuple[int, int]]:
    """When a pool's tiles come and go, and how many words: first come, first gone."""
    walk, opener, closer = line.walk, line.program.strands[pool.opener], line.program.strands[pool.closer]
    log = line.run.log
    opening = log[(log[:, STRAND] == pool.opener) & (log[:, SLOT] == 0)]
    came = [
        (int(cycle) + line.begin, pool.words[walk.kind(epoch, opener.depth)])
        for epoch, cycle in zip(opening[:, EPOCH].tolist(), opening[:, FIRST], strict=True)
        if walk.holds(pool.opens, epoch)
    ]
    own = line.rows[line.rows[:, STRAND] == pool.closer]
    left = [
        int(end)
        for epoch, after, end in zip(own[:, EPOCH].tolist(), own[:, SLOT] + own[:, SLOTS], own[:, END], strict=True)
        if after == closer.slots[walk.kind(epoch, closer.depth)] and walk.holds(pool.closes, epoch)
    ]
    return came + [(cycle, -words) for cycle, (_, words) in zip(left, came, strict=False)]


def occupancy(runs: Sequence[Run], machine: Architecture, *, window: Window | None = None, title: str = "") -> Figure:
    """Words in each memory on chip over time, stacked by tensor, below the memory's capacity.

    Without a window, of each of the runs (which follow one another) what its log covers before the first break.
    Raises SpecError where a log is empty, or the window is outside of all runs.
    """
    shown = []
    for number, line in enumerate(timelines(runs, machine), 1):
        part = line.stretches[0] if window is None else (max(window[0], line.begin), min(window[1], line.end))
        if part[0] < part[1]:
            shown += [(number, line, part, level) for level in levels(line, machine)]
    names = list(dict.fromkeys(name for _, _, _, level in shown for name in level.words if level.words[name].any()))
    tensors = [name for name in names if name != STATE]
    looks = dict(zip(tensors, style.series_looks(tensors), strict=True)) | {STATE: _STATE_LOOK}
    several = len(shown) > 1
    panels = [
        Panel(_PANEL_PT, _panel_name(number, line, level, len(runs)) if several else "")
        for number, line, _, level in shown
    ]
    left = 22.0 + max(
        (style.text_width(f"{int(level.total.max()):,}", style.TICK_PT) for *_, level in shown), default=0.0
    )
    unlogged = UNLOGGED.capitalize() if any(gaps(part, line.stretches) for _, line, part, _ in shown) else ""
    if not shown:
        raise nothing_in(window)
    page = make_page(
        panels, left=left, legends=[[(swatch(looks[name]), name) for name in sorted(names, key=lambda n: n != STATE)]],
        notes=[unlogged], title=title, below="Cycle",
    )  # fmt: skip
    for axes, (_, line, part, level) in zip(page.axes, shown, strict=True):
        _draw_level(axes, level, part, looks)
        shade_gaps(axes, part, line.stretches, above=True)
        over_cycles(axes, part, page.width)
        axes.set_ylabel(f"Words in {level.name}", size=style.LABEL_PT, color=style.INK, labelpad=3.0)
    return page.figure


def _panel_name(number: int, line: Timeline, level: Level, programs: int) -> str:
    return f"{number}. {line.program.name}: {level.name}" if programs > 1 else level.name


def _draw_level(axes: Axes, level: Level, window: Window, looks: dict[str, Look]) -> None:
    first = max(0, int(np.searchsorted(level.cycles, window[0], side="right")) - 1)
    end = int(np.searchsorted(level.cycles, window[1], side="left"))
    cycles = np.append(np.maximum(level.cycles[first:end], window[0]), window[1])
    bottom = np.zeros(len(cycles))
    for name, words in level.words.items():
        if not words.any():
            continue
        part = words[first:end]
        top = bottom + np.append(part, part[-1])
        area = axes.fill_between(
            cycles, bottom, top, step="post", facecolor=looks[name].colour, linewidth=0.0, label=name
        )
        area.set(hatch=looks[name].hatch, hatchcolor=looks[name].hatch_colour, hatch_linewidth=style.HATCH_PT, zorder=2)
        bottom = top
    most = max(float(bottom.max()), 1.0)
    near = level.capacity <= _FAR * most
    high = level.capacity * 1.12 if near else most * 1.3
    over_amounts(axes, high)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= (level.capacity if near else most * 1.1)])
    frame_sides(axes, "left", "bottom")
    line = level.capacity if near else most * 1.16
    axes.axhline(line, color=style.INK, linewidth=0.7, linestyle=(0, (4, 2)) if near else (0, (1, 1.5)), zorder=3)
    note = f"capacity: {level.capacity:,} words" + (
        "" if near else f" ({level.capacity / most:,.0f} times what is held; not to scale)"
    )
    text = axes.annotate(
        note, (1.0, line), xycoords=("axes fraction", "data"), xytext=(-2.0, 1.5), textcoords="offset points"
    )
    text.set(size=style.SMALL_PT, color=style.INK, ha="right", va="bottom")


def register_words(
    program: Program, machine: Architecture, assumed: Mapping[str, Collection[str]] | None = None
) -> dict[str, dict[str, int]]:
    """Register file -> tensor -> words in each element that are handed on through it, each tensor once.

    `assumed`: tensor -> levels that a mapping takes to have room for it (`Mapping.assumed`); it is left out there.
    """
    found: dict[str, dict[str, int]] = {level: {} for level in machine.registers}
    for held in program.held:
        if held.level in found and held.level not in (assumed or {}).get(held.tensor, ()):
            own = found[held.level]
            own[held.tensor] = max(own.get(held.tensor, 0), held.copies * held.words)
    return found


def registers(
    runs: Sequence[Run],
    machine: Architecture,
    *,
    assumed: Mapping[str, Collection[str]] | None = None,
    title: str = "",
) -> Figure:
    """Words that each element's registers hold between strands by the plan, beside the depth of the file.

    `assumed`: tensor -> levels that the mapping takes to have room for it; it is not counted there.
    """
    rows = []
    for number, run in enumerate(runs, 1):
        for level, words in register_words(run.program, machine, assumed).items():
            name = level if len(runs) == 1 else f"{number}. {run.program.name}: {level}"
            rows.append((name, machine.arrays[machine.registers[level]].registers.depth_words, words))
    tensors = list(dict.fromkeys(tensor for _, _, words in rows for tensor in words))
    looks = dict(zip(tensors, style.series_looks(tensors), strict=True))
    captions = [f"{sum(words.values())} of {depth}" for _, depth, words in rows]
    page = make_page(
        [Panel(16.0 * len(rows))],
        left=10.0 + max(style.text_width(name, style.LABEL_PT) for name, _, _ in rows),
        right=10.0 + max(style.text_width(caption, style.TICK_PT) for caption in captions),
        legends=[[(swatch(looks[tensor]), tensor) for tensor in tensors]],
        notes=[_assumptions(assumed or {}, machine)],
        title=title,
        below="Words handed on in each processing element; the line: how many there is room for",
    )
    (axes,) = page.axes
    for y, ((_, depth, words), caption) in enumerate(zip(rows, captions, strict=True)):
        at = 0
        for tensor, amount in words.items():
            look = looks[tensor]
            (bar,) = axes.barh(y, amount, 0.62, left=at, color=look.colour, hatch=look.hatch, zorder=2)
            bar.set(edgecolor="white", linewidth=0.3, label=tensor)
            bar.set(hatchcolor=look.hatch_colour, hatch_linewidth=style.HATCH_PT)
            at += amount
        axes.plot([depth, depth], [y - 0.42, y + 0.42], color=style.INK, linewidth=1.2, zorder=3)
        axes.annotate(
            caption, (1.0, y), xycoords=axes.get_yaxis_transform(), xytext=(4.0, 0.0), textcoords="offset points",
            size=style.TICK_PT, va="center", color=style.INK,
        )  # fmt: skip
    axes.set_ylim(len(rows) - 0.5, -0.5)
    names = [name for name, _, _ in rows]
    axes.set_yticks(range(len(rows)), names, size=style.LABEL_PT, color=style.INK, parse_math=False)
    axes.tick_params("y", length=0.0, pad=3.0)
    most = max(max(depth, sum(words.values())) for _, depth, words in rows)
    over_cycles(axes, (0, int(most * 1.05) + 1), page.width)
    frame_sides(axes, "left", "bottom")
    return page.figure


def _assumptions(assumed: Mapping[str, Collection[str]], machine: Architecture) -> str:
    files = machine.registers
    found = [f"{tensor} in {level}" for tensor, levels in assumed.items() for level in levels if level in files]
    return f"Not counted, assumed to fit: {', '.join(found)}" if found else ""
