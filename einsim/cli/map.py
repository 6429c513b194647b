"""`einsim map`: any cascade on a machine, with a mapping that einsim makes by itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from einsim.cascade import bind_sizes
from einsim.cli.common import JsonOption
from einsim.cli.output import print_json, show_result
from einsim.cli.zoo import CascadeArgument
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.model.auto import auto_design, evaluate_auto
from einsim.model.cycle.evaluation import simulate_auto
from einsim.model.cycle.result import simulation_record
from einsim.model.result import to_record
from einsim.report.simulation import simulation_report
from einsim.report.tables import run_report
from einsim.spec import library
from einsim.spec.configuration import load_architecture
from einsim.spec.workload import parse_shape


def map_(
    cascade: CascadeArgument,
    *,
    sizes: Annotated[str, Parameter(name="--sizes", help="Sizes of the cascade's ranks: E=64,F=64,M=16K,P=16K,M0=256")],
    arch: Annotated[str, Parameter(name="--arch", help="Architecture: a shipped name or a file")],
    batch: Annotated[int, Parameter(name="--batch", help="Independent instances, one after another: heads, batch")] = 1,
    cycles: Annotated[bool, Parameter(negative="", help="Run it cycle by cycle and say where the cycles go")] = False,
    json: JsonOption = False,
) -> int:
    """Map any cascade by itself, one Einsum after another, and print what that costs.

    A first answer for cascades without a mapping file; `einsim run` evaluates mappings made with care.
    Example: einsim map attn_causal-3pass --sizes E=64,F=64,M=16K --batch 768 --arch fusemax
    """
    if batch < 1:
        raise SpecError(f"{batch} is not positive", at=Location("--batch"))
    found = library.load_cascade(cascade, at=Location("map"))
    bound = bind_sizes(found, parse_shape(sizes, "--sizes"))
    machine = load_architecture(arch)
    if cycles:
        record = simulation_record(simulate_auto(found, machine, bound, batch))
        if json:
            print_json(record)
        else:
            show_result(simulation_report(record))
        return 0 if record["feasible"] else InfeasibleError.exit_code
    evaluation = evaluate_auto(found, machine, bound, batch)
    record = to_record(auto_design(found, machine, bound), evaluation)
    if json:
        print_json(record)
    else:
        show_result(run_report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code
