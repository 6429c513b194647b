"""What the generator can build: machines, and programs on them."""

from __future__ import annotations

from collections.abc import Mapping

from einsim.cascade import Einsum, Junction
from einsim.errors import SpecError
from einsim.rtl.generator.hardware import CONTROL, Hardware, Place
from einsim.schedule.environment import environment
from einsim.schedule.pipeline.build import Assembly
from einsim.schedule.pipeline.filters import Form, filters_of
from einsim.schedule.pipeline.program import When
from einsim.schedule.pipeline.strands import Body
from einsim.spec.architecture import Memory
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
    buffer = list(machine.memories)[1]
    _check_buffer(buffer, machine.memories[buffer])
    for array in machine.arrays.values():
        if array.is_grid and array.hop_cycles != 1:
            raise cannot(f"hop_cycles {array.hop_cycles} instead of 1")
        if array.return_cycles == 0:
            raise cannot("return_cycles 0: what lanes hand to the 2D array takes a cycle at least")
        done = {name for body in assembly.group.bodies if machine.arrays[body.einsum.array] is array
                for name, _ in body.einsum.operations}  # fmt: skip
        slow = [name for name in sorted(done) if array.operations[name].result_cycles != 1]
        if slow:
            raise cannot(f"{slow[0]} with more than one cycle (its result is there in the next cycle)")
    for body in assembly.group.bodies:
        _check_space(body, machine.arrays[body.einsum.array].axes, assembly)
    for strand in assembly.program.strands:
        if strand.when.kind is When.RETURNS:
            raise cannot(f"partial results that come back ({strand.name})")


def _check_buffer(name: str, buffer: Memory) -> None:
    """Parts of the buffer stand at every row, column and lane: none waits for a port, none is read as it is written."""
    if buffer.read_ports is not None or buffer.write_ports is not None:
        raise cannot(f"{name} with a number of ports: its parts have one each (leave read_ports and write_ports out)")
    if not buffer.latency_cycles:
        raise cannot(f"{name} with latency_cycles 0: a word is there in the cycle after it was written")


def _check_space(body: Body, axes: Mapping[str, int], assembly: Assembly) -> None:
    """Every element has one point at a time of whatever is laid out along its axes."""
    left = dict(assembly.program.epochs.kinds(body.depth)[0])
    for loop in body.loops:
        if loop.axis is not None and -(-left[loop.rank] // int(loop.tile)) > axes[loop.axis]:
            raise cannot(f"{body.einsum.name}: {left[loop.rank]} of {loop.rank} along {axes[loop.axis]} {loop.axis}")
        left[loop.rank] = min(left[loop.rank], int(loop.tile))


def check_stores(hardware: Hardware) -> None:
    """Raises SpecError for what elements and lanes have no wires for."""
    for duty in hardware.duties:
        stores = [source.use.store.name for source in duty.sources]
        twice = next((name for name in stores if stores.count(name) > 1), None)
        if twice is not None:
            raise cannot(f"{duty.strand.name}, which reads two words of {twice} at a time")
        for use in duty.results:
            handed = use.store.place is Place.LANE and duty.strand.resource == hardware.grid
            if handed and use.store.format != hardware.accumulator:
                raise cannot(f"{duty.strand.name}, a sum that the lanes take and the 2D array multiplies")


def forms_of(design: Design, name: str) -> tuple[Form, ...]:
    """The conditions of an Einsum's filter. What it folds must not be filtered more: elements left out are 0.

    Raises SpecError for filters that are no conditions on positions.
    """
    einsum, made = design.cascade.einsum(name), set(design.cascade.made)
    forms = _forms(design, einsum)
    if einsum.reduction is not None:
        for tensor in (read.tensor for read in einsum.reads if read.tensor in made):
            if not set(_forms(design, design.cascade.einsum(tensor))) <= set(forms):
                raise cannot(f"{name}, which folds what the filter of {tensor} leaves out")
    return forms


def _forms(design: Design, einsum: Einsum) -> tuple[Form, ...]:
    if einsum.when is None:
        return ()
    sizes = {key: value for key, value in environment(design, {}).items() if isinstance(value, int)}
    forms = tuple(form for each in filters_of(design.cascade, [einsum], sizes) for form in each)
    wanted = len(einsum.when.parts) if isinstance(einsum.when, Junction) else 1
    if not wanted <= len(forms) <= 2 * wanted:
        raise cannot(f"the filter of {einsum.name}: {einsum.when}")
    return forms
