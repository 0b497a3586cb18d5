"""Every calculator in Debian's own Firefox: alive, by mouse and keyboard, from the address, its numbers Python's."""

import random
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import firefox
import numpy as np
import pytest
import test_batch_norm
import test_conv_explorer
import test_dropout_explorer
import test_look_inside
import test_network_designer
import test_pooling
import test_receptive_field
import test_size_calculator
import test_train_here
from conftest import ALL_ALIVE, DRAWN, WIDTH, require, write_page
from test_numbers import address, compared, results
from test_pages import OF, built, move_every_slider

from cnnlib.widgets import WIDGETS, BatchNormExplorer, LookInside, ReceptiveField, SizeCalculator, TrainHere

EVERY = pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.name)


@pytest.fixture(scope="module")
def fox(tmp_path_factory):
    require(firefox.FIREFOX, "Firefox")
    yield from firefox.start(tmp_path_factory.mktemp("firefox"))


@pytest.fixture
def open_fox(fox, tmp_path):
    """`open_fox(what, width=1280, dark=False, fragment="")`: a calculator's page or a path, that fails the test on any complaint."""
    complaints = []

    def open_fox(what, width=1280, dark=False, fragment=""):
        complaints.extend(fox.complaints())
        path = write_page(what, tmp_path, dark) if hasattr(what, "page_files") else what
        fox.goto(f"file://{path}{fragment}", width, dark)
        fox.wait_for_function(ALL_ALIVE, timeout=120_000)
        assert fox.evaluate(DRAWN)
        return fox

    fox.goto("about:blank")
    yield open_fox
    complaints.extend(fox.complaints())
    assert not complaints, complaints


def slider_of(page, w, i):
    return page.evaluate(f"{OF} slider.focus(); return slider; }}", [w, i])


def move_sliders(page):
    from marionette_driver.keys import Keys

    def press(w, i, key):
        slider_of(page, w, i)
        page.press(getattr(Keys, key.upper()))

    move_every_slider(page, press, lambda w, i, part: page.click(slider_of(page, w, i), part))


def sideways(page):
    return page.evaluate(f"{WIDTH} - document.documentElement.clientWidth")


DELIBERATE = """<!doctype html><title>bad</title>
<script>console.error("one said"); Promise.reject(Error("two rejected")); nothing.three;</script>
<script>new Worker(URL.createObjectURL(new Blob(['console.error("four said"); throw Error("five threw")'])));</script>
<style>p { nothing: 6 }</style><script>console.warn("seven warned");</script>
<script>fetch("http://127.0.0.1:PORT/eight", { mode: "no-cors" }).catch(() => { document.title = "cut"; });</script>"""


def test_errors_and_requests_of_a_page_are_seen_and_no_request_leaves_it(fox, tmp_path):
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (tmp_path / "bad.html").write_text(DELIBERATE.replace("PORT", str(server.server_port)), encoding="utf-8")
        fox.goto(f"file://{tmp_path}/bad.html")
        fox.wait_for_function("document.title === 'cut'")
        fox.wait_for_complaint("five")
        seen = fox.complaints()
    finally:
        server.shutdown()
        server.server_close()
    for words in ("one said", "two rejected", "nothing is not defined", "four said", "five threw", "/eight"):
        assert sum(words in complaint for complaint in seen) == 1, (words, seen)
    assert len(seen) == 6 and not asked  # a warning is no error
    (tmp_path / "good.html").write_text("<!doctype html><title>good</title>", encoding="utf-8")
    fox.goto(f"file://{tmp_path}/good.html")
    assert fox.complaints() == []


@EVERY
def test_on_a_dark_phone_nothing_scrolls_sideways_and_nothing_shines(widget, open_fox):
    page = open_fox(widget(), width=390, dark=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert sideways(page) <= 0
    # What Firefox draws by itself is bright unless told otherwise: the track of a slider, a box to tick, a scroll bar.
    scheme, bars = page.evaluate(
        "(({ colorScheme, scrollbarColor }) => [colorScheme, scrollbarColor])(getComputedStyle(document.querySelector('.cnnlib')))"
    )
    assert scheme == "dark" and bars == "rgb(118, 131, 144) rgb(20, 24, 30)"
    slider = page.evaluate("document.querySelector('input[type=range]')")
    page.evaluate("(slider) => { slider.value = slider.min; }", slider)
    shown = page.picture(slider)[:, 30:]  # right of the thumb: an empty track on the page's ground
    assert shown.mean(axis=2).max() < 140 and len(np.unique(shown.reshape(-1, 3), axis=0)) > 1


@EVERY
def test_it_moves_by_mouse_and_by_keyboard_and_shows_the_focus(widget, open_fox):
    from marionette_driver.keys import Keys

    page = open_fox(widget())
    if widget is LookInside:  # the net comes later than the rest
        test_look_inside.settle(page)
    reached = 0
    for _ in range(12):
        page.press(Keys.TAB)
        name, style, width = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e); return [e.outerHTML.slice(0, 90), s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        if name.startswith("<body"):
            break
        reached += 1
        assert style == "solid" and width >= 2, name
    assert reached >= 8
    move_sliders(page)
    assert sideways(page) <= 0


def some(count, draw):
    rng = random.Random(31)
    return [draw(rng) for _ in range(count)]


# Random states of each calculator, what a page shows of one, and whether that is what Python computes.
STATES = {
    "size-calculator": (
        lambda: [SizeCalculator(**settings) for settings in test_size_calculator.random_stacks(12, seed=31)],
        test_size_calculator.READ,
        test_size_calculator.agrees,
    ),
    "conv-explorer": (
        lambda: some(12, test_conv_explorer.random_settings),
        f"() => ({test_conv_explorer.READ})()[0]",
        test_conv_explorer.agrees,
    ),
    "receptive-field": (
        lambda: [ReceptiveField(**settings) for settings in test_receptive_field.random_settings(12, seed=31)],
        test_receptive_field.READ,
        test_receptive_field.agrees,
    ),
    "dropout": (
        lambda: some(12, test_dropout_explorer.random_settings),
        test_dropout_explorer.READ,
        test_dropout_explorer.same_numbers,
    ),
    "batch-norm": (
        lambda: [BatchNormExplorer(**settings) for settings in test_batch_norm.random_settings(12, seed=31)],
        test_batch_norm.READ,
        test_batch_norm.agrees,
    ),
    "pooling": (lambda: some(12, test_pooling.random_settings), test_pooling.READ, test_pooling.agrees),
    "network-designer": (
        lambda: test_network_designer.random_states(12, seed=31),
        test_network_designer.READ,
        test_network_designer.agrees,
    ),
    "train-here": (lambda: some(12, test_train_here.random_settings), test_train_here.READ, test_train_here.agrees),
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_comes_from_the_address_and_its_numbers_are_pythons(name, open_fox):
    draw, read, agrees = STATES[name]
    first, *states = draw()
    page = open_fox(type(first)(), fragment=address(first))
    assert agrees(first, page.evaluate(read))
    assert page.evaluate("document.querySelector('.cnnlib-left-out') === null")
    assert compared(results(page, states, read), agrees) == len(states)
    plain = open_fox(type(first)()).evaluate(read)  # another state: the comparison must see it
    try:
        unseen = agrees(first, plain)
    except AssertionError:
        unseen = False
    assert not unseen


# A page's own script, so that it takes the place of Worker before the calculator needs one.
COUNT_WORKERS = """() => {
  const script = document.createElement("script");
  script.textContent = `window.heard = []; window.Worker = class extends Worker {
    constructor(...given) { super(...given); const i = heard.push(0) - 1; this.addEventListener("message", () => { heard[i]++; }); } }`;
  document.head.append(script);
}"""


def press_button(page, name):
    page.click(
        page.evaluate("(name) => [...document.querySelectorAll('button')].find((b) => b.textContent === name)", name)
    )


def step(page):
    return test_train_here.step_of(page)


def test_a_net_trains_in_a_worker_pauses_and_goes_on(open_fox):
    page = open_fox(TrainHere(**test_train_here.SLOW))
    page.evaluate(COUNT_WORKERS)
    start = test_train_here.read(page)
    press_button(page, "Train")
    page.wait_for_function(
        "() => parseInt(document.querySelector('.cnnlib-train-totals dd').textContent) >= 8", timeout=300_000
    )
    press_button(page, "Pause")
    page.wait_for_function("!!document.querySelector('[data-phase=paused]')")
    paused = test_train_here.read(page)
    assert 8 <= step(page) < 100 and page.evaluate("heard.length") == 1
    page.wait(0.5)
    assert test_train_here.read(page)["tiles"] == paused["tiles"]
    press_button(page, "Go on")
    page.wait_for_function("!!document.querySelector('[data-phase=ended]')", timeout=300_000)
    ended = test_train_here.read(page)
    assert ended["tiles"][0] == "100 / 100" and len(ended["looks"]) == 5 and page.evaluate("heard[0]") > 2
    assert all(a != b for a, b in zip(start["filters"], ended["filters"], strict=True))
    for kind, most in (("train", 100), ("held", 5)):
        lines = page.evaluate(
            "(kind) => [...document.querySelectorAll('.cnnlib-train-stage svg')].map((svg) => svg.querySelector(`path.${kind}:not(.ghost)`).getAttribute('d'))",
            kind,
        )
        assert len(lines) == 2 and all(most / 4 < line.count("L") + 1 <= most for line in lines), lines
    counts = np.array([[0 if cell == "·" else int(cell) for cell in row[1:]] for row in ended["confusion"]])
    assert float(ended["looks"][-1][2].split()[0]) == pytest.approx(100 * np.trace(counts) / counts.sum(), abs=0.051)


def test_a_net_is_looked_into(open_fox):
    look = LookInside(sample=3)
    page = open_fox(LookInside(), fragment="#look-inside.sample=3")
    shown = test_look_inside.read(page)
    assert test_look_inside.agree(shown, look.scores)
    assert (test_look_inside.seen_pixels(shown, 32) == look.pictures[3]).all()
    # Each part of the strip is painted once it comes near the screen.
    colours = """[...document.querySelectorAll(".cnnlib-look-strip canvas")].map((canvas) =>
      new Set(new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)"""
    page.wait_for_function(f"() => Math.min(...{colours}) > 1")
    assert len(page.evaluate(colours)) >= len(look.description["layers"])
    for layer, channel in (("conv1", 4), ("relu1", 1), ("pool1", 2)):
        test_look_inside.put(page, sample=3, layer=layer, channel=channel)
        board = test_look_inside.read(page)["board"]
        assert test_look_inside.drawn_as(board, look.maps(layer)[..., channel]), layer
        assert not test_look_inside.drawn_as(board, look.maps(layer)[..., channel - 1]), layer
    for view in ("saliency", "occlusion", "activation"):
        page = open_fox(look, fragment=f"#look-inside.view={view}")
        assert test_look_inside.drawn_as(test_look_inside.read(page)["board"], getattr(look, view)), view


def test_a_chapter_is_alive(open_fox):
    page = open_fox(built("book/03-padding-and-stride"), width=390)
    assert sideways(page) <= 0
    assert page.evaluate("document.querySelectorAll('.cnnlib-alive').length") >= 2
    move_sliders(open_fox(built("book/03-padding-and-stride")))
