"""The batch normalisation explorer: its numbers against Keras and the reference, its page driven in Chromium."""

import json
import math
import random
import re
import statistics
from urllib.parse import quote

import numpy as np
import pytest
from conftest import WIDTH, serious_violations

import batch_norm_maps
from cnnlib import reference
from cnnlib.widgets.base import notebook_module
from cnnlib.widgets.batch_norm import _DATA as DATA
from cnnlib.widgets.batch_norm import RANGES, BatchNormExplorer


def random_settings(count, seed, steps=(0, 0, 1, 2, 5, 9, 20)):
    """Settings of every kind; batch sizes and seeds come from few, so that batches are drawn once."""
    rng = random.Random(seed)

    def within(key):
        low, high, step = RANGES[key]
        return round(rng.randint(round(low / step), round(high / step)) * step, 6)

    for _ in range(count):
        settings = {key: within(key) for key in RANGES}
        settings["drift"] = rng.choice([0.0, settings["drift"]])
        settings["spread"] = rng.choice([0.0, 1.0, settings["spread"], settings["spread"]])
        settings |= dict(
            data=rng.choice(["drifted", "skewed", "two humps", "real", "own"]),
            batch_size=rng.choice([1, 2, 3, 8, 32, 100]),
            seed=rng.choice([0, 1, 77, 9999]),
            epsilon=rng.choice(DATA["epsilons"]),
            momentum=rng.choice([*DATA["momenta"], 0.3]),
            training=rng.random() < 0.5,
            steps=rng.choice(steps),
            values=rng.choice([None, [rng.randint(-990, 990) / 10 for _ in range(rng.randint(1, 16))], [4.0, 4.0]]),
        )
        size = len(settings["values"] or DATA["own"]) if settings["data"] == "own" else settings["batch_size"]
        settings["position"] = rng.randrange(size)
        yield settings


def seen_batches(widget):
    """The batches that have gone by, then the one on show, each from a widget that shows it."""
    settings = widget.settings()
    return [BatchNormExplorer(**settings | {"steps": number}).batch for number in range(widget.steps + 1)]


# --- Python against Keras ---------------------------------------------------------------------------------------


def test_outputs_and_moving_averages_are_keras():
    """Keras sees every batch in training, then the one on show, in training or not. In double precision."""
    import keras

    infinite = moved = 0
    for settings in random_settings(360, seed=1):
        widget = BatchNormExplorer(**settings)
        layer = keras.layers.BatchNormalization(
            momentum=widget.momentum, epsilon=widget.epsilon, dtype="float64", name="norm"
        )
        *gone, now = (np.array(batch)[:, None] for batch in seen_batches(widget))
        layer.build(now.shape)
        layer.gamma.assign([widget.gamma])
        layer.beta.assign([widget.beta])
        for batch in gone:
            layer(batch, training=True)
        ours = (widget.moving_mean, widget.moving_variance)
        theirs = (layer.moving_mean.numpy()[0], layer.moving_variance.numpy()[0])
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6), settings
        moved += widget.momentum < 1 and widget.steps > 0
        output = np.asarray(layer(now, training=widget.training))[:, 0]
        if widget.problem:
            assert np.isnan(output).all() and np.isnan(widget.output).all(), settings
            infinite += 1
            continue
        assert widget.output == pytest.approx(output, rel=1e-5, abs=1e-5), settings
    assert infinite > 5 and moved > 100


def test_outputs_are_the_references_and_the_error_is_that_of_the_averages():
    for settings in random_settings(200, seed=2):
        widget = BatchNormExplorer(**settings)
        if not widget.epsilon:
            continue
        x, (mean, variance) = np.array(widget.batch)[:, None], widget.population
        own, gamma, beta = [], [widget.gamma], [widget.beta]
        for statistics_ in ({}, dict(moving_mean=[widget.moving_mean], moving_variance=[widget.moving_variance])):
            own.append(reference.batch_norm(x, gamma, beta, widget.epsilon, **statistics_)[:, 0])
        assert widget.output == pytest.approx(own[0 if widget.training else 1], rel=1e-9, abs=1e-9)
        exact = reference.batch_norm(x, gamma, beta, widget.epsilon, [mean], [variance])[:, 0]
        assert widget.inference_error == pytest.approx(math.sqrt(np.mean((own[1] - exact) ** 2)), rel=1e-9, abs=1e-12)
        assert widget.mean == pytest.approx(np.mean(widget.batch)) and widget.variance == pytest.approx(
            np.var(widget.batch), abs=1e-12
        )
        plain = BatchNormExplorer(**settings | dict(gamma=1.0, beta=0.0))
        assert widget.normalised == pytest.approx(plain.output)
        assert widget.kept == np.mean(np.array(widget.output) > 0)


def test_skewness_is_scipys_and_stays_or_turns():
    from scipy.stats import skew

    turned = 0
    for settings in random_settings(150, seed=3):
        widget = BatchNormExplorer(**settings)
        before, after = widget.skewness
        if not widget.variance or widget.problem:
            assert math.isnan(before) or math.isnan(after)
            continue
        assert before == pytest.approx(skew(widget.batch), rel=1e-6, abs=1e-6)
        if widget.gamma:
            assert after == pytest.approx(math.copysign(1, widget.gamma) * before, rel=1e-5, abs=1e-5), settings
            turned += widget.gamma < 0
        else:
            assert math.isnan(after)
    assert turned > 20


@pytest.mark.parametrize("data, skewness", [("drifted", 0), ("skewed", 2), ("two humps", 0), ("real", None)])
def test_batches_come_from_the_population_that_is_named(data, skewness):
    widget = BatchNormExplorer(data=data, batch_size=256, centre=4.0, spread=1.5, momentum=0.9)
    numbers = [number for seed in range(12) for number in BatchNormExplorer(**widget.settings() | {"seed": seed}).batch]
    assert all(round(number, 2) == number for number in numbers)
    mean, variance = widget.population
    if data == "real":
        mean_, variance_ = np.mean(DATA["real"]), np.var(DATA["real"])
        assert (mean, variance) == pytest.approx((mean_, variance_)) and set(numbers) <= set(DATA["real"])
    else:
        assert (mean, variance) == (4.0, 2.25)
    assert statistics.mean(numbers) == pytest.approx(mean, abs=4 * math.sqrt(variance / len(numbers)))
    assert statistics.pvariance(numbers) == pytest.approx(variance, rel=0.12)
    if skewness is not None:
        from scipy.stats import skew

        assert skew(numbers) == pytest.approx(skewness, abs=0.6)


def test_a_larger_batch_holds_the_smaller_and_drift_moves_every_number():
    small, large = (BatchNormExplorer(batch_size=size, steps=3) for size in (5, 60))
    assert large.batch[:5] == small.batch
    moved = BatchNormExplorer(batch_size=60, steps=3, drift=0.1)
    assert np.subtract(moved.batch, large.batch) == pytest.approx([0.3] * 60)
    assert moved.population[0] == pytest.approx(3.3)
    own = BatchNormExplorer(data="own", drift=0.1, steps=3)
    assert own.batch == DATA["own"] and own.population == (own.mean, own.variance)
    assert (
        BatchNormExplorer(seed=1).batch != BatchNormExplorer(seed=2).batch != BatchNormExplorer(seed=2, steps=1).batch
    )


def test_what_the_page_says_about_noise_lag_and_start_is_so():
    """The formulas of the page's sentences, each against the numbers that the widget draws."""
    noisy = BatchNormExplorer(batch_size=16, steps=300)
    means = [np.mean(batch) for batch in seen_batches(noisy)]
    assert statistics.pstdev(means) == pytest.approx(noisy.spread / 4, rel=0.15)  # spread / sqrt(n)
    few = [np.var(batch) for batch in seen_batches(BatchNormExplorer(batch_size=2, steps=300))]
    assert np.mean(few) == pytest.approx(4 / 2, rel=0.15)  # (n - 1) / n of the population's
    late = BatchNormExplorer(spread=0.0, centre=0.0, drift=0.1, momentum=0.9, steps=300)
    assert late.population[0] - late.moving_mean == pytest.approx(0.1 / (1 - 0.9))  # drift / (1 - momentum)
    begin = BatchNormExplorer(data="own", values=[5.0, 5.0], steps=40)
    assert begin.moving_variance == pytest.approx(0.99**40) and begin.moving_mean == pytest.approx(5 * (1 - 0.99**40))


def test_one_number_gives_beta_and_equal_numbers_need_epsilon():
    one = BatchNormExplorer(batch_size=1, beta=0.7, gamma=3.0)
    assert one.variance == 0 and one.output == [0.7] and one.problem is None
    equal = BatchNormExplorer(data="own", values=[0.1] * 7, beta=-1.0)
    assert equal.variance == 0 and equal.output == [-1.0] * 7 and equal.kept == 0
    equal.epsilon = 0
    assert equal.problem.startswith("variance=0 and epsilon=0") and all(map(math.isnan, equal.output))
    assert "No output: variance=0" in equal.fallback()
    equal.training = False
    assert equal.problem is None  # the moving variance begins at 1


# --- Python's settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(data="bell"), ValueError, "data='bell' is none of 'drifted'"),
        (dict(batch_size=0), ValueError, "batch_size=0 .* from 1 to 256"),
        (dict(batch_size=2.5), TypeError, "batch_size=2.5"),
        (dict(seed=-1), ValueError, "seed=-1"),
        (dict(centre=11), ValueError, "centre=11 .* from -10 to 10"),
        (dict(spread=-0.1), ValueError, "spread=-0.1 .* from 0 to 5"),
        (dict(gamma="1"), TypeError, "gamma='1' is not a number"),
        (dict(beta=math.nan), ValueError, "beta=nan"),
        (dict(epsilon=-1e-9), ValueError, "epsilon=-1e-09 .* from 0 to 1"),
        (dict(momentum=1.01), ValueError, "momentum=1.01"),
        (dict(training=1), TypeError, "training=1"),
        (dict(steps=301), ValueError, "steps=301"),
        (dict(drift=0.3), ValueError, "drift=0.3"),
        (dict(values=[]), ValueError, "values has 0 numbers: use 1 to 16"),
        (dict(values=[1] * 17), ValueError, "values has 17 numbers"),
        (dict(values=[1, "2"]), TypeError, r"values\[1\]='2' is not a number"),
        (dict(values=[1, True]), TypeError, r"values\[1\]=True"),
        (dict(values=[100]), ValueError, r"values\[0\]=100 .* from -99 to 99"),
        (dict(values=3), TypeError, "values=3 is neither a list"),
        (dict(position=32), ValueError, "position=32 is out of range: the batch has 32 numbers, use 0 to 31"),
        (dict(data="own", position=10), ValueError, "position=10"),
        (dict(size=3), ValueError, "no setting 'size'"),
    ],
)
def test_bad_settings_name_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=words):
        BatchNormExplorer(**settings)


def test_it_is_an_ordinary_widget():
    import ipywidgets

    given = np.array([1, 2, 3])
    widget, heard = BatchNormExplorer(data="own", values=given, position=2), []
    box = ipywidgets.HBox([widget, BatchNormExplorer()])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["steps", "values", "position"])
    widget.set_state({"steps": 4, "values": [5, 6]})  # as from the page; the third number has gone
    assert sorted(heard) == [("position", 1), ("steps", 4), ("values", [5.0, 6.0])] and box.children[0] is widget
    assert repr(widget) == repr(BatchNormExplorer(**widget.settings()))
    assert BatchNormExplorer(position=40, batch_size=64).position == 40
    widget.batch[0] = 99
    assert widget.batch == [5, 6] and BatchNormExplorer(data="own").batch == DATA["own"]


def test_recorded_numbers_are_what_their_script_writes(tmp_path):
    real = DATA["real"]
    assert len(real) == batch_norm_maps.NUMBERS == 256
    assert all(round(number, 2) == number for number in real) and np.var(real) > 0.01
    copy = tmp_path / "copy.json"
    copy.write_text(batch_norm_maps.TARGET.read_text("utf-8"), "utf-8")
    batch_norm_maps.write([0.5, 1.0], copy)
    assert json.loads(copy.read_text("utf-8")) == DATA | {"real": [0.5, 1.0]}
    batch_norm_maps.write(real, copy)
    assert copy.read_text("utf-8") == batch_norm_maps.TARGET.read_text("utf-8")
    with pytest.raises(ValueError, match="must have one"):
        copy.write_text("{}")
        batch_norm_maps.write(real, copy)


# --- the page ---------------------------------------------------------------------------------------------------

READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget='batch-norm']"), texts = (all) => [...all].map((one) => one.textContent);
  const picture = root.querySelector(".cnnlib-norm-picture svg"), visible = (one) => one.checkVisibility() ? one.textContent : "";
  return { table: [...root.querySelectorAll("table tr")].slice(1).map((row) => texts(row.cells).slice(1)),
    stages: picture.getAttribute("aria-label"), sums: texts(root.querySelectorAll("dd")), facts: texts(root.querySelectorAll("li")),
    heads: texts(root.querySelectorAll("table th[scope=col]")), problem: visible(root.querySelector(".cnnlib-problem:not([role])")),
    notes: texts(root.querySelectorAll(".cnnlib-norm-sum p")), code: root.querySelector("pre").textContent,
    charts: [...root.querySelectorAll(".cnnlib-norm-charts svg")].map((svg) => svg.ariaLabel ?? svg.getAttribute("aria-label")) };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='batch-norm']")


def read(page):
    return page.evaluate(READ)


def address(widget):
    """The page's address that holds all settings of a widget."""
    settings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    return "#" + "&".join(f"batch-norm.{key}={quote(value)}" for key, value in settings.items())


def put(page, **settings):
    """Give the page's model new settings, as a link does, and read the page."""
    widget = BatchNormExplorer(**settings)
    page.evaluate(
        """async (hash) => {
            history.replaceState(null, "", hash);
            dispatchEvent(new Event("hashchange"));
            await null; await null; await null;
        }""",
        address(widget),
    )
    return widget, read(page)


def number(text):
    return math.nan if text in ("–", "", "NaN") else float(text.replace(",", "").replace("−", "-").strip("()"))


def close(text, value):
    """The text is this number with three decimals, or with three digits where it is below 0.1."""
    shown = number(text)
    if not math.isfinite(value):
        return math.isnan(shown)
    return abs(shown - value) <= (0.000501 if abs(value) >= 0.1 else 0.006 * abs(value)) + 1e-6 * abs(value) + 2e-9


def agrees(widget, shown):
    """Every number that the page shows is what Python computes. Used in test_numbers too."""
    columns = (
        (widget.mean, widget.variance),
        (widget.moving_mean, widget.moving_variance),
        widget.population,
    )
    for i in (0, 1):
        assert all(close(text, column[i]) for text, column in zip(shown["table"][i], columns, strict=True)), shown
    stages = [widget.batch, widget.normalised, widget.output, np.maximum(widget.output, 0)]
    told = shown["stages"].replace("\xa0", " ").split(". ")
    for i, (values, text) in enumerate(zip(stages, told, strict=True)):
        if i and widget.problem:
            assert text.endswith("no number: a division by 0")
            continue
        mean, std, skewness, above = re.search(r"mean (.*), std (.*), skewness (.*), (.*) % above 0$", text).groups()
        assert abs(number(mean) - np.mean(values)) <= 0.00501 + 1e-6 * abs(np.mean(values)), text
        assert abs(number(std) - np.std(values)) <= 0.00501 + 1e-6 * np.std(values), text
        assert abs(number(above) - 100 * np.mean(np.array(values) > 0)) <= 0.501, text
        if i < 3 and i != 1:
            ours = widget.skewness[i // 2]
            assert math.isnan(ours) == math.isnan(number(skewness)), text
            assert math.isnan(ours) or abs(number(skewness) - ours) <= 0.00502, text
    results = [line.rsplit("= ", 1)[1] for line in shown["sums"]]
    for text, values in zip(results, stages[1:], strict=True):
        assert close(text, values[widget.position]) or widget.problem, (text, values[widget.position])
    errors = [re.search(r"put the outputs off by (\S+) \(", fact) for fact in shown["facts"]]
    [error] = [match[1] for match in errors if match] or ["–"]
    assert close(error, widget.inference_error), error
    return True


def test_every_number_on_the_page_is_pythons(open_widget):
    page = open_widget(BatchNormExplorer())
    failed = 0
    for settings in random_settings(40, seed=4, steps=(0, 1, 7, 300)):
        widget, shown = put(page, **settings)
        assert agrees(widget, shown), settings
        assert bool(shown["problem"]) == (widget.problem is not None), settings
        failed += widget.problem is not None
    assert failed


def test_the_bars_are_the_numbers(open_widget):
    """Heights, counted again from the path: each row's add up to the batch; dashed ones are what ReLU takes."""
    page = open_widget(BatchNormExplorer())
    for settings in random_settings(40, seed=5):
        widget, _ = put(page, **settings)
        rows = page.evaluate("""() => { const svg = document.querySelector(".cnnlib-norm-picture svg");
            const most = [...svg.querySelectorAll(".to")].map((text) => +text.textContent.match(/\\d+/)[0]);
            const tall = (d) => [...(d ?? "").matchAll(/v-([\\d.]+)/g)].map((match) => +match[1] / 58);
            return ["bars", "cut"].map((kind) => [...svg.querySelectorAll(`.${kind}`)].map((path, i) => tall(path.getAttribute("d")).reduce((sum, one) => sum + one * most[i], 0))); }""")
        kept, cut = (np.round(row, 6).tolist() for row in rows)
        size = len(widget.batch)
        if widget.problem:
            assert kept == [size]
            continue
        passing = round(widget.kept * size)
        assert kept == [size, size, size, passing] and cut == [0, 0, 0, size - passing], settings


def test_bars_and_marks_stand_where_the_numbers_are(open_widget):
    page = open_widget(BatchNormExplorer(data="own", values=[-2, 0, 1, 5], position=3, steps=5, training=False))
    places = page.evaluate("""() => { const svg = document.querySelector(".cnnlib-norm-picture svg");
        const x = (path) => +path.getAttribute("d").match(/^M([\\d.]+)/)[1];
        return { zero: x(svg.querySelector(".zero")), ticks: [...svg.querySelectorAll(".mid")].map((t) => [t.textContent, +t.getAttribute("x")]),
          means: [...svg.querySelectorAll(".mean")].map(x), used: x(svg.querySelector(".used")), rings: [...svg.querySelectorAll("circle")].map((c) => +c.getAttribute("cx")) }; }""")
    widget = BatchNormExplorer(data="own", values=[-2, 0, 1, 5], position=3, steps=5, training=False)
    (low, left), (high, right) = places["ticks"][1], places["ticks"][-2]
    scale = (right - left) / (number(high) - number(low))

    def at(value):
        return pytest.approx(left + (value - number(low)) * scale, abs=0.01)

    assert places["zero"] == at(0) and places["used"] == at(widget.moving_mean)
    stages = [widget.batch, widget.normalised, widget.output, np.maximum(widget.output, 0)]
    for mean, ring, values in zip(places["means"], places["rings"], stages, strict=True):
        assert mean == at(np.mean(values)) and ring == at(values[3])


def arithmetic(line):
    """Both sides of a line: "(3 − 1) / √(4 + 0) = 2 / 2 = 1" -> [1.0, 1.0, 1.0]."""
    for sign, python in (("√", "math.sqrt"), ("−", "-"), ("·", "*"), (",", "" if "max" not in line else ",")):
        line = line.replace(sign, python)
    return [float(eval(part, {"math": math, "max": max})) for part in line.split("=")]


def test_the_arithmetic_comes_out(open_widget):
    page = open_widget(BatchNormExplorer())
    checked = 0
    for settings in random_settings(60, seed=6):
        settings |= {"spread": max(1.0, settings["spread"]), "epsilon": 1e-3, "data": "drifted"}
        settings["position"] = 0
        widget, shown = put(page, **settings)
        if widget.batch_size < 3 or abs(widget.normalised[0]) > 50:
            continue
        for line, value in zip(
            shown["sums"], (widget.normalised[0], widget.output[0], max(0, widget.output[0])), strict=True
        ):
            # what is written has three decimals
            assert arithmetic(line) == pytest.approx([value] * len(arithmetic(line)), abs=0.02, rel=0.02), line
        checked += 1
    assert checked > 20


def test_a_ready_example(open_widget):
    page = open_widget(BatchNormExplorer(data="own", position=9, gamma=2.0, beta=-1.0))
    shown = read(page)
    assert shown["table"] == [["5", "0", "5"], ["4", "1", "4"]]
    assert shown["sums"] == [
        "(8 − 5) / √(4 + 0.001) = 3 / 2 = 1.5",
        "2 · 1.5 + (−1) = 2",
        "max(0, 2) = 2",
    ]


def test_the_keras_code_runs_and_says_the_same(open_widget, capsys):
    page = open_widget(BatchNormExplorer())
    done = 0
    for settings in random_settings(12, seed=7):
        settings["epsilon"] = settings["epsilon"] or 1e-3
        widget, shown = put(page, **settings | {"epsilon": max(settings["epsilon"], 1e-3)})
        assert f"momentum={widget.momentum:g}, " in shown["code"] and f"training={widget.training}" in shown["code"]
        exec(shown["code"], {})
        printed, said = float(capsys.readouterr().out), shown["code"].rsplit("# ", 1)[1]
        value = widget.output[widget.position]
        assert printed == pytest.approx(value, rel=2e-4, abs=2e-4), settings
        assert close(said, value), settings
        done += 1
    assert done == 12
    _, shown = put(page, spread=0, epsilon=0)
    exec(shown["code"], {})
    assert math.isnan(float(capsys.readouterr().out)) and shown["code"].endswith("# nan")
    _, shown = put(page, batch_size=1, epsilon=0, momentum=0.0, steps=1, training=False, gamma=-1)
    exec(shown["code"], {})
    assert math.isnan(float(capsys.readouterr().out)) and shown["code"].endswith("# nan")


def test_mouse_chooses_the_number_under_it(open_widget):
    page = open_widget(BatchNormExplorer(data="own", values=[-2, 0, 1, 5, 9]))
    picture = root(page).locator(".cnnlib-norm-picture svg")
    rings = "() => [...document.querySelectorAll('.cnnlib-norm-picture circle')].map(c => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
    for row in range(3):
        for value in (5, -2, 9):
            put(page, data="own", values=[-2, 0, 1, 5, 9], position=[-2, 0, 1, 5, 9].index(value))
            x, y = page.evaluate(rings)[row]
            put(page, data="own", values=[-2, 0, 1, 5, 9], position=1)
            picture.click(position={"x": x + 2, "y": y - 5})
            assert read(page)["sums"][0].startswith(f"({value} − ".replace("-", "−"))
    assert root(page).locator(".cnnlib-norm-edit input.on").input_value() == "9"


def test_touch(open_widget):
    page = open_widget(BatchNormExplorer(), width=390, touch=True)
    picture = root(page).locator(".cnnlib-norm-picture svg")
    width = picture.bounding_box()["width"]
    widget = BatchNormExplorer()
    for share, want in ((0.99, max(widget.batch)), (0.01, min(widget.batch))):
        picture.tap(position={"x": width * share, "y": 60})
        assert number(re.match(r"\((\S+) − ", read(page)["sums"][0])[1]) == want
    root(page).get_by_text("moving (inference)", exact=True).tap()
    assert read(page)["heads"][2] == "Moving average (in use)"
    root(page).get_by_role("button", name="Next", exact=True).tap()
    assert root(page).get_by_label("Batches gone by").input_value() == "1"


def test_keyboard_reaches_and_works_everything(open_widget):
    page = open_widget(BatchNormExplorer(data="own"))
    wanted = root(page).locator("input, select, button, pre").all()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    missing = [
        one.evaluate("e => e.outerHTML")
        for one in wanted
        if one.is_visible() and one.get_attribute("type") != "radio" and one.evaluate("e => e.outerHTML") not in reached
    ]
    # What the focus itself changes, the chosen number's frame, is not the same text any more.
    assert all("Number " in one for one in missing), missing
    put(page)
    for slider in root(page).locator("input[type=range]").all():
        before, text = slider.input_value(), root(page).inner_text()
        slider.press("ArrowRight")
        if before == slider.get_attribute("max"):
            slider.press("ArrowLeft")
        assert slider.input_value() != before
        page.wait_for_function("([el, text]) => el.innerText !== text", arg=[root(page).element_handle(), text])
    root(page).get_by_label("batch (training)").press("ArrowRight")
    assert root(page).get_by_label("moving (inference)").is_checked()


def test_the_first_control_is_a_range_that_moves_what_is_written(open_widget):
    page = open_widget(BatchNormExplorer())
    first = root(page).locator("input, select, button").first
    assert first.get_attribute("type") == "range" and first.evaluate("s => s.labels[0].textContent") == "Batch size n"
    first.press("Home")
    assert read(page)["table"][1][0] == "0"
    first.press("End")
    widget = BatchNormExplorer(batch_size=256)
    assert agrees(widget, read(page))


def test_chosen_number_goes_by_size(open_widget):
    page = open_widget(BatchNormExplorer(batch_size=9))
    chosen, numbers = root(page).get_by_label("Chosen number"), []
    chosen.press("Home")
    for _ in range(9):
        numbers.append(number(re.match(r"\((\S+) − ", read(page)["sums"][0])[1]))
        chosen.press("ArrowRight")
    assert numbers == sorted(BatchNormExplorer(batch_size=9).batch)


def test_play_pause_step_scrub_speed_and_back(open_widget):
    page = open_widget(BatchNormExplorer())
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    steps, button = root(page).get_by_label("Batches gone by"), lambda name: root(page).get_by_role("button", name=name)
    batches = lambda: int(steps.input_value())  # noqa: E731
    pause = DATA["speeds"]
    button("Next").press("Enter")
    button("Next").click()
    button("Previous").click()
    assert batches() == 1
    button("Play").press("Enter")
    page.clock.run_for(4 * pause["normal"])
    assert batches() == 5 and button("Pause").count() == 1
    root(page).get_by_label("Speed").select_option("fast")
    page.clock.run_for(10 * pause["fast"])
    assert batches() == 15
    button("Pause").press("Enter")
    page.clock.run_for(20 * pause["slow"])
    assert batches() == 15 and button("Play").count() == 1
    assert agrees(BatchNormExplorer(steps=15), read(page))
    steps.fill("298")
    button("Play").click()
    page.clock.run_for(50 * pause["fast"])
    assert batches() == 300 and button("Play").count() == 1  # it stops by itself
    button("Next").click()
    assert batches() == 300
    button("Play").click()  # and begins anew
    page.clock.run_for(2 * pause["fast"])
    assert batches() == 2
    button("Back to 0").click()
    page.clock.run_for(20 * pause["fast"])
    assert batches() == 0 and button("Play").count() == 1
    button("Previous").click()
    assert batches() == 0


def test_reduced_motion_plays_slowly_and_nothing_else_moves(open_widget):
    page = open_widget(BatchNormExplorer(), reduced_motion=True)
    assert page.evaluate("document.getAnimations().length") == 0
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    root(page).get_by_label("Speed").select_option("fast")
    root(page).get_by_role("button", name="Play").click()
    page.clock.run_for(690)
    assert root(page).get_by_label("Batches gone by").input_value() == "0"
    page.clock.run_for(20)
    assert root(page).get_by_label("Batches gone by").input_value() == "1"


def test_changes_are_told_but_not_each_step_of_playing(open_widget):
    page = open_widget(BatchNormExplorer())
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    status = root(page).locator("[role=status]")
    page.clock.run_for(1000)
    assert status.text_content() == ""
    root(page).get_by_label("Shift β").press("ArrowRight")
    page.clock.run_for(400)
    assert "mean 0.1, std 1" in status.text_content()
    root(page).get_by_label("Speed").select_option("slow")
    root(page).get_by_role("button", name="Play").click()
    before = status.text_content()
    page.clock.run_for(5000)
    assert status.text_content() == before
    root(page).get_by_role("button", name="Pause").click()
    page.clock.run_for(400)
    assert status.text_content() != before


def test_own_numbers_are_typed_added_and_removed(open_widget):
    page = open_widget(BatchNormExplorer())
    root(page).get_by_label("Numbers", exact=True).select_option("own")
    fields = root(page).locator(".cnnlib-norm-edit input")
    assert [float(field.input_value()) for field in fields.all()] == DATA["own"]
    assert not root(page).get_by_label("Batch size n").is_visible()
    fields.nth(0).fill("-7.25")
    values = [-7.25, *DATA["own"][1:]]
    assert agrees(BatchNormExplorer(data="own", values=values, position=0), read(page))
    fields.nth(1).press("ArrowUp")
    values[1] += 1
    assert agrees(BatchNormExplorer(data="own", values=values, position=1), read(page))
    alert = root(page).get_by_role("alert")
    for wrong in ("", "100", "-99.5", "e"):
        fields.nth(2).fill("") if wrong == "e" else fields.nth(2).fill(wrong)
        if wrong == "e":
            fields.nth(2).press("e")
        assert "use one from -99 to 99. Still in use: 4." in alert.inner_text(), wrong
        assert agrees(BatchNormExplorer(data="own", values=values, position=2), read(page))
    fields.nth(2).evaluate("e => { e.dispatchEvent(new Event('change')); }")
    assert not alert.is_visible() and fields.nth(2).input_value() == "4"
    add, remove = (root(page).get_by_role("button", name=name) for name in ("Add one", "Remove the last"))
    for _ in range(8):
        add.press("Enter")
    assert fields.count() == 16 and add.get_attribute("aria-disabled") == "true"
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('There is no room for more.')")
    for _ in range(20):
        remove.press("Enter")
    assert fields.count() == 1 and remove.get_attribute("aria-disabled") == "true"
    assert add.get_attribute("aria-disabled") == "false"
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('One number must stay.')")
    assert agrees(BatchNormExplorer(data="own", values=[-7.25]), read(page))


def test_one_number_and_equal_numbers_are_explained(open_widget):
    page = open_widget(BatchNormExplorer(batch_size=1, beta=0.5))
    assert "every output is then β = 0.5" in read(page)["notes"][0]
    _, shown = put(page, spread=0, beta=2.0)
    assert "All numbers are equal" in shown["notes"][0] and "0 / √(0 + 0.001) = 0" in shown["notes"][0]
    _, shown = put(page, training=False)
    assert shown["notes"] == [
        "No batch has gone by: the moving mean is still 0 and the moving variance 1, as they began. "
        "All that the layer does now is γ and β."
    ]
    _, shown = put(page, steps=3)
    assert shown["notes"] == [] and shown["problem"] == ""


@pytest.mark.parametrize(
    "settings, whose",
    [
        (dict(spread=0.0, epsilon=0.0), "The batch's"),
        (dict(batch_size=1, epsilon=0.0), "The batch's"),
        (dict(batch_size=1, epsilon=0.0, momentum=0.0, steps=2, training=False), "The moving"),
    ],
)
def test_a_division_by_zero_is_explained_and_mended(open_widget, settings, whose):
    page = open_widget(BatchNormExplorer(**settings))
    problem = root(page).locator(".cnnlib-problem").filter(has_text="divides by 0")
    assert problem.inner_text().startswith(f"{whose} variance is 0 and so is ε")
    assert agrees(BatchNormExplorer(**settings), read(page))
    problem.get_by_role("button", name="epsilon=0.001").press("Enter")
    assert not problem.is_visible()
    assert agrees(BatchNormExplorer(**settings | {"epsilon": 1e-3}), read(page))
    assert page.evaluate("document.activeElement.tagName") == "DL"  # the keyboard goes on from the result


def test_what_it_says_in_words(open_widget):
    page = open_widget(BatchNormExplorer(data="skewed", batch_size=256, steps=30, drift=0.05))
    facts = " ".join(read(page)["facts"])
    before, after = BatchNormExplorer(data="skewed", batch_size=256, steps=30, drift=0.05).skewness
    assert f"The shape stays: skewness {before:.2f} before, {after:.2f} after." in facts
    assert "their standard deviation is 2 / √256 = 0.125" in facts
    assert "0.99 to the power 30, that is 74\xa0%" in facts
    assert "0.05 / (1 − 0.99) = 5 behind" in facts
    _, shown = put(page, gamma=-1.0, batch_size=4, data="real")
    facts = " ".join(shown["facts"])
    assert "mirrored, since γ is below 0" in facts and "only 3/4 of the population's" in facts
    assert "tools/batch_norm_maps.py" in facts
    assert not root(page).get_by_label("Their centre").is_visible()


def test_settings_travel_in_the_address(open_widget):
    page = open_widget(
        BatchNormExplorer(), fragment="#batch-norm.steps=12&batch-norm.data=own&batch-norm.values=[1,2,6]"
    )
    assert agrees(BatchNormExplorer(data="own", values=[1, 2, 6], steps=12), read(page))
    root(page).get_by_label("Scale γ").press("Home")
    page.wait_for_function("location.hash.includes('batch-norm.gamma=-3')")
    page = open_widget(
        BatchNormExplorer(), fragment="#batch-norm.batch_size=999&batch-norm.training=false&batch-norm.position=255"
    )
    assert "batch-norm.batch_size=999" in page.get_by_role("alert").first.inner_text()
    assert "moving" in read(page)["heads"][2].lower() and "in use" in read(page)["heads"][2]
    # a place beyond the batch is its last one
    assert number(re.match(r"\((\S+) − ", read(page)["sums"][0])[1]) == BatchNormExplorer().batch[31]


STATES = {
    "start": dict(),
    "use": dict(data="two humps", batch_size=64, training=False, steps=60, drift=0.05),
    "own": dict(data="own", gamma=-2.0, beta=1.0),
    "one": dict(batch_size=1, steps=300, training=False, momentum=0.5),
    "fails": dict(spread=0.0, epsilon=0.0),
    "real": dict(data="real", batch_size=256, steps=300, momentum=0.9, drift=-0.2),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(BatchNormExplorer(**STATES[state]), width=390, dark=dark)

    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page)
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    root(page).get_by_role("button", name="Next").click()  # then after use
    root(page).get_by_label("Chosen number").press("End")
    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_pictures_and_their_words_stay_inside(open_widget, width):
    for state in STATES.values():
        page = open_widget(BatchNormExplorer(**state), width=width)
        out = page.evaluate("""() => [...document.querySelectorAll(".cnnlib-batch-norm svg")].flatMap((svg) => {
            const own = svg.getBoundingClientRect(), room = svg.parentElement.getBoundingClientRect();
            const words = [...svg.querySelectorAll("text")].filter((text) => { const box = text.getBoundingClientRect();
              return box.left < own.left - 1 || box.right > own.right + 1 || box.bottom > own.bottom + 1; }).map((text) => text.textContent);
            return [...words, ...own.width < 250 || own.right > room.right + 1 ? [`svg ${own.width}`] : []]; })""")
        assert out == [], state


def test_paper_shows_the_numbers(open_widget):
    widget = BatchNormExplorer(data="own", position=9, gamma=2.0, beta=-1.0, steps=1)
    page = open_widget(widget)
    tables = page.locator(".cnnlib-fallback table")
    assert tables.count() == 2 and not tables.first.is_visible() and root(page).is_visible()
    page.emulate_media(media="print")
    assert tables.first.is_visible() and not root(page).is_visible()
    text = page.locator(".cnnlib-fallback").inner_text()
    assert "(8 − 5) / √(4 + 0.001) = 1.5; 2 · 1.5 + (−1) = 2" in text
    assert "mean\t5\t0.05\t5" in text and "variance\t4\t1.03\t4" in text and "40%" in text


def test_the_notebook_module_drives_its_model_and_goes_quietly(open_page, tmp_path):
    """The other host: an anywidget model hears every change; after dispose() nothing listens and nothing plays."""
    (tmp_path / "blank.html").write_text("<!doctype html><title>x</title><div id=el></div>", "utf-8")
    page = open_page(tmp_path / "blank.html")
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    playing, state, after = page.evaluate(
        """async ([source, state]) => {
          const widget = (await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })))).default;
          const listeners = window.listeners = [], saved = window.saved = [];
          const model = {
            get: key => state[key],
            set(key, value) { state[key] = value; listeners.filter(l => l[0] === `change:${key}`).forEach(l => l[1]()); },
            on: (...listener) => listeners.push(listener),
            off: (event, action) => listeners.splice(listeners.findIndex(l => l[0] === event && l[1] === action), 1),
            save_changes: () => saved.push(JSON.stringify(state)),
          };
          const el = document.querySelector("#el"), dispose = window.dispose = widget.render({ model, el });
          const slider = el.querySelector("input[type=range]");
          slider.value = 7;
          slider.dispatchEvent(new Event("input"));
          await null; await null;
          const play = [...el.querySelectorAll("button")].find(b => b.textContent === "Play");
          play.click();
          const started = play.textContent;
          dispose();
          return [started, JSON.parse(saved.at(-1)), listeners.length];
        }""",
        [notebook_module("batch_norm.js", BatchNormExplorer.needs), BatchNormExplorer().settings()],
    )
    assert playing == "Pause" and after == 0 and state["batch_size"] == 7
    assert BatchNormExplorer(**state).settings() == state  # what a page sends is what Python takes
    page.clock.run_for(5000)
    assert page.evaluate("JSON.parse(saved.at(-1)).steps") == 0
