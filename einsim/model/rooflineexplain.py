"""How the numbers of a roofline come about: roofs from the machine, loads from operations, bytes and seconds.

Every number of its record (`einsim.report.roofline.roofline_record`) has a chain, by its path there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite

from einsim.model.explain import Explanation
from einsim.model.roofline import Load, Roof, Roofline
from einsim.model.steps import Explain, Fields, How, Step, counted, found, made, named


def roofline_fields(own: Explanation, line: Roofline) -> Fields:
    """Path in the record of one design -> explanation."""
    return _Chains(own, line).fields()


class _Chains:
    """The chains of one design's roofline; `own` those of its evaluation."""

    def __init__(self, own: Explanation, line: Roofline) -> None:
        self.own = own
        self.line = line
        self.machine = own.design.architecture

    def fields(self) -> Fields:
        own: dict[str, Explain] = {"least_traffic_bytes": self.least}
        inner: dict[str, Callable[[], Fields]] = {"whole": partial(self.load, self.line.whole)}
        for roof in self.line.roofs:
            inner[f"roofs/{roof.array}"] = partial(self.roof, roof)
        inner |= {f"groups/{each.name}": partial(self.load, each) for each in self.line.groups}
        inner |= {f"einsums/{each.name}": partial(self.load, each) for each in self.line.einsums}
        return Fields(own, inner)

    # Roofs

    def roof(self, roof: Roof) -> Fields:
        """What an array and the outermost memory can do."""
        own: dict[str, Explain] = {
            "peak_per_s": partial(self.peak, roof.array),
            "ridge_per_byte": partial(self.ridge, roof),
        }
        if isfinite(roof.bandwidth_bytes_per_s):
            own["bandwidth_bytes_per_s"] = self.bandwidth
        own["most_intense_per_byte"] = lambda: made("most_intense_per_byte", "op/B", How.QUOTIENT,
                                                    [self.work(self.line.whole, roof.array), self.least()])  # fmt: skip
        return Fields(own)

    def peak(self, array: str) -> Step:
        """An operation an element and cycle."""
        axes = [self.own.cost(f"{array}.{axis}", "") for axis in self.machine.arrays[array].axes]
        return made(f"peak of {array}", "op/s", How.PRODUCT, [*axes, self.own.cost("clock_hz", "Hz")])

    def bandwidth(self) -> Step:
        """Of the outermost memory."""
        return self.own.cost(f"{self.machine.outermost}.bandwidth_bytes_per_s", "B/s")

    def ridge(self, roof: Roof) -> Step:
        """Where the roofs meet; at 0 where the memory never limits."""
        if not isfinite(roof.bandwidth_bytes_per_s):
            return counted("ridge", 0.0, "op/B", "the memory has no limit")
        return made(f"ridge of {roof.array}", "op/B", How.QUOTIENT, [self.peak(roof.array), self.bandwidth()])

    def least(self) -> Step:
        """What no mapping of the cascade avoids."""
        word = self.own.cost("word_bytes", "B")
        words = self.line.least_traffic_bytes / self.machine.word_bytes
        note = f"that no mapping of {self.own.design.cascade.name} avoids with the words on chip (docs/passes.md)"
        return made("least_traffic_bytes", "B", How.PRODUCT, [found("least words", words, "words", note), word])

    # Loads

    def load(self, load: Load) -> Fields:
        """Operations, bytes and seconds of some Einsums."""
        own: dict[str, Explain] = {"traffic_bytes": partial(self.traffic, load)}
        if load.seconds is not None:
            own["seconds"] = partial(self.seconds, load)
        for array in self.machine.arrays:
            own[f"operations/{array}"] = partial(self.work, load, array)
            own[f"intensity_per_byte/{array}"] = partial(self.intensity, load, array)
            if load.seconds:
                own[f"attained_per_s/{array}"] = partial(self.attained, load, array)
        return Fields(own)

    def traffic(self, load: Load) -> Step:
        """Bytes off chip of the Einsums of a load."""
        rows = [counted(f"{row.einsum}: {row.label}", float(row.reads + row.updates), "words")
                for row in self.own.evaluation.counts.levels
                if row.level == self.machine.outermost and row.einsum in load.einsums]  # fmt: skip
        words = made("words", "words", How.SUM, rows)
        return made("traffic_bytes", "B", How.PRODUCT, [words, self.own.cost("word_bytes", "B")])

    def work(self, load: Load, array: str) -> Step:
        """Operations on an array."""
        rows = [
            made(name, "op", How.PRODUCT, [named(self.own.chains.points(name), "points"),
                                           counted("cycles a point", int(self.own.einsums[name].cycles_per_point))])
            for name in load.einsums if self.own.einsums[name].array == array
        ]  # fmt: skip
        return made(f"operations on {array}", "op", How.SUM, rows)

    def seconds(self, load: Load) -> Step:
        """The whole run; of one kernel of several as long as its arrays, or the memory, are busy."""
        if load is self.line.whole or len(self.line.groups) == 1:
            return self.own.latency()
        clock = self.own.cost("clock_hz", "Hz")
        busy = [made(f"{array} busy", "s", How.QUOTIENT, [self.own.array_cycles(array, load.einsums), clock])
                for array in self.machine.arrays]  # fmt: skip
        if isfinite(self.line.roofs[0].bandwidth_bytes_per_s):
            busy.append(made("memory busy", "s", How.QUOTIENT, [self.traffic(load), self.bandwidth()]))
        return made(f"seconds of {load.name}", "s", How.GREATEST, busy)

    def intensity(self, load: Load, array: str) -> Step:
        """Operations a byte; 0 where there is neither."""
        work, traffic = self.work(load, array), self.traffic(load)
        if not traffic.value:
            return counted("intensity", 0.0, "op/B", f"nothing on {array} and nothing off chip")
        return made(f"intensity on {array}", "op/B", How.QUOTIENT, [work, traffic])

    def attained(self, load: Load, array: str) -> Step:
        """Operations a second."""
        return made(f"attained on {array}", "op/s", How.QUOTIENT, [self.work(load, array), self.seconds(load)])
