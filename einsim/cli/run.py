"""`einsim run`: one design."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from einsim.cli.common import (
    AccountingOption,
    ArchOption,
    Asked,
    BatchOption,
    JsonOption,
    LengthOption,
    ModelOption,
    SetOption,
    ShapeOption,
)
from einsim.cli.output import print_json, show_result
from einsim.errors import InfeasibleError
from einsim.model.closed_form import evaluate
from einsim.model.result import to_record
from einsim.report.tables import run_report
from einsim.spec.configuration import Accounting


def run(
    configuration: Annotated[str, Parameter(help="A mapping: a shipped name or a file")],
    *,
    model: ModelOption = None,
    seq_len: LengthOption = None,
    batch: BatchOption = None,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    accounting: AccountingOption = Accounting.FULL,
    json: JsonOption = False,
) -> int:
    """Evaluate one design and print everything about it.

    Example: einsim run fusemax --model BERT --seq-len 16K --set arch.array2d.rows=128
    """
    asked = Asked(configuration, model, seq_len, batch, shape, arch, tuple(set_ or ()), accounting)
    design = asked.design()
    record = to_record(design, evaluate(design)) | {"command": asked.command("run")}
    if json:
        print_json(record)
    else:
        show_result(run_report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code
