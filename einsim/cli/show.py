"""`einsim show`: cascades, architectures, mappings, tables of costs and scaling, a configuration's formulas."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.text import Text

from einsim.cascade import operations
from einsim.cli.common import (
    AccountingOption,
    ArchOption,
    BatchOption,
    JsonOption,
    LengthOption,
    ModelOption,
    SetOption,
    ShapeOption,
    workload,
)
from einsim.cli.output import print_json, show_result
from einsim.errors import Location, SpecError, suggest
from einsim.report.describe import (
    describe_architecture,
    describe_cascade,
    describe_costs,
    describe_mapping,
    describe_scaling,
    formula_tables,
    formulas,
)
from einsim.report.theory import system_report, zoo_record
from einsim.spec import library
from einsim.spec.configuration import Accounting, load_architecture, load_design, load_mapping
from einsim.spec.costtable import load_scaling, load_table
from einsim.spec.models import model_names
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload


class Kind(StrEnum):
    """What a name can mean."""

    CASCADE = "cascade"
    ARCHITECTURE = "architecture"
    MAPPING = "mapping"
    SYSTEM = "system"
    COST_TABLE = "cost table"
    SCALING_TABLE = "scaling table"


def show(
    name: Annotated[str | None, Parameter(help="A shipped name or a file; nothing lists what there is")] = None,
    *,
    kind: Annotated[Kind | None, Parameter(name="--kind", help="Which, where a name means several")] = None,
    symbolic: Annotated[
        bool, Parameter(name="--symbolic", negative="", help="Formulas of a configuration, for the workload's regime")
    ] = False,
    model: ModelOption = None,
    seq_len: LengthOption = None,
    batch: BatchOption = None,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    accounting: AccountingOption = Accounting.FULL,
    json: JsonOption = False,
) -> None:
    """Show a cascade, system, machine, mapping, or table of costs or scaling; with --symbolic, formulas of a mapping.

    Examples: einsim show attention-1pass; einsim show fusemax --symbolic --model BERT --seq-len 256K
    """
    if name is None:
        _list(json=json)
    elif symbolic:
        _formulas(name, kind, workload(model, seq_len, batch, shape), arch, set_ or [], accounting, json=json)
    else:
        for option, value in (("--shape", shape), ("--set", set_), ("--arch", arch), ("--batch", batch)):
            if value is not None and value != []:
                raise SpecError("goes with --symbolic", at=Location(option), remedy="add --symbolic")
        found = _find(name, kind, workload(model, seq_len, None, None) if model or seq_len else None)
        if json:
            print_json({each: record for each, (record, _) in found.items()})
        else:
            parts: list[RenderableType] = []
            for _, text in found.values():
                parts += [text, Text()]
            show_result(Group(*parts[:-1]))


def _list(*, json: bool) -> None:
    shipped: dict[str, Any] = {str(kind): _names(kind) for kind in Kind}
    shipped["model"] = model_names()
    if json:
        print_json(shipped)
        return
    variants = {system.cascade_name(each) for system in library.load_systems() for each in system.variants}
    shipped["cascade"] = [name for name in shipped["cascade"] if name not in variants]
    lines: list[RenderableType] = []
    for kind, names in shipped.items():
        lines += [Text(f"{kind}s" if kind != "cascade" else "cascades (and those of the systems, SYSTEM-VARIANT)",
                       style="bold"), Text(f"  {', '.join(names)}")]  # fmt: skip
    show_result(Group(*lines))


def _formulas(
    name: str, kind: Kind | None, work: Any, arch: str | None, changes: list[str], accounting: Accounting, *, json: bool
) -> None:
    if kind not in {None, Kind.MAPPING}:
        raise SpecError("formulas belong to a configuration", at=Location("--kind"), remedy="give a mapping")
    from einsim.model.symbolic import evaluate_symbolic  # noqa: PLC0415 - sympy is slow to import

    overrides = [parse_override(text) for text in changes]
    design = load_design(name, work, architecture=arch, overrides=overrides, accounting=accounting)
    texts = formulas(design, evaluate_symbolic(design))
    if json:
        print_json(texts)
    else:
        show_result(formula_tables(texts))


def _find(name: str, kind: Kind | None, work: Workload | None) -> dict[str, tuple[Any, RenderableType]]:
    """Everything that a name means, as a record and as text; a mapping's choices are made for the workload."""
    readers: dict[Kind, Callable[[str], tuple[Any, RenderableType]]] = {
        Kind.CASCADE: _cascade, Kind.ARCHITECTURE: _architecture, Kind.MAPPING: lambda name: _mapping(name, work),
        Kind.SYSTEM: _system, Kind.COST_TABLE: _cost_table, Kind.SCALING_TABLE: _scaling,
    }  # fmt: skip
    if kind is not None:
        return {str(kind): readers[kind](name)}
    if "/" in name or name.endswith((".yaml", ".yml", ".cascade")):
        guess = _guess(name)
        return {str(guess): readers[guess](name)}
    known = [each for each in Kind if name in _names(each)]
    if not known:
        everything = {shipped for each in Kind for shipped in _names(each)}
        raise SpecError(f"nothing is called {name!r}", at=Location("show"), remedy=suggest(name, everything))
    return {str(each): readers[each](name) for each in known}


def _guess(name: str) -> Kind:
    """What a file holds, by its ending and its keys."""
    if name.endswith(".cascade"):
        return Kind.CASCADE
    path = library.find("mapping", name, at=Location("show"))
    value = library.load_document(Path(path)).value
    if not isinstance(value, dict):
        return Kind.MAPPING
    if value.keys() & {"memories", "arrays", "clock_hz"}:
        return Kind.ARCHITECTURE
    if "nodes" in value:
        return Kind.SCALING_TABLE
    return Kind.COST_TABLE if "technology_nm" in value else Kind.MAPPING


def _names(kind: Kind) -> list[str]:
    """The shipped names of a kind."""
    return [system.name for system in library.load_systems()] if kind is Kind.SYSTEM else library.names(kind)


def _system(name: str) -> tuple[Any, RenderableType]:
    system = next((each for each in library.load_systems() if each.name == name), None)
    if system is None:
        raise SpecError(f"unknown system {name!r}", at=Location("show"), remedy=suggest(name, _names(Kind.SYSTEM)))
    cascades = {each: library.load_cascade(system.cascade_name(each)) for each in system.variants}
    record = zoo_record(system, cascades)
    return record, system_report(record, str(cascades[system.straightforward]))


def _cascade(name: str) -> tuple[Any, RenderableType]:
    cascade = library.load_cascade(name, at=Location("show"))
    record = {
        "name": cascade.name,
        "title": cascade.title,
        "source": cascade.source,
        "text": str(cascade),
        "options": {name: list(values) for name, values in cascade.forms.options},
        "einsums": {einsum.name: {"text": str(einsum), "operations": operations(einsum)} for einsum in cascade.einsums},
    }
    return record, describe_cascade(cascade)


def _architecture(name: str) -> tuple[Any, RenderableType]:
    machine = load_architecture(name)
    return machine.model_dump(exclude_none=True), describe_architecture(machine)


def _cost_table(name: str) -> tuple[Any, RenderableType]:
    table = load_table(name, Location("show")).table
    return table.model_dump(exclude_none=True), describe_costs(table)


def _scaling(name: str) -> tuple[Any, RenderableType]:
    scaling, _ = load_scaling(name, Location("show"))
    return scaling.model_dump(exclude_none=True), describe_scaling(scaling)


def _mapping(name: str, work: Workload | None) -> tuple[Any, RenderableType]:
    mapping, choices = load_mapping(name, work)
    record = {**mapping.model_dump(exclude_none=True), "choices": dict(choices)}
    return record, describe_mapping(mapping, dict(choices))
