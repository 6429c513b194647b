"""ONNX graphs as runs: products of matrices, attention where a softmax stands between two, and what is around them.

How each operator runs is data (`einsim/zoo/onnx.yaml`); an operator that is not there is an error, or listed as skipped
where the user allows that. Needs the `onnx` library (extra `onnx`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

from einsim.errors import Location, SpecError
from einsim.extras import load
from einsim.spec import library
from einsim.spec.family import Part
from einsim.spec.fields import Record, validate
from einsim.spec.files import kind_of
from einsim.spec.modelrun import Layers, Lengths, ModelRun, PlannedKernel, Scope
from einsim.spec.workload import DEFAULT_BATCH
from einsim.units import shorten

_MOST: Final = 2 << 30
_BATCH: Final = ("batch", "bsz")
_LENGTH: Final = ("seq", "length", "token")
Shape = tuple[int, ...]


class OnnxFile(Record):
    """How operators run."""

    free: list[str]
    product: str
    products: list[str]
    lookup: str
    elementwise: dict[str, str]
    rowwise: dict[str, str]
    softmax: str
    between: list[str]


def read_onnx(
    model: str,
    scope: Scope,
    seq_len: int | None,
    batch: int | None,
    *,
    allow_skip: bool,
    layers: Layers = Layers.SEQUENTIAL,
) -> ModelRun:
    """The kernels of a graph, nodes of equal sizes together.

    Raises SpecError for a file that is no graph, a size that nobody gives, or a node that cannot be counted (unless
    `allow_skip`); ToolError where the library is missing.
    """
    path, at = Path(model), Location(model)
    if kind_of(path) != "file":
        raise SpecError(f"there is no file {shorten(model)!r}", at=Location("--model"), remedy="give an .onnx file")
    if scope is Scope.LAYER:
        raise SpecError(
            "an ONNX graph does not say what a layer is", at=Location("--scope"), remedy="use --scope model"
        )
    onnx = load("onnx", "onnx", "reading an ONNX graph")
    proto = _parsed(onnx, library.read(path, _MOST), at)
    sizes = _Sizes(seq_len, batch, at)
    sizes.settle(proto.graph)
    try:
        proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except Exception as error:  # the library raises its own kinds, and ValueError for large graphs
        raise SpecError(f"shapes cannot be inferred: {shorten(str(error).strip(), 200)}", at=at,
                        remedy="export the graph anew") from None  # fmt: skip
    rules = validate(OnnxFile, library.load_onnx_rules())
    reader = _Reader(onnx, proto.graph, rules, at, allow_skip)
    kernels = reader.kernels(scope)
    if not kernels and reader.skipped:
        raise SpecError(f"nothing of scope {scope} is left: {len(reader.skipped)} nodes are skipped", at=at,
                        remedy="is this the right file?")  # fmt: skip
    if not kernels:
        raise SpecError(f"the graph has nothing of scope {scope}", at=at, remedy="use --scope model")
    lengths = Lengths("prefill", seq_len or 1, ((sizes.batch or 1, 0),))
    parameters = sum(prod(shape) for name, shape in reader.tables.items() if name in reader.weights)
    return ModelRun(path.stem, "onnx", scope, lengths, kernels, parameters, parameters, 0,
                    skipped=tuple(reader.skipped), layers=layers, at=at)  # fmt: skip


def _parsed(onnx: Any, content: bytes, at: Location) -> Any:
    try:
        proto = onnx.load_model_from_string(content)
    except Exception:  # protobuf's own kinds of errors
        raise SpecError("no ONNX graph", at=at, remedy="is this the right file?") from None
    if not proto.graph.node:
        raise SpecError("the graph has no nodes", at=at, remedy="is this the right file?")
    return proto


@dataclass(slots=True)
class _Sizes:
    """Puts numbers in place of the graph's symbols, by their names."""

    seq_len: int | None
    batch: int | None
    at: Location

    def settle(self, graph: Any) -> None:
        known = {tensor.name for tensor in graph.initializer}
        named: set[str] = set()
        for value in graph.input:
            if value.name in known:
                continue
            for position, dim in enumerate(value.type.tensor_type.shape.dim):
                if dim.HasField("dim_value"):
                    continue
                dim.dim_value = self.number(dim.dim_param, value.name, position, named)
        for option, given, kind in (("--seq-len", self.seq_len, "length"), ("--batch", self.batch, "batch")):
            if given is not None and kind not in named:
                raise SpecError(f"the graph's {kind} is fixed: {option} says nothing", at=self.at,
                                remedy="leave it out")  # fmt: skip
        self.batch = (self.batch or DEFAULT_BATCH) if "batch" in named else None

    def number(self, symbol: str, tensor: str, position: int, named: set[str]) -> int:
        lower = symbol.lower()
        if any(word in lower for word in _BATCH):
            named.add("batch")
            return self.batch or DEFAULT_BATCH
        if any(word in lower for word in _LENGTH) and "past" not in lower:
            named.add("length")
            if self.seq_len is None:
                raise SpecError(f"input {tensor!r}: nothing says how long {symbol!r} is", at=self.at,
                                remedy="add --seq-len 1K")  # fmt: skip
            return self.seq_len
        shown = f"is {symbol!r}" if symbol else "has no size"
        raise SpecError(f"input {tensor!r}: dimension {position} {shown}, which no option gives", at=self.at,
                        remedy="export the graph with numbers there, or name it batch or sequence")  # fmt: skip


@dataclass(slots=True)
class _Reader:
    """Walks the nodes once, in order, and makes kernels of them."""

    onnx: Any
    graph: Any
    rules: OnnxFile
    at: Location
    allow_skip: bool
    skipped: list[str] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    shapes: dict[str, Shape] = field(default_factory=dict)
    tables: dict[str, Shape] = field(default_factory=dict)
    makers: dict[str, Any] = field(default_factory=dict)
    users: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    fixed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        floats = {self.onnx.TensorProto.FLOAT, self.onnx.TensorProto.FLOAT16, self.onnx.TensorProto.BFLOAT16,
                  self.onnx.TensorProto.DOUBLE}  # fmt: skip
        for tensor in self.graph.initializer:
            self.tables[tensor.name] = tuple(tensor.dims)
            if tensor.data_type in floats:
                self.weights.add(tensor.name)
        self.shapes |= self.tables
        for value in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            dims = value.type.tensor_type.shape.dim
            if value.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
                self.shapes.setdefault(value.name, tuple(dim.dim_value for dim in dims))
        self.fixed = set(self.tables)
        for node in self.graph.node:
            for name in node.output:
                self.makers[name] = node
            for name in node.input:
                self.users[name].append(node)
            if node.op_type in {"Constant", "Shape", "Size"} or all(n in self.fixed or not n for n in node.input):
                self.fixed |= set(node.output)

    def kernels(self, scope: Scope) -> tuple[PlannedKernel, ...]:
        """Kernels of the scope, those of equal sizes once."""
        found: dict[tuple[Any, ...], PlannedKernel] = {}
        for kernel in self.walk():
            if scope is Scope.MODEL or kernel.part in scope.split("+"):
                key = (kernel.mapping, kernel.cascade, kernel.sizes, kernel.part)
                first = found.get(key, kernel)
                times = first.times + (first is not kernel)
                found[key] = PlannedKernel(first.name, "graph", first.part, first.mapping, first.cascade, first.sizes,
                                           1, times)  # fmt: skip
        return tuple(found.values())

    def walk(self) -> Iterable[PlannedKernel]:
        inside: set[int] = set()  # nodes that an attention kernel holds already
        for node in self.graph.node:
            if id(node) in inside or all(name in self.fixed for name in node.output):
                continue
            chain = self.attention(node)
            if chain:
                inside |= {id(each) for each in chain}
                yield self.attended(chain)
            else:
                made = self.one(node)
                if made is not None:
                    yield made

    def one(self, node: Any) -> PlannedKernel | None:
        """The kernel of one node; None where it takes no time, or is skipped."""
        rules, kind = self.rules, node.op_type
        if kind in rules.products:
            return self.kernel(node, "linear", self.product(node), mapping=rules.product)
        if kind == "Gather" and node.input[0] in self.weights and node.input[1] not in self.fixed:
            vocabulary, width = self.shape(node, node.input[0])[0], prod(self.shape(node, node.input[0])[1:])
            sizes = {"V": vocabulary, "D": width, "P": prod(self.shape(node, node.input[1]))}
            return self.kernel(node, "other", sizes, cascade=rules.lookup)
        if kind in rules.free or self.is_bias(node):
            return None
        if kind in rules.elementwise:
            shape = self.shape(node, node.output[0])
            sizes = {"D": (shape or (1,))[-1], "P": prod(shape[:-1])}
            return self.kernel(node, "other", sizes, cascade=rules.elementwise[kind])
        if kind in rules.rowwise:
            shape = self.shape(node, node.input[0])
            row = self.rows(node, shape)
            return self.kernel(node, "other", {"D": row, "P": prod(shape) // row}, cascade=rules.rowwise[kind])
        if not self.allow_skip:
            raise SpecError(f"node {self.name(node)!r}: operator {kind!r} cannot be counted", at=self.at,
                            remedy="leave such nodes out with --allow-skip: they are listed then")  # fmt: skip
        self.skipped.append(f"{self.name(node)} ({kind})")
        return None

    def kernel(
        self, node: Any, part: Part, sizes: dict[str, int], mapping: str | None = None, cascade: str | None = None
    ) -> PlannedKernel:
        if min(sizes.values()) <= 0:
            raise SpecError(f"node {self.name(node)!r}: a tensor has no elements", at=self.at)
        return PlannedKernel(self.name(node), "graph", part, mapping, cascade, tuple(sizes.items()), 1, 1)

    def product(self, node: Any) -> dict[str, int]:
        """Sizes of a product: G independent ones of M x K by K x N."""
        left, right = (self.shape(node, name) for name in node.input[:2])
        made = self.shape(node, node.output[0])
        if node.op_type == "Conv":
            groups = int(self.attribute(node, "group", 1))
            return {"G": groups, "M": made[0] * prod(made[2:]), "K": prod(right[1:]), "N": right[0] // groups}
        if node.op_type == "Gemm":
            inner = left[0] if self.attribute(node, "transA", 0) else left[1]
            return {"G": 1, "M": made[0], "K": inner, "N": made[1]}
        if left[-1] != right[max(0, len(right) - 2)]:
            raise SpecError(f"node {self.name(node)!r}: {left[-1]} columns and {right[max(0, len(right) - 2)]} rows "
                            "do not meet", at=self.at, remedy="correct the graph")  # fmt: skip
        width = right[-1] if len(right) > 1 else 1
        if len(right) <= 2:
            return {"G": 1, "M": prod(left[:-1]), "K": left[-1], "N": width}
        return {"G": prod(made[:-2]), "M": left[-2] if len(left) > 1 else 1, "K": left[-1], "N": width}

    def attention(self, node: Any) -> list[Any]:
        """The nodes of an attention that begins with this product: both products, the softmax, what is between."""
        if node.op_type != "MatMul" or any(name in self.fixed for name in node.input):
            return []
        chain = [node]
        softmax = False
        while True:
            users = self.users[chain[-1].output[0]]
            if len(users) != 1:
                return []
            chain.append(users[0])
            if users[0].op_type == self.rules.softmax and not softmax:
                shape = self.shape(users[0], users[0].input[0])
                softmax = self.rows(users[0], shape) == shape[-1]
                if not softmax:
                    return []
            elif users[0].op_type == "MatMul":
                whole = softmax and users[0].input[0] == chain[-2].output[0] and users[0].input[1] not in self.fixed
                return chain if whole else []
            elif users[0].op_type not in self.rules.between:
                return []

    def attended(self, chain: Sequence[Any]) -> PlannedKernel:
        queries, values = self.shape(chain[0], chain[0].input[0]), self.shape(chain[-1], chain[-1].input[1])
        scores = self.shape(chain[0], chain[0].output[0])
        heads = scores[-3] if len(scores) > 2 else 1
        sizes = {
            "B": prod(scores[:-3]),
            "H": heads,
            "E": queries[-1],
            "F": values[-1],
            "M": scores[-1],
            "P": scores[-2],
        }
        return self.kernel(chain[0], "attention", sizes)

    def is_bias(self, node: Any) -> bool:
        """Whether a node adds a vector of parameters to a product: where the sum starts, not a kernel."""
        if node.op_type != "Add":
            return False
        for one, other in (node.input, reversed(node.input)):
            maker = self.makers.get(one)
            if maker is not None and maker.op_type in self.rules.products and other in self.fixed:
                return len(self.shape(node, other)) <= 1
        return False

    def rows(self, node: Any, shape: Shape) -> int:
        """Elements of a row of a node that works row by row."""
        axes = self.attribute(node, "axes", None) or [self.attribute(node, "axis", -1)]
        return prod(shape[axis] for axis in axes if -len(shape) <= axis < len(shape)) if shape else 1

    def attribute(self, node: Any, name: str, default: Any) -> Any:
        found = next((each for each in node.attribute if each.name == name), None)
        return default if found is None else self.onnx.helper.get_attribute_value(found)

    def shape(self, node: Any, tensor: str) -> Shape:
        if tensor not in self.shapes:
            raise SpecError(f"node {self.name(node)!r}: the shape of {tensor!r} is not known", at=self.at,
                            remedy="export the graph with shapes, or with fewer symbols")  # fmt: skip
        return self.shapes[tensor]

    def name(self, node: Any) -> str:
        return node.name or f"{node.op_type} -> {node.output[0]}"
