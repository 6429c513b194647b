"""Where each number of a machine or a workload comes from: its file, an option, or a cost table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from einsim.errors import Location
from einsim.spec import library
from einsim.spec.architecture import Architecture, machine_fields
from einsim.spec.configuration import Design
from einsim.spec.pricing import Origin
from einsim.spec.workload import DEFAULT_BATCH, WORKLOAD, Workload
from einsim.spec.yamlfile import Document, Path


def origins(machine: Architecture, document: Document) -> dict[str, Origin]:
    """The origin of every number of a machine by its dotted name, as `document` states it or a table says."""
    numbers = machine_fields(machine)
    found = {name: _stated(machine, document, path) for name, path in _paths(machine).items()}
    for part in machine.pricing.parts:
        found |= {name: part.origin(quantity, numbers) for quantity, name in part.fields}
    return found


def _stated(machine: Architecture, document: Document, path: Path) -> Origin:
    if path not in document.places:
        return Origin(document.locate(path), "not stated there")
    return Origin(document.places[path], "stated", source=machine.source.strip())


def _paths(machine: Architecture) -> dict[str, Path]:
    """Dotted name -> path in the document."""
    paths: dict[str, Path] = {name: (name,) for name in ("clock_hz", "word_bytes")}
    for name, memory in machine.memories.items():
        paths |= {f"{name}.{field}": ("memories", name, field) for field in type(memory).model_fields}
    for name, array in machine.arrays.items():
        here: Path = ("arrays", name)
        paths |= {f"{name}.{axis}": (*here, axis) for axis in array.axes}
        registers = array.registers
        fields = type(registers).model_fields
        paths |= {f"{registers.name}.{field}": (*here, "registers", field) for field in fields}
        for operation, unit in array.operations.items():
            fields = type(unit).model_fields
            paths |= {f"{name}.{operation}.{field}": (*here, "operations", operation, field) for field in fields}
    return paths


_OF_MODEL: Final = {"H": "heads", "E": "head_width", "F": "head_width"}
"""Sizes that a shipped model shape has fields of."""


def size_origins(design: Design) -> dict[str, Origin]:
    """The origin of every size and choice of a design: its mapping file, the model, or an option."""
    document, workload = design.mapping_document, design.workload
    found = {name: _size_of_workload(workload, name, size) for name, size in workload.sizes}
    for name, text in design.mapping.sizes.items():
        found[name] = Origin(document.locate(("sizes", name)), f"stated as {text}")
    for name, _ in design.choices:
        found[name] = Origin(document.locate(("choices", name)), "decided or recorded there")
    return found


def _size_of_workload(workload: Workload, name: str, size: int) -> Origin:
    if workload.at != WORKLOAD:
        return Origin(workload.at, f"size {name}")
    if workload.model is None:
        return Origin(Location("--shape"), f"size {name}")
    if name in {"M", "P"} and size == workload.seq_len:
        return Origin(Location("--seq-len"), "tokens of a sequence")
    if name == "B":
        return Origin(Location("--batch"), f"sequences ({DEFAULT_BATCH} where none is given)")
    for index, shape in enumerate(library.load_models().models):
        if shape.name == workload.model and getattr(shape, _OF_MODEL.get(name, ""), None) == size:
            at = library.models_document().locate(("models", index, _OF_MODEL[name]))
            return Origin(at, f"{_OF_MODEL[name]} of {shape.name}", source=shape.source)
    return Origin(Location("--model"), f"size {name} of {workload.model}")


def family_place(family: str, group: str, kernel: str | None, *field: str) -> Origin | None:
    """Where a family's file says something of a group's kernel, or of the group, and in which words.

    None where no family does (ONNX).
    """
    document = library.family_document(family)
    groups: Any = document.value.get("groups", []) if document is not None and isinstance(document.value, dict) else []
    if kernel is None:
        number = next(n for n, each in enumerate(groups) if each["name"] == group)
        return _said(document, ("groups", number, *field))
    for number, name, path in _kernels(groups):
        if name == kernel and groups[number]["name"] == group:
            return _said(document, (*path, *field))
    return None


def _kernels(groups: list[Any]) -> Iterator[tuple[int, str, Path]]:
    """(group, kernel, path) of every kernel that a group has, may have when fused, or is like."""
    numbers = {group["name"]: number for number, group in enumerate(groups)}
    for number, group in enumerate(groups):
        own = numbers.get(group.get("like"), number)
        lists: list[tuple[Path, list[Any]]] = [(("groups", own, "kernels"), groups[own].get("kernels", []))]
        lists += [(("groups", number, "fused", place, "kernels"), form["kernels"])
                  for place, form in enumerate(group.get("fused", []))]  # fmt: skip
        for path, kernels in lists:
            for index, kernel in enumerate(kernels):
                yield number, kernel["name"], (*path, index)


def _said(document: Document | None, path: Path) -> Origin | None:
    """What a document says at a path, as it stands there."""
    assert document is not None
    value: Any = document.value
    for key in path:
        if (isinstance(value, dict) and key in value) or (isinstance(value, list) and isinstance(key, int)):
            value = value[key]  # type: ignore[index]
        else:
            return Origin(document.locate(path), "by default")
    return Origin(document.locate(path), f"{path[-1]}: {value}")
