"""Pictures of generated hardware: everything that is built is named, and no text is cut off or runs into another."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from einsim.cosim.campaign import watch
from einsim.cosim.moments import moments_of
from einsim.cosim.subject import load_subject
from einsim.errors import SpecError
from einsim.report.canvas import fitted
from einsim.report.diagram import diagram
from einsim.report.inside import insides, short
from einsim.report.waves import parts_of, runs_of, waves, window_of
from einsim.rtl.formats import INT8
from einsim.rtl.generator.host import Host
from einsim.spec.overrides import parse_override

SHAPE = {"E": 8, "F": 8, "M": 16, "P": 16}


def small(configuration: str, size: int, **more):
    """A small array; the 4 x 4 one is also built by other tests."""
    axes = ["arch.array2d.rows", "arch.array2d.columns"] + ["arch.array1d.lanes"] * (configuration == "fusemax-small")
    shape = {"K": 8, "M": 8, "N": 8} if configuration == "matmul-small" else SHAPE
    return load_subject(configuration, shape, overrides=[parse_override(f"{axis}={size}") for axis in axes], **more)


DESIGNS = {
    "attention": lambda: small("fusemax-small", 4),
    "attention of the usual size": lambda: load_subject("fusemax-small", {"E": 16, "F": 16}),
    "two by two": lambda: small("fusemax-small", 2),
    "matrix product": lambda: small("matmul-small", 4),
    "matrix product of integers": lambda: small("matmul-small", 4, operand=INT8),
}


def texts_of(figure):
    """Texts with where they are, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = [text for axes in figure.axes for text in axes.texts] + figure.texts
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found if text.get_text()]


def assert_clean(figure):
    texts = texts_of(figure)
    for text, box in texts:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    for (one, a), (other, b) in combinations(texts, 2):
        over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(over) <= 2.0, (one, other)


@pytest.mark.parametrize("name", DESIGNS)
def test_everything_that_is_built_is_named(name):
    generated = DESIGNS[name]().generated
    figure = diagram(generated)
    said = " | ".join(text for text, _ in texts_of(figure))
    for store in generated.hardware.stores:
        assert short(store) in said
        assert f"{store.words} × {store.format.name}" in said
    for duty in generated.hardware.duties:
        assert duty.strand.name.removeprefix(f"{duty.strand.resource} ") in said
    for inside in insides(generated):
        assert all(unit in said for unit in inside.units)
    assert_clean(figure)


def test_text_that_does_not_fit_is_smaller_and_then_cut():
    assert fitted("abc", 6.0, 100.0) == ("abc", 6.0)
    text, size = fitted("abcdefghij", 6.0, 30.0)
    assert size < 6.0
    assert text == "abcdefghij"
    text, _ = fitted("abcdefghij" * 5, 6.0, 40.0)
    assert text.endswith("…")
    assert len(text) > 5


@pytest.fixture(scope="module")
def watched(builds):
    subject = small("fusemax-small", 4)
    return subject, watch(subject, 2, builds)


def test_every_operation_has_its_place(watched):
    subject, run = watched
    found = moments_of(subject, run)
    host = Host(subject.hardware, subject.sizes)
    for duty in subject.hardware.duties:
        own = [(m.epoch, m.slot) for m in found[duty.strand.resource] if m.strand == duty.number]
        steps = [(epoch, unit * duty.slots + slot) for epoch, unit, _ in host.steps(duty) for slot in range(duty.slots)]
        assert own == steps, duty.strand.name
    for kind, array, skew in (("element last", "array2d", 3 + 3 + 2), ("lane last", "array1d", 3 + 2)):
        assert [m.first for m in found[kind]] == [m.first + skew for m in found[array]][: len(found[kind])]


def test_streams_are_written_down(watched):
    subject, run = watched
    moved = [int(((run.streams & both) == both).sum()) for both in (3, 12)]
    host = Host(subject.hardware, subject.sizes)
    assert moved == [sum(host.durations("load")), sum(host.durations("store"))]


@pytest.mark.parametrize("epoch", [None, 0, 15])
def test_waves_show_an_epoch_from_end_to_end(watched, epoch):
    subject, run = watched
    chosen = 8 if epoch is None else epoch
    found = moments_of(subject, run)
    begin, end = window_of(subject, found, chosen)
    drawn = [m for kind, each in found.items() for m in each if kind not in {"load", "store"} and m.epoch == chosen]
    assert all(begin <= m.first < end for m in drawn)
    figure = waves(subject, run, epoch)
    assert f"epoch {chosen}" in " ".join(text for text, _ in texts_of(figure))
    assert len(figure.axes) == len(parts_of((begin, end)))
    assert_clean(figure)


def test_parts_are_of_one_length_and_cover_the_window():
    for length in (1, 64, 65, 200, 5000):
        parts = parts_of((10, 10 + length))
        assert len({end - begin for begin, end in parts}) == 1
        assert parts[0][0] == 10
        assert parts[-1][1] >= 10 + length


def test_slots_that_follow_one_another_make_a_box(watched):
    subject, run = watched
    moments = moments_of(subject, run)["array1d"]
    boxes = runs_of(moments, (0, run.cycles))
    assert [m for box in boxes for m in box] == moments
    for box in boxes:
        assert [m.slot for m in box] == list(range(box[0].slot, box[-1].slot + 1))
        assert len({(m.strand, m.epoch) for m in box}) == 1


def test_an_epoch_that_there_is_not(watched):
    subject, run = watched
    with pytest.raises(SpecError, match="no epoch 16"):
        waves(subject, run, 16)
