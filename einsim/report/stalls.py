"""Where the cycles of arrays go: busy, or waiting for a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.figure import Figure

from einsim.model.cycle.simulate import Run
from einsim.report import style
from einsim.report.page import Panel, frame_sides, make_page, swatch
from einsim.report.style import Look
from einsim.schedule.pipeline.program import Cause

BUSY: Final = "busy"
_LOOKS: Final = {
    BUSY: Look("#2B5C8A"),
    "fill": Look("#C8C8C8", "////"),
    "operand": Look("#CC6677"),
    "latency": Look("#882255", "\\\\\\\\\\\\\\"),
    "travel": Look("#DDCC77"),
    "memory": Look("#117733", "...."),
    "full": Look("#88CCEE", "///////"),
    "port": Look("#AA4499", "xxxxxx"),
    "phase": Look("#44AA99", "----"),
    "end": Look("#ECECEC"),
}
_SEEN: Final = 1e-3  # the share of a cause that the legend names
_ROW_PT: Final = 15.0
_GROUP_PT: Final = 5.0


def shares(runs: Sequence[Run]) -> dict[str, dict[str, int]]:
    """Array -> what for (`busy`, or the cause of a stall) -> cycles of it, of all runs together."""
    found: dict[str, dict[str, int]] = {}
    for run in runs:
        for array, busy in run.busy.items():
            own = found.setdefault(array, {BUSY: 0} | {cause.name.lower(): 0 for cause in Cause})
            own[BUSY] += busy
            for cause, cycles in run.stalls[array].items():
                own[Cause(cause).name.lower()] += cycles
    return found


def stalls(runs: Mapping[str, Sequence[Run]], *, title: str = "") -> Figure:
    """A bar for each array of each of some named runs (each a list of runs that follow one another).

    A bar's parts are shares of the run's cycles, which are written behind it.
    """
    places: list[tuple[float, str, str, dict[str, int]]] = []
    at = 0.0
    for name, each in runs.items():
        for array, cycles in shares(each).items():
            places.append((at + _ROW_PT / 2, name, array, cycles))
            at += _ROW_PT
        at += _GROUP_PT
    tall = at - _GROUP_PT
    seen = [
        what for what in _LOOKS
        if any(cycles[what] >= _SEEN * max(1, sum(cycles.values())) for *_, cycles in places)
    ]  # fmt: skip
    arrays = max(style.text_width(array, style.TICK_PT) for _, _, array, _ in places)
    named = max(style.text_width(name, style.LABEL_PT, "bold") for name in runs)
    totals = {name: sum(run.cycles for run in each) for name, each in runs.items()}
    behind = max(style.text_width(f"{total:,}", style.TICK_PT) for total in totals.values())
    page = make_page(
        [Panel(tall)], left=arrays + named + 18.0, right=behind + 12.0, title=title,
        legends=[[(swatch(_LOOKS[what]), what) for what in seen]],
        below="Share of cycles (%); behind the bars, how many",
    )  # fmt: skip
    (axes,) = page.axes
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(tall, 0.0)
    for y, _, array, cycles in places:
        total = max(1, sum(cycles.values()))
        start = 0.0
        for what in _LOOKS:
            share = 100.0 * cycles[what] / total
            if not share:
                continue
            look = _LOOKS[what]
            (bar,) = axes.barh(
                y, share, _ROW_PT * 0.74, left=start, color=look.colour, hatch=look.hatch, zorder=2, label=what
            )
            bar.set(edgecolor="white", linewidth=0.3, hatchcolor=look.hatch_colour, hatch_linewidth=style.HATCH_PT)
            caption = f"{share:.0f}%" if share >= 10 else f"{share:.1f}%"
            if style.text_width(caption, style.SMALL_PT) + 4.0 <= share * page.width / 100.0:
                axes.text(start + share / 2, y, caption, size=style.SMALL_PT, zorder=3, **style.WRITTEN).set_bbox(
                    {"facecolor": "white", "edgecolor": "none", "pad": 0.7, "alpha": 0.85})  # fmt: skip
            start += share
        axes.annotate(array, (0.0, y), xytext=(-3.0, 0.0), textcoords="offset points", size=style.TICK_PT, ha="right",
                      va="center", color=style.INK, parse_math=False)  # fmt: skip
    for name, total in totals.items():
        own = [y for y, each, _, _ in places if each == name]
        middle = sum(own) / max(1, len(own))
        axes.annotate(
            name, (0.0, middle), xytext=(-9.0 - arrays, 0.0), textcoords="offset points", size=style.LABEL_PT,
            ha="right", va="center", color=style.INK, weight="bold", parse_math=False,
        )  # fmt: skip
        axes.annotate(
            f"{total:,}", (100.0, middle), xytext=(4.0, 0.0), textcoords="offset points", size=style.TICK_PT,
            va="center", color=style.INK,
        )  # fmt: skip
    ticks = range(0, 101, 20)
    axes.set_xticks(ticks, [str(tick) for tick in ticks], color=style.INK)
    axes.tick_params("x", length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT)
    axes.set_yticks([])
    frame_sides(axes, "left", "bottom")
    return page.figure
