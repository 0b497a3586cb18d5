"""The receptive field calculator: its numbers and lit cells against Keras, its page driven in Chromium as a reader would."""

import json
import math
import random
import re

import numpy as np
import pytest
import traitlets
from conftest import WIDTH, serious_violations

from cnnlib import geometry
from cnnlib.widgets.receptive_field import DATA, ReceptiveField, preset
from cnnlib.widgets.traits import LAYERS, Layers

NAMES = list(DATA["presets"])


def random_layers(rng, most=6, filters=20):
    """Layers as Python may give them, some of them too large for the map that reaches them."""
    layers = []
    for _ in range(rng.randint(1, most)):
        kind = rng.choice(["Conv2D", "Conv2D", "MaxPooling2D", "AveragePooling2D"])
        zeros = rng.choice([0, 1, 2, [0, 1], [2, 0]])
        layer = {"type": kind, "kernel_size": rng.randint(1, 5), "strides": rng.choice([1, 1, 1, 2, 3])}
        layer["padding"] = rng.choice(["valid", "same", zeros])
        if kind == "Conv2D":
            layer |= {"filters": rng.randint(1, filters), "use_bias": rng.random() < 0.7}
            if layer["strides"] == 1:  # Keras refuses both above 1
                layer["dilation_rate"] = rng.choice([1, 1, 2, 3])
        layers.append(layer)
    return layers


def random_settings(count, seed, n=32, in_channels=12, **more):
    rng = random.Random(seed)
    for _ in range(count):
        layers = random_layers(rng, **more)
        settings = dict(layers=layers, n=rng.randint(1, n), in_channels=rng.randint(1, in_channels))
        settings["output"] = rng.choice([None, [rng.randint(0, 20), rng.randint(0, 20)]])
        yield settings


def keras_stack(layers, n, in_channels, average=False):
    """The stack in Keras: explicit zeros by ZeroPadding2D, and with `average` every pool an average."""
    import keras

    stack = [keras.Input((n, n, in_channels))]
    kept = []
    for layer in layers:
        options = {key: value for key, value in layer.items() if key not in ("type", "padding")}
        padding = layer["padding"]
        if not isinstance(padding, str):
            before, after = padding if isinstance(padding, list) else (padding, padding)
            stack.append(keras.layers.ZeroPadding2D(((before, after), (before, after))))
            padding = "valid"
        if layer["type"] != "Conv2D":
            options["pool_size"] = options.pop("kernel_size")
        kind = "AveragePooling2D" if average and layer["type"] != "Conv2D" else layer["type"]
        stack.append(getattr(keras.layers, kind)(padding=padding, **options))
        kept.append(len(stack) - 1)
    model = keras.Sequential(stack)
    return model, [model.layers[i - 1] for i in kept]


# --- Python against Keras ---------------------------------------------------------------------------------------


def test_rows_are_what_keras_and_the_summary_say():
    from cnnlib.summary import summarize

    fitting = 0
    for settings in random_settings(260, seed=1):
        widget = ReceptiveField(**settings)
        if widget.problem:
            with pytest.raises(ValueError):
                keras_stack(widget.layers, widget.n, widget.in_channels)
            continue
        fitting += 1
        model, kept = keras_stack(widget.layers, widget.n, widget.in_channels)
        by_name = {row.name: row for row in summarize(model)}
        for row, layer in zip(widget.rows, kept, strict=True):
            seen = by_name[layer.name]
            assert layer.output.shape[1:3] == (row["output_size"],) * 2, settings
            assert layer.count_params() == seen.params == row["params"], settings
            assert (seen.macs, seen.receptive_field, seen.jump) == (row["macs"], row["receptive_field"], row["jump"]), (
                settings
            )
        assert model.count_params() == widget.params
        assert widget.macs == sum(row["macs"] for row in widget.rows)
    assert fitting >= 200


def test_lit_cells_are_those_whose_impulse_reaches_the_output_in_keras():
    """Kernels of ones, average pools, one input cell set at a time: along a row and along a column."""
    checked = 0
    for settings in random_settings(300, seed=2, most=4):
        settings = settings | {"in_channels": 1, "n": min(settings["n"], 14)}
        widget = ReceptiveField(**settings)
        if widget.problem:
            continue
        layers = [layer | ({"filters": 1, "use_bias": False} if "filters" in layer else {}) for layer in widget.layers]
        model, _ = keras_stack(layers, widget.n, 1, average=True)
        model.set_weights([np.ones_like(w) for w in model.get_weights()])
        n, size = widget.n, widget.rows[-1]["output_size"]
        row, column = (min(side, size - 1) for side in widget.output or ((size - 1) // 2,) * 2)
        for axis in (0, 1):
            impulses = np.zeros((n, n, n, 1), "float32")
            for at in range(n):  # a whole row (or column) of ones at `at`
                impulses[(at, at, slice(None)) if axis == 0 else (at, slice(None), at)] = 1
            answer = np.asarray(model(impulses))[:, row, column, 0]
            lit = [at for at in widget.trace(axis)[0] if 0 <= at < n]
            # Where the other axis sees nothing but padding, so does the output.
            blind = not [at for at in widget.trace(1 - axis)[0] if 0 <= at < n]
            assert np.flatnonzero(answer).tolist() == ([] if blind else lit), settings
        checked += 1
    assert checked >= 200


def test_inside_counts_the_part_of_the_field_that_the_input_has():
    widget = ReceptiveField(layers=[(3, 1, 1, "same")] * 3, n=10, output=(0, 9))
    assert [row["inside"] for row in widget.rows] == [(3, 3), (3, 4), (4, 4)]
    assert widget.rows[-1]["receptive_field"] == 7 and widget.rows[-1]["start"] == -3


def test_known_fields_of_published_nets():
    vgg = ReceptiveField(layers="VGG-16", n=224)
    # Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, table 1
    assert vgg.receptive_field == 212 and vgg.rows[-1]["jump"] == 32
    assert vgg.rows[-2]["receptive_field"] == 196  # conv5_3
    assert vgg.params == 14_714_688  # keras.applications.VGG16(include_top=False)
    assert vgg.rows[-1]["output_size"] == 7
    assert ReceptiveField(layers="AlexNet (2012)", n=224).receptive_field == 195  # the same table
    assert ReceptiveField(layers="AlexNet (2012)", n=224).rows[-1]["jump"] == 32
    assert ReceptiveField(layers="dilated 1-2-4").receptive_field == 15  # Yu and Koltun 2016: 2**(i + 2) - 1


def test_presets_are_this_courses_nets():
    expected = {
        # (field, jump, side left of 32, number of layers), from the notes' sections 10 and 11
        "baseline": (6, 2, 16, 2),
        "LeNet-5": (16, 4, 5, 4),
        "AlexNet-8": (45, 8, 2, 8),
        "VGG-16": (212, 32, 1, 18),
        "Inception-10": (51, 4, 8, 9),
        "ResNet-18": (109, 8, 4, 17),
    }
    for name, (field, jump, side, layers) in expected.items():
        widget = ReceptiveField(layers=name)
        last = widget.rows[-1]
        assert (last["receptive_field"], last["jump"], last["output_size"], len(widget.layers)) == (
            field,
            jump,
            side,
            layers,
        )
    # A residual net's parameters without the shortcuts' convolutions, batch normalisation and the last layer
    assert ReceptiveField(layers="ResNet-18").params == 3 * 64 * 9 + 9 * (
        4 * 64**2 + 64 * 128 + 3 * 128**2 + 128 * 256 + 3 * 256**2 + 256 * 512 + 3 * 512**2
    )
    baseline = pytest.importorskip("cnnlib.models").baseline()
    conv = next(layer for layer in baseline.layers if type(layer).__name__ == "Conv2D")
    pool = next(layer for layer in baseline.layers if "Pooling" in type(layer).__name__)
    ours = ReceptiveField(layers="baseline").layers
    assert [conv.filters, conv.kernel_size[0], conv.padding] == [
        ours[0]["filters"],
        ours[0]["kernel_size"],
        ours[0]["padding"],
    ]
    assert [pool.pool_size[0], pool.strides[0], pool.padding] == [
        ours[1]["kernel_size"],
        ours[1]["strides"],
        ours[1]["padding"],
    ]


def test_two_3x3_against_one_5x5():
    """COVERAGE section 2 and ERRATA 12."""
    for channels in (1, 8):  # the crossover does not depend on the channels, as long as all are equal
        pair = ReceptiveField(layers="two 3x3", other="one 5x5", n=10, in_channels=channels)
        assert pair.cost_runs == [(5, 9, "other"), (10, 10, "equal"), (11, 256, "layers")]
        assert pair.macs == 900 * channels**2
    same = {"filters": 1, "padding": "same"}
    pair = ReceptiveField(layers=[same, same], other=[same | {"kernel_size": 5}], in_channels=1)
    assert pair.cost_runs == [(1, 256, "layers")] and pair.macs == 18 * 32**2
    wide = {"filters": 64, "padding": "same"}
    pair = ReceptiveField(layers=[wide, wide], other=[wide | {"kernel_size": 5}], in_channels=3)
    assert pair.cost_runs == [(1, 256, "other")]
    assert (pair.macs / 32**2, pair.other_rows[0]["macs"] / 32**2) == (38_592, 4_800)


# --- Python's settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(layers=[3, 3, {"strides": 0}]), ValueError, r"layers\[2\]\.strides=0 .* from 1 to 5"),
        (dict(other=[{"kernel_size": 2.0}]), TypeError, r"other\[0\]\.kernel_size=2\.0"),
        (dict(layers=[{"kernel": 3}]), ValueError, r"layers\[0\] has no 'kernel'.*kernel_size"),
        (dict(layers=[{"type": "MaxPooling2D", "filters": 3}]), ValueError, r"layers\[0\] has no 'filters'"),
        (dict(layers=[{"type": "Dense"}]), ValueError, r"layers\[0\]\.type='Dense'.*'Conv2D'"),
        (dict(layers=[(3, 1, 1, "causal")]), ValueError, r"layers\[0\]\.padding='causal'.*'valid', 'same'"),
        (dict(layers=[(3, 1, 1, (1, 11))]), ValueError, r"layers\[0\]\.padding\[1\]=11"),
        (dict(layers=[(3, 1, 1, (1, 1, 1))]), ValueError, r"layers\[0\]\.padding=\(1, 1, 1\) has 3 values"),
        (dict(layers=[{"padding": None}]), TypeError, r"layers\[0\]\.padding=None is none of 'valid', 'same', 0 to 10"),
        (dict(layers=[{"use_bias": 1}]), TypeError, r"layers\[0\]\.use_bias=1"),
        (dict(layers=[()]), ValueError, r"layers\[0\]=\(\)"),
        (dict(layers=[]), ValueError, "layers has 0 layers: use 1 to 32"),
        (dict(layers=[3] * 33), ValueError, "layers has 33 layers"),
        (dict(layers=3), TypeError, "layers=3 is not a list"),
        (dict(layers="VGG-17"), ValueError, "layers='VGG-17' is none of .*'VGG-16'"),
        (dict(n=257), ValueError, "n=257"),
        (dict(in_channels=0), ValueError, "in_channels=0"),
        (dict(output=(1, 2, 3)), ValueError, r"output=\(1, 2, 3\)"),
        (dict(output=5), TypeError, "output=5"),
        (dict(output=(0, -1)), ValueError, r"output\[1\]=-1"),
        (dict(view="3-D"), ValueError, "view='3-D'"),
        (dict(size=3), ValueError, "no setting 'size'"),
    ],
)
def test_bad_settings_name_the_place_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=words):
        ReceptiveField(**settings)


def test_layers_may_be_given_in_short_and_are_not_shared():
    given = [3, (5, 2), {"type": "AveragePooling2D", "pool_size": 2}, {"padding": (1, 1), "kernel_size": np.int64(3)}]
    widget = ReceptiveField(layers=given)
    assert [list(layer) for layer in widget.layers] == [["type", *LAYERS[layer["type"]]] for layer in widget.layers]
    assert widget.layers[1] == LAYERS["Conv2D"] | {"type": "Conv2D", "kernel_size": 5, "strides": 2}
    assert widget.layers[2] == {"type": "AveragePooling2D", "kernel_size": 2, "strides": 2, "padding": "valid"}
    assert widget.layers[3]["padding"] == 1 and type(widget.layers[3]["kernel_size"]) is int
    given[3]["padding"] = "same"
    widget.layers[0]["filters"] = 99
    assert widget.layers[3]["padding"] == 1
    assert ReceptiveField().layers == ReceptiveField(layers="two 3×3".replace("×", "x")).layers
    ReceptiveField().layers[0]["filters"] = 99
    assert ReceptiveField().layers[0]["filters"] == 3
    assert ReceptiveField(layers="vgg16").layers == ReceptiveField(layers="VGG-16").layers
    assert ReceptiveField(layers="one 7x7", in_channels=5).layers[0]["filters"] == 5
    assert repr(widget) == repr(ReceptiveField(**widget.settings()))


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = ReceptiveField(), []
    box = ipywidgets.HBox([widget, ReceptiveField(layers="LeNet-5")])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["n", "layers", "output"])
    widget.set_state({"n": 20, "layers": [{"type": "Conv2D", "kernel_size": 5}], "output": [1, 2]})  # as from the page
    assert ("n", 20) in heard and ("output", [1, 2]) in heard
    assert dict(heard)["layers"] == [LAYERS["Conv2D"] | {"type": "Conv2D", "kernel_size": 5}]
    assert widget.rows[0]["output_size"] == 16 and box.children[0] is widget


def test_schema_takes_every_state_that_python_makes_and_no_other():
    """The page checks an address with address.js; here the same rules in a library that we did not write."""
    jsonschema = pytest.importorskip("jsonschema")
    schemas = ReceptiveField.schema()
    for settings in random_settings(50, seed=3):
        for key, value in ReceptiveField(**settings, other=settings["layers"]).settings().items():
            jsonschema.validate(value, schemas[key])
    for key, value in [
        ("layers", []),
        ("layers", [{"type": "Conv2D"}]),
        ("n", 0),
        ("output", [1]),
        ("output", [0, 256]),
    ]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schemas[key])


def test_impossible_stack_is_no_error_and_says_where_it_ends():
    widget = ReceptiveField(layers="LeNet-5", n=12)
    assert widget.problem.startswith("layer 3: kernel_size=5") and "n=4" in widget.problem
    assert [row["output_size"] for row in widget.rows] == [8, 4, None, None]
    assert [row["receptive_field"] for row in widget.rows] == [5, 6, 14, 16]
    assert widget.rows[2]["params"] == 2416 and widget.rows[2]["macs"] is None and widget.macs is None
    assert widget.trace()[-1] == [1] and len(widget.trace()) == 3
    assert "no output" in widget.fallback()
    assert ReceptiveField(layers=[11], n=5).trace() == [[2]]


# --- the page ---------------------------------------------------------------------------------------------------

READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget='receptive-field']");
  const rows = (table) => [...table.querySelectorAll("tbody tr:not(.why)")].map((row) => [...row.cells].map((cell) => cell.textContent));
  const [a, b, compared] = root.querySelectorAll("table"), panels = [...root.querySelectorAll("section")];
  const words = (name) => panels.map((panel) => panel.querySelector(name)?.textContent ?? "");
  return { a: rows(a), b: b.checkVisibility() ? rows(b) : null, compared: compared.checkVisibility() ? rows(compared) : null,
    verdict: panels[2].querySelector("p").textContent, sees: words(".cnnlib-field-sees"), problems: words(".cnnlib-problem"),
    told: panels.slice(0, 2).map((panel) => [...panel.querySelectorAll("svg")].map((svg) => svg.ariaLabel)),
    focus: document.activeElement === document.body ? "" : document.activeElement.outerHTML.slice(0, 200) };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='receptive-field']")


def read(page):
    return page.evaluate(READ)


def put(page, **settings):
    """Give the page's model new settings, as a link does, and read the page."""
    widget = ReceptiveField(**settings)
    page.evaluate(
        """(hash) => {
            history.replaceState(null, "", hash);
            dispatchEvent(new Event("hashchange"));
        }""",
        address(widget),
    )
    return widget, read(page)


def address(widget):
    """The page's address that holds all of the widget's settings."""
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    return "#" + "&".join(f"receptive-field.{key}={value}" for key, value in plain.items())


def big(number):
    return f"{number:,}".replace("-", "−")


def cells_of(widget, layers, rows):
    """The table's cells as Python would write them."""
    channels, table = widget.in_channels, []
    for i, (layer, row) in enumerate(zip(layers, rows, strict=True)):
        o, k = row["output_size"], layer["kernel_size"]
        channels = layer.get("filters", channels)
        table.append(
            [
                f"{i + 1} {layer['type']} {k}×{k}",
                f"{o}×{o}×{channels}" if o else "no output",
                big(row["jump"]),
                big(row["start"]) if o else "–",
                f"{row['receptive_field']}×{row['receptive_field']}",
                "×".join(map(str, row["inside"])) if o else "–",
                big(row["params"]),
                big(row["macs"]) if o else "–",
                "?",
            ]
        )
    return table


def span(cells):
    return "none" if not cells else f"{cells[0]} to {cells[-1]}" if len(cells) > 1 else str(cells[0])


def verdict_of(widget):
    """What the page says about two stacks that are no presets."""
    names = {"layers": "A (own layers)", "other": "B (own layers)", "equal": "Equal"}
    loser = {"layers": names["other"], "other": names["layers"]}
    runs, sentences = widget.cost_runs, []
    for low, high, who in runs[:5]:
        needs = names[who] if who == "equal" else f"{names[who]} needs fewer"
        if low < high == 256 and len(runs) == 1:
            equal = f"Both need the same from n = {low} on, at every n."
            less = f"{needs} MACs than {loser.get(who)} at every n from {low} on."
            sentences.append(equal if who == "equal" else less)
        elif low == high:
            sentences.append(f"{needs} at n = {low}.")
        else:
            sentences.append(f"{needs} from n = {low} to {high}." if high < 256 else f"{needs} from n = {low} on.")
    return " ".join(sentences) + (" …" if len(runs) > 5 else "") or "There is no input size up to 256 that both fit."


def levels_of(widget):
    """(side, lit rows, lit columns) of every level that is drawn, the input's first, as Python has them."""
    sizes = [widget.n, *(row["output_size"] for row in widget.rows if row["output_size"])]
    for size, *both in zip(sizes, widget.trace(0), widget.trace(1), strict=True):
        yield (size, *([at for at in lit if 0 <= at < size] for lit in both))


def agrees(widget, seen):
    """Every number on the page is Python's: also used on the thousands of states of test_numbers."""
    rows_of_both = widget.rows, widget.other_rows
    for layers, rows, shown in zip((widget.layers, widget.other), rows_of_both, (seen["a"], seen["b"]), strict=True):
        if not layers:
            assert shown is None
            continue
        assert shown[:-1] == cells_of(widget, layers, rows)
        total = sum(row["params"] for row in rows)
        fits = rows[-1]["output_size"] is not None
        macs = big(sum(row["macs"] for row in rows)) if fits else "–"
        side = f"{rows[-1]['output_size']}×{rows[-1]['output_size']}" if fits else "no output"
        assert shown[-1] == ["Total", side, "", "", "", "", big(total), macs, ""]
    levels = list(levels_of(widget))
    assert len(seen["told"][0]) == len(levels)
    for (_, rows, columns), told in zip(levels, seen["told"][0], strict=True):
        assert told.endswith(f"filled: rows {span(rows)}, columns {span(columns)}")
    _, rows, columns = levels[0]
    assert (
        f"depends on rows {span(rows)} and columns {span(columns)} of the input: {len(rows) * len(columns)} cells"
        in seen["sees"][0].replace(",", "")
    )
    if widget.other:
        assert seen["verdict"] == verdict_of(widget)
        for row, key in ((1, "params"), (2, "macs")):
            sums = [[one[key] for one in rows] for rows in rows_of_both]
            assert seen["compared"][row][1:3] == ["–" if None in all else big(sum(all)) for all in sums]
    return True


def test_every_number_on_the_page_is_pythons(open_widget):
    page = open_widget(ReceptiveField())
    impossible = 0
    rng = random.Random(4)
    for settings in random_settings(40, seed=5):
        widget, seen = put(page, **settings, other=random_layers(rng) if rng.random() < 0.5 else [])
        assert agrees(widget, seen), settings
        impossible += widget.problem is not None
    assert 7 < impossible < 33


def arithmetic(line):
    """Both sides of a line of arithmetic: 'r = 3 + (3 − 1)·2 = 7' -> (7, 7)."""
    *_, left, right = line.split(" = ")
    for sign, python in (("⌊", "math.floor("), ("⌋", ")"), ("⌈", "math.ceil("), ("⌉", ")"), ("·", "*"), ("−", "-")):
        left = left.replace(sign, python)
    return eval(left.replace(",", ""), {"math": math}), int(right.replace(",", "").replace("−", "-"))


def test_why_shows_arithmetic_that_comes_out(open_widget):
    page = open_widget(ReceptiveField())
    for settings in random_settings(25, seed=6):
        widget, _ = put(page, **settings)
        root(page).evaluate(
            "(el) => [...el.querySelectorAll('td button')].forEach((b, i) => { const all = el.querySelectorAll('td button'); if (all[i].ariaExpanded === 'false') all[i].click(); })"
        )
        groups = page.evaluate("""() => [...document.querySelectorAll("tr.why")].filter((row) => row.checkVisibility())
            .map((row) => [...row.querySelectorAll("dl div")].map((pair) => [...pair.children].map((one) => one.textContent)))""")
        assert len(groups) == len(widget.layers)
        for row, layer, lines in zip(widget.rows, widget.layers, groups, strict=True):
            shown = dict(lines)
            for name, key in (
                ("Output", "output_size"),
                ("Jump", "jump"),
                ("Start", "start"),
                ("Field", "receptive_field"),
                ("Parameters", "params"),
                ("MACs", "macs"),
            ):
                if row["output_size"] is None and key in ("output_size", "start", "macs"):
                    assert name not in shown or "the kernel covers" in shown[name]
                elif key in ("params", "macs") and layer["type"] != "Conv2D":
                    assert shown[name] == "a pool has no weights: 0" and row[key] == 0
                else:
                    assert arithmetic(shown[name]) == (row[key], row[key]), (settings, shown[name])
            if row["output_size"] is not None:
                assert shown["Inside"].endswith(f": {row['inside'][0]}")


def test_field_arithmetic_is_the_papers_recurrence(open_widget):
    page = open_widget(ReceptiveField(layers=[3, (2, 2), 3]))
    page.get_by_role("button", name="Why these numbers? Layer 3").click()
    assert "r = 4 + (3 − 1)·2 = 8" in root(page).locator("tr.why").filter(visible=True).inner_text()
    # the button still has the focus, though the table's numbers were written
    assert page.evaluate("document.activeElement.ariaLabel") == "Why these numbers? Layer 3"
    page.keyboard.press("Enter")
    assert root(page).locator("tr.why").filter(visible=True).count() == 0


def test_two_3x3_against_one_5x5_on_the_page(open_widget):
    page = open_widget(ReceptiveField(layers="two 3x3", other="one 5x5", n=10, in_channels=1))
    seen = read(page)
    assert seen["compared"] == [
        ["Field", "5", "5", "1"],
        ["Parameters", "20", "26", "0.77"],
        ["MACs", "900", "900", "1"],
        ["MACs per input pixel", "9", "9", "1"],
    ]
    assert (
        seen["verdict"]
        == "B (one 5×5) needs fewer from n = 5 to 9. Equal at n = 10. A (two 3×3) needs fewer from n = 11 on."
    )
    assert root(page).locator("circle").count() == 1 and "n = 10" in root(page).locator("svg").last.text_content()
    root(page).get_by_label("same", exact=True).first.check()  # padding of all layers
    assert read(page)["verdict"] == "A (own layers) needs fewer MACs than B (own layers) at every n from 1 on."
    assert read(page)["compared"][3] == ["MACs per input pixel", "18", "25", "0.72"]
    channels, filters = root(page).get_by_label("Input channels c"), root(page).get_by_label("Filters, all layers")
    for _ in range(2):
        channels.press("ArrowRight")
    while "64" not in filters.evaluate("(e) => e.ariaValueText"):
        filters.press("ArrowRight")
    seen = read(page)
    assert seen["verdict"] == "B (own layers) needs fewer MACs than A (own layers) at every n from 1 on."
    assert seen["compared"][3] == ["MACs per input pixel", "38,592", "4,800", "8.04"]


def test_mouse_in_both_views_moves_the_output(open_widget):
    page = open_widget(ReceptiveField(layers=[(3, 1, 1, "same"), (3, 2, 1, "same")], n=16))
    output = root(page).locator("figure").last.locator("svg")
    box = output.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.01, box["y"] + box["height"] * 0.99)  # bottom left
    assert read(page)["sees"][0].startswith("Output row 7, column 0 of 8×8 depends on rows 13 to 15 and columns 0 to 3")
    # A cell of an earlier map stands for the output nearest to it.
    first = root(page).locator("figure").first.locator("svg")
    box = first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    assert re.match(r"Output row [34], column [34] of", read(page)["sees"][0])
    root(page).get_by_label("1-D").check()
    box = root(page).locator(".cnnlib-field-picture svg").first.bounding_box()
    assert root(page).locator(".cnnlib-field-picture svg").count() == 1
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 25)
    assert "column 7 of 8×8" in read(page)["sees"][0]
    page.mouse.move(box["x"] + 4, box["y"] + 25)
    page.mouse.down()
    page.mouse.move(box["x"] + 6, box["y"] + 25)
    page.mouse.up()
    assert "column 0 of 8×8" in read(page)["sees"][0]


# What is filled: each level's boxes [x, y, width, height]; in the 1-D view, where the rays of each level end.
DRAWN = """() => {
  const panel = document.querySelector(".cnnlib-field-picture"), numbers = (d) => (d.match(/-?[\\d.]+/g) ?? []).map(Number);
  const fours = (list) => list.length ? [list.slice(0, 4), ...fours(list.slice(4))] : [];
  const boxes = (path) => fours((path.getAttribute("d").match(/M[^z]*z/g) ?? []).flatMap((one) => numbers(one).slice(0, 4)));
  const seen = (path) => { const { fill, opacity } = getComputedStyle(path); return fill !== "none" && opacity > 0; };
  const lit = [...panel.querySelectorAll("path.lit")];
  return { lit: lit.map(boxes), filled: lit.every((path) => seen(path)),
    rays: [...panel.querySelectorAll("path.ray")].map((path) => fours(numbers(path.getAttribute("d")))) };
}"""


def test_filled_cells_and_ends_of_lines_are_where_python_says(open_widget):
    """The words beside a picture may be right and the picture wrong: here what is drawn itself."""
    page, drawn, rays = open_widget(ReceptiveField()), {"2-D": 0, "1-D": 0}, 0
    for settings in [*random_settings(26, seed=31), dict(layers="VGG-16", n=128), dict(layers="LeNet-5", n=12)]:
        for view in ("2-D", "1-D"):
            widget, _ = put(page, **settings, view=view)
            shown, levels = page.evaluate(DRAWN), list(levels_of(widget))
            if widget.rows[0]["output_size"] is None:
                continue
            filled = [
                {(i, j) for x, y, w, t in boxes for i in range(y, y + t) for j in range(x, x + w)}
                for boxes in shown["lit"]
            ]
            if view == "2-D":
                assert filled == [{(i, j) for i in down for j in across} for _, down, across in levels], settings
            else:  # one row, of the columns; the levels are drawn from the input on
                assert filled == [{(0, j) for j in across} for _, _, across in levels], settings
            assert shown["filled"]
            drawn[view] += sum(map(len, filled))
            if view == "2-D":
                continue
            # The middle of a cell, in columns of the input.
            start, jump, field = (
                [c, *(row[key] for row in widget.rows)]
                for c, key in ((0, "start"), (1, "jump"), (1, "receptive_field"))
            )
            middle = lambda i, at: start[i] + at * jump[i] + field[i] / 2  # noqa: B023, E731
            asked = []
            for i, (_, _, across) in enumerate(levels[1:], 1):
                layer, (below, *_) = widget.layers[i - 1], levels[i - 1]
                k, s, d = (layer.get(key, 1) for key in ("kernel_size", "strides", "dilation_rate"))
                windows = [(a, b) for a in across for b in geometry.window(below, a, k, s, layer["padding"], d)]
                if across and len(across) * k < 150:
                    asked.append(sorted((middle(i, a), middle(i - 1, b)) for a, b in windows))
            assert [sorted((x, below) for x, _, below, _ in ends) for ends in shown["rays"]] == asked, settings
            rays += sum(map(len, asked))
    assert min(drawn.values()) > 300 and rays > 300, (drawn, rays)


def test_padding_cells_are_struck_through_and_digits_say_where(open_widget):
    widget = ReceptiveField(layers=[(3, 1, 1, "same"), (3, 1, 2, "same")], n=8, output=(0, 7), view="1-D")
    page = open_widget(widget)
    for i, level in enumerate(reversed(range(3))):
        zeros = [at for at in widget.trace(1)[level] if not 0 <= at < 8]
        boxes = page.evaluate("(i) => [...document.querySelectorAll('.cnnlib-field-picture path.zero')].length", i)
        assert boxes == 2  # two levels have zeros that are met
        assert bool(zeros) == (level < 2)
    struck = page.evaluate(
        "() => [...document.querySelectorAll('path.zero')].map((p) => (p.getAttribute('d').match(/l1 -1/g) ?? []).length)"
    )
    assert struck == [len([at for at in widget.trace(1)[level] if not 0 <= at < 8]) for level in (0, 1)]
    assert "It also meets zeros of the padding (Input: 8×8, 1 Conv2D 3×3: 8×8)." in read(page)["sees"][0]


def test_keyboard_reaches_and_works_everything(open_widget):
    page = open_widget(ReceptiveField(other="one 5x5"))
    reached = set()
    for _ in range(70):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => { const e = document.activeElement; return e.id || e.className?.baseVal || e.className + '|' + e.textContent; }"""
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    ids = [c.get_attribute("id") for c in root(page).locator("input[type=range], select").all() if c.is_visible()]
    assert set(ids) <= reached and len(ids) >= 7
    assert any("cnnlib-field-picture" in one for one in reached)
    for slider in root(page).locator("input[type=range]").all():
        if slider.is_visible():
            value = int(slider.input_value())
            slider.press("ArrowRight")
            assert int(slider.input_value()) == value + 1
            slider.press("ArrowLeft")
            assert int(slider.input_value()) == value
    picture = root(page).locator(".cnnlib-field-picture").first
    picture.press("ArrowDown")
    picture.press("ArrowLeft")
    assert read(page)["sees"][0].startswith("Output row 14, column 12 of 28×28")
    assert "cnnlib-field-picture" in read(page)["focus"]
    for _ in range(20):
        picture.press("ArrowRight")
    assert "column 27 of" in read(page)["sees"][0]  # it stops at the edge


def stack_of(page):
    return root(page).locator(".cnnlib-stack-list").first.locator("button").all_text_contents()


def test_add_move_remove_keep_the_focus_and_say_what_happened(open_widget):
    page = open_widget(ReceptiveField(layers=[3, (5, 2)], in_channels=1))
    act = lambda name: root(page).get_by_role("button", name=name, exact=True)  # noqa: E731
    assert root(page).locator(".cnnlib-stack-list").first.get_attribute("aria-orientation") == "vertical"
    act("Add").press("Enter")
    assert [one.split(",")[0] for one in stack_of(page)] == ["1 Conv2D 3×3", "2 Conv2D 3×3", "3 Conv2D 5×5"]
    assert ">Add<" in read(page)["focus"]
    act("Move later").press("Enter")
    assert [one.split(",")[0] for one in stack_of(page)] == ["1 Conv2D 3×3", "2 Conv2D 5×5", "3 Conv2D 3×3"]
    assert ">Move later<" in read(page)["focus"]
    status = root(page).locator("[role=status]")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('Now layer 3 of 3')")
    assert "Output row" in status.text_content()  # and after it what that changed
    act("Move later").press("Enter")  # it is the last one: nothing moves, and that is said
    assert act("Move later").get_attribute("aria-disabled") == "true"
    page.wait_for_function("document.querySelector('[role=status]').textContent === 'It is the last layer.'")
    act("Remove").press("Enter")
    assert [one.split(",")[0] for one in stack_of(page)] == ["1 Conv2D 3×3", "2 Conv2D 5×5"]
    assert ">Remove<" in read(page)["focus"]
    chosen = root(page).locator(".cnnlib-stack-list [aria-pressed=true]").first
    assert chosen.text_content().startswith("2 Conv2D 5×5")
    chosen.press("Alt+ArrowUp")
    assert [one.split(",")[0] for one in stack_of(page)] == ["1 Conv2D 5×5", "2 Conv2D 3×3"]
    assert "1 Conv2D 5×5" in read(page)["focus"]
    page.keyboard.press("End")
    assert "2 Conv2D 3×3" in read(page)["focus"]
    page.keyboard.press("Delete")
    assert len(stack_of(page)) == 1 and "1 Conv2D 5×5" in read(page)["focus"]
    page.keyboard.press("Delete")  # the last layer stays
    assert len(stack_of(page)) == 1
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('The last layer stays')")


def test_every_setting_of_a_layer_can_be_changed(open_widget):
    page = open_widget(ReceptiveField(layers=[3, 3]))
    editor = root(page).locator(".cnnlib-stack").first
    editor.get_by_label("Kernel size k").press("ArrowRight")
    editor.get_by_label("Dilation rate d").press("ArrowRight")
    editor.get_by_label("explicit").check()
    editor.get_by_label("Zeros per side p").press("ArrowRight")
    editor.get_by_label("Use bias").uncheck()
    editor.get_by_label("Filters f").press("ArrowLeft")
    layer = dict(kernel_size=4, dilation_rate=2, padding=2, use_bias=False, filters=15)
    want = ReceptiveField(layers=[layer, 3])
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    editor.get_by_label("Both ends apart").check()
    editor.get_by_label("Zeros after").press("ArrowRight")
    want = ReceptiveField(layers=[layer | {"padding": (2, 3)}, 3])
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    root(page).locator(".cnnlib-stack-list button").nth(1).click()
    editor.get_by_label("Strides s").press("ArrowRight")
    editor.get_by_label("same").check()
    want = ReceptiveField(layers=[layer | {"padding": (2, 3)}, (3, 2, 1, "same")])
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    editor.get_by_label("Layer type").select_option("MaxPooling2D")
    assert not editor.get_by_label("Filters f").is_visible() and not editor.get_by_label("Dilation rate d").is_visible()
    want = ReceptiveField(layers=[layer | {"padding": (2, 3)}, {"type": "MaxPooling2D"}])
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)


@pytest.mark.parametrize("name", NAMES)
def test_choosing_a_preset_gives_pythons_layers(open_widget, name):
    page = open_widget(ReceptiveField(n=64, in_channels=2))
    root(page).get_by_label("Stack A", exact=True).select_option(name)
    want = ReceptiveField(layers=name, n=64, in_channels=2)
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    assert root(page).get_by_label("Stack A", exact=True).input_value() == name
    assert preset(name, 2)


def test_touch(open_widget):
    page = open_widget(ReceptiveField(n=12), width=390, touch=True)
    figure = root(page).locator("figure").last.locator("svg")
    figure.scroll_into_view_if_needed()
    size = figure.bounding_box()["width"]
    figure.tap(position={"x": size * 0.9, "y": size * 0.1})
    assert read(page)["sees"][0].startswith("Output row 0, column 7 of 8×8")
    root(page).get_by_role("button", name="Add", exact=True).tap()
    assert len(stack_of(page)) == 3
    root(page).get_by_text("1-D", exact=True).tap()
    assert root(page).locator(".cnnlib-field-picture svg").first.evaluate("(e) => e.dataset.level") is None
    page.touchscreen.tap(
        *[
            c + 3
            for c in (lambda b: (b["x"], b["y"]))(root(page).locator(".cnnlib-field-picture svg").first.bounding_box())
        ]
    )
    assert "column 0 of" in read(page)["sees"][0]


def test_impossible_stack_says_where_and_each_offer_makes_it_fit(open_widget):
    page = open_widget(ReceptiveField(layers="LeNet-5", n=12))
    seen = read(page)
    assert (
        "Layer 3 (Conv2D 5×5, 16 filters, stride 1, valid) does not fit: it covers 5 cells, but the map with its padding has 4"
        in seen["problems"][0]
    )
    assert [row[1] for row in seen["a"]] == ["8×8×6", "4×4×6", "no output", "no output", "no output"]
    offers = root(page).locator(".cnnlib-problem button").all_text_contents()
    assert offers == ["Layer 3: kernel size 4", "Layer 3: same padding", "Input size 16"]
    for offer in offers:
        put(page, layers="LeNet-5", n=12)
        root(page).get_by_role("button", name=offer).click()
        seen = read(page)
        assert "Layer 3" not in seen["problems"][0] or "Layer 4" in seen["problems"][0]
        assert seen["a"][2][1] != "no output", offer
        assert "cnnlib-field-sees" in seen["focus"]  # the button is gone; the keyboard goes on from the result


def test_what_keras_refuses_is_said(open_widget):
    import keras

    with pytest.raises(ValueError):
        keras.layers.Conv2D(8, 3, strides=2, dilation_rate=2)
    page = open_widget(ReceptiveField(layers=[3, (3, 2, 2)]))
    assert read(page)["problems"][0].startswith("Layer 2: the numbers are what the formulas give. Keras refuses")


NONSENSE = {
    "one cell": dict(layers=[(11, 5, 8, 0)] * 3, other=[(1, 5, 8, [0, 10])], n=1, output=(255, 0), in_channels=1024),
    "all padding": dict(layers=[(1, 1, 1, 10), (1, 5, 1, 10)], n=1, output=(0, 0), view="1-D"),
    "32 layers": dict(layers=[(11, 1, 8, "same")] * 32, other=[(2, 2, 1, "same")] * 32, n=256, output=(3, 250)),
    "far out": dict(layers=[(11, 5, 8, 10)] * 4, n=256, output=(200, 200), view="1-D", in_channels=1024),
    "pools": dict(layers=[{"type": "AveragePooling2D"}] * 9, n=256, other=[{"type": "MaxPooling2D", "padding": 3}]),
}


@pytest.mark.parametrize("state", NONSENSE)
def test_any_state_is_drawn(open_widget, state):
    widget = ReceptiveField(**NONSENSE[state])
    page = open_widget(widget)
    seen = read(page)
    assert seen["a"][:-1] == cells_of(widget, widget.layers, widget.rows)
    root(page).get_by_label("1-D" if widget.view == "2-D" else "2-D").check()
    assert read(page)["a"] == seen["a"]


def test_state_from_the_address_and_a_bad_one(open_widget):
    page = open_widget(
        ReceptiveField(), fragment="#receptive-field.n=20&receptive-field.view=1-D&receptive-field.output=[1,2]"
    )
    assert read(page)["sees"][0].startswith("Output row 1, column 2 of 16×16")
    assert root(page).get_by_label("1-D").is_checked()
    page = open_widget(ReceptiveField(), fragment="#receptive-field.layers=VGG-16&receptive-field.other=two%203x3")
    want = ReceptiveField(layers="VGG-16", other="two 3x3")
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    assert read(page)["b"][:-1] == cells_of(want, want.other, want.other_rows)
    root(page).get_by_label("Stack A", exact=True).select_option("LeNet-5")
    page.wait_for_function("location.hash.includes('receptive-field.layers=LeNet-5')")
    root(page).locator("summary").first.click()
    root(page).get_by_role("button", name="Remove", exact=True).first.click()
    want = ReceptiveField(layers=preset("LeNet-5", 3)[1:])
    assert read(page)["a"][:-1] == cells_of(want, want.layers, want.rows)
    page = open_widget(ReceptiveField(), fragment='#receptive-field.n=999&receptive-field.layers=[{"type":"Dense"}]')
    assert "32×32×3" in root(page).locator("caption").first.text_content()
    assert page.locator(".cnnlib-left-out").count() == 1


def test_changes_are_announced(open_widget):
    page = open_widget(ReceptiveField())
    status = root(page).locator("[role=status]")
    page.wait_for_timeout(400)
    assert status.text_content() == ""
    root(page).get_by_label("Input size n").press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert "of 29×29" in status.text_content()


STATES = {
    "start": dict(),
    "two": dict(layers="two 3x3", other="one 5x5", n=12, in_channels=1),
    "long": dict(layers="VGG-16", other="ResNet-18", n=224, in_channels=1024),
    "line": dict(layers="LeNet-5", view="1-D"),
    "impossible": dict(layers="LeNet-5", n=12, other=[11], view="1-D"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(ReceptiveField(**STATES[state]), width=390, dark=dark)

    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header", "landmark-unique"))
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    root(page).locator("summary").first.click()  # then after use
    root(page).get_by_role("button", name="Why these numbers? Layer 1").first.click()
    root(page).get_by_label("1-D" if STATES[state].get("view") != "1-D" else "2-D").check()
    root(page).locator(".cnnlib-field-picture").first.press("ArrowLeft")
    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header", "landmark-unique"))


def test_pictures_stay_inside_and_a_wide_input_is_cut_out(open_widget):
    for settings in (
        dict(layers=[3, 3], n=224, view="1-D"),
        dict(layers="VGG-16", n=224, view="1-D"),
        dict(layers="two 3x3", n=224),
    ):
        page = open_widget(ReceptiveField(**settings), width=390)
        assert page.evaluate("""() => [...document.querySelectorAll(".cnnlib-field-picture svg")].every((svg) => {
            const own = svg.getBoundingClientRect(), room = svg.closest(".cnnlib-field-picture").getBoundingClientRect();
            return own.width > 50 && own.left >= room.left && own.right <= room.right; })""")
        if settings["layers"] == [3, 3]:
            assert "(cut out)" in root(page).locator(".cnnlib-field-picture").first.text_content()


def test_paper_shows_the_tables(open_widget):
    widget = ReceptiveField(layers="two 3x3", other="one 5x5", n=10, in_channels=1)
    page = open_widget(widget)
    tables = page.locator(".cnnlib-fallback table")
    assert tables.count() == 2 and not tables.first.is_visible() and root(page).is_visible()
    page.emulate_media(media="print")
    assert tables.first.is_visible() and not root(page).is_visible()
    text = page.locator(".cnnlib-fallback").inner_text()
    assert "8 × 8" in text and "576" in text and "324" in text and "n = 10 to 10: equal" in text


def test_nothing_moves_by_itself(open_widget):
    page = open_widget(ReceptiveField(), reduced_motion=True)
    assert page.evaluate("document.getAnimations().length") == 0


# --- the twin ---------------------------------------------------------------------------------------------------


def test_start_and_field_are_the_geometry_modules():
    for settings in random_settings(100, seed=7):
        widget = ReceptiveField(**settings)
        if widget.problem:
            continue
        stack = [(w["kernel_size"], w["strides"], w.get("dilation_rate", 1), w["padding"]) for w in widget.layers]
        last = widget.rows[-1]
        assert (last["receptive_field"], last["jump"]) == geometry.receptive_field(stack)
        assert last["start"] == geometry.receptive_field_start(stack, widget.n)


# --- the stack editor's trait, with rows and columns apart and transposed convolutions -----------------------------


class _Rectangular(traitlets.HasTraits):
    stack = Layers([3], types=("Conv2D", "MaxPooling2D", "Conv2DTranspose"), rectangular=True)


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"kernel_size": (3, 5), "strides": (2, 2)}, {"kernel_size": [3, 5], "strides": 2}),
        ({"padding": (1, 2)}, {"padding": [1, 2]}),
        ({"padding": ((1, 2), (1, 2))}, {"padding": [1, 2]}),
        ({"padding": ((1, 1), (2, 2))}, {"padding": [[1, 1], [2, 2]]}),
        ({"padding": ((3, 3), (3, 3))}, {"padding": 3}),
        ({"padding": ((0, 1), 2)}, {"padding": [[0, 1], [2, 2]]}),
        ({"padding": "SAME"}, {"padding": "same"}),
        ({"type": "Conv2DTranspose", "strides": (1, 2), "output_padding": (0, 1)}, {"output_padding": [0, 1]}),
    ],
)
def test_rectangular_layers_are_kept_in_one_form(given, kept):
    layer = _Rectangular(stack=[given]).stack[0]
    assert {key: layer[key] for key in kept} == kept
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate([layer], _Rectangular.stack.schema())
    assert _Rectangular(stack=[layer]).stack == [layer]


@pytest.mark.parametrize(
    "layer, words",
    [
        ({"kernel_size": (3, 12)}, r"stack\[0\]\.kernel_size\[1\]=12"),
        ({"strides": (1, 2, 3)}, r"stack\[0\]\.strides=\(1, 2, 3\) has 3 values"),
        ({"padding": ((1, 2), (3, -1))}, r"stack\[0\]\.padding\[1\]\[1\]=-1"),
        ({"type": "Conv2DTranspose", "padding": "causal"}, r"stack\[0\]\.padding='causal' is none of 'valid', 'same'$"),
        ({"type": "Conv2DTranspose", "output_padding": 5}, r"stack\[0\]\.output_padding=5"),
        ({"output_padding": 1}, r"stack\[0\] has no 'output_padding'"),
    ],
)
def test_rectangular_layers_refuse_with_the_place(layer, words):
    with pytest.raises(ValueError, match=words):
        _Rectangular(stack=[layer])
    with pytest.raises(TypeError, match=r"stack\[0\]\.padding=1 is none of 'valid', 'same'"):
        _Rectangular(stack=[{"type": "Conv2DTranspose", "padding": 1}])
