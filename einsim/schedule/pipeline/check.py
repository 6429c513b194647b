"""Whether a program's planned order can run at all: on one resource, nothing is planned before what it needs."""

from __future__ import annotations

from einsim.errors import SpecError
from einsim.schedule.pipeline.program import Link, Program
from einsim.spec.expressions import ceil_div


def check_order(program: Program) -> None:
    """Raises SpecError for the first pair of strands whose order on their resource contradicts a link.

    A resource issues in the order of planned cycles, so that a slot planned before one that it waits for would wait
    for ever. Whole tiles are looked at; links between resources are kept by waiting.
    """
    for link in program.links:
        source, reader = program.strands[link.source], program.strands[link.reader]
        same = source.resource == reader.resource and source.depth == reader.depth and source.when == reader.when
        if not same or link.source == link.reader or link.room is not None or link.over is not None:
            continue
        steps = link.shares[0]
        for step in range(steps):
            made = planned_last(program, link.source, step, steps)
            used = planned_first(program, link, step, steps) + link.back * program.interval
            if used < made:
                needs = f"needs {link.tensor or 'the end'} of {source.name}, planned for cycle {made}"
                raise SpecError(
                    f"{program.name}: {reader.name}, planned for cycle {used} of its epoch, {needs} on the same "
                    f"resource ({source.resource})",
                    remedy=f"plan {source.name} first",
                )


def planned_last(program: Program, number: int, step: int, steps: int) -> int:
    """Planned cycle of the last slot of one of the steps of a strand's instance."""
    strand, start = program.strands[number], program.starts[number]
    unit = max(1, ceil_div((step + 1) * strand.units[0], steps))
    return start.planned(unit - 1 if start.in_units else max(0, ceil_div(unit * strand.slots[0], strand.units[0]) - 1))


def planned_first(program: Program, link: Link, step: int, steps: int) -> int:
    """Planned cycle of the first slot of one of the steps of a link's reader."""
    strand, start = program.strands[link.reader], program.starts[link.reader]
    unit = min(strand.units[0] - 1, ceil_div(step * strand.units[0], steps))
    return start.planned(unit if start.in_units else ceil_div(unit * strand.slots[0], strand.units[0]))
