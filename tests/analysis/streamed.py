"""A Hypothesis strategy: random small cascades that go through a sequence, in five shapes.

flat: `sequence m`; like: `sequence m | n`, n like m, and a rank q like m that is no sequence; split: tiles m1, m0;
nested: tiles of tiles; rows: `sequence y, x`. What is read, is read at the element at hand, or whole.
"""

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Shape:
    header: str
    sizes: dict
    scopes: tuple  # ranks that go together, each with or without p
    walkers: dict  # dimension -> how an index walks it: (ranks needed, index)
    over: tuple  # ranks that running values go along, with what must not be in the scope


PLAIN = {"p": [(("p",), "p")]}
M = [(("m",), "m")]
SHAPES = {
    "flat": Shape("sequence m", {"M": 4, "P": 2}, (("m",), ()), {"m": M, **PLAIN}, (("m", ()),)),
    "like": Shape(
        "rank n like m\nrank q like m\nsequence m | n", {"M": 4, "P": 1},
        (("m",), ("n",), ("m", "n"), ("q",), ("m", "q"), ()),
        {dimension: [*M, (("n",), "n"), (("q",), "q")] for dimension in "mnq"} | PLAIN, (("m", ()),),
    ),
    "split": Shape(
        "split m into m1, m0 by M0\nsequence m", {"M": 8, "M0": 2, "P": 1},
        (("m",), ("m1", "m0"), ("m1",), ("m0",), ()),
        {"m": [*M, (("m1", "m0"), "m1*M0+m0")], "m1": [(("m1",), "m1")], "m0": [(("m0",), "m0")], **PLAIN},
        (("m1", ("m0",)), ("m", ())),
    ),
    "nested": Shape(
        "split m into m1, m0 by M0\nsplit m0 into m3, m2 by M2\nsequence m", {"M": 16, "M0": 4, "M2": 2, "P": 1},
        (("m1", "m3", "m2"), ("m1", "m0"), ("m1", "m3"), ("m1", "m2"), ("m1",), ()),
        {
            "m": [(("m1", "m0"), "m1*M0+m0"), (("m1", "m3", "m2"), "m1*M0+m3*M2+m2")],
            "m0": [(("m0",), "m0"), (("m3", "m2"), "m3*M2+m2")],
            **{rank: [((rank,), rank)] for rank in ("m1", "m3", "m2", "p")},
        },
        (("m1", ("m0", "m3", "m2")),),
    ),
    "rows": Shape(
        "sequence y, x", {"Y": 4, "X": 2, "P": 1}, (("y", "x"), ("y",), ("x",), ()),
        {rank: [((rank,), rank)] for rank in "yxp"}, (("y", ("x",)),),
    ),
}  # fmt: skip


class Builder:
    """A cascade under construction."""

    def __init__(self, draw, shape, *, prefix):
        self.draw, self.shape, self.prefix = draw, shape, prefix
        self.walkers = {**shape.walkers, "p": [*shape.walkers["p"], *(M if prefix else [])]}
        whole = "y,x" if "Y" in shape.sizes else "m"
        self.tensors = {"X": (*whole.split(","), "p"), "U": tuple(whole.split(",")), "Z": ("p",)}
        self.over = {}
        self.lines, self.inits = [], []
        self.inputs = f"X[{whole},p], U[{whole}], Z[p]"

    def choose(self, options):
        return self.draw(st.sampled_from(list(options)))

    def chance(self, percent):
        return self.draw(st.integers(0, 99)) < percent

    def scope(self):
        ranks = self.shape.scopes[0] if self.chance(50) else self.choose(self.shape.scopes)
        return (*ranks, "p") if not ranks or self.chance(50) else ranks

    def reads(self, scope):
        """Every way in which a tensor can be read within a scope; the last slice of a running value anywhere."""
        found = []
        for tensor, dimensions in self.tensors.items():
            ways = [""]
            for dimension in dimensions:
                if self.over.get(tensor) == dimension:
                    walks = [dimension, f"{dimension}+1"] if dimension in scope else []
                    walks.append(dimension.upper())
                else:
                    walks = [index for needs, index in self.walkers[dimension] if set(needs) <= set(scope)]
                ways = [f"{way},{walk}" for way in ways for walk in walks]
            found += [f"{tensor}[{way[1:]}]" for way in ways] if dimensions else [tensor]
        return found

    def body(self, scope):
        """A sum of operands, newer ones preferred, in which every rank of the scope occurs."""
        reads = self.reads(scope)
        if not reads:
            return None
        chosen = [self.choose(reads[-3:]), *(self.choose(reads) for _ in range(self.draw(st.integers(0, 2))))]
        return " + ".join(dict.fromkeys(chosen))

    def ranks_in(self, body, scope):
        words = body.replace("[", " ").replace("]", " ").replace(",", " ").replace("+", " ").replace("*", " ").split()
        return tuple(rank for rank in scope if rank in words)

    def filter(self, scope):
        if self.prefix and {"m", "p"} <= set(scope) and self.chance(60):
            return " when m <= p"
        return " when U[m] > 0" if "m" in scope and not self.prefix and self.chance(15) else ""

    def statement(self):
        scope = self.scope()
        body = self.body(scope)
        if body is None:
            return
        scope, name = self.ranks_in(body, scope), f"T{len(self.lines)}"
        when = self.filter(scope)
        running = [rank for rank, without in self.shape.over if rank in scope and not set(without) & set(scope)]
        if running and "q" not in scope and self.chance(35):
            self.run(name, running[0], scope, body)
            return
        kept = tuple(rank for rank in scope if not self.chance(40))
        if "m" in scope and "q" in kept:
            kept = tuple(rank for rank in kept if rank != "q")  # elsewhere than at the element at hand: whole only
        reduced = [rank for rank in scope if rank not in kept]
        how = f"{self.choose(['max', 'sum'])} over {','.join(reduced)}: " if reduced else ""
        if len(reduced) == 1 and self.chance(10):
            how = f"argmax over {reduced[0]}: "
        left = f"{name}[{','.join(kept)}]" if kept else name
        self.lines.append(f"{left} = {how}{body}{when}")
        self.tensors[name] = kept

    def run(self, name, rank, scope, body):
        others = [each for each in scope if each != rank]
        slices = (",".join([at, *others]) for at in ("0", f"{rank}+1", rank))
        first, after, before = slices
        complete = [read for read in self.reads(tuple(others)) if self.chance(10)] or ["0"]
        self.inits.append(f"init {name}[{first}] = {complete[0]}")
        self.lines.append(f"{name}[{after}] = max({name}[{before}], {body})")
        self.tensors[name] = (rank, *others)
        self.over[name] = rank

    def text(self):
        output = list(self.tensors)[-1]
        declared = f"cascade random\ninput {self.inputs}\noutput {output}\n{self.shape.header}\n"
        if self.prefix:
            declared = declared.replace("sequence", "rank p like m\nsequence")
        return declared + "\n".join([*self.inits, *self.lines]) + "\n"


@st.composite
def streamed(draw, names=tuple(SHAPES), *, prefix=False):
    """(the text of a cascade, sizes). With `prefix`, filters `m <= p` where p is like m."""
    shape = SHAPES[draw(st.sampled_from(names))]
    builder = Builder(draw, shape, prefix=prefix)
    for _ in range(draw(st.integers(4, 9))):
        builder.statement()
    if not builder.lines:
        builder.lines.append("T0 = sum over p: Z[p]")
        builder.tensors["T0"] = ()
    sizes = {name: size for name, size in shape.sizes.items() if not (prefix and name == "P")}
    return builder.text(), sizes
