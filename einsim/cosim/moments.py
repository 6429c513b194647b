"""What a run did, told by epochs: to which of them every operation and every transfer belongs."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from einsim.cosim.subject import Subject
from einsim.rtl.generator.hardware import Duty
from einsim.rtl.generator.host import Host
from einsim.rtl.generator.simulation import Watched
from einsim.schedule.pipeline.program import LOAD, STORE


class Moment(NamedTuple):
    """An operation, or a transfer: which slot of its strand's instance, and `first` <= cycle < `end`."""

    strand: int
    epoch: int
    slot: int
    first: int
    end: int
    what: str


def moments_of(subject: Subject, watched: Watched) -> dict[str, list[Moment]]:
    """By kind of event (see `Watched`), in order; transfers last until their last beat.

    Slots of an instance follow one another, so that counting them tells the instance, and that the epoch.
    """
    host = Host(subject.hardware, subject.sizes)
    steps = {duty.number: host.steps(duty) for duty in subject.hardware.duties}
    found: dict[str, list[Moment]] = defaultdict(list)
    for resource in subject.hardware.resources:
        done = watched.events.get(f"{resource} done")
        made: Counter[int] = Counter()
        for row, (number, _, cycle) in enumerate(watched.events[resource].tolist()):
            duty = subject.hardware.duties[number]
            step, slot = divmod(made[number], duty.slots)
            made[number] += 1
            epoch, unit, ranges = steps[number][step]
            end = cycle + 1 if done is None else int(done[row, 2]) + 1
            what = duty.strand.einsum if duty.work else tile_name(host, duty, ranges)
            found[resource].append(Moment(number, epoch, unit * duty.slots + slot, cycle, end, what))
    for kind, array in zip(("element last", "lane last"), subject.hardware.arrays, strict=False):
        for moment, (_, _, cycle) in zip(found[array], watched.events[kind].tolist(), strict=False):
            found[kind].append(moment._replace(first=cycle, end=cycle + 1))
    return dict(found)


def tile_name(host: Host, duty: Duty, ranges: dict[str, tuple[int, int]]) -> str:
    """What a transfer moves: the tensor, and of which coordinates."""
    assert duty.strand.resource in {LOAD, STORE}
    store = (duty.results[0] if duty.results else duty.sources[0].use).store
    parts = [f"{rank} {ranges[rank][0]}–{ranges[rank][1] - 1}" for rank in host.ranks(store) if rank in ranges]
    return " ".join([store.tensor, *parts])
