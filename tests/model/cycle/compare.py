"""What two simulations of one program say, or that its resources wait for each other in a circle."""

from __future__ import annotations

from collections.abc import Mapping

from einsim.errors import InfeasibleError
from einsim.model.cycle.events import facts, run_events
from einsim.model.cycle.simulate import simulate
from einsim.schedule.pipeline.program import Program
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture

STUCK = {"stuck": True}


def outcome(run, *arguments, **options) -> Mapping[str, object]:
    """The facts of a run; STUCK where there is a circle."""
    try:
        return facts(run(*arguments, **options))
    except InfeasibleError:
        return STUCK


def compared(program: Program, machine: Architecture, timing: Timing, *, interpreted: bool) -> Mapping[str, object]:
    """What all simulators say of a program, the same."""
    expected = outcome(run_events, program, machine, timing)
    assert outcome(simulate, program, machine, timing, skip=False) == expected
    assert outcome(simulate, program, machine, timing, skip=True) == expected
    if interpreted:
        assert outcome(simulate, program, machine, timing, skip=True, interpreted=True) == expected
    if expected is not STUCK:
        adds_up(expected)
    return expected


def adds_up(found: Mapping[str, object]) -> None:
    """Busy cycles and stalls of every array are all cycles."""
    busy, stalls = found["busy"], found["stalls"]
    assert isinstance(busy, dict)
    assert isinstance(stalls, dict)
    for array, slots in busy.items():
        assert slots + sum(stalls[array].values()) == found["cycles"]
        assert min(stalls[array].values(), default=1) > 0
