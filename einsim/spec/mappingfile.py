"""Mapping files that einsim writes itself: their data as YAML text, and as a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from einsim.cascade import Cascade
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Accounting, Design
from einsim.spec.fields import validate
from einsim.spec.mapping import Mapping as MappingFile
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document

WIDTH: Final = 116
SOURCE: Final = "mapping"


def design_of(data: dict[str, Any], cascade: Cascade, machine: Architecture, workload: Workload) -> Design:
    """The design of a mapping file's data; raises SpecError where it is no mapping."""
    document = Document(SOURCE, data)
    mapping = validate(MappingFile, document)
    return Design(cascade, machine, mapping, workload, Accounting.FULL, (), document, document)


def with_plan(data: Mapping[str, Any], interval: int, cycles: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    """A mapping file's data with a plan of an epoch, in place of the one that it has."""
    plan = {name: runs_of([int(each) for each in at]) for name, at in cycles.items()}
    kept = {key: value for key, value in data.items() if key not in {"pipeline", "timing"}}
    return {**kept, "pipeline": [{"interval": interval, "cycles": plan}]}


def text_of(data: Mapping[str, Any]) -> str:
    """The YAML text of a mapping file."""
    return yaml.safe_dump(dict(data), sort_keys=False, default_flow_style=None, width=WIDTH, allow_unicode=True)


def data_of(mapping: MappingFile) -> dict[str, Any]:
    """A mapping as a file's data, without what it leaves at its defaults."""
    data = mapping.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return {"views": [], "phases": [], "partition": {}, "batch": [], **data}


def runs_of(cycles: Sequence[int]) -> list[int | str]:
    """Cycles as the fewest runs at an even pace, found from the first onwards: 3, `0..63`, `0..126 by 2`."""
    found: list[int | str] = []
    at = 0
    while at < len(cycles):
        end = at + 1
        pace = cycles[end] - cycles[at] if end < len(cycles) else 0
        while end < len(cycles) and cycles[end] - cycles[end - 1] == pace:
            end += 1
        if end - at < 3 and pace != 1:  # a pair is no pattern
            end = at + 1
        if end - at == 1:
            found.append(cycles[at])
        else:
            found.append(f"{cycles[at]}..{cycles[end - 1]}" + (f" by {pace}" if pace > 1 else ""))
        at = end
    return found
