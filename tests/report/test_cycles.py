"""Pictures of cycle runs: what is drawn where, and that words fit."""

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, PathPatch
from matplotlib.text import Text

from einsim.errors import SpecError
from einsim.report import style
from einsim.report.occupancy import STATE, levels, occupancy, register_words, registers
from einsim.report.stalls import BUSY, shares, stalls
from einsim.report.timeline import timelines
from einsim.report.waterfall import colour, values, waterfall
from tests.report.runs import CONFIGURATIONS, machine, runs


def rendered(figure, kind="svg"):
    file = io.BytesIO()
    with style.saving():
        figure.savefig(file, format=kind, metadata=style.METADATA[kind])
    return file.getvalue()


def written(figure):
    """Text that can be seen, with its place on the page in points."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = []
    for text in figure.findobj(Text):
        inside = text.get_clip_on() is False or text.axes is None or text.get_window_extent().overlaps(text.axes.bbox)
        if text.get_text().strip() and text.get_visible() and inside:
            found.append((text.get_text(), text.get_window_extent(renderer)))
    return found


def boxes(axes):
    """Epoch -> [(left, right, row)] of the bars of a waterfall's panel."""
    found = {}
    for patch in axes.patches:
        label = str(patch.get_label()).split(" ")[0]
        if isinstance(patch, PathPatch) and label.isdigit():
            corners = patch.get_path().vertices.reshape(-1, 5, 2)
            rows = (corners[:, 0, 1] + corners[:, 1, 1]) / 2
            found.setdefault(int(label), []).extend(zip(corners[:, 0, 0], corners[:, 2, 0], rows, strict=True))
    return found


def arrows(axes):
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def pictures(configuration):
    each, built = runs(configuration), machine(configuration)
    return {
        "waterfall": waterfall(each, built, title=configuration),
        "occupancy": occupancy(each, built, title=configuration),
        "registers": registers(each, built, title=configuration),
        "stalls": stalls({configuration: each}, title=configuration),
    }


# Every picture.


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_words_are_on_the_page_and_do_not_touch(configuration):
    for name, figure in pictures(configuration).items():
        words = written(figure)
        assert configuration in [text for text, _ in words]
        page = figure.bbox
        for text, box in words:
            assert page.x0 <= box.x0, (name, text)
            assert box.x1 <= page.x1, (name, text)
            assert page.y0 <= box.y0, (name, text)
            assert box.y1 <= page.y1, (name, text)
        for (one, a), (other, b) in combinations(words, 2):
            apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
            assert apart, (name, one, other)


@pytest.mark.parametrize("configuration", ["fusemax", "unfused"])
def test_equal_pictures_are_equal_bytes(configuration):
    first, again = pictures(configuration), pictures(configuration)
    for name, figure in first.items():
        assert rendered(figure) == rendered(again[name])


# Waterfalls.


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_bars_are_where_slots_are(configuration):
    figure = waterfall(runs(configuration), machine(configuration))
    for axes, line in zip(figure.axes, timelines(runs(configuration), machine(configuration)), strict=True):
        window = line.steady(4)
        assert axes.get_xlim() == window
        drawn = boxes(axes)
        rows = line.inside(window)
        assert set(drawn) == set(rows[:, 1].tolist())
        for epoch, found in drawn.items():
            for left, right, row in found:
                assert window[0] <= left < right <= window[1]
                assert 0 < row < axes.get_ylim()[0]
            own = rows[rows[:, 1] == epoch]
            lefts, rights = np.array([(left, right) for left, right, _ in found]).T
            for first, end in np.clip(own[:, [4, 6]], *window).tolist():
                assert ((lefts <= first) & (rights >= end)).any()


def test_slots_are_drawn_one_by_one_where_a_cycle_is_wide():
    (line,) = timelines(runs("fusemax"), machine("fusemax"))
    first, _ = line.steady(1)
    window = (first, first + 100)
    axes = waterfall(runs("fusemax"), machine("fusemax"), window=window).axes[0]
    rows = line.inside(window)
    issued = sum(int(min(end, window[1]) - max(start, window[0])) for start, end in rows[:, [4, 6]].tolist())
    assert sum(right - left for found in boxes(axes).values() for left, right, _ in found) == issued
    assert not any(patch.get_hatch() for patch in axes.patches if isinstance(patch, PathPatch))


def test_slots_of_strands_that_take_turns_are_striped_when_seen_from_afar():
    axes = waterfall(runs("fusemax"), machine("fusemax")).axes[0]
    striped = {patch.get_label() for patch in axes.patches if isinstance(patch, PathPatch) and patch.get_hatch()}
    assert striped
    assert all(label.endswith("in turns") for label in striped)


def test_neighbouring_epochs_have_different_colours():
    assert all(len({colour(first + n) for n in range(12)}) == 12 for first in range(24))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_rows_are_the_strands_in_sight_by_resource(configuration):
    figure = waterfall(runs(configuration), machine(configuration))
    for axes, line in zip(figure.axes, timelines(runs(configuration), machine(configuration)), strict=True):
        strands = line.program.strands
        expected = {strands[bar.strand] for bar in line.bars(line.steady(4))}
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert sorted(labels) == sorted(each.name.removeprefix(f"{each.resource} ") for each in expected)
        bands = {text.get_text() for text in axes.texts}
        assert {each.resource for each in expected} <= bands


def test_arrows_follow_one_epoch_forward_in_time():
    (line,) = timelines(runs("fusemax"), machine("fusemax"))
    window = line.whole_tile()
    epoch = next(epoch for epoch, cycle in line.starts.items() if cycle == window[0])
    figure = waterfall(runs("fusemax"), machine("fusemax"), window=window, highlight=epoch)
    found = arrows(figure.axes[0])
    computing = [link for link in values(line) if line.program.strands[link.source].computes]
    there = [link for link in computing if len(line.instance(link.reader, epoch))]
    assert len(found) >= len(there) > 8
    for arrow in found:
        (start, _), (end, _) = arrow._posA_posB
        assert start <= end
    assert any(f"epoch {epoch} with" in text.get_text() for text in figure.texts)


def test_the_epoch_that_is_seen_best_is_followed_and_none_if_asked():
    assert arrows(waterfall(runs("architecture"), machine("architecture")).axes[0])
    assert not arrows(waterfall(runs("fusemax"), machine("fusemax"), highlight=-1).axes[0])


def test_thousands_of_epochs_take_few_artists():
    line = timelines(runs("unfused"), machine("unfused"))[1]
    assert line.run.epochs > 10_000
    axes = waterfall(runs("unfused"), machine("unfused"), window=(line.begin, line.end)).axes[0]
    assert len(axes.patches) < 100


def test_values_leave_out_what_others_imply():
    (line,) = timelines(runs("fusemax"), machine("fusemax"))
    pairs = {(link.source, link.reader) for link in values(line)}
    every = {(link.source, link.reader) for link in line.program.links}
    assert pairs < every
    assert not any((a, c) in pairs for a, b in pairs for b2, c in pairs if b == b2)


def test_a_panel_for_each_kernel_that_a_window_meets():
    each = runs("unfused")
    assert len(waterfall(each, machine("unfused")).axes) == 3
    edge = each[0].cycles
    figure = waterfall(each, machine("unfused"), window=(edge - 50, edge + 60))
    assert [axes.get_xlim() for axes in figure.axes] == [(edge - 50, edge), (edge, edge + 60)]


def test_what_a_log_does_not_cover_is_grey():
    line = timelines(runs("fusemax", skip=True), machine("fusemax"))[0]
    end = line.stretches[0][1]
    for draw in (waterfall, occupancy):
        figure = draw(runs("fusemax", skip=True), machine("fusemax"), window=(end - 200, end + 200))
        assert any("not in the log" in text.get_text().lower() for text in figure.texts)
        assert any(patch.get_x() == end for patch in figure.axes[0].patches if hasattr(patch, "get_x"))


def test_a_window_of_which_the_log_has_nothing_is_all_grey():
    line = timelines(runs("fusemax", skip=True), machine("fusemax"))[0]
    middle = (line.stretches[0][1] + line.stretches[1][0]) // 2
    for draw in (waterfall, occupancy):
        figure = draw(runs("fusemax", skip=True), machine("fusemax"), window=(middle, middle + 50))
        assert any("not in the log" in text.get_text().lower() for text in figure.texts)
        rendered(figure)


def test_a_window_outside_is_refused():
    for draw in (waterfall, occupancy):
        with pytest.raises(SpecError, match="no run in the window"):
            draw(runs("fusemax"), machine("fusemax"), window=(10**9, 10**9 + 5))


# Occupancy.


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_memories_hold_at_most_what_the_run_counted(configuration):
    for line in timelines(runs(configuration), machine(configuration)):
        if len(line.run.log) < line.run.simulated:
            continue
        for level in levels(line, machine(configuration)):
            assert level.total.max() == line.run.high_water[level.name]
            assert level.total.max() <= level.capacity
            assert all((words >= 0).all() for words in level.words.values())
            assert level.total[-1] == line.program.fixed[level.name] == level.words[STATE][0]


def test_areas_are_as_high_as_words():
    (line,) = timelines(runs("fusemax"), machine("fusemax"))
    (level,) = levels(line, machine("fusemax"))
    axes = occupancy(runs("fusemax"), machine("fusemax")).axes[0]
    tops = [
        collection.get_paths()[0].vertices[:, 1].max()
        for collection in axes.collections
        if collection.get_label() in level.words
    ]
    assert max(tops) == level.total.max()
    assert len(tops) == sum(words.any() for words in level.words.values())


def test_the_capacity_is_stated():
    for configuration in CONFIGURATIONS:
        axes = occupancy(runs(configuration), machine(configuration)).axes[0]
        words = machine(configuration).memories["buffer"].capacity_bytes // machine(configuration).word_bytes
        assert any(f"{words:,} words" in text.get_text() for text in axes.texts)


def test_registers_hold_each_tensor_once_and_leave_out_what_is_assumed():
    program, built = runs("cascade")[0].program, machine("cascade")
    every = register_words(program, built)
    tensor, level = next((tensor, level) for level, words in every.items() for tensor in words)
    less = register_words(program, built, {tensor: [level]})
    assert tensor in every[level]
    assert tensor not in less[level]
    figure = registers(runs("cascade"), built, assumed={tensor: [level]})
    drawn = [bar for bar in figure.axes[0].patches if bar.get_label()]
    assert sum(bar.get_width() for bar in drawn) == sum(sum(words.values()) for words in less.values())
    assert any(f"{tensor} in {level}" in text.get_text() for text in figure.texts)


# Stalls.


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_shares_add_up_to_all_cycles(configuration):
    total = sum(run.cycles for run in runs(configuration))
    for array, cycles in shares(runs(configuration)).items():
        assert sum(cycles.values()) == total, array
        assert cycles[BUSY] == sum(run.busy[array] for run in runs(configuration))


def test_a_bar_for_each_array_of_each_run():
    figure = stalls({name: runs(name) for name in CONFIGURATIONS})
    rows = {}
    for bar in figure.axes[0].patches:
        rows[bar.get_y()] = rows.get(bar.get_y(), 0.0) + bar.get_width()
    assert len(rows) == 2 * len(CONFIGURATIONS)
    assert list(rows.values()) == pytest.approx([100.0] * len(rows))
    assert set(CONFIGURATIONS) <= {text.get_text() for text in figure.axes[0].texts}
