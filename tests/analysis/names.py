"""Whether two cascades are the same up to the names of tensors and ranks, the order of lines and of factors."""

from __future__ import annotations

from einsim.cascade import (
    Access,
    Binary,
    Call,
    Cascade,
    Compare,
    Expr,
    Junction,
    Negate,
    Not,
    Number,
    Position,
    Size,
    Where,
)


def same_up_to_names(one: Cascade, other: Cascade) -> bool:
    return Matcher(one, other).cascades()


class Matcher:
    """Names of `one` -> names of `other`, found by walking both from their outputs."""

    def __init__(self, one, other):
        self.one, self.other = one, other
        self.tensors = {tensor.name: tensor.name for tensor in one.inputs}
        self.ranks = {rank: rank for tensor in one.inputs for rank in tensor.ranks}
        self.sizes = {rank.upper(): rank.upper() for rank in self.ranks}

    def cascades(self):
        if {t.name for t in self.one.inputs} != {t.name for t in self.other.inputs}:
            return False
        for mine, theirs in zip(self.one.splits, self.other.splits, strict=False):
            if not all(self.rank(getattr(mine, part), getattr(theirs, part)) for part in ("rank", "outer", "inner")):
                return False
        outputs = zip(self.one.outputs, self.other.outputs, strict=True)
        if not all(self.tensor(a, b) for a, b in outputs):
            return False
        counts = [len(self.one.einsums) == len(self.other.einsums), len(self.one.inits) == len(self.other.inits)]
        return all(counts) and len(self.one.splits) == len(self.other.splits)

    def rank(self, a, b):
        if a in self.ranks:
            return self.ranks[a] == b
        self.ranks[a] = b
        self.sizes[a.upper()] = b.upper()
        return True

    def tensor(self, a, b):
        if a in self.tensors:
            return self.tensors[a] == b
        self.tensors[a] = b
        made = self.one.makers(a), self.other.makers(b)
        if len(made[0]) != 1 or len(made[1]) != 1:
            return False
        mine, theirs = made[0][0], made[1][0]
        inits = [[init for init in c.inits if init.name == name] for c, name in ((self.one, a), (self.other, b))]
        same = mine.reduction == theirs.reduction and self.indices(mine.output, theirs.output)
        same = same and len(inits[0]) == len(inits[1])
        same = same and all(self.value(x.body, y.body) for x, y in zip(*inits, strict=True))
        same = same and (mine.when is None) == (theirs.when is None)
        if same and mine.when is not None:
            same = self.value(mine.when, theirs.when)
        return same and self.value(mine.body, theirs.body)

    def indices(self, a, b):
        if len(a.indices) != len(b.indices):
            return False
        return all(self.index(x, y) for x, y in zip(a.indices, b.indices, strict=True))

    def index(self, a, b):
        if len(a.terms) != len(b.terms):
            return False
        for x, y in zip(a.terms, b.terms, strict=True):
            if x.factor != y.factor or len(x.atoms) != len(y.atoms) or len(x.sizes) != len(y.sizes):
                return False
            if not all(isinstance(r, str) and self.rank(r, s) for r, s in zip(x.atoms, y.atoms, strict=True)):
                return False
            if sorted(self.sizes.get(size, size) for size in x.sizes) != sorted(y.sizes):
                return False
        return True

    def attempt(self, pairs):
        """All pairs match, or nothing is noted."""
        kept = dict(self.tensors), dict(self.ranks), dict(self.sizes)
        if all(check(x, y) for check, x, y in pairs):
            return True
        self.tensors, self.ranks, self.sizes = kept
        return False

    def value(self, a: Expr, b: Expr):
        match a, b:
            case Number(x), Number(y):
                return x == y
            case Size(x), Size(y):
                return self.sizes.get(x, x) == y
            case Position(x), Position(y):
                return self.index(x, y)
            case Access(), Access():
                return self.attempt([(self.indices, a, b), (self.tensor, a.tensor, b.tensor)])
            case Negate(x), Negate(y):
                return self.value(x, y)
            case Not(x), Not(y):
                return self.value(x, y)
            case Binary(o, x, y), Binary(p, u, v) if o == p:
                straight = self.attempt([(self.value, x, u), (self.value, y, v)])
                return straight or (o in "+*" and self.attempt([(self.value, x, v), (self.value, y, u)]))
            case Call(f, x), Call(g, y) if f == g:
                straight = self.attempt([(self.value, u, v) for u, v in zip(x, y, strict=True)])
                return straight or (
                    f in {"max", "min"} and self.attempt(list(zip([self.value] * 2, x, y[::-1], strict=True)))
                )
            case Where(c, x, y), Where(d, u, v):
                return self.value(c, d) and self.value(x, u) and self.value(y, v)
            case Compare(o, x, y), Compare(p, u, v):
                return o == p and self.value(x, u) and self.value(y, v)
            case Junction(k, x), Junction(m, y):
                return k == m and len(x) == len(y) and all(self.value(u, v) for u, v in zip(x, y, strict=True))
        return False
