"""What is tested: a design, its hardware, and the sizes that one run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from einsim.cascade import size_of
from einsim.errors import SpecError
from einsim.model.closed_form import evaluate
from einsim.model.cycle.lowering import most_ahead
from einsim.rtl.formats import BF16, FP32, INT32, Integer, NumberFormat
from einsim.rtl.generator.builder import hardware_of
from einsim.rtl.generator.checks import cannot
from einsim.rtl.generator.hardware import Hardware
from einsim.rtl.generator.top import Generated, generate
from einsim.schedule.environment import environment, needed_sizes
from einsim.schedule.pipeline.build import reduced_timing
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design, load_design
from einsim.spec.overrides import Override
from einsim.spec.workload import Workload

LONG: Final = 1 << 20
"""Nominal length of whatever a run may have any size of: every loop over it runs many times."""

RUN: Final = 64
"""A size of a run that is not given."""

BUILT: Final = 16
"""A built-in size that is not given; a batch has one member."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A generated design, and the sizes of a run by base rank; `symbols` are those that shapes do not tell."""

    generated: Generated
    sizes: dict[str, int]
    symbols: dict[str, int]
    timing: Timing

    @property
    def hardware(self) -> Hardware:
        """What was generated."""
        return self.generated.hardware


def load_subject(
    configuration: str, shape: Mapping[str, int], *, architecture: str | None = None,
    overrides: Sequence[Override] = (), operand: NumberFormat = BF16, accumulator: NumberFormat | None = None,
) -> Subject:  # fmt: skip
    """The hardware of a configuration, and a run of it.

    `shape` gives sizes by symbol. Those of ranks that the mapping partitions or the cascade splits are the run's; the
    others are built into the hardware. Sums are int32 where operands are integers, fp32 where not. Raises SpecError
    for what cannot be built.
    """
    workload = Workload(tuple(shape.items()))
    design = load_design(configuration, workload, architecture=architecture, overrides=overrides)
    lengths = {*design.mapping.partition, *(split.rank for split in design.cascade.splits)}
    lengths = {size_of(rank) for rank in lengths}
    batch = {size_of(rank) for rank in design.mapping.batch}
    defaults = {name: 1 if name in batch else RUN if name in lengths else BUILT for name in needed_sizes(design)}
    given = {**defaults, **shape}
    nominal = {name: LONG if name in lengths else size for name, size in given.items()}
    workload = Workload(tuple(nominal.items()))
    design = load_design(configuration, workload, architecture=architecture, overrides=overrides)
    if accumulator is None:
        accumulator = INT32 if isinstance(operand, Integer) else FP32
    hardware = built(design, operand, accumulator)
    walked = {size_of(loop.rank) for loop in hardware.program.epochs.loops}
    if lengths - walked:
        raise cannot(f"runs of any {', '.join(sorted(lengths - walked))}: no loop of an epoch walks it")
    ranks = hardware.program.epochs.sizes
    sizes = {**ranks, **{name.lower(): size for name, size in given.items() if name.lower() in ranks}}
    symbols = {name: value for name, value in environment(design, {}).items() if isinstance(value, int)}
    known = {name: symbols[name] for name in design.mapping.sizes}
    timing = reduced_timing(hardware.design, evaluate(hardware.design).schedule, Timing())
    return Subject(generate(hardware, most_ahead(hardware.program)), sizes, known, timing)


def built(design: Design, operand: NumberFormat, accumulator: NumberFormat) -> Hardware:
    """The hardware of a design whose outermost memory is a stream of a row of the array a cycle."""
    design = streaming(design, operand)
    return hardware_of(design, evaluate(design).schedule, operand=operand, accumulator=accumulator)


def streaming(design: Design, operand: NumberFormat) -> Design:
    """A design whose words are operands, and whose outermost memory is as fast as the generated streams.

    Each of these carries a row of the array a cycle.
    """
    machine = design.architecture
    outer = machine.memories[machine.outermost]
    words = max((size for array in machine.arrays.values() for size in array.axes.values()), default=1)
    if outer.bandwidth_bytes_per_s is not None:
        raise SpecError(
            f"{machine.outermost} has a bandwidth of its own",
            at=design.architecture_document.locate(("memories", machine.outermost, "bandwidth_bytes_per_s")),
            remedy=f"leave it out (--set arch.{machine.outermost}.bandwidth_bytes_per_s=null): the generated streams "
            "carry a row of the array a cycle",
        )
    word_bytes = operand.width // 8
    rate = words * word_bytes * machine.clock_hz
    memory = outer.model_copy(update={"bandwidth_bytes_per_s": rate})
    memories = {**machine.memories, machine.outermost: memory}
    return replace(design, architecture=machine.model_copy(update={"memories": memories, "word_bytes": word_bytes}))
