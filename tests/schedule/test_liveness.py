"""What must stay on chip: every way that a mapping once got away with too little."""

import numpy as np
import pytest

from einsim.errors import Location, SpecError
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.model.result import reason
from einsim.schedule import liveness
from einsim.schedule.lower import lower
from einsim.spec.configuration import Accounting, load_design
from einsim.spec.overrides import make_override, parse_override
from einsim.spec.workload import Workload

from ..cascade.library import TEXTS
from ..model.compare import differences, disagreements, numbers
from .oracle import check_against_the_walk
from .programs import COPIES, OWN, TRAP, program

SOFTMAX = TEXTS["softmax"]
SIZES = {"M": 64, "P": 16}
ROWS = {"p": {"px": "4", "p0": "1"}}
BUFFER, DRAM, REGISTERS = ["buffer", OWN], ["dram", OWN], [OWN]


def lanes(**levels):
    """A nest on the lanes with p0 along them."""
    return {"array": "array1d", "loops": levels, "spatial": {"lanes": "p0"}}


def softmax(
    nests, order, *, i=DRAM, gm=BUFFER, sn=REGISTERS, sd=BUFFER, partition=ROWS, depth=8, buffer=1 << 20, **more
):
    """Softmax with a nest for each of its four Einsums."""
    keeps = {
        "GM": {"I": i, "GM": gm},
        "SN": {"I": i, "GM": gm, "SN": sn},
        "SD": {"SN": sn, "SD": sd},
        "A": {"SN": sn, "SD": sd, "A": DRAM},
    }
    einsums = {name: {"nest": nest, "keep": keep} for (name, keep), nest in zip(keeps.items(), order, strict=True)}
    mapping = {"nests": nests, "partition": partition, "einsums": einsums, **more}
    sweep = program(SOFTMAX, mapping, SIZES, depth=depth, buffer=buffer)
    return sweep.design(sweep.points[0])


def why(design):
    return reason(lower(design).shortfalls)


def held(design):
    return lower(design).occupancy["buffer"] // 2


# Reductions.


@pytest.mark.parametrize(
    ("loops", "words"),
    [
        ({"dram": ["m", "px"]}, 256),  # every p of every m
        ({"dram": ["px"], "buffer": ["m"]}, 64),  # four queries on four lanes, all of their scores
        ({"dram": ["px"], OWN: ["m"]}, 64),
    ],
)
def test_what_a_finished_reduction_needs_again_stays_until_then(loops, words):
    kept = softmax({"n": lanes(**loops)}, "nnnn", gm=REGISTERS, sd=REGISTERS)
    assert why(kept).endswith(f"needed {words} words a processing element, available 8 words a processing element")
    assert why(softmax({"n": lanes(**loops)}, "nnnn", gm=REGISTERS, sd=REGISTERS, depth=256)) is None


def test_loops_of_other_names_are_other_loops():
    nests = {name: lanes(dram=[f"m{name}", "px"]) for name in "abcd"}
    partition = ROWS | {"m": {f"m{name}": "1" for name in "abcd"}}
    assert why(softmax(nests, "abcd", partition=partition)).startswith("registers1d: SN between SN and SD: needed 256")


def test_a_reader_in_another_order_needs_all_of_a_tensor():
    nests = {
        "gm": lanes(dram=["px"], buffer=["m"]),
        "prod": lanes(dram=["m"], buffer=["px"]),
        "cons": lanes(dram=["px", "m"]),
    }
    order = ["gm", "prod", "cons", "cons"]
    made = softmax(nests, order, sn=BUFFER, sd=DRAM, buffer=256)
    assert held(made) == 64 * 16 + 16  # every score; every maximum, as the passes share no loop
    assert why(made) == "buffer: the tiles kept there: needed 2080 bytes, available 256 bytes"


def test_groups_that_are_not_fused_share_no_loop():
    nests = {"n": lanes(dram=["px"], buffer=["m"])}
    fused = softmax(nests, "nnnn", sn=BUFFER)
    apart = softmax(nests, "nnnn", sn=BUFFER, fusion=[["GM", "SN"], ["SD", "A"]])
    assert held(fused) == 4 * 64 + 4 + 4
    assert held(apart) == 16 * 64 + 4  # in both groups


def test_partial_results_live_while_the_loops_that_reduce_them_run():
    text = "cascade d\ninput X[m,p], Y[p]\noutput Z\nW[p] = X[m,p] * Y[p]\nZ[p] = exp(W[p])\n"
    for outer, words in ((["m", "px"], 64), (["px", "m"], 4)):
        einsums = {
            "W": {"nest": "a", "keep": {"X": DRAM, "Y": DRAM, "W": BUFFER}},
            "Z": {"nest": "a", "keep": {"W": BUFFER, "Z": DRAM}},
        }
        sweep = program(text, {"nests": {"a": lanes(dram=outer)}, "partition": ROWS, "einsums": einsums},
                        {"M": 64, "P": 64})  # fmt: skip
        assert held(sweep.design(sweep.points[0])) == words


def test_accumulating_switches_nothing_off():
    text = "cascade x\ninput X[a,b]\noutput T\nS[a] = sum over b: exp(X[a,b])\nT[a,b] = exp(X[a,b] - S[a])\n"
    nest = {"array": "array1d", "loops": {"dram": ["b"], "buffer": ["a"]}}
    einsums = {
        "S": {"nest": "n", "keep": {"X": DRAM, "S": BUFFER}, "accumulate": ["a"]},
        "T": {"nest": "n", "keep": {"X": DRAM, "S": BUFFER, "T": DRAM}},
    }
    sweep = program(text, {"nests": {"n": nest}, "einsums": einsums}, {"A": 3, "B": 2})
    assert held(sweep.design(sweep.points[0])) == 3


def test_no_einsum_runs_in_two_passes():
    """C could run with A or with B, not with both: either A or C stays whole."""
    paths = {"X": DRAM, "A": BUFFER, "C": BUFFER, "R": BUFFER, "B": DRAM}
    reads = {"A": "X", "C": "A", "R": "A", "B": "CR"}
    einsums = {name: {"nest": "n", "keep": {each: paths[each] for each in [*used, name]}}
               for name, used in reads.items()}  # fmt: skip
    nest = {"array": "array1d", "loops": {"dram": ["p", "m"]}}
    sweep = program(TRAP, {"nests": {"n": nest}, "einsums": einsums}, {"M": 6, "P": 5})
    assert held(sweep.design(sweep.points[0])) == 1 + 6 + 1


def test_softmax_of_one_tile_of_queries_at_a_time_is_accepted():
    """Its maximum is read in registers inside the tile; the scores of the tile stay in the buffer."""
    partition = {"p": {"p1": "4", "p0": "1"}, "m": {"m1": "8", "m0": "1"}}
    nest = {"array": "array1d", "loops": {"dram": ["p1"], "buffer": ["p0", "m1"]}, "spatial": {"lanes": "m0"}}
    keeps = {
        "GM": {"I": ["dram", *BUFFER], "GM": REGISTERS},
        "SN": {"I": BUFFER, "GM": REGISTERS, "SN": BUFFER},
        "SD": {"SN": REGISTERS, "SD": BUFFER},
        "A": {"SN": BUFFER, "SD": BUFFER, "A": DRAM},
    }
    einsums = {name: {"nest": "n", "keep": keep} for name, keep in keeps.items()}
    sweep = program(SOFTMAX, {"nests": {"n": nest}, "partition": partition, "einsums": einsums}, SIZES, lanes=8)
    made = sweep.design(sweep.points[0])
    assert why(made) is None
    assert held(made) == 4 * 64 + 4 * 64 + 4
    assert differences(made) == []


def test_a_result_in_registers_is_made_in_the_pass_that_reads_it():
    """SN of two-pass attention belongs to the pass of A, which waits for SD, although it could be made before."""
    keeps = {
        "BQK": {"Q": DRAM, "K": DRAM, "BQK": REGISTERS}, "LM": {"BQK": REGISTERS, "LM": BUFFER},
        "SLN": {"BQK": REGISTERS, "LM": BUFFER, "SLN": BUFFER}, "SLD": {"SLN": BUFFER, "SLD": BUFFER},
        "GM": {"LM": BUFFER, "GM": BUFFER}, "PLM": {"LM": BUFFER, "GM": BUFFER, "PLM": BUFFER},
        "SD": {"SLD": BUFFER, "PLM": BUFFER, "SD": BUFFER}, "SN": {"SLN": BUFFER, "PLM": BUFFER, "SN": REGISTERS},
        "A": {"SN": REGISTERS, "SD": BUFFER, "A": REGISTERS}, "AV": {"A": REGISTERS, "V": DRAM, "AV": DRAM},
    }  # fmt: skip
    for name, keep in keeps.items():
        keeps[name] = {{"K": "BK", "V": "BV"}.get(tensor, tensor): path for tensor, path in keep.items()}
    nest = {"array": "array1d", "loops": {"dram": ["p", "m1", "m0"], OWN: ["e", "f"]}}
    einsums = {name: {"nest": "n", "keep": keep} for name, keep in keeps.items()}
    sizes = {"E": 2, "F": 2, "M": 12, "M0": 4, "P": 3}
    sweep = program(TEXTS["attention-2pass"], {"nests": {"n": nest}, "views": ["BK", "BV"], "einsums": einsums}, sizes)
    short = [s.what for s in lower(sweep.design(sweep.points[0])).shortfalls if s.needed > 4]
    assert not [what for what in short if what.startswith(("registers1d: SN", "registers1d: A "))]


# Iterations.


def carried(names: list[str], queries: int):
    """FuseMax with the running state of some tensors in the lanes' registers only."""
    at = Location("test")
    workload = Workload((("B", 1), ("H", 1), ("E", 64), ("F", 64), ("M", 4096), ("P", queries)))
    base = load_design("fusemax", workload).mapping
    overrides = [
        make_override(f"mapping.einsums.{einsum}.keep.{tensor}", ["registers1d"], at)
        for einsum, plan in base.einsums.items()
        for tensor in names
        if plan.keep.get(tensor, [""])[0] == "buffer"
    ]
    return load_design("fusemax", workload, overrides=overrides)


def test_the_state_of_an_iteration_lives_through_everything_inside_it():
    found = lower(carried(["RM"], 1 << 18))
    queries = found.tiles["P1"]
    assert queries > 32
    assert reason(found.shortfalls) == (
        f"registers1d: RM while it is made: needed {queries} words a processing element, "
        "available 32 words a processing element"
    )
    assert reason(lower(carried(["RM"], 1 << 12)).shortfalls) is None


def test_a_final_slice_is_read_after_the_iteration_and_what_it_is_read_with_stays():
    text = TEXTS["softmax-2pass"]
    registers = dict.fromkeys(("LM", "SLN", "SLD", "PRM", "SPD", "SN"), REGISTERS)
    paths = registers | {"RM": BUFFER, "RD": BUFFER, "A": DRAM, "I": BUFFER}
    reads = {"LM": "I", "RM": "LM", "SLN": "I RM", "SLD": "SLN", "PRM": "RM", "SPD": "RD PRM", "RD": "SLD SPD",
             "SN": "I RM", "A": "SN RD"}  # fmt: skip
    keeps = {name: {each: paths[each] for each in [*used.split(), name]} for name, used in reads.items()}
    keeps["LM"]["I"] = ["dram", *BUFFER]
    einsums = {name: {"nest": "n", "keep": keep} for name, keep in keeps.items()}
    nest = lanes(dram=["px", "m1"], buffer=["m0"])
    sweep = program(text, {"nests": {"n": nest}, "partition": ROWS, "einsums": einsums}, {"M": 64, "M0": 4, "P": 64})
    made = sweep.design(sweep.points[0])
    assert held(made) == 4 * 64 + 4 + 4
    assert why(made) is None


def test_an_iteration_runs_in_step():
    text = (
        "cascade c\ninput X[t]\noutput O\ninit S[0] = 0\nU[t] = S[t] * X[t]\nS[t+1] = U[t] + X[t]\nO[t] = exp(S[t+1])\n"
    )
    keeps = {"U": {"S": BUFFER, "X": DRAM, "U": BUFFER}, "S": {"U": BUFFER, "X": DRAM, "S": BUFFER},
             "O": {"S": BUFFER, "O": DRAM}}  # fmt: skip
    nests = {"n": {"array": "array1d", "loops": {"dram": ["t"]}}, "o": {"array": "array1d", "loops": {"dram": ["tt"]}}}

    def made(order):
        einsums = {name: {"nest": nest, "keep": keeps[name]} for name, nest in zip(keeps, order, strict=True)}
        sweep = program(text, {"nests": nests, "partition": {"t": {"tt": "1"}}, "einsums": einsums}, {"T": 5})
        return sweep.design(sweep.points[0])

    assert held(made("nnn")) == 2
    assert held(made("nno")) == 1 + 6  # every slice stays for a reader outside of the loop
    with pytest.raises(SpecError, match="U takes the slice of S before, outside of the loops over 't'"):
        lower(made("onn"))


# Copies, indices and views.


def test_a_copy_on_chip_lasts_until_its_reader():
    text = "cascade d\ninput X[m,p], Y[m,p]\noutput U, W\nU[p] = X[m,p] * Y[m,p]\nW[m] = sum over p: X[m,p] - Y[m,p]\n"
    nests = {
        "a": lanes(dram=["px", "m"]),
        "b": {"array": "array1d", "loops": {"dram": ["mx", "p"]}, "spatial": {"lanes": "m0"}},
    }
    whole = ["dram", *BUFFER]
    einsums = {
        "U": {"nest": "a", "keep": {"X": whole, "Y": whole, "U": DRAM}},
        "W": {"nest": "b", "keep": {"X": BUFFER, "Y": BUFFER, "W": DRAM}},
    }
    partition = ROWS | {"m": {"mx": "4", "m0": "1"}}
    sweep = program(text, {"nests": nests, "partition": partition, "einsums": einsums}, {"M": 64, "P": 64})
    assert held(sweep.design(sweep.points[0])) == 2 * 64 * 64


def test_a_copy_is_not_read_before_it_is_brought():
    """C could share the loops of A, were it not for B, which brings the copy that C reads."""
    nests = {
        name: {"array": "array1d", "loops": {"dram": loops}} for name, loops in (("n", ["m", "p"]), ("o", ["p", "m"]))
    }
    einsums = {
        "A": {"nest": "n", "keep": {"X": DRAM, "A": DRAM}},
        "B": {"nest": "o", "keep": {"X": ["dram", *BUFFER], "B": DRAM}},
        "C": {"nest": "n", "keep": {"X": BUFFER, "C": DRAM}},
    }
    sweep = program(COPIES, {"nests": nests, "einsums": einsums}, {"M": 4, "P": 3})
    check_against_the_walk(sweep.design(sweep.points[0]), equal=True)


def test_accesses_at_other_indices_are_other_words():
    text = "cascade x\ninput X[a]\noutput T\nT[a] = X[a] * X[A-1-a]\n"
    nest = {"array": "array1d", "loops": {"dram": ["ax"], "buffer": ["a"]}}
    einsums = {"T": {"nest": "n", "keep": {"X": ["dram", *BUFFER], "T": DRAM}}}
    sweep = program(text, {"nests": {"n": nest}, "partition": {"a": {"ax": "2"}}, "einsums": einsums}, {"A": 8})
    assert held(sweep.design(sweep.points[0])) == 4


def test_a_tensor_read_backwards_is_finished_first():
    text = "cascade x\ninput X[a]\noutput T\nS[a] = exp(X[a])\nT[a] = exp(S[A-1-a])\n"
    einsums = {"S": {"nest": "n", "keep": {"X": DRAM, "S": REGISTERS}},
               "T": {"nest": "n", "keep": {"S": REGISTERS, "T": DRAM}}}  # fmt: skip
    nest = {"array": "array1d", "loops": {"dram": ["a"]}}
    sweep = program(text, {"nests": {"n": nest}, "einsums": einsums}, {"A": 9}, depth=8)
    assert why(sweep.design(sweep.points[0])).startswith("registers1d: S between S and T: needed 9 words")


def test_a_view_and_its_tensor_are_stored_once():
    text = (
        "cascade d\ninput K[m,p]\noutput W, U\nsplit m into m1, m0 by M0\nBK[m1,m0,p] = K[m1*M0+m0,p]\n"
        "W[p] = sum over m1,m0: exp(BK[m1,m0,p])\nU[m,p] = exp(K[m,p])\n"
    )
    nest = {"array": "array1d", "loops": {"buffer": ["m1", "m0", "p"]}}
    einsums = {
        "W": {"nest": "n", "keep": {"BK": ["dram", *BUFFER], "W": DRAM}},
        "U": {"nest": "n", "keep": {"K": BUFFER, "U": DRAM}},
    }
    sweep = program(text, {"nests": {"n": nest}, "views": ["BK"], "einsums": einsums}, {"M": 64, "M0": 4, "P": 4})
    assert held(sweep.design(sweep.points[0])) == 64 * 4


def test_an_output_that_is_a_view_reaches_the_outermost_memory():
    text = "cascade d\ninput X[a,b]\noutput Z\nY[a] = exp(X[a,B-1])\nZ[a] = Y[a]\n"
    nest = {"array": "array1d", "loops": {"dram": ["a"]}}

    def made(path):
        einsums = {"Y": {"nest": "n", "keep": {"X": DRAM, "Y": path}}}
        sweep = program(text, {"nests": {"n": nest}, "views": ["Z"], "einsums": einsums}, {"A": 5, "B": 6})
        return sweep.design(sweep.points[0])

    lower(made(DRAM))
    with pytest.raises(SpecError, match=r"output Y \(seen as Z\) never reaches dram"):
        lower(made(REGISTERS))


# Arrays and phases.


def test_registers_are_read_where_they_were_written():
    text = "cascade d\ninput X[m,p]\noutput W\nU[m,p] = exp(X[m,p])\nW[m] = sum over p: exp(U[m,p])\n"
    partition = {"p": {"px": "4", "p0": "1"}, "m": {"mx": "4", "m0": "1"}}
    grid = {"array": "array2d", "loops": {"dram": ["px", "mx"]}, "spatial": {"columns": "p0", "rows": "m0"}}
    turned = grid | {"spatial": {"columns": "m0", "rows": "p0"}}
    own = ["registers2d"]

    def made(other, path):
        einsums = {"U": {"nest": "a", "keep": {"X": ["dram", *own], "U": path}},
                   "W": {"nest": "b", "keep": {"U": path, "W": ["dram", *own]}}}  # fmt: skip
        mapping = {"nests": {"a": grid, "b": other}, "partition": partition, "einsums": einsums}
        sweep = program(text, {**mapping, "phases": [{"run": {"array2d": ["U", "W"]}}]}, {"M": 64, "P": 64})
        return sweep.design(sweep.points[0])

    lower(made(grid, own))
    lower(made(turned, ["buffer", *own]))
    with pytest.raises(SpecError, match="W takes U from registers2d, where its rank 'm' lies along rows"):
        lower(made(turned, own))


def kernels(order, **more):
    text = "cascade d\ninput X[a]\noutput Z\nY[a] = exp(X[a])\nZ[a] = exp(Y[a])\n"
    einsums = {"Y": {"nest": "n", "keep": {"X": DRAM, "Y": more.pop("y", DRAM)}},
               "Z": {"nest": "n", "keep": {"Y": more.pop("z", DRAM), "Z": DRAM}}}  # fmt: skip
    nest = {"array": "array1d", "loops": {"dram": ["a"]}}
    phases = [{"run": {"array1d": [name]}} for name in order]
    sweep = program(text, {"nests": {"n": nest}, "einsums": einsums, "phases": phases, **more}, {"A": 500}, depth=8)
    return sweep.design(sweep.points[0])


def test_kernels_one_after_another_run_in_order():
    lower(kernels("YZ", memory_time="per-phase"))
    lower(kernels("ZY"))  # tiles of phases interleave
    with pytest.raises(SpecError, match="Z needs Y in phase 1, Y runs in phase 2 only"):
        lower(kernels("ZY", memory_time="per-phase"))


def test_registers_do_not_carry_a_tensor_from_kernel_to_kernel():
    apart = kernels("YZ", fusion=[["Y"], ["Z"]], memory_time="per-phase", y=REGISTERS, z=REGISTERS)
    assert why(apart).startswith("registers1d: Y between Y and Z: needed 500 words")


# Assumptions, and lanes that take turns.


SHAPE = Workload((("B", 1), ("H", 1), ("E", 5), ("F", 6), ("M", 1024), ("P", 1000)))


def shipped(configuration, accounting=Accounting.FULL, **fields):
    overrides = [make_override(name.replace("__", "."), value, Location("test")) for name, value in fields.items()]
    return load_design(configuration, SHAPE, overrides=overrides, accounting=accounting)


def test_the_published_mapping_assumes_what_its_registers_cannot_hold():
    assert why(shipped("cascade")) is None
    assert why(shipped("cascade", mapping__assumed={})) == (
        "registers1d: BQK between LM and SLN: needed 256 words a processing element, "
        "available 16 words a processing element"
    )
    for assumed in ({"BQK": ["buffer"]}, {"XYZ": ["registers1d"]}):
        with pytest.raises(SpecError, match="assumed: no Einsum keeps"):
            lower(shipped("cascade", mapping__assumed=assumed))


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade"])
@pytest.mark.parametrize("accounting", Accounting)
def test_lanes_that_take_turns_keep_their_words_in_registers(configuration, accounting):
    depth = 16 if configuration == "cascade" else 32
    assert why(shipped(configuration, accounting, arch__array1d__lanes=256 // depth)) is None
    short = why(shipped(configuration, accounting, arch__array1d__lanes=256 // depth - 1))
    assert short.startswith("registers1d: ")


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade"])
def test_points_with_and_without_turns_in_one_sweep_equal_each_alone(configuration):
    lanes_of = np.array([256, 128, 64, 300, 8])
    queries = np.array([1000, 100, 256, 700, 1 << 16])
    many = evaluate_many(shipped(configuration), {"array1d.lanes": lanes_of, "P": queries})
    for index, (count, p) in enumerate(zip(lanes_of.tolist(), queries.tolist(), strict=True)):
        alone = evaluate(shipped(configuration, arch__array1d__lanes=count, workload__P=p))
        assert disagreements(alone, many, index, len(queries)) == []


# Against the walk.


@pytest.mark.parametrize("sn", [BUFFER, REGISTERS])
@pytest.mark.parametrize("loops", [{"dram": ["px", "m"]}, {"dram": ["m", "px"]}, {"dram": ["px"], "buffer": ["m"]}])
def test_plain_mappings_hold_just_what_is_alive_in_the_walk(loops, sn):
    check_against_the_walk(softmax({"n": lanes(**loops)}, "nnnn", sn=sn), equal=True)


def test_any_number_of_loops_may_run_once_at_some_points(monkeypatch):
    workload = Workload((("B", 1), ("H", 1), ("E", 4), ("F", 4), ("M", 8), ("P", 8)))
    sides = ("arch.array2d.rows=2", "arch.array2d.columns=2", "arch.array1d.lanes=2")
    design = load_design("fusemax", workload, overrides=[parse_override(each) for each in sides])
    points = {name: np.array([1, 1, 2, 4, 4, 8]) for name in ("M", "P")} | {"E": np.array([1, 4, 1, 4, 4, 4])}
    expected = numbers(evaluate_many(design, points))
    for few, bits in ((0, 1), (0, 2), (0, 30)):
        monkeypatch.setattr(liveness, "_FEW", few)
        monkeypatch.setattr(liveness, "_BITS", bits)
        again = numbers(evaluate_many(design, points))
        assert again.keys() == expected.keys()
        assert all(np.array_equal(again[key], expected[key]) for key in again)
