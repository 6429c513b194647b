"""What operations of generated elements and lanes come to, by the units' own arithmetic, many of them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import Format
from einsim.rtl.generator.hardware import Duty, Hardware, Use
from einsim.rtl.generator.work import Kind
from einsim.rtl.mac import Mac
from einsim.rtl.macro import Exponential
from einsim.rtl.order import Maximum
from einsim.rtl.unpacked import encode

CORNERS = ("zero", "-zero", "inf", "-inf", "nan", "subnormal", "lowest", "largest")


def corner_of(form: Format, patterns) -> np.ndarray:
    """The number of the corner that a pattern is, or -1; the lowest and the largest are those of a whole binade."""
    bits = np.asarray(patterns).astype(np.int64)
    size, negative = bits & (form.negative_zero - 1), bits >= form.negative_zero
    mantissa = 1 << form.mantissa_bits
    choices = [(size == 0) & ~negative, (size == 0) & negative, (size == form.infinity) & ~negative,
               (size == form.infinity) & negative, size > form.infinity, (size > 0) & (size < mantissa),
               (size >= form.infinity - mantissa) & (size < form.infinity) & negative,
               (size >= form.infinity - mantissa) & (size < form.infinity) & ~negative]  # fmt: skip
    return np.select(choices, range(len(CORNERS)), -1)


def reachable(maker: Duty | None) -> set[int]:
    """Corners that results of an operation can be; everything may come from outside. No result is subnormal."""
    every = set(range(len(CORNERS)))
    if maker is None:
        return every
    assert maker.work is not None
    missing = {"subnormal"}
    if maker.work.kind is Kind.EXP:
        missing |= {"-zero", "-inf", "lowest"}
        if all(source.use.store.words == 1 for source in maker.sources):
            missing |= {"inf", "largest"}  # a maximum that is subtracted is that of the very same step
    if maker.work.kind is Kind.LARGER:
        missing |= {"-inf"}  # a running maximum begins with the lowest number
    if maker.opens:
        missing |= {"-zero"}  # sums begin with +0
    return every - {CORNERS.index(name) for name in missing}


def converted(patterns, own: Format, wanted: Format):
    return patterns if own == wanted else Convert(own, wanted).compute(patterns)


def result_of(hardware: Hardware, duty: Duty, operands: Sequence[tuple[np.ndarray, Format]], before) -> np.ndarray:
    """An operation on operands in their formats, in the accumulators'; `before` is what it is folded into."""
    acc, work = hardware.accumulator, duty.work
    assert work is not None
    multiplicand = hardware.operand if duty in hardware.on(hardware.grid) else acc
    form = multiplicand if work.kind is Kind.PRODUCT else acc
    values = [converted(patterns, own, form) for patterns, own in operands]
    match work.kind, work.reduction:
        case Kind.PRODUCT, reduction:
            addend = np.full_like(values[0], acc.negative_zero, acc.dtype) if reduction is None else before
            return Mac(multiplicand, acc).compute(*values, addend)
        case Kind.COPY, "sum":
            return Add(acc).compute(values[0], before)
        case Kind.COPY, "max":
            return Maximum(acc).compute(before, values[0])
        case Kind.SUM, None:
            return Add(acc).compute(*values)
        case Kind.DIFFERENCE, None:
            return Add(acc).compute(values[0], values[1] ^ acc.dtype.type(acc.negative_zero))
        case Kind.LARGER, None:
            return Maximum(acc).compute(*values)
        case Kind.QUOTIENT, None:
            return Divide(acc).compute(*values)
        case Kind.EXP, None:
            return Exponential(hardware.operand, acc).compute(*values)
    raise AssertionError(work)


class Registers:
    """Stores of `trials` elements or lanes."""

    def __init__(self, stores, trials: int) -> None:
        self.words = {store.name: np.zeros((trials, store.words), store.format.dtype) for store in stores}

    def read(self, store, who, fields: Mapping[str, np.ndarray], how: str = "read") -> np.ndarray:
        """A word of some of them, at the address in their control words."""
        return self.words[store.name][who, self.address(store, who, fields, how)]

    def address(self, store, who, fields, how: str) -> np.ndarray:
        """Where a control word points to."""
        return fields[f"{store.name}_{how}"][who] if store.words > 1 else np.zeros(len(who), np.int64)

    def write(self, use: Use, who, fields, result: np.ndarray, own: Format) -> None:
        """A result in some of them, rounded to the store's format."""
        at = self.address(use.store, who, fields, "write")
        self.words[use.store.name][who, at] = converted(result, own, use.store.format)


class Golden:
    """Elements or lanes: their registers, what a cycle's operations do to them, and what has been tried (`covered`)."""

    def __init__(self, hardware: Hardware, duties: Sequence[Duty], stores, trials: int) -> None:
        self.hardware, self.duties, self.registers = hardware, duties, Registers(stores, trials)
        self.pending = np.zeros(trials, hardware.accumulator.dtype)
        self.covered: set[tuple[str, int | str, int, str]] = set()

    def operate(self, fields: Mapping[str, np.ndarray], outside: Mapping[str, np.ndarray], north=None) -> np.ndarray:
        """A cycle. `outside` are operands that come from elsewhere, by store; `north` is what is folded into."""
        result = np.zeros(len(self.pending), self.hardware.accumulator.dtype)
        for number, duty in enumerate(self.duties):
            who = np.flatnonzero((fields["valid"] == 1) & (fields["op"] == number))
            if who.size:
                result[who] = self._one(duty, who, fields, outside, north)
        return result

    def _one(self, duty: Duty, who, fields, outside, north) -> np.ndarray:
        work, acc = duty.work, self.hardware.accumulator
        assert work is not None
        assert not duty.forms
        sources = [duty.sources[position].use.store for position in work.operands]
        read = [outside[store.name][who] if store.name in outside else self.registers.read(store, who, fields)
                for store in sources]  # fmt: skip
        operands = [(patterns, store.format) for patterns, store in zip(read, sources, strict=True)]
        if work.slots > 1:
            begins = fields["step"][who] == 0
            self._cover(duty, who[begins], fields, [(patterns[begins], form) for patterns, form in operands])
            found = result_of(self.hardware, duty, operands, None)
            self.pending[who] = np.where(begins, found, self.pending[who])
            ends = fields["step"][who] == work.slots - 1
            value, done = self.pending[who], who[ends]
        else:
            self._cover(duty, who, fields, operands)
            value = result_of(self.hardware, duty, operands, self._before(duty, who, fields, north))
            done = who
        for position, use in duty.kept:
            self.registers.write(use, who, fields, read[work.operands.index(position)], use.store.format)
        for use in duty.results:
            if use.store.name in self.registers.words:
                at = self.registers.address(use.store, done, fields, "write")
                for end in {0, use.store.words - 1} & set(at.tolist()):
                    self.covered.add((duty.name, "result", end, use.store.name))
                self.registers.write(use, done, fields, value[np.isin(who, done)], acc)
        return value

    def _before(self, duty: Duty, who, fields, north):
        """What a reduction goes on from."""
        if duty.along:
            return north[who]
        if not duty.opens:
            return None
        acc, work = self.hardware.accumulator, duty.work
        begin = acc.negative_zero | acc.infinity if work is not None and work.reduction == "max" else 0
        so_far = self.registers.read(duty.results[0].store, who, fields, "write")
        return np.where(fields["opens"][who] == 1, acc.dtype.type(begin), so_far)

    def _cover(self, duty: Duty, who, fields, operands) -> None:
        for position, (patterns, form) in enumerate(operands):
            store = duty.sources[duty.work.operands[position]].use.store
            corner = corner_of(form, patterns)
            at = fields.get(f"{store.name}_read")
            for end in (0, store.words - 1):
                there = corner if at is None else corner[at[who] == end]
                self.covered |= {(duty.name, position, int(each), end_name(store, end)) for each in np.unique(there)}

    def missing(self, makers: Mapping[str, Duty | None]) -> list[str]:
        """What has not been tried: every corner of every operand of every operation, at both ends of its store.

        `makers` are the operations whose results an operand is, by store; None stands for the outside.
        """
        wanted = set()
        for duty in self.duties:
            for position, source in enumerate(duty.work.operands):
                store = duty.sources[source].use.store
                ends, corners = {0, store.words - 1}, reachable(makers[store.name])
                wanted |= {(duty.name, position, each, end_name(store, end)) for each in corners for end in ends}
            wanted |= {(duty.name, "result", end, use.store.name) for use in duty.results
                       if use.store.name in self.registers.words for end in (0, use.store.words - 1)}  # fmt: skip
        return sorted(f"{name} {what} {CORNERS[n] if isinstance(what, int) else n} {where}"
                      for name, what, n, where in wanted - self.covered)  # fmt: skip


def end_name(store, end: int) -> str:
    """For coverage: a word of a store, or (ports, single words) the store."""
    return f"{store.name}[{end}]"


def makers_of(hardware: Hardware, outside) -> dict[str, Duty | None]:
    """Who makes what stores hold; None where it comes from outside of an element or a lane."""
    found: dict[str, Duty | None] = {}
    for duty in hardware.duties:
        for use in (*duty.results, *(use for _, use in duty.kept)):
            found[use.store.name] = duty
    return found | dict.fromkeys(outside)


def some_patterns(form: Format, random: np.random.Generator, shape) -> np.ndarray:
    """Corners, ones, what exp overflows and underflows at, and ordinary numbers."""
    mantissa, sign = 1 << form.mantissa_bits, form.negative_zero
    corners = [0, sign, form.infinity, sign | form.infinity, form.nan, 1, mantissa - 1, form.infinity - 1,
               sign | (form.infinity - 1), mantissa, sign | mantissa]  # fmt: skip
    useful = [form.one, form.one, form.one, sign | form.one, int(encode(form, 88.5)), int(encode(form, -88.5))]
    normal = encode(form, random.normal(size=shape) * 4)
    kind = random.integers(0, 3, shape)
    return np.select([kind == 0, kind == 1], [random.choice(corners, shape), random.choice(useful, shape)],
                     normal).astype(form.dtype)  # fmt: skip
