"""Saved results of the commands beside run and simulate, each with what explains its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from einsim.cascade import bind_sizes
from einsim.cli.bound import bound_curves, copies_of
from einsim.cli.common import workload
from einsim.cli.map import asked_task, instances_of
from einsim.cli.replay import Traced, arguments, command_words
from einsim.cli.roofline import rooflines
from einsim.errors import Location, SpecError
from einsim.mapper.candidates import FOUND, MOST_ISSUES, SIMPLE, simple
from einsim.mapper.objective import Objective
from einsim.model.auto import auto_design, evaluate_auto
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_auto, simulate_design
from einsim.model.cycle.explain import simulation_fields
from einsim.model.explain import Explanation
from einsim.model.result import Record
from einsim.model.rooflineexplain import roofline_fields
from einsim.model.steps import Explain, Fields, How, Step, counted, made, named
from einsim.report.bound import bound_record
from einsim.report.recorded import Recorded, Rule
from einsim.report.rules import BINDING, CURVES, DERIVED, HARDWARE, PASSES, SEARCH, TENSORS, TESTED
from einsim.spec import library
from einsim.spec.configuration import Design, load_design, load_machine_file
from einsim.spec.machine import load_machine
from einsim.spec.pricing import Origin
from einsim.spec.workload import parse_shape

_NAMES = ("configuration", "cascade", "architecture", "model", "sizes")


def roofline_again(saved: Record, at: Location) -> Traced:
    """A roofline, made again."""
    given = arguments(command_words(saved, at, ("roofline",)), at)
    load = workload(*(given.get(name) for name in ("model", "seq_len", "batch", "shape")))
    found = rooflines(given["configurations"], load, given.get("arch"), given.get("set_") or ())
    inner: dict[str, Callable[[], Fields]] = {
        f"designs/{design.mapping.name}": partial(roofline_fields, Explanation(design, evaluation), line)
        for design, evaluation, line in found
    }
    names = ", ".join(design.mapping.name for design, _, _ in found)
    first = found[0][0]
    about = {"configuration": names, "cascade": "roofline", "architecture": first.architecture.name,
             "model": first.workload.model, "sizes": dict(first.workload.sizes)}  # fmt: skip
    return Traced(Fields({}, inner), about)


def bound_again(saved: Record, at: Location) -> Traced:
    """Curves of least traffic, made again."""
    given = arguments(command_words(saved, at, ("bound",)), at)
    batch, word = given.get("batch", "1"), given.get("word_bytes", 2)
    curves = bound_curves(given["cascades"], given["sizes"], batch, given.get("rank"), word)
    now = {**bound_record(curves, word, copies_of(batch), ()), "command": saved["command"]}
    return Traced(Recorded(now).fields(CURVES), {"configuration": "bound", "cascade": ", ".join(given["cascades"])})


def kept(rules: dict[str, Rule], command: tuple[str, ...]) -> Callable[[Record, Location], Traced]:
    """For results that are explained as they are: what made them would take long, or find something else."""

    def explained(saved: Record, at: Location) -> Traced:
        words = command_words(saved, at, command[:1])
        if tuple(words[1 : 1 + len(command)]) != command:
            raise SpecError(f"carries no command of einsim {' '.join(command)}", at=at)
        about = {name: saved[name] for name in _NAMES if name in saved}
        about = {"configuration": " ".join(command), "cascade": "as it was saved", **about}
        note = f"what was found is as it was saved; {saved['command']} finds it anew"
        return Traced(Recorded(saved).fields(rules), {**about, "cost_notes": [note]})

    return explained


bind_again = kept(BINDING, ("bind",))
passes_again = kept(PASSES, ("passes",))
derived_again = kept(DERIVED, ("derive",))
tensors_again = kept(TENSORS, ("evaluate",))


def hardware_again(saved: Record, at: Location) -> Traced:
    """What synthesis said of generated hardware, or how its runs compared."""
    words = command_words(saved, at, ("rtl",))
    kinds = {"area": HARDWARE, "test": TESTED}
    kind = next((each for each in kinds if words[2:3] == [each]), "area")
    return kept(kinds[kind], ("rtl", kind))(saved, at)


def map_again(saved: Record, at: Location) -> Traced:
    """A mapping that a search found, evaluated again; what the search says of it is as it was saved."""
    given = arguments(command_words(saved, at, ("map",)), at)
    if "objective" not in saved:
        return _simple(given)
    for name in ("source", "mapping", "unit", *_NAMES, "accounting", "cost_notes"):
        Recorded(saved).at(name)
    own = _mapped(saved, given, at)
    about = {name: saved[name] for name in (*_NAMES, "accounting", "cost_notes")}
    fields = own.fields()
    more: dict[str, Explain] = {"value": partial(_value, saved["objective"], fields)}
    if saved.get("cycle_value") is not None:
        latency = cache(partial(_simulated_latency, own))
        more |= {"cycle_value": lambda: _value(saved["objective"], fields, latency()),
                 "cycle_model/latency_s": latency,
                 "cycle_model/difference": lambda: _difference(latency(), fields["latency_s"]())}  # fmt: skip
    return Traced(Fields({**fields.own, **Recorded(saved).fields(SEARCH), **more}, fields.inner), about)


def _mapped(saved: Record, given: dict[str, Any], at: Location) -> Explanation:
    """The mapping of a search's result: its own text, a shipped one, or einsim's simple one."""
    options = {name: given.get(name) for name in ("model", "seq_len", "shape", "batch", "sizes")}
    task = asked_task(given["cascade"], given["arch"], **options)
    if saved["source"] == SIMPLE:
        made_ = simple(task, Objective(saved["objective"]), float("inf"), cycles=False)
        design = replace(made_.design, architecture_document=load_machine_file(given["arch"])[0])
        return Explanation(design, made_.evaluation, instances=task.instances)
    if saved["source"] != FOUND:
        return _evaluated(load_design(saved["source"], task.workload))
    name = f"{at.source}, mapping"
    with library.in_memory("mapping", name, str(saved["mapping"]).encode()):
        return _evaluated(load_design(name, task.workload, architecture=given["arch"]))


def _evaluated(design: Design) -> Explanation:
    return Explanation(design, evaluate(design))


def _simulated_latency(own: Explanation) -> Step:
    """What the cycle model says of a mapping."""
    if own.design.mapping_document.value:
        return simulation_fields(simulate_design(own.design, most=MOST_ISSUES), own)["latency_s"]()
    sizes = dict(own.design.workload.sizes)
    run = simulate_auto(own.design.cascade, own.design.architecture, sizes, own.instances, most=MOST_ISSUES)
    return simulation_fields(run, own)["latency_s"]()


def _value(objective: str, fields: Fields, latency: Step | None = None) -> Step:
    """The number that a search makes small, with the latency of one model or the other."""
    latency = latency or fields["latency_s"]()
    match Objective(objective):
        case Objective.LATENCY:
            return latency
        case Objective.ENERGY:
            return fields["energy_pj"]()
        case Objective.TRAFFIC:
            return fields["traffic_bytes"]()
        case Objective.EDP:
            return made("edp", "pJ s", How.PRODUCT, [latency, fields["energy_pj"]()])


def _difference(run: Step, closed: Step) -> Step:
    both = [named(run, "latency in the cycle model"), named(closed, "latency by the closed form")]
    return made("difference", "", How.DIFFERENCE, [made("ratio", "", How.QUOTIENT, both), counted("the same", 1)])


def _simple(given: dict[str, Any]) -> Traced:
    """A cascade as it is, one Einsum after another."""
    cascade = library.load_cascade(given["cascade"], at=Location("map"))
    sizes, batch = bind_sizes(cascade, parse_shape(given["sizes"], "--sizes")), instances_of(given.get("batch"))
    document = load_machine_file(given["arch"])[0]
    machine = load_machine(document)
    design = auto_design(cascade, machine, sizes, document)
    origins = {name: Origin(Location("--sizes"), f"size {name}, or what follows from the others") for name in sizes}
    own = Explanation(design, evaluate_auto(cascade, machine, sizes, batch), origins, batch)
    about = {"configuration": "auto", "cascade": cascade.name, "architecture": machine.name, "sizes": sizes,
             "cost_notes": list(machine.pricing.notes)}  # fmt: skip
    if not given.get("cycles"):
        return Traced(own.fields(), about)
    return Traced(simulation_fields(simulate_auto(cascade, machine, sizes, batch), own), about)
