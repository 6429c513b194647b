import xml.etree.ElementTree as ET

import pytest

from tests.cli.commands import einsim, refused

SIZES = "E=64,F=64,M=4K,P=4K,M0=256"
COMPULSORY = 4 * 64 * 4096 * 2


def test_curves():
    record = einsim("bound", "attention-3pass", "attention-1pass", "--sizes", SIZES, "--json").json
    assert record["word_bytes"] == 2
    assert record["capacities_bytes"] == [1 << power for power in range(10, 31)]
    three, one = record["cascades"]
    assert (three["cascade"], three["passes"], one["passes"]) == ("attention-3pass", 3, 1)
    assert three["compulsory_bytes"] == one["compulsory_bytes"] == COMPULSORY
    assert one["traffic_bytes"] == [COMPULSORY] * 21
    assert three["traffic_bytes"][0] == COMPULSORY + 2 * 64 * (4096 - 512) * 2  # 1 KiB holds 512 words of 4096
    assert three["traffic_bytes"][3:] == [COMPULSORY] * 18
    assert three["sizes"] == {"E": 64, "F": 64, "M": 4096, "P": 4096}


def test_words_and_batches():
    plain = einsim("bound", "attention-3pass", "--sizes", "E=64,F=64,M=4K,P=4K", "--json").json["cascades"][0]
    wide = einsim("bound", "attention-3pass", "--sizes", "E=64,F=64,M=4K,P=4K", "--word-bytes", "4", "--batch", "1K",
                  "--json").json["cascades"][0]  # fmt: skip
    assert wide["compulsory_bytes"] == 2 * 1024 * plain["compulsory_bytes"]
    assert wide["traffic_bytes"][1] == 2 * 1024 * plain["traffic_bytes"][0]  # twice the bytes hold as many words


def test_a_rank(tmp_path):
    file = tmp_path / "mine.cascade"
    file.write_text("cascade mine\ninput A[k], B[k]\noutput Z\nY = A[k] * B[k]\nZ = Y * A[k]\n")
    with_rank = einsim("bound", str(file), "--sizes", "K=1M", "--rank", "k", "--json").json["cascades"][0]
    without = einsim("bound", str(file), "--sizes", "K=1M", "--json").json["cascades"][0]
    assert (with_rank["passes"], without["passes"]) == (2, 0)
    assert with_rank["traffic_bytes"][0] - without["traffic_bytes"][0] == 2 * ((1 << 20) - 512)


def test_table():
    shown = einsim("bound", "attention-3pass", "attention-2pass", "attention-1pass", "--sizes", SIZES).out
    assert "1 KiB" in shown
    assert "1 GiB" in shown
    assert "attention-2pass" in shown


def test_figure(tmp_path):
    names = ("attention-3pass", "attention-deferred", "attention-1pass")
    record = einsim("bound", *names, "--sizes", SIZES, "--out", str(tmp_path), "--json").json
    assert record["files"] == [str(tmp_path / "bound.png"), str(tmp_path / "bound.svg")]
    assert (tmp_path / "bound.png").read_bytes().startswith(b"\x89PNG")
    text = "".join(ET.parse(tmp_path / "bound.svg").getroot().itertext())
    for word in (
        "attention-3pass, 3 passes",
        "attention-1pass, 1 pass",
        "Buffer capacity",
        "Least traffic (MiB)",
        "1 GiB",
    ):
        assert word in text
    before = (tmp_path / "bound.svg").read_bytes()
    assert "wrote" in einsim("bound", *names, "--sizes", SIZES, "--out", str(tmp_path)).out
    assert (tmp_path / "bound.svg").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bound.png", "bound.svg"]


@pytest.mark.parametrize("count", [1, 9])
def test_figures_of_few_and_many(tmp_path, count):
    names = ["attention-3pass", "attention-2pass", "attention-1pass", "attention-deferred", "attention-unstable",
             "attn-fa1", "attn-split1", "attn-naive2", "attn-localmax2"][:count]  # fmt: skip
    sizes = SIZES if count > 1 else "E=64,F=64,M=4K,P=4K"
    assert einsim("bound", *names, "--sizes", sizes, "--out", str(tmp_path)).code == 0


def test_refused(tmp_path):
    refused("bound", "--sizes", "M=4", parts=("no cascade",))
    refused("bound", "attention-3pass", parts=("--sizes",))
    refused("bound", "attention-3pas", "--sizes", "M=4", parts=("did you mean 'attention-3pass'",))
    refused("bound", "attention-3pass", "--sizes", "M=4", parts=("E",))
    refused("bound", "attention-1pass", "--sizes", f"{SIZES},N=3", parts=("--sizes", "N"))
    refused("bound", "attention-3pass", "--sizes", "M", parts=("--sizes",))
    refused("bound", "attention-1pass", "--sizes", SIZES, "--batch", "0", parts=("--batch",))
    refused("bound", "attention-1pass", "--sizes", SIZES, "--batch", "x", parts=("--batch",))
    refused("bound", "attention-1pass", "--sizes", SIZES, "--word-bytes", "0", parts=("--word-bytes",))
    refused("bound", "attention-1pass", "--sizes", SIZES, "--rank", "z", parts=("no rank 'z'",))
    (tmp_path / "file").write_text("")
    refused(
        "bound",
        "attention-1pass",
        "--sizes",
        SIZES,
        "--out",
        str(tmp_path / "file"),
        parts=("cannot write there", "--out"),
    )
