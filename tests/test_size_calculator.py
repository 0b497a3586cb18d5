"""The size calculator: every number it shows against cnnlib.geometry and Keras, driven in Chromium as a reader would."""

import json
import math
import random
import re
from urllib.parse import quote

import numpy as np
import pytest
from conftest import WIDTH, copied, serious_violations

from cnnlib import geometry
from cnnlib.summary import summarize
from cnnlib.widgets.size_calculator import SizeCalculator

# Sets every control by what a hand would do to it, and lets the page draw.
SET = """
async ({ n, in_channels, layers, current, axis, target }) => {
  const root = document.querySelector("[data-cnnlib-widget='size-calculator']");
  const control = (text) => document.getElementById([...root.querySelectorAll("label[for]")].find((l) => l.textContent === text).htmlFor);
  const box = (text) => [...root.querySelectorAll("label:not([for])")].find((l) => l.textContent === text).querySelector("input");
  const slide = (text, value) => { const input = control(text); input.value = value; input.dispatchEvent(new Event("input")); };
  const tick = (input, value) => { if (input.checked !== value) input.click(); };
  const button = (text) => [...root.querySelectorAll(".cnnlib-stack-acts button")].find((b) => b.textContent === text);
  const cards = () => [...root.querySelectorAll(".cnnlib-stack-list button")];
  // The sliders of channels have places: exact up to 16, then four to a doubling.
  const place = (count) => { let i = 1; while ((i <= 16 ? i : (5 + ((i - 17) & 3)) * 4 << ((i - 17) >> 2)) < count) i++; return i; };
  const pairs = (value) => Array.isArray(value) ? value : [value, value];

  if (n !== undefined) {
    tick(control("Height and width apart"), Array.isArray(n));
    await null; // the page draws before the next hand movement
    if (Array.isArray(n)) { slide("Input height", n[0]); slide("Input width", n[1]); } else slide("Input size n", n);
  }
  if (in_channels !== undefined) slide("Input channels c", place(in_channels));
  if (layers) {
    while (cards().length > layers.length) button("Remove").click();
    while (cards().length < layers.length) button("Add").click();
    layers.forEach((layer, i) => {
      cards()[i].click();
      const type = control("Layer type");
      type.value = layer.type;
      type.dispatchEvent(new Event("change"));
      const apart = Object.values(layer).some(Array.isArray), word = typeof layer.padding === "string";
      tick(box("Rows and columns apart"), apart);
      for (const [key, label] of [["kernel_size", "Kernel size k"], ["strides", "Strides s"], ["dilation_rate", "Dilation rate d"]]) {
        if (!(key in layer)) continue;
        if (apart) pairs(layer[key]).forEach((side, axis) => slide(`${label}, ${["rows", "columns"][axis]}`, side));
        else slide(label, layer[key]);
      }
      if ("filters" in layer) slide("Filters f", place(layer.filters));
      if ("use_bias" in layer) tick(control("Use bias"), layer.use_bias);
      if ("output_padding" in layer) {
        for (const [axis, side] of pairs(layer.output_padding).entries()) {
          const input = control(apart ? `Output padding, ${["rows", "columns"][axis]}` : "Output padding");
          input.value = side ?? "";
          input.dispatchEvent(new Event("change"));
        }
      }
      control(word ? layer.padding : "explicit").click();
      if (!word && apart) {
        const nested = layer.padding.some?.(Array.isArray) ? layer.padding.map(pairs) : [pairs(layer.padding), pairs(layer.padding)];
        ["Zeros at the top", "Zeros at the bottom", "Zeros on the left", "Zeros on the right"].forEach((label, i) => slide(label, nested.flat()[i]));
      } else if (!word) slide("Zeros per side p", layer.padding);
    });
  }
  if (current !== undefined) cards()[current].click();
  if (axis) control(axis).click();
  if (target !== undefined) slide("Output size", target);
  await new Promise((done) => setTimeout(done));
}
"""
# What the page shows.
READ = """
() => {
  const root = document.querySelector("[data-cnnlib-widget='size-calculator']");
  const cards = () => [...root.querySelectorAll(".cnnlib-stack-list button")];
  const rows = {}, text = (selector) => root.querySelector(selector)?.textContent ?? "";
  for (const row of root.querySelectorAll("[data-row]")) {
    rows[row.dataset.row] = { value: row.querySelector("b").textContent, lines: [...row.querySelectorAll("small")].map((d) => d.textContent).filter(Boolean) };
  }
  const count = (kind) => root.querySelectorAll(`.cnnlib-size-axis .${kind}`).length;
  return { rows, head: text(".cnnlib-size-head").replaceAll("\\u00a0", " "), code: text("pre"), problem: text(".cnnlib-problem"),
    codeShown: root.querySelector("pre").checkVisibility(), input: text(".cnnlib-size-input").replaceAll("\\u00a0", " "),
    cards: cards().map((card) => card.textContent.replaceAll("\\u00a0", " ")), picture: root.querySelector(".cnnlib-size-axis svg")?.getAttribute("aria-label"),
    totals: [...root.querySelectorAll("table tr")].map((tr) => [...tr.querySelectorAll("td")].map((td) => td.textContent)),
    inputs: count("in"), crossed: count("skip"), struck: count("pad"), outputs: count("out"),
    sums: [...root.querySelectorAll(".cnnlib-size-axis .sum")].map((t) => +t.textContent) };
}
"""
CONV = {
    "type": "Conv2D",
    "filters": 16,
    "kernel_size": 3,
    "strides": 1,
    "padding": "valid",
    "dilation_rate": 1,
    "use_bias": True,
}
POOL = {"kernel_size": 2, "strides": 2, "padding": "valid"}


def root(page):
    return page.locator("[data-cnnlib-widget='size-calculator']")


def head(page):
    return root(page).locator(".cnnlib-size-head").text_content().replace("\xa0", " ")


def shown(page, **settings):
    page.evaluate(SET, settings)
    return page.evaluate(READ)


def one(page, n=28, in_channels=1, **layer):
    """What the page shows of a single Conv2D, or of the type given."""
    kind = layer.get("type", "Conv2D")
    usual = CONV | {"filters": 8} if kind.startswith("Conv") else POOL
    return shown(
        page, n=n, in_channels=in_channels, layers=[usual | ({"output_padding": None} if "Tr" in kind else {}) | layer]
    )


def number(text):
    return int(text.replace(",", "").replace("−", "-"))


def both(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def arithmetic(line):
    """Both sides of a filled-in formula as the page prints it: '= ⌈28/2⌉ = 14' -> (14, 14)."""
    left, right = re.sub(r"^(= |rows: |columns: )", "", line).rsplit(" = ", 1)
    for sign, python in (
        ("⌊", "math.floor("),
        ("⌋", ")"),
        ("⌈", "math.ceil("),
        ("⌉", ")"),
        ("·", "*"),
        ("−", "-"),
        ("mod", "%"),
    ):
        left = left.replace(sign, python)
    return eval(left, {"math": math, "max": max}), number(right)


def times(shape):
    return " × ".join(map(str, shape))


def random_layer(rng, kind, count=lambda rng: rng.choice([1, 3, 8, 16, 20, 64])):
    """A layer with every key, as the trait keeps it; a third of them with rows and columns apart."""
    apart = rng.random() < 0.35

    def side(draw):
        pair = [draw(), draw()] if apart else [draw()] * 2
        return pair[0] if pair[0] == pair[1] else pair

    layer = {
        "type": kind,
        "kernel_size": side(lambda: rng.choice([1, 2, 2, 3, 3, 4, 5, 7, 11])),
        "strides": side(lambda: rng.choice([1, 1, 2, 2, 3, 5])),
    }
    layer["padding"] = rng.choice(["valid", "same"])
    if kind != "Conv2DTranspose" and rng.random() < 0.25:
        pads = [rng.randint(0, 4) for _ in range(4)]
        rows, columns = ([p[0], p[1]] if p[0] != p[1] else p[0] for p in (pads[:2], pads[2:]))
        layer["padding"] = (rows if rows == columns else [both_list(rows), both_list(columns)]) if apart else pads[0]
    if kind.startswith("Conv"):
        layer["dilation_rate"] = side(lambda: rng.choice([1, 1, 1, 1, 2, 3]))
        layer |= {"filters": count(rng), "use_bias": rng.random() < 0.7}
    if kind == "Conv2DTranspose":
        layer["output_padding"] = None if rng.random() < 0.6 else side(lambda: rng.randint(0, 2))
    return layer


def both_list(value):
    return list(both(value))


def large_stacks(count, seed):
    """As `random_stacks`, up to the largest that the calculator takes."""
    rng = random.Random(seed)
    many = lambda rng: rng.choice([rng.randint(1, 1024), 1024])  # noqa: E731
    for settings in random_stacks(count, seed):
        side = lambda: rng.choice([rng.randint(1, 256), 256])  # noqa: E731
        layers = [random_layer(rng, layer["type"], many) for layer in settings["layers"]]
        n = [side(), side()] if isinstance(settings["n"], list) else side()
        yield settings | dict(n=n, in_channels=many(rng), layers=layers)


def random_stacks(count, seed=0):
    rng = random.Random(seed)
    kinds = ["Conv2D", "Conv2D", "MaxPooling2D", "AveragePooling2D", "Conv2DTranspose"]
    for _ in range(count):
        n = [rng.randint(1, 64), rng.randint(1, 64)] if rng.random() < 0.4 else rng.randint(1, 64)
        layers = [random_layer(rng, rng.choice(kinds)) for _ in range(rng.randint(1, 5))]
        yield dict(n=n, in_channels=rng.choice([1, 3, 16, 24]), layers=layers, current=rng.randrange(len(layers)))


def keras_layer(layer):
    """The Keras layers that stand for one layer of ours: a ZeroPadding2D first where the padding is explicit."""
    from keras import layers

    arguments = {
        key: tuple(value) if isinstance(value, list) else value for key, value in layer.items() if key != "type"
    }
    if layer["type"].endswith("Pooling2D"):
        arguments["pool_size"] = arguments.pop("kernel_size")
    before, padding = [], layer["padding"]
    if not isinstance(padding, str):
        nested = isinstance(padding, list) and any(isinstance(side, list) for side in padding)
        before = [layers.ZeroPadding2D(tuple(map(both, padding)) if nested else (both(padding), both(padding)))]
        del arguments["padding"]
    return [*before, getattr(layers, layer["type"])(**arguments)]


def keras_walk(n, in_channels, layers):
    """(output shape, parameters) of each layer by Keras, None from the first on that Keras does not build or run."""
    import keras

    x = keras.Input((*both(n), in_channels))
    for layer in layers:
        try:
            for part in keras_layer(layer):
                x = part(x)
            if layer.get("output_padding") is not None and layer["padding"] == "same":
                part(np.zeros((1, *part.input.shape[1:]), "float32"))  # some of these are refused only when they run
                if 0 in x.shape:
                    raise ValueError("an output without cells")
        except Exception as error:
            yield error
            return
        yield tuple(x.shape[1:]), part.count_params()


# --- the numbers ------------------------------------------------------------------------------------------------


def test_every_number_shown_is_that_of_python_and_of_keras(open_widget):
    page = open_widget(SizeCalculator())
    counts = {"layers": 0, "broken": 0, "apart": 0}
    for settings in random_stacks(320):
        python, seen, current = SizeCalculator(**settings), shown(page, **settings), settings["current"]
        mine, layer = python.rows, settings["layers"][current]
        for i, answer in enumerate(keras_walk(settings["n"], settings["in_channels"], settings["layers"])):
            counts["layers"] += 1
            if isinstance(answer, Exception):  # Keras does not take it: neither do Python and the page, who say why
                counts["broken"] += 1
                assert mine[i]["problem"] and not any(row["output_shape"] for row in mine[i:]), (settings, answer)
                break
            assert (mine[i]["output_shape"], mine[i]["params"]) == answer, settings
        else:
            assert not any(row["problem"] for row in mine), settings
        assert agrees(python, seen), settings
        if mine[current]["input_shape"] is not None:
            counts["apart"] += isinstance(python.n, list) or any(isinstance(v, list) for v in layer.values())
    assert counts["layers"] > 600 and counts["broken"] > 60 and counts["apart"] > 80, counts


def agrees(python, seen):
    """Every number on the page is Python's: also used on the thousands of states of test_numbers."""
    rows, mine, current = seen["rows"], python.rows, python.current
    assert seen["input"] == times((*both(python.n), python.in_channels))
    fits = 0
    for row, card in zip(mine, seen["cards"], strict=True):
        if row["problem"]:
            break
        assert card.endswith(f"→ {times(row['output_shape'])}")
        fits += 1
    assert all("no output" in card for card in seen["cards"][fits:])
    assert seen["codeShown"] == (fits == len(mine)) and bool(seen["problem"]) == (fits < len(mine))
    where = f"Layer {fits + 1}, {python.layers[fits]['type']}: " if seen["problem"] and len(mine) > 1 else ""
    assert seen["problem"].startswith(where), seen["problem"]
    if len(mine) > 1:
        for row, shares in zip(mine[:fits], seen["totals"][1:], strict=False):
            plain = [number(re.sub(r"\s*\d+\s%$", "", text)) for text in shares]
            assert plain == [row["params"], row["macs"]]
        total = [sum(row["params"] for row in mine), sum(row["macs"] or 0 for row in mine)]
        refused = "both above 1" in str([row["problem"] for row in mine])  # its multiplications are by the formula
        assert refused or [number(x) for x in seen["totals"][-1]] == total

    # the chosen layer
    row = mine[current]
    assert number(rows["params"]["value"]) == row["params"] == python.params
    if "filters" not in python.layers[current]:
        assert number(rows["macs"]["value"]) == 0
    if row["input_shape"] is None:
        assert set(rows) <= {"params", "macs"} and "no output" in seen["head"]
    else:
        check_chosen(python, seen, python.layers[current], row)
    for row in rows.values():
        for line in "\n".join(row["lines"]).split("\n"):
            if " = " in line and re.match("= |rows: |columns: ", line):
                left, right = arithmetic(line)
                assert left == right, line
    return True


def check_chosen(python, seen, layer, row):
    rows, transposed = seen["rows"], layer["type"] == "Conv2DTranspose"
    start = times(row["input_shape"])
    if "reach" in rows:
        reach = {
            geometry.effective_kernel_size(k, d)
            for k, d in zip(both(layer["kernel_size"]), both(layer["dilation_rate"]), strict=True)
        }
        assert set(map(int, re.findall(r"\d+", rows["reach"]["value"]))) == reach
    try:
        size = both(python.output_size)
        macs = python.macs
    except ValueError:
        assert f"{start} → no output" in seen["head"] and rows["output"]["value"] == "none", seen
        return
    assert seen["head"].endswith(f"{start} → {times((*size, layer.get('filters', row['input_shape'][2])))}")
    assert rows["output"]["value"] in {times(size), str(size[0]) if size[0] == size[1] else None}
    assert number(rows["macs"]["value"]) == macs
    pads = python.pad_amounts
    pads = pads if isinstance(pads[0], tuple) else (pads, pads)
    if "pads" in rows or "cut" in rows:
        told = ["{} before, {} after".format(*pair) for pair in pads]
        value = rows["cut" if transposed else "pads"]["value"]
        assert value == (told[0] if told[0] == told[1] else f"rows: {told[0]}\ncolumns: {told[1]}"), seen
    else:
        assert pads == ((0, 0), (0, 0)) and transposed and layer["padding"] == "valid"
    if "ceiling" in rows:
        assert rows["ceiling"]["value"] == rows["output"]["value"]
    if not transposed:
        unread = python.unread_cells
        unread = unread if isinstance(unread, tuple) else (unread, unread)
        counts = [str(len(cells) or "none") for cells in unread]
        assert rows["unread"]["value"] == (
            counts[0] if counts[0] == counts[1] else f"rows: {counts[0]}\ncolumns: {counts[1]}"
        )
        named = [
            int(cell)
            for line in rows["unread"]["lines"]
            if line.startswith("Never")
            for cell in re.findall(r"\d+", line)
        ]
        assert named in ([*unread[0][:9], *unread[1][:9]], unread[0][:9] if unread[0][:9] == unread[1][:9] else None), (
            seen
        )


@pytest.mark.parametrize("total, words", [(3, "extra zero goes after"), (4, "same on both sides")])
def test_same_padding_says_where_the_zeros_go(open_widget, total, words):
    seen = one(open_widget(SizeCalculator()), padding="same", kernel_size=total + 1)
    assert seen["rows"]["pads"]["value"] == f"{total // 2} before, {total - total // 2} after"
    assert words in seen["rows"]["pads"]["lines"][-1]


def test_floor_and_ceiling_are_both_shown_and_agree(open_widget):
    seen = one(open_widget(SizeCalculator()), n=28, kernel_size=3, strides=4)
    assert seen["rows"]["output"] == {"value": "7", "lines": ["⌊(n − k)/s⌋ + 1", "= ⌊(28 − 3)/4⌋ + 1 = 7"]}
    assert seen["rows"]["ceiling"] == {
        "value": "7",
        "lines": ["⌈(n − k + 1)/s⌉", "= ⌈(28 − 3 + 1)/4⌉ = 7", "Always the same number."],
    }
    assert one(open_widget(SizeCalculator()), n=28, padding="same", strides=3)["rows"]["output"]["lines"] == [
        "⌈n/s⌉",
        "= ⌈28/3⌉ = 10",
    ]


def test_pool_has_no_weights_and_says_what_padding_does_to_it(open_widget):
    import keras

    page = open_widget(SizeCalculator())
    seen = one(page, n=5, type="AveragePooling2D", kernel_size=3, strides=3, padding="same")
    assert seen["rows"]["params"]["value"] == seen["rows"]["macs"]["value"] == "0"
    assert (
        "mean leaves them out" in seen["rows"]["pads"]["lines"][-1]
        and "adds 3 × 3 numbers" in seen["rows"]["macs"]["lines"][0]
    )
    ones = np.ones((1, 5, 5, 1), "float32")
    assert np.allclose(keras.layers.AveragePooling2D(3, 3, padding="same")(ones), 1)  # the padding is not averaged in
    seen = one(page, n=5, type="MaxPooling2D", padding=1)
    assert "negative numbers" in seen["rows"]["pads"]["lines"][-1] and "ZeroPadding2D(1)" in seen["code"]
    assert np.max(keras.layers.MaxPooling2D(2)(keras.layers.ZeroPadding2D(1)(-ones))) == 0


# --- the picture ------------------------------------------------------------------------------------------------


def test_picture_shows_the_cells_that_geometry_names(open_widget):
    page = open_widget(SizeCalculator())
    for settings in (
        dict(n=12, kernel_size=3, padding="same", strides=2),
        dict(n=10, kernel_size=2, padding="valid", strides=4),
        dict(n=9, kernel_size=3, padding=2, dilation_rate=2, strides=1),
    ):
        python, seen = SizeCalculator(**settings), one(page, **settings)
        assert seen["inputs"] + seen["crossed"] == python.n
        assert seen["struck"] == sum(python.pad_amounts)
        assert seen["crossed"] == len(python.unread_cells)
        assert seen["outputs"] == python.output_size
        assert f"{python.pad_amounts[0]} zeros before, {python.pad_amounts[1]} after" in seen["picture"]
        assert f"→ {python.output_size}\xa0×" in seen["picture"]


@pytest.mark.parametrize(
    "settings",
    [
        dict(kernel_size=3, strides=2),
        dict(kernel_size=3, strides=2, padding="same"),
        dict(kernel_size=2, strides=4),
        dict(kernel_size=5, strides=2, padding="same", output_padding=1),
        dict(kernel_size=4, strides=3, output_padding=2),
        dict(kernel_size=3, dilation_rate=3),
    ],
)
def test_picture_of_a_transposed_convolution_counts_what_each_output_cell_sums(open_widget, settings):
    layer = {"type": "Conv2DTranspose", **settings}
    seen, python = one(open_widget(SizeCalculator()), n=6, **layer), SizeCalculator(n=6, layers=[layer])
    keys = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate")
    arguments = {key: python.layers[0][key] for key in keys}
    sums = [len(geometry.transposed_window(6, i, **arguments)) for i in range(python.output_size)]
    assert seen["sums"] == sums
    assert seen["outputs"] == len(sums) - sums.count(0) and seen["crossed"] == sums.count(0) and seen["inputs"] == 6
    assert seen["struck"] == sum(python.pad_amounts)
    assert seen["rows"]["sums"]["value"] == (f"{min(sums)} to {max(sums)}" if min(sums) < max(sums) else str(sums[0]))
    remark = seen["rows"]["sums"]["lines"][-1]
    assert ("checkerboard" in remark) == (
        settings.get("strides", 1) > 1
        and settings["kernel_size"] > settings["strides"]
        and settings["kernel_size"] % settings["strides"] > 0
    )
    assert ("they hold the bias" in remark) == (0 in sums)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
def test_wide_picture_keeps_both_ends_and_stays_inside(open_widget, width, kind):
    page = open_widget(SizeCalculator(n=64, layers=[{"type": kind, "kernel_size": 2, "strides": 5}]), width=width)
    page.wait_for_function("innerWidth > 1000 || document.querySelector('.cnnlib-size-axis svg').clientWidth < 390")
    last = {"Conv2D": 63, "Conv2DTranspose": 319}[kind]
    labels = root(page).locator(".cnnlib-size-axis").locator(".in text, .skip text, .out text").all_text_contents()
    assert labels[0] == "0" and str(last) in labels and len(labels) < last
    assert root(page).locator(".cnnlib-size-axis .gap").count() == 2
    inside = page.evaluate("""() => {
        const edge = document.querySelector('.cnnlib-size-axis').getBoundingClientRect();
        return [...document.querySelectorAll('.cnnlib-size-axis rect')].every((r) => {
            const box = r.getBoundingClientRect();
            return !box.width || (box.left >= edge.left - 1 && box.right <= edge.right + 1);
        });
    }""")
    assert inside


def test_axis_to_draw_is_chosen_where_rows_and_columns_differ(open_widget):
    page = open_widget(SizeCalculator(n=(9, 14)))
    choice = root(page).get_by_role("group", name="Axis shown")
    assert choice.is_visible() and shown(page)["inputs"] == 9
    choice.get_by_label("columns").check()
    assert shown(page)["inputs"] == 14 and shown(page)["picture"].startswith("columns: 14 input cells")
    shown(page, n=9)
    assert not choice.is_visible()


# --- what cannot be ---------------------------------------------------------------------------------------------


def test_impossible_setting_says_why_and_each_offer_makes_it_fit(open_widget):
    page = open_widget(SizeCalculator(n=6, kernel_size=5, dilation_rate=2))
    problem = root(page).locator(".cnnlib-problem")
    assert "covers 9 cells" in problem.text_content() and "only 6" in problem.text_content()
    offers = problem.locator("button").all_text_contents()
    assert offers == ["kernel_size=3", "dilation_rate=1", "n=9", 'padding="same"', "ZeroPadding2D(2)"]
    for offer in offers:
        one(page, n=6, kernel_size=5, strides=1, dilation_rate=2, padding="valid")
        assert root(page).get_by_label("Kernel size k", exact=True).input_value() == "5"  # nothing was clamped
        problem.get_by_role("button", name=offer).click()
        assert "no output" not in head(page), offer
        assert problem.count() == 0
        # The button is gone: the keyboard goes on from the result, not from the top of the page.
        assert page.evaluate("document.activeElement.className") == "cnnlib-size-head"


def test_a_layer_further_on_is_named_and_mended_from_wherever_the_reader_is(open_widget):
    layers = [{"kernel_size": 5}, {"type": "MaxPooling2D"}, {"kernel_size": 5, "padding": "valid"}, {"kernel_size": 1}]
    page = open_widget(SizeCalculator(n=(12, 20), layers=layers))
    seen = shown(page)
    assert seen["problem"].startswith("Layer 3, Conv2D: The window covers 5 rows, input and padding have only 4.")
    assert [card.endswith("no output") for card in seen["cards"]] == [False, False, True, True]
    problem = root(page).locator(".cnnlib-problem")
    offers = problem.locator("button").all_text_contents()
    assert offers == ["kernel_size=4", "n=(14, 20)", 'padding="same"', "ZeroPadding2D(1)"]
    for offer in offers:
        root(page).get_by_role("button", name="Reset").click()
        problem.get_by_role("button", name=offer).click()
        seen = shown(page)
        assert not seen["problem"] and seen["codeShown"] and "Layer 1, " in seen["head"], offer
        names = {}
        exec(seen["code"], names)


REFUSED = [  # what Keras itself raises, and our word for it
    (
        dict(type="Conv2D", strides=2, dilation_rate=2),
        "Keras refuses strides above 1",
        ["strides=1", "dilation_rate=1"],
    ),
    (
        dict(type="Conv2D", strides=[1, 2], dilation_rate=[2, 1]),
        "Keras refuses strides above 1",
        ["strides=1", "dilation_rate=1"],
    ),
    (
        dict(type="Conv2DTranspose", strides=2, dilation_rate=2),
        "Keras refuses strides above 1",
        ["strides=1", "dilation_rate=1"],
    ),
    (
        dict(type="Conv2DTranspose", strides=2, output_padding=2),
        "refuses output_padding=2 with strides=2",
        ["output_padding=1", "output_padding=None", "strides=3"],
    ),
    (
        dict(type="Conv2DTranspose", strides=[2, 1], output_padding=[1, 1]),
        "refuses output_padding=1 with strides=1",
        ["output_padding=0", "output_padding=None", "strides=2"],
    ),
    (
        dict(type="Conv2DTranspose", kernel_size=2, strides=2, padding="same", output_padding=0),
        "stops when the layer runs",
        ["output_padding=1", "output_padding=None", 'padding="valid"'],
    ),
]


@pytest.mark.parametrize("layer, words, offers", REFUSED)
def test_what_keras_refuses_is_explained_and_mended(open_widget, layer, words, offers):
    page = open_widget(SizeCalculator())
    seen = one(page, n=16, **layer)
    assert words in seen["problem"] and not seen["codeShown"]
    full = SizeCalculator(layers=[layer]).layers
    assert isinstance(next(keras_walk(16, 1, full)), Exception)
    problem = root(page).locator(".cnnlib-problem")
    assert problem.locator("button").all_text_contents() == offers
    for offer in offers:
        one(page, n=16, **layer)
        problem.get_by_role("button", name=offer, exact=True).click()
        seen = shown(page)
        assert seen["problem"] == "" and seen["codeShown"], offer
        names = {}
        exec(seen["code"], names)
        names["model"](np.zeros((1, 16, 16, 1), "float32"))


def test_refused_numbers_are_those_of_the_formulas(open_widget):
    seen = one(open_widget(SizeCalculator()), n=16, strides=2, dilation_rate=2)
    assert "what the formulas give" in seen["problem"]
    assert seen["rows"]["output"]["value"] == str(geometry.output_size(16, 3, 2, "valid", 2))


def from_schema(schema, rng):
    """A random value that a schema of ours takes; list lengths are kept short now and then."""
    if "anyOf" in schema:
        return from_schema(rng.choice(schema["anyOf"]), rng)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema["type"] == "integer":
        return rng.randint(schema["minimum"], min(schema["maximum"], rng.choice([3, 12, 1024])))
    if schema["type"] == "boolean":
        return rng.random() < 0.5
    if schema["type"] == "array":
        return [from_schema(schema["items"], rng) for _ in range(rng.randint(schema["minItems"], schema["maxItems"]))]
    return {key: from_schema(value, rng) for key, value in schema["properties"].items()}


# The page's own listener comes first: it has set what the address says. It may shorten the address soon after.
FOLLOW = """(fragment) => new Promise((done) => {
    addEventListener("hashchange", done, { once: true });
    location.hash = fragment;
})"""


def test_any_state_that_the_schema_takes_is_drawn(open_widget):
    """An address may hold what no hand would set: the widget says what is wrong, and never breaks."""
    page = open_widget(SizeCalculator())
    conv = {**CONV, "padding": "same"}
    up = {**conv, "type": "Conv2DTranspose", "strides": 5, "output_padding": None, "filters": 1024}
    rng, schema = random.Random(2), SizeCalculator.schema()
    drawn = [{key: from_schema(value, rng) for key, value in schema.items()} for _ in range(60)]
    for state in (
        dict(current=7),
        dict(n=[1, 256], layers=[up] * 8, current=7, target=256),
        dict(n=256, layers=[up] * 4, current=3),
        dict(layers=[{**conv, "padding": [[0, 10], 3], "kernel_size": [11, 1], "dilation_rate": [4, 1]}]),
        dict(layers=[{"type": "MaxPooling2D", "kernel_size": 11, "strides": [1, 5], "padding": [0, 0]}] * 8, current=3),
        dict(layers=[{**up, "strides": [1, 2], "dilation_rate": [4, 4], "output_padding": [4, 0]}], axis="columns"),
        *drawn,
    ):
        fragment = "&".join(f"size-calculator.{key}={quote(json.dumps(value))}" for key, value in state.items())
        page.evaluate(FOLLOW, fragment)
        seen = shown(page)
        assert root(page).locator("..").locator(".cnnlib-left-out").count() == 0, state
        python = SizeCalculator(**state)
        assert [row["output_shape"] is not None for row in python.rows] == [
            "no output" not in card for card in seen["cards"]
        ]
        assert bool(seen["problem"]) == any(row["problem"] for row in python.rows)


# --- backwards --------------------------------------------------------------------------------------------------


def listed(page):
    """The settings that the page lists, as (padding, strides, dilation_rate, kernel_size), in a canonical order."""
    lines = page.evaluate("""() => [...document.querySelectorAll('.cnnlib li')].map((item) =>
        [item.querySelector('code').textContent, [...item.querySelectorAll('button')].map((b) => b.textContent)])""")
    found = []
    for group, kernels in lines:
        values = dict(re.findall(r"(\w+)=\"?(\w+)", group))
        zeros = re.search(r"ZeroPadding2D\((\d+)\)", group)
        for kernel in kernels:
            padding = zeros[1] if zeros else values["padding"]
            found.append((padding, int(values["strides"]), int(values.get("dilation_rate", 1)), int(kernel)))
    return sorted(found)


@pytest.mark.parametrize(
    "settings",
    [
        dict(n=28, target=14),
        dict(n=28, target=26),
        dict(n=6, target=3),
        dict(n=9, target=1),
        dict(n=(28, 9), target=7, axis="columns"),
        dict(n=28, target=9, layers=[{"type": "MaxPooling2D"}]),
        dict(n=28, target=13, layers=[{"kernel_size": 3}, {"type": "AveragePooling2D"}], current=1),
        dict(n=7, target=14, layers=[{"type": "Conv2DTranspose"}]),
        dict(n=5, target=8, layers=[{"type": "Conv2DTranspose"}]),
    ],
)
def test_backwards_lists_what_python_finds(open_widget, settings):
    python = SizeCalculator(**settings)
    page = open_widget(python)
    want = sorted(
        (str(w["padding"]), w["strides"], w["dilation_rate"], w["kernel_size"]) for w in python.settings_for_target()
    )
    assert listed(page) == want and want
    assert f"to {python.target}: {len(want)}." in root(page).text_content()


@pytest.mark.parametrize("layer", [CONV, {"type": "MaxPooling2D"}, {"type": "Conv2DTranspose", "kernel_size": 4}])
def test_backwards_use_applies_every_setting(open_widget, layer):
    widget = SizeCalculator(
        n=14 if len(layer) == 2 else 28, target=28 if len(layer) == 2 and "kernel_size" in layer else 7, layers=[layer]
    )
    page = open_widget(widget)
    if root(page).locator("summary").is_visible():
        root(page).locator("summary").click()
    buttons = root(page).locator("li button")
    assert buttons.count() == len(widget.settings_for_target()) > 5
    for button in buttons.all():
        button.click()
        assert shown(page)["rows"]["output"]["value"] == str(widget.target)
        assert button.get_attribute("aria-pressed") == "true"
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == button.get_attribute("aria-label")
        assert root(page).locator("li [aria-pressed=true]").count() == 1


def test_backwards_leaves_the_other_axis_alone(open_widget):
    page = open_widget(SizeCalculator(n=(28, 20), kernel_size=(3, 5), target=14, axis="columns"))
    root(page).get_by_role("button", name='kernel_size=7, padding="valid", strides=1', exact=True).click()
    seen = shown(page)
    assert seen["rows"]["output"]["value"] == "26 × 14" and "kernel_size=(3, 7)" in seen["code"]
    root(page).locator("summary").click()
    root(page).get_by_role("button", name="kernel_size=9, ZeroPadding2D(1), strides=1", exact=True).click()
    assert "ZeroPadding2D((0, 1))" in shown(page)["code"] and shown(page)["rows"]["output"]["value"] == "26 × 14"


def test_backwards_gives_both_axes_the_output_padding_of_one(open_widget):
    """None for one axis only is nothing that Keras takes."""
    layer = {"type": "Conv2DTranspose", "kernel_size": 3, "strides": 3, "output_padding": [1, 2]}
    page = open_widget(SizeCalculator(n=7, target=14, layers=[layer]))
    root(page).get_by_role("button", name='kernel_size=2, padding="valid", strides=2', exact=True).click()
    seen = shown(page)
    assert seen["rows"]["output"]["value"].startswith("14") and "output_padding" not in seen["code"]


def test_backwards_says_when_nothing_fits(open_widget):
    page = open_widget(SizeCalculator())
    shown(page, n=3, target=60)
    assert listed(page) == [] and "No setting within these ranges leads from 3 to 60" in root(page).text_content()


# --- the Keras code ---------------------------------------------------------------------------------------------


def test_copied_code_builds_the_stack_shown(open_widget):
    page = open_widget(SizeCalculator(layers=[{"filters": 6, "kernel_size": 5}, {"type": "MaxPooling2D"}]))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root(page).get_by_role("button", name="Copy", exact=True).click()
    code = shown(page)["code"]
    copied(page, code)
    assert (
        "    layers.Conv2D(filters=6, kernel_size=5),\n    layers.MaxPooling2D(pool_size=2),\n])  # (None, 12, 12, 6)"
        in code
    )


def test_the_code_of_random_stacks_runs_in_keras_with_the_numbers_shown(open_widget):
    page, ran, seen_layers = open_widget(SizeCalculator()), 0, set()
    for settings in random_stacks(120, seed=1):
        python = SizeCalculator(**settings)
        if (
            any(row["problem"] for row in python.rows)
            or python.rows[-1]["output_shape"][0] * python.rows[-1]["output_shape"][1] > 10**5
        ):
            continue
        code, names = shown(page, **settings)["code"], {}
        exec(code, names)
        model, ran = names["model"], ran + 1
        assert f"# {model.output_shape}" in code
        assert model.output_shape[1:] == python.rows[-1]["output_shape"]
        ours = [row for row in summarize(model) if row.type != "ZeroPadding2D"]
        assert [(row.type, row.params, row.macs) for row in ours] == [
            (row["type"], row["params"], row["macs"]) for row in python.rows
        ], code
        seen_layers |= {row.type for row in summarize(model)}
    assert ran > 40 and seen_layers == {
        "Conv2D",
        "Conv2DTranspose",
        "MaxPooling2D",
        "AveragePooling2D",
        "ZeroPadding2D",
    }


# --- hands, eyes, ears ------------------------------------------------------------------------------------------


def test_first_slider_moves_visible_text(open_widget):
    page = open_widget(SizeCalculator())
    before = root(page).inner_text()
    box = root(page).locator("input[type=range]").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert root(page).inner_text() != before
    n = int(root(page).locator("input[type=range]").first.input_value())
    assert 40 < n < 56 and f"{n} × {n} × 1 →" in head(page)


def test_numbers_can_be_selected_and_copied(open_widget):
    page = open_widget(SizeCalculator())
    for place, words in ((".cnnlib-size-head", "26\xa0×\xa026"), ("[data-row=params] b", "80")):
        box = root(page).locator(place).first.bounding_box()
        page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 2, steps=4)
        page.mouse.up()
        assert words in page.evaluate("getSelection().toString()"), place


def test_mouse_builds_a_stack(open_widget):
    page = open_widget(SizeCalculator())
    root(page).get_by_role("button", name="Add", exact=True).click()
    root(page).get_by_label("Layer type").select_option("MaxPooling2D")
    seen = shown(page)
    assert seen["head"] == "Layer 2, MaxPooling2D: 26 × 26 × 8 → 13 × 13 × 8"
    assert [card.split("→ ")[1] for card in seen["cards"]] == ["26 × 26 × 8", "13 × 13 × 8"]
    root(page).locator(".cnnlib-stack-list button").first.click()
    assert head(page).startswith("Layer 1, Conv2D: 28 × 28 × 1")
    root(page).get_by_role("button", name="Move later").click()
    assert [card.split("→ ")[1] for card in shown(page)["cards"]] == ["14 × 14 × 1", "12 × 12 × 8"]
    root(page).get_by_role("button", name="Remove", exact=True).click()
    assert len(shown(page)["cards"]) == 1 and not root(page).locator("table").is_visible()


def test_keyboard_reaches_and_moves_every_control(open_widget):
    page = open_widget(SizeCalculator(padding="explicit"))
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    controls = [c for c in root(page).locator("input[type=range], select").all() if c.is_visible()]
    assert {c.get_attribute("id") for c in controls} <= set(reached) and len(controls) > 8
    for slider in root(page).locator("input[type=range]").all():
        if slider.is_visible():
            value = int(slider.input_value())
            slider.press("ArrowRight")
            assert int(slider.input_value()) == value + 1
            slider.press("ArrowLeft")
            assert int(slider.input_value()) == value
    root(page).get_by_label("explicit").press("ArrowLeft")
    assert "extra zero" in root(page).inner_text() or "both sides" in root(page).inner_text()
    assert root(page).get_by_label("same", exact=True).is_checked()
    root(page).get_by_label("Use bias").press("Space")
    assert "use_bias=False" in root(page).locator("pre").text_content()
    root(page).get_by_label("Height and width apart").press("Space")
    root(page).get_by_label("Input width").press("ArrowLeft")
    assert head(page).startswith("28 × 27 × 1")


def test_keyboard_goes_along_the_strip(open_widget):
    page = open_widget(SizeCalculator(layers=[{"kernel_size": 5}, {"type": "MaxPooling2D"}, {"kernel_size": 1}]))
    assert root(page).locator(".cnnlib-stack-list").get_attribute("aria-orientation") == "horizontal"
    root(page).locator(".cnnlib-stack-list button").first.focus()
    page.keyboard.press("ArrowRight")
    assert head(page).startswith("Layer 2, MaxPooling2D: 24 × 24 × 16") and "2 MaxPooling2D" in page.evaluate(
        "document.activeElement.textContent"
    )
    page.keyboard.press("Alt+ArrowRight")
    assert head(page).startswith("Layer 3, MaxPooling2D")
    page.keyboard.press("Delete")
    assert head(page).startswith("Layer 2, Conv2D") and len(shown(page)["cards"]) == 2
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_changes_are_announced_once_they_settle(open_widget):
    page = open_widget(SizeCalculator())
    status = root(page).locator("[role=status]")
    page.wait_for_timeout(400)
    assert status.text_content() == ""  # nothing to say before anybody moved
    one(page, strides=2)
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert "Output size o: 13" in status.text_content() and "Parameters: 80" in status.text_content()
    one(page, n=2)
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('have only 2')")


def test_touch(open_widget):
    page = open_widget(SizeCalculator(), width=390, touch=True)
    root(page).get_by_text("same", exact=True).tap()
    assert "→ 28 × 28" in head(page)
    root(page).get_by_role("button", name='kernel_size=5, padding="same", strides=2').tap()
    assert "14 × 14" in head(page)
    root(page).locator("input[type=range]").first.tap()  # the middle of 1 to 64
    assert root(page).locator("input[type=range]").first.input_value() in ("32", "33")
    root(page).get_by_role("button", name="Add", exact=True).tap()
    root(page).locator(".cnnlib-stack-list button").first.tap()
    assert head(page).startswith("Layer 1, Conv2D")


def test_address_carries_the_stack(open_widget):
    state = {"n": [20, 30], "layers": [{**CONV, "kernel_size": [3, 5]}, {"type": "MaxPooling2D", **POOL}], "current": 1}
    fragment = "#" + "&".join(f"size-calculator.{key}={quote(json.dumps(value))}" for key, value in state.items())
    page = open_widget(SizeCalculator(), fragment=fragment)
    assert head(page) == "Layer 2, MaxPooling2D: 18 × 26 × 16 → 9 × 13 × 16"
    assert root(page).get_by_label("Height and width apart").is_checked()
    root(page).get_by_role("button", name="Remove", exact=True).click()
    page.wait_for_function("!location.hash.includes('MaxPooling2D')")
    assert "kernel_size" in page.evaluate("decodeURIComponent(location.hash)")
    root(page).get_by_role("button", name="Reset").click()
    page.wait_for_function("location.hash === ''")
    assert head(page) == "28 × 28 × 1 → 26 × 26 × 8"


def test_address_that_cannot_be_is_left_out_in_words(open_widget):
    page = open_widget(SizeCalculator(), fragment="#size-calculator.n=71")  # more than the slider offers
    slider = page.locator("input[type=range]").first
    assert slider.input_value() == slider.get_attribute("max") == "71"
    slider.press("ArrowLeft")
    assert slider.input_value() == "70"
    page = open_widget(SizeCalculator(), fragment="#size-calculator.n=9999&size-calculator.current=0")
    assert "size-calculator.n=9999" in page.locator(".cnnlib-left-out").text_content()
    assert head(page).startswith("28 × 28")


STATES = {
    "start": dict(),
    "large": dict(n=224, kernel_size=11, strides=4, in_channels=1024, filters=1024, target=55),
    "impossible": dict(n=6, kernel_size=11, dilation_rate=4),
    "refused": dict(n=20, padding="same", strides=2, dilation_rate=2),
    "stack": dict(
        n=(224, 160),
        in_channels=3,
        layers=[
            {"filters": 64, "kernel_size": (7, 5), "strides": 2, "padding": ((2, 3), (1, 2))},
            {"type": "AveragePooling2D"},
            {"type": "Conv2DTranspose", "strides": 2, "output_padding": 1},
        ],
        current=2,
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(SizeCalculator(**STATES[state]), width=390, dark=dark)

    def check():
        assert page.evaluate(WIDTH) <= 390
        assert not serious_violations(page)

    check()
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    # and after use
    if root(page).locator("summary").is_visible():
        root(page).locator("summary").click()
    root(page).get_by_role("button", name="Add", exact=True).click()
    root(page).get_by_label("Rows and columns apart").check()
    root(page).get_by_label("Kernel size k, rows").press("ArrowLeft")
    check()


def test_fallback_gives_way_to_the_live_widget_and_stays_on_paper(open_widget):
    page = open_widget(SizeCalculator(n=28, kernel_size=5, strides=2, padding="same", filters=6))
    table = page.locator(".cnnlib-fallback")
    assert table.count() == 1 and not table.is_visible() and root(page).is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and not root(page).is_visible()
    cells = table.inner_text()
    assert "14 × 14 × 6" in cells and "156" in cells and "(1, 2)" in cells and 'padding="same"' in cells


def test_fallback_fits_a_phone(open_widget):
    page = open_widget(SizeCalculator(**STATES["stack"]), width=390)
    page.emulate_media(media="print")  # a page without JavaScript shows the same
    assert page.locator(".cnnlib-fallback table").is_visible()
    assert page.evaluate(WIDTH) <= 390


# --- Python -----------------------------------------------------------------------------------------------------


def test_python_values_stretch_the_slider(open_widget):
    page = open_widget(SizeCalculator(n=224, kernel_size=11, strides=4, filters=96))
    first = root(page).locator("input[type=range]").first
    assert first.input_value() == first.get_attribute("max") == "224"
    assert "54 × 54 × 96" in head(page)


def test_python_results():
    widget = SizeCalculator(n=np.int64(28), kernel_size=3, strides=2, padding="same", in_channels=3, filters=16)
    assert (widget.output_size, widget.pad_amounts, widget.unread_cells) == (14, (0, 1), [])
    assert widget.output_shape == (14, 14, 16)
    assert widget.params == 3 * 3 * 3 * 16 + 16 and widget.macs == 14 * 14 * 3 * 3 * 3 * 16
    assert type(widget.n) is int
    assert "'kernel_size': 3" in repr(widget) and repr(widget) == repr(SizeCalculator(**widget.settings()))
    assert SizeCalculator(n=28, padding="explicit", explicit_padding=2).output_size == 28 + 4 - 2
    widget.padding, widget.strides = 2, (1, 2)
    assert (widget.padding, widget.strides, widget.kernel_size) == (2, (1, 2), 3)
    assert widget.output_size == (28 + 4 - 2, (28 + 4 - 3) // 2 + 1)
    assert widget.pad_amounts == (2, 2) and widget.unread_cells == []


def test_python_reads_the_chosen_layer_and_all_of_them():
    widget = SizeCalculator(
        n=(28, 20),
        layers=[
            {"kernel_size": (3, 5)},
            {"type": "MaxPooling2D", "pool_size": 3},
            {"type": "Conv2DTranspose", "strides": 3},
        ],
    )
    assert [row["output_shape"] for row in widget.rows] == [(26, 16, 16), (8, 5, 16), (24, 15, 16)]
    assert [row["macs"] for row in widget.rows] == [26 * 16 * 15 * 16, 0, 8 * 5 * 9 * 16 * 16]
    widget.current = 1
    assert (widget.kernel_size, widget.strides, widget.params, widget.output_size) == (3, 3, 0, (8, 5))
    widget.current, widget.layers = 7, widget.layers[:1]  # a stack that became shorter: its last layer
    assert widget.kernel_size == (3, 5)
    widget.layers = [{"kernel_size": 11}, {"kernel_size": 11}, {"kernel_size": 3}]
    assert [bool(row["problem"]) for row in widget.rows] == [False, True, True]
    with pytest.raises(ValueError, match=r"layers\[2\] has no input: layers\[1\] has no output"):
        widget.output_size  # noqa: B018


@pytest.mark.parametrize(
    "settings, error",
    [
        (dict(n=0), ValueError),
        (dict(n=(28, 257)), ValueError),
        (dict(n=(28, 28, 28)), ValueError),
        (dict(kernel_size=12), ValueError),
        (dict(strides=2.0), TypeError),
        (dict(dilation_rate=True), TypeError),
        (dict(padding="full"), ValueError),
        (dict(padding=11), ValueError),
        (dict(use_bias=1), TypeError),
        (dict(units=3), ValueError),
        (dict(kernel_size=3, layers=[{}]), ValueError),
        (dict(layers=[]), ValueError),
        (dict(layers=[{"type": "Dense"}]), ValueError),
        (dict(axis="depth"), ValueError),
    ],
)
def test_bad_settings_name_the_parameter_its_value_and_what_is_valid(settings, error):
    name = next(iter(settings))
    with pytest.raises(error, match=name) as caught:
        SizeCalculator(**settings)
    if len(settings) == 1 and name not in ("units", "layers", "n"):
        assert repr(settings[name]) in str(caught.value)


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = SizeCalculator(), []
    box = ipywidgets.HBox([widget, SizeCalculator(n=64)])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["n", "layers", "target"])
    widget.set_state({"n": [20, 9], "layers": [{"type": "MaxPooling2D", "kernel_size": 3}]})  # as from the page
    assert dict(heard) == {"n": [20, 9], "layers": [{"type": "MaxPooling2D", **POOL, "kernel_size": 3, "strides": 3}]}
    assert widget.output_size == (6, 3) and box.children[0] is widget
    assert repr(widget) == repr(SizeCalculator(**widget.settings()))


def test_kernel_that_does_not_fit_is_an_error_only_when_a_result_is_asked_for():
    widget = SizeCalculator(n=3, kernel_size=5)
    with pytest.raises(ValueError, match="kernel_size=5"):
        widget.output_size  # noqa: B018
    assert "kernel_size=5" in widget.fallback() and "<script" not in widget.fallback()
