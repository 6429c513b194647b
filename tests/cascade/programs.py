"""Hypothesis strategies: random valid cascades as texts, with inputs; and random expressions."""

import numpy as np
from hypothesis import strategies as st

from einsim.cascade import (
    Access,
    Call,
    Compare,
    Extreme,
    Index,
    Junction,
    Not,
    Number,
    Quotient,
    Size,
    Term,
    Where,
    combined,
    divided,
    negated,
    value_of,
)
from einsim.cascade.names import FUNCTIONS

M_PARTS = ("m", "m1", "m0", "m3", "m2")
UNARY = ("tanh({})", "sigmoid({})", "relu({})", "abs({})", "exp(tanh({}))", "rsqrt(1 + abs({}))", "-({})")
PAIRS = ("({}) * ({})", "({}) * ({})", "({}) + ({})", "({}) - ({})", "max({}, {})", "min({}, {})")


class Program:
    """A cascade under construction: its lines and the dimensions of its tensors so far."""

    def __init__(self, draw):
        self.draw = draw
        self.nested = draw(st.booleans())
        self.tensors = {"X": ("a", "b"), "Y": ("m", "a"), "W": ("m0",), "T0": ("m1", "m0"), "s": ()}
        self.over = {}  # iterative tensors
        self.inits = []
        self.einsums = []

    def choose(self, options):
        return self.draw(st.sampled_from(list(options)))

    def index(self, tensor, rank):
        tiled = len([r for r in self.tensors[tensor] if r in M_PARTS]) > 1
        options = [rank] * 4
        if self.over.get(tensor) == rank:
            return self.choose([rank, f"{rank}+1", "0", rank.upper()])
        if rank == "m":
            options += ["m1*M0+m0"] * 4
        if rank == "m0" and self.nested:
            options += ["m3*M2+m2"] * 2
        if not tiled:
            options += ["0", f"{rank.upper()}-1", f"-{rank}+{rank.upper()}-1"]
        return self.choose(options)

    def operand(self):
        tensor = self.choose(self.tensors)
        indices = [self.index(tensor, rank) for rank in self.tensors[tensor]]
        return f"{tensor}[{','.join(indices)}]" if indices else tensor

    def ranks_in(self, text):
        words = "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
        return list(dict.fromkeys(word for word in words if word in ("a", "b", *M_PARTS)))

    def term(self):
        kind = self.draw(st.integers(0, 5))
        operand = self.operand()
        if kind == 0:
            return self.choose(UNARY).format(operand)
        if kind == 1:
            return f"{operand} / exp(tanh({self.operand()}))"
        return operand if kind > 2 else self.choose(["0.5", "M", "2"]) + f" * {operand}"

    def body(self):
        text = self.term()
        for _ in range(self.draw(st.integers(0, 2))):
            text = self.choose(PAIRS).format(text, self.term())
        return text

    def plain(self):
        """An Einsum of any shape; rarely with a reduction that could be left implicit."""
        name, body = f"T{len(self.einsums) + 1}", self.body()
        right = self.ranks_in(body)
        left = self.draw(st.permutations(right))[: self.draw(st.integers(0, len(right)))]
        reduced = [rank for rank in right if rank not in left]
        written, dimensions = list(left), list(left)
        if {"m1", "m0"} <= set(left) and "m" not in left and self.draw(st.booleans()):
            written = ["m1*M0+m0" if rank == "m1" else rank for rank in left if rank != "m0"]
            dimensions = ["m" if rank == "m1" else rank for rank in left if rank != "m0"]
        product = not any(sign in body for sign in ("+ (", "- (", "+ abs"))
        over = f"{self.choose(['sum', 'sum', 'max', 'min', 'prod'])} over {','.join(reduced)}: " if reduced else ""
        if product and over.startswith("sum") and self.draw(st.booleans()):
            over = ""
        self.add(name, written, dimensions, over + body)

    def add(self, name, written, dimensions, right):
        self.einsums.append(f"{name}{'[' + ','.join(written) + ']' if written else ''} = {right}")
        self.tensors[name] = tuple(dimensions)

    def iterative(self):
        """A recurrence, perhaps through a second tensor that is part of its cycle."""
        name, rank = f"R{len(self.einsums) + 1}", self.choose(["a", "b", "m1"])
        allowed = [r for r in ("a", "b", "m1", "m0") if r != rank and not (rank == "m1" and r == "m0")]
        rest = self.draw(st.lists(st.sampled_from(allowed), unique=True, max_size=2))
        place = self.draw(st.integers(0, len(rest)))
        at = [*rest[:place], "{}", *rest[place:]]

        def access(index):
            return f"{name}[{','.join(at).format(index)}]"

        start = self.choose(["0", "-1.5", "s", "X[0,0]"])
        self.inits.append(f"init {access(0)} = {start}")
        extra = self.choose(["0.25", "s", *([f"X[{rank},0]"] if rank == "a" else [])])
        previous = access(rank)
        if self.draw(st.booleans()):
            side = f"U{len(self.einsums) + 1}"
            self.add(side, [*rest, rank], [*rest, rank], f"tanh({previous}) * {extra}")
            previous = f"{side}[{','.join([*rest, rank])}]"
        operator = self.choose(["{} + {}", "max({}, {})", "{} * {}"])
        self.add(
            name,
            [r.format(f"{rank}+1") for r in at],
            [r.format(rank) for r in at],
            operator.format(previous, extra),
        )
        self.over[name] = rank

    def text(self):
        lines = ["cascade random", "input X[a,b], Y[m,a], W[m0], T0[m1,m0], s", "split m into m1, m0 by M0"]
        if self.nested:
            lines.append("split m0 into m3, m2 by M2")
        lines.append(f"output {list(self.tensors)[-1]}")
        return "\n".join([*lines, *self.inits, *self.einsums])


@st.composite
def programs(draw):
    """(text, inputs, sizes) of a valid cascade of one to five Einsums on small tensors."""
    program = Program(draw)
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.integers(0, 3)) == 0:
            program.iterative()
        else:
            program.plain()
    free = {symbol: draw(st.integers(1, 4)) for symbol in ("A", "B", "M0", "M2")}
    free["M"] = draw(st.integers(1, 7))
    if not program.nested:
        del free["M2"]
    tiles = -(-free["M"] // free["M0"])
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = {"X": ("A", "B"), "Y": ("M", "A"), "W": ("M0",)}
    inputs = {name: random.normal(size=[free[s] for s in shape]) for name, shape in shapes.items()}
    inputs["T0"] = random.normal(size=(tiles, free["M0"]))
    inputs["s"] = np.array(random.normal())
    return program.text(), inputs, free


@st.composite
def indices(draw, depth=2):
    """Any index over ranks m, m0, m1, p and sizes; with quotients, extremes and gathers up to a depth."""
    return Index(tuple(draw(_terms(depth)) for _ in range(draw(st.integers(0, 3)))))


@st.composite
def _terms(draw, depth):
    sizes = draw(st.lists(st.sampled_from(["M", "M0", "P"]), max_size=2))
    atoms = [draw(_atoms(depth)) for _ in range(draw(st.integers(0, 2)))]
    return Term(draw(st.integers(-9, 9)), tuple(sizes), tuple(atoms))


@st.composite
def _atoms(draw, depth):
    kind = draw(st.integers(0, 6)) if depth else 0
    inner = indices(depth - 1)
    if kind == 4:
        return Quotient(draw(inner), draw(inner.filter(lambda index: index.terms)), draw(st.booleans()))
    if kind == 5:
        return Extreme(draw(st.sampled_from(["min", "max"])), (draw(inner), draw(inner)))
    if kind == 6:
        return draw(
            st.sampled_from([Access("S"), Access("IX", (draw(inner),)), Access("G", (draw(inner), draw(inner)))])
        )
    return draw(st.sampled_from(["m", "m0", "m1", "p"]))


@st.composite
def expressions(draw, depth=3):
    """Any expression over tensors S (scalar), A, B, ranks and sizes; not necessarily a meaningful one."""
    kind = draw(st.integers(0, 8)) if depth else draw(st.integers(0, 3))
    inner = expressions(depth - 1)
    match kind:
        case 0:
            return Number(draw(st.one_of(st.integers(-20, 20).map(float), st.floats(allow_nan=False))))
        case 1:
            return draw(st.sampled_from([Size("M"), Size("P"), Size("M0"), Access("S")]))
        case 2:
            beyond = draw(st.one_of(st.none(), st.floats(allow_nan=False), st.just("edge")))
            return Access(draw(st.sampled_from("AB")), tuple(draw(st.lists(indices(), min_size=1, max_size=2))), beyond)
        case 3:
            node = value_of(draw(indices(0)))
            quotient = divided(draw(indices(0)), Index.of("p"), remainder=draw(st.booleans()))
            return draw(st.sampled_from([node, quotient, combined("+", node, quotient)]))
        case 4:
            return negated(draw(inner))
        case 5:
            return Where(draw(conditions(1)), draw(inner), draw(inner))
        case 6:
            function = draw(st.sampled_from(sorted(FUNCTIONS)))
            return Call(function, tuple(draw(inner) for _ in range(FUNCTIONS[function])))
        case _:
            return combined(draw(st.sampled_from("+-*/")), draw(inner), draw(inner))


@st.composite
def conditions(draw, depth=2):
    """Any condition on such expressions."""
    kind = draw(st.integers(0, 3)) if depth else 0
    inner = conditions(depth - 1)
    if kind == 1:
        return Not(draw(inner))
    if kind > 1:
        name = draw(st.sampled_from(["and", "or"]))
        flat = []
        for part in draw(st.lists(inner, min_size=2, max_size=3)):
            flat += part.parts if isinstance(part, Junction) and part.kind == name else [part]
        return Junction(name, tuple(flat))
    operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    return Compare(operator, draw(expressions(1)), draw(expressions(1)))
