"""The meaning of a cascade, point by point and on demand: slow, obvious, nothing shared with evaluate."""

import itertools
import math
import operator

import numpy as np

from einsim.cascade import (
    Access,
    Binary,
    Call,
    Compare,
    Extreme,
    Junction,
    Negate,
    Not,
    Number,
    Position,
    Quotient,
    Size,
    Where,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "abs": abs,
    "sign": lambda x: float(x > 0) - float(x < 0),
    "floor": np.floor,
    "ceil": lambda x: -np.floor(-x),
    "round": np.rint,
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: x if x > 0 or np.isnan(x) else 0.0,
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "elu": lambda x: x if x > 0 else np.exp(x) - 1,
    "elu1": lambda x: x + 1 if x > 0 else np.exp(x),
    "max": np.maximum,
    "min": np.minimum,
    "pow": lambda x, y: np.float64(x) ** y,
}
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
REDUCTIONS = {"sum": sum, "prod": math.prod, "max": np.max, "min": np.min}
NOTHING = {"sum": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}


class RefusedError(Exception):
    """The cascade reads or writes where nothing is, at a point that exists."""


class Oracle:
    """Elements of tensors, each computed when it is asked for. sizes: every size of the cascade."""

    def __init__(self, cascade, inputs, sizes):
        self.cascade = cascade
        self.inputs = inputs
        self.sizes = sizes
        self.known = {}
        self.found = {}
        self.einsums = {einsum.tensor: einsum for einsum in cascade.einsums if not einsum.part}
        self.assembled = {tensor.name: None for tensor in cascade.assembled}
        self.inits = {init.output.tensor: init for init in cascade.inits}
        self.splits = {split.rank: split for split in cascade.splits}
        self.like = {rank.name: rank.like for rank in cascade.ranks if rank.like}
        self.order = [rank.name for rank in cascade.ranks]

    def tensor(self, name, shape):
        array = np.empty(shape)
        with np.errstate(all="ignore"):
            for place in itertools.product(*map(range, shape)):
                array[place] = self.element(name, place)
        return array

    def element(self, name, place):
        if name in self.inputs:
            return np.float64(self.inputs[name][place])
        if (name, place) not in self.known:
            value = self.part_element(name, place) if name in self.assembled else self.make(self.einsums[name], place)
            self.known[name, place] = np.float64(value)
        return self.known[name, place]

    # --- which point makes an element ---------------------------------------------------------------------

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
            return self.value(self.inits[einsum.tensor].body, point) if self.exists(point) else 0.0
        if not self.exists({rank: value for rank, value in point.items() if rank != einsum.selected}):
            return 0.0
        return self.reduce(einsum, point, place)

    def unmerge(self, index, coordinate, point):
        """Both parts of a split from the coordinate in the whole: the outer one is multiplied by the tile."""
        outer = next(term for term in index.terms if term.sizes)
        inner = next(term for term in index.terms if not term.sizes)
        point[outer.rank], point[inner.rank] = divmod(coordinate, self.sizes[outer.sizes[0]])

    def part_element(self, name, place):
        if self.assembled[name] is None:
            self.assembled[name] = self.makers(name)
        einsum, point = self.assembled[name].get(place, (None, None))
        return 0.0 if einsum is None else self.reduce(einsum, point, place)

    def makers(self, name):
        """For each element of an assembled tensor, the Einsum and point that write it."""
        declared = next(tensor for tensor in self.cascade.assembled if tensor.name == name)
        found = {}
        for einsum in self.cascade.einsums:
            if einsum.tensor != name:
                continue
            for point in self.points(einsum.output.ranks, {}):
                if not self.reached(einsum, point):
                    continue
                place = tuple(self.coordinate(index, point) for index in einsum.output.indices)
                if not all(0 <= c < self.sizes[rank.upper()] for c, rank in zip(place, declared.ranks, strict=True)):
                    raise RefusedError(f"{einsum} writes {place}")
                if place in found:
                    raise RefusedError(f"{einsum} overlaps at {place}")
                found[place] = einsum, point
        return found

    def reached(self, einsum, left):
        """Whether a part of a tensor writes an element: not where its filter leaves no point."""
        left = {rank: coordinate for rank, coordinate in left.items() if rank != einsum.selected}
        return einsum.when is None or any(self.kept(einsum, point) for point in self.points(self.reduced(einsum), left))

    def points(self, ranks, left):
        """The points that exist, of some ranks beside those of a point."""
        for place in itertools.product(*(range(self.sizes[rank.upper()]) for rank in ranks)):
            point = {**left, **dict(zip(ranks, place, strict=True))}
            if self.exists(point):
                yield point

    # --- an Einsum at one element -------------------------------------------------------------------------

    def kept(self, einsum, point):
        return einsum.when is None or self.truth(einsum.when, point)

    def reduce(self, einsum, point, place):
        if not einsum.reduction:
            return self.value(einsum.body, point) if self.kept(einsum, point) else self.before(einsum, place)
        point = dict(point)
        wanted = point.pop(einsum.selected, None)
        ranks = self.reduced(einsum)
        values = {
            tuple(whole[rank] for rank in ranks): self.value(einsum.body, whole)
            for whole in self.points(ranks, point)
            if self.kept(einsum, whole)
        }
        if einsum.reduction in ("argmax", "argmin", "topk"):
            sign = -1 if einsum.reduction == "argmin" else 1
            scores = [sign * values.get((c,), -sign * math.inf) for c in range(self.sizes[ranks[0].upper()])]
            best = sorted(range(len(scores)), key=lambda c: (-scores[c], c))
            return float(best[wanted or 0])
        return REDUCTIONS[einsum.reduction](list(values.values())) if values else NOTHING[einsum.reduction]

    def reduced(self, einsum):
        left = set().union(*(index.ranks for index in einsum.output.indices))
        return sorted((self.ranks(einsum.body) | self.ranks(einsum.when)) - left)

    def before(self, einsum, place):
        """What a filter without reduction leaves: the slice before of an iterative tensor, else 0."""
        if einsum.tensor not in self.inits:
            return 0.0
        moved = [
            coordinate - str(index).endswith("+1")
            for index, coordinate in zip(einsum.output.indices, place, strict=True)
        ]
        return self.element(einsum.tensor, tuple(moved))

    # --- expressions --------------------------------------------------------------------------------------

    def ranks(self, node):
        """Every rank in a tree of records: the strings that are atoms of terms."""
        match node:
            case Access(_, indices):
                return set().union(*(index.ranks for index in indices))
            case Position(index):
                return set(index.ranks)
            case Negate(inner) | Not(inner):
                return self.ranks(inner)
            case Binary(_, left, right) | Compare(_, left, right):
                return self.ranks(left) | self.ranks(right)
            case Call(_, parts) | Junction(_, parts):
                return set().union(*map(self.ranks, parts))
            case Where(condition, then, otherwise):
                return self.ranks(condition) | self.ranks(then) | self.ranks(otherwise)
            case _:
                return set()

    def value(self, body, point):
        match body:
            case Number(value):
                return np.float64(value)
            case Size(symbol):
                return np.float64(self.sizes[symbol])
            case Position(index):
                return np.float64(self.coordinate(index, point))
            case Access():
                return self.read(body, point)
            case Negate(operand):
                return -self.value(operand, point)
            case Call(function, arguments):
                return FUNCTIONS[function](*(self.value(argument, point) for argument in arguments))
            case Binary(sign, left, right):
                return OPERATORS[sign](self.value(left, point), self.value(right, point))
            case Where(condition, then, otherwise):
                return self.value(then if self.truth(condition, point) else otherwise, point)
        raise AssertionError(body)

    def truth(self, condition, point):
        match condition:
            case Compare(sign, left, right):
                return COMPARISONS[sign](self.value(left, point), self.value(right, point))
            case Junction("and", parts):
                return all(self.truth(part, point) for part in parts)
            case Junction("or", parts):
                return any(self.truth(part, point) for part in parts)
            case Not(inner):
                return not self.truth(inner, point)
        raise AssertionError(condition)

    def read(self, access, point):
        place = [self.coordinate(index, point) for index in access.indices]
        extents = self.extents(access.tensor)
        if any(not 0 <= c < extent for c, extent in zip(place, extents, strict=True)):
            if access.beyond is None:
                raise RefusedError(f"{access} at {point}")
            if access.beyond != "edge":
                return np.float64(access.beyond)
            place = [sorted((0, c, extent - 1))[1] for c, extent in zip(place, extents, strict=True)]
        return self.element(access.tensor, tuple(place))

    def extents(self, name):
        """How many elements each dimension has; the iterative one has its first slice besides."""
        for tensor in (*self.cascade.inputs, *self.cascade.assembled):
            if tensor.name == name:
                return [self.sizes[rank.upper()] for rank in tensor.ranks]
        found = []
        for index in self.einsums[name].output.indices:
            if len(index.ranks) == 1:
                found.append(self.sizes[index.ranks[0].upper()] + str(index).endswith("+1"))
            else:
                inner = next(term.rank for term in index.terms if not term.sizes)
                split = next(s for s in self.cascade.splits if s.inner == self.base(inner))
                found.append(self.sizes[split.rank.upper()])
        return found

    def coordinate(self, index, point):
        total = 0
        for term in index.terms:
            sizes = math.prod(self.sizes[s] for s in term.sizes)
            total += term.factor * sizes * math.prod(self.atom(atom, point) for atom in term.atoms)
        return total

    def atom(self, atom, point):
        match atom:
            case str():
                return point[atom]
            case Quotient(left, right, remainder):
                a, b = self.coordinate(left, point), self.coordinate(right, point)
                if b == 0:
                    raise RefusedError(f"{atom} at {point}")
                return a % b if remainder else a // b
            case Extreme(kind, of):
                return (max if kind == "max" else min)(self.coordinate(index, point) for index in of)
            case Access():
                value = self.read(atom, point)
                if value != math.floor(value) or math.isinf(value):
                    raise RefusedError(f"{atom} is {value} at {point}")
                return int(value)
        raise AssertionError(atom)

    # --- which points exist -------------------------------------------------------------------------------

    def exists(self, point):
        """Each walk of a split rank through the point must meet an element that has all its parts.

        Walks of one part go each with the walk of the other part; several of both in the order declared.
        """
        key = tuple(sorted(point.items()))
        if key not in self.found:
            walks = (walk for split in self.splits.values() for walk in self.joined(split, point))
            self.found[key] = all(map(self.meets, walks))
        return self.found[key]

    def joined(self, split, point):
        outers, inners = self.walks(split.outer, point), self.walks(split.inner, point)
        if not outers and not inners:
            return []
        outers, inners = outers or [{}], inners or [{}]
        pairs = zip(outers, inners, strict=True) if len(outers) == len(inners) else itertools.product(outers, inners)
        return [{**outer, **inner} for outer, inner in pairs]

    def base(self, rank):
        while rank in self.like:
            rank = self.like[rank]
        return rank

    def walks(self, rank, point):
        """The ways in which a point walks a rank: parts of it, named as the splits name them, at coordinates."""
        alike = sorted((r for r in point if self.base(r) == self.base(rank) and r != rank), key=self.order.index)
        if rank in point:
            return [{rank: point[rank]}, *({rank: point[r]} for r in alike)]
        found = [{rank: point[r]} for r in alike]
        return found + (self.joined(self.splits[rank], point) if rank in self.splits else [])

    def meets(self, point):
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
