"""Runs of shipped configurations on small workloads, with their logs."""

from dataclasses import replace
from functools import cache

from einsim.cli.common import workload
from einsim.model.cycle.simulate import simulate
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import load_design

ODD = "B=1,H=2,E=64,F=64,M=600,P=700"
MODEL = ("BERT", "1K", "1", None)
CONFIGURATIONS = ("fusemax", "architecture", "cascade", "flat", "unfused")


@cache
def machine(configuration):
    return load_design(configuration, workload(*MODEL)).architecture


@cache
def runs(configuration, shape=None, *, skip=False, filters=(), log=400_000):
    """The runs of a configuration's programs, the filters of which may be replaced."""
    design = load_design(configuration, workload(None, None, None, shape) if shape else workload(*MODEL))
    programs = build(design, lower(design), Timing()).programs
    programs = [replace(program, filters=filters) if filters else program for program in programs]
    return tuple(simulate(each, design.architecture, Timing(), skip=skip, log=log) for each in programs)
