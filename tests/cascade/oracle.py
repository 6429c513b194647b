"""The meaning of a cascade, point by point and on demand: slow, obvious, nothing shared with evaluate."""

import itertools
import math

import numpy as np

from einsim.cascade import Access, Binary, Call, Negate, Number, Size

FUNCTIONS = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "abs": abs,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "max": max,
    "min": min,
}
REDUCTIONS = {"sum": sum, "prod": math.prod, "max": max, "min": min}
NOTHING = {"sum": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}


class Oracle:
    def __init__(self, cascade, inputs, sizes):
        self.cascade = cascade
        self.inputs = inputs
        self.sizes = sizes
        self.known = {}
        self.einsums = {einsum.output.tensor: einsum for einsum in cascade.einsums}
        self.inits = {init.output.tensor: init for init in cascade.inits}
        self.splits = {split.rank: split for split in cascade.splits}

    def tensor(self, name, shape):
        array = np.empty(shape)
        for place in itertools.product(*map(range, shape)):
            array[place] = self.element(name, place)
        return array

    def element(self, name, place):
        if name in self.inputs:
            return float(self.inputs[name][place])
        if (name, place) not in self.known:
            self.known[name, place] = self.make(self.einsums[name], place)
        return self.known[name, place]

    def make(self, einsum, place):
        point, first = {}, False
        for index, coordinate in zip(einsum.output.indices, place, strict=True):
            if str(index) == index.ranks[0]:
                point[index.ranks[0]] = coordinate
            elif str(index) == f"{index.ranks[0]}+1":
                first = first or coordinate == 0
                point[index.ranks[0]] = coordinate - 1
            else:
                self.unmerge(index, coordinate, point)
        if first:
            point = {rank: value for rank, value in point.items() if value >= 0}
            init = self.inits[einsum.output.tensor]
            return self.value(init.body, point) if self.exists(point) else 0.0
        if not self.exists(point):
            return 0.0
        return self.reduce(einsum, point)

    def unmerge(self, index, coordinate, point):
        split = next(s for s in self.splits.values() if str(index) == f"{s.outer}*{s.size}+{s.inner}")
        point[split.outer], point[split.inner] = divmod(coordinate, self.sizes[split.size])

    def reduce(self, einsum, point):
        names = {rank for access in self.reads(einsum.body) for index in access.indices for rank in index.ranks}
        ranks = sorted(names - set(point))
        if not ranks:
            return self.value(einsum.body, point)
        values = []
        for extra in itertools.product(*(range(self.sizes[rank.upper()]) for rank in ranks)):
            whole = {**point, **dict(zip(ranks, extra, strict=True))}
            if self.exists(whole):
                values.append(self.value(einsum.body, whole))
        return REDUCTIONS[einsum.reduction](values) if values else NOTHING[einsum.reduction]

    def reads(self, body):
        match body:
            case Access():
                return [body]
            case Negate(operand):
                return self.reads(operand)
            case Binary(_, left, right):
                return self.reads(left) + self.reads(right)
            case Call(_, arguments):
                return [access for argument in arguments for access in self.reads(argument)]
            case _:
                return []

    def value(self, body, point):
        match body:
            case Number(value):
                return value
            case Size(symbol):
                return float(self.sizes[symbol])
            case Access(tensor, indices):
                return self.element(tensor, tuple(self.coordinate(index, point) for index in indices))
            case Negate(operand):
                return -self.value(operand, point)
            case Call(function, arguments):
                return FUNCTIONS[function](*(self.value(argument, point) for argument in arguments))
            case Binary(operator, left, right):
                a, b = self.value(left, point), self.value(right, point)
                return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a / b
        raise AssertionError(body)

    def coordinate(self, index, point):
        total = 0
        for term in index.terms:
            total += term.factor * math.prod(self.sizes[s] for s in term.sizes) * point.get(term.rank, 1)
        return total

    def exists(self, point):
        """A split with ranks of both its sides in the point needs one element that has all of them."""
        for split in self.splits.values():
            if self.held(split.outer, point) and self.held(split.inner, point):
                elements = range(self.sizes[split.rank.upper()])
                if not any(self.matches(split, element, point) for element in elements):
                    return False
        return True

    def held(self, rank, point):
        split = self.splits.get(rank)
        parts = split and (self.held(split.outer, point) or self.held(split.inner, point))
        return rank in point or bool(parts)

    def matches(self, split, element, point):
        quotient, remainder = divmod(element, self.sizes[split.size])
        for rank, part in ((split.outer, quotient), (split.inner, remainder)):
            if rank in point:
                if point[rank] != part:
                    return False
            elif rank in self.splits and not self.matches(self.splits[rank], part, point):
                return False
        return True
