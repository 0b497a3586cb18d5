"""conv-explorer: in Chromium, from file://, against TensorFlow's own convolution."""

import random
import re
import statistics
from fractions import Fraction

import numpy as np
import pytest

from cnnlib.widgets import ConvExplorer
from cnnlib.widgets.base import PAGE_MIME, notebook_module, stylesheet
from cnnlib.widgets.page import page_html, page_script

INPUT, KERNEL, OUTPUT = (f".cnnlib-conv-board:nth-child({i}) table" for i in (1, 2, 3))
STRIDED = {"image": [[1, 2, 3, 4, 5, 6]] * 6, "strides": 2}
TOO_LARGE = {"image": [[1, 2, 3]] * 3, "kernel": [[1] * 5] * 5}
DIGIT = [[0, 3, 15, 2, 0, 11, 8, 0]] * 8


def shown(page, table=OUTPUT):
    """The numbers that a table shows, row by row."""
    return page.evaluate(
        "selector => [...document.querySelector(selector).rows].map("
        "row => [...row.cells].map(td => Number(td.firstElementChild?.value ?? td.textContent)))",
        table,
    )


def sum_text(page):
    return page.inner_text(".cnnlib-conv-sum").replace("\n", " ")


def control(page, label):
    return page.get_by_label(label, exact=True)


def slide(page, label, value):
    control(page, label).fill(str(value))


def said(page):
    """What a screen reader hears, once the burst is over."""
    page.wait_for_timeout(350)
    return page.inner_text("[role=status]")


def tensorflow_conv(image, kernel, bias, strides, padding, dilation_rate, flip):
    import tensorflow as tf

    w = np.array(kernel, "float64")
    w = w[::-1, ::-1] if flip else w
    if not isinstance(padding, str):
        before, after = (padding, padding) if isinstance(padding, int) else padding
        padding = [[0, 0], [before, after], [before, after], [0, 0]]
    x = np.array(image, "float64")[None, :, :, None]
    y = tf.nn.conv2d(
        x,
        w[:, :, None, None],
        strides,
        padding.upper() if isinstance(padding, str) else padding,
        dilations=dilation_rate,
    )
    return y.numpy()[0, :, :, 0] + bias


def random_settings(rng):
    """Settings whose kernel fits; half of the numbers are fractions."""
    while True:
        height, width, rows, columns = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 5), rng.randint(1, 5)
        number = rng.choice([lambda: rng.randint(-9, 9), lambda: rng.randint(-90, 90) / 8])
        widget = ConvExplorer(
            image=[[number() for _ in range(width)] for _ in range(height)],
            kernel=[[number() for _ in range(columns)] for _ in range(rows)],
            bias=number(),
            strides=rng.randint(1, 4),
            padding=rng.choice(["valid", "same", rng.randint(0, 3), [rng.randint(0, 3), rng.randint(0, 3)]]),
            dilation_rate=rng.randint(1, 3),
            flip=rng.random() < 0.5,
        )
        try:
            rows, columns = widget.output_shape
        except ValueError:
            continue
        widget.position = rng.randrange(rows * columns)
        return widget


def page_of(widgets, folder, dark=False):
    """A file with several widgets, as a chapter has them."""
    hosts = "".join(page_html(**widget._repr_mimebundle_()[0][PAGE_MIME]) for widget in widgets)
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{"dark" if dark else "light"}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>x</title><style>{stylesheet()}</style>'
        # A flex column, as the book's theme has: a box there is as wide as its content insists on.
        f'<body style="display:flex;flex-direction:column"><main style="margin:auto">{hosts}</main>'
        f"<script>{page_script([ConvExplorer])}</script></body></html>",
        "utf-8",
    )
    return path


# --- numbers ---------------------------------------------------------------------------------------------


def test_every_number_is_tensorflows(open_page, tmp_path):
    rng = random.Random(0)
    widgets = [random_settings(rng) for _ in range(120)]
    page = open_page(page_of(widgets, tmp_path))
    drawn = page.evaluate(
        "selector => [...document.querySelectorAll('.cnnlib-host')].map(host => ["
        "[...host.querySelector(selector).rows].map(row => [...row.cells].map(td => Number(td.textContent))),"
        "host.querySelector('.cnnlib-conv-sum').textContent, host.querySelectorAll('td.unread').length])",
        OUTPUT,
    )
    assert len(drawn) == len(widgets)
    numbers = 0
    for widget, (table, text, unread) in zip(widgets, drawn, strict=True):
        settings = widget.settings()
        position = settings.pop("position")
        expected = tensorflow_conv(**settings)
        assert np.shape(table) == expected.shape, widget
        assert np.allclose(table, expected, rtol=0, atol=0.005001), widget
        assert np.allclose(widget.output, expected, rtol=0, atol=1e-9), widget
        assert text.split(": ", 1)[1] == widget.sum_text
        # The gradient of the sum of outputs is zero exactly at the cells that no window reads.
        ones = {**settings, "kernel": np.ones_like(settings["kernel"], float), "bias": 0}
        assert unread == sum(
            not tensorflow_conv(
                **{**ones, "image": np.eye(1, np.size(widget.image), i).reshape(np.shape(widget.image))}
            ).any()
            for i in range(np.size(widget.image))
        ), widget
        assert float(re.findall(r"-?[\d.]+$", text)[0]) == pytest.approx(expected.flat[position], abs=0.005001)
        numbers += expected.size
    assert numbers > 1000


def test_the_notes_example(open_widget):
    page = open_widget(ConvExplorer(bias=1))
    assert [row[:3] for row in shown(page, INPUT)[:3]] == [[1, 0, 2], [5, 4, 2], [3, 4, 5]]
    assert shown(page, KERNEL) == [[-1, 0, 1]] * 3
    assert sum_text(page) == (
        "Output row 1, column 1: (-1)·1 + 0·0 + 1·2 + (-1)·5 + 0·4 + 1·2 + (-1)·3 + 0·4 + 1·5 + bias 1 = 1"
    )
    assert shown(page)[0][0] == 1
    # The names of what is shown, not "own numbers".
    assert page.locator("select").evaluate_all("all => all.map(s => s.selectedOptions[0].text)") == [
        "worked example",
        "worked example",
        "valid",
    ]


@pytest.mark.parametrize("preset", ["identity", "blur", "sharpen", "Sobel x", "Sobel y", "Laplacian"])
def test_presets(open_widget, preset):
    from scipy import ndimage

    page = open_widget(ConvExplorer(image=DIGIT, padding="same"))
    control(page, "Kernel").select_option(label=preset)
    image = np.array(DIGIT, float)
    laplacian = ndimage.laplace(image, mode="constant")
    expected = {
        "identity": image,
        "blur": ndimage.uniform_filter(image, 3, mode="constant"),
        "sharpen": image - laplacian,
        "Sobel x": ndimage.sobel(image, 1, mode="constant"),
        "Sobel y": ndimage.sobel(image, 0, mode="constant"),
        "Laplacian": laplacian,
    }[preset]
    assert np.allclose(shown(page), expected, atol=0.005001)
    if preset in ("identity", "blur"):  # a preset that any size can have keeps its name
        slide(page, "Kernel size", 4)
        if preset == "identity":  # an even kernel has its centre where "same" padding expects it
            assert np.array_equal(shown(page), image)
        slide(page, "Kernel size", 5)
        assert np.shape(shown(page, KERNEL)) == (5, 5)
        assert control(page, "Kernel").evaluate("s => s.selectedOptions[0].text") == preset
        wide = image if preset == "identity" else ndimage.uniform_filter(image, 5, mode="constant")
        assert np.allclose(shown(page), wide, atol=0.005001)


def test_rounded_sums_say_so(open_widget):
    page = open_widget(ConvExplorer(kernel=[[1 / 3]], image=[[1, 2, 3]] * 3))
    assert sum_text(page).endswith("0.33·1 + bias 0 ≈ 0.33")


# --- settings --------------------------------------------------------------------------------------------


def test_the_first_range_moves_the_window(open_widget):
    page = open_widget(ConvExplorer())
    before = sum_text(page)
    page.locator("input[type=range]").first.press("ArrowRight")
    assert place(page) == 1
    assert before != sum_text(page) and "2/9" in page.inner_text("main")


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
    # What a smaller input hides comes back.
    start = shown(page, INPUT)
    size.fill("3")
    assert np.shape(shown(page, INPUT)) == (3, 3)
    size.fill("6")
    assert shown(page, INPUT) == start


def test_a_small_input_from_python(open_widget):
    page = open_widget(ConvExplorer(image=[[5]], kernel=[[2]]))
    assert control(page, "Input size").input_value() == "1"
    assert shown(page) == [[10]]


def test_stride_padding_dilation_by_their_controls(open_widget):
    page = open_widget(ConvExplorer())
    slide(page, "Input size", 8)
    image = shown(page, INPUT)
    kernel = shown(page, KERNEL)
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
        expected = tensorflow_conv(image, kernel, 0, strides, 3 if mode == "explicit" else mode, dilation, False)
        assert np.array_equal(shown(page), expected)
        zeros = 6 if mode == "explicit" else page.locator("td.pad").count() and len(shown(page, INPUT)) - 8
        assert len(shown(page, INPUT)) == 8 + zeros
    assert "Keras refuses strides above 1 together with a dilation rate above 1" in page.inner_text("main")
    slide(page, "Bias", 4)
    assert np.array_equal(shown(page), expected + 4)


def test_padding_is_dashed_zero_and_in_the_sum(open_widget):
    page = open_widget(ConvExplorer(image=[[1, 2, 3, 4]] * 4, padding="same", strides=2))
    # TensorFlow's odd zero lies at the bottom and on the right.
    assert "0 at the top, 1 at the bottom, 0 left, 1 right" in page.inner_text("main")
    pads = page.locator("td.pad")
    assert pads.count() == 25 - 16
    assert set(pads.all_inner_texts()) == {"0"}
    assert pads.first.evaluate("td => getComputedStyle(td).borderTopStyle") == "dashed"
    slide(page, "Position", 3)
    assert page.locator(".cnnlib-conv-sum u").count() == 5
    assert page.locator("td.pad.in").count() == 5


def test_never_read_cells_have_a_pattern_and_words(open_widget):
    page = open_widget(ConvExplorer(**STRIDED))
    assert page.locator("td.unread").count() == 11
    assert "no window reads 11 of the 36 input cells (rows: 6; columns: 6)" in page.inner_text("main")
    style = page.locator("td.unread").first.evaluate("td => getComputedStyle(td).backgroundImage")
    assert "repeating-linear-gradient" in style
    assert page.get_by_label("row 6, column 1, never read").count() == 1
    slide(page, "Strides", 1)
    assert page.locator("td.unread").count() == 0
    assert "no window reads" not in page.inner_text("main")


def test_impossible_settings_say_why_and_what_fits(open_widget):
    page = open_widget(ConvExplorer())
    slide(page, "Input size", 3)
    slide(page, "Kernel size", 5)
    problem = page.locator(".cnnlib-problem:visible")
    assert problem.inner_text().startswith("These settings do not fit: kernel_size=5 covers 5 input cells but n=3")
    assert "use kernel_size <= 3" in problem.inner_text()
    assert "do not fit" in said(page)
    assert not page.get_by_role("button", name="Play").is_visible()
    assert not page.locator(".cnnlib-conv-sum").is_visible()
    slide(page, "Kernel size", 3)
    assert page.locator(".cnnlib-problem:visible").count() == 0
    assert np.shape(shown(page)) == (1, 1)


def test_flip_is_convolution(open_widget):
    from scipy import signal

    page = open_widget(ConvExplorer(kernel=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    image, kernel = np.array(shown(page, INPUT)), np.array(shown(page, KERNEL))
    assert np.array_equal(shown(page), signal.correlate2d(image, kernel, "valid"))
    assert "cross-correlation" in page.inner_text("main")
    control(page, "Flip the kernel").check()
    assert np.array_equal(shown(page), signal.convolve2d(image, kernel, "valid"))
    assert sum_text(page).startswith("Output row 1, column 1: 9·1 + 8·0 + 7·2")
    assert "convolution of mathematics" in page.inner_text("main")
    weights = page.locator("td.in").evaluate_all("all => all.map(td => Number(td.dataset.weight))")
    assert weights == [9, 8, 7, 6, 5, 4, 3, 2, 1]


# --- the window moves ------------------------------------------------------------------------------------


def place(page):
    """Index of the highlighted output cell, after checking that all places agree."""
    chosen = page.locator(f"{OUTPUT} td").evaluate_all(
        "all => all.flatMap((td, i) => td.getAttribute('aria-selected') === 'true' ? [i] : [])"
    )
    assert len(chosen) == 1
    assert control(page, "Position").input_value() == str(chosen[0])
    return chosen[0]


def test_highlight_follows_in_all_three_grids(open_widget):
    page = open_widget(ConvExplorer(dilation_rate=2, padding="same", position=7))
    cells = page.locator("td.in").evaluate_all("all => all.map(td => [td.parentNode.rowIndex - 2, td.cellIndex - 2])")
    assert cells == [[r, c] for r in (-1, 1, 3) for c in (0, 2, 4)]  # around output row 1, column 2
    assert page.locator(f"{KERNEL} td.weight").count() == 9
    assert place(page) == 7
    thick = page.locator(f"{OUTPUT} [aria-selected=true]").evaluate("td => getComputedStyle(td).boxShadow")
    assert "inset" in thick  # not by colour alone


def test_scrub_and_step(open_widget):
    page = open_widget(ConvExplorer())
    control(page, "Position").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert place(page) == 4
    assert "5/9" in page.inner_text("main")
    page.keyboard.press("End")
    assert place(page) == 8
    page.get_by_role("button", name="Next").click()
    assert place(page) == 0  # round
    page.get_by_role("button", name="Previous").focus()
    page.keyboard.press("Enter")
    assert place(page) == 8
    assert said(page) == f"row 3, column 3: sum is {shown(page)[2][2]}"
    assert control(page, "Position").get_attribute("aria-valuetext") == said(page)


def test_position_by_mouse(open_widget):
    page = open_widget(ConvExplorer())
    page.locator(f"{OUTPUT} td").nth(5).click()
    assert place(page) == 5
    box = control(page, "Position").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    assert place(page) == 8


def test_position_by_touch(open_widget):
    page = open_widget(ConvExplorer(), width=390, touch=True)
    page.locator(f"{OUTPUT} td").nth(7).tap()
    assert place(page) == 7
    page.get_by_role("button", name="Previous").tap()
    assert place(page) == 6
    sizes = page.locator(f"{OUTPUT} td").evaluate_all("all => all.map(td => td.getBoundingClientRect().width)")
    assert min(sizes) >= 24  # WCAG 2.2, target size


def test_output_by_keyboard(open_widget):
    page = open_widget(ConvExplorer(position=4))
    page.locator(f"{OUTPUT} [tabindex='0']").focus()
    assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert place(page) == 8
    page.keyboard.press("ArrowDown")  # the edge
    assert place(page) == 8
    # Enter takes the cell that has the focus.
    page.locator(f"{OUTPUT} td").nth(2).focus()
    assert place(page) == 8
    page.keyboard.press("Enter")
    assert place(page) == 2
    page.locator(f"{OUTPUT} td").nth(3).focus()
    page.keyboard.press("Space")
    assert place(page) == 3


def test_a_tidy_tab_order(open_widget):
    page = open_widget(ConvExplorer())
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "(() => { const a = document.activeElement; if (a === document.body) return '';"
            "return a.closest('table')?.getAttribute('aria-label') ?? a.labels?.[0]?.textContent ?? a.textContent })()"
        )
        if stop in ("", *stops[:1]):
            break
        if page.evaluate("document.activeElement.matches(':focus-visible')"):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert outline == "3px", stop
        stops.append(stop)
    assert stops == [
        *["Input 5 × 5", "Kernel 3 × 3", "Output 3 × 3", "Position", "Previous", "Play", "Next", "Settings"],
        *["Input size", "Input", "Kernel", "Kernel size", "Strides", "Dilation rate", "Padding", "Bias"],
        *["Flip the kernel", "Link to these settings", "Reset"],
    ]


@pytest.mark.parametrize("reduced_motion, step", [(False, 700), (True, 2000)])
def test_play_and_pause(open_widget, reduced_motion, step):
    page = open_widget(ConvExplorer(), reduced_motion=reduced_motion)
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


def test_a_smaller_output_keeps_a_valid_position(open_widget):
    page = open_widget(ConvExplorer(position=8))
    slide(page, "Strides", 2)
    assert place(page) == 3
    slide(page, "Strides", 1)
    assert place(page) == 3  # the setting itself has moved, not only the picture


# --- editing ---------------------------------------------------------------------------------------------


def test_editing_the_kernel(open_widget):
    page = open_widget(ConvExplorer())
    cell = page.locator(f"{KERNEL} input").nth(4)
    cell.click()
    page.keyboard.type("-2.5")
    kernel = [[-1, 0, 1], [-1, -2.5, 1], [-1, 0, 1]]
    image = shown(page, INPUT)
    assert np.allclose(shown(page), tensorflow_conv(image, kernel, 0, 1, "valid", 1, False), atol=0.005001)
    assert "(-2.5)·4" in sum_text(page)
    assert control(page, "Kernel").evaluate("s => s.selectedOptions[0].text") == "own numbers"
    # By keyboard: arrows move between cells, Page Up and Page Down count.
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    assert shown(page, KERNEL) == [[-1, 2, 0], [-1, -2.5, 1], [-1, 0, 1]]
    # A fraction stays as typed until the cell is left.
    page.keyboard.type("1/9")
    assert page.evaluate("document.activeElement.value") == "1/9"
    page.keyboard.press("ArrowDown")
    assert shown(page, KERNEL)[0][2] == 0.11
    kernel = [[-1, 2, 1 / 9], [-1, -2.5, 1], [-1, 0, 1]]
    assert np.allclose(shown(page), tensorflow_conv(image, kernel, 0, 1, "valid", 1, False), atol=0.005001)


def test_editing_the_input(open_widget):
    page = open_widget(ConvExplorer())
    page.locator(f"{INPUT} input").first.click()
    page.keyboard.type("100")
    image = shown(page, INPUT)
    assert image[0] == [100, 0, 2, 1, 0]
    assert np.array_equal(shown(page), tensorflow_conv(image, shown(page, KERNEL), 0, 1, "valid", 1, False))
    assert control(page, "Input").evaluate("s => s.selectedOptions[0].text") == "own numbers"


def test_a_bad_kernel_entry(open_widget):
    page = open_widget(ConvExplorer())
    before = shown(page)
    cell = page.locator(f"{KERNEL} input").first
    for text in ("x", "", "1/0", "1/2/3", "10000", "1e9", "--1", "1.2.3", ".", "0x10", "1e2", "Infinity"):
        cell.fill(text)
        problem = page.locator(".cnnlib-problem:visible").inner_text()
        assert problem.startswith(f"“{text}” is not a number that fits")
        assert problem.endswith("Still in use: -1.")
        assert cell.get_attribute("aria-invalid") == "true"
        assert shown(page) == before  # the last number is in force
        if text == "x":
            assert said(page) == problem
        page.keyboard.press("Tab")
        assert cell.input_value() == "-1"
        assert page.locator(".cnnlib-problem:visible").count() == 0
        assert cell.get_attribute("aria-invalid") == "false"


# --- pages -----------------------------------------------------------------------------------------------

STATES = {
    "default": {},
    "same": {"padding": "same", "position": 3},
    "unread": STRIDED,
    "wide": {"image": DIGIT, "kernel": [[1 / 25] * 5] * 5, "padding": "same", "dilation_rate": 3, "flip": True},
    "impossible": TOO_LARGE,
}


def test_a_phone_never_scrolls_sideways(open_page, tmp_path):
    page = open_page(page_of([ConvExplorer(**settings) for settings in STATES.values()], tmp_path), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cut = page.locator(".cnnlib-conv-explorer *").evaluate_all(
        "all => all.filter(e => !e.closest('table, .cnnlib-sr') && e.getBoundingClientRect().right > 390).length"
    )
    assert cut == 0
    assert page.locator(".cnnlib-conv-explorer").count() == len(STATES)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(open_page, tmp_path, dark, width):
    from axe_playwright_python.sync_playwright import Axe

    widgets = [ConvExplorer(**settings) for settings in STATES.values()]
    page = open_page(page_of(widgets, tmp_path, dark), dark=dark, width=width)
    page.locator("table").nth(1).locator("input").first.fill("x")
    found = Axe().run(page, context=".cnnlib").response
    assert len(found["passes"]) > 10
    assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []


def test_dark_is_dark(open_widget):
    page = open_widget(ConvExplorer(), dark=True)
    for selector in (f"{OUTPUT} td", f"{INPUT} td", ".cnnlib"):
        ink, paper = page.locator(selector).last.evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor].map(c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0))"
        )
        assert ink > 500 > 200 > paper


def test_script_time_per_step(open_widget, record_property):
    page = open_widget(ConvExplorer(image=DIGIT, kernel=[[1] * 5] * 5, padding="same"))
    times = page.evaluate(
        """async () => {
          const times = [], [slider, size, , strides] = document.querySelectorAll("input[type=range]");
          const step = async (input, value) => {
            const start = performance.now();
            input.value = value;
            input.dispatchEvent(new Event("input"));
            await null; await null;
            times.push(performance.now() - start);
          };
          for (let i = 0; i < 64; i++) await step(slider, i);
          for (let i = 0; i < 30; i++) await step(size, 3 + i % 6);
          for (let i = 0; i < 30; i++) await step(strides, 1 + i % 4);
          return times;
        }"""
    )
    p95 = statistics.quantiles(times, n=20)[-1]
    record_property("p95_ms", p95)
    print(f"script time per step: median {statistics.median(times):.1f} ms, 95th percentile {p95:.1f} ms")
    assert p95 < 50


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
          el.querySelectorAll("table")[2].rows[2].cells[1].click();
          dispose();
          return [JSON.parse(saved.at(-1)), listeners.length];
        }""",
        [notebook_module("conv_explorer.js"), ConvExplorer().settings()],
    )
    assert after == 0
    assert np.shape(state["image"]) == (7, 7)
    assert state["position"] == 2 * 3 + 1 or state["position"] == 2 * 5 + 1
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
    assert eval(repr(widget)).settings() == widget.settings()  # noqa: S307


def test_defaults_are_not_shared():
    ConvExplorer().image[0][0] = 7
    assert ConvExplorer().image[0][0] == 1


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"image": [[1, 2], [3]]}, ValueError, "image has rows of 1 and of 2 cells"),
        ({"image": []}, ValueError, r"image has shape \(0,\): use 1 to 12"),
        ({"image": [[1] * 13]}, ValueError, r"image has shape \(1, 13\): use 1 to 12"),
        ({"image": 3}, TypeError, "image=3 is not a list of rows"),
        ({"image": [["1"]]}, TypeError, r"image\[0\]\[0\]='1' is not a number"),
        ({"kernel": [[float("nan")]]}, ValueError, r"kernel\[0\]\[0\]=nan is out of range: use a number from -9999"),
        ({"kernel": [[1] * 6] * 6}, ValueError, r"kernel has shape \(6, 6\): use 1 to 5"),
        ({"bias": None}, TypeError, "bias=None is not a number"),
        ({"bias": True}, TypeError, "bias=True is not a number"),
        ({"strides": 5}, ValueError, "strides=5 is not an integer from 1 to 4"),
        ({"strides": 1.0}, TypeError, "strides=1.0 is not an integer"),
        ({"dilation_rate": 0}, ValueError, "dilation_rate=0 is not an integer from 1 to 3"),
        ({"padding": "full"}, ValueError, "padding='full' is not valid: use 'valid', 'same', 0 to 6"),
        ({"padding": (1, 2, 3)}, ValueError, r"padding=\(1, 2, 3\) has 3 values: use \(before, after\)"),
        ({"padding": -1}, ValueError, "padding=-1 is not an integer from 0 to 6"),
        ({"padding": None}, TypeError, "padding=None is not an integer"),
        ({"position": 9}, ValueError, "position=9 is out of range: the output has 9 cells, use 0 to 8"),
        ({"position": -1}, ValueError, "position=-1 is not an integer >= 0"),
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


def test_python_keeps_the_position_inside():
    widget = ConvExplorer(position=8)
    widget.strides = 2
    assert widget.position == 3
    widget.set_state({"strides": 1, "position": 6})  # what a page sends
    assert (widget.strides, widget.position) == (1, 6)


def test_fallback_holds_the_numbers():
    text = ConvExplorer(bias=1, flip=True).fallback()
    assert "1·1 + 0·0 + (-1)·2 + 1·5" in text
    assert text.count("<table>") == 3
    assert "turned by 180°" in text
    impossible = ConvExplorer(**TOO_LARGE)
    assert "No output: kernel_size=5 covers 5 input cells" in impossible.fallback()
    with pytest.raises(ValueError, match="kernel_size=5 covers 5"):
        _ = impossible.output


def test_only_on_paper_the_fallback(open_widget):
    page = open_widget(ConvExplorer())
    assert not page.locator(".cnnlib-fallback").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".cnnlib-fallback").is_visible()
    assert not page.locator(".cnnlib").is_visible()


def test_the_style_needs_no_colour_of_its_own():
    section = stylesheet().split("/* conv-explorer */")[1].split("/* ")[0]
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb", section)
