"""ONNX graphs: what is counted, against sizes by hand, and what is refused."""

import numpy as np
import pytest

from einsim.errors import SpecError
from einsim.spec.modelrun import Scope
from einsim.spec.onnxgraph import read_onnx

onnx = pytest.importorskip("onnx")

D, H, E, S = 64, 4, 16, 128


class Graph:
    """A graph in the making."""

    def __init__(self):
        self.nodes, self.tables = [], []

    def weight(self, name, *shape):
        self.tables.append(onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name))
        return name

    def integers(self, name, *values):
        self.tables.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], name=f"/{output}", **attributes))
        return output

    def model(self, output, shape=("batch", "sequence"), kind=onnx.TensorProto.INT64, name="ids"):
        start = onnx.helper.make_tensor_value_info(name, kind, list(shape))
        end = onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)
        graph = onnx.helper.make_graph(self.nodes, "graph", [start], [end], self.tables)
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])


def transformer(layers=1, extra=()):
    g = Graph()
    x = g.add("Gather", [g.weight("table", 1000, D), "ids"], "x")
    for n in range(layers):
        for part in "qkv":
            made = g.add("MatMul", [x, g.weight(f"w{part}{n}", D, D)], f"{part}{n}")
            made = g.add("Add", [g.weight(f"b{part}{n}", D), made], f"{part}{n}b")
            made = g.add("Reshape", [made, g.integers(f"s{part}{n}", 0, -1, H, E)], f"{part}{n}r")
            order = [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]
            g.add("Transpose", [made], f"{part}{n}t", perm=order)
        g.add("MatMul", [f"q{n}t", f"k{n}t"], f"scores{n}")
        g.add("Div", [f"scores{n}", g.weight(f"scale{n}")], f"scaled{n}")
        g.add("Softmax", [f"scaled{n}"], f"weights{n}", axis=-1)
        g.add("MatMul", [f"weights{n}", f"v{n}t"], f"heads{n}")
        g.add("Transpose", [f"heads{n}"], f"heads{n}t", perm=[0, 2, 1, 3])
        g.add("Reshape", [f"heads{n}t", g.integers(f"so{n}", 0, -1, D)], f"heads{n}r")
        g.add("MatMul", [f"heads{n}r", g.weight(f"wo{n}", D, D)], f"out{n}")
        x = g.add("Add", [f"out{n}", x], f"sum{n}")
        x = g.add("LayerNormalization", [x, g.weight(f"g{n}", D), g.weight(f"bb{n}", D)], f"norm{n}", axis=-1)
        up = g.add("MatMul", [x, g.weight(f"up{n}", D, S)], f"up{n}y")
        up = g.add("Gelu", [up], f"gelu{n}")
        x = g.add("MatMul", [up, g.weight(f"down{n}", S, D)], f"down{n}y")
    for number, kind in enumerate(extra):
        x = g.add(kind, [x], f"extra{number}")
    return g.model(x)


def saved(tmp_path, model, name="graph.onnx"):
    path = tmp_path / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return str(path)


def read(path, scope=Scope.MODEL, seq_len=512, batch=2, allow_skip=False):
    return read_onnx(path, scope, seq_len, batch, allow_skip=allow_skip)


def listed(run):
    return [(k.name, k.mapping or k.cascade or "attention", dict(k.sizes), k.times) for k in run.kernels]


def test_a_transformer(tmp_path):
    run = read(saved(tmp_path, transformer(layers=3)))
    tokens = 2 * 512
    assert listed(run) == [
        ("/x", "layer-lookup", {"V": 1000, "D": D, "P": tokens}, 1),
        ("/q0", "linear", {"G": 1, "M": tokens, "K": D, "N": D}, 12),
        ("/scores0", "attention", {"B": 2, "H": H, "E": E, "F": E, "M": 512, "P": 512}, 3),
        ("/sum0", "layer-add", {"D": D, "P": tokens}, 3),
        ("/norm0", "layer-layernorm", {"D": D, "P": tokens}, 3),
        ("/up0y", "linear", {"G": 1, "M": tokens, "K": D, "N": S}, 3),
        ("/gelu0", "layer-gelu", {"D": S, "P": tokens}, 3),
        ("/down0y", "linear", {"G": 1, "M": tokens, "K": S, "N": D}, 3),
    ]
    assert run.parameters == 1000 * D + 3 * (4 * D * D + 3 * D + 1 + 2 * D + 2 * D * S)
    assert run.skipped == ()
    attention = read(saved(tmp_path, transformer()), Scope.ATTENTION)
    assert [k.name for k in attention.kernels] == ["/scores0"]
    linear = read(saved(tmp_path, transformer()), Scope.LINEAR)
    assert {k.mapping for k in linear.kernels} == {"linear"}


def test_a_node_that_cannot_be_counted_is_an_error_or_listed(tmp_path):
    path = saved(tmp_path, transformer(extra=("Floor", "Relu", "Floor")))
    with pytest.raises(
        SpecError, match=r"graph.onnx: node '/extra0': operator 'Floor' cannot be counted; .*allow-skip"
    ):
        read(path)
    run = read(path, allow_skip=True)
    assert run.skipped == ("/extra0 (Floor)", "/extra2 (Floor)")
    assert listed(run)[-1][:2] == ("/extra1", "layer-relu")


def test_a_graph_of_which_nothing_is_left(tmp_path):
    g = Graph()
    g.add("Floor", ["x"], "y")
    path = saved(tmp_path, g.model("y", (3, 8), onnx.TensorProto.FLOAT, "x"))
    with pytest.raises(SpecError, match="nothing of scope model is left: 1 nodes are skipped"):
        read(path, seq_len=None, batch=None, allow_skip=True)


def test_a_softmax_by_itself_and_products_of_activations(tmp_path):
    g = Graph()
    g.add("Softmax", ["x"], "s", axis=1)
    g.add("MatMul", ["s", "x"], "y")
    run = read(saved(tmp_path, g.model("y", (3, 8, 8), onnx.TensorProto.FLOAT, "x")), seq_len=None, batch=None)
    assert listed(run) == [
        ("/s", "layer-softmax", {"D": 8, "P": 24}, 1),
        ("/y", "linear", {"G": 3, "M": 8, "K": 8, "N": 8}, 1),
    ]


def test_gemm_and_convolution(tmp_path):
    g = Graph()
    g.add("Conv", ["x", g.weight("w", 32, 3, 16, 16), g.weight("b", 32)], "y", kernel_shape=[16, 16], strides=[16, 16])
    g.add("Flatten", ["y"], "f")
    g.add("Gemm", ["f", g.weight("c", 10, 32 * 14 * 14)], "z", transB=1)
    run = read(saved(tmp_path, g.model("z", (5, 3, 224, 224), onnx.TensorProto.FLOAT, "x")), seq_len=None, batch=None)
    assert listed(run) == [
        ("/y", "linear", {"G": 1, "M": 5 * 196, "K": 3 * 256, "N": 32}, 1),
        ("/z", "linear", {"G": 1, "M": 5, "K": 32 * 196, "N": 10}, 1),
    ]


def test_what_is_computed_from_shapes_takes_no_time(tmp_path):
    g = Graph()
    g.add("Shape", ["x"], "shape")
    g.add("Gather", ["shape", g.integers("one", 1)], "length")
    g.add("Mul", ["length", g.integers("two", 2)], "twice")
    g.add("Floor", [g.add("Cast", ["twice"], "cast", to=1)], "floor")
    g.add("Relu", ["x"], "y")
    run = read(saved(tmp_path, g.model("y", (3, 8), onnx.TensorProto.FLOAT, "x")), seq_len=None, batch=None)
    assert [k.name for k in run.kernels] == ["/y"]


@pytest.mark.parametrize(
    ("shape", "options", "part"),
    [
        (("batch", "sequence"), {"seq_len": None}, "input 'ids': nothing says how long 'sequence' is"),
        (("batch", "nonsense"), {}, "input 'ids': dimension 1 is 'nonsense', which no option gives"),
        (("batch", None), {}, "input 'ids': dimension 1 has no size, which no option gives"),
        (("batch", "past_sequence_length"), {}, "past_sequence_length"),
        ((2, "sequence"), {}, "the graph's batch is fixed: --batch says nothing"),
        (("batch", 512), {}, "the graph's length is fixed: --seq-len says nothing"),
    ],
)
def test_sizes_that_nobody_gives(tmp_path, shape, options, part):
    g = Graph()
    g.add("Gather", [g.weight("table", 1000, D), "ids"], "x")
    with pytest.raises(SpecError, match=part):
        read(saved(tmp_path, g.model("x", shape)), **options)


def test_files_that_are_no_graphs(tmp_path):
    with pytest.raises(SpecError, match="there is no file"):
        read(str(tmp_path / "none.onnx"))
    for content in (b"", b"nonsense", b"\x00" * 100):
        with pytest.raises(SpecError, match=r"no ONNX graph|has no nodes"):
            read(saved(tmp_path, content))
    with pytest.raises(SpecError, match="what a layer is"):
        read(saved(tmp_path, transformer()), Scope.LAYER)
    g = Graph()
    g.add("MatMul", ["x", g.weight("w", 7, 7)], "y")
    with pytest.raises(SpecError, match=r"shapes cannot be inferred|do not meet|not known"):
        read(saved(tmp_path, g.model("y", (3, 8), onnx.TensorProto.FLOAT, "x")), seq_len=None, batch=None)
    g = Graph()
    g.add("Relu", ["x"], "y")
    with pytest.raises(SpecError, match="nothing of scope linear"):
        read(saved(tmp_path, g.model("y", (3, 8), onnx.TensorProto.FLOAT, "x")), Scope.LINEAR, None, None)
