"""What the generator can build: machines, and programs on them."""

from __future__ import annotations

from einsim.errors import SpecError
from einsim.rtl.generator.hardware import CONTROL
from einsim.schedule.pipeline.build import Assembly
from einsim.schedule.pipeline.program import When
from einsim.spec.configuration import Design


def cannot(what: str) -> SpecError:
    """The error for something that there is no hardware for."""
    return SpecError(f"the generator cannot build {what}", remedy="docs/rtl.md lists what it can")


def check_machine(design: Design, assembly: Assembly) -> None:
    """Raises SpecError for machines, and ways of running, that there is no hardware for."""
    machine = design.architecture
    grids = [array for array in machine.arrays.values() if array.is_grid]
    lines = [array for array in machine.arrays.values() if not array.is_grid]
    used = {body.einsum.array for body in assembly.group.bodies}
    plain = not any(machine.arrays[name] in lines for name in used)
    if len(grids) != 1 or (not plain and (len(lines) != 1 or lines[0].axes["lanes"] != grids[0].axes["columns"])):
        raise cannot("arrays other than one 2D array, alone or over as many lanes as it has columns")
    if not machine.memories[machine.outermost].duplex:
        raise cannot(f"{machine.outermost}, whose loads and stores share a channel (duplex: false)")
    if machine.control_cycles != CONTROL:
        raise cannot(f"control_cycles {machine.control_cycles} instead of {CONTROL}")
    if len(machine.memories) != 2:
        raise cannot(f"{len(machine.memories)} memories instead of one buffer behind the outermost memory")
    for array in machine.arrays.values():
        if array.is_grid and array.hop_cycles != 1:
            raise cannot(f"hop_cycles {array.hop_cycles} instead of 1")
        done = {name for body in assembly.group.bodies if machine.arrays[body.einsum.array] is array
                for name, _ in body.einsum.operations}  # fmt: skip
        slow = [name for name in sorted(done) if array.operations[name].result_cycles != 1]
        if slow:
            raise cannot(f"{slow[0]} with more than one cycle (its result is there in the next cycle)")
    for strand in assembly.program.strands:
        if strand.when.kind is When.RETURNS:
            raise cannot(f"partial results that come back ({strand.name})")
