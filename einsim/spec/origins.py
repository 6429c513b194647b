"""Where each number of a machine comes from: its file, an option, or a cost table."""

from __future__ import annotations

from einsim.spec.architecture import Architecture, machine_fields
from einsim.spec.pricing import Origin
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
