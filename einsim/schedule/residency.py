"""What makes a mapping's residencies wrong, as opposed to too big: data that is not there, or not yet, or elsewhere."""

from __future__ import annotations

from einsim.errors import SpecError
from einsim.schedule.flow import Carried, Flow, Lost, Stay, flow_of
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import EinsumSchedule
from einsim.schedule.views import resolve
from einsim.spec.configuration import Design


def check_homes(design: Design) -> None:
    """Operands are taken from where somebody keeps them, after they are made there; outputs reach the outermost memory.

    Raises SpecError at the line of the first that is not so.
    """
    flow = flow_of(design)
    for lost in flow.lost:
        raise _lost(design, lost)
    _check_outputs(design, flow)
    _check_assumed(design, flow)
    if design.mapping.memory_time == "per-phase":
        _check_phase_order(design, flow)


def _lost(design: Design, lost: Lost) -> SpecError:
    touch = lost.touch
    tensor = touch.label.partition("[")[0]
    keep = design.mapping.einsums[touch.einsum].keep
    at = design.mapping_document.locate(
        ("einsums", touch.einsum, "keep", touch.label if touch.label in keep else tensor)
    )
    places = ", ".join(lost.levels) or "nowhere yet"
    return SpecError(f"{touch.einsum} takes {tensor} from {touch.path[0]}, but it is in: {places}", at=at,
                     remedy="start its path at a level where an earlier Einsum keeps all of it")  # fmt: skip


def _check_outputs(design: Design, flow: Flow) -> None:
    outermost = design.architecture.outermost
    homes = {touch.einsum: touch.path[:1] for touch in flow.touches if touch.is_output}
    assembled = [tensor.name for tensor in design.cascade.assembled]  # whose readers take it from there
    for maker in (each for name in (*design.cascade.outputs, *assembled) for each in design.cascade.makers(name)):
        name = maker.name
        stored = name if maker.part else resolve(design.cascade, design.mapping.views, maker.output)[0]
        if homes.get(stored, (outermost,)) not in {(outermost,), ()}:
            seen = f" (seen as {name})" if stored != name else ""
            raise SpecError(
                f"output {stored}{seen} never reaches {outermost}",
                at=design.mapping_document.locate(("einsums", stored, "keep", maker.tensor if maker.part else stored)),
                remedy=f"start with {outermost}",
            )


def _check_assumed(design: Design, flow: Flow) -> None:
    for tensor, levels in design.mapping.assumed.items():
        for level in levels:
            known = {stay.level for stay in flow.stays if stay.touch.stored == tensor}
            if level not in known or level in design.architecture.memories:
                message = f"assumed: no Einsum keeps {tensor} in registers {level!r} for a reader"
                at = design.mapping_document.locate(("assumed", tensor))
                raise SpecError(message, at=at, remedy="leave it out")


def _check_phase_order(design: Design, flow: Flow) -> None:
    """Kernels one after another: nothing is read before the phase that makes it."""
    when = {
        name: number
        for number, phase in enumerate(design.mapping.phases)
        for names in phase.run.values()
        for name in names
    }
    for edge in flow.edges:
        early, late = when[edge.reader], when[edge.source]
        if early < late:
            raise SpecError(
                f"{edge.reader} needs {edge.tensor} in phase {early + 1}, {edge.source} runs in phase {late + 1} only",
                at=design.mapping_document.locate(("phases", early)),
                remedy=f"run {edge.source} first: with memory_time: per-phase, phases follow each other",
            )


def check_residencies(live: Liveness) -> None:
    """Iterations run in step, parts share loops, and registers are read by the processing elements that hold them.

    Raises SpecError for the first that is not so.
    """
    _check_parts(live)
    for _, part in live.parts:
        for each in part.parted:
            raise _parted(live.design, each)
    for stay in live.stays:
        _check_layout(live, stay)


def _check_parts(live: Liveness) -> None:
    """What is complete only when a loop is over is read outside of it: not in another part that shares the loop."""
    for _, part in live.parts:
        first: dict[int, tuple[int, ...]] = {}
        for name in (name for name in live.einsums if name in live.flow.parts):
            path = part.turns.paths[name][: part.common[name] + 1]
            if first.setdefault(live.flow.groups[name], path) != path:
                raise SpecError(
                    f"{name} needs what is complete only after a loop that the parts of its fusion group share",
                    at=live.design.mapping_document.locate(("fusion", live.flow.groups[name])),
                    remedy="put what makes it into a fusion group before",
                )


def _parted(design: Design, each: Carried) -> SpecError:
    rank = each.over[0]
    return SpecError(
        f"{each.reader} takes the slice of {each.maker} before, outside of the loops over {rank!r} that make it",
        at=design.mapping_document.locate(("einsums", each.reader)),
        remedy=f"give {each.reader} and {each.maker} the same loops down to those over {rank!r}",
    )


def _check_layout(live: Liveness, stay: Stay) -> None:
    """What stays in an array's own registers lies along the same axes for its holder and its reader."""
    holder, reader = live.einsums[stay.holder], live.einsums[stay.reader]
    if not holder.registers == reader.registers == stay.level:
        return
    apart = {rank for rank, _ in stay.apart}
    for dimension in live.access(stay).stored:
        one, other = (_axis(each, dimension.rank, coarse=dimension.coarse) for each in (holder, reader))
        if one != other or (one and dimension.rank in apart):
            raise SpecError(
                f"{reader.name} takes {stay.touch.stored} from {stay.level}, where its rank {dimension.rank!r} lies "
                f"along {one or 'no axis'} of {holder.array} after {holder.name} and along {other or 'none'} for it",
                at=live.design.mapping_document.locate(("einsums", reader.name)),
                remedy="lay the rank along the same axis in both nests, or pass the tensor through a memory",
            )


def _axis(einsum: EinsumSchedule, rank: str, *, coarse: bool) -> str | None:
    found = (loop.axis for loop in einsum.spatial if loop.rank == rank and not (coarse and loop.inner))
    return next(found, None)
