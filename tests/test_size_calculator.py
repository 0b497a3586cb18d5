"""The size calculator: every number it shows against cnnlib.geometry and Keras, driven in Chromium as a reader would."""

import math
import random
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from cnnlib import geometry
from cnnlib.widgets.size_calculator import SizeCalculator

# Sets every control by what a hand would do to it, lets the page draw, and returns what it shows.
SET_AND_READ = """
async (settings) => {
  const root = document.querySelector("[data-cnnlib-widget='size-calculator']");
  const byLabel = (text) => document.getElementById(
    [...root.querySelectorAll("label")].find((l) => l.textContent === text).htmlFor);
  const labels = { n: "Input size n", kernel_size: "Kernel size k", strides: "Strides s", dilation_rate: "Dilation rate d",
    explicit_padding: "Zeros per side p", in_channels: "Input channels c", filters: "Filters f", target: "Output size" };
  for (const [key, value] of Object.entries(settings)) {
    if (key === "padding") byLabel(value).click();
    else if (key === "use_bias") { if (byLabel("Use bias").checked !== value) byLabel("Use bias").click(); }
    else { const input = byLabel(labels[key]); input.value = value; input.dispatchEvent(new Event("input")); }
  }
  await Promise.resolve();
  const rows = {};
  for (const row of root.querySelectorAll("[data-row]")) {
    rows[row.dataset.row] = { value: row.querySelector("b").textContent, lines: [...row.querySelectorAll("small")].map((d) => d.textContent) };
  }
  return { rows, head: root.querySelector(".cnnlib-size-head").textContent, code: root.querySelector("pre").textContent,
    codeShown: root.querySelector("pre").checkVisibility(), problem: root.querySelector(".cnnlib-problem")?.textContent ?? "",
    inputs: root.querySelectorAll(".cnnlib-size-axis .in, .cnnlib-size-axis .skip").length, crossed: root.querySelectorAll(".cnnlib-size-axis .skip").length,
    zeros: root.querySelectorAll(".cnnlib-size-axis .pad").length, outputs: root.querySelectorAll(".cnnlib-size-axis .out").length,
    picture: root.querySelector(".cnnlib-size-axis svg").getAttribute("aria-label") };
}
"""


def root(page):
    return page.locator("[data-cnnlib-widget='size-calculator']")


def shown(page, **settings):
    return page.evaluate(SET_AND_READ, settings)


def number(text):
    return int(text.replace(",", "").replace("−", "-"))


def arithmetic(line):
    """Both sides of a filled-in formula as the page prints it: '= ⌈28/2⌉ = 14' -> (14, 14)."""
    left, right = line.removeprefix("= ").rsplit(" = ", 1)
    for sign, python in (("⌊", "math.floor("), ("⌋", ")"), ("⌈", "math.ceil("), ("⌉", ")"), ("·", "*"), ("−", "-")):
        left = left.replace(sign, python)
    return eval(left, {"math": math, "max": max}), number(right)


def random_settings(count, seed=0):
    rng = random.Random(seed)
    for _ in range(count):
        yield dict(
            n=rng.randint(1, 64),
            kernel_size=rng.randint(1, 11),
            strides=rng.randint(1, 5),
            padding=rng.choice(["valid", "same", "explicit"]),
            explicit_padding=rng.randint(1, 10),
            dilation_rate=rng.choice([1, 1, 1, 2, 3, 4]),
            in_channels=rng.randint(1, 64),
            filters=rng.randint(1, 64),
            use_bias=rng.random() < 0.7,
        )


# --- the numbers ------------------------------------------------------------------------------------------------


def test_every_number_shown_is_that_of_the_geometry_module(open_widget):
    page = open_widget(SizeCalculator())
    impossible = 0
    for settings in random_settings(250):
        python = SizeCalculator(**settings)
        seen = shown(page, **settings)
        rows = seen["rows"]
        before, after = python.pad_amounts
        assert rows["pads"]["value"] == f"{before} before, {after} after", settings
        assert number(rows["params"]["value"]) == python.params, settings
        reach = geometry.effective_kernel_size(python.kernel_size, python.dilation_rate)
        assert ("reach" in rows) == (python.dilation_rate > 1)
        if "reach" in rows:
            assert number(rows["reach"]["value"]) == reach, settings
        try:
            o = python.output_size
        except ValueError:
            impossible += 1
            assert rows["output"]["value"] == "none" and "no output" in seen["head"], settings
            assert not {"macs", "unread"} & set(rows) and not seen["codeShown"], settings
        else:
            n, c, f = python.n, python.in_channels, python.filters
            assert seen["head"].replace("\xa0", " ") == f"{n} × {n} × {c} → {o} × {o} × {f}"
            assert number(rows["output"]["value"]) == o, settings
            assert number(rows["macs"]["value"]) == python.macs, settings
            assert rows["unread"]["value"].replace("none", "0") == str(len(python.unread_cells)), settings
            named = [int(cell) for cell in re.findall(r"\d+", "".join(rows["unread"]["lines"][2:]))]
            assert named == python.unread_cells[:9], settings
            assert arithmetic(rows["unread"]["lines"][1])[1] == len(python.unread_cells), settings
        for key, row in rows.items():
            for line in row["lines"]:
                if line.startswith("= "):
                    left, right = arithmetic(line)
                    assert left == right, (settings, line)
                    if key not in ("pads", "output"):  # compared above
                        assert row["value"].replace("none", "0") == f"{right:,}", (settings, line)
    assert 10 < impossible < 125


@pytest.mark.parametrize("total, words", [(3, "extra zero goes after"), (4, "same on both sides")])
def test_same_padding_says_where_the_zeros_go(open_widget, total, words):
    seen = shown(open_widget(SizeCalculator()), n=28, padding="same", kernel_size=total + 1)
    assert seen["rows"]["pads"]["value"] == f"{total // 2} before, {total - total // 2} after"
    assert words in seen["rows"]["pads"]["lines"][-1]


# --- the picture ------------------------------------------------------------------------------------------------


def test_picture_shows_the_cells_that_geometry_names(open_widget):
    page = open_widget(SizeCalculator())
    for settings in (
        dict(n=12, kernel_size=3, padding="same", strides=2),
        dict(n=10, kernel_size=2, padding="valid", strides=4),
        dict(n=9, kernel_size=3, padding="explicit", explicit_padding=2, dilation_rate=2, strides=1),
    ):
        python, seen = SizeCalculator(**settings), shown(page, **settings)
        assert seen["inputs"] == python.n
        assert seen["zeros"] == sum(python.pad_amounts)
        assert seen["crossed"] == len(python.unread_cells)
        assert seen["outputs"] == python.output_size
        assert f"{python.pad_amounts[0]} zeros before, {python.pad_amounts[1]} after" in seen["picture"]
        assert f"{python.output_size}\xa0×" in seen["picture"]


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_input_keeps_both_ends_and_stays_inside(open_widget, width):
    page = open_widget(SizeCalculator(n=64, kernel_size=2, strides=5, padding="valid"), width=width)
    page.wait_for_function("innerWidth > 1000 || document.querySelector('.cnnlib-size-axis svg').clientWidth < 390")
    labels = root(page).locator(".cnnlib-size-axis .in text, .cnnlib-size-axis .skip text").all_text_contents()
    assert labels[0] == "0" and labels[-1] == "63" and len(labels) < 64
    assert root(page).locator(".cnnlib-size-axis .gap").count() == 2
    inside = page.evaluate("""() => {
        const edge = document.querySelector('.cnnlib-size-axis').getBoundingClientRect();
        return [...document.querySelectorAll('.cnnlib-size-axis rect')].every((r) => {
            const box = r.getBoundingClientRect();
            return !box.width || (box.left >= edge.left - 1 && box.right <= edge.right + 1);
        });
    }""")
    assert inside


# --- what cannot be ---------------------------------------------------------------------------------------------


def test_impossible_setting_says_why_and_each_offer_makes_it_fit(open_widget):
    page = open_widget(SizeCalculator(n=6, kernel_size=5, dilation_rate=2))
    problem = root(page).locator(".cnnlib-problem")
    assert "covers 9 cells" in problem.text_content() and "only 6" in problem.text_content()
    offers = problem.locator("button").all_text_contents()
    assert offers == ["kernel_size=3", "dilation_rate=1", "n=9", 'padding="same"', "ZeroPadding2D(2)"]
    for offer in offers:
        shown(page, n=6, kernel_size=5, strides=1, dilation_rate=2, padding="valid")
        assert root(page).locator("input[type=range]").nth(1).input_value() == "5"  # nothing was clamped
        problem.get_by_role("button", name=offer).click()
        assert "no output" not in root(page).locator(".cnnlib-size-head").text_content(), offer
        assert problem.count() == 0
        # The button is gone: the keyboard goes on from the result, not from the top of the page.
        assert page.evaluate("document.activeElement.className") == "cnnlib-size-head"


def test_what_keras_refuses_is_explained(open_widget):
    import keras

    with pytest.raises(ValueError):
        keras.layers.Conv2D(8, 3, strides=2, dilation_rate=2)
    page = open_widget(SizeCalculator())
    seen = shown(page, n=16, strides=2, dilation_rate=2)
    assert "Keras refuses" in seen["problem"] and not seen["codeShown"]
    assert seen["rows"]["output"]["value"] == str(geometry.output_size(16, 3, 2, "valid", 2))
    root(page).locator(".cnnlib-problem").get_by_role("button", name="dilation_rate=1").click()
    assert shown(page)["problem"] == "" and shown(page)["codeShown"]


# --- backwards --------------------------------------------------------------------------------------------------


def listed(page):
    """The settings that the page lists, as geometry.settings_for writes them, in a canonical order."""
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


@pytest.mark.parametrize("n, target", [(28, 14), (28, 26), (6, 3), (7, 14), (9, 1)])
def test_backwards_lists_what_python_finds(open_widget, n, target):
    page = open_widget(SizeCalculator())
    shown(page, n=n, target=target)
    python = SizeCalculator(n=n, target=target).settings_for_target()
    want = sorted((str(w["padding"]), w["strides"], w["dilation_rate"], w["kernel_size"]) for w in python)
    assert listed(page) == want and want
    assert f"From {n} to {target}: {len(want)} settings" in root(page).text_content()


def test_backwards_use_applies_every_setting(open_widget):
    page = open_widget(SizeCalculator(target=14))
    root(page).locator("summary").click()
    buttons = root(page).locator("li button")
    assert buttons.count() == len(SizeCalculator().settings_for_target()) > 20
    for button in buttons.all():
        button.click()
        assert shown(page)["rows"]["output"]["value"] == "14"
        assert button.get_attribute("aria-pressed") == "true"
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == button.get_attribute("aria-label")
        assert root(page).locator("[aria-pressed=true]").count() == 1


def test_backwards_says_when_nothing_fits(open_widget):
    page = open_widget(SizeCalculator())
    shown(page, n=3, target=60)
    assert listed(page) == [] and "nothing within these ranges" in root(page).text_content()


# --- the Keras code ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(n=28, strides=2, padding="same", kernel_size=5),
        dict(n=17, padding="explicit", explicit_padding=3, strides=3, kernel_size=4, use_bias=False, in_channels=3),
        dict(n=20, dilation_rate=3, kernel_size=4, filters=5),
    ],
)
def test_copied_code_builds_the_layer_shown(open_widget, settings):
    page = open_widget(SizeCalculator())
    seen = shown(page, **settings)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root(page).get_by_role("button", name="Copy").click()
    page.wait_for_function("document.body.textContent.includes('Copied')")
    code = page.evaluate("navigator.clipboard.readText()")
    assert code == seen["code"]
    names = {}
    exec(code, names)
    model, python = names["model"], SizeCalculator(**settings)
    assert model.output_shape == (None, python.output_size, python.output_size, python.filters)
    assert f"# {model.output_shape}" in code
    assert model.count_params() == python.params == number(seen["rows"]["params"]["value"])


# --- hands, eyes, ears ------------------------------------------------------------------------------------------


def test_first_slider_moves_visible_text(open_widget):
    page = open_widget(SizeCalculator())
    before = root(page).inner_text()
    box = root(page).locator("input[type=range]").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert root(page).inner_text() != before
    n = int(root(page).locator("input[type=range]").first.input_value())
    assert 40 < n < 56 and f"{n}\xa0×\xa0{n}" in root(page).locator(".cnnlib-size-head").text_content()


def test_keyboard_reaches_and_moves_every_control(open_widget):
    page = open_widget(SizeCalculator(padding="explicit"))
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    controls = [c.get_attribute("id") for c in root(page).locator("input:not([type=radio])").all()]
    assert set(controls) <= set(reached)
    for slider in root(page).locator("input[type=range]").all():
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


def test_changes_are_announced_once_they_settle(open_widget):
    page = open_widget(SizeCalculator())
    status = root(page).locator("[role=status]")
    page.wait_for_timeout(400)
    assert status.text_content() == ""  # nothing to say before anybody moved
    shown(page, strides=2)
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert "Output size: 13" in status.text_content() and "Parameters: 80" in status.text_content()


def test_touch(open_widget):
    page = open_widget(SizeCalculator(), width=390, touch=True)
    root(page).get_by_text("same", exact=True).tap()
    assert "→ 28\xa0×\xa028" in root(page).locator(".cnnlib-size-head").text_content()
    root(page).get_by_role("button", name='kernel_size=5, padding="same", strides=2').tap()
    assert "14\xa0×\xa014" in root(page).locator(".cnnlib-size-head").text_content()
    root(page).locator("input[type=range]").first.tap()  # the middle of 1 to 64
    assert root(page).locator("input[type=range]").first.input_value() in ("32", "33")


STATES = {
    "start": dict(),
    "large": dict(n=224, kernel_size=11, strides=4, in_channels=1024, filters=1024, target=55),
    "impossible": dict(n=6, kernel_size=11, dilation_rate=4),
    "refused": dict(n=20, padding="same", strides=2, dilation_rate=2),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(SizeCalculator(**STATES[state]), width=390, dark=dark)
    root(page).locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    report = Axe().run(page, context={"include": [[".cnnlib"]]}).response
    assert len(report["passes"]) > 10  # it did look at the widget
    serious = [v for v in report["violations"] if v["impact"] in ("serious", "critical")]
    assert not [(v["id"], node["html"]) for v in serious for node in v["nodes"]]


def test_slider_step_is_quick(open_widget):
    page = open_widget(SizeCalculator(n=64))
    times = page.evaluate("""async () => {
        const sliders = [...document.querySelectorAll('.cnnlib input[type=range]')], times = [];
        for (let turn = 0; turn < 300; turn++) {
            const slider = sliders[turn % sliders.length], from = Number(slider.min), to = Number(slider.max);
            slider.value = from + (turn * 7) % (to - from + 1);
            const start = performance.now();
            slider.dispatchEvent(new Event('input'));
            await Promise.resolve();
            await Promise.resolve();
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b);
    }""")
    p95 = times[int(len(times) * 0.95)]
    print(f"size-calculator: {p95:.1f} ms a slider step at the 95th percentile, median {times[150]:.1f} ms")
    assert p95 < 50  # loose: a tight bound belongs to `make bench`


def test_fallback_gives_way_to_the_live_widget_and_stays_on_paper(open_widget):
    page = open_widget(SizeCalculator(n=28, kernel_size=5, strides=2, padding="same", filters=6))
    table = page.locator(".cnnlib-fallback table")
    assert table.count() == 1 and not table.is_visible() and root(page).is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and not root(page).is_visible()
    cells = table.inner_text()
    assert "14 × 14 × 6" in cells and "156" in cells and "1, 2" in cells


# --- Python -----------------------------------------------------------------------------------------------------


def test_python_values_stretch_the_slider(open_widget):
    page = open_widget(SizeCalculator(n=224, kernel_size=11, strides=4, filters=96))
    first = root(page).locator("input[type=range]").first
    assert first.input_value() == first.get_attribute("max") == "224"
    assert "54\xa0×\xa054\xa0×\xa096" in root(page).locator(".cnnlib-size-head").text_content()


def test_python_results():
    widget = SizeCalculator(n=np.int64(28), kernel_size=3, strides=2, padding="same", in_channels=3, filters=16)
    assert (widget.output_size, widget.pad_amounts, widget.unread_cells) == (14, (0, 1), [])
    assert widget.params == 3 * 3 * 3 * 16 + 16 and widget.macs == 14 * 14 * 3 * 3 * 3 * 16
    assert type(widget.n) is int
    assert "kernel_size=3" in repr(widget) and repr(widget) == repr(SizeCalculator(**widget.settings()))
    widget.padding, widget.explicit_padding = "explicit", 2
    assert widget.output_size == (28 + 4 - 3) // 2 + 1


@pytest.mark.parametrize(
    "name, value, error",
    [
        ("n", 0, ValueError),
        ("kernel_size", 12, ValueError),
        ("strides", 2.0, TypeError),
        ("dilation_rate", True, TypeError),
        ("padding", "full", ValueError),
        ("padding", 1, TypeError),
        ("use_bias", 1, TypeError),
        ("units", 3, ValueError),
    ],
)
def test_bad_settings_name_the_parameter_its_value_and_what_is_valid(name, value, error):
    with pytest.raises(error, match=name) as caught:
        SizeCalculator(**{name: value})
    assert repr(value) in str(caught.value) or name == "units"


def test_kernel_that_does_not_fit_is_an_error_only_when_a_result_is_asked_for():
    widget = SizeCalculator(n=3, kernel_size=5)
    with pytest.raises(ValueError, match="kernel_size=5"):
        widget.output_size  # noqa: B018
    assert "kernel_size=5" in widget.fallback() and "<script" not in widget.fallback()
