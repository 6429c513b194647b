"""`einsim roofline`: what limits a design, the arrays or the memory, and what its passes allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from einsim.cli.common import (
    ArchOption,
    BatchOption,
    JsonOption,
    LengthOption,
    ModelOption,
    SetOption,
    ShapeOption,
    command_line,
    workload,
)
from einsim.cli.output import print_json, show_result
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.result import reason
from einsim.model.roofline import Roofline, roofline
from einsim.report.roofline import roofline_record, roofline_report
from einsim.spec.configuration import Design, load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload


def roofline_(
    *configurations: Annotated[str, Parameter(help="Mappings: shipped names or files")],
    model: ModelOption = None,
    seq_len: LengthOption = None,
    batch: BatchOption = None,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    out: Annotated[Path | None, Parameter(name="--out", help="A folder for roofline.png and roofline.svg")] = None,
    json: JsonOption = False,
) -> None:
    """Print and draw operations a byte off chip against what arrays and memory can do.

    For every design, fused group and Einsum; `passes allow` is what no mapping of the cascade exceeds.
    Example: einsim roofline fusemax flat unfused --model BERT --seq-len 16K --out results/roofline
    """
    if not configurations:
        raise SpecError("no configuration is given", at=Location("roofline"), remedy="name one mapping or several")
    made = rooflines(configurations, workload(model, seq_len, batch, shape), arch, set_ or ())
    found = [(design.mapping.name, line) for design, _, line in made]
    files: list[Path] = []
    if out is not None:
        from einsim.report.drawing import save_figure  # noqa: PLC0415 - matplotlib is slow to import
        from einsim.report.rooflineplot import draw_roofline  # noqa: PLC0415

        title = f"{model} at {seq_len} tokens" if model else ""
        files = save_figure(draw_roofline(found, title), "roofline", out)
    if json:
        options = {"--model": model, "--seq-len": seq_len, "--batch": batch, "--shape": shape, "--arch": arch,
                   "--set": set_}  # fmt: skip
        command = command_line("roofline", list(dict.fromkeys(configurations)), options)
        print_json({"designs": roofline_record(found), "files": [str(file) for file in files], "command": command})
        return
    show_result(roofline_report(found))
    for file in files:
        show_result(f"wrote {file}")


def rooflines(
    configurations: Sequence[str], load: Workload, arch: str | None, sets: Sequence[str]
) -> list[tuple[Design, Evaluation, Roofline]]:
    """Every design with its roofline; raises InfeasibleError for one that does not fit."""
    overrides = [parse_override(text) for text in sets]
    found = []
    for name in dict.fromkeys(configurations):
        design = load_design(name, load, architecture=arch, overrides=overrides)
        evaluation = evaluate(design)
        if not evaluation.feasible:
            raise InfeasibleError(f"{name} does not fit: {reason(evaluation.schedule.shortfalls)}")
        found.append((design, evaluation, roofline(design, evaluation)))
    return found
