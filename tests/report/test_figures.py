"""Figures show the numbers of their frame, for every shape of sweep: read from artists, not pixels."""

import io
import itertools
import re
import threading

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch

from einsim.errors import SpecError
from einsim.report import style, wording
from einsim.report.figures import FigureKind, draw

SPEEDUP, ENERGY, UTILISATION, BREAKDOWN = FigureKind
AXES = ("configuration", "model", "seq_len")
PARTS = ("array1d.exp", "dram", "array2d.mac", "registers2d", "buffer", "array2d.max", "array2d.add")
RESULTS = ("latency_s", "energy_pj", "util_2d", "util_1d", *(f"energy_pj/{part}" for part in PARTS))


def sweep(axes, baseline=None, misfits=lambda **_: False, latency=None):
    """A frame over all combinations of axis values, with numbers that depend on the position alone."""
    rows = []
    for i, point in enumerate(itertools.product(*axes.values())):
        at = dict(zip(axes, point, strict=True))
        fits = not misfits(**{field.rpartition(".")[2]: value for field, value in at.items()})
        parts = {f"energy_pj/{part}": 1e11 * (1 + (i * 7 + j * 3) % 11) for j, part in enumerate(PARTS)}
        parts |= {"energy_pj/array2d.max": 1e6, "energy_pj/array2d.add": 2e6}
        numbers = {
            "latency_s": latency(i) if latency else 2.0 + (i * 5) % 7,
            "energy_pj": sum(parts.values()),
            "util_2d": ((i * 3) % 10) / 10 + 0.05,
            "util_1d": ((i * 7) % 10) / 10 + 0.05,
            **parts,
        }
        reason = None if fits else "buffer: needed 40 MiB, available 16 MiB"
        rows.append({**at, "feasible": fits, "reason": reason, **{k: v if fits else None for k, v in numbers.items()}})
    return against(pl.DataFrame(rows, infer_schema_length=None), tuple(axes), baseline)


def against(frame, axes, baseline):
    if not baseline:
        return frame.with_columns(speedup=pl.lit(None, pl.Float64), energy_ratio=pl.lit(None, pl.Float64))
    others = [axis for axis in axes if axis not in baseline]
    base = frame.filter([pl.col(axis) == value for axis, value in baseline.items()])
    base = base.select(*others, base_s="latency_s", base_pj="energy_pj")
    how = {"on": others, "how": "left", "maintain_order": "left"} if others else {"how": "cross"}
    return frame.join(base, **how).with_columns(
        speedup=pl.col("base_s") / pl.col("latency_s"), energy_ratio=pl.col("energy_pj") / pl.col("base_pj")
    )


def usual(**kept):
    lengths = [1024, 4096, 16384, 65536, 262144, 1048576]
    axes = {
        "configuration": ["a", "b", "c", "d", "e"],
        "model": ["BERT", "TrXL", "T5", "XLM"],
        "seq_len": lengths,
    }
    return sweep(axes, {"configuration": "b"}, **kept)


def rendered(figure, kind="svg"):
    file = io.BytesIO()
    with style.saving():
        figure.savefig(file, format=kind, metadata=style.METADATA[kind])
    return file.getvalue()


def bars(axes):
    """Label -> [(centre, bottom, top)] of the bars of a panel."""
    found = {}
    for patch in axes.patches:
        assert isinstance(patch, PathPatch)
        corners = patch.get_path().vertices.reshape(-1, 5, 2)
        centres = (corners[:, 0, 0] + corners[:, 2, 0]) / 2
        found[patch.get_label()] = list(zip(centres, corners[:, 0, 1], corners[:, 1, 1], strict=True))
    return found


def tops(axes):
    return {label: [top for _, _, top in drawn] for label, drawn in bars(axes).items()}


def texts(figure):
    return [text.get_text() for text in figure.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text()]


def data_lines(axes):
    return {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def marks(axes, shape):
    return [line for line in axes.lines if line.get_marker() == shape and line.get_linestyle() == "None"]


def column(frame, name, **where):
    return frame.filter([pl.col(axis) == value for axis, value in where.items()])[name].to_list()


# The usual sweep: five configurations, four models, six lengths.


@pytest.mark.parametrize(("kind", "name"), [(SPEEDUP, "speedup"), (ENERGY, "energy_ratio")])
def test_bars_are_as_high_as_the_frames_numbers(kind, name):
    frame = usual()
    figure = draw(kind, frame, axes=AXES, baseline={"configuration": "b"})
    assert len(figure.axes) == 4
    for axes, model in zip(figure.axes, ("BERT", "TrXL", "T5", "XLM"), strict=True):
        drawn = tops(axes)
        assert list(drawn) == ["a", "b", "c", "d", "e"]
        for configuration, heights in drawn.items():
            numbers = column(frame, name, configuration=configuration, model=model)
            geomean = np.exp(np.mean(np.log(numbers)))
            np.testing.assert_allclose(heights, [*numbers, np.mean(numbers), geomean], rtol=1e-12)
            assert all(bottom == 0.0 for _, bottom, _ in bars(axes)[configuration])


def test_means_are_written_above_their_bars_and_over_all_points_in_the_legend():
    frame = usual()
    figure = draw(SPEEDUP, frame, axes=AXES, baseline={"configuration": "b"})
    numbers = column(frame, "speedup", configuration="c", model="T5")
    written = [text.get_text() for text in figure.axes[2].texts]
    assert len(written) == 10
    assert wording.show_ratio(np.mean(numbers)) in written
    assert wording.show_ratio(np.exp(np.mean(np.log(numbers)))) in written
    everything = column(frame, "speedup", configuration="c")
    mean, geomean = np.mean(everything), np.exp(np.mean(np.log(everything)))
    assert legend(figure)[2] == f"c  {wording.show_ratio(mean)} / {wording.show_ratio(geomean)}"
    ticks = [label.get_text() for label in figure.axes[3].get_xticklabels()]
    assert ticks == ["1K", "4K", "16K", "64K", "256K", "1M", "mean", "geomean"]


def test_words_name_baseline_facets_and_axis():
    figure = draw(SPEEDUP, usual(), axes=AXES, baseline={"configuration": "b"}, title="Attention of 4 models")
    assert {"Speedup over b", "Sequence length (tokens)", "BERT", "XLM", "Attention of 4 models"} <= set(texts(figure))
    figure = draw(ENERGY, usual(), axes=AXES, baseline={"configuration": "b"})
    assert "Energy relative to b" in texts(figure)


def test_a_line_marks_the_baseline_at_one():
    for kind in (SPEEDUP, ENERGY, BREAKDOWN):
        for axes in draw(kind, usual(), axes=AXES, baseline={"configuration": "b"}).axes:
            assert any(list(line.get_ydata()) == [1.0, 1.0] for line in axes.lines)


def test_utilisation_has_a_row_of_panels_for_each_array_in_per_cent():
    frame = usual()
    figure = draw(UTILISATION, frame, axes=AXES, baseline={"configuration": "b"})
    assert len(figure.axes) == 8
    for axes, (name, model) in zip(
        figure.axes, itertools.product(("util_2d", "util_1d"), ("BERT", "TrXL", "T5", "XLM")), strict=True
    ):
        low, high = axes.get_ylim()
        assert low == 0
        assert 100 <= high <= 110
        for configuration, heights in tops(axes).items():
            shares = column(frame, name, configuration=configuration, model=model)
            np.testing.assert_allclose(heights, 100 * np.array(shares))
    assert {"2D array utilisation (%)", "1D array utilisation (%)"} <= set(texts(figure))


def test_utilisation_leaves_out_an_array_that_no_machine_has():
    figure = draw(UTILISATION, usual().drop("util_1d"), axes=AXES, baseline=None)
    assert len(figure.axes) == 4


def test_the_breakdown_stacks_parts_up_to_the_ratio():
    frame = usual()
    figure = draw(BREAKDOWN, frame, axes=AXES, baseline={"configuration": "b"})
    order = ["dram", "buffer", "registers2d", "array1d.exp", "array2d.mac", "array2d.2 others"]
    for axes, model in zip(figure.axes, ("BERT", "TrXL", "T5", "XLM"), strict=True):
        stacks = bars(axes)
        assert list(stacks) == order
        total = column(frame, "energy_ratio", model=model)
        np.testing.assert_allclose([top for _, _, top in stacks["array2d.2 others"]], total, rtol=1e-9)
        energy, dram = column(frame, "energy_pj", model=model), column(frame, "energy_pj/dram", model=model)
        heights = [top - bottom for _, bottom, top in stacks["dram"]]
        np.testing.assert_allclose(heights, np.array(dram) / np.array(energy) * np.array(total), rtol=1e-9)
        for below, above in itertools.pairwise(order):
            assert [top for _, _, top in stacks[below]] == [bottom for _, bottom, _ in stacks[above]]
    assert legend(figure) == [
        *("Memories", "dram", "buffer", "Register files", "registers2d"),
        *("array1d", "exp", "array2d", "mac", "2 others"),
    ]
    assert any("(1)\u00a0a, (2)\u00a0b" in text for text in texts(figure))


def test_panels_share_y_and_only_the_outer_ones_have_labels():
    figure = draw(SPEEDUP, usual(), axes=AXES, baseline={"configuration": "b"})
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert [bool(axes.get_yticks().size) for axes in figure.axes] == [True, False, True, False]
    assert [bool(axes.get_xticks().size) for axes in figure.axes] == [False, False, True, True]


def test_colours_follow_the_configuration_through_all_figures():
    seen = {}
    for kind in (SPEEDUP, ENERGY, UTILISATION):
        for axes in draw(kind, usual(), axes=AXES, baseline={"configuration": "b"}).axes:
            for patch in axes.patches:
                seen.setdefault(patch.get_label(), set()).add((patch.get_facecolor(), patch.get_hatch()))
    assert all(len(looks) == 1 for looks in seen.values())
    assert len({next(iter(looks)) for looks in seen.values()}) == 5


# Other sweeps.


def test_a_wide_range_is_logarithmic_and_bars_start_at_the_baseline():
    axes = {"configuration": ["a", "b"], "seq_len": [1024, 2048, 4096]}
    frame = sweep(axes, {"configuration": "a"}, latency=lambda i: [8.0, 8.0, 8.0, 0.1, 100.0, 8.0][i])
    panel = draw(SPEEDUP, frame, axes=tuple(axes), baseline={"configuration": "a"}).axes[0]
    assert panel.get_yscale() == "log"
    assert all(bottom == 1.0 for _, bottom, _ in bars(panel)["b"])
    assert [top for _, _, top in bars(panel)["b"]][:2] == pytest.approx([80.0, 0.08])
    low, high = panel.get_ylim()
    assert low < 0.08
    assert high > 80.0


@pytest.mark.parametrize("kind", FigureKind)
def test_numeric_series_and_axes_that_advance_together(kind):
    rows = [16, 32, 64, 128]
    axes = {"arch.array2d.rows": rows, "seq_len": [1024, 4096]}
    frame = sweep(axes, {"arch.array2d.rows": 64}).with_columns(
        pl.col("arch.array2d.rows").alias("arch.array2d.columns")
    )
    fields = ("arch.array2d.rows", "arch.array2d.columns", "seq_len")
    figure = draw(kind, frame, axes=fields, baseline={"arch.array2d.rows": 64})
    assert len(figure.axes) == (2 if kind is UTILISATION else 1)
    if kind is SPEEDUP:
        assert sorted(legend(figure)) == sorted(["array2d rows", "16", "32", "64", "128"])
        assert any("array2d\u00a0" in text or "rows\u00a0=\u00a064" in text for text in texts(figure))
    rendered(figure)


def test_many_values_of_a_numeric_axis_make_lines():
    sizes = [(30 - i) << 20 for i in range(30)]
    axes = {"configuration": ["a", "b"], "model": ["BERT", "T5"], "arch.buffer.capacity_bytes": sizes}
    frame = sweep(axes, {"configuration": "a"}, misfits=lambda configuration, capacity_bytes, **_: (
        configuration == "b" and capacity_bytes < 4 << 20
    ))  # fmt: skip
    figure = draw(SPEEDUP, frame, axes=tuple(axes), baseline={"configuration": "a"})
    assert len(figure.axes) == 2
    line = data_lines(figure.axes[1])["b"]
    ascending = frame.sort("arch.buffer.capacity_bytes")
    expected = np.array(column(ascending, "speedup", configuration="b", model="T5"), float)
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert list(line.get_xdata()) == sorted(sizes)
    assert np.isnan(line.get_ydata()[:3]).all()
    assert sum(len(mark.get_xdata()) for mark in marks(figure.axes[1], "x")) == 3
    assert "10 MiB" in [label.get_text() for label in figure.axes[1].get_xticklabels()]
    numbers = [number for number in column(frame, "speedup", configuration="b") if number is not None]
    assert legend(figure)[1].startswith(f"b  {wording.show_ratio(np.mean(numbers))} / ")


def test_values_that_grow_by_factors_stand_on_a_logarithmic_axis():
    axes = {"configuration": ["a", "b"], "seq_len": [1 << power for power in range(8, 22)]}
    panel = draw(UTILISATION, sweep(axes), axes=tuple(axes), baseline=None).axes[1]
    assert panel.get_xscale() == "log"
    assert "64K" in [label.get_text() for label in panel.get_xticklabels()]
    breakdown = draw(BREAKDOWN, sweep(axes), axes=tuple(axes), baseline=None).axes[0]
    assert len(bars(breakdown)["dram"]) == 28


@pytest.mark.parametrize("kind", FigureKind)
@pytest.mark.parametrize(
    ("axes", "baseline", "panels"),
    [
        ({"seq_len": [1024, 4096]}, None, 1),
        ({"seq_len": [1024, 4096]}, {"seq_len": 1024}, 1),
        ({"configuration": ["a", "b", "c"]}, {"configuration": "a"}, 1),
        ({"configuration": ["a"]}, None, 1),
        ({"configuration": ["a"], "model": ["BERT"], "seq_len": [1024]}, {"configuration": "a"}, 1),
        ({"configuration": list("abcdefgh"), "seq_len": [1024, 4096]}, {"configuration": "c"}, 1),
        ({"configuration": list("ab"), "model": list("1234567"), "seq_len": [1024, 4096]}, None, 7),
        ({"configuration": list("ab"), "model": ["T5", "XLM"], "batch": [1, 64], "seq_len": [1024]}, None, 4),
        ({"configuration": list("ab"), "mapping.order": [True, False]}, None, 1),
        ({"configuration": list("ab"), "mapping.order": ["x", None]}, None, 1),
        ({"configuration": list("ab"), "arch.clock_hz": [9.4e8, 1e9]}, {"configuration": "b"}, 1),
        (
            {"configuration": [f"machine number {i}" for i in range(30)]},
            {"configuration": "machine number 0"},
            1,
        ),
    ],
)
def test_every_shape_of_sweep_has_figures(kind, axes, baseline, panels):
    figure = draw(kind, sweep(axes, baseline), axes=tuple(axes), baseline=baseline)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == panels * (2 if kind is UTILISATION else 1)
    width, height = figure.get_size_inches()
    assert 3.4 < width < 7.2
    assert height < 9
    rendered(figure)
    rendered(figure, "png")


def test_seven_facets_take_two_rows():
    axes = {"configuration": list("ab"), "model": list("1234567"), "seq_len": [1024, 4096]}
    figure = draw(SPEEDUP, sweep(axes, {"configuration": "a"}), axes=tuple(axes), baseline={"configuration": "a"})
    assert len({round(panel.get_position().y0, 6) for panel in figure.axes}) == 2
    labelled = [bool(panel.get_xticks().size) for panel in figure.axes]
    assert labelled == [False, False, False, True, True, True, True]


def test_panels_do_not_overlap_and_stay_on_the_page():
    for kind in FigureKind:
        figure = draw(kind, usual(), axes=AXES, baseline={"configuration": "b"}, title="A title")
        boxes = [panel.get_position() for panel in figure.axes]
        assert all(0 < box.x0 < box.x1 <= 1 and 0 < box.y0 < box.y1 < 1 for box in boxes)
        for one, other in itertools.combinations(boxes, 2):
            assert one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0


def test_a_single_axis_of_names_makes_one_bar_each_in_its_own_colour():
    axes = {"configuration": ["a", "b", "c"]}
    frame = sweep(axes, {"configuration": "a"})
    figure = draw(SPEEDUP, frame, axes=tuple(axes), baseline={"configuration": "a"})
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["a", "b", "c"]
    assert [heights[0] for heights in tops(figure.axes[0]).values()] == frame["speedup"].to_list()
    assert not figure.legends


def test_there_are_no_means_over_an_axis_that_the_baseline_fixes():
    axes = {"configuration": ["a", "b"], "seq_len": [1024, 4096]}
    figure = draw(SPEEDUP, sweep(axes, {"seq_len": 1024}), axes=tuple(axes), baseline={"seq_len": 1024})
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1K", "4K"]


def test_without_a_baseline_numbers_are_absolute():
    axes = {"configuration": ["a", "b"], "seq_len": [1024, 4096]}
    frame = sweep(axes)
    figure = draw(SPEEDUP, frame, axes=tuple(axes), baseline=None)
    assert "Latency (s)" in texts(figure)
    assert tops(figure.axes[0])["b"] == column(frame, "latency_s", configuration="b")
    figure = draw(BREAKDOWN, frame, axes=tuple(axes), baseline=None)
    assert "Energy (J)" in texts(figure)
    last = list(tops(figure.axes[0]).values())[-1]
    np.testing.assert_allclose(last, np.array(frame["energy_pj"]) * 1e-12)


def test_totals_too_unlike_to_stack_are_shares_with_their_joules_above():
    frame = sweep({"configuration": ["a", "b"], "seq_len": [1024, 4096]})
    factor = pl.when(pl.col("seq_len") == 4096).then(1000.0).otherwise(1.0)
    frame = frame.with_columns(pl.col("^energy_pj.*$") * factor)
    figure = draw(BREAKDOWN, frame, axes=("configuration", "seq_len"), baseline=None)
    np.testing.assert_allclose(list(tops(figure.axes[0]).values())[-1], 100.0)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert wording.show_joules(frame["energy_pj"][0] * 1e-12) in written


# Points without numbers.


def cascade_misfits(configuration, seq_len, **_):
    return configuration == "c" and seq_len == 1048576


@pytest.mark.parametrize("kind", FigureKind)
def test_points_that_do_not_fit_are_marked(kind):
    figure = draw(kind, usual(misfits=cascade_misfits), axes=AXES, baseline={"configuration": "b"})
    assert all(len(marks(panel, "x")) == 1 for panel in figure.axes)
    assert any("does\u00a0not\u00a0fit" in text for text in texts(figure))
    if kind is not BREAKDOWN:
        centre = bars(figure.axes[0])["b"][5][0] + (bars(figure.axes[0])["b"][0][0] - bars(figure.axes[0])["a"][0][0])
        assert marks(figure.axes[0], "x")[0].get_xdata() == pytest.approx([centre])


def test_means_leave_out_what_does_not_fit_and_say_so():
    frame = usual(misfits=cascade_misfits)
    figure = draw(SPEEDUP, frame, axes=AXES, baseline={"configuration": "b"})
    numbers = [number for number in column(frame, "speedup", configuration="c", model="BERT") if number is not None]
    assert len(numbers) == 5
    assert tops(figure.axes[0])["c"][-2] == pytest.approx(np.mean(numbers))
    assert f"{wording.show_ratio(np.mean(numbers))}*" in [text.get_text() for text in figure.axes[0].texts]
    assert [label.endswith("*") for label in legend(figure)] == [False, False, True, False, False]
    assert any("points\u00a0that\u00a0have\u00a0a\u00a0number" in text for text in texts(figure))


def test_points_whose_baseline_does_not_fit_are_marked():
    frame = usual(misfits=lambda configuration, model, seq_len: (configuration, model, seq_len) == ("b", "T5", 4096))
    figure = draw(BREAKDOWN, frame, axes=AXES, baseline={"configuration": "b"})
    circles, crosses = marks(figure.axes[2], "o"), marks(figure.axes[2], "x")
    assert [len(line.get_xdata()) for line in (*circles, *crosses)] == [4, 1]
    assert any("no\u00a0baseline" in text for text in texts(figure))


@pytest.mark.parametrize("kind", FigureKind)
def test_a_sweep_in_which_nothing_fits_says_so(kind):
    frame = usual(misfits=lambda **_: True)
    figure = draw(kind, frame, axes=AXES, baseline={"configuration": "b"}, title="Hopeless")
    assert not figure.axes
    said = " ".join(texts(figure))
    assert "Hopeless" in said
    assert "120 of 120 points do not fit" in said
    assert "needed 40 MiB" in said
    rendered(figure)


def test_a_baseline_that_never_fits_leaves_nothing_to_compare_with():
    frame = usual(misfits=lambda configuration, **_: configuration == "b")
    said = " ".join(texts(draw(ENERGY, frame, axes=AXES, baseline={"configuration": "b"})))
    assert "24 of 120 points do not fit" in said
    assert len(draw(UTILISATION, frame, axes=AXES, baseline={"configuration": "b"}).axes) == 8


def test_a_sweep_with_holes_draws_what_is_there():
    frame = usual().filter(~((pl.col("configuration") == "d") & (pl.col("model") == "T5")))
    figure = draw(SPEEDUP, frame, axes=AXES, baseline={"configuration": "b"})
    assert "d" not in bars(figure.axes[2])
    assert not marks(figure.axes[2], "x")


# Errors.


def test_an_empty_sweep_is_refused():
    with pytest.raises(SpecError, match="without points"):
        draw(SPEEDUP, usual().clear(), axes=AXES, baseline=None)


def test_unknown_axes_are_refused_with_the_known_ones():
    with pytest.raises(SpecError, match=r"no column 'colour'.*known: configuration"):
        draw(SPEEDUP, usual(), axes=("colour",), baseline=None)


def test_no_axes_are_refused():
    with pytest.raises(SpecError, match="needs an axis"):
        draw(SPEEDUP, usual(), axes=(), baseline=None)


def test_two_results_at_one_place_are_refused():
    with pytest.raises(SpecError, match="several results at one place of configuration, seq_len"):
        draw(SPEEDUP, usual(), axes=("configuration", "seq_len"), baseline=None)


# Files.


@pytest.mark.parametrize("kind", FigureKind)
@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_equal_figures_are_equal_bytes(kind, form):
    once, again = (
        rendered(draw(kind, usual(misfits=cascade_misfits), axes=AXES, baseline={"configuration": "b"}), form)
        for _ in range(2)
    )
    assert once == again


def test_svg_keeps_text_as_text_and_has_no_date():
    svg = rendered(draw(SPEEDUP, usual(), axes=AXES, baseline={"configuration": "b"})).decode()
    assert re.search(r"<text[^>]*>Speedup over b</text>", svg)
    assert "dc:date" not in svg


def test_drawing_leaves_the_callers_frame_and_settings_alone():
    import matplotlib as mpl

    frame, settings = usual(), dict(mpl.rcParams)
    copy = frame.clone()
    rendered(draw(BREAKDOWN, frame, axes=AXES, baseline={"configuration": "b"}))
    assert frame.equals(copy)
    assert dict(mpl.rcParams) == settings


def test_names_are_not_read_as_formulas_or_hidden():
    axes = {"configuration": ["_$a$", "b" * 60], "model": ["$\\frac$"], "seq_len": [1024, 4096]}
    figure = draw(SPEEDUP, sweep(axes, {"configuration": "_$a$"}), axes=AXES, baseline={"configuration": "_$a$"})
    assert legend(figure) == ["_$a$", "…" + "b" * 23]
    assert "_$a$" in rendered(figure).decode()


def test_threads_draw_the_same():
    frame = usual()
    expected = rendered(draw(SPEEDUP, frame, axes=AXES, baseline={"configuration": "b"}))
    results = []

    def work():
        results.append(rendered(draw(SPEEDUP, frame, axes=AXES, baseline={"configuration": "b"})))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_huge_sweeps_are_thinned_and_say_so():
    axes = {"configuration": [f"c{i}" for i in range(30)], "mapping.tile": [f"t{i}" for i in range(200)]}
    figure = draw(UTILISATION, sweep(axes), axes=tuple(axes), baseline=None)
    assert "Shown: 15 of 30 series, 67 of 200 groups" in texts(figure)
    assert len(tops(figure.axes[0])) == 15


def test_few_artists_draw_the_bars():
    figure = draw(BREAKDOWN, usual(), axes=AXES, baseline={"configuration": "b"})
    assert sum(len(panel.patches) for panel in figure.axes) == 24
    assert all(isinstance(line, Line2D) for panel in figure.axes for line in panel.lines)


# Words and scales.


@pytest.mark.parametrize(
    ("axis", "value", "shown"),
    [
        ("seq_len", 4096, "4K"),
        ("seq_len", 1 << 20, "1M"),
        ("batch", 64, "64"),
        ("workload.M", 1500, "1500"),
        ("arch.buffer.capacity_bytes", 16 << 20, "16 MiB"),
        ("arch.dram.bandwidth_bytes_per_s", 400 << 30, "400 GiB/s"),
        ("arch.clock_hz", 940e6, "940 MHz"),
        ("arch.array2d.mac.energy_pj", 17.1645, "17.2"),
        ("mapping.order", None, "none"),
        ("mapping.order", True, "True"),
        ("configuration", "a\nb", "a b"),
    ],
)
def test_axis_values_in_words(axis, value, shown):
    assert wording.show_value(axis, value) == shown


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("seq_len", "Sequence length (tokens)"),
        ("configuration", "Configuration"),
        ("arch.array2d.rows", "array2d rows"),
        ("arch.buffer.capacity_bytes", "buffer capacity"),
        ("arch.array2d.operations.mac.energy_pj", "mac energy (pJ)"),
        ("mapping.P1", "P1"),
    ],
)
def test_axes_in_words(axis, words):
    assert wording.axis_label(axis) == words


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (6.72, "6.7×"),
        (15.2, "15×"),
        (0.823, "0.82×"),
        (1.04, "1.04×"),
        (1 / 256, "0.0039×"),
        (12345.0, "12000×"),
    ],
)
def test_ratios_in_words(ratio, shown):
    assert wording.show_ratio(ratio) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0.0, "0"), (0.25, "0.25"), (1500.0, "1500"), (1e6, "10⁶"), (2e-7, "2×10⁻⁷")]
)
def test_numbers_in_words(number, shown):
    assert wording.show_number(number) == shown


def test_ticks_are_round_and_few():
    assert style.linear_ticks(0.0, 10.0) == [0, 2, 4, 6, 8, 10]
    assert style.log_ticks(0.4, 60.0) == pytest.approx([0.5, 1, 2, 5, 10, 20, 50])
    for high in np.geomspace(1e-9, 1e12, 57):
        assert 2 <= len(style.linear_ticks(0.0, high)) <= 7
        assert len(style.log_ticks(high / 1e9, high)) <= 7


def test_parts_are_grouped_by_the_structure_of_their_names():
    assert style.part_groups(["cube.exp", "regs", "hbm", "row.add", "cube.mac", "sram"]) == [
        ("Memories", ["hbm", "sram"]),
        ("Register files", ["regs"]),
        ("cube", ["cube.exp", "cube.mac"]),
        ("row", ["row.add"]),
    ]


def test_looks_differ():
    for values in (list("abcdefghijklmnop"), [16, 32, 64, 128, 256]):
        looks = style.series_looks(values)
        assert len({(look.colour, look.hatch) for look in looks}) == len(values)
    parts = ["dram", "buffer", "registers", *(f"x.{i}" for i in range(5)), *(f"y.{i}" for i in range(5))]
    looks = style.part_looks(style.part_groups(parts))
    assert len({(look.colour, look.hatch) for look in looks.values()}) == len(parts)


@pytest.mark.parametrize(
    ("axis", "value", "shown"),
    [
        ("configuration", "b", "b"),
        ("configuration", "../mine/b.yaml", "b"),
        ("architecture", "b", "Architecture\u00a0=\u00a0b"),
        ("arch.buffer.capacity_bytes", "16 MiB", "buffer capacity\u00a0=\u00a016 MiB"),
        ("arch.array2d.rows", 8, "array2d rows\u00a0=\u00a08"),
    ],
)
def test_a_value_alone_says_of_which_field(axis, value, shown):
    assert wording.show_named(axis, value) == shown


@pytest.mark.parametrize("series", [4, 9, 10, 12, 24])
def test_numbers_below_bars_do_not_touch(series):
    axes = {"configuration": [f"c{i}" for i in range(series)], "model": ["BERT", "XLM"], "seq_len": [1024, 4096, 8192]}
    figure = draw(BREAKDOWN, sweep(axes, {"configuration": "c1"}), axes=AXES, baseline={"configuration": "c1"})
    for panel in figure.axes:
        numbers = [text for text in panel.texts if text.get_text().isdigit()]
        boxes = sorted((text.get_window_extent().x0, text.get_window_extent().x1) for text in numbers)
        assert all(right <= left for (_, right), (left, _) in itertools.pairwise(boxes))
