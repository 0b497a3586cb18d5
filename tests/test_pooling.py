"""The pooling explorer: its numbers against Keras's layers and their gradients, its page driven in Chromium as a reader would."""

import json
import random
import re

import numpy as np
import pytest
from conftest import WIDTH, copied, serious_violations

from cnnlib.widgets import ConvExplorer, PoolingExplorer
from cnnlib.widgets.base import data_of, notebook_module, source
from cnnlib.widgets.pooling import KINDS, MOST

LAYERS = {
    "max": "MaxPooling2D",
    "average": "AveragePooling2D",
    "global max": "GlobalMaxPooling2D",
    "global average": "GlobalAveragePooling2D",
}


def random_settings(rng):
    """Settings that fit together, as a widget. Half of the own numbers are small whole ones, so that many are equal."""

    def side_or_two(low, high):
        return rng.randint(low, high) if rng.random() < 0.5 else [rng.randint(low, high), rng.randint(low, high)]

    while True:
        settings = {
            "image": rng.choice(["digit", "edges", "photo", "example", "own", "own", "own", "own"]),
            "size": side_or_two(2, MOST["size"]),
            "kind": rng.choice([*KINDS, "max", "average"]),
            "pool_size": side_or_two(1, rng.choice([3, MOST["pool_size"]])),
            "strides": rng.choice([None, side_or_two(1, rng.choice([2, MOST["strides"]]))]),
            "padding": rng.choice(["valid", "same"]),
            "shift": rng.choice([0, 0, 1, 2, 3, 4]),
            "show": rng.choice(["values", "reads", "gradient"]),
        }
        if settings["image"] == "own":
            number = rng.choice([lambda: rng.randint(-3, 3), lambda: rng.randint(-700, 700) / 8])
            rows, columns = rng.randint(1, MOST["size"]), rng.randint(1, MOST["size"])
            settings["numbers"] = [[number() for _ in range(columns)] for _ in range(rows)]
        widget = PoolingExplorer(**settings)
        try:
            shape = widget.output_shape
        except ValueError:
            continue
        widget.position = rng.randrange(int(np.prod(shape)))
        return widget


def keras_layer(widget):
    import keras

    layer = getattr(keras.layers, LAYERS[widget.kind])
    if widget.kind.startswith("global"):
        return layer()
    return layer(widget.pool_size, widget.strides, widget.padding)


# --- Python against Keras ---------------------------------------------------------------------------------------


def test_outputs_and_gradients_are_those_of_kerass_layers():
    """500 random cases; on a CPU, where TensorFlow's rule for equal maxima is known: ties are compared too."""
    import tensorflow as tf

    rng, tied, overlapping, padded = random.Random(1), 0, 0, 0
    with tf.device("CPU:0"):
        for _ in range(500):
            widget = random_settings(rng)
            x = tf.Variable(widget.moved_picture[None, :, :, None].astype("float32"))
            with tf.GradientTape() as tape:
                y = keras_layer(widget)(x)
            received = tape.gradient(y, x)  # each output's gradient is 1
            shape = tuple(y.shape[1:])  # channels last; a global pool has nothing else
            assert shape == (widget.output_shape if len(shape) == 1 else (*widget.output_shape, 1)), widget
            assert np.allclose(np.ravel(widget.output), np.ravel(y), rtol=1e-5, atol=1e-5), widget
            assert np.allclose(widget.gradient, received[0, :, :, 0], atol=1e-5), widget
            tied += widget.ties is not None and (widget.ties > 1).any()
            overlapping += widget.reads.max() > 1
            padded += widget.padding_amounts != ((0, 0), (0, 0)) and not widget.kind.startswith("global")
    assert tied > 100 and overlapping > 70 and padded > 100


def test_sources_are_tensorflows_argmax():
    import tensorflow as tf

    rng, checked = random.Random(2), 0
    while checked < 200:
        widget = random_settings(rng)
        if widget.kind != "max":
            assert (widget.sources is None) == ("average" in widget.kind)
            continue
        x = widget.moved_picture.astype("float32")
        rows, columns = widget._axes()
        with tf.device("CPU:0"):
            _, flat = tf.nn.max_pool_with_argmax(
                x[None, :, :, None], (rows[1], columns[1]), (rows[2], columns[2]), rows[3].upper()
            )
        assert np.array_equal(widget.sources[..., 0] * x.shape[1] + widget.sources[..., 1], flat[0, :, :, 0]), widget
        assert np.allclose(x[tuple(np.moveaxis(widget.sources, -1, 0))], widget.output)
        checked += 1


def test_reads_and_divisors_by_impulses():
    """One picture for each cell with a single 1 in it: the average pools that are not 0 are the windows that read it."""
    import tensorflow as tf

    rng, checked, unread = random.Random(3), 0, 0
    while checked < 120:
        widget = random_settings(rng)
        if widget.kind != "average" or widget.picture.size > 100:
            continue
        rows, columns = widget.picture.shape
        impulses = np.eye(rows * columns, dtype="float32").reshape(-1, rows, columns, 1)
        with tf.device("CPU:0"):
            answers = np.asarray(keras_layer(widget)(impulses))[..., 0]
        assert np.array_equal((answers > 0).sum(axis=(1, 2)).reshape(rows, columns), widget.reads), widget
        assert np.array_equal((answers > 0).sum(axis=0), widget.divisors)
        assert np.allclose(answers.max(axis=0), 1 / widget.divisors)
        unread += (widget.reads == 0).any()
        checked += 1
    assert unread > 20


def test_the_pool_that_does_not_fit_is_refused_as_keras_refuses_it():
    import keras

    widget = PoolingExplorer(size=(4, 9), pool_size=(5, 2))
    for name in ("output", "reads", "gradient", "sources", "output_shape", "changed"):
        with pytest.raises(ValueError, match="5"):
            getattr(widget, name)
    with pytest.raises(ValueError):
        keras.Sequential([keras.Input((4, 9, 1)), keras.layers.MaxPooling2D((5, 2))])
    assert "No output" in widget.fallback()
    for mended in ({"pool_size": (4, 2)}, {"padding": "same"}, {"size": (5, 9)}, {"kind": "global max"}):
        assert PoolingExplorer(**({"size": (4, 9), "pool_size": (5, 2)} | mended)).output.size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strides", [None, (2, 3)])
def test_the_code_is_the_layer(kind, strides):
    import keras

    widget = PoolingExplorer(kind=kind, pool_size=(3, 2), strides=strides, padding="same", image="photo")
    y = np.asarray(eval(widget.code, {"keras": keras})(widget.moved_picture[None, :, :, None]))
    assert y.shape == ((1, *widget.output_shape) if y.ndim == 2 else (1, *widget.output_shape, 1))
    assert np.allclose(np.ravel(y), np.ravel(widget.output), atol=1e-4)


# --- the shift ----------------------------------------------------------------------------------------------------


def test_what_a_shift_changes_is_counted_as_the_words_say():
    rng = random.Random(4)
    seen = set()
    for _ in range(300):
        widget = random_settings(rng)
        x, still = widget.picture, PoolingExplorer(**(widget.settings() | {"shift": 0}))
        by, moved = widget.shift, np.empty_like(widget.picture)
        for column in range(x.shape[1]):
            moved[:, column] = x[:, column - by] if column >= by else x[:, 0]
        assert np.array_equal(widget.moved_picture, moved)
        before, after = np.array(still.output), np.array(widget.output)
        assert np.array_equal(widget.changed_cells, np.abs(before - after) > 1e-9)
        assert widget.changed_input == np.mean(np.abs(x - moved) > 1e-9)
        assert widget.mean_change == pytest.approx((np.abs(x - moved).mean(), np.abs(before - after).mean()))
        if widget.kind.startswith("global"):
            assert widget.moved_by == 0 and widget.changed in (0, 1)
            continue
        strides = widget.pool_size if widget.strides is None else widget.strides
        step = strides[1] if isinstance(strides, list) else strides
        whole = min(by // step, after.shape[1] - 1)
        pairs = [
            abs(after[i, j] - before[i, j - whole]) > 1e-9
            for i in range(len(after))
            for j in range(whole, after.shape[1])
        ]
        assert widget.moved_by == whole and widget.changed == np.mean(pairs)
        seen |= {"moved"} if whole else set()
        if widget.padding == "valid" and by == whole * step:  # nothing but a move: pooling moves with the picture
            assert widget.changed == 0
            seen.add("exact" if by else "still")
    assert seen == {"moved", "exact", "still"}


def test_small_shifts_of_the_digit():
    """What the chapter and the page of calculators say."""
    one = PoolingExplorer(image="digit", shift=1)
    assert (one.changed_input * 64, one.changed * 16) == (46, 11)
    two = PoolingExplorer(image="digit", shift=2)
    assert (two.changed, two.changed_cells.sum(), two.moved_by) == (0, 14, 1)
    assert all(PoolingExplorer(image="digit", kind="global max", shift=shift).changed == 0 for shift in range(5))


# --- Python's settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(image="cat"), ValueError, "image='cat' is none of 'digit', 'edges', 'photo', 'example', 'own'"),
        (dict(kind="min"), ValueError, "kind='min' is none of 'max', 'average', 'global average', 'global max'"),
        (dict(kind=3), TypeError, "kind=3"),
        (dict(size=1), ValueError, "size=1 is not an integer from 2 to 16"),
        (dict(size=(8, 17)), ValueError, r"size\[1\]=17"),
        (dict(size=8.0), TypeError, r"size=8\.0"),
        (dict(pool_size=0), ValueError, "pool_size=0 is not an integer from 1 to 8"),
        (dict(pool_size=(2, 2, 2)), ValueError, r"pool_size=\(2, 2, 2\) has 3 values"),
        (dict(pool_size=None), TypeError, "pool_size=None"),
        (dict(strides=(1, 9)), ValueError, r"strides\[1\]=9"),
        (dict(strides="2"), TypeError, "strides='2'"),
        (dict(padding="causal"), ValueError, "padding='causal' is none of 'valid', 'same'"),
        (dict(shift=5), ValueError, "shift=5 is not an integer from 0 to 4"),
        (dict(show="weights"), ValueError, "show='weights'"),
        (dict(numbers=[[1, 2], [3]]), ValueError, "numbers has rows of 1 and of 2 cells"),
        (dict(numbers=[[1] * 17]), ValueError, r"numbers has shape \(1, 17\): use 1 to 16 rows"),
        (dict(numbers=[]), ValueError, r"numbers has shape \(0,\)"),
        (dict(numbers=[1, 2]), TypeError, "numbers=.1, 2. is not a list of rows"),
        (dict(numbers="digit"), TypeError, "numbers='digit'"),
        (dict(numbers=[[1, None]]), TypeError, r"numbers\[0\]\[1\]=None is not a number"),
        (dict(numbers=[[1, float("inf")]]), ValueError, r"numbers\[0\]\[1\]=inf"),
        (dict(numbers=[[[1]]]), ValueError, r"numbers has shape \(1, 1, 1\)"),
        (dict(position=16), ValueError, "position=16 is out of range: the output has 16 cells, use 0 to 15"),
        (dict(position=-1), ValueError, "position=-1"),
        (dict(pinned=("weight", 1, 1)), ValueError, "pinned=.* is not a cell"),
        (dict(pinned=("input", 1)), ValueError, "pinned=.* is not a cell"),
        (dict(pinned=("input", 1, 16)), ValueError, r"pinned\[2\]=16"),
        (dict(pinned=[["input"]]), ValueError, "pinned"),
        (dict(pinned=5), TypeError, "pinned=5"),
        (dict(stride=2), ValueError, "no setting 'stride'"),
    ],
)
def test_bad_settings_name_the_setting_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=words):
        PoolingExplorer(**settings)


def test_numbers_may_be_an_array_and_are_shown():
    widget = PoolingExplorer(numbers=np.arange(12).reshape(3, 4))
    assert widget.image == "own" and widget.numbers[2] == [8, 9, 10, 11] and type(widget.numbers[0][0]) is int
    assert widget.output.tolist() == [[5, 7]] and widget.sources.tolist() == [[[1, 1], [1, 3]]]
    assert widget.formula == "max(0, 1, 4, 5) = 5"
    assert np.array_equal(PoolingExplorer(image="own").picture, PoolingExplorer().picture)
    assert repr(widget) == repr(PoolingExplorer(**widget.settings()))
    negative = PoolingExplorer(numbers=-1 - np.arange(9).reshape(3, 3), padding="same", position=3)
    assert negative.output.tolist() == [[-1, -3], [-7, -9]]  # the padding's minus infinity never wins
    assert negative.formula == "max(-9, −∞, −∞, −∞) = -9"
    negative.kind = "average"
    assert negative.formula == "(-9) / 1 = -9" and negative.divisors.tolist() == [[4, 2], [2, 1]]
    assert PoolingExplorer(kind="global average", image="photo", size=16).formula.count("192 more") == 1


def test_pictures_are_the_convolution_explorers_own():
    """One file holds them: pooling.json only names it."""
    ours, theirs = data_of("pooling.js"), data_of("conv_explorer.js")
    assert all(ours["images"][name] == theirs["images"][name] for name in ("digit", "photo", "example"))
    assert "$ref" in source("pooling.json") and "$ref" not in json.dumps(ours)
    assert np.array_equal(
        PoolingExplorer(image="photo", size=16).picture, ConvExplorer(image="photo", size=16).picture[..., 0]
    )
    sobel = ConvExplorer(image="digit", kernel="sobel_x", padding="same").output
    assert np.array_equal(PoolingExplorer(image="edges").picture, np.maximum(sobel, 0))


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = PoolingExplorer(position=15), []
    box = ipywidgets.HBox([widget, PoolingExplorer(kind="average")])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["pool_size", "position"])
    widget.set_state({"pool_size": [2, 4], "strides": None})  # as from the page
    assert dict(heard) == {"pool_size": [2, 4], "position": 7}  # a smaller output lacks the sixteenth cell
    assert widget.output_shape == (4, 2) and box.children[0] is widget
    assert list(PoolingExplorer.setting_names())[:6] == ["image", "numbers", "size", "kind", "pool_size", "strides"]


def test_schema_takes_every_state_that_python_makes_and_no_other():
    jsonschema = pytest.importorskip("jsonschema")
    schemas, rng = PoolingExplorer.schema(), random.Random(5)
    for _ in range(100):
        for key, value in random_settings(rng).settings().items():
            jsonschema.validate(value, schemas[key])
    for key, value in [("numbers", []), ("numbers", [[]]), ("strides", 0), ("size", 1), ("pinned", ["weight"])]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schemas[key])


# --- the page ---------------------------------------------------------------------------------------------------

READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget=pooling]"), [input, output] = root.querySelectorAll("table");
  const cells = (table, read) => [...table.rows].map((row) => [...row.cells].map(read));
  const marked = (table, kind) => [...table.querySelectorAll(`.${kind}`)].map((td) => [td.parentNode.rowIndex, td.cellIndex]);
  const kinds = ["win", "pad", "unread", "hot", "in", "moved"], text = (name) => root.querySelector(name)?.textContent ?? "";
  const [first, ...rest] = root.querySelectorAll(".cnnlib-pool-words p");
  return { input: cells(input, (td) => td.textContent), output: cells(output, (td) => td.textContent),
    notes: [cells(input, (td) => td.dataset.note ?? ""), cells(output, (td) => td.dataset.note ?? "")],
    marks: Object.fromEntries(kinds.map((kind) => [kind, [marked(input, kind), marked(output, kind)]])),
    titles: [input, output].map((table) => table.ariaLabel), formula: text(".cnnlib-pool-sum"), said: first?.textContent ?? "",
    words: rest.map((p) => p.textContent).join(" "), moved: root.querySelector(".cnnlib-pool-words").nextSibling.textContent,
    legend: text(":scope > .cnnlib-muted"), problem: text("div.cnnlib-problem"), wrong: text("p.cnnlib-problem"), code: text("pre"),
    lines: [...root.querySelectorAll("svg > *")].map((shape) => shape.getAttribute("class")), focus: document.activeElement === document.body ? "" : document.activeElement.outerHTML.slice(0, 200) };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='pooling']")


def read(page):
    return page.evaluate(READ)


def cell(page, table, row, column):
    return root(page).locator("table").nth(table).locator("tr").nth(row).locator("td").nth(column)


def control(page, label):
    return root(page).get_by_label(label, exact=True)


def numbers(rows):
    """What a table shows as floats, row by row; NaN where a cell has no number."""
    return np.array([[float(text) if text and text != "−∞" else np.nan for text in row] for row in rows])


def agrees(widget, shown):
    """Whether everything that a page shows of a state is what Python computes. tests/test_numbers.py uses it too."""
    (top, bottom), (left, right) = widget.padding_amounts
    inside = {"values": widget.moved_picture, "reads": widget.reads, "gradient": widget.gradient}[widget.show]
    board = np.pad(inside.astype(float), ((top, bottom), (left, right)), constant_values=np.nan)
    output, changed = np.atleast_2d(widget.output), np.atleast_2d(widget.changed_cells)

    def close(ours, theirs):  # a cell too small for its number shows none
        least, theirs = np.array(theirs) == "−∞", numbers(theirs)
        return (
            ours.shape == theirs.shape
            and np.all(np.isnan(ours[least]))
            and np.all(np.isnan(theirs) | (np.abs(ours - theirs) < 0.005001))
        )

    wins = np.zeros(inside.shape, bool)
    if widget.sources is not None:
        held = widget.moved_picture == np.max(widget.output)
        if widget.kind == "global max":
            wins |= held
        else:
            wins[tuple(widget.sources.reshape(-1, 2).T)] = True
    places = lambda where, by=(0, 0): [[i + by[0], j + by[1]] for i, j in np.argwhere(where).tolist()]  # noqa: E731
    counts = np.unique(widget.reads, return_counts=True)
    listed = ", ".join(f"{times} ({cells} cells)" for times, cells in zip(*counts, strict=True))
    marks = shown["marks"]
    facts = [
        close(board, shown["input"]),
        close(output, shown["output"]),
        marks["win"] == [places(wins, (top, left)), []],
        marks["unread"] == [places(widget.reads == 0, (top, left)), []],
        marks["pad"][0] == places(np.pad(np.zeros(inside.shape), ((top, bottom), (left, right)), constant_values=1)),
        marks["moved"] == [[], places(changed)],
        shown["formula"] == widget.formula,
        f"How many windows read a cell: {listed}." in shown["legend"],
        f"\n\n{widget.code}\n" in shown["code"],
        re.findall(r"cells, (\d+) of", shown["moved"]) == [str(changed.sum())] * bool(widget.shift),
    ]
    if widget.moved_by:
        _, partners = np.array(widget.output)[:, widget.moved_by :].shape, changed[:, widget.moved_by :].size
        facts.append(f"{round(widget.changed * partners)} of {partners} changed." in shown["moved"])
    if widget.shift:
        means = re.search(r"Mean change: (\S+) an input cell, (\S+) an output\.", shown["moved"]).groups()
        facts.append(np.allclose([float(mean) for mean in means], widget.mean_change, rtol=0, atol=0.005001))
    return all(facts)


def test_random_states_show_what_python_computes(open_widget):
    """A few states here; test_numbers.py has thousands."""
    from test_numbers import results

    rng = random.Random(6)
    states = [random_settings(rng) for _ in range(40)]
    legible = 0
    for widget, shown in results(open_widget(PoolingExplorer()), states, READ):
        assert agrees(widget, shown), (widget, shown)
        legible += not np.isnan(numbers(shown["output"])).any()
    assert legible > 30
    assert not agrees(PoolingExplorer(kind="average"), read(open_widget(PoolingExplorer())))


def test_the_maximum_is_marked_and_linked(open_widget):
    page = open_widget(PoolingExplorer(position=5))
    seen, widget = read(page), PoolingExplorer(position=5)
    assert seen["said"] == "Output F, row 2, column 2: max(15, 2, 12, 0) = 15"
    assert seen["words"] == "It comes from row 3, column 3 of the input."
    # The letter of each output stands in the cell that it came from.
    for at, (row, column) in enumerate(widget.sources.reshape(-1, 2)):
        assert seen["notes"][0][row][column] == seen["notes"][1][at // 4][at % 4] == "ABCDEFGHIJKLMNOP"[at]
    assert sum(note != "" for row in seen["notes"][0] for note in row) == 16
    # A ring, not a colour alone, on each winner.
    assert cell(page, 0, 2, 2).evaluate("td => getComputedStyle(td, '::before').borderTopStyle") == "solid"
    assert cell(page, 0, 0, 2).evaluate("td => getComputedStyle(td, '::before').content") == "none"
    # A line from the winner, here the last cell of its window, to its output.
    assert seen["lines"] == ["cone", "best", "line"]
    control(page, "Output").fill("10")
    ends = (
        root(page)
        .locator("path.line")
        .evaluate("""line => {
        const put = (at) => { const { x, y } = line.getPointAtLength(at).matrixTransform(line.getScreenCTM()); return [x, y]; };
        return [put(0), put(line.getTotalLength() - 30)];
    }""")
    )
    for (x, y), (table, row, column) in zip(ends, ((0, 5, 5), (1, 2, 2)), strict=True):
        box = cell(page, table, row, column).bounding_box()
        away = np.hypot(x - box["x"] - box["width"] / 2, y - box["y"] - box["height"] / 2)
        assert away < 0.75 * box["width"]


def test_ties_are_told(open_widget):
    page = open_widget(PoolingExplorer())
    seen = read(page)
    assert "4 cells hold this number. The first of them, row by row" in seen["words"]
    assert seen["lines"] == ["cone", "best", "tie", "tie", "tie", "line"]
    assert "Windows in which several cells share the maximum: 3." in seen["legend"]
    page = open_widget(PoolingExplorer(numbers=[[7, 1], [0, 7]], kind="global max", show="gradient"))
    seen = read(page)
    assert numbers(seen["input"]).tolist() == [[0.5, 0], [0, 0.5]] and seen["lines"].count("line") == 2
    assert "2 cells hold this number. In a global pool they share its gradient." in seen["words"]


def test_overlap_and_cells_never_read(open_widget):
    page = open_widget(PoolingExplorer(pool_size=3, strides=2))
    assert "0 (15 cells), 1 (25 cells), 2 (20 cells), 4 (4 cells). Hatched: never read." in read(page)["legend"]
    hatched = cell(page, 0, 7, 3).evaluate("td => getComputedStyle(td).backgroundImage")
    assert "repeating-linear-gradient" in hatched
    control(page, "how often read").check()
    assert read(page)["input"][2] == list("22424220")
    cell(page, 0, 2, 2).hover()
    seen = read(page)
    assert "4 windows read it: A, B, D, E." in seen["said"] and "It is the maximum of A, D, E." in seen["said"]
    assert seen["marks"]["in"][1] == [[0, 0], [0, 1], [1, 0], [1, 1]] and seen["marks"]["hot"] == [[[2, 2]], []]
    assert seen["lines"] == ["line", "line lost", "line", "line"]
    cell(page, 0, 7, 7).hover()
    assert "No window reads it." in read(page)["said"] and read(page)["lines"] == []
    # Strides above the pool's size step over cells.
    page = open_widget(PoolingExplorer(pool_size=2, strides=3))
    assert len(read(page)["marks"]["unread"][0]) == 64 - 36


def test_same_padding_is_drawn_as_it_is(open_widget):
    page = open_widget(PoolingExplorer(pool_size=3, strides=2, padding="same", position=15))
    seen = read(page)
    pads = sorted([[8, j] for j in range(9)] + [[i, 8] for i in range(8)])
    assert sorted(seen["marks"]["pad"][0]) == pads and seen["input"][8] == ["−∞"] * 9
    assert "0 at the top, 1 at the bottom, 0 left, 1 right. It counts as minus infinity" in seen["legend"]
    assert seen["formula"].count("−∞") == 5 and "Cells of padding in this window: 5." in seen["words"]
    assert cell(page, 0, 8, 0).evaluate("td => getComputedStyle(td).borderTopStyle") == "dashed"
    control(page, "average").check()
    seen = read(page)
    assert seen["formula"] == "(0 + 0 + 0 + 0) / 4 = 0" and seen["input"][8] == [""] * 9
    assert seen["notes"][1][0][0] == "A ÷9" and seen["notes"][1][3][3] == "P ÷4"
    assert "not counted, so the divisor is 4" in seen["words"]
    cell(page, 0, 8, 8).click()  # padding is shown, not kept
    assert read(page)["said"] == "This cell is padding. The mean does not count it."
    assert not root(page).get_by_role("button", name="Release").is_visible()


def test_hover_pin_and_release(open_widget):
    page = open_widget(PoolingExplorer(position=3))
    cell(page, 1, 2, 1).hover()
    assert read(page)["said"].startswith("Output J, row 3, column 2: max(8, 0, 11, 0) = 11")
    page.mouse.move(5, 5)
    assert read(page)["said"].startswith("Output D, ")
    cell(page, 0, 1, 3).click()
    page.mouse.move(5, 5)
    seen = read(page)
    assert seen["said"].startswith("Input row 2, column 4 is 15. One window reads it: B. It is the maximum of B.")
    page.wait_for_function("location.hash.includes('pooling.pinned=')")
    cell(page, 1, 0, 0).hover()  # what is kept stays
    assert read(page)["said"] == seen["said"]
    page.keyboard.press("Escape")
    page.mouse.move(5, 5)
    assert read(page)["said"].startswith("Output D, ")
    cell(page, 1, 1, 1).click()
    page.mouse.move(5, 5)
    assert read(page)["said"].startswith("Output F, ") and control(page, "Output").input_value() == "5"
    cell(page, 1, 1, 1).click()
    assert not root(page).get_by_role("button", name="Release").is_visible()


def test_touch_on_a_phone(open_widget):
    page = open_widget(PoolingExplorer(), width=390, touch=True)
    cell(page, 1, 3, 1).tap()
    assert read(page)["said"].startswith("Output N, row 4, column 2: max(14, 5, 6, 13) = 14")
    cell(page, 0, 2, 2).tap()
    assert read(page)["said"].startswith("Input row 3, column 3 is 15.")
    root(page).get_by_role("button", name="Release").tap()
    assert read(page)["said"].startswith("Output N, ")


def test_the_grids_by_keyboard(open_widget):
    page = open_widget(PoolingExplorer(numbers=[[1, 2, 3], [4, 5, 6]], pool_size=(2, 3)))
    assert page.locator("table [tabindex='0']").count() == 2  # one stop a grid
    cell(page, 0, 0, 0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # the last row already
    focused = page.evaluate("[document.activeElement.parentNode.rowIndex, document.activeElement.cellIndex]")
    assert focused == [1, 1] and page.evaluate("document.activeElement.ariaLabel") == "row 2, column 2: 5"
    assert read(page)["said"].startswith("Input row 2, column 2 is 5.")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    assert read(page)["said"] == "Input row 2, column 2 is 7. One window reads it: A. It is the maximum of A."
    page.keyboard.press("Enter")
    assert root(page).get_by_text("Pinned: Input row 2, column 2").is_visible()
    page.keyboard.type("-9")  # into the field
    page.keyboard.press("Enter")
    assert read(page)["input"][1] == ["4", "-9", "6"] and "<td" in read(page)["focus"]
    page.keyboard.press("Escape")
    assert not root(page).get_by_role("button", name="Release").is_visible()
    cell(page, 1, 0, 0).focus()
    page.keyboard.press("Space")
    assert root(page).get_by_text("Pinned: Output row 1, column 1").is_visible()


def test_own_numbers_begin_as_the_picture_and_can_be_edited(open_widget):
    page = open_widget(PoolingExplorer(image="photo", size=4))
    before = read(page)["input"]
    control(page, "Input").select_option("own numbers")
    assert read(page)["input"] == before
    cell(page, 0, 1, 2).click()
    field = root(page).locator("input[size]")
    field.fill("1/4")
    assert read(page)["input"][1][2] == "0.25"
    field.fill("ten")
    seen = read(page)
    assert "“ten” is not a number that fits" in seen["wrong"] and "Still in use: 0.25." in seen["wrong"]
    assert field.get_attribute("aria-invalid") == "true" and seen["input"][1][2] == "0.25"
    field.press("Tab")
    assert read(page)["wrong"] == "" and field.input_value() == "0.25"
    control(page, "Input size").fill("5")
    seen = read(page)
    assert seen["input"][4] == ["0"] * 5 and seen["input"][1][2] == "0.25"
    control(page, "Input").select_option("handwritten 0")
    control(page, "Input").select_option("own numbers")  # they are still there
    assert read(page)["input"] == seen["input"]
    # An edit of a picture makes it own numbers; of a moved one it changes the cell where it lay.
    page = open_widget(PoolingExplorer(shift=2))
    cell(page, 0, 3, 4).click()
    root(page).locator("input[size]").fill("99")
    assert read(page)["input"][3][4] == "99" and control(page, "Input").input_value() == "own"
    control(page, "Moved right by").fill("0")
    assert read(page)["input"][3][2] == "99"


def test_the_shift_shows_what_changes(open_widget):
    page = open_widget(PoolingExplorer())
    assert read(page)["moved"] == "Move the picture to the right: which outputs change?"
    control(page, "Moved right by").press("ArrowRight")
    seen = read(page)
    assert (
        "Changed (≠): 46 of 64 input cells, 11 of 16 outputs. Mean change: 4.78 an input cell, 3.94 an output."
        in seen["moved"]
    )
    assert (
        len(seen["marks"]["moved"][1]) == 11
        and sum(note.startswith("≠") for row in seen["notes"][1] for note in row) == 11
    )
    control(page, "Moved right by").press("ArrowRight")
    assert "the output 1 further left before the move: 0 of 12 changed." in read(page)["moved"]
    cell(page, 1, 0, 1).hover()
    assert "Before the move it was 15." in read(page)["words"]
    control(page, "global max").check()
    assert "0 of 1 outputs" in read(page)["moved"]


def test_the_gradient_comes_back(open_widget):
    page = open_widget(PoolingExplorer(image="edges", pool_size=3, strides=2, position=3))
    control(page, "gradient").check()
    seen = read(page)
    assert seen["titles"][0] == "Gradient of each cell, 8 × 8" and seen["input"][2][1] == "2"
    assert "Its gradient, 1, goes back to that cell alone." in seen["words"]
    cell(page, 0, 2, 1).hover()
    assert "It receives 1 + 1 = 2." in read(page)["said"]
    control(page, "average").check()
    cell(page, 0, 2, 1).hover()
    assert "It receives 1/9 + 1/9 ≈ 0.22." in read(page)["said"]
    page.mouse.move(5, 5)
    seen = read(page)
    assert "1/9 to each of 9 cells" in seen["words"] and seen["lines"].count("line thin") == 9
    assert np.nansum(numbers(seen["input"])) == pytest.approx(9, abs=0.2)


def test_strides_follow_the_pool_until_they_are_moved(open_widget):
    page = open_widget(PoolingExplorer())
    control(page, "Pool size").fill("4")
    seen = read(page)
    assert len(seen["output"]) == 2 and control(page, "Strides").input_value() == "4" and "strides" not in seen["code"]
    control(page, "Strides").fill("2")
    assert not control(page, "Strides = pool size").is_checked() and "strides=2" in read(page)["code"]
    control(page, "Pool size").fill("3")
    assert control(page, "Strides").input_value() == "2"
    control(page, "Strides = pool size").check()
    assert control(page, "Strides").input_value() == "3" and "strides" not in read(page)["code"]


def test_rows_and_columns_apart(open_widget):
    page = open_widget(PoolingExplorer(size=6))
    control(page, "Rows and columns apart").check()
    control(page, "Pool size: columns").fill("3")
    control(page, "Input size: rows").fill("4")
    control(page, "Strides: rows").fill("1")
    seen, want = read(page), PoolingExplorer(size=(4, 6), pool_size=(2, 3), strides=(1, 3))
    assert agrees(want, seen) and "pool_size=(2, 3), strides=(1, 3)" in seen["code"]
    control(page, "Rows and columns apart").uncheck()  # all take what the rows have
    assert agrees(PoolingExplorer(size=4, pool_size=2, strides=1), read(page))
    assert agrees(PoolingExplorer(pool_size=(2, 3)), read(open_widget(PoolingExplorer(pool_size=(2, 3)))))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_pool_that_does_not_fit_says_why_and_each_offer_mends_it(open_widget, kind):
    start = dict(size=(3, 6), pool_size=(4, 2), kind=kind)
    page = open_widget(PoolingExplorer(**start))
    seen = read(page)
    assert seen["problem"].startswith(
        "Rows: the pool covers 4 cells, the input has only 3. With valid padding there is"
    )
    assert seen["output"] == [] and seen["titles"][1] == "No output" and not seen["marks"]["unread"][0]
    name = "GlobalMaxPooling2D()" if kind == "max" else "GlobalAveragePooling2D()"
    offers = {
        "pool_size=(3, 2)": {"pool_size": (3, 2)},
        'padding="same"': {"padding": "same"},
        "size=(4, 6)": {"size": (4, 6)},
        name: {"kind": f"global {kind}"},
    }
    assert root(page).locator(".cnnlib-problem button").all_text_contents() == list(offers)
    for offer, change in offers.items():
        root(page).get_by_role("button", name=offer, exact=True).click()
        page.mouse.move(5, 5)  # the boards have moved up, under the pointer
        assert read(page)["problem"] == "" and agrees(PoolingExplorer(**(start | change)), read(page)), offer
        assert "range" in read(page)["focus"]  # the keyboard goes on from the first slider that is left
        root(page).get_by_role("button", name="Reset").click()
        assert read(page)["problem"]


def test_a_global_pool_has_no_sizes(open_widget):
    page = open_widget(PoolingExplorer(kind="global average", image="photo", size=16))
    seen = read(page)
    assert seen["titles"][1] == "Output: one number" and "keras.layers.GlobalAveragePooling2D()" in seen["code"]
    assert "# (None, 16, 16, 1) -> (None, 1)" in seen["code"] and "192 more" in seen["formula"]
    for label in ("Pool size", "Strides", "Strides = pool size", "same", "Output"):
        assert not control(page, label).is_visible()
    control(page, "max").check()
    assert control(page, "Pool size").is_visible() and control(page, "Output").is_visible()


@pytest.mark.parametrize(
    "reduced_motion, speed, step", [(False, "normal", 700), (False, "fast", 250), (True, "fast", 750)]
)
def test_play_and_pause(open_widget, reduced_motion, speed, step):
    page = open_widget(PoolingExplorer(pool_size=4, strides=2), reduced_motion=reduced_motion)
    control(page, "Speed").select_option(label=speed)
    place = lambda: int(control(page, "Output").input_value())  # noqa: E731
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.clock.run_for(5 * step)
    assert place() == 0  # nothing starts by itself
    assert page.evaluate("document.getAnimations().length") == 0
    root(page).get_by_role("button", name="Play").click()
    page.clock.run_for(step - 10)
    assert place() == 0
    page.clock.run_for(2 * step + 20)
    assert place() == 3 and read(page)["said"].startswith("Output D, ")
    root(page).get_by_role("button", name="Pause").click()
    page.clock.run_for(5 * step)
    assert place() == 3
    root(page).get_by_role("button", name="Play").click()
    page.clock.run_for(20 * step)
    assert place() == 8  # stops at the last cell
    root(page).get_by_role("button", name="Play").click()  # and starts again at the first
    assert place() == 0
    control(page, "Pool size").fill("8")  # an output of one cell while it plays
    page.clock.run_for(5 * step)
    assert read(page)["formula"].endswith("= 15")


def test_step_and_scrub(open_widget):
    page = open_widget(PoolingExplorer())
    first = root(page).locator("input[type=range]").first
    before = root(page).inner_text()
    first.press("ArrowRight")
    assert root(page).inner_text() != before
    root(page).get_by_role("button", name="Reset").click()
    root(page).get_by_role("button", name="Previous").click()
    assert control(page, "Output").input_value() == "15"
    root(page).get_by_role("button", name="Next").click()
    assert control(page, "Output").input_value() == "0"
    control(page, "Output").fill("7")
    assert read(page)["said"].startswith("Output H, row 2, column 4")


def test_the_address_and_a_bad_one(open_widget):
    link = "#pooling.image=example&pooling.pool_size=[3,2]&pooling.kind=average&pooling.shift=1&pooling.show=reads"
    page = open_widget(PoolingExplorer(), fragment=link)
    want = PoolingExplorer(image="example", pool_size=(3, 2), kind="average", shift=1, show="reads")
    assert agrees(want, read(page))
    control(page, "same").check()
    page.wait_for_function("location.hash.includes('pooling.padding=same')")
    page = open_widget(PoolingExplorer(), fragment="#pooling.pinned=[0]")  # pins nothing, and breaks nothing
    assert page.locator(".cnnlib-board td").count() > 9 and page.get_by_role("button", name="Reset").is_visible()
    page = open_widget(PoolingExplorer(), fragment="#pooling.pool_size=99&pooling.shift=2")
    assert "pooling.pool_size=99" in page.get_by_role("alert").inner_text()
    assert agrees(PoolingExplorer(shift=2), read(page))
    # What no schema can say: rows of several lengths. It is told, not hidden.
    page = open_widget(PoolingExplorer(), fragment="#pooling.image=own&pooling.numbers=[[1,2,3],[4]]")
    seen = read(page)
    assert seen["input"] == [["1", "2", "3"], ["4", "0", "0"]] and "zeros fill them up" in seen["legend"]


def test_changes_are_announced(open_widget):
    page = open_widget(PoolingExplorer())
    status = root(page).locator("[role=status]")
    page.wait_for_timeout(400)
    assert status.text_content() == ""
    root(page).get_by_role("button", name="Next").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('Output B')")
    control(page, "Moved right by").fill("1")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('11 of 16 outputs')")


def test_the_keras_line_is_copied_and_runs(open_widget):
    import keras

    page = open_widget(PoolingExplorer(pool_size=(3, 2), strides=(2, 1), padding="same"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root(page).get_by_role("button", name="Copy", exact=True).click()
    code = read(page)["code"]
    copied(page, code)
    exec(code, {})
    layer = eval(code.split("\n")[2], {"keras": keras})
    given, made = re.search(r"# \(None, (.*)\) -> \(None, (.*)\)", code).groups()
    shape = layer.compute_output_shape((None, *map(int, given.split(", "))))
    assert shape == (None, *map(int, made.split(", ")))


STATES = {
    "start": dict(),
    "wide": dict(image="photo", size=16, pool_size=8, strides=1, padding="same", shift=1),
    "gradient": dict(kind="average", padding="same", pool_size=3, strides=2, show="gradient"),
    "pinned": dict(image="example", pinned=("input", 2, 2), pool_size=3, strides=1),
    "global": dict(kind="global max", image="edges"),
    "impossible": dict(size=2, pool_size=3),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(PoolingExplorer(**STATES[state]), width=390, dark=dark)

    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page)
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    control(page, "how often read").check()  # then after use
    control(page, "Rows and columns apart").check()
    cell(page, 0, 0, 0).click()
    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page)


def test_paper_shows_the_tables(open_widget):
    widget = PoolingExplorer(position=5, show="gradient", shift=1)
    page = open_widget(widget)
    tables = page.locator(".cnnlib-fallback table")
    assert tables.count() == 3 and not tables.first.is_visible() and root(page).is_visible()
    page.emulate_media(media="print")
    assert tables.first.is_visible() and not root(page).is_visible()
    text = page.locator(".cnnlib-fallback").inner_text()
    assert 'MaxPooling2D(pool_size=2, padding="valid")' in text and widget.formula in text
    assert "46 of 64 input cells and 11 of 16 outputs" in text


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
          const slider = el.querySelector("input[type=range]");
          slider.value = 3;
          slider.dispatchEvent(new Event("input"));
          await null; await null;
          el.querySelectorAll("table")[1].rows[1].cells[1].click();
          el.querySelectorAll("table")[0].rows[0].cells[1].click();
          const field = el.querySelector("input[size]");
          field.value = "1/4";
          field.dispatchEvent(new Event("input"));
          dispose();
          return [JSON.parse(saved.at(-1)), listeners.length];
        }""",
        [notebook_module("pooling.js", PoolingExplorer.needs), PoolingExplorer().settings()],
    )
    assert after == 0
    assert state["pool_size"] == 3 and state["strides"] is None and state["position"] == 3
    assert state["pinned"] == ["input", 0, 1] and state["image"] == "own" and state["numbers"][0][:3] == [0, 0.25, 5]
    assert (
        json.loads(json.dumps(PoolingExplorer(**state).settings())) == state
    )  # what a page sends is what Python takes
