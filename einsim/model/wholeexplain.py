"""How the numbers of a whole model come about: how often each kernel runs, times what one run of it takes.

Every number of its record (`einsim.model.wholeresult.whole_record`) has a chain, by its path there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial

from einsim.errors import Location
from einsim.model.closed_form import Evaluation
from einsim.model.explain import Explanation
from einsim.model.steps import Explain, Fields, How, Step, counted, made, named
from einsim.model.whole import KernelCost, WholeRun, products_of
from einsim.spec.configuration import Design
from einsim.spec.modelrun import Layers, ModelRun, PlannedKernel, Weights
from einsim.spec.origins import family_place, origins
from einsim.spec.pricing import Origin

_ADDED = {"energy_pj": "pJ", "traffic_bytes": "B", "compute_s": "s", "memory_s": "s"}
"""Numbers of a run that are sums over its kernels."""


def summed(name: str, unit: str, rows: Iterable[tuple[PlannedKernel, Step]]) -> Step:
    """A number of a whole run: the sum over kernels of how often each runs, times what one run of it takes."""
    parts = [
        made(f"{kernel.name} ({kernel.group})", unit, How.PRODUCT, (counted("times", kernel.times), step))
        for kernel, step in rows
    ]
    return made(name, unit, How.SUM, parts)


def whole_fields(whole: WholeRun) -> Fields:
    """The numbers of a run that fits, by their paths in its record, each with what makes its explanation."""
    return _Whole(whole).fields()


def kernel_explanation(cost: KernelCost, whole: WholeRun, design: Design, evaluation: Evaluation) -> Explanation:
    """One kernel of a run by a design; its sizes are those that the model's family says."""
    given = {name: size_place(name, cost.kernel, whole.run) for name, _ in cost.kernel.sizes}
    instances = cost.kernel.instances if cost.kernel.cascade is not None else 1
    document = cost.design.architecture_document if cost.design is not None else None
    return Explanation(design, evaluation, given, instances, document)


def size_place(name: str, kernel: PlannedKernel, run: ModelRun) -> Origin:
    """Where a size of a kernel comes from: the expression of its family, or the model's graph."""
    place = family_place(run.family, kernel.group, kernel.name, "sizes", name)
    return place or Origin(run.at, f"size {name} of {kernel.name}", source=run.model)


def run_inputs(run: ModelRun) -> dict[str, Explain]:
    """What a run is of: lengths, and parameters, of which each kernel has its own."""
    lengths = run.lengths
    rows = {"batch": ("--batch", lengths.batch), "new_tokens": ("--new-tokens, --seq-len", lengths.new)}
    rows |= {f"context/{n}/{k}": ("--context, --batch", each[k]) for n, each in enumerate(lengths.cached)
             for k in (0, 1)}  # fmt: skip
    own: dict[str, Explain] = {
        path: partial(Step, path, value, "", How.GIVEN, origin=Origin(Location(option), "an option, or its default"))
        for path, (option, value) in rows.items()
    }
    own["parameters"] = partial(_parameters, run, "parameters", lambda each: each.words)
    own["active_parameters"] = partial(_parameters, run, "active_parameters", lambda each: each.active)
    return own


def _parameters(run: ModelRun, name: str, of: Callable[[Weights], int]) -> Step:
    """Parameters of every kernel, as its family says; a graph's are counted as it is read."""
    total = run.parameters if name == "parameters" else run.active
    if not run.weights:
        return Step(name, total, "", How.GIVEN, origin=Origin(run.at, "elements of its initializers", source=run.model))
    parts = []
    for each in run.weights:
        if of(each):
            field = "active" if name != "parameters" and each.active != each.words else "weights"
            place = family_place(run.family, each.group, each.kernel, field) or Origin(run.at, field)
            words = Step(f"{field} of {each.kernel}", of(each), "", How.GIVEN, origin=place)
            often = counted("times", each.times, note="layers of the model")
            parts.append(made(f"{each.kernel} ({each.group})", "", How.PRODUCT, (often, words)))
    return made(name, "", How.SUM, parts)


class _Whole:
    """The chains of one run, kernel by kernel."""

    def __init__(self, whole: WholeRun) -> None:
        self.whole = whole
        self.machine = whole.machine
        first = next(cost.design for cost in whole.kernels if cost.design is not None)
        self.origins = origins(whole.machine, first.architecture_document)
        self.rows: list[tuple[KernelCost, Explanation]] = []
        self.places: dict[int, int] = {}
        for place, cost in enumerate(whole.kernels):
            if cost.evaluation is not None and cost.design is not None:
                self.places[place] = len(self.rows)
                self.rows.append((cost, kernel_explanation(cost, whole, cost.design, cost.evaluation)))
        self.of = cache(lambda place: self.rows[place][1].fields())

    def fields(self) -> Fields:
        whole, run = self.whole, self.whole.run
        own: dict[str, Explain] = {name: partial(self.total, name, unit) for name, unit in _ADDED.items()}
        own |= {"latency_s": self.latency, "area_um2": self.of(0)["area_um2"], "macs": self.macs,
                "tokens_per_s": self.rate, **run_inputs(run)}  # fmt: skip
        own |= {("util_2d" if array.is_grid else "util_1d"): partial(self.utilisation, name)
                for name, array in self.machine.arrays.items()}  # fmt: skip
        own |= {"weights_bytes": self.weights, "cache_bytes": self.cached, "held_bytes": self.held}
        parts = dict.fromkeys(part for cost, _ in self.rows for part in _energies(cost))
        own |= {f"energy_by_part_pj/{part}": partial(self.total, f"energy_by_part_pj/{part}", "pJ") for part in parts}
        for place, group in enumerate(whole.groups):
            own[f"groups/{place}/latency_s"] = partial(self.group_latency, group)
            for name in ("energy_pj", "traffic_bytes"):
                own[f"groups/{place}/{name}"] = partial(self.total, name, _ADDED[name], group)
        inner: dict[str, Callable[[], Fields]] = {
            f"kernels/{place}": partial(self.kernel, place) for place, cost in enumerate(whole.kernels)
        }
        return Fields(own, {**inner, "area_um2": self.of(0).inner["area_um2"]})

    def cost(self, name: str, value: float, unit: str) -> Step:
        """A number of the machine."""
        return Step(name, value, unit, How.GIVEN, origin=self.origins[name])

    def clock(self) -> Step:
        """The machine's clock."""
        return self.cost("clock_hz", self.machine.clock_hz, "Hz")

    def word(self) -> Step:
        """Bytes of a word."""
        return self.cost("word_bytes", self.machine.word_bytes, "B")

    # Totals

    def each(self, name: str, group: str | None = None) -> list[tuple[PlannedKernel, Step]]:
        """One number of the kernels (of a group) that have it."""
        return [(cost.kernel, self.of(place)[name]()) for place, (cost, _) in enumerate(self.rows)
                if (group is None or cost.kernel.group == group) and name in self.of(place)]  # fmt: skip

    def total(self, name: str, unit: str, group: str | None = None) -> Step:
        return summed(name, unit, self.each(name, group))

    def macs(self) -> Step:
        """Multiply-accumulates of products of matrices."""
        return summed("macs", "", [(cost.kernel, _macs(cost, own)) for cost, own in self.rows if cost.macs])

    def latency(self) -> Step:
        """Groups one after another."""
        return made("latency_s", "s", How.SUM, [self.group_latency(group) for group in self.whole.groups])

    def group_latency(self, group: str) -> Step:
        """Kernels one after another; overlapped: the longest of what bounds the group."""
        alone = self.each("latency_s", group)
        if self.whole.run.layers is not Layers.OVERLAPPED:
            return summed(group, "s", alone)
        bounds = [named(self.total("memory_s", "s", group), f"{group}: memories, as long as all kernels need them")]
        for name in self.machine.arrays:
            cycles = summed(f"cycles of {name}", "cycles", self.each(f"cycles_by_array/{name}", group))
            bounds.append(made(f"{group}: {name}, as long as all kernels need it", "s", How.QUOTIENT,
                               [cycles, self.clock()]))  # fmt: skip
        bounds += [made(f"{kernel.name}, by itself", "s", How.PRODUCT, (counted("times", kernel.times), step))
                   for kernel, step in alone]  # fmt: skip
        return made(f"{group}, overlapped", "s", How.GREATEST, bounds)

    def utilisation(self, array: str) -> Step:
        """Cycles in which elements are busy, kernel by kernel, over all that there are."""
        field = "util_2d" if self.machine.arrays[array].is_grid else "util_1d"
        busy = [(kernel, step.parts[0]) for kernel, step in self.each(field)]
        axes = [self.cost(f"{array}.{axis}", size, "") for axis, size in self.machine.arrays[array].axes.items()]
        there = made("cycles of all elements", "cycles", How.PRODUCT, [*axes, self.latency(), self.clock()])
        return made(array, "", How.QUOTIENT, [summed("busy", "cycles", busy), there])

    def rate(self) -> Step:
        """Tokens a second."""
        inputs = run_inputs(self.whole.run)
        tokens = made("tokens", "", How.PRODUCT, [inputs["batch"](), inputs["new_tokens"]()])
        return made("tokens_per_s", "1/s", How.QUOTIENT, [tokens, self.latency()])

    def weights(self) -> Step:
        """Bytes of all parameters."""
        return made("weights_bytes", "B", How.PRODUCT, [run_inputs(self.whole.run)["parameters"](), self.word()])

    def cached(self) -> Step:
        """Bytes of the cache at the end."""
        run = self.whole.run
        groups = []
        for each in run.cached:
            place = family_place(run.family, each.group, None, "cached") or Origin(run.at, "cached")
            words = Step(f"words a token and {each.group}", each.words, "", How.GIVEN, origin=place)
            parts = [words, counted("layers", each.layers), counted("tokens, of all sequences", each.tokens)]
            groups.append(made(each.group, "words", How.PRODUCT, parts))
        return made("cache_bytes", "B", How.PRODUCT, [made("words", "words", How.SUM, groups), self.word()])

    def held(self) -> Step:
        """Bytes that the kernel with the most of them keeps on chip."""
        every = [named(step, f"{kernel.name} ({kernel.group})") for kernel, step in self.each("held_bytes")]
        return made("held_bytes", "B", How.GREATEST, every)

    # One kernel

    def kernel(self, place: int) -> Fields:
        """The numbers of one kernel: of one run of it, with the whole record of that under `result`."""
        cost = self.whole.kernels[place]
        own = kernel_inputs(cost, self.whole.run)
        if place not in self.places:  # one that does not fit
            return Fields(own)
        where = self.places[place]
        fields, chains = self.of(where), self.rows[where][1]
        own |= {name: explain for name, explain in fields.own.items() if "/" not in name}
        own |= {name: explain for name, explain in fields.own.items() if name.startswith("choices/")}
        return Fields({**own, "macs": lambda: _macs(cost, chains)}, {"result": lambda: fields})


def kernel_inputs(cost: KernelCost, run: ModelRun) -> dict[str, Explain]:
    """What a kernel is: its sizes, how many instances of it there are, and how often it runs."""
    kernel = cost.kernel
    own: dict[str, Explain] = {
        f"sizes/{name}": partial(Step, name, size, "", How.GIVEN, origin=size_place(name, kernel, run))
        for name, size in kernel.sizes
    }
    for name, value in (("instances", kernel.instances), ("times", kernel.times)):
        field = "instances" if name == "instances" else "repeat"
        place = family_place(run.family, kernel.group, kernel.name, field)
        origin = place or Origin(run.at, f"{name} of {kernel.name}", source=run.model)
        if name == "times":
            origin = replace(origin, how=f"{origin.how}; layers, steps and lengths of its size")
        own[name] = partial(Step, name, value, "", How.GIVEN, origin=origin)
    return own


def _macs(cost: KernelCost, own: Explanation) -> Step:
    """Multiply-accumulates of one run of a kernel."""
    names = products_of(cost.kernel, own.design, own.evaluation)
    return made("macs", "", How.SUM, [own.chains.points(name) for name in names])


def _energies(cost: KernelCost) -> Mapping[str, object]:
    return {} if cost.evaluation is None else cost.evaluation.energy_by_part_pj
