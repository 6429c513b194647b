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
from einsim.cli.whole import (
    AttentionOption,
    CausalOption,
    ContextOption,
    LayersOption,
    NewTokensOption,
    PhaseOption,
    ScopeOption,
    SkipOption,
    WholeOptions,
    evaluated,
    sole_design,
)
from einsim.errors import InfeasibleError
from einsim.model.closed_form import evaluate
from einsim.model.result import to_record
from einsim.model.wholeresult import whole_record
from einsim.report.tables import run_report
from einsim.report.whole import whole_report
from einsim.spec.configuration import Accounting
from einsim.spec.modelrun import Causal, Layers, Scope
from einsim.spec.overrides import parse_override


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
    scope: ScopeOption = "attention",
    phase: PhaseOption = None,
    context: ContextOption = None,
    new_tokens: NewTokensOption = None,
    attention: AttentionOption = None,
    layers: LayersOption = "sequential",
    causal: CausalOption = "count",
    allow_skip: SkipOption = False,
    json: JsonOption = False,
) -> int:
    """Evaluate one design and print everything about it.

    Example: einsim run fusemax --model BERT --seq-len 16K --set arch.array2d.rows=128
    Example: einsim run fusemax --model Llama-3-70B --scope model --phase decode --context 8K --batch 512
    """
    asked = Asked(configuration, model, seq_len, batch, shape, arch, tuple(set_ or ()), accounting)
    options = WholeOptions(
        Scope(scope),
        model,
        seq_len,
        batch,
        shape,
        phase,
        context,
        new_tokens,
        allow_skip,
        Layers(layers),
        Causal(causal),
    )
    if not options.plain or attention:
        overrides = [parse_override(text) for text in set_ or ()]
        whole = evaluated(options, configuration, arch, overrides, accounting, attention)
        record, report = whole_record(whole), whole_report
        alone = sole_design(whole) if options.scope is Scope.ATTENTION else None
        if alone is not None:
            record, report = to_record(*alone), run_report  # one kernel: all about it
        more = ["--attention", attention] if attention else []
        record["command"] = asked.command("run", *options.flags(*more))
        if json:
            print_json(record)
        else:
            show_result(report(record))
        return 0 if record["feasible"] else InfeasibleError.exit_code
    design = asked.design()
    record = to_record(design, evaluate(design)) | {"command": asked.command("run")}
    if json:
        print_json(record)
    else:
        show_result(run_report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code
