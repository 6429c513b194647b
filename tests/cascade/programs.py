"""Hypothesis strategies: random valid cascades as texts, with inputs; and random expressions."""

import numpy as np
from hypothesis import strategies as st

from einsim.cascade import Access, Binary, Call, Index, Negate, Number, Size, Term
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


def indices():
    term = st.builds(
        Term,
        st.integers(-9, 9),
        st.lists(st.sampled_from(["M", "M0", "P"]), max_size=2).map(tuple),
        st.sampled_from([None, "m", "m0", "m1", "p"]),
    )
    return st.lists(term, max_size=4).map(lambda terms: Index(tuple(terms)))


def _negate(operand):
    return Number(-operand.value) if isinstance(operand, Number) else Negate(operand)


def expressions():
    """Any expression over tensors S (scalar), A, B and sizes; not necessarily a meaningful one."""
    leaves = st.one_of(
        st.floats(allow_nan=False).map(Number),
        st.sampled_from(["M", "P", "M0"]).map(Size),
        st.just(Access("S")),
        st.builds(Access, st.sampled_from(["A", "B"]), st.lists(indices(), min_size=1, max_size=3).map(tuple)),
    )

    def extend(inner):
        def call(function):
            return st.tuples(*[inner] * FUNCTIONS[function]).map(lambda arguments: Call(function, arguments))

        return st.one_of(
            inner.map(_negate),
            st.builds(Binary, st.sampled_from("+-*/"), inner, inner),
            st.sampled_from(sorted(FUNCTIONS)).flatmap(call),
        )

    return st.recursive(leaves, extend, max_leaves=12)
