"""A Hypothesis strategy: random valid cascades as texts, with inputs and sizes, that use the whole language.

What a text reads at an index that may leave its tensor, it guards or says what is beyond. What decides something (a
condition, a selection, floor) is computed exactly: `bits` bounds the binary digits before and after the point.
"""

import re
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

WALKERS = {  # the bare ranks that may index a dimension
    "a": ("a",), "b": ("b",), "c": ("c",), "d": ("d",), "j": ("j",), "m3": ("m3",), "m2": ("m2",),
    "m": ("m", "p", "j"), "p": ("m", "p", "j"), "m1": ("m1", "q1"), "q1": ("m1", "q1"),
    "m0": ("m0", "q0"), "q0": ("m0", "q0"),
}  # fmt: skip
TILES = frozenset({"m1", "m0", "q1", "q0", "m3", "m2"})
INEXACT = 99
SMOOTH = (
    "tanh({})", "sigmoid({})", "sin({})", "cos({})", "exp(tanh({}))", "log(1 + abs({}))", "sqrt(abs({}))",
    "rsqrt(1 + abs({}))", "silu(tanh({}))", "gelu(tanh({}))", "softplus(tanh({}))", "elu(tanh({}))",
    "elu1(tanh({}))", "pow(2, tanh({}))",
)  # fmt: skip
STEPS = ("floor({} / 2)", "ceil({} / 2)", "round({})", "sign({})")


@dataclass
class Term:
    """A text, how many digits its value has, and whether an implicit sum may run over it."""

    text: str
    bits: int
    is_product: bool = True

    @property
    def is_exact(self):
        return self.bits <= 25


class Program:
    """A cascade under construction: its lines and the dimensions of its tensors so far."""

    def __init__(self, draw, careless):
        self.draw = draw
        self.careless = careless
        self.nested = draw(st.booleans())
        self.ranks = ("a", "b", "c", "d", "m", "p", "j", "m1", "m0")
        self.ranks += ("m3", "m2") if self.nested else ("q1", "q0")
        self.tensors = {"X": ("a", "b"), "Y": ("m", "a"), "D": ("m",), "T0": ("m1", "m0"), "s": (), "IX": ("m", "b")}
        self.bits = dict.fromkeys(self.tensors, 2)
        self.over = {}  # iterative tensors
        self.coordinates = {"IX": "a"}  # tensors of coordinates and the rank whose elements they name
        self.declared, self.inits, self.einsums = [], [], []

    def choose(self, options):
        return self.draw(st.sampled_from(list(options)))

    def chance(self, percent):
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def name(self, letter):
        return f"{letter}{len(self.einsums) + 1}"

    def ranks_in(self, text):
        return list(dict.fromkeys(word for word in re.findall(r"\w+", text) if word in self.ranks))

    def scope(self, *first):
        """Some ranks that an Einsum may use."""
        others = [rank for rank in self.ranks if rank not in first]
        more = self.draw(st.lists(st.sampled_from(others), unique=True, min_size=1, max_size=3 - len(first)))
        return (*first, *more)

    # --- indices ------------------------------------------------------------------------------------------

    def walks(self, rank, scope):
        """Indices that go through some elements of a rank."""
        found = [walker for walker in WALKERS[rank] if walker in scope]
        inner = "m3*M2+m2" if {"m3", "m2"} <= set(scope) else "m0" if "m0" in scope else None
        if rank in ("m", "p"):
            found += [f"m1*M0+{inner}"] * 2 if inner and "m1" in scope else []
            found += ["q1*M0+q0"] if {"q1", "q0"} <= set(scope) else []
            found += ["m1*M0+q0"] if {"m1", "q0"} <= set(scope) and not {"q1", "m0"} <= set(scope) else []
        return found

    def inside(self, rank, scope):
        """Other indices that never leave a rank."""
        size, found = rank.upper(), ["0", f"{rank.upper()}-1"]
        for walker in scope:
            found += [f"{walker}%{size}", f"max(0, min({walker}-N, {size}-1))", f"min({walker}//2, {size}-1)"]
        found += [f"{size}-1-{walker}" for walker in WALKERS[rank] if walker in scope]
        for name, target in self.coordinates.items():
            text = self.plain_read(name, scope)
            if text is not None:
                found += [text] * 3 if target in WALKERS[rank] else [f"{text}%{size}"]
        return found

    def anywhere(self, rank, scope, *, is_slice):
        """Indices that may leave a rank on either side."""
        found = ["N"]
        for walker in [walker for walker in scope if walker in WALKERS[rank]] if is_slice else scope:
            found += [f"{walker}+1", f"{walker}-N", f"2*{walker}-1", f"{walker}*N-{self.choose(scope)}"]
        text = self.plain_read("IX", scope)
        return found if text is None else [*found, f"{text}*N-1"]

    def plain_read(self, tensor, scope):
        """The tensor at walks of its own, or None where the scope lacks one."""
        indices = []
        for rank in self.tensors[tensor]:
            options = [rank] if rank in TILES else self.walks(rank, scope)
            if not set(options[:1]) & {*scope, *(o for o in options if "*" in o)}:
                return None
            indices.append(self.choose(options))
        return f"{tensor}[{','.join(indices)}]" if indices else tensor

    def index(self, tensor, rank, scope):
        if self.over.get(tensor) == rank:
            slices = [f"{walk}{plus}" for walk in WALKERS[rank] if walk in scope for plus in ("", "+1")]
            return self.choose(["0", rank.upper(), *slices])
        walks = self.walks(rank, scope)
        return self.choose(walks) if walks and self.chance(70) else self.choose(self.inside(rank, scope))

    def operand(self, scope, *, exact=False):
        """A read of any tensor. One in tiles that may be partial is read at its own ranks, or with `else`."""
        names = [name for name in self.tensors if not exact or self.bits[name] <= 25]
        tensor = self.choose(names)
        ranks, bits = self.tensors[tensor], self.bits[tensor]
        if ranks and self.chance(20):
            beyond = self.choose(["0", "edge", "-1.5"] if exact else ["0", "edge", "-1.5", "inf"])
            over = self.over.get(tensor)
            indices = [self.choose(self.anywhere(rank, scope, is_slice=rank == over)) for rank in ranks]
            text = f"{tensor}[{','.join(indices)}]"
            if self.careless and self.chance(30):
                return Term(text, bits)
            return Term(f"({text} else {beyond})", INEXACT if beyond == "inf" else bits)
        if len([rank for rank in ranks if rank in TILES]) > 1:
            return Term(self.plain_read(tensor, scope) or "s", bits)
        indices = [self.index(tensor, rank, scope) for rank in ranks]
        return Term(f"{tensor}[{','.join(indices)}]" if indices else tensor, bits)

    def guarded(self, scope):
        """(condition, its opposite, an exact read that stays inside only where the condition holds), or None."""
        found = [(rank, other) for rank in scope for other in scope if rank != other and rank in WALKERS["m"]]
        if not found:
            return None
        rank, other = self.choose(found)
        return f"{rank} >= {other}", f"{rank} < {other}", f"D[{rank}-{other}]"

    # --- values and conditions ----------------------------------------------------------------------------

    def position(self, scope):
        rank = self.choose(scope)
        return self.choose([rank, f"({rank} + N)", f"{rank} % 2", f"{rank} // 2", f"(2 * {rank} - 1)",
                            f"{rank} * {self.choose(scope)}", "N", "1"])  # fmt: skip

    def condition(self, scope, depth=1):
        kind, operator = self.choose("ppptgjn" if depth else "pptg"), self.choose(["<", "<=", "==", "!=", ">=", ">"])
        guarded = self.guarded(scope)
        if kind == "t":
            return f"{self.operand(scope, exact=True).text} {operator} {self.choose(['0', '0.5', '-1', 's'])}"
        if kind == "g" and guarded is not None:
            holds, fails, read = guarded
            return self.choose([f"({holds} and {read} > 0)", f"({fails} or {read} {operator} 0)"])
        if kind == "j":
            one, other = self.condition(scope, 0), self.condition(scope, 0)
            return self.choose([f"({one} and {other})", f"({one} or {other})"])
        if kind == "n":
            return f"not ({self.condition(scope, 0)})"
        return f"{self.position(scope)} {operator} {self.position(scope)}"

    def term(self, scope, *, exact=False):
        kind = self.draw(st.integers(0, 9))
        operand, guarded = self.operand(scope, exact=exact), self.guarded(scope)
        if kind == 0:
            half = self.choose(["({} / 2)", "({} - 0.5)"])
            return Term(half.format(self.position(scope)), 8, is_product="/" in half)
        if kind == 1 and guarded is not None:
            return Term(f"where({guarded[0]}, {guarded[2]}, {operand.text})", max(2, operand.bits))
        if kind == 2:
            other = self.operand(scope, exact=exact)
            return Term(f"where({self.condition(scope)}, {operand.text}, {other.text})", max(operand.bits, other.bits))
        if kind == 3 and operand.is_exact:
            return Term(self.choose(STEPS).format(operand.text), operand.bits + 1)
        if kind == 4:
            return Term(self.choose(["abs({})", "relu({})", "-({})"]).format(operand.text), operand.bits)
        if kind in (5, 6) and not exact:
            return Term(self.choose(SMOOTH).format(operand.text), INEXACT)
        if kind == 7 and not exact:
            return Term(f"{operand.text} / exp(tanh({self.operand(scope).text}))", INEXACT)
        return operand

    def body(self, scope, *, exact=False):
        found = self.term(scope, exact=exact)
        for _ in range(self.draw(st.integers(0, 2))):
            other, bits = self.term(scope, exact=exact), found.bits
            pair = self.choose(["({}) * ({})"] * 3 + ["({}) + ({})", "({}) - ({})", "max({}, {})", "min({}, {})"])
            bits = bits + other.bits if "*" in pair else max(bits, other.bits) + 1
            is_sum = pair[5] in "+-"
            product = not is_sum and ("*" not in pair or (found.is_product and other.is_product))
            found = Term(pair.format(found.text, other.text), bits, product)
        return found

    # --- Einsums ------------------------------------------------------------------------------------------

    def add(self, name, written, dimensions, right, bits=INEXACT):
        self.einsums.append(f"{name}{'[' + ','.join(written) + ']' if written else ''} = {right}")
        self.tensors[name] = tuple(dimensions)
        self.bits[name] = bits

    def plain(self):
        """An Einsum of any shape; rarely with a reduction that could be left implicit."""
        scope = self.scope()
        body = self.body(scope)
        when = self.condition(scope) if self.chance(40) else ""
        if self.chance(20):
            divisor = self.operand(scope, exact=True).text
            body, when = Term(f"({body.text}) / {divisor}", INEXACT, body.is_product), f"{divisor} != 0"
        right = self.ranks_in(f"{body.text} {when}")
        left = self.draw(st.permutations(right))[: self.draw(st.integers(0, len(right)))]
        reduced = [rank for rank in right if rank not in left]
        hidden = set(reduced) <= set(self.ranks_in(body.text)) and body.is_product
        operator = self.choose(["sum", "sum", "sum", "max", "min", "prod"]) if reduced else ""
        bits = {"sum": body.bits + 6, "": body.bits}.get(operator, INEXACT)
        over = f"{operator} over {','.join(reduced)}: " if reduced else ""
        if operator == "sum" and hidden and self.chance(60):
            over = ""
        if not right and self.chance(50):
            left = list(scope[:1])
        when = f" when {when}" if when else ""
        if when and self.chance(30):
            when += " density " + self.choose(["0.25", "1", "s", "1 / N"])
        self.add(self.name("P"), *self.merged(left), over + body.text + when, bits)

    def merged(self, left):
        """The written indices and the dimensions; both parts of a split may be put together."""
        for outer, inner, whole, size in (("m1", "m0", "m", "M0"), ("m1", "q0", "m", "M0"), ("m3", "m2", "m0", "M2")):
            if {outer, inner} <= set(left) and self.chance(40):
                rest = [rank for rank in left if rank != inner]
                written = [f"{outer}*{size}+{inner}" if rank == outer else rank for rank in rest]
                return written, [whole if rank == outer else rank for rank in rest]
        return left, left

    def selection(self):
        """Coordinates of the best elements: argmax, argmin or topk."""
        reduced = self.choose(["m", "p"])
        scope = [rank for rank in self.scope(reduced) if rank != "j"]
        body = Term("", INEXACT)
        while not body.is_exact or reduced not in self.ranks_in(body.text):
            body = Term(f"{self.body(scope, exact=True).text} * D[{reduced}]", 20)
        left = [rank for rank in self.ranks_in(body.text) if rank != reduced]
        when = f" when {self.condition([*left, reduced])}" if self.chance(40) else ""
        operator = self.choose(["argmax", "argmin", "topk"])
        if operator == "topk":
            left.insert(self.draw(st.integers(0, len(left))), "j")
        name = self.name("C")
        self.add(name, left, left, f"{operator} over {reduced}: {body.text}{when}", 3)
        self.coordinates[name] = reduced

    def iterative(self):
        """A recurrence, perhaps under a filter or through a second tensor that is part of its cycle."""
        name, rank = self.name("R"), self.choose(["a", "b", "m", "p", "m1"])
        allowed = [r for r in ("a", "b", "m", "m1", "m0") if r != rank and not (rank == "m1" and r == "m0")]
        rest = self.draw(st.lists(st.sampled_from(allowed), unique=True, max_size=1))
        place = self.draw(st.integers(0, len(rest)))
        at = [*rest[:place], "{}", *rest[place:]]

        def access(index):
            return f"{name}[{','.join(at).format(index)}]"

        start = self.choose(["0", "-1.5", "s", "X[0,0]", "where(N > 1, s, M)"])
        self.inits.append(f"init {access(0)} = {start}")
        scope = [rank, *rest]
        extra, previous = self.term(scope).text, access(rank)
        if self.chance(20):  # the tensor does not read itself
            body = " + ".join([f"({extra}) * (1 - {rank} / 2)", *rest])
        else:
            if self.chance(50):
                side = self.name("U")
                self.add(side, [*rest, rank], [*rest, rank], f"tanh({previous}) * ({extra})")
                previous = f"{side}[{','.join([*rest, rank])}]"
            body = self.choose(["{} + {}", "max({}, {})", "0.5 * {} - {}"]).format(previous, f"tanh({extra})")
        if self.chance(50):
            body += f" when {self.condition(scope)}"
        self.add(name, [r.format(f"{rank}+1") for r in at], [r.format(rank) for r in at], body)
        self.over[name] = rank

    def solve(self):
        """A tensor that is made from all its earlier elements."""
        walk, rank = self.choose([("m", "p"), ("p", "m")])
        partial, name = self.name("E"), self.name("V")
        weight = self.term((walk, rank)).text
        below = self.choose([f"{walk} < {rank}", f"{rank} > {walk}", f"{walk} < {rank} and D[{rank}-{walk}] < 1"])
        self.einsums.append(f"{partial}[{rank}] = sum over {walk}: {name}[{walk}] * tanh({weight}) when {below}")
        self.add(name, [rank], [rank], f"{self.term((rank,)).text} - {partial}[{rank}] / M")
        self.tensors[partial], self.bits[partial] = (rank,), INEXACT

    def assembled(self):
        """A tensor in parts: side by side, in strides, by a filter and its opposite, reversed, or scattered."""
        name = self.name("K")
        match self.choose(["beside", "stride", "filter", "turned", "scatter", "first"]):
            case "beside":
                ranks = ("c", "m")
                parts = [("a,p", self.inner(("a", "p"))), ("A+b,m", self.inner(("b", "m")))]
                parts = parts[: self.draw(st.integers(1, 2))]
            case "stride":
                ranks = ("d", "a")
                parts = [(f"2*b{plus},a", self.inner(("a", "b"))) for plus in self.choose([("", "+1"), ("+1",)])]
            case "filter":
                ranks, when = ("m",), self.condition(("m",))
                other = re.sub(r"\bm\b", "p", when)
                parts = [("m", f"{self.inner(('m',))} when {when}"), ("p", f"{self.inner(('p',))} when not ({other})")]
            case "turned":
                ranks = ("m",)
                parts = [(self.choose(["M-1-m", "(m+N)%M"]), self.inner(("m",)))]
            case "scatter":
                ranks, chosen = ("m",), self.name("C")
                when = f" when {self.condition(('m',))}" if self.chance(50) else ""
                self.add(chosen, ["j"], ["j"], f"topk over m: D[m]{when}", 3)
                self.coordinates[chosen] = "m"
                name = self.name("K")
                parts = [(f"{chosen}[j]", self.inner(("j",)))]
            case _:
                ranks = ("c",)
                parts = [("0", self.choose(["1", "s", "M"])), ("c", f"{self.inner(('c',))} when c > 0")]
        self.declared.append(f"tensor {name}[{','.join(ranks)}]")
        self.einsums += [f"{name}[{index}] = {right}" for index, right in parts]
        self.tensors[name], self.bits[name] = ranks, INEXACT

    def inner(self, left):
        """A right side that has all the ranks of the left and may sum over another."""
        more = self.choose([rank for rank in ("a", "b", "m") if rank not in left])
        text = " + ".join([self.term((*left, more)).text, *left])
        reduced = [rank for rank in self.ranks_in(text) if rank not in left]
        return f"{self.choose(['sum', 'max'])} over {','.join(reduced)}: {text}" if reduced else text

    def text(self):
        lines = [
            "cascade random",
            "input X[a,b], Y[m,a], D[m], T0[m1,m0], IX[m,b], s",
            f"output {list(self.tensors)[-1]}",
            "size N",
            "rank p like m, c = A+B, d = 2*B",
            "rank j within m",
            "sequence m | p | m1,m0",
            "split m into m1, m0 by M0",
            "split m0 into m3, m2 by M2" if self.nested else "rank q1 like m1, q0 like m0",
        ]
        return "\n".join([*lines, *self.declared, *self.inits, *self.einsums])


KINDS = ("plain", "plain", "plain", "selection", "iterative", "solve", "assembled")


@st.composite
def programs(draw, *, careless=False):
    """(text, inputs, sizes) of a valid cascade of one to five statements or groups of them on small tensors.

    A careless one may read where nothing is, or gather by what is no whole number.
    """
    program = Program(draw, careless)
    for _ in range(draw(st.integers(1, 5))):
        getattr(program, draw(st.sampled_from(KINDS)))()
    free = {symbol: draw(st.integers(1, 3)) for symbol in ("A", "B", "M0", "M2")}
    free["M"] = draw(st.integers(1, 6))
    free["J"] = draw(st.integers(1, free["M"]))
    free["N"] = draw(st.integers(0, 3))
    if not program.nested:
        del free["M2"]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = {"X": ("A", "B"), "Y": ("M", "A"), "D": ("M",), "s": ()}
    inputs = {name: random.integers(-4, 5, [free[s] for s in shape]) / 2 for name, shape in shapes.items()}
    inputs["T0"] = random.integers(-4, 5, (-(-free["M"] // free["M0"]), free["M0"])) / 2
    inputs["IX"] = random.integers(0, free["A"], (free["M"], free["B"]))
    if careless and draw(st.booleans()):
        inputs["IX"] = inputs["IX"] + random.choice([0, 0, 0, 0.5, 1], inputs["IX"].shape)
    return program.text(), inputs, free


def every_size(free):
    """All the sizes of a program, from those that it draws."""
    tiles = -(-free["M"] // free["M0"])
    more = {"P": free["M"], "C": free["A"] + free["B"], "D": 2 * free["B"], "M1": tiles, "Q1": tiles, "Q0": free["M0"]}
    return {**free, **more, "M3": -(-free["M0"] // free.get("M2", 1))}
