"""Rows of attention in the datapath's arithmetic: the online form, in the order in which an array adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from einsim.errors import SpecError
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP32, Format, Patterns
from einsim.rtl.mac import Mac
from einsim.rtl.macro import Exponential
from einsim.rtl.order import Maximum


@dataclass(frozen=True, slots=True)
class RowArithmetic:
    """softmax(q k^T) v, tile after tile of keys, with operands of one format and sums of another.

    Of every tile: scores, their maximum, weights exp(score - running maximum) rounded to the operands' format, their
    sum, and the values' sum with these weights, each added up key after key. The running sums are corrected by
    exp(old maximum - new maximum), in the accumulator's format throughout. The maximum starts at the lowest finite
    number, so that a row all of whose scores are minus infinity gives no NaN before it is divided.
    """

    operand: Format = BF16
    accumulator: Format = FP32

    def compute(self, queries: Patterns, keys: Patterns, values: Patterns, *, tile: int) -> Patterns:
        """Rows of results, (P, F), in the accumulator's format.

        Queries (P, E), already scaled, keys (M, E) and values (M, F) are patterns of the operands' format; `tile`
        is how many keys are looked at together. Raises `SpecError` where the tile does not divide M.
        """
        if len(keys) % tile:
            raise SpecError(f"{len(keys)} keys are no whole number of tiles of {tile}", remedy="take a divisor")
        scores = self._scores(queries, keys).reshape(len(queries), -1, tile)
        exp, mac = Exponential(self.operand, self.accumulator), Mac(self.accumulator, self.accumulator)
        top = np.full(len(queries), self.accumulator.lowest, self.accumulator.dtype)
        total = np.zeros_like(top)
        result = np.zeros((len(queries), values.shape[1]), self.accumulator.dtype)
        for number, some_values in enumerate(values.reshape(-1, tile, values.shape[1])):
            some = scores[:, number]
            before, top = top, self._largest(some, top)
            weights = exp.compute(some, np.broadcast_to(top[:, None], some.shape))
            narrow = Convert(self.accumulator, self.operand).compute(weights)
            correction = exp.compute(before, top)
            total = mac.compute(total, correction, self._sum(narrow))
            spread = np.broadcast_to(correction[:, None], result.shape)
            result = mac.compute(result, spread, self._weighted(narrow, some_values))
        return Divide(self.accumulator).compute(result, np.broadcast_to(total[:, None], result.shape))

    def _scores(self, queries: Patterns, keys: Patterns) -> Patterns:
        """(P, M): products added up along E from zero."""
        mac = Mac(self.operand, self.accumulator)
        scores = np.zeros((len(queries), len(keys)), self.accumulator.dtype)
        for e in range(queries.shape[1]):
            scores = mac.compute(*np.broadcast_arrays(queries[:, None, e], keys[None, :, e]), scores)
        return scores

    def _largest(self, scores: Patterns, top: Patterns) -> Patterns:
        """(P,): the running maximum after a tile's scores (P, tile)."""
        larger = Maximum(self.accumulator)
        for key in range(scores.shape[1]):
            top = larger.compute(top, scores[:, key])
        return top

    def _sum(self, weights: Patterns) -> Patterns:
        """(P,): a tile's weights (P, tile) added up from zero."""
        add = Add(self.accumulator)
        wide = Convert(self.operand, self.accumulator).compute(weights)
        total = np.zeros(len(weights), self.accumulator.dtype)
        for key in range(weights.shape[1]):
            total = add.compute(total, wide[:, key])
        return total

    def _weighted(self, weights: Patterns, values: Patterns) -> Patterns:
        """(P, F): a tile's values (tile, F) added up with weights (P, tile), from zero."""
        mac = Mac(self.operand, self.accumulator)
        result = np.zeros((len(weights), values.shape[1]), self.accumulator.dtype)
        for key in range(weights.shape[1]):
            result = mac.compute(*np.broadcast_arrays(weights[:, key, None], values[None, key]), result)
        return result
