"""`einsim run`: one design."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from einsim.cli.common import PLAIN, DesignOptions, JsonOption
from einsim.cli.output import print_json, show_result
from einsim.cli.whole import ALONE, WholeOptions, sole_design
from einsim.errors import InfeasibleError
from einsim.model.closed_form import evaluate
from einsim.model.result import to_record
from einsim.model.wholeresult import whole_record
from einsim.report.tables import run_report
from einsim.report.whole import whole_report


def run(
    configuration: Annotated[str, Parameter(help="A mapping: a shipped name or a file")],
    *,
    design: DesignOptions = PLAIN,
    whole: WholeOptions = ALONE,
    json: JsonOption = False,
) -> int:
    """Evaluate one design and print everything about it.

    Example: einsim run fusemax --model BERT --seq-len 16K --set arch.array2d.rows=128
    Example: einsim run fusemax --model Llama-3-70B --scope model --phase decode --context 8K --batch 512
    """
    report = run_report
    if whole.plain(design):
        loaded = design.load(configuration)
        record = to_record(loaded, evaluate(loaded)) | {"command": design.command("run", configuration)}
    else:
        evaluated = whole.evaluated(configuration, design)
        alone = sole_design(evaluated) if whole.scope == "attention" else None
        if alone is not None:
            record = to_record(*alone)  # one kernel: all about it
        else:
            record, report = whole_record(evaluated), whole_report
        record["command"] = design.command("run", configuration, *whole.flags())
    if json:
        print_json(record)
    else:
        show_result(report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code
