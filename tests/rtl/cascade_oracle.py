"""A cascade on bit patterns, element by element and on demand; and random cascades for it."""

import itertools
import re

import numpy as np
from hypothesis import strategies as st

from einsim.cascade import Access, Binary, Call, Negate, accesses, iteration_ranks
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP32
from einsim.rtl.mac import Mac
from einsim.rtl.macro import Exponential
from einsim.rtl.multiply import Multiply
from einsim.rtl.order import Maximum
from einsim.rtl.unpacked import encode
from tests.cascade.oracle import Oracle

WIDE = {BF16: lambda bits: int(Convert(BF16, FP32).compute(bits)), FP32: lambda bits: bits}


class PatternOracle(Oracle):
    """Values are (pattern, format): of bf16 what is in `operands`, of fp32 all else."""

    def __init__(self, cascade, inputs, sizes, operands, orders):
        super().__init__(cascade, inputs, sizes)
        self.operands = operands
        self.orders = orders
        self.known_before_the_run = Oracle(cascade, {}, sizes)

    def format(self, tensor):
        return BF16 if tensor in self.operands else FP32

    def element(self, name, place):
        if name in self.inputs:
            return int(self.inputs[name][place])
        if (name, place) not in self.known:
            value = self.part_element(name, place) if name in self.assembled else self.make(self.einsums[name], place)
            if str(self.inits[name].body if name in self.inits else "") == "-inf" and self.is_first(name, place):
                value = self.format(name).lowest, self.format(name)
            self.known[name, place] = self.converted(value, self.format(name)) if isinstance(value, tuple) else 0
        return self.known[name, place]

    def is_first(self, name, place):
        indices = self.einsums[name].output.indices
        return any(str(index).endswith("+1") and not c for index, c in zip(indices, place, strict=True))

    def converted(self, value, form):
        bits, own = value
        return bits if own == form else int(Convert(own, form).compute(bits))

    def before(self, einsum, place):
        bits = super().before(einsum, place)
        return (bits, self.format(einsum.tensor)) if einsum.tensor in self.inits else 0

    def reduce(self, einsum, point, place):
        if not einsum.reduction:
            return self.value(einsum.body, point) if self.kept(einsum, point) else self.before(einsum, place)
        wanted = self.orders.get(einsum.name, iteration_ranks(einsum))
        total = 0 if einsum.reduction == "sum" else int(encode(FP32, -np.inf))
        for whole in self.points([rank for rank in wanted if rank in einsum.reduced], point):
            if self.kept(einsum, whole):
                total = self.step(einsum, total, whole)
        return total, FP32

    def step(self, einsum, total, point):
        match einsum.body:
            case Binary("*", left, right) if einsum.reduction == "sum":
                return self.mac(self.value(left, point), self.value(right, point), total)
            case Negate(Binary("*", left, right)) if einsum.reduction == "sum":
                return self.mac(self.value(Negate(left), point), self.value(right, point), total)
            case body:
                unit = Add(FP32) if einsum.reduction == "sum" else Maximum(FP32)
                return int(unit.compute(total, self.wide(body, point)))

    def mac(self, a, b, total):
        if a[1] == b[1] == BF16:
            return int(Mac(BF16, FP32).compute(a[0], b[0], total))
        return int(Mac(FP32, FP32).compute(WIDE[a[1]](a[0]), WIDE[b[1]](b[0]), total))

    def wide(self, body, point):
        bits, form = self.value(body, point)
        return WIDE[form](bits)

    def truth(self, condition, point):
        return self.known_before_the_run.truth(condition, point)

    def value(self, body, point):
        if not accesses(body):
            return int(encode(FP32, self.known_before_the_run.value(body, point))), FP32
        match body:
            case Access(tensor, indices, beyond):
                place = [self.coordinate(index, point) for index in indices]
                inside = [0 <= c < n for c, n in zip(place, self.extents(tensor), strict=True)]
                bits = self.element(tensor, tuple(place)) if all(inside) else int(encode(self.format(tensor), beyond))
                return bits, self.format(tensor)
            case Negate(operand):
                bits, form = self.value(operand, point)
                return bits ^ form.negative_zero, form
        return int(self.computed(body, point)), FP32

    def computed(self, body, point):
        match body:
            case Binary("+", Binary("*", a, b), c) | Binary("+", c, Binary("*", a, b)):
                return self.mac(self.value(a, point), self.value(b, point), self.wide(c, point))
            case Binary("-", Binary("*", a, b), c):
                return self.mac(self.value(a, point), self.value(b, point), self.wide(c, point) ^ FP32.negative_zero)
            case Binary("-", c, Binary("*", a, b)):
                return self.mac(self.value(Negate(a), point), self.value(b, point), self.wide(c, point))
            case Binary("*", a, b):
                (a, a_form), (b, b_form) = self.value(a, point), self.value(b, point)
                if a_form == b_form == BF16:
                    return Multiply(BF16, FP32).compute(a, b)
                return Multiply(FP32, FP32).compute(WIDE[a_form](a), WIDE[b_form](b))
            case Call("exp", (Binary("-", a, b),)):
                return Exponential(BF16, FP32).compute(self.wide(a, point), self.wide(b, point))
            case Call("exp", (a,)):
                return Exponential(BF16, FP32).compute(self.wide(a, point), 0)
            case Call("max", (a, b)):
                return Maximum(FP32).compute(self.wide(a, point), self.wide(b, point))
            case Binary(sign, a, b):
                b = self.wide(b, point) ^ (FP32.negative_zero if sign == "-" else 0)
                return (Divide if sign == "/" else Add)(FP32).compute(self.wide(a, point), b)
        raise AssertionError(body)


# --- random cascades ------------------------------------------------------------------------------------------

BODIES = {
    "{0}": 0, "-{0}": 0, "{0} * {1}": 1, "-{0} * {1}": 1, "-({0} * {1})": 1, "{0} * {1} * {2}": 2, "{0} + {1}": 1,
    "{0} - {1}": 1, "{0} * {1} + {2}": 2, "{0} - {1} * {2}": 2, "{0} * {1} - {2}": 2, "max({0}, {1})": 0,
    "0.3 * {0}": 2, "{0} + {1} / N": 3,
}  # fmt: skip
"""Right sides, and how many roundings each is."""
STEEP = {"exp({0})": 1, "exp({0} - {1})": 1, "{0} / {1}": 1}
"""Those whose error grows with their values."""
FILTERS = ("a <= b", "a != 1 or b > 0", "m1*M0+m0 > 1", "b < N", "m0 + a != 1")
INPUTS = {"X": ("a", "b"), "Y": ("a", "m"), "W": ("b",), "T": ("m1", "m0")}


class Program:
    """The statements so far: of every tensor its ranks, whether it is bf16, and the most roundings on a path to it."""

    def __init__(self, draw, bodies):
        self.draw = draw
        self.bodies = bodies
        self.tensors = dict(INPUTS)
        self.operands = set(INPUTS)
        self.narrow = set()
        self.fine = dict.fromkeys(INPUTS, 0)
        self.coarse = dict.fromkeys(INPUTS, 0)
        self.lines = []
        self.orders = {}

    def choose(self, options):
        return self.draw(st.sampled_from(sorted(options)))

    def read(self, space):
        """An element of some tensor at ranks of a space."""
        able = [name for name, ranks in self.tensors.items() if set(ranks) <= set(space)]
        name = self.choose(able)
        return name, f"{name}[{','.join(self.tensors[name])}]"

    def statement(self, number):
        name = f"Z{number}"
        space = self.choose([("a", "b"), ("a", "m"), ("b", "m1", "m0"), ("a", "b", "m1", "m0"), ("a", "b", "m")])
        body = self.choose(self.bodies)
        used, texts = zip(*(self.read(space) for _ in range(3)), strict=True)
        used = used[: 1 + max(int(place) for place in re.findall(r"\{(\d)\}", body))]
        text = body.format(*texts)
        held = [rank for rank in space if re.search(rf"\b{rank}\b", text)]
        kept = self.draw(st.permutations(held))[: self.draw(st.integers(0, len(held)))]
        reduced = [rank for rank in held if rank not in kept]
        operator = self.choose(["sum", "max"]) if reduced else ""
        when = [each for each in FILTERS if set(re.findall(r"\b[abm][01]?\b", each)) <= set(held)]
        when = f" when {self.choose(when)}" if when and self.draw(st.booleans()) else ""
        over = f"{operator} over {','.join(reduced)}: " if reduced else ""
        self.lines.append(f"{name}{'[' + ','.join(kept) + ']' if kept else ''} = {over}{text}{when}")
        if reduced and self.draw(st.booleans()):
            self.orders[name] = tuple(self.draw(st.permutations(reduced)))
        self.made(name, kept, used, self.bodies[body] + (5 ** len(reduced) if operator == "sum" else 0))
        if body == "{0}" and not reduced and used[0] in self.operands:
            self.operands.add(name)

    def made(self, name, ranks, used, roundings):
        """Products add up what their factors bring."""
        self.tensors[name] = tuple(ranks)
        self.fine[name] = sum(self.fine[each] for each in used) + roundings
        self.coarse[name] = sum(self.coarse[each] for each in used)
        if self.draw(st.integers(0, 3)) == 0:
            self.narrow.add(name)
            self.operands.add(name)
            self.coarse[name] += 1

    def running(self, number):
        """A tensor that iterates over b."""
        name, start = f"R{number}", self.choose(["0", "-inf", "-1.25"])
        used, text = self.read(("a", "b"))
        body = "max({}, {})" if start == "-inf" else self.choose(["max({}, {})", "{} + {}", "{1} - {0}"])
        when = self.choose(["", " when a != b", " when b < N"])
        self.lines += [f"init {name}[0,a] = {start}", f"{name}[b+1,a] = {body.format(f'{name}[b,a]', text)}{when}"]
        self.made(name, ("b", "a"), (used,), 4)  # read at b: the slice before
        self.coarse[name] *= 1 if name not in self.narrow else 5

    def text(self):
        head = [
            "cascade random",
            "input " + ", ".join(f"{name}[{','.join(ranks)}]" for name, ranks in INPUTS.items()),
            f"output {[*self.tensors][-1]}",
            "size N",
            "split m into m1, m0 by M0",
        ]
        return "\n".join(head + sorted(self.lines, key=lambda line: not line.startswith("init")))

    def text_without_signs(self):
        """The cascade whose values bound this one's, if its inputs are positive: nothing cancels."""
        unsigned = re.sub(r"(?<=[=:] )-(?!inf)|(?<=\()-", "", self.text())
        return unsigned.replace(" - ", " + ")


@st.composite
def programs(draw, *, steep=False):
    """(program, patterns of its inputs, sizes): a few statements on small tensors, the last tile often partial."""
    program = Program(draw, {**BODIES, **STEEP} if steep else BODIES)
    for number in range(draw(st.integers(1, 4))):
        draw(st.sampled_from([program.statement, program.statement, program.running]))(number)
    sizes = {symbol: draw(st.integers(1, 3)) for symbol in ("A", "B", "M0", "N")} | {"M": draw(st.integers(1, 5))}
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extents = {**sizes, "M1": -(-sizes["M"] // sizes["M0"])}
    inputs = {
        name: encode(
            BF16, random.uniform(-2, 2, [extents[rank.upper()] for rank in ranks]).round(random.integers(0, 4))
        )
        for name, ranks in INPUTS.items()
    }
    return program, inputs, extents


def all_places(array):
    return itertools.product(*map(range, array.shape))
