import base64
import hashlib
import io
import itertools
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cnnlib import figures
from cnnlib.figures import grids, style

ALT = "Two curves that fall and then part"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
random = np.random.default_rng(7)
PHOTOS = random.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
COUNTS = random.integers(0, 90, (10, 10)) + 910 * np.eye(10, dtype=int)


def run(rate, epochs=12):
    fall = np.exp(-rate * np.arange(epochs))
    half = {
        "loss": 2 * fall,
        "val_loss": 2 * fall + 0.3,
        "accuracy": 0.9 - 0.7 * fall,
        "val_accuracy": 0.8 - 0.6 * fall,
    }
    return {name: values.tolist() for name, values in half.items()}


DIVERGED = {"loss": [2.3, 9.0, 80.0, np.nan, np.inf, -np.inf], "val_loss": [4.0, *[np.nan] * 5]}
NOTHING = {"loss": [np.nan] * 3, "val_loss": [np.inf] * 3}

GALLERY = {
    "photos": lambda: figures.image_grid(PHOTOS),
    "photos with titles": lambda: figures.image_grid(PHOTOS, [f"{name}\nnot automobile" for name in CLASSES[:9]]),
    "numbers": lambda: figures.numbers_grid(
        np.arange(25).reshape(5, 5),
        np.array([[-1, 0, 1]] * 3),
        np.full((3, 3), -12),
        highlight=[(0, 1, 3, 3), None, (0, 1, 1, 1)],
        titles=["input", "kernel", "output"],
        symbols=["∗", "="],
    ),
    "numbers, floats": lambda: figures.numbers_grid(random.normal(0, 9, (4, 4)), random.normal(0, 9, (2, 2))),
    "kernels": lambda: figures.kernels(random.normal(0, 1, (5, 5, 3, 10)), ["red", "green", "blue"]),
    "kernels in colour": lambda: figures.kernels(random.normal(0, 1, (3, 3, 3, 6)), colour=True),
    "one kernel": lambda: figures.kernels(np.zeros((3, 3, 1, 1))),
    "maps": lambda: figures.feature_maps(random.normal(0, 1, (16, 16, 6))),
    "maps, shared": lambda: figures.feature_maps(random.normal(0, 1, (16, 16, 6)), shared=True),
    "maps, signed": lambda: figures.feature_maps(random.normal(0, 1, (9, 16, 3)), ["x", "y", "sum"], signed=True),
    "curves": lambda: figures.curves(run(0.3)),
    "curves, one epoch": lambda: figures.curves({"loss": [1.0]}, "loss"),
    "curves of five": lambda: figures.curves({f"network {i}": run(0.2 + i / 50) for i in range(5)}, "accuracy"),
    "curves, diverged": lambda: figures.curves(DIVERGED, "loss"),
    "curves, no number": lambda: figures.curves(NOTHING, "loss"),
    "curves, some without a number": lambda: figures.curves({"a": DIVERGED, "b": NOTHING, "c": run(0.2)}, "loss"),
    "small multiples, diverged": lambda: figures.small_multiples({"a": DIVERGED, "b": NOTHING}, {}, "loss"),
    "small multiples": lambda: figures.small_multiples({f"network {i}": run(0.2 + i / 9) for i in range(5)}),
    "small multiples, laid over": lambda: figures.small_multiples(
        {"one": run(0.3), "mine alone": {}}, {"one": [run(0.1, 4)], "mine alone": [run(0.2)]}, "loss"
    ),
    "scatter": lambda: figures.scatter(
        {"small": (5e5, [56.0, 52.8]), "twin": (5.1e5, [55.9]), "mine": (5e5, [54.0]), "large": (6e8, [80.0])},
        "multiply-accumulates",
        "test accuracy, %",
        marked=["mine"],
    ),
    "windows": lambda: figures.windows({"valid": (7, 3, 3), "same": (8, 3, 2, "same"), "gaps": (9, 3, 1, 0, 2)}),
    "counts": lambda: figures.counts(COUNTS[:7, :7], np.eye(5, dtype=int), titles=["read", "stamps"]),
    "confusion": lambda: figures.confusion_matrix(COUNTS, CLASSES),
    "confusion of two": lambda: figures.confusion_matrix([[5, 0], [0, 0]], ["cat", "dog"]),
    "bars": lambda: figures.bars([101770, 0, 150528000], ["small grey picture", "none", "photo"], xlabel="parameters"),
    "bars, log": lambda: figures.bars([10, 456, 138357544], ["filter", "layer", "VGG16"], log=True),
    "dense network": lambda: figures.dense_network(),
    "small dense network": lambda: figures.dense_network((3, 8, 9, 1)),
    "pipeline": lambda: figures.pipeline(
        [("image", "32×32×3"), ("features", "convolution, pooling"), "dense", "class"]
    ),
    "long pipeline": lambda: figures.pipeline([("C", "6 filters of 5×5, same " * 3), *"BAPD", "Flatten"]),
    "block 3x3x1": lambda: figures.block_3d(3, 3, 1),
    "block 5x5x3": lambda: figures.block_3d(5, 5, 3),
    "block 2x8x8": lambda: figures.block_3d(2, 8, 8),
    "split": lambda: figures.split_bar([45000, 500, 10000], ["training", "validation", "test"]),
}
every_figure = pytest.mark.parametrize("draw", GALLERY.values(), ids=GALLERY.keys())


def colours(svg):
    return set(re.findall(r"#[0-9a-fA-F]{6}(?=[;\"])", re.sub(r'(href|id)="[^"]*"', "", svg)))


@every_figure
def test_both_svgs_hold_palette_colours_only_and_differ_in_nothing_else(draw):
    figure = figures.mime_bundle(draw(), ALT)[0][figures.FIGURE_MIME]
    assert colours(figure["light"]) <= set(figures.DARK) and colours(figure["dark"]) <= set(figures.DARK.values())
    assert figures.INK in figure["light"] and figures.INK not in figure["dark"]
    light, dark = (ElementTree.fromstring(figure[theme]) for theme in ("light", "dark"))
    for one, other in zip(light.iter(), dark.iter(), strict=True):
        plain = [{key: re.sub(r"#[0-9a-f]{6}\b", "#", value) for key, value in e.attrib.items()} for e in (one, other)]
        assert one.tag == other.tag and plain[0] == plain[1]


def within(place, ends):
    return min(ends) <= place <= max(ends)


@every_figure
def test_every_text_is_large_enough_inside_the_figure_and_apart_from_the_others(draw):
    fig = draw()
    canvas = FigureCanvasAgg(fig)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph, a layout that does not fit
        canvas.draw()
    axes = [axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)]
    beyond = [
        t.label1 for axis in axes for t in axis.get_major_ticks() if not within(t.get_loc(), axis.get_view_interval())
    ]
    texts = [
        text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in beyond
    ]
    boxes = []
    for text in texts:
        least = grids.SMALLEST if text.get_text().strip("−.0123456789") == "" else style.SMALL
        assert text.get_fontsize() >= least, text
        box = Text.get_window_extent(text)  # without an annotation's leader
        assert box.x0 >= -0.5 and box.y0 >= -0.5, text
        assert box.x1 <= fig.bbox.width + 0.5 and box.y1 <= fig.bbox.height + 0.5, text
        boxes.append(box.shrunk(0.9, 0.9))
    for (one, a), (other, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        assert not a.overlaps(b), (one, other)


def test_the_bundle_holds_one_figure_three_times():
    fig = figures.image_grid(PHOTOS[:2])
    data, metadata = figures.mime_bundle(fig, "Two  noisy\npictures side by side")
    assert set(data) == {"image/png", "text/plain", figures.FIGURE_MIME}
    assert data["text/plain"] == "Two noisy pictures side by side" == data[figures.FIGURE_MIME]["alt"]
    assert set(data[figures.FIGURE_MIME]) == {"light", "dark", "alt", "width"}
    png = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert png.getpixel((2, png.height - 2)) == (255, 255, 255)
    assert png.width == 750 and metadata["image/png"]["width"] == data[figures.FIGURE_MIME]["width"] == 480
    assert png.height / png.width == pytest.approx(metadata["image/png"]["height"] / 480, abs=0.01)


def test_a_caption_travels_with_the_page_and_is_written_below_the_png():
    fig = figures.curves(run(0.3))
    plain, _ = figures.mime_bundle(fig, ALT)
    data, metadata = figures.mime_bundle(fig, ALT, caption="What training does. " * 6)
    assert data[figures.FIGURE_MIME]["caption"].startswith("What training does.")
    assert data[figures.FIGURE_MIME]["light"] == plain[figures.FIGURE_MIME]["light"]
    small, tall = (Image.open(io.BytesIO(base64.b64decode(d["image/png"]))).convert("L") for d in (plain, data))
    assert tall.width == small.width and tall.height > small.height + 60
    assert np.asarray(tall)[small.height :].min() < 100  # something dark is written there
    change = np.asarray(tall)[: small.height].astype(int) - np.asarray(small)
    assert abs(change).mean() < 3  # the figure above it is the same, to a part of a pixel
    assert metadata["image/png"]["height"] == round(tall.height / 150 * 96)
    with pytest.raises(ValueError, match="caption"):
        figures.mime_bundle(fig, ALT, caption="  ")


def test_pixels_are_embedded_as_they_are():
    svg = figures.mime_bundle(figures.image_grid(PHOTOS[:2]), ALT)[0][figures.FIGURE_MIME]["light"]
    found = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    embedded = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in found]
    assert len(embedded) == 2 and svg.count("image-rendering:pixelated") == 2
    assert all(np.array_equal(one, photo) for one, photo in zip(embedded, PHOTOS, strict=False))


def test_a_second_process_draws_the_same_bytes():
    code = (
        "import hashlib, numpy as np; from cnnlib import figures as f;"
        "figs = [f.curves({'loss': [3, 2, 1], 'val_loss': [3, 2, 2]}, 'loss'), f.confusion_matrix([[5, 1], [2, 7]], ['a', 'b']),"
        "f.image_grid(np.arange(192).reshape(1, 8, 8, 3).astype('uint8')), f.block_3d(3, 3, 3)];"
        "print(*[hashlib.sha256(repr(f.mime_bundle(fig, 'three words long')).encode()).hexdigest() for fig in figs])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1 and len(set(printed.pop().split())) == 4
    one, two = (repr(figures.mime_bundle(GALLERY["dense network"](), ALT)) for _ in range(2))
    assert hashlib.sha256(one.encode()).digest() == hashlib.sha256(two.encode()).digest()


@pytest.mark.parametrize("alt", [None, "", "   \n", "too short", "aaaaaaaaaaaaaaaaaaaa", "An image of a dog that runs"])
def test_no_alt_no_figure(alt):
    with pytest.raises(ValueError, match="alt"):
        figures.show(figures.block_3d(1, 1, 1), alt=alt)
    with pytest.raises(TypeError, match="alt"):
        figures.show(figures.block_3d(1, 1, 1), alt=3)


def test_a_colour_outside_the_palette_is_refused_by_name():
    fig, ax = figures.subplots()
    ax.plot([1, 2], color="red")
    with pytest.raises(ValueError, match="#ff0000.*cnnlib.figures"):
        figures.show(fig, alt=ALT)


def test_black_of_matplotlib_turns_light_on_a_dark_page():
    fig, ax = figures.subplots()
    ax.text(0.5, 0.5, "black", color="black")
    ax.plot([0, 1], color="black")
    figure = figures.mime_bundle(fig, ALT)[0][figures.FIGURE_MIME]
    assert "#000000" in figure["light"] and "#000000" not in figure["dark"]
    assert ElementTree.fromstring(figure["light"]).get("fill") == figures.INK  # Matplotlib omits a black fill
    assert ElementTree.fromstring(figure["dark"]).get("fill") == figures.DARK[figures.INK]


def test_outside_ipython_the_alt_text_is_printed_and_nothing_heavy_loaded():
    code = (
        "import sys; from cnnlib import figures; figures.show(figures.dense_network(), alt='A dense network of three layers');"
        "assert not {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[Figure: A dense network of three layers]\n"), done.stderr


def test_a_notebook_gets_one_output_and_pyplot_adds_none():
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    source = (
        "import matplotlib.pyplot as plt\nfrom cnnlib import figures\n"
        "fig = plt.figure()\nfig.gca().plot([1, 2], color=figures.BLUE)\n"
        "figures.show(fig, alt='A line that rises from one to two')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    nbformat.validate(notebook)
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"image/png", "text/plain", figures.FIGURE_MIME}
    assert output.data["text/plain"] == output.metadata["image/png"]["alt"] == "A line that rises from one to two"


def test_drawing_leaves_the_readers_own_settings_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    GALLERY["confusion of two"](), GALLERY["bars"]()
    figures.mime_bundle(figures.curves(run(0.3)), ALT)
    assert dict(matplotlib.rcParams) == before


# The palette, by published formulas.


def linear(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG 2.2, contrast ratio of relative luminances."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def blend(colour, opacity, page):
    parts = [(int(colour[i : i + 2], 16), int(page[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * top + (1 - opacity) * under):02x}" for top, under in parts)


THEMES = {"light": lambda colour: colour, "dark": figures.DARK.__getitem__}


@pytest.mark.parametrize("theme", THEMES)
def test_lines_and_texts_have_contrast(theme):
    colour = THEMES[theme]
    page, panel, mark = colour(figures.PAPER), colour(figures.PANEL), colour(figures.MARK)
    for text, ground in itertools.product([figures.INK, figures.MUTED, *figures.SERIES], [page, panel]):
        assert contrast(colour(text), ground) >= 4.5, (text, ground)  # 1.4.3: series name their lines in colour
    assert contrast(colour(figures.INK), mark) >= 4.5
    assert min(contrast(colour(line), mark) for line in [figures.MUTED, *figures.SERIES]) >= 3  # 1.4.11
    for share in np.linspace(0, 1, 21):  # the counts of a confusion matrix, in cells of every depth
        cell = blend(colour(figures.BLUE), grids.STRONGEST * share, page)
        assert contrast(colour(figures.INK), cell) >= 4.5


# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(rgb):
    """CIE 1976 L*a*b* of linear sRGB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    x, y, z = np.where((t := xyz / [0.9505, 1, 1.089]) > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_series_differ_for_every_kind_of_colour_vision(theme, vision):
    seen = [lab(np.array(VISION[vision]) @ linear(THEMES[theme](colour))) for colour in figures.SERIES]
    distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
    assert min(distances) > 15  # Okabe and Ito's own eight colours come as near as 10


def test_series_differ_without_any_colour():
    fig = figures.curves({name: run(0.2 + i / 10) for i, name in enumerate("abcde")}, "loss")
    lines = fig.axes[0].get_lines()
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == len(lines) == 10


# What the figures say.


def said(fig):
    return [text.get_text() for text in fig.findobj(Text) if text.get_text()]


def test_the_dense_network_and_the_filters_count_their_parameters():
    assert sum(text.endswith(("= 100,480", "= 1,290")) for text in said(figures.dense_network())) == 2
    for shape, params in (((3, 3, 1), 10), ((3, 3, 3), 28), ((5, 5, 3), 76)):  # the three filters of the notes
        fig = figures.block_3d(*shape)
        assert any(text.endswith(f"= {params} parameters") for text in said(fig))
        (cubes,) = fig.axes[0].collections
        assert len(cubes.get_paths()) == 3 * 2 * params  # a cube shows three faces, paper and tint


def test_numbers_grid_marks_the_window():
    fig = figures.numbers_grid(np.array([[1.5, -2.25], [-0.001, 7.0]]), highlight=(0, 1, 2, 1))
    assert said(fig) == ["1.5", "−2.25", "0", "7"]
    marked = [p.get_xy() for p in fig.axes[0].patches if p.get_fill() and p.get_facecolor()[2] < 0.9]
    assert len(marked) == 2 and len({x for x, _ in marked}) == 1


def test_maps_are_scaled_each_on_its_own_or_together():
    maps = np.stack([np.arange(4.0).reshape(2, 2), 10 * np.arange(4.0).reshape(2, 2) - 6], axis=-1)

    def limits(fig):
        return [image.get_clim() for image in fig.axes[0].get_images()[:2]]

    assert limits(figures.feature_maps(maps)) == [(0, 3), (-6, 24)]
    assert limits(figures.feature_maps(maps, shared=True)) == [(-6, 24)] * 2
    assert limits(figures.feature_maps(maps, signed=True)) == [(-3, 3), (-24, 24)]
    dead = np.stack([np.zeros((2, 2)), 0.5 * np.eye(2)], axis=-1)
    assert limits(figures.feature_maps(dead, signed=True)) == [(-1, 1), (-0.5, 0.5)]  # zero is the middle: white
    assert limits(figures.feature_maps(dead, signed=True, shared=True)) == [(-0.5, 0.5)] * 2
    fig = figures.kernels(np.array([-2.0, 1.0]).reshape(1, 1, 1, 2))
    assert limits(fig) == [(-2, 2)] * 2
    assert fig.axes[0].get_images()[0].cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)  # zero is white
    assert (
        matplotlib.colors.to_hex(fig.axes[0].get_images()[0].cmap(1.0)) == figures.BLUE
    )  # positive, as in the calculators


def test_curves_draw_the_history_and_know_kerass_own_object():
    history = type("History", (), {"history": run(0.3, epochs=5)})()
    train, validation = figures.curves(history, "accuracy").axes[0].get_lines()
    assert train.get_xdata().tolist() == [1, 2, 3, 4, 5] and train.get_linestyle() == "-"
    assert validation.get_ydata().tolist() == history.history["val_accuracy"] and validation.get_linestyle() == "--"


def test_what_is_no_number_is_a_gap_and_the_name_stands_at_the_last_number():
    fig = figures.curves({"diverged": {"loss": DIVERGED["loss"]}, "nothing": NOTHING}, "loss")
    (ax,) = fig.axes
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [2.3, 9, 80, np.nan, np.nan, np.nan])
    assert ax.get_xlim()[1] > 6
    named = {text.get_text(): text for text in ax.texts}
    assert named["diverged"].xy == (3, 80) and named["diverged"].arrow_patch is not None
    assert named["nothing"].arrow_patch is None
    fig = figures.small_multiples({"diverged": DIVERGED}, metric="loss")
    np.testing.assert_array_equal(fig.axes[0].get_lines()[1].get_ydata(), [4.0, *[np.nan] * 5])
    assert fig.axes[0].get_xlim()[1] > 6


BAD = {
    "images, channels": (lambda: figures.image_grid(np.zeros((1, 4, 4, 2))), ValueError, r"images\[0\].*\(4, 4, 2\)"),
    "images, none": (lambda: figures.image_grid([]), ValueError, "images"),
    "images, range": (lambda: figures.image_grid([np.full((4, 4), 9.0)]), ValueError, "from 9.0 to 9.0"),
    "images, NaN": (lambda: figures.image_grid([np.full((4, 4), np.nan)]), ValueError, "finite"),
    "images, text": (lambda: figures.image_grid(["cat"]), TypeError, r"images\[0\]"),
    "titles, count": (lambda: figures.image_grid(PHOTOS, ["cat"]), ValueError, "titles must hold 9"),
    "titles, one text": (lambda: figures.image_grid(PHOTOS, "cat"), TypeError, "titles"),
    "columns": (lambda: figures.image_grid(PHOTOS, columns=0), ValueError, "columns"),
    "w, axes": (lambda: figures.kernels(np.zeros((3, 3, 3))), ValueError, r"w must.*\(3, 3, 3\)"),
    "w, many": (lambda: figures.kernels(np.zeros((3, 3, 64, 64))), ValueError, "w has 64 x 64"),
    "w, colour": (lambda: figures.kernels(np.zeros((3, 3, 4, 2)), colour=True), ValueError, "3 input channels"),
    "maps": (lambda: figures.feature_maps(np.zeros((1, 8, 8, 3))), ValueError, "maps"),
    "numbers, ragged": (lambda: figures.numbers_grid([[1], [1, 2]]), ValueError, r"arrays\[0\].*different lengths"),
    "numbers, wide": (lambda: figures.numbers_grid(np.zeros((2, 40)) + 1000), ValueError, "arrays"),
    "highlight": (lambda: figures.numbers_grid(np.eye(3), highlight=(1, 1, 3, 3)), ValueError, "highlight"),
    "highlight, form": (lambda: figures.numbers_grid(np.eye(3), highlight=(1, 1)), ValueError, "highlight"),
    "windows": (lambda: figures.windows({}), ValueError, "panels must be a dict with one row"),
    "counts, none": (lambda: figures.counts(), ValueError, "arrays: give at least one"),
    "counts, titles": (lambda: figures.counts(np.eye(2), np.eye(3), titles=["a"]), ValueError, "titles must hold 2"),
    "counts, negative": (lambda: figures.counts([[1, -2]]), ValueError, r"arrays\[0\] must hold whole.*from 0, got -2"),
    "counts, parts": (lambda: figures.counts([[1]], [[2, 0.5]]), ValueError, r"arrays\[1\] must hold whole.*got 0.5"),
    "history": (lambda: figures.curves([1, 2]), TypeError, "history"),
    "metric": (lambda: figures.curves({"loss": [1]}, "accuracy"), ValueError, "accuracy.*loss"),
    "runs": (lambda: figures.curves({str(i): run(0.1) for i in range(6)}), ValueError, "at most 5"),
    "matrix, square": (lambda: figures.confusion_matrix(np.zeros((2, 3), int), "ab"), ValueError, r"matrix.*\(2, 3\)"),
    "matrix, floats": (lambda: figures.confusion_matrix(np.eye(2), ["a", "b"]), ValueError, "matrix.*counts"),
    "class_names": (lambda: figures.confusion_matrix([[1, 0], [0, 1]], ["a"]), ValueError, "class_names"),
    "bars, log": (lambda: figures.bars([0, 1], ["a", "b"], log=True), ValueError, "values"),
    "bars, NaN": (lambda: figures.bars([1, np.nan], ["a", "b"]), ValueError, "values must be finite"),
    "bars, labels": (lambda: figures.bars([1], ["a", "b"]), ValueError, "labels"),
    "dense, layers": (lambda: figures.dense_network((784,)), ValueError, "sizes"),
    "dense, size": (lambda: figures.dense_network((784, 1.5)), TypeError, r"sizes\[1\]"),
    "stages": (lambda: figures.pipeline([]), ValueError, "stages"),
    "block": (lambda: figures.block_3d(3, 9, 3), ValueError, "kernel_width.*1 to 8.*9"),
    "split": (lambda: figures.split_bar([5, 0], ["a", "b"]), ValueError, "sizes"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_argument_is_named(bad):
    draw, error, message = bad
    with pytest.raises(error, match=message):
        draw()


def test_small_multiples_show_the_others_behind_and_mine_in_front():
    runs = {name: run(rate) for name, rate in (("one", 0.1), ("two", 0.3), ("three", 0.6))}
    fig = figures.small_multiples(runs, {"two": [run(0.2, 5)]})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["one", "two", "three"]
    colours = [matplotlib.colors.to_hex(line.get_color()) for line in fig.axes[1].lines]
    assert colours == [figures.GRID] * 2 + [figures.BLUE] * 2 + [figures.ORANGE] * 2
    drawn = [line.get_ydata().tolist() for line in fig.axes[1].lines]
    assert drawn[:2] == [runs["one"]["val_accuracy"], runs["three"]["val_accuracy"]]
    assert drawn[2:4] == [runs["two"]["accuracy"], runs["two"]["val_accuracy"]]
    assert len(drawn[4]) == 5
    for wrong, message in (
        (({},), "one net at least"),
        ((runs, {"four": []}), "over names panels that are not there: four"),
        ((runs, {}, "precision"), "one has no 'precision'"),
    ):
        with pytest.raises(ValueError, match=message):
            figures.small_multiples(*wrong)


def test_a_scatters_points_lie_where_they_should_and_their_names_beside_them():
    points = {"a": (1e3, [1, 3]), "b": (1e3, [2.01]), "long name": (1e6, [5.0]), "c": (1.02e3, [2.1])}
    fig = figures.scatter(points, "cost", "score", marked=["b"])
    ax = fig.axes[0]
    dots = {tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() != ""}
    assert dots == {(1e3, 2.0), (1e3, 2.01), (1e6, 5.0), (1.02e3, 2.1)}
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert set(boxes) == set(points)
    whole = ax.get_window_extent()
    for (one, box), (other, second) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(second), (one, other)
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box in boxes.values())
    for wrong, message in (
        (({}, "x", "y"), "one point at least"),
        (({"a": (0, [1])}, "x", "y"), "x must be above 0"),
        (({"a": (1, [1])}, "x", "y", ["b"]), "marked names points that are not there: b"),
    ):
        with pytest.raises(ValueError, match=message):
            figures.scatter(*wrong)
