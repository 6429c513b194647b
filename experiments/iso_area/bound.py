"""How much faster than FuseMax anything of its area could be: more elements that do nothing but multiply and add.

    .venv/bin/python experiments/iso_area/bound.py --area 1.304e9 [--costs paper-45nm]

Every score takes E multiply-accumulates and every one of its values F, in whatever order and by whatever cascade, and
an element does one a cycle. So many elements fit in the area if there is nothing but them: with the smallest register
file that the cost table has, no buffer, no lanes, no maxima.
"""

from __future__ import annotations

import argparse
import sys
from math import exp, log

from einsim.model.closed_form import evaluate
from einsim.spec.configuration import load_design
from einsim.spec.library import load_models
from einsim.spec.overrides import parse_override
from einsim.spec.workload import attention, find_model

LENGTHS = [1 << power for power in (10, 12, 14, 16, 18, 20)]


def main() -> int:
    """Prints the bound for each model, and the geometric mean."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--area", type=float, required=True, help="um^2")
    options.add_argument("--costs", default="paper-45nm")
    options.add_argument("--depth", type=int, default=1, help="words of the register file, at least")
    chosen = options.parse_args()
    texts = [f"arch.costs={chosen.costs}"]
    small = [*texts, f"arch.array2d.registers.depth_words={chosen.depth}"]
    models = load_models()
    ratios = []
    for name in ("BERT", "TrXL", "T5", "XLM"):
        for length in LENGTHS:
            load = attention(find_model(models, name), length)
            sizes = dict(load.sizes)
            machine = load_design("fusemax", load, overrides=[parse_override(each) for each in small]).architecture
            grid = machine.arrays["array2d"]
            element = grid.registers.area_um2 + grid.operations["mac"].area_um2
            elements = chosen.area // element
            macs = sizes["B"] * sizes["H"] * sizes["M"] * sizes["P"] * (sizes["E"] + sizes["F"])
            least = macs / elements / machine.clock_hz
            fusemax = evaluate(load_design("fusemax", load, overrides=[parse_override(each) for each in texts]))
            ratios.append(float(fusemax.latency_s) / least)
        own = ratios[-len(LENGTHS) :]
        print(f"{name}: at most {exp(sum(map(log, own)) / len(own)):.3f} times as fast")
    print(
        f"geometric mean: {exp(sum(map(log, ratios)) / len(ratios)):.3f} ({elements:,.0f} elements of {element:.0f} um^2)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
