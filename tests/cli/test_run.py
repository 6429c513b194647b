import pytest

from tests.cli.commands import einsim, refused

BERT = ("--model", "BERT", "--seq-len", "1K")
SHAPE = "B=2,H=4,E=32,F=32,M=2048,P=2048"


def test_json_has_what_scripts_rely_on():
    record = einsim("run", "fusemax", *BERT, "--accounting", "published", "--json").json
    assert record["feasible"] is True
    assert record["traffic_bytes"] == 402653184
    assert record["latency_s"] == pytest.approx(0.002013140425531915, rel=1e-12)
    assert record["energy_pj"] == pytest.approx(1950645149855.2659, rel=1e-12)
    assert record["util_2d"] == pytest.approx(0.8896103896103896, rel=1e-12)
    assert record["util_1d"] == pytest.approx(1.0, rel=1e-12)
    scores = record["einsums"]["BQK"]
    assert scores["array"] == "array2d"
    assert scores["cycles"] == 786432
    assert scores["operations"] == 51539607552
    assert scores["levels"]["registers2d"]["BQK"] == {"reads": 50734301184, "fills": 0, "updates": 51539607552}
    assert scores["levels"]["buffer"]["Q"] == {"reads": 201326592, "fills": 50331648, "updates": 0}
    assert set(scores["levels"]["dram"]) == {"Q", "BK"}


@pytest.mark.parametrize("configuration", ["unfused", "flat", "cascade", "architecture", "fusemax"])
def test_every_configuration_prints_for_people(configuration):
    outcome = einsim("run", configuration, *BERT)
    assert outcome.code == 0
    assert "latency" in outcome.out
    assert "Words moved" in outcome.out
    assert "…" not in outcome.out
    assert "\x1b" not in outcome.out


def test_what_a_mapping_takes_for_granted_is_shown():
    assert einsim("run", "cascade", *BERT, "--json").json["assumed"] == {"BQK": ["registers1d"]}
    assert "BQK stays in registers1d, whether it fits or not" in einsim("run", "cascade", *BERT).out
    assert einsim("run", "fusemax", *BERT, "--json").json["assumed"] == {}
    assert "assumed" not in einsim("run", "fusemax", *BERT).out


@pytest.mark.parametrize("configuration", ["unfused", "cascade", "architecture", "fusemax"])
def test_shape(configuration):
    record = einsim("run", configuration, "--shape", SHAPE, "--json").json
    assert record["sizes"] == {"B": 2, "H": 4, "E": 32, "F": 32, "M": 2048, "P": 2048}
    assert record["model"] is None
    assert record["feasible"]


def test_lengths_and_batch():
    one = einsim("run", "fusemax", "--model", "bert", "--seq-len", "2048", "--batch", "1", "--json").json
    two = einsim("run", "fusemax", "--model", "BERT", "--seq-len", "2K", "--batch", "2", "--json").json
    assert two["traffic_bytes"] == 2 * one["traffic_bytes"]
    assert two["latency_s"] == pytest.approx(2 * one["latency_s"], rel=1e-12)


def test_set_reaches_machine_and_mapping(tmp_path):
    base = einsim("run", "fusemax", *BERT, "--json").json
    small = einsim(
        "run", "fusemax", *BERT, "--set", "arch.array2d.rows=128", "--set", "arch.array2d.columns=128",
        "--set", "arch.array1d.lanes=128", "--json",
    ).json  # fmt: skip
    assert small["latency_s"] > 3.5 * base["latency_s"]
    half = einsim("run", "fusemax", *BERT, "--set", "arch.dram.bandwidth_bytes_per_s=1 GiB", "--json").json
    assert half["bound_by"] == "memory"
    tiny = einsim("run", "fusemax", "--model", "BERT", "--seq-len", "64K", "--set",
                  "arch.buffer.capacity_bytes=1048576", "--json").json  # fmt: skip
    assert tiny["tiles"]["P1"] < 256
    assert tiny["feasible"]


def test_infeasible_is_a_result_with_its_reason():
    outcome = einsim("run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes=1024", "--json")
    assert outcome.code == 3
    assert outcome.json["feasible"] is False
    assert outcome.json["latency_s"] is None
    assert "buffer" in outcome.json["reason"]
    assert "needed 132096 bytes, available 1024 bytes" in outcome.json["reason"]
    shown = einsim("run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes=1024")
    assert shown.code == 3
    assert "infeasible: buffer" in shown.out


def test_flat_needs_its_choices_for_a_shape():
    message = refused("run", "flat", "--shape", SHAPE, parts=("mapping.Q_loc=onchip|offchip", "--set"))
    assert "mapping.AV_stationarity=input|weight|output" in message
    choices = [
        "Q_loc=offchip", "K_loc=offchip", "QK_loc=onchip", "A_loc=onchip", "V_loc=offchip", "AV_loc=offchip",
        "QK_stationarity=output", "AV_stationarity=output", "fusion_granularity=head",
    ]  # fmt: skip
    words = [word for choice in choices for word in ("--set", f"mapping.{choice}")]
    assert einsim("run", "flat", "--shape", SHAPE, *words, "--json").json["feasible"]
    longer = [word for choice in choices for word in ("--set", f"mapping.choices.{choice}")]
    assert einsim("run", "flat", "--shape", SHAPE, *longer, "--json").code == 0


def test_a_recorded_choice_can_be_changed():
    base = einsim("run", "flat", *BERT, "--json").json
    kept = einsim("run", "flat", *BERT, "--set", "mapping.Q_loc=onchip", "--json").json
    assert kept["traffic_bytes"] < base["traffic_bytes"]
    refused("run", "flat", *BERT, "--set", "mapping.Q_loc=nowhere", parts=("choose onchip or offchip",))
    refused("run", "flat", *BERT, "--set", "mapping.P1=0", parts=("positive integer",))
    refused("run", "flat", "--model", "BERT", "--seq-len", "3K", parts=("BERT at 3072 tokens",))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("run", "fusmax", *BERT), ("unknown mapping 'fusmax'", "did you mean 'fusemax'")),
        (("run", "fusemax", "--model", "BURT", "--seq-len", "1K"), ("did you mean 'BERT'",)),
        (("run", "fusemax", "--model", "config.json", "--seq-len", "1K"), ("there is no file",)),
        (("run", "fusemax", "--model", "BERT"), ("--seq-len",)),
        (("run", "fusemax", "--seq-len", "1K"), ("--model",)),
        (("run", "fusemax"), ("--model",)),
        (("run", "fusemax", "--model", "BERT", "--seq-len", "1X"), ("--seq-len", "1X")),
        (("run", "fusemax", "--model", "BERT", "--seq-len", "0"), ("not positive",)),
        (("run", "fusemax", "--model", "BERT", "--seq-len", "-4"), ()),
        (("run", "fusemax", "--model", "BERT", "--seq-len", "99999999999999999999"), ("2^63",)),
        (("run", "fusemax", "--shape", "B=1,H=1"), ("no size for E, P, M, F", "--shape")),
        (("run", "fusemax", "--shape", "B=1,H=1,E=1,F=1,M=1,P=1,Q=3"), ("'Q'",)),
        (("run", "fusemax", "--shape", "B=1,B=2"), ("twice",)),
        (("run", "fusemax", "--shape", "nonsense"), ("B=2,H=4",)),
        (("run", "fusemax", "--shape", "B=0,H=1,E=1,F=1,M=1,P=1"), ("B=0",)),
        (("run", "fusemax", *BERT, "--set", "arch.bufer.capacity_bytes=8"), ("did you mean 'buffer'",)),
        (("run", "fusemax", *BERT, "--set", "arch.buffer.capcity_bytes=8"), ("did you mean 'capacity_bytes'",)),
        (("run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes=-8"), ("greater than 0", "--set")),
        (("run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes=lots"), ("16 MiB",)),
        (("run", "fusemax", *BERT, "--set", "arch.clock_hz=.nan"), ("finite",)),
        (("run", "fusemax", *BERT, "--set", "buffer.capacity_bytes=8"), ("arch.array2d.rows",)),
        (("run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes"), ("PATH=VALUE",)),
        (("run", "fusemax", *BERT, "--set", "mapping.nests.grid.array=array3d"), ("array 'array3d'", "array2d")),
        (("run", "fusemax", *BERT, "--set", "mapping.tiles.P0=0"), ("division by zero",)),
        (("run", "fusemax", *BERT, "--set", "mapping.einsums.LM.nest=lanes"), ("LM",)),
        (("run", "fusemax", *BERT, "--arch", "nothing"), ("unknown architecture",)),
        (("run", "fusemax", *BERT, "--arch", "missing.yaml"), ("there is no file",)),
        (("run", "fusemax", *BERT, "--arch", "flat"), ("LM needs 'max', which array2d cannot do",)),
        (("run", "fusemax", *BERT, "--accounting", "honest"), ("accounting",)),
        (("run", "fusemax", *BERT, "--frobnicate"), ("--frobnicate",)),
        (("run",), ()),
        (("rum", "fusemax"), ("rum",)),
        (("run", "", *BERT), ("names no mapping",)),
    ],
)  # fmt: skip
def test_refused(words, parts):
    refused(*words, parts=parts)


def test_help_has_an_example_of_each():
    for command in ("run", "sweep", "show"):
        outcome = einsim(command, "--help")
        assert outcome.code == 0
        assert f"einsim {command} " in outcome.out
        assert "Example" in outcome.out
    assert einsim("--version").out.strip()


def test_what_does_not_fit_is_said_to_spill():
    words = ("run", "flat", "--model", "BERT", "--seq-len", "64K")
    record = einsim(*words, "--json").json
    (rule,) = record["spills"]
    assert rule["level"] == "buffer"
    assert 0 < rule["proportion"] < 1
    assert f"96.03 MiB of 32 MiB; {rule['proportion']:.1%} of A, AV, K" in einsim(*words).out
    assert einsim("run", "fusemax", *BERT, "--json").json["spills"] == []


def test_huge_sizes_are_exact():
    record = einsim("run", "fusemax", "--shape", "B=1M,H=64,E=256,F=256,M=1G,P=1G", "--json").json
    assert record["einsums"]["BQK"]["operations"] == (1 << 20) * 64 * 256 * (1 << 60)
    assert record["feasible"]
