"""conv-explorer: in Chromium, from file://, against TensorFlow's and Keras's own convolutions."""

import functools
import json
import random
import re
from fractions import Fraction

import numpy as np
import pytest
from conftest import WIDTH, serious_violations

from cnnlib.widgets import ConvExplorer
from cnnlib.widgets.base import PAGE_MIME, notebook_module, stylesheet
from cnnlib.widgets.page import DATA_ID, page_data, page_html, page_script

INPUT, KERNEL, OUTPUT = (f".cnnlib-conv-{kind} table" for kind in ("input", "weight", "output"))
STRIDED = {"image": [[1, 2, 3, 4, 5, 6]] * 6, "strides": 2}
TOO_LARGE = {"image": [[1, 2, 3]] * 3, "kernel": [[1] * 5] * 5}
SETTINGS = ["image", "kernel", "bias", "strides", "padding", "dilation_rate", "transposed", "output_padding", "flip"]


# --- what the page shows ---------------------------------------------------------------------------------


def shown(page, table=OUTPUT, nth=0):
    """The numbers that a table shows, row by row."""
    return (
        page.locator(table)
        .nth(nth)
        .evaluate("table => [...table.rows].map(row => [...row.cells].map(td => Number(td.textContent)))")
    )


def marked(page, kind, table, nth=0):
    """Rows and columns, from 0, of the cells of a table that have a class."""
    return (
        page.locator(table)
        .nth(nth)
        .evaluate(
            "(table, kind) => [...table.querySelectorAll(`td.${kind}`)].map(td => [td.parentNode.rowIndex, td.cellIndex])",
            kind,
        )
    )


def cell(page, table, row, column, nth=0):
    return page.locator(table).nth(nth).locator("tr").nth(row).locator("td").nth(column)


def sum_text(page):
    return page.locator(".cnnlib-conv-sum p").all_inner_texts()


def control(page, label):
    return page.get_by_label(label, exact=True)


def slide(page, label, value):
    control(page, label).fill(str(value))


def said(page, words):
    """What a screen reader hears, once the burst is over and it has these words."""
    page.wait_for_function("words => document.querySelector('[role=status]').textContent.includes(words)", arg=words)
    return page.locator("[role=status]").first.inner_text()


def problem(page):
    return page.locator(".cnnlib-problem:visible")


def place(page):
    """Index of the highlighted output cell, after checking that all places agree."""
    [(row, column)] = marked(page, "hot", OUTPUT)
    width = len(shown(page)[0])
    index = row * width + column
    assert control(page, "Position").input_value() == str(index)
    return index


def page_of(states, folder, dark=False):
    """A file with several explorers, as a chapter has them; a state is a widget or its settings."""
    hosts = "".join(
        page_html("conv-explorer", state, "")
        if isinstance(state, dict)
        else page_html(**state._repr_mimebundle_()[0][PAGE_MIME])
        for state in states
    )
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{"dark" if dark else "light"}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>x</title><style>{stylesheet()}</style>'
        # A flex column, as the book's theme has: a box there is as wide as its content insists on.
        f'<body style="display:flex;flex-direction:column;background:{"#14181e" if dark else "#ffffff"}">'
        f'<main style="margin:auto;width:100%;max-width:1100px">{hosts}</main>'
        f'<script type="application/json" id="{DATA_ID}">{page_data([ConvExplorer])}</script>'
        f"<script>{page_script([ConvExplorer])}</script></body></html>",
        "utf-8",
    )
    return path


# --- what TensorFlow says --------------------------------------------------------------------------------


def pairs(value):
    return value if isinstance(value, list) else [value, value]


def tensorflow(x, w, strides=1, padding="valid", dilation_rate=1, transposed=False, output_padding=None):
    """The layer without bias on a batch x (N, H, W, C), w (rows, columns, C, F); neither our sizes nor our padding."""
    import tensorflow as tf

    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    if transposed:
        import keras

        # TensorFlow computes no dilated one on a CPU: a kernel with zeros in it is the same layer.
        gaps = pairs(dilation_rate)
        spread = np.zeros([d * (k - 1) + 1 for d, k in zip(gaps, w.shape, strict=False)] + list(w.shape[2:]))
        spread[:: gaps[0], :: gaps[1]] = w
        w = spread
        layer = keras.layers.Conv2DTranspose(
            w.shape[3],
            w.shape[:2],
            pairs(strides),
            padding,
            output_padding=output_padding,
            use_bias=False,
            dtype="float64",
        )
        layer.build(x.shape)
        layer.set_weights([w.transpose(0, 1, 3, 2)])
        return np.asarray(layer(x))
    if not isinstance(padding, str):
        sides = padding if isinstance(pairs(padding)[0], list) else [pairs(padding)] * 2
        padding = [[0, 0], *sides, [0, 0]]
    return tf.nn.conv2d(
        x, w, pairs(strides), padding.upper() if isinstance(padding, str) else padding, dilations=pairs(dilation_rate)
    ).numpy()


def expected(widget):
    """The output (rows, columns, filters) of a widget's settings."""
    x, w = widget.picture, widget.weights
    rest = {
        key: getattr(widget, key) for key in ("strides", "padding", "dilation_rate", "transposed", "output_padding")
    }
    return tensorflow(x[None], w[::-1, ::-1] if widget.flip else w, **rest)[0] + np.array(widget.bias)


@functools.cache
def taps(widget):
    """Which weight, counted from 1, an output takes for an input cell: (input rows, input columns, rows, columns).

    One picture for each input cell, a single 1 in it, and weights that are their own numbers: 0 means "not at all".
    """
    (height, width, _), (rows, columns, *_) = widget.picture.shape, widget.weights.shape
    rest = {
        key: getattr(widget, key) for key in ("strides", "padding", "dilation_rate", "transposed", "output_padding")
    }
    impulses = np.eye(height * width).reshape(-1, height, width, 1)
    found = tensorflow(impulses, np.arange(1, rows * columns + 1).reshape(rows, columns, 1, 1), **rest)
    return np.rint(found[..., 0]).astype(int).reshape(height, width, *found.shape[1:3])


def random_settings(rng, most=9):
    """Settings that fit together, pictures of at most `most` cells a side; half of the numbers are fractions."""

    def one_or_two(low, high):
        return rng.randint(low, high) if rng.random() < 0.5 else [rng.randint(low, high), rng.randint(low, high)]

    while True:
        number = rng.choice([lambda: rng.randint(-9, 9), lambda: rng.randint(-90, 90) / 8])
        channels, filters = rng.choice([(1, 1), (1, 1), (1, 2), (2, 1), (3, 2), (4, 4)])
        shape = (rng.randint(1, most), rng.randint(1, most), channels)
        kernel = (rng.randint(1, 5), rng.randint(1, 5), channels, filters)
        numbers = lambda shape: np.reshape([number() for _ in range(np.prod(shape))], shape)  # noqa: E731, B023
        settings = {"image": numbers(shape), "kernel": numbers(kernel), "bias": [number() for _ in range(filters)]}
        if filters == 1:
            settings["bias"] = number()
            settings["kernel"] = settings["kernel"][..., 0]
            if channels == 1:
                settings |= {"image": settings["image"][..., 0], "kernel": settings["kernel"][..., 0]}
        if rng.random() < 0.2:  # by name
            settings["image"], settings["size"] = (
                rng.choice(["example", "edge", "ramp", "digit", "photo", "colour"]),
                one_or_two(3, most),
            )
            settings["in_channels"] = channels
        if rng.random() < 0.2:
            settings["kernel"], settings["kernel_size"] = (
                rng.choices(["example", "identity", "blur", "sobel_x"], k=filters),
                one_or_two(1, 5),
            )
        settings["transposed"] = rng.random() < 0.3
        zeros = lambda: rng.randint(0, 3)  # noqa: E731
        explicit = [zeros(), [zeros(), zeros()], [[zeros(), zeros()], [zeros(), zeros()]]]
        settings["padding"] = rng.choice(["valid", "same"] + [rng.choice(explicit)] * (not settings["transposed"]))
        settings |= {"strides": one_or_two(1, 4), "dilation_rate": one_or_two(1, 3), "flip": rng.random() < 0.5}
        if settings["transposed"]:
            settings[rng.choice(["strides", "dilation_rate"])] = 1
            settings["output_padding"] = rng.choice([None, one_or_two(0, 3)])
        widget = ConvExplorer(**settings)
        try:
            rows, columns, *_ = widget.output_shape
        except ValueError:
            continue
        if max(rows, columns) > 52:  # the page draws at most 64 cells a side, padding and spread inputs included
            continue
        widget.position, widget.filter = rng.randrange(rows * columns), rng.randrange(filters)
        return widget


# --- numbers ---------------------------------------------------------------------------------------------

# Every cell's number, from the table or, where the cell is too small for it, from what it says when it has the focus.
READ = """widgets => [...document.querySelectorAll('.cnnlib-conv-explorer')].map(el => {
  const number = td => {
    if (td.textContent && td.cellIndex % 5) return Number(td.textContent); // not each one: thousands
    td.dispatchEvent(new FocusEvent('focusin', { bubbles: true }));
    const told = Number(td.ariaLabel.match(/: (\\S+?)(,|$)/)[1]);
    if (td.textContent && Number(td.textContent) !== told) throw Error(`${td.textContent} ${td.ariaLabel}`);
    return told;
  };
  const numbers = kind => [...el.querySelectorAll(`.cnnlib-conv-${kind} table`)].map(t => [...t.rows].map(r => [...r.cells].map(number)));
  const cells = (kind, mark) => [...el.querySelectorAll(`.cnnlib-conv-${kind} table`)].map(t => [...t.querySelectorAll(`td.${mark}`)].map(td => [td.parentNode.rowIndex, td.cellIndex]));
  return { input: numbers('input'), output: numbers('output'), weight: numbers('weight'), sum: [...el.querySelectorAll('.cnnlib-conv-sum p')].map(p => p.textContent),
    pads: cells('input', 'pad')[0], unread: cells('input', 'unread')[0], windows: cells('input', 'in'), titles: [...el.querySelectorAll('table')].map(t => t.ariaLabel) };
})"""


def inside_of(seen):
    """Which cells of the drawn input are its own, not padding."""
    inside = np.ones(np.shape(seen["input"][0]), bool)
    inside[tuple(np.reshape(seen["pads"], (-1, 2)).astype(int).T)] = False
    return inside


def agrees(widget, seen):
    """Whether every number on the page is Python's: also used on the thousands of states of test_numbers."""
    x, w = widget.picture, widget.weights[::-1, ::-1] if widget.flip else widget.weights
    y = np.reshape(widget.output, (*widget.output_shape[:2], -1))
    height, width, channels = x.shape
    inside = inside_of(seen)

    def close(shown, ours):
        return np.shape(shown) == ours.shape and np.allclose(shown, ours, rtol=0, atol=0.005001)

    return (
        close(seen["output"], np.moveaxis(y, 2, 0))
        and close(seen["weight"], np.transpose(w, (3, 2, 0, 1)).reshape(-1, *w.shape[:2]))
        and inside.sum() == height * width
        and close([np.array(board)[inside].reshape(height, width) for board in seen["input"]], np.moveaxis(x, 2, 0))
        and not any(np.array(board)[~inside].any() for board in seen["input"])  # zeros where the padding lies
        and "\n".join(seen["sum"]).split(": ", 1)[1] == widget.sum_text
        and f"Input {height} × {width}" in seen["titles"][0]
        and f"Output {y.shape[0]} × {y.shape[1]}" in seen["titles"][-1]
        and len(seen["input"]) == channels
    )


@pytest.fixture(scope="module")
def widgets():
    rng = random.Random(0)
    return [random_settings(rng) for _ in range(192)]


def test_every_number_is_tensorflows(open_page, tmp_path, widgets):
    drawn = []
    for start in range(0, len(widgets), 32):
        page = open_page(page_of(widgets[start : start + 32], tmp_path))
        # As one text: Playwright would be long over a list of each number.
        drawn += json.loads(page.evaluate(f"() => JSON.stringify(({READ})())"))
        page.close()
    assert len(drawn) == len(widgets)
    numbers = unread_cells = 0
    for widget, page in zip(widgets, drawn, strict=True):
        y, taken = expected(widget), taps(widget)
        assert widget.output_shape == (y.shape if y.shape[2] > 1 else y.shape[:2]), widget
        assert np.allclose(np.reshape(widget.output, y.shape), y, rtol=0, atol=1e-8), widget
        assert agrees(widget, page), widget
        width = widget.picture.shape[1]
        home = {tuple(b): divmod(i, width) for i, b in enumerate(np.argwhere(inside_of(page)).tolist())}

        # The sum's result.
        row, column = divmod(widget.position, y.shape[1])
        assert float(re.findall(r"-?[\d.]+$", page["sum"][-1])[0]) == pytest.approx(
            y[row, column, widget.filter], abs=0.005001
        )

        # Hatched is what no output takes; the window is what this output takes, and zeros around it.
        unread = {home[tuple(b)] for b in page["unread"]}
        assert unread == {tuple(b) for b in np.argwhere(~taken.any((2, 3))).tolist()}, widget
        window = {home[tuple(b)] for b in page["windows"][0] if tuple(b) in home}
        assert window == {tuple(b) for b in np.argwhere(taken[:, :, row, column]).tolist()}, widget
        assert len(page["windows"][0]) == np.prod(widget.weights.shape[:2])
        numbers += y.size
        unread_cells += len(unread)
    assert numbers > 10_000 and unread_cells > 500


HOVER = """([nth, kind, board, i, j]) => {
  const el = document.querySelectorAll('.cnnlib-conv-explorer')[nth], tables = kind => [...el.querySelectorAll(`.cnnlib-conv-${kind} table`)];
  const own = [...tables('input')[0].querySelectorAll('td:not(.pad)')], cell = kind === 'input' ? own[i] : tables(kind)[board].rows[i].cells[j];
  const place = td => [td.parentNode.rowIndex, td.cellIndex];
  const [at, across] = place(cell), target = tables(kind)[board].rows[at].cells[across];
  target.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
  const marked = kind => tables(kind).map(t => [...t.querySelectorAll('td.in')].map(place));
  return { lines: [...el.querySelectorAll('.cnnlib-conv-sum p')].map(p => p.textContent), hot: target.matches('.hot'), output: marked('output'), input: marked('input'), weight: tables('weight').map(t => [...t.querySelectorAll('td.on')].map(place)) };
}"""


def products(line):
    """ "(1, 2): 3·(-4); ..." -> {(0, 1): (3.0, -4.0)}"""
    number = r"\(?(-?[\d.]+)\)?"
    return {
        (int(a) - 1, int(b) - 1): (float(c), float(d))
        for a, b, c, d in re.findall(rf"\((\d+), (\d+)\): {number}·{number}", line)
    }


def test_what_a_cell_touches(open_page, tmp_path, widgets):
    """Pointing at an input cell and at a weight, checked with single ones as inputs."""
    rng = random.Random(1)
    some = widgets[:130]
    page = open_page(page_of(some, tmp_path))
    links = 0
    for nth, widget in enumerate(some):
        x, taken = widget.picture, taps(widget)
        w = widget.weights[::-1, ::-1] if widget.flip else widget.weights
        height, width, channels = x.shape
        rows, columns, _, filters = w.shape
        short = lambda value: round(float(value) + 1e-12, 2)  # noqa: E731
        # An input cell: the outputs that read it, and with which weight.
        r, q, c = rng.randrange(height), rng.randrange(width), rng.randrange(channels)
        found = page.evaluate(HOVER, [nth, "input", c, r * width + q, None])
        readers = np.argwhere(taken[r, q]).tolist()
        assert found["hot"]
        assert f"row {r + 1}, column {q + 1}" in found["lines"][0]
        assert (f"It goes into {len(readers)} output" if readers else "No output reads it") in found["lines"][0], widget
        for f in range(filters):
            assert sorted(found["output"][f]) == readers, widget
            told = products(found["lines"][1 + f])
            assert sorted(told) == sorted(map(tuple, readers))
            for o, (weight, number) in told.items():
                a, b = divmod(taken[(r, q, *o)] - 1, columns)
                assert [a, b] in found["weight"][f * channels + c]
                assert weight == pytest.approx(short(w[a, b, c, f]), abs=0.011) and number == pytest.approx(
                    short(x[r, q, c]), abs=0.011
                )
                links += 1
        # A weight: the input cells that it meets, and the outputs that these go into.
        a, b, f = rng.randrange(rows), rng.randrange(columns), rng.randrange(filters)
        found = page.evaluate(HOVER, [nth, "weight", f * channels + c, a, b])
        meets = {
            tuple(o): tuple(i) for *i, o0, o1 in np.argwhere(taken == a * columns + b + 1).tolist() for o in [(o0, o1)]
        }
        told = products(found["lines"][2])
        assert set(told) <= set(meets) and len(told) == min(len(meets), 49), widget
        for o, (weight, number) in told.items():
            assert weight == pytest.approx(short(w[a, b, c, f]), abs=0.011) and number == pytest.approx(
                short(x[(*meets[o], c)]), abs=0.011
            )
        assert (len(meets) > 49) == ("more" in found["lines"][2])
        # Its formula holds for each of them: output (r, c) takes input (2·r − 1, ...), or the other way round.
        where = re.search(r"(?:input|output) \((.+), (.+)\)\.", found["lines"][1]).groups()
        for o, i in meets.items():
            start, end = (i, o) if widget.transposed else (o, i)
            for formula, letter, known, result in zip(where, "rc", start, end, strict=True):
                assert eval(formula.replace("·", "*").replace("−", "-"), {letter: known + 1}) == result + 1, widget  # noqa: S307
        served = {tuple(o) for o in found["output"][f]}
        assert served >= set(meets) and not any(cells for i, cells in enumerate(found["output"]) if i != f)
        assert f"used {len(served)} times" in found["lines"][0]
        links += len(meets)
    assert links > 1500


def test_the_notes_example(open_widget):
    page = open_widget(ConvExplorer(bias=1))
    assert [row[:3] for row in shown(page, INPUT)[:3]] == [[1, 0, 2], [5, 4, 2], [3, 4, 5]]
    assert shown(page, KERNEL) == [[-1, 0, 1]] * 3
    assert sum_text(page) == [
        "Output row 1, column 1: (-1)·1 + 0·0 + 1·2 + (-1)·5 + 0·4 + 1·2 + (-1)·3 + 0·4 + 1·5 + bias 1 = 1"
    ]
    assert shown(page)[0][0] == 1
    notes = page.locator("td.in").evaluate_all("all => all.map(td => Number(td.dataset.note))")
    assert notes == [-1, 0, 1] * 3


@pytest.mark.parametrize("preset", ["identity", "blur", "sharpen", "Sobel x", "Sobel y", "Laplacian"])
def test_presets(open_widget, preset):
    from scipy import ndimage

    page = open_widget(ConvExplorer(image="digit", padding="same"))
    control(page, "Kernel").select_option(label=preset)
    image = ConvExplorer(image="digit").picture[:, :, 0]
    laplacian = ndimage.laplace(image, mode="constant")
    result = {
        "identity": image,
        "blur": ndimage.uniform_filter(image, 3, mode="constant"),
        "sharpen": image - laplacian,
        "Sobel x": ndimage.sobel(image, 1, mode="constant"),
        "Sobel y": ndimage.sobel(image, 0, mode="constant"),
        "Laplacian": laplacian,
    }[preset]
    assert np.allclose(shown(page), result, atol=0.005001)
    if preset in ("identity", "blur"):  # what any size can have
        slide(page, "Kernel size", 4)
        if preset == "identity":  # an even kernel has its centre where "same" padding expects it
            assert np.array_equal(shown(page), image)
        slide(page, "Kernel size", 5)
        wide = image if preset == "identity" else ndimage.uniform_filter(image, 5, mode="constant")
        assert np.allclose(shown(page), wide, atol=0.005001)
    assert control(page, "Kernel").evaluate("s => s.selectedOptions[0].text") == preset


def test_a_named_kernel_on_colours_sees_the_mean(open_widget):
    """Blur, identity and sharpen keep the brightness; the others are the sum over the channels. The page says so."""
    widget = ConvExplorer(image="colour", kernel=["identity", "blur", "sharpen", "sobel_x"])
    x, w = widget.picture, widget.weights
    assert w.shape == (3, 3, 3, 4)
    assert np.allclose(w.sum((0, 1, 2)), [1, 1, 1, 0])
    assert np.allclose(np.array(widget.output)[:, :, 0], x.mean(2)[1:-1, 1:-1])
    assert np.allclose(w[:, :, :, 3], np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[..., None])
    page = open_widget(widget)
    assert "Every channel gets the same slice, in blur, identity and sharpen divided by" in page.inner_text("main")
    assert page.locator(KERNEL).evaluate_all("all => all.map(t => t.ariaLabel)")[:3] == [
        "Filter 1: 3 × 3, red, filter 1"[: len("Filter 1: 3 × 3, red")],
        "Filter 1: 3 × 3, green",
        "Filter 1: 3 × 3, blue",
    ]


def test_rounded_sums_say_so(open_widget):
    page = open_widget(ConvExplorer(kernel=[[1 / 3]], image=[[1, 2, 3]] * 3))
    assert sum_text(page)[0].endswith("0.33·1 + bias 0 ≈ 0.33")


def test_a_sum_over_channels(open_widget):
    page = open_widget(ConvExplorer(image=np.ones((2, 2, 2)) * [3, -4], kernel=np.ones((1, 1, 2)) * [2, 5], bias=0.5))
    assert sum_text(page) == [
        "Output row 1, column 1: channel 1: 2·3 = 6",
        "channel 2: 5·(-4) = -20",
        "6 + (-20) + bias 0.5 = -13.5",
    ]


# --- pointing, pinning -----------------------------------------------------------------------------------


def test_the_mouse_shows_what_a_cell_touches(open_widget):
    page = open_widget(ConvExplorer())
    start = sum_text(page)
    cell(page, INPUT, 1, 1).hover()
    assert marked(page, "hot", INPUT) == [[1, 1]]
    assert marked(page, "in", OUTPUT) == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert marked(page, "on", KERNEL) == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert sum_text(page) == [
        "Input row 2, column 2 is 4. It goes into 4 outputs. As (row, column): weight·input",
        "(1, 1): 0·4; (1, 2): (-1)·4; (2, 1): 0·4; (2, 2): (-1)·4",
    ]
    # The weight that the output takes for this cell stands in the output's corner.
    assert page.locator(f"{OUTPUT} td.in").evaluate_all("all => all.map(td => td.dataset.note)") == [
        "0",
        "-1",
        "0",
        "-1",
    ]
    cell(page, KERNEL, 0, 2).hover()
    assert marked(page, "in", INPUT) == [[r, c] for r in range(3) for c in range(2, 5)]
    assert len(marked(page, "in", OUTPUT)) == 9
    assert sum_text(page)[0] == "Weight row 1, column 3 is 1. It is used 9 times, once for each output."
    assert sum_text(page)[1].startswith("Output (r, c) takes 1 · input (r, c + 2).")
    cell(page, OUTPUT, 2, 1).hover()
    assert marked(page, "in", INPUT) == [[r, c] for r in range(2, 5) for c in range(1, 4)]
    assert sum_text(page)[0].startswith("Output row 3, column 2: (-1)·4")
    page.get_by_role("button", name="Play").hover()
    assert sum_text(page) == start and place(page) == 0


def test_a_contrast_theme_leaves_the_marks(open_widget):
    page = open_widget(ConvExplorer())
    frame = "getComputedStyle(document.querySelector('.cnnlib-board td.in')).boxShadow"
    shown = page.evaluate(frame)
    page.emulate_media(forced_colors="active")
    assert page.evaluate(frame) == shown != "none"


def test_a_click_pins_and_lets_go(open_widget):
    page = open_widget(ConvExplorer())
    pinned = page.locator(".cnnlib-conv-edit")
    assert not pinned.is_visible()
    corner = cell(page, INPUT, 0, 0)
    corner.click()
    assert pinned.inner_text().startswith("Pinned: Input row 1, column 1")
    cell(page, OUTPUT, 2, 2).hover()  # the hand may travel
    assert marked(page, "hot", INPUT) == [[0, 0]] and marked(page, "in", OUTPUT) == [[0, 0]]
    corner.click()
    assert not pinned.is_visible()
    page.mouse.move(0, 0)
    assert place(page) == 0
    for release in ("Escape", "button", "Next"):
        cell(page, KERNEL, 1, 1).click()
        assert marked(page, "hot", KERNEL) == [[1, 1]]
        if release == "Escape":
            page.keyboard.press("Escape")
        else:
            page.get_by_role("button", name={"button": "Release"}.get(release, release), exact=True).click()
        page.mouse.move(0, 0)
        assert not pinned.is_visible()
    assert place(page) == 1
    # A pinned output is the position; the window takes the pin along.
    cell(page, OUTPUT, 1, 1).click()
    cell(page, INPUT, 0, 0).hover()
    assert place(page) == 4
    page.get_by_role("button", name="Next").click()
    assert place(page) == 5 and pinned.inner_text().startswith("Pinned: Output row 2, column 3")
    cell(page, OUTPUT, 1, 2).click()
    assert not pinned.is_visible()


def test_an_output_of_another_filter(open_widget):
    page = open_widget(ConvExplorer(kernel=["sobel_x", "sobel_y"]))
    cell(page, OUTPUT, 1, 2, nth=1).click()
    assert sum_text(page)[0].startswith("Output row 2, column 3, filter 2: (-1)·2 + (-2)·3")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Next").click()
    assert "row 3, column 1, filter 2" in sum_text(page)[0]
    assert marked(page, "hot", OUTPUT, 0) == [] and marked(page, "hot", OUTPUT, 1) == [[2, 0]]
    slide(page, "Filters", 1)
    assert place(page) == 6


def test_pinned_from_python(open_widget):
    page = open_widget(ConvExplorer(pinned=("input", 2, 2)))
    assert marked(page, "hot", INPUT) == [[2, 2]] and len(marked(page, "in", OUTPUT)) == 9
    page = open_widget(ConvExplorer(pinned=("weight", 0, 0), padding="same"))
    assert marked(page, "hot", KERNEL) == [[0, 0]]
    page = open_widget(ConvExplorer(pinned=("weight", 6, 0)))  # there is none
    assert place(page) == 0


def test_everything_by_keyboard(open_widget):
    page = open_widget(ConvExplorer(position=4))
    page.locator(f"{INPUT} [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # the edge
    assert marked(page, "hot", INPUT) == [[0, 1]]
    start = "Input row 1, column 2 is 0. It goes into 2 outputs"
    assert said(page, start).startswith(start)
    assert page.evaluate("document.activeElement.ariaLabel") == "row 1, column 2: 0"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Tab")  # one stop a table
    assert page.evaluate("document.activeElement.closest('table').ariaLabel") == "Kernel 3 × 3"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")  # pinned: the focus moves alone
    assert marked(page, "hot", KERNEL) == [[0, 1]]
    page.keyboard.press("Escape")
    page.locator(f"{OUTPUT} [tabindex='0']").focus()
    assert marked(page, "hot", OUTPUT) == [[1, 1]]  # the stop follows the window
    page.keyboard.press("ArrowDown")
    assert marked(page, "hot", OUTPUT) == [[2, 1]]
    page.keyboard.press("Space")
    assert place(page) == 7
    assert said(page, "row 3, column 2: sum is")


def test_a_tidy_tab_order(open_widget):
    page = open_widget(ConvExplorer())
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "(() => { const a = document.activeElement; if (a === document.body) return '';"
            "return a.closest('table')?.getAttribute('aria-label') ?? a.labels?.[0]?.textContent ?? a.textContent })()"
        )
        if stop in ("", *stops[:1]):
            break
        if page.evaluate("document.activeElement.matches(':focus-visible')"):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px", stop
        stops.append(stop)
    assert stops[:20] == [
        *["Input 5 × 5", "Kernel 3 × 3", "Output 3 × 3", "Position", "Previous", "Play", "Next", "Speed", "Settings"],
        *["Input", "Input size", "Kernel", "Kernel size", "Strides", "Dilation rate", "Padding", "Bias"],
        *["Flip the kernel", "Channels, filters, transposed", "In Keras"],
    ]


def test_touch(open_widget):
    page = open_widget(ConvExplorer(image="photo", kernel="sobel_x"), width=390, touch=True)
    assert not page.locator(".cnnlib-conv-edit").is_visible()
    cell(page, INPUT, 10, 10).tap()
    assert marked(page, "hot", INPUT) == [[10, 10]]
    assert len(marked(page, "in", OUTPUT)) == 9
    cell(page, OUTPUT, 20, 20).tap()
    assert place(page) == 20 * 30 + 20
    page.get_by_role("button", name="Release").tap()
    cell(page, KERNEL, 0, 0).tap()
    assert len(marked(page, "in", INPUT)) == 900
    cell(page, KERNEL, 0, 0).tap()
    assert place(page) == 620
    page.get_by_role("button", name="Next").tap()
    assert place(page) == 621
    assert page.evaluate(WIDTH) <= 390


# --- the window moves ------------------------------------------------------------------------------------


def test_the_first_range_moves_the_window(open_widget):
    page = open_widget(ConvExplorer())
    before = sum_text(page)
    page.locator("input[type=range]").first.press("ArrowRight")
    assert place(page) == 1
    assert before != sum_text(page) and "2/9" in page.inner_text("main")


@pytest.mark.parametrize(
    "reduced_motion, speed, step",
    [
        (False, "normal", 700),
        (False, "fast", 250),
        (False, "very fast", 60),
        (True, "normal", 2100),
        (True, "very fast", 700),
    ],
)
def test_play_and_pause(open_widget, reduced_motion, speed, step):
    page = open_widget(ConvExplorer(), reduced_motion=reduced_motion)
    control(page, "Speed").select_option(label=speed)
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.clock.run_for(5 * step)
    assert place(page) == 0  # nothing starts by itself
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(step - 10)
    assert place(page) == 0
    page.clock.run_for(2 * step + 10)
    assert place(page) == 3
    assert page.get_by_role("button", name="Play").count() == 0
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5 * step)
    assert place(page) == 3
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Space")
    page.clock.run_for(20 * step)
    assert place(page) == 8  # stops at the last cell
    page.get_by_role("button", name="Play").click()  # and starts again at the first
    assert place(page) == 0
    # A smaller output while playing: no cell is lost.
    slide(page, "Strides", 2)
    page.clock.run_for(20 * step)
    assert place(page) == 3


def test_step_and_scrub(open_widget):
    page = open_widget(ConvExplorer())
    page.get_by_role("button", name="Previous").click()
    assert place(page) == 8
    page.get_by_role("button", name="Next").click()
    assert place(page) == 0
    slide(page, "Position", 5)
    assert place(page) == 5
    assert said(page, "row 2, column 3: sum is ").startswith("row 2, column 3: sum is ")
    cell(page, INPUT, 0, 0).click()
    slide(page, "Position", 6)  # scrubbing lets go
    page.mouse.move(0, 0)
    assert place(page) == 6


def test_a_smaller_output_keeps_a_valid_position(open_widget):
    page = open_widget(ConvExplorer(position=8))
    slide(page, "Strides", 2)
    assert place(page) == 3
    slide(page, "Strides", 1)
    assert place(page) == 3  # the setting itself has moved, not only the picture


# --- editing ---------------------------------------------------------------------------------------------


def layer(page, kernel, **settings):
    """What the output must be for the shown input and this kernel."""
    x = np.array(shown(page, INPUT), float)
    return tensorflow(x[None, :, :, None], np.array(kernel, float)[:, :, None, None], **settings)[0, :, :, 0]


def test_editing_a_weight(open_widget):
    page = open_widget(ConvExplorer())
    cell(page, KERNEL, 1, 1).click()
    field = page.get_by_label("Pinned: Weight row 2, column 2")
    assert field.input_value() == "0"
    field.fill("-2.5")
    kernel = [[-1, 0, 1], [-1, -2.5, 1], [-1, 0, 1]]
    assert shown(page, KERNEL) == kernel
    assert np.allclose(shown(page), layer(page, kernel))
    assert control(page, "Kernel").evaluate("s => s.selectedOptions[0].text") == "own numbers"
    # By keyboard: Page Up and Page Down count, a digit starts an entry, Enter goes back to the cell.
    field.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    assert shown(page, KERNEL) == [[-1, 2, 0], [-1, -2.5, 1], [-1, 0, 1]]
    page.keyboard.type("1/9")
    assert page.evaluate("document.activeElement.value") == "1/9"  # stays as typed
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "TD"
    assert page.get_by_label("Pinned: Weight row 1, column 3").input_value() == "0.11"
    kernel = [[-1, 2, 1 / 9], [-1, -2.5, 1], [-1, 0, 1]]
    assert np.allclose(shown(page), layer(page, kernel), atol=0.005001)
    control(page, "Kernel").select_option(label="identity")
    assert shown(page, KERNEL) == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_editing_the_input(open_widget):
    page = open_widget(ConvExplorer())
    page.locator(f"{INPUT} td").first.focus()
    cell(page, INPUT, 0, 0).click()
    page.keyboard.type("100")
    assert shown(page, INPUT)[0] == [100, 0, 2, 1, 0]
    assert np.array_equal(shown(page), layer(page, shown(page, KERNEL)))
    assert control(page, "Input").evaluate("s => s.selectedOptions[0].text") == "own numbers"
    page.keyboard.press("Escape")
    assert not page.locator(".cnnlib-conv-edit").is_visible()
    slide(page, "Input size", 6)
    assert [row[5] for row in shown(page, INPUT)] == [0] * 6  # own numbers go on with zeros


def test_editing_one_of_many(open_widget):
    """With channels, filters and a turned kernel the number lands where it was typed."""
    page = open_widget(ConvExplorer(in_channels=2, kernel=["sobel_x", "example"], flip=True))
    before = [shown(page, KERNEL, i) for i in range(4)]
    cell(page, KERNEL, 0, 2, nth=3).click()
    page.keyboard.type("7")
    after = [shown(page, KERNEL, i) for i in range(4)]
    before[3][0][2] = 7
    assert after == before
    presets = [control(page, f"Filter {i}").evaluate("s => s.selectedOptions[0].text") for i in (1, 2)]
    assert presets == ["own numbers", "own numbers"]
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    pictures = [shown(page, INPUT, i) for i in range(2)]
    cell(page, INPUT, 4, 0, nth=1).click()
    page.keyboard.type("8")
    pictures[1][4][0] = 8
    assert [shown(page, INPUT, i) for i in range(2)] == pictures
    x = np.moveaxis(pictures, 0, -1)
    w = np.reshape(after, (2, 2, 3, 3)).transpose(2, 3, 1, 0)
    y = tensorflow(x[None], w)[0]
    assert np.array_equal(np.moveaxis([shown(page, OUTPUT, i) for i in range(2)], 0, -1), y)


def test_a_bad_entry(open_widget):
    page = open_widget(ConvExplorer())
    before = shown(page)
    cell(page, KERNEL, 0, 0).click()
    field = page.locator(".cnnlib-conv-edit input")
    for text in ("x", "", "1/0", "1/2/3", "10000", "1e9", "--1", "1.2.3", ".", "0x10", "1e2", "Infinity"):
        field.fill(text)
        told = problem(page).inner_text()
        assert told.startswith(f"“{text}” is not a number that fits")
        assert told.endswith("Still in use: -1.")
        assert field.get_attribute("aria-invalid") == "true"
        assert shown(page) == before  # the last number is in force
        if text == "x":
            assert said(page, told) == told
        field.press("Tab")
        assert field.input_value() == "-1"
        assert problem(page).count() == 0
        assert field.get_attribute("aria-invalid") == "false"


# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width, open", [(390, False), (1280, True)])
def test_the_settings_wait_on_a_phone(open_widget, width, open):
    page = open_widget(ConvExplorer(), width=width)
    assert control(page, "Input size").is_visible() == open
    page.get_by_text("Settings", exact=True).click()
    assert control(page, "Input size").is_visible() != open


def test_the_input_size(open_widget):
    page = open_widget(ConvExplorer())
    size = control(page, "Input size")
    size.press("ArrowRight")
    assert "Input 6 × 6" in page.inner_text("main")
    assert np.shape(shown(page)) == (4, 4)
    start = shown(page, INPUT)  # what a smaller input hides comes back
    size.fill("3")
    assert np.shape(shown(page, INPUT)) == (3, 3)
    size.fill("6")
    assert shown(page, INPUT) == start
    control(page, "Input").select_option(label="a ramp")
    assert shown(page, INPUT) == [list(range(8))] * 8
    control(page, "Input").select_option(label="handwritten 0")
    assert shown(page, INPUT)[1] == [0, 0, 13, 15, 10, 15, 5, 0]


def test_stride_padding_dilation_by_their_controls(open_widget):
    page = open_widget(ConvExplorer())
    slide(page, "Input size", 8)
    image, kernel = ConvExplorer(size=8).picture, [[-1, 0, 1]] * 3
    for mode, strides, dilation in (
        ("same", 1, 1),
        ("same", 3, 1),
        ("valid", 2, 1),
        ("same", 1, 3),
        ("explicit", 2, 2),
    ):
        control(page, "Padding").select_option(mode)
        if mode == "explicit":
            slide(page, "Zeros per side", 3)
        slide(page, "Strides", strides)
        slide(page, "Dilation rate", dilation)
        y = tensorflow(
            image[None], np.array(kernel)[..., None, None], strides, 3 if mode == "explicit" else mode, dilation
        )
        assert np.array_equal(shown(page), y[0, :, :, 0])
    slide(page, "Bias", 4)
    assert np.array_equal(shown(page), y[0, :, :, 0] + 4)


def test_rows_and_columns_apart(open_widget):
    page = open_widget(ConvExplorer(size=8))
    page.get_by_text("Channels, filters, transposed").click()
    control(page, "Rows and columns apart").check()
    for label, value in {
        "Input size: rows": 6,
        "Kernel size: columns": 2,
        "Strides: columns": 2,
        "Dilation rate: rows": 2,
    }.items():
        slide(page, label, value)
    control(page, "Padding").select_option("explicit")
    for label, value in {
        "Zeros at the top": 2,
        "Zeros at the bottom": 0,
        "Zeros on the left": 0,
        "Zeros on the right": 3,
    }.items():
        slide(page, label, value)
    widget = ConvExplorer(
        size=(6, 8), kernel_size=(3, 2), strides=(1, 2), dilation_rate=(2, 1), padding=((2, 0), (0, 3))
    )
    assert np.array_equal(shown(page), expected(widget)[:, :, 0])
    assert "2 at the top, 0 at the bottom, 0 left, 3 right" in page.inner_text("main")
    assert "ZeroPadding2D(((2, 0), (0, 3)))" in page.locator("pre").text_content()
    control(page, "Rows and columns apart").uncheck()
    assert np.array_equal(shown(page), expected(ConvExplorer(size=6, dilation_rate=2, padding=2))[:, :, 0])
    # Unequal settings from Python open what shows them.
    page = open_widget(ConvExplorer(padding=((0, 1), (2, 0))))
    assert control(page, "Zeros on the left").input_value() == "2"
    assert control(page, "Strides: rows").is_visible()


def test_channels_and_filters(open_widget):
    page = open_widget(ConvExplorer())
    page.get_by_text("Channels, filters, transposed").click()
    slide(page, "Input channels", 3)
    assert page.locator(INPUT).count() == 3 and page.locator(KERNEL).count() == 3
    picture = np.array(shown(page, INPUT))
    assert shown(page, INPUT, 1) == picture[:, ::-1].tolist() and shown(page, INPUT, 2) == picture[::-1].tolist()
    assert "Channels after the picture's own 1 are its mirror images" in page.inner_text("main")
    slide(page, "Filters", 4)
    assert page.locator(OUTPUT).count() == 4 and page.locator(KERNEL).count() == 12
    names = [control(page, f"Filter {i}").input_value() for i in range(1, 5)]
    assert len(set(names)) == 4 and names[0] == "example"
    y = expected(ConvExplorer(in_channels=3, kernel=names))
    assert np.allclose(np.moveaxis([shown(page, OUTPUT, f) for f in range(4)], 0, -1), y, atol=0.005001)
    control(page, "Input").select_option(label="photo, colour")
    assert page.locator(INPUT).evaluate_all("all => all.map(t => t.ariaLabel)") == [
        f"Input 16 × 16, {c}" for c in ("red", "green", "blue")
    ]
    assert page.get_by_role("img", name="The three together").is_visible()
    slide(page, "Filters", 1)
    slide(page, "Input channels", 1)
    assert page.locator(".cnnlib table").count() == 3


def test_padding_is_dashed_zero_and_in_the_sum(open_widget):
    page = open_widget(ConvExplorer(image=[[1, 2, 3, 4]] * 4, padding="same", strides=2))
    # TensorFlow's odd zero lies at the bottom and on the right.
    assert "0 at the top, 1 at the bottom, 0 left, 1 right" in page.inner_text("main")
    assert "Input 4 × 4, padded to 5 × 5" in page.inner_text("main")
    pads = page.locator("td.pad")
    assert marked(page, "pad", INPUT) == [[r, c] for r in range(5) for c in range(5) if 4 in (r, c)]
    assert set(pads.all_inner_texts()) == {"0"}
    assert pads.first.evaluate("td => getComputedStyle(td).borderBottomStyle") == "dashed"
    slide(page, "Position", 3)
    assert page.locator(".cnnlib-conv-sum u").count() == 5
    assert page.locator("td.pad.in").count() == 5
    pads.last.hover()
    assert sum_text(page)[0].startswith("This cell is a zero around the input. It goes into 1 outputs")
    pads.last.click()  # no number of the reader's: shown, not kept
    assert not page.locator(".cnnlib-conv-edit").is_visible()
    assert marked(page, "hot", INPUT) == [[4, 4]]


def test_never_read_cells_have_a_pattern_and_words(open_widget):
    page = open_widget(ConvExplorer(**STRIDED))
    assert page.locator("td.unread").count() == 11
    assert "no window reads 11 of the 36 input cells (counted from 1, rows: 6; columns: 6)" in page.inner_text("main")
    style = page.locator("td.unread").first.evaluate("td => getComputedStyle(td).backgroundImage")
    assert "repeating-linear-gradient" in style
    cell(page, INPUT, 5, 0).click()
    assert page.get_by_label("row 6, column 1: 1, never read").count() == 1
    assert sum_text(page)[0] == "Input row 6, column 1 is 1. No output reads it."
    slide(page, "Strides", 1)
    assert page.locator("td.unread").count() == 0
    assert "no window reads" not in page.inner_text("main")


def test_flip_is_convolution(open_widget):
    from scipy import signal

    nine = np.arange(1, 10).reshape(3, 3)
    page = open_widget(ConvExplorer(kernel=nine))
    image = np.array(shown(page, INPUT))
    assert np.array_equal(shown(page), signal.correlate2d(image, nine, "valid"))
    assert "cross-correlation" in page.inner_text("main")
    control(page, "Flip the kernel").check()
    assert np.array_equal(shown(page), signal.convolve2d(image, nine, "valid"))
    assert sum_text(page)[0].startswith("Output row 1, column 1: 9·1 + 8·0 + 7·2")
    assert "convolution of mathematics" in page.inner_text("main")
    assert shown(page, KERNEL) == nine[::-1, ::-1].tolist() and "Kernel 3 × 3, ↻ 180°" in page.inner_text("main")


# --- transposed ------------------------------------------------------------------------------------------


def test_transposed_is_drawn_spread_out(open_widget):
    """As Dumoulin and Visin draw it: zeros between and around, the kernel turned, one step at a time; and the stamp."""
    widget = ConvExplorer(
        image=[[1, 2], [3, 4]], kernel=[[1, 2, 3], [4, 5, 6], [7, 8, 9]], strides=2, transposed=True, position=12
    )
    page = open_widget(widget)
    assert "Input 2 × 2, spread to 7 × 7" in page.inner_text("main")
    spread = np.zeros((7, 7))
    spread[2:5:2, 2:5:2] = [[1, 2], [3, 4]]
    assert shown(page, INPUT) == spread.tolist()
    assert page.locator(f"{INPUT} td.pad").count() == 45
    # The sum holds only what meets an input cell: here all four corners of the turned kernel.
    assert sum_text(page) == ["Output row 3, column 3: 9·1 + 7·2 + 3·3 + 1·4 + bias 0 = 36"]
    assert marked(page, "in", INPUT) == [[r, c] for r in (2, 3, 4) for c in (2, 3, 4)]
    notes = page.locator(f"{INPUT} td.in").evaluate_all("all => all.map(td => Number(td.dataset.note))")
    assert notes == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    # The stamp of one input cell.
    cell(page, INPUT, 2, 4).hover()
    assert marked(page, "in", OUTPUT) == [[r, c] for r in range(3) for c in range(2, 5)]
    notes = page.locator(f"{OUTPUT} td.in").evaluate_all("all => all.map(td => Number(td.dataset.note))")
    assert notes == list(range(1, 10))
    assert np.array_equal(shown(page), expected(widget)[:, :, 0])
    control(page, "Padding").select_option("same")
    widget.padding = "same"
    assert np.array_equal(shown(page), expected(widget)[:, :, 0]) and np.shape(shown(page)) == (4, 4)


def test_output_padding_chooses_among_the_sizes_that_come_from_one_input(open_widget):
    """A convolution with stride 2 makes 3 of 5 and of 6: the way back is a choice (Dumoulin and Visin, section 4.6)."""
    page = open_widget(ConvExplorer(size=3, strides=2, padding="same", transposed=True))
    choice = control(page, "Output padding")
    assert choice.locator("option").all_inner_texts() == ["0", "1", "2", "3", "None: Keras’s own"]
    for text, side in (("0", 5), ("1", 6), ("", 6)):
        choice.select_option(text)
        amount = int(text) if text else None
        widget = ConvExplorer(size=3, strides=2, padding="same", transposed=True, output_padding=amount)
        assert np.shape(shown(page)) == (side, side) == widget.output_shape
        assert np.allclose(shown(page), expected(widget)[:, :, 0], atol=0.005001)
        assert ("output_padding=" in page.locator("pre").text_content()) == (amount is not None)
    # One for rows, one for columns; both come from Keras, or none does.
    control(page, "Rows and columns apart").check()
    columns = control(page, "Output padding: columns")
    columns.select_option("1")
    assert control(page, "Output padding: rows").input_value() == "1"
    columns.select_option("0")
    assert np.shape(shown(page)) == (6, 5) and "output_padding=(1, 0)," in page.locator("pre").text_content()
    control(page, "Rows and columns apart").uncheck()
    assert np.shape(shown(page)) == (6, 6) and choice.input_value() == "1"
    control(page, "Transposed convolution").uncheck()
    assert not choice.is_visible() and np.shape(shown(page)) == (2, 2)


def test_outputs_that_meet_no_input(open_widget):
    page = open_widget(ConvExplorer(size=3, kernel_size=1, strides=2, transposed=True, bias=5))
    assert np.shape(shown(page)) == (6, 6)
    assert "27 outputs meet no input cell: they are the bias" in page.inner_text("main")
    slide(page, "Position", 1)
    assert sum_text(page) == ["Output row 1, column 2: bias 5 = 5"]


# --- what does not fit -----------------------------------------------------------------------------------


def test_impossible_settings_say_why_and_what_fits(open_widget):
    page = open_widget(ConvExplorer())
    slide(page, "Input size", 3)
    slide(page, "Kernel size", 5)
    told = problem(page)
    assert "Rows: the kernel covers 5 cells, input and padding have only 3" in told.inner_text()
    assert said(page, "the kernel covers 5 cells")
    assert not page.get_by_role("button", name="Play").is_visible()
    assert not page.locator(".cnnlib-conv-sum").is_visible()
    fixes = told.get_by_role("button").all_inner_texts()
    assert fixes == ["kernel_size=3", "size=5", 'padding="same"', "ZeroPadding2D(1)"]
    for fix in fixes:
        page.get_by_role("button", name=fix, exact=True).click()
        assert problem(page).count() == 0
        assert np.size(shown(page)) > 0
        assert page.evaluate("document.activeElement.type") == "range"  # the focus is not lost
        page.get_by_role("button", name="Reset").click()
        slide(page, "Input size", 3)
        slide(page, "Kernel size", 5)


@pytest.mark.parametrize(
    "settings, words, fixes",
    [
        ({"size": 4, "dilation_rate": 3}, "Rows: the kernel covers 7 cells", ["kernel_size=2", "dilation_rate=1", "size=7", 'padding="same"', "ZeroPadding2D(2)"]),
        ({"size": (9, 2)}, "Columns: the kernel covers 3 cells", ["kernel_size=2", "size=(9, 3)", 'padding="same"', "ZeroPadding2D(1)"]),
        ({"kernel": np.ones((3, 3, 2))}, "the kernel has 2 slices, the input 1 channels", ["in_channels=2"]),
        ({"kernel": ["blur", "sharpen"], "bias": [1, 2, 3]}, "3 biases for 2 filters", ["bias=0"]),
        ({"transposed": True, "padding": 1}, "Conv2DTranspose knows only valid and same", ['padding="valid"', 'padding="same"']),
        ({"transposed": True, "strides": 2, "dilation_rate": 2}, "Keras refuses strides above 1", ["dilation_rate=1", "strides=1"]),
        ({"transposed": True, "strides": 4, "image": "photo"}, "larger than 64 cells a side", ["strides=1", "size=15"]),
        ({"transposed": True, "strides": 2, "output_padding": 2}, "Keras refuses output_padding=2 with strides=2", ["output_padding=None"]),
        ({"transposed": True, "strides": 2, "kernel_size": 2, "padding": "same", "output_padding": 0}, "a kernel that covers 2 cells, an even number", ["kernel_size=1", 'padding="valid"', "output_padding=None"]),
        ({"kernel": np.ones((3, 3, 2)), "bias": [1, 2]}, "the kernel has 2 slices", []),  # two at once
    ],
)  # fmt: skip
def test_each_problem_has_fixes_that_mend_it(open_widget, settings, words, fixes):
    page = open_widget(ConvExplorer(**settings))
    assert words in problem(page).inner_text()
    assert problem(page).get_by_role("button").all_inner_texts() == fixes
    assert page.locator(f"{OUTPUT} td").count() == 0 and page.locator(f"{INPUT} td").count() > 0
    for i, fix in enumerate(fixes):
        problem(page).get_by_role("button").nth(i).click()
        assert problem(page).count() == 0, fix
        assert page.locator(f"{OUTPUT} td").count() > 0
        page.get_by_role("button", name="Reset").click()


def test_what_keras_refuses_is_explained_and_computed(open_widget):
    import keras

    settings = {"size": 9, "strides": 2, "dilation_rate": 2}
    page = open_widget(ConvExplorer(**settings))
    assert "Keras refuses strides above 1 together with a dilation rate above 1." in problem(page).inner_text()
    with pytest.raises(ValueError, match="strides"):
        keras.layers.Conv2D(1, 3, strides=2, dilation_rate=2)
    assert np.array_equal(shown(page), expected(ConvExplorer(**settings))[:, :, 0])
    assert problem(page).get_by_role("button").all_inner_texts() == ["strides=1", "dilation_rate=1"]
    page.get_by_role("button", name="dilation_rate=1").click()
    assert problem(page).count() == 0
    assert np.shape(shown(page)) == (4, 4)


def schema_state(schema, rng):
    """Any value that a schema takes."""
    if "anyOf" in schema:
        return schema_state(rng.choice(schema["anyOf"]), rng)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind, low, high = schema["type"], schema.get("minimum", 0), schema.get("maximum", 99)
    if kind == "integer":
        return rng.choice([low, high, rng.randint(low, high)])
    if kind == "number":
        return rng.choice([low, high, rng.randint(-9, 9), rng.uniform(-2, 2)])
    if kind == "boolean":
        return rng.random() < 0.5
    assert kind == "array"
    length = rng.randint(schema["minItems"], min(schema["maxItems"], 6))
    return [schema_state(schema["items"], rng) for _ in range(length)]


def test_a_board_that_gets_smaller_leaves_no_mark_behind(open_widget):
    page = open_widget(ConvExplorer(image=np.arange(100).reshape(10, 10).tolist(), padding="same", kernel_size=5))
    page.get_by_role("slider", name="Position").press("End")
    slide(page, "Kernel size", 4)
    board = page.locator(".cnnlib-conv-input td")
    page.wait_for_function("document.querySelectorAll('.cnnlib-conv-input td').length === 13 * 13")
    classes = board.evaluate_all("(cells) => cells.map((cell) => cell.className.split(' '))")
    zeros = {i for i in range(169) if not (1 <= i // 13 <= 10 and 1 <= i % 13 <= 10)}
    assert {i for i, names in enumerate(classes) if "pad" in names} == zeros
    assert not any("undefined" in names for names in classes)


def test_one_that_fails_leaves_the_others_of_its_page_alive(browser, tmp_path):
    page = browser.new_page()
    page.goto(f"file://{page_of([{}, ConvExplorer(), ConvExplorer(strides=2)], tmp_path)}")  # the first has no settings
    page.wait_for_function("document.querySelectorAll('.cnnlib-alive').length === 2")
    page.evaluate("location.hash = '#conv-explorer-3.strides=1'")  # links are followed too
    page.wait_for_function("document.querySelectorAll('.cnnlib-conv-output')[1].querySelectorAll('tr').length === 3")
    page.close()


def test_no_state_of_an_address_breaks_the_page(open_page, tmp_path):
    """Schema-valid nonsense: a result or words that say what is wrong, never an error."""
    rng = random.Random(2)
    start, schema = ConvExplorer().settings(), ConvExplorer.schema()
    assert list(start) == list(schema)
    states = []
    for _ in range(150):
        keys = rng.sample(list(schema), rng.randint(2, len(schema)))
        states.append(start | {key: schema_state(schema[key], rng) for key in keys})
    page = open_page(page_of(states, tmp_path))
    told = page.locator(".cnnlib-conv-explorer").evaluate_all(
        "all => all.map(el => [el.querySelectorAll('.cnnlib-conv-output td').length, el.querySelector('.cnnlib-problem').hidden ? '' : el.querySelector('.cnnlib-problem').textContent])"
    )
    assert len(told) == len(states)
    assert all(cells or words for cells, words in told)
    good = [i for i, (cells, _) in enumerate(told) if cells]
    assert len(good) > 20 and len(told) - len(good) > 20


# --- the Keras code --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": "same", "strides": 2, "bias": 3},
        {"padding": 2, "dilation_rate": 2},
        {"padding": (1, 0), "strides": (1, 2)},
        {"padding": ((0, 2), (1, 3)), "kernel_size": (2, 4), "size": (5, 7)},
        {"image": "colour", "size": 6, "kernel": ["blur", "sobel_x"], "bias": [1, -2], "padding": [[1, 1], [0, 2]]},
        {"flip": True, "kernel": np.arange(9).reshape(3, 3) / 8},
        {
            "transposed": True,
            "strides": 2,
            "kernel": np.arange(24).reshape(3, 2, 2, 2),
            "in_channels": 2,
            "bias": [4, 5],
        },
        {"transposed": True, "padding": "same", "strides": (2, 3), "flip": True, "kernel": "sobel_x"},
        {"transposed": True, "padding": "same", "strides": (2, 3), "output_padding": (0, 2)},
    ],
)
def test_the_keras_code_gives_the_same_numbers(open_widget, settings):
    widget = ConvExplorer(**settings)
    page = open_widget(widget)
    page.get_by_text("In Keras", exact=True).click()
    code = page.locator("pre").inner_text()
    assert ("ZeroPadding2D(" in code) == (not isinstance(widget.padding, str))
    scope = {}
    exec(code, scope)  # noqa: S102
    y = np.asarray(scope["model"](widget.picture[None].astype("float32")))[0]
    numbers = np.moveaxis([shown(page, OUTPUT, f) for f in range(y.shape[2])], 0, -1)
    assert np.allclose(y, numbers, atol=0.0051)
    assert np.allclose(np.reshape(widget.output, y.shape), y, atol=1e-3)
    assert f"(None, {', '.join(map(str, y.shape))})" in code


# --- 32 x 32 ---------------------------------------------------------------------------------------------


DOTS = """nth => { const dots = document.querySelectorAll('.cnnlib-dots')[nth], sides = ['--rows', '--columns'].map(side => Number(dots.style.getPropertyValue(side)));
  return [...sides, [...dots.firstChild.getContext('2d').getImageData(0, 0, sides[1], sides[0]).data]]; }"""
# The colour that the style gives to a cell of each look now, as canvas pixels.
STYLED = """looks => looks.map(look => {
  const td = document.createElement('td'), brush = document.createElement('canvas').getContext('2d');
  td.className = look;
  document.querySelector('.cnnlib-board').append(td);
  brush.fillStyle = getComputedStyle(td).backgroundColor;
  td.remove();
  brush.fillRect(0, 0, 1, 1);
  return [...brush.getImageData(0, 0, 1, 1).data];
})"""


def dots(page, nth=0):
    """[row, column, RGBA] of the picture behind a board's cells."""
    rows, columns, data = page.evaluate(DOTS, nth)
    return np.reshape(data, (rows, columns, 4))


def test_a_picture_of_32_by_32(open_widget):
    widget = ConvExplorer(image="photo", kernel="sobel_x", position=345)
    page = open_widget(widget, width=800)
    assert page.locator(f"{INPUT} td").count() == 1024
    assert page.locator(".cnnlib td").evaluate_all("all => all.filter(td => td.textContent).length") == 9  # the kernel
    # Grey by value: 0 is black, the largest white; and as told in words.
    assert np.allclose(dots(page)[..., 0], widget.picture[..., 0] * 17, atol=1)
    assert "Black is 0, white is 15." in page.inner_text("main")
    # Outputs below zero and above it have two colours.
    y = np.array(widget.output).ravel()
    colours = dots(page, 1)[..., :3].reshape(-1, 3).astype(int)
    clear = np.abs(y) > np.abs(y).max() / 8  # the accents: blue above zero, orange below
    assert np.array_equal(np.where(colours[:, 2] > colours[:, 0], 1, -1)[clear], np.where(y < 0, -1, 1)[clear])
    assert len({tuple(colours[int(at)]) for at in (y.argmin(), y.argmax(), np.abs(y).argmin())}) == 3
    # The window is a frame, not a colour.
    edge = cell(page, INPUT, 11, 15)
    assert marked(page, "in", INPUT) == [[r, c] for r in range(11, 14) for c in range(15, 18)]
    assert "inset" in edge.evaluate("td => getComputedStyle(td).boxShadow")
    assert [sorted(set(td.split()) & set("trbl")) for td in page.locator("td.in").evaluate_all("all => all.map(td => td.className)")] == [
        ["l", "t"], ["t"], ["r", "t"], ["l"], [], ["r"], ["b", "l"], ["b"], ["b", "r"],
    ]  # fmt: skip
    cell(page, INPUT, 20, 20).hover()
    assert f"Input row 21, column 21 is {widget.picture[20, 20, 0]:g}." in sum_text(page)[0]


def test_pixels_behind_the_cells_are_the_numbers_in_both_themes(open_widget):
    widget = ConvExplorer(image="photo", kernel="sobel_x", padding=1)
    page = open_widget(widget, width=800)

    def check():
        seen = dots(page)
        assert seen.shape == (34, 34, 4)
        inside = np.pad(np.full((32, 32), 255), 1)
        assert np.array_equal(seen[..., 3], inside)  # padding has no colour
        assert np.allclose(seen[1:-1, 1:-1, 0], widget.picture[..., 0] * 17, atol=1)
        y = np.reshape(widget.output, (32, 32))
        steps = np.floor(np.abs(y) * 8 / np.abs(y).max() + 0.5).astype(int)
        looks = [
            f"{'minus' if value < 0 else 'plus'} v{step}" for value, step in zip(y.ravel(), steps.ravel(), strict=True)
        ]
        names = sorted(set(looks))
        styled = dict(zip(names, page.evaluate(STYLED, names), strict=True))
        assert len({tuple(colour) for colour in styled.values()}) > 9
        assert np.array_equal(dots(page, 1).reshape(-1, 4), [styled[look] for look in looks])
        return dots(page, 1)

    light = check()
    # Another theme while the page is open: nothing else changes.
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        f"([...was]) => JSON.stringify(({DOTS})(1)[2]) !== JSON.stringify(was)", arg=light.ravel().tolist()
    )
    dark = check()
    assert dark[..., :3].mean() < 90 < 160 < light[..., :3].mean()
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_function(
        f"([...was]) => JSON.stringify(({DOTS})(1)[2]) !== JSON.stringify(was)", arg=dark.ravel().tolist()
    )
    assert np.array_equal(check(), light)
    # On paper it is there too, and each pixel lies under its cell.
    for medium in ("screen", "print"):
        page.emulate_media(media=medium)
        places = page.evaluate("""() => [...document.querySelectorAll('.cnnlib-dots')].map(dots => {
          const box = dots.getBoundingClientRect(), { rows } = dots.nextSibling, last = rows[rows.length - 1].lastChild.getBoundingClientRect();
          const first = rows[0].cells[0].getBoundingClientRect();
          return [first.left - box.left, first.top - box.top, box.right - last.right, box.bottom - last.bottom].map(Math.abs);
        })""")
        assert len(places) == 2
        assert np.max(places) <= 0.6, medium
        assert np.array_equal(dots(page, 1), light)


def test_legible_numbers_have_no_pixels_behind_them(open_widget):
    page = open_widget(ConvExplorer(image="photo"), width=800)
    assert page.locator(".cnnlib-dots").count() == 2
    slide(page, "Input size", 6)
    assert page.locator(".cnnlib-dots").count() == 0
    assert page.locator(f"{INPUT} td.grey").count() == 36
    slide(page, "Input size", 32)
    assert page.locator(".cnnlib-dots").count() == 2
    assert dots(page).shape == (32, 32, 4)


@pytest.mark.parametrize("size", [5, 8, 16, 20, 31])
@pytest.mark.parametrize("image", ["photo", "colour", "digit", "example"])
def test_pictures_of_any_size_are_python_s(open_page, tmp_path, image, size):
    page = open_page(page_of([ConvExplorer(image=image, size=(size, size + 1), in_channels=4)], tmp_path))
    [drawn] = page.evaluate(READ)
    assert np.array_equal(
        np.moveaxis(drawn["input"], 0, -1), ConvExplorer(image=image, size=(size, size + 1), in_channels=4).picture
    )


def test_the_photos_are_matplotlib_s(open_page):
    """The presets are cut from a picture that we can show to be public: made again here."""
    import matplotlib
    from PIL import Image

    picture = (
        Image.open(f"{matplotlib.get_data_path()}/sample_data/grace_hopper.jpg").convert("RGB").crop((86, 20, 426, 360))
    )

    def levels(numbers):
        low, high = np.percentile(numbers, [1, 99])
        return np.clip(np.round((numbers - low) / (high - low) * 15), 0, 15)

    for name, side in (("photo", 32), ("colour", 16)):
        numbers = np.asarray(picture.resize((side, side), Image.BOX), float)
        made = levels(numbers.mean(2, keepdims=True) if name == "photo" else numbers)
        assert np.abs(made - ConvExplorer(image=name).picture).max() <= 1  # JPEG decoders differ a little


def test_the_digit_is_scikit_learn_s():
    datasets = pytest.importorskip("sklearn.datasets")
    assert np.array_equal(datasets.load_digits().images[0], ConvExplorer(image="digit").picture[:, :, 0])


# --- pages -----------------------------------------------------------------------------------------------

STATES = {
    "default": {},
    "same": {"padding": "same", "position": 3},
    "unread": STRIDED,
    "wide": {"image": "digit", "kernel": [[1 / 25] * 5] * 5, "padding": "same", "dilation_rate": 2, "flip": True},
    "impossible": TOO_LARGE,
    "refused": {"strides": 2, "dilation_rate": 2},
    "photo": {"image": "photo", "padding": "same", "size": (8, 32)},
    "colour": {"image": "colour", "kernel": ["blur", "sobel_x"], "pinned": ("input", 3, 3, 1)},
    "numbers": {"in_channels": 3, "kernel": ["sobel_x", "blur", "sharpen"], "pinned": ("weight", 1, 1)},
    "transposed": {"transposed": True, "strides": 2, "size": 4},
    "apart": {"size": (4, 9), "kernel_size": (3, 2), "padding": ((0, 1), (2, 0))},
}


def test_a_phone_never_scrolls_sideways(open_page, tmp_path):
    page = open_page(page_of([ConvExplorer(**settings) for settings in STATES.values()], tmp_path), width=390)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert page.evaluate(WIDTH) <= 390
    cut = page.locator(".cnnlib-conv-explorer *").evaluate_all(
        "all => all.filter(e => !e.closest('table, .cnnlib-dots, .cnnlib-sr') && e.getBoundingClientRect().right > 390).map(e => e.outerHTML.slice(0, 80))"
    )
    assert cut == []
    assert page.locator(".cnnlib-conv-explorer").count() == len(STATES)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(open_page, tmp_path, dark, width):
    # axe looks at every cell: pictures as small as show all that it can find.
    small = {"photo": {"size": (2, 32)}, "colour": {"size": 5}, "wide": {"size": 5}}
    widgets = [ConvExplorer(**settings | small.get(name, {})) for name, settings in STATES.items()]
    page = open_page(page_of(widgets, tmp_path, dark), dark=dark, width=width)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    for used in (False, True) if dark == (width == 390) else (True,):
        if used:  # every explorer with a hovered, a pinned and a wrongly filled-in cell
            for explorer in page.locator(".cnnlib-conv-explorer").all():
                explorer.locator("td:not(.pad)").first.click()
                if explorer.locator(".cnnlib-conv-edit input").is_visible():
                    explorer.locator(".cnnlib-conv-edit input").fill("x")
        assert serious_violations(page) == []


def test_dark_is_dark(open_widget):
    page = open_widget(ConvExplorer(), dark=True)
    for selector in (f"{OUTPUT} td", f"{INPUT} td", ".cnnlib"):
        ink, paper = page.locator(selector).last.evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor].map(c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0))"
        )
        assert ink > 500 > 200 > paper


def test_the_address_holds_the_settings(open_widget):
    link = "#conv-explorer.image=digit&conv-explorer.padding=[[1,0],[0,2]]&conv-explorer.pinned=[%22input%22,2,3,0]&conv-explorer.kernel=[%22blur%22,%22sobel_x%22]"
    page = open_widget(ConvExplorer(), fragment=link)
    assert np.allclose(
        np.moveaxis([shown(page, OUTPUT, f) for f in (0, 1)], 0, -1),
        expected(ConvExplorer(image="digit", padding=[[1, 0], [0, 2]], kernel=["blur", "sobel_x"])),
        atol=0.005001,
    )
    assert marked(page, "hot", INPUT) == [[3, 3]]
    page.get_by_role("button", name="Release").click()
    slide(page, "Strides: rows", 2)
    page.wait_for_function("location.hash.includes('conv-explorer.strides=')")
    fragment = page.evaluate("location.hash")
    assert "pinned" not in fragment and "image=digit" in fragment
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("location.hash === ''")
    assert shown(page, INPUT)[0] == [1, 0, 2, 1, 0]


def test_the_notebook_module_drives_its_model(open_page, tmp_path):
    """The other host: an anywidget model hears every change, and nothing after dispose()."""
    (tmp_path / "blank.html").write_text("<!doctype html><title>x</title><div id=el></div>", "utf-8")
    page = open_page(tmp_path / "blank.html")
    state, after = page.evaluate(
        """async ([source, state]) => {
          const widget = (await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })))).default;
          const listeners = [], saved = [];
          const model = {
            get: key => state[key],
            set(key, value) { state[key] = value; listeners.filter(l => l[0] === `change:${key}`).forEach(l => l[1]()); },
            on: (...listener) => listeners.push(listener),
            off: (event, action) => listeners.splice(listeners.findIndex(l => l[0] === event && l[1] === action), 1),
            save_changes: () => saved.push(JSON.stringify(state)),
          };
          const el = document.querySelector("#el"), dispose = widget.render({ model, el });
          const slider = el.querySelector("details input[type=range]");
          slider.value = 7;
          slider.dispatchEvent(new Event("input"));
          await null; await null;
          el.querySelectorAll("table")[2].rows[2].cells[1].click();
          el.querySelectorAll("table")[1].rows[0].cells[1].click();
          const field = el.querySelector(".cnnlib-conv-edit input");
          field.value = "1/4";
          field.dispatchEvent(new Event("input"));
          dispose();
          return [JSON.parse(saved.at(-1)), listeners.length];
        }""",
        [notebook_module("conv_explorer.js", ConvExplorer.needs), ConvExplorer().settings()],
    )
    assert after == 0
    assert state["size"] == 7
    assert state["position"] == 2 * 5 + 1
    assert state["pinned"] == ["weight", 0, 1, 0, 0]
    assert state["kernel"] == [[-1, 0.25, 1], [-1, 0, 1], [-1, 0, 1]]
    assert ConvExplorer(**state).settings() == state  # what a page sends is what Python takes


# --- Python ----------------------------------------------------------------------------------------------


def test_python_takes_arrays_and_gives_lists():
    widget = ConvExplorer(image=np.arange(25).reshape(5, 5), kernel=np.ones((3, 3), "float32"), bias=np.float64(0.5))
    assert widget.image[4] == [20, 21, 22, 23, 24]
    assert type(widget.image[0][0]) is int
    assert widget.output_shape == (3, 3)
    assert widget.output[0][0] == 54.5
    widget.kernel = np.eye(2)
    assert widget.kernel == [[1, 0], [0, 1]]
    widget.kernel = [np.ones(4), np.full(4, Fraction(1, 9))]
    assert widget.kernel == [[1.0] * 4, [1 / 9] * 4]
    widget.bias = Fraction(1, 9)
    assert {type(x) for x in [widget.bias, *widget.kernel[0], *widget.kernel[1]]} == {float}
    assert ConvExplorer(bias=np.int8(-3)).bias == -3
    assert ConvExplorer(padding=(0, 1)).padding == [0, 1]
    assert ConvExplorer(padding=((0, 1), 2)).padding == [[0, 1], [2, 2]]
    assert ConvExplorer(strides=(2, 1), pinned=("weight", 1, 2)).settings()["pinned"] == ["weight", 1, 2, 0, 0]
    assert eval(repr(widget)).settings() == widget.settings()  # noqa: S307
    two = ConvExplorer(kernel=("blur", "identity"))
    assert two.output_shape == (3, 3, 2) and np.shape(two.output) == (3, 3, 2)
    assert json.loads(json.dumps(two.settings())) == two.settings()


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = ConvExplorer(position=8), []
    box = ipywidgets.HBox([widget, ConvExplorer(image="photo")])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["strides", "position", "padding"])
    widget.set_state({"strides": [2, 1]})  # as from the page
    assert dict(heard) == {"strides": [2, 1], "position": 5}  # a smaller output lacks the ninth cell
    assert widget.output_shape == (2, 3) and box.children[0] is widget
    assert repr(widget) == repr(ConvExplorer(**widget.settings()))


def test_defaults_are_the_notes_example():
    widget = ConvExplorer()
    assert widget.picture[:, :, 0].tolist() == [
        [1, 0, 2, 1, 0],
        [5, 4, 2, 3, 1],
        [3, 4, 5, 0, 2],
        [2, 1, 0, 3, 4],
        [0, 2, 3, 1, 5],
    ]
    assert widget.weights[:, :, 0, 0].tolist() == [[-1, 0, 1]] * 3
    assert widget.settings() == ConvExplorer(image="example", kernel="example").settings()


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"image": [[1, 2], [3]]}, ValueError, "image has rows of 1 and of 2 cells"),
        ({"image": [[1, [2]]]}, ValueError, "image has rows of numbers and of 1 cells"),
        ({"image": []}, ValueError, r"image has shape \(0,\): use 1 to 32 rows"),
        (
            {"image": [[1] * 33]},
            ValueError,
            r"image has shape \(1, 33\): use 1 to 32 rows, 1 to 32 columns, 1 to 4 channels",
        ),
        ({"image": np.ones((2, 2, 5))}, ValueError, r"image has shape \(2, 2, 5\)"),
        ({"image": 3}, TypeError, "image=3 is not a list of rows"),
        ({"image": "cat"}, ValueError, "image='cat' is no preset: use 'example', 'edge'"),
        ({"image": [["1"]]}, TypeError, r"image\[0\]\[0\]='1' is not a number"),
        ({"size": 33}, ValueError, "size=33 is not an integer from 1 to 32"),
        ({"size": (1, 2, 3)}, ValueError, r"size=\(1, 2, 3\) has 3 values"),
        ({"in_channels": 5}, ValueError, "in_channels=5 is not an integer from 1 to 4"),
        ({"kernel": [[float("nan")]]}, ValueError, r"kernel\[0\]\[0\]=nan is out of range: use a number from -9999"),
        ({"kernel": [[1] * 8] * 8}, ValueError, r"kernel has shape \(8, 8\): use 1 to 7 rows"),
        ({"kernel": ["blur"] * 5}, ValueError, "kernel names 5 presets: use 1 to 4"),
        ({"kernel": ["blur", "x"]}, ValueError, "kernel='x' is no preset"),
        ({"bias": None}, TypeError, "bias=None is not a number"),
        ({"bias": True}, TypeError, "bias=True is not a number"),
        ({"bias": [1] * 5}, ValueError, "bias has 5 values"),
        ({"strides": 5}, ValueError, "strides=5 is not an integer from 1 to 4"),
        ({"strides": (1, 5)}, ValueError, r"strides\[1\]=5 is not an integer from 1 to 4"),
        ({"strides": 1.0}, TypeError, "strides=1.0 is not an integer"),
        ({"dilation_rate": 0}, ValueError, "dilation_rate=0 is not an integer from 1 to 4"),
        ({"padding": "full"}, ValueError, "padding='full' is not valid: use 'valid', 'same', 0 to 12"),
        ({"padding": (1, 2, 3)}, ValueError, r"padding=\(1, 2, 3\) has 3 values: use \(before, after\)"),
        ({"padding": ((1, 2, 3), 0)}, ValueError, r"padding\[0\]=\(1, 2, 3\) has 3 values"),
        ({"padding": -1}, ValueError, "padding=-1 is not an integer from 0 to 12"),
        ({"padding": None}, TypeError, "padding=None is not an integer"),
        ({"position": 9}, ValueError, "position=9 is out of range: the output has 9 cells, use 0 to 8"),
        ({"position": -1}, ValueError, "position=-1 is not an integer >= 0"),
        ({"filter": 1}, ValueError, "filter=1 is out of range: the output has 1 channels, use 0 to 0"),
        ({"pinned": ("input", 1)}, ValueError, "is not a cell: use None"),
        ({"pinned": ("pixel", 1, 1)}, ValueError, "is not a cell: use None"),
        ({"pinned": 3}, TypeError, "pinned=3 is not a cell"),
        ({"speed": "warp"}, ValueError, "speed='warp' is none of 'slow'"),
        ({"flip": 1}, TypeError, "flip=1 is not a bool"),
        ({"stride": 1}, ValueError, "ConvExplorer has no setting 'stride'"),
    ],
)
def test_python_refuses(settings, error, words):
    with pytest.raises(error, match=words):
        ConvExplorer(**settings)
    if "stride" not in settings:
        widget = ConvExplorer()
        with pytest.raises(error, match=words):
            [(name, value)] = settings.items()
            setattr(widget, name, value)
        assert widget.settings() == ConvExplorer().settings()  # nothing half-set


@pytest.mark.parametrize(
    "settings, words",
    [
        (TOO_LARGE, "kernel_size=5 covers 5 input cells"),
        ({"kernel": np.ones((3, 3, 2))}, "kernel has 2 channels but image has 1"),
        ({"bias": [1, 2]}, "bias has 2 values for 1 filters"),
        ({"transposed": True, "padding": 1}, "padding=1 is neither 'valid' nor 'same'"),
        (
            {"transposed": True, "strides": 2, "dilation_rate": (1, 2)},
            r"strides=2 and dilation_rate=\(1, 2\) are both above 1",
        ),
        ({"transposed": True, "strides": (3, 2), "output_padding": 2}, "output_padding=2 is not below strides=2"),
    ],
)
def test_what_does_not_fit_is_said_when_a_result_is_wanted(settings, words):
    widget = ConvExplorer(**settings)
    for result in ("output", "output_shape", "sum_text"):
        with pytest.raises(ValueError, match=words):
            getattr(widget, result)
    assert "No output: " in widget.fallback()


def test_python_keeps_the_position_inside():
    widget = ConvExplorer(position=8)
    widget.strides = 2
    assert widget.position == 3
    widget.set_state({"strides": 1, "position": 6})  # what a page sends
    assert (widget.strides, widget.position) == (1, 6)
    widget.kernel = ["blur", "sobel_x"]
    widget.filter = 1
    widget.kernel = "blur"
    assert widget.filter == 0


def test_fallback_holds_the_numbers():
    text = ConvExplorer(bias=1, flip=True).fallback()
    assert "1·1 + 0·0 + (-1)·2 + 1·5" in text
    assert text.count("<table>") == 3
    assert "turned by 180°" in text
    text = ConvExplorer(image="colour", kernel=["blur", "sobel_x"], filter=1, position=150).fallback()
    assert text.count("<table>") == 3 + 6 + 2
    assert "Input, green 16 × 16, rows 5 to 16, columns 5 to 16" in text and "Output of filter 2 14 × 14" in text
    assert len(text) < 20_000
    text = ConvExplorer(transposed=True, strides=2).fallback()
    assert "A transposed convolution" in text and "strides=2" in text


@pytest.mark.parametrize("settings", [{}, STATES["colour"], STATES["transposed"], STATES["impossible"]])
def test_only_on_paper_the_fallback(open_widget, settings):
    page = open_widget(ConvExplorer(**settings))
    assert not page.locator(".cnnlib-fallback").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".cnnlib-fallback").is_visible()
    assert not page.locator(".cnnlib").first.is_visible()


def test_the_style_needs_no_colour_of_its_own():
    section = stylesheet().split("/* conv-explorer */")[1].split("\n/* receptive-field")[0]
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb", section)
