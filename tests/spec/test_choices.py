"""What whole models try where a mapping leaves choices open."""

import pytest

from einsim.errors import SpecError
from einsim.spec.configuration import load_design, open_alternatives
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

SHAPE = Workload((("G", 1), ("M", 64), ("K", 64), ("N", 64)))


def tried(name, workload=SHAPE, *changes):
    overrides = [parse_override(text) for text in changes]
    return [{each.path[-1]: each.value for each in way} for way in open_alternatives(name, workload, overrides)]


def test_all_combinations_of_what_may_be():
    ways = tried("linear")
    assert len(ways) == 9
    assert {(way["resident"], way["row_tiles"]) for way in ways} == {
        (kept, tiles) for kept in ("weights", "activations", "outputs") for tiles in (2, 8, 32)
    }


def test_what_is_decided_stays():
    assert tried("linear", SHAPE, "mapping.resident=outputs") == [{"row_tiles": tiles} for tiles in (2, 8, 32)]
    assert tried("linear", SHAPE, "mapping.resident=outputs", "mapping.row_tiles=4") == [{}]


def test_what_is_recorded_for_any_model():
    ways = tried("flat", Workload((("B", 1),)))
    assert 5 < len(ways) < 24
    assert all(set(way) >= {"Q_loc", "P1"} for way in ways)
    assert tried("flat", Workload((("B", 1),), "BERT", 1024)) == [{}]
    assert tried("fusemax") == [{}]


def test_what_cannot_be_is_not_tried(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbased_on: linear\nchoices:\n  row_tiles: {tried: [2, few]}\n")
    with pytest.raises(SpecError, match=r"mine.yaml:4:.*row_tiles must be a positive integer, not few"):
        load_design(str(path), SHAPE)
