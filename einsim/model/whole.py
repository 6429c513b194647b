"""Whole models: every kernel of a run evaluated by the closed form, and their sum.

Kernels of a run are sequential unless its layers are overlapped: then, in each group of kernels (a layer), those on
different arrays run at the same time, as they can where independent parts of a batch are in different kernels. A group
then takes the longest of the sums over each array, of the DRAM time, and of the time of any one kernel by itself. A
fused layer is one kernel, with a mapping of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from einsim.cascade import Cascade, bind_sizes, operands, reduced_ranks, size_parameters
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.model.auto import auto_design, evaluate_auto, evaluate_rows
from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.result import reason
from einsim.schedule.nest import Shortfall
from einsim.spec import library
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import (
    Accounting,
    Design,
    find_machine,
    load_design,
    open_alternatives,
    stand_ins,
)
from einsim.spec.modelrun import LAYERS, Layers, ModelRun, PlannedKernel, Scope
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document

_SAME: Final = 1e-9
"""Latencies that differ by less, relatively, are the same."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is evaluated on: the configuration of its attention, the machine, and changes to both.

    `attention` names a cascade that stands for the configuration in kernels of attention; einsim maps it by itself.
    """

    configuration: str
    architecture: str | None = None
    overrides: tuple[Override, ...] = ()
    accounting: Accounting = Accounting.FULL
    attention: str | None = None
    at: Location | None = None
    arch_at: Location | None = None


@dataclass(frozen=True, slots=True)
class KernelCost:
    """One kernel on its machine, with the mapping that was found best; `why_not` where none fits.

    `alike` are the designs that the closed form holds to be as fast as the best, that one first.
    """

    kernel: PlannedKernel
    design: Design | None
    evaluation: Evaluation | None
    why_not: str | None
    macs: int
    alike: tuple[Design, ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether the kernel fits its machine."""
        return self.why_not is None


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run of a model on a machine, kernel by kernel."""

    run: ModelRun
    setting: Setting
    machine: Architecture
    kernels: tuple[KernelCost, ...]
    groups: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(dict.fromkeys(each.kernel.group for each in self.kernels)))

    @property
    def why_not(self) -> str | None:
        """Why the run does not fit its machine."""
        kernels = (f"{each.kernel.name}: {each.why_not}" for each in self.kernels if each.why_not is not None)
        return next(kernels, None) or self._overflow()

    def _overflow(self) -> str | None:
        """Why the weights and the cache of a whole model do not fit the outermost memory, where that has a capacity."""
        name, run = self.machine.outermost, self.run
        capacity = self.machine.memories[name].capacity_bytes
        needed = (run.parameters + run.cache_words) * self.machine.word_bytes
        if run.scope is not Scope.MODEL or capacity is None or needed <= capacity:
            return None
        return reason((Shortfall(True, f"{name}: weights and cache", needed, capacity, "bytes"),))

    def of(self, group: str) -> list[tuple[int, Evaluation]]:
        """How often, and what, of a group's kernels. Only of runs that fit."""
        return [(c.kernel.times, c.evaluation) for c in self.kernels if c.kernel.group == group and c.evaluation]

    def busy_s(self, group: str, array: str) -> float:
        """Seconds in which an array is busy with a group's kernels."""
        cycles = sum(times * each.cycles_by_array.get(array, 0) for times, each in self.of(group))
        return float(cycles) / self.machine.clock_hz

    def latency_s(self, group: str) -> float:
        """Seconds of a group's kernels, one after another or overlapped."""
        own = self.of(group)
        if self.run.layers is not Layers.OVERLAPPED:
            return sum(times * float(each.latency_s) for times, each in own)
        arrays = (self.busy_s(group, array) for array in self.machine.arrays)
        memory = sum(times * float(each.memory_s) for times, each in own)
        return max(memory, *arrays, *(times * float(each.latency_s) for times, each in own))


def evaluate_whole(run: ModelRun, setting: Setting) -> WholeRun:
    """Evaluates every kernel of a run; kernels that are alike once.

    Raises SpecError where a file or an option is wrong. What does not fit is a result with a reason.
    """
    place, machine, document = _machine(setting)
    if setting.attention is not None:
        if run.layers is Layers.FUSED:
            raise SpecError("a fused layer brings its own attention", at=LAYERS, remedy="leave --attention out")
        run = replace(run, kernels=tuple(_in_form(each, setting.attention, machine) for each in run.kernels))
    run = _with_stand_ins(run, setting)
    known: dict[tuple[object, ...], KernelCost] = {}
    costs = []
    for kernel in run.kernels:
        if kernel.key not in known:
            known[kernel.key] = _cost(kernel, run, setting, place, machine, document)
        costs.append(replace(known[kernel.key], kernel=kernel))
    return WholeRun(run, setting, machine, tuple(costs))


def load_kernels(run: ModelRun, setting: Setting) -> None:
    """Loads each file that kernels of a run are of. Raises SpecError for what is wrong in one."""
    place, *_ = _machine(setting)
    for kernel in {(each.mapping, each.cascade): each for each in _with_stand_ins(run, setting).kernels}.values():
        if kernel.cascade is not None:
            library.load_cascade(kernel.cascade, at=run.at)
        else:
            next(iter(designs(kernel, run, setting, place)))


def _with_stand_ins(run: ModelRun, setting: Setting) -> ModelRun:
    """The run with the mappings that the configuration brings for other kernels."""
    instead = stand_ins(setting.configuration, at=setting.at)
    return replace(run, kernels=tuple(replace(each, mapping=instead.get(each.mapping or "", each.mapping))
                                      for each in run.kernels))  # fmt: skip


def _machine(setting: Setting) -> tuple[str, Architecture, Document]:
    return find_machine(
        setting.configuration, setting.architecture, setting.overrides, at=setting.at, arch_at=setting.arch_at
    )


def first_design(run: ModelRun, setting: Setting) -> Design:
    """The design that is tried first of a run's first kernel. Raises SpecError where a file or an option is wrong."""
    return next(iter(designs(run.kernels[0], run, setting, _machine(setting)[0])))


def _cost(
    kernel: PlannedKernel, run: ModelRun, setting: Setting, place: str, machine: Architecture, document: Document
) -> KernelCost:
    if kernel.cascade is not None:
        return _by_itself(kernel, run, setting, machine, document)
    return _mapped(kernel, run, setting, place)


def kernel_cascade(kernel: PlannedKernel, run: ModelRun) -> tuple[Cascade, dict[str, int]]:
    """The cascade of a kernel that einsim maps by itself, and the sizes of all of its ranks."""
    assert kernel.cascade is not None
    cascade = library.load_cascade(kernel.cascade, at=run.at)
    return cascade, bind_sizes(cascade, dict(kernel.sizes))


def _in_form(kernel: PlannedKernel, form: str, machine: Architecture) -> PlannedKernel:
    """A kernel of attention in the form of a cascade; others as they are.

    Batch and heads that the cascade has not are instances. So are groups of queries, where its queries are as many as
    its keys (causal attention): heads that share keys stood side by side there. Tiles are as large as the array.
    """
    if kernel.mapping is not None or kernel.cascade is not None:
        return kernel
    at = Location("--attention")
    cascade = library.load_cascade(form, at=at)
    needed, given = size_parameters(cascade), dict(kernel.sizes)
    array = next((each for each in machine.arrays.values() if each.is_grid), next(iter(machine.arrays.values())))
    given["C"] = max(1, given["M"] - 1)  # of the keys of a decode step, one is new
    given |= {split.size: min(next(iter(array.axes.values())), given["M"]) for split in cascade.splits}
    missing = [name for name in needed if name not in given]
    if missing:
        raise SpecError(f"{form} needs sizes that attention has not: {', '.join(missing)}", at=at,
                        remedy=f"attention has {', '.join(given)}")  # fmt: skip
    instances = kernel.instances
    for name, size in kernel.sizes:
        if name in needed or (name == "M" and "C" in needed):
            continue
        if name == "P" and given["P"] % given["M"]:
            raise SpecError(f"{form} has as many queries as keys, here are {given['P']} and {given['M']}", at=at,
                            remedy="choose a form with queries of their own")  # fmt: skip
        if name not in {"B", "H", "P"}:
            raise SpecError(f"{form} has no size {name}, so it is no attention", at=at, remedy="choose another")
        instances *= given["P"] // given["M"] if name == "P" else size
    sizes = tuple((name, given[name]) for name in needed)
    return replace(kernel, cascade=form, sizes=sizes, instances=instances)


def _by_itself(
    kernel: PlannedKernel, run: ModelRun, setting: Setting, machine: Architecture, document: Document
) -> KernelCost:
    cascade, sizes = kernel_cascade(kernel, run)
    design = replace(auto_design(cascade, machine, sizes, document), accounting=setting.accounting)
    try:
        evaluated = evaluate_auto if kernel.part == "attention" else evaluate_rows
        evaluation = evaluated(cascade, machine, sizes, kernel.instances, setting.accounting)
    except InfeasibleError as error:
        return KernelCost(kernel, design, None, str(error), 0)
    return _judged(kernel, design, evaluation)


def designs(kernel: PlannedKernel, run: ModelRun, setting: Setting, place: str) -> Iterable[Design]:
    """Every design of a mapped kernel that is tried: the choices that its mapping leaves open, in all ways."""
    workload = Workload(kernel.sizes, at=run.at)
    if kernel.mapping is None and run.lengths.phase == "prefill" and not run.lengths.is_cached:
        workload = replace(workload, model=run.model, seq_len=run.lengths.new)  # what is recorded for it counts
    name = kernel.mapping or setting.configuration
    mine = kernel.mapping is None or kernel.part == "layer"
    own = [make_override(f"mapping.{choice}", value, run.at) for choice, value in kernel.choices]
    own += [each for each in setting.overrides if each.target == "arch" or mine]
    for choice in open_alternatives(name, workload, own):
        yield load_design(
            name, workload, architecture=place, overrides=[*own, *choice], accounting=setting.accounting, at=setting.at
        )


def _mapped(kernel: PlannedKernel, run: ModelRun, setting: Setting, place: str) -> KernelCost:
    """The fastest design of those tried, the one of least energy among equals."""
    costs = sorted((_judged(kernel, each, evaluate(each)) for each in designs(kernel, run, setting, place)), key=_rank)
    best = costs[0]
    if best.evaluation is None:
        return best
    slowest = float(best.evaluation.latency_s) * (1 + _SAME)
    alike = [each.design for each in costs if each.design and each.evaluation
             and float(each.evaluation.latency_s) <= slowest]  # fmt: skip
    return replace(best, alike=tuple(alike))


def _rank(cost: KernelCost) -> tuple[bool, float, float]:
    evaluation = cost.evaluation
    if evaluation is None:
        return True, 0.0, 0.0
    return False, float(evaluation.latency_s), float(evaluation.energy_pj)


def _judged(kernel: PlannedKernel, design: Design, evaluation: Evaluation) -> KernelCost:
    why_not = reason(evaluation.schedule.shortfalls)
    if why_not is not None:
        return KernelCost(kernel, design, None, why_not, 0)
    macs = sum(int(evaluation.counts.einsums[each].points) for each in products_of(kernel, design, evaluation))
    return KernelCost(kernel, design, evaluation, None, macs)


def products_of(kernel: PlannedKernel, design: Design, evaluation: Evaluation) -> list[str]:
    """The Einsums of a kernel whose points are multiply-accumulates of a product of matrices."""
    if kernel.part == "other" and kernel.mapping is None:
        return []
    made = design.cascade.einsums  # a sum of squares is no product of matrices
    products = {e.name for e in made if reduced_ranks(e) and len({access.tensor for access in operands(e)}) > 1}
    return [each.name for each in evaluation.schedule.einsums
            if each.name in products and each.operations == (("mac", 1),)]  # fmt: skip


Total = Callable[[Evaluation], float]


def total(costs: Sequence[KernelCost], of: Total) -> float:
    """The sum of one number over kernels, each as often as it runs."""
    return sum(cost.kernel.times * of(cost.evaluation) for cost in costs if cost.evaluation is not None)


def refuse_workload_changes(overrides: Iterable[Override]) -> None:
    """Raises SpecError for a change of a size: kernels' sizes are the model's."""
    for change in overrides:
        if change.target == "workload":
            raise SpecError(f"{change.name}: kernels of a model have sizes of their own", at=change.at,
                            remedy="choose --scope attention, or change the config file")  # fmt: skip
