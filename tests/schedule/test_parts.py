"""Parts of a fusion group: they share the group's outer loops, and a memory keeps what lives across them."""

import pytest

from einsim.errors import SpecError
from einsim.schedule.lower import lower
from einsim.spec.mapping import Mapping

from .programs import OWN, program

DRAM, BUFFER, THROUGH = ["dram", OWN], ["buffer", OWN], ["dram", "buffer", OWN]
CHAIN = """cascade chain
input X[m,p], G[m], W[m]
output D
A[m,p] = X[m,p] * G[m]
B[m,p] = exp(A[m,p])
C[m,p] = exp(B[m,p])
D[m,p] = A[m,p] * C[m,p] * W[m]
"""
KEEP = {
    "A": {"X": THROUGH, "G": DRAM, "A": BUFFER},
    "B": {"A": BUFFER, "B": BUFFER},
    "C": {"B": BUFFER, "C": BUFFER},
    "D": {"A": BUFFER, "C": BUFFER, "W": DRAM, "D": DRAM},
}
STATE = """cascade state
input X[m,p], Z[m,p]
output S, D
init S[0,p] = 0
S[m+1,p] = S[m,p] + X[m,p]
C[m,p] = exp(Z[m,p])
D[m,p] = exp(C[m,p])
"""


def design(text=CHAIN, *, fusion, keep=KEEP, loops=None, sizes=None):
    turned = loops or {"dram": ["px"], "buffer": ["p0", "m"]}  # parts share no more than px
    loops = loops or {"dram": ["px"], "buffer": ["m", "p0"]}
    mapping = {
        "partition": {"p": {"px": "4", "p0": "1"}},
        "nests": {name: {"array": "array1d", "loops": order} for name, order in (("n", loops), ("t", turned))},
        "einsums": {name: {"nest": "nt"[name in "BD"], "keep": paths} for name, paths in keep.items()},
        "fusion": fusion,
    }
    sweep = program(text, mapping, sizes or {"M": 8, "P": 16})
    return sweep.design(sweep.points[0])


def held(made):
    return lower(made).occupancy["buffer"] // 2


def test_what_is_handed_on_lives_until_its_reader_and_no_longer():
    block = 8 * 4
    # A lives from part 1 to 4 and X in part 1 only: at most A, B and C at a time.
    assert held(design(fusion=[[["A"], ["B"], ["C"], ["D"]]])) == 3 * block
    # Of one group, the tile of X counts all the time.
    assert held(design(fusion=[["A", "B", "C", "D"]])) == 4 * block
    # Of groups, nothing is shared: all of A, B and C, which count in every group, and a tile of X.
    assert held(design(fusion=[["A"], ["B"], ["C"], ["D"]])) == 3 * 4 * block + block


def test_a_tile_waits_where_nothing_changes_it_from_turn_to_turn():
    kept = {**KEEP, "A": {**KEEP["A"], "G": THROUGH}}
    parts = [[["A"], ["B"], ["C"], ["D"]]]
    assert held(design(fusion=parts, keep=kept)) == 3 * 32 + 8  # G comes once for all blocks
    # With one block there is no next turn to wait for: part 1 holds X, G and A, later ones A, B and C.
    assert held(design(fusion=parts, keep=kept, sizes={"M": 8, "P": 4})) == 3 * 32
    # Where parts share all loops, a tile of X waits as well, until p0 has gone through it.
    inside = {"dram": ["m", "px"], "buffer": ["p0"]}
    assert held(design(fusion=parts, keep=kept, loops=inside)) == 4 * 4 + 1


def test_the_state_of_an_iteration_lives_through_all_parts():
    keep = {
        "S": {"X": DRAM, "S": THROUGH},
        "C": {"Z": DRAM, "C": BUFFER},
        "D": {"C": BUFFER, "D": DRAM},
    }
    loops = {"dram": ["m"], "buffer": ["px", "p0"]}
    outside = held(design(STATE, fusion=[[["S"], ["C"], ["D"]]], keep=keep, loops=loops))
    assert outside == 16 + 16  # the tile of S, and C between its parts
    inside = {**keep, "S": {"X": DRAM, "S": BUFFER}}
    text = STATE.replace("output S, D", "output D")
    assert held(design(text, fusion=[[["S"], ["C"], ["D"]]], keep=inside, loops=loops)) == 16 + 16


def test_parts_share_nothing_that_is_complete_only_later():
    text = CHAIN.replace("B[m,p] = exp(A[m,p])", "B[m,p] = exp(A[M-1-m,p])")
    loops = {"dram": ["m", "px"], "buffer": ["p0"]}
    with pytest.raises(
        SpecError, match="B needs what is complete only after a loop that the parts of its fusion group"
    ):
        lower(design(text, fusion=[[["A"], ["B"], ["C"], ["D"]]], loops=loops))


@pytest.mark.parametrize("fusion", [[[["A"], ["B"], ["C"]]], [[["A"], ["B"], ["C"], ["D", "A"]]]])
def test_every_einsum_is_in_one_part(fusion):
    with pytest.raises(SpecError, match="must be in exactly one fusion group"):
        lower(design(fusion=fusion))


def test_parts_and_kernels_one_after_another_are_two_orders():
    made = design(fusion=[[["A"], ["B"], ["C"], ["D"]]])
    object.__setattr__(made.mapping, "memory_time", "per-phase")
    with pytest.raises(SpecError, match="two orders"):
        lower(made)


def test_groups_by_their_parts():
    fusion = [["A"], [["B"], ["C", "D"]]]
    assert design(fusion=fusion).mapping.parted == [[["A"]], [["B"], ["C", "D"]]]
    assert isinstance(design(fusion=None).mapping, Mapping)
    assert design(fusion=None).mapping.parted == [[["A", "B", "C", "D"]]]
