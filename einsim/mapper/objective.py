"""What a search makes small."""

from __future__ import annotations

from enum import StrEnum

from einsim.model.closed_form import Evaluation
from einsim.model.costs import as_float
from einsim.spec.expressions import Number


class Objective(StrEnum):
    """The number to make small: seconds, pJ, their product, bytes to and from the outermost memory."""

    LATENCY = "latency"
    ENERGY = "energy"
    EDP = "edp"
    TRAFFIC = "traffic"

    @property
    def unit(self) -> str:
        """The unit of the value."""
        return {"latency": "s", "energy": "pJ", "edp": "pJ s", "traffic": "bytes"}[self.value]

    def of(self, evaluation: Evaluation) -> Number:
        """The value of an evaluation, or values of many."""
        match self:
            case Objective.LATENCY:
                return evaluation.latency_s
            case Objective.ENERGY:
                return evaluation.energy_pj
            case Objective.EDP:
                return evaluation.latency_s * evaluation.energy_pj
            case Objective.TRAFFIC:
                return as_float(evaluation.traffic_bytes)

    def at_latency(self, value: float, energy_pj: float, latency_s: float) -> float:
        """The value with the latency that another model finds; energy and traffic are what they were."""
        match self:
            case Objective.LATENCY:
                return latency_s
            case Objective.EDP:
                return latency_s * energy_pj
            case Objective.ENERGY | Objective.TRAFFIC:
                return value

    def rank(self, evaluation: Evaluation) -> tuple[Number, ...]:
        """The value, then what tells equals apart: energy, latency, traffic."""
        others = (evaluation.energy_pj, evaluation.latency_s, as_float(evaluation.traffic_bytes))
        return self.of(evaluation), *others
