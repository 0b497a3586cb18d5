"""The dropout explorer: its rule and its numbers against Keras, its page driven in Chromium as a reader would."""

import json
import math
import random
import re
from urllib.parse import quote

import numpy as np
import pytest
from conftest import WIDTH, copied, serious_violations

from cnnlib.widgets import DropoutExplorer
from cnnlib.widgets.cells import LIMIT
from cnnlib.widgets.chance import chance
from cnnlib.widgets.dropout import MOST, SCALINGS


def random_settings(rng):
    """Any state in which there is a result."""
    spatial, number = rng.random() < 0.4, lambda: rng.choice([0, round(rng.uniform(-9, 9), 2), rng.randint(-99, 999)])
    own = rng.random()
    if own < 0.4:
        values = None
    elif own < 0.7:
        values = [number() for _ in range(rng.randint(1, MOST["units"]))]
    else:
        channels = rng.randint(1, MOST["channels"])
        values = [[[number() for _ in range(channels)] for _ in range(4)] for _ in range(4)]
    return DropoutExplorer(
        rate=rng.choice([0, 0.05, 0.2, 0.25, 0.3, 0.5, 0.8, 0.95, 0.99, round(rng.random() * 0.98, 3)]),
        training=rng.random() < 0.7,
        seed=rng.choice([0, 1, 2, rng.randrange(2**31)]),
        draws=rng.choice([1, 2, 3, 10, rng.randint(1, 500)]),
        spatial=spatial,
        scaling=rng.choice(SCALINGS),
        values=values,
        channels=rng.randint(1, MOST["channels"]),
        cell=rng.choice([0, 3, rng.randint(0, 95)]),
        speed=rng.choice(["slow", "fastest"]),
    )


# --- Python against Keras ---------------------------------------------------------------------------------------


def test_what_goes_on_is_what_keras_makes_of_the_same_random_numbers(monkeypatch):
    """Keras's own code with our random numbers in place of TensorFlow's: 320 random cases, equal cell for cell."""
    import keras
    import tensorflow as tf
    from tensorflow.python.ops import stateless_random_ops

    rng = random.Random(1)
    given = {}

    def ours(shape, seed, dtype=tf.float32, **_):
        given["shape"] = tuple(int(side) for side in shape)
        return tf.constant(given["numbers"].reshape(given["shape"]), dtype)

    monkeypatch.setattr(stateless_random_ops, "stateless_random_uniform", ours)
    for _ in range(320):
        widget = random_settings(rng)
        widget.scaling = "training"
        widget.draws = min(widget.draws, 20)
        x = widget.numbers.astype("float32")
        count = widget.channels if widget.spatial else x.size
        following = chance(widget.seed)
        numbers = np.array([following() for _ in range(count * widget.draws)])[-count:].astype("float32")
        given |= {"numbers": numbers, "shape": None}
        layer = (keras.layers.SpatialDropout2D if widget.spatial else keras.layers.Dropout)(widget.rate)
        y = np.asarray(layer(x[None], training=widget.training))[0]
        if widget.training and widget.rate:
            assert given["shape"] == ((1, 1, 1, widget.channels) if widget.spatial else (1, count))  # noise shapes
        else:
            assert given["shape"] is None and np.array_equal(y, x)  # in use Keras draws nothing
        assert y.shape == x.shape and np.allclose(widget.output, y, rtol=1e-5), widget


def test_keras_keeps_at_the_same_rate_scales_alike_and_is_right_on_average():
    """What is random in both: 40,000 numbers for each rate; bounds are six standard deviations wide."""
    import keras

    for rate in (0, 0.1, 0.25, 0.5, 0.8, 0.95):
        keras_y = np.asarray(keras.layers.Dropout(rate, seed=4)(np.ones((80, 500), "float32"), training=True))
        # One unit for each of 500 masks, of 80 seeds.
        ours = np.array([DropoutExplorer(values=[1], rate=rate, seed=s, draws=500).kept_counts for s in range(80)])
        for kept in (np.mean(keras_y > 0), ours[:, 1].sum() / 40_000):
            assert kept == pytest.approx(1 - rate, abs=6 * math.sqrt(rate * (1 - rate) / 40_000) + 1e-12)
        assert np.allclose(keras_y[keras_y > 0], 1 / (1 - rate))
        mean = DropoutExplorer(values=[2.5] * 16, rate=rate, draws=500).mean_output.mean()
        assert mean == pytest.approx(2.5, abs=6 * 2.5 * math.sqrt(rate / (1 - rate) / 8000) + 1e-12)


def test_keras_drops_whole_maps_and_so_do_we():
    import keras

    layer = keras.layers.SpatialDropout2D(0.5, seed=2)
    y = np.asarray(layer(np.ones((200, 4, 4, 6), "float32"), training=True))
    assert set(np.unique(y.sum(axis=(1, 2)))) == {0, 32}
    shares = []
    for seed in range(200):
        widget = DropoutExplorer(spatial=True, channels=6, values=np.ones((4, 4, 6)), seed=seed)
        per_map = widget.output.sum(axis=(0, 1))
        assert set(per_map) <= {0, 32} and widget.kept == np.count_nonzero(per_map)
        assert widget.single_mask.shape == (4, 4, 6) and set(np.unique(widget.single_mask)) == {0, 1}
        shares.append(widget.kept / 6)
    for share in (np.mean(y > 0), np.mean(shares)):
        assert share == pytest.approx(0.5, abs=6 * math.sqrt(0.25 / 1200))


# --- Python's own rules -----------------------------------------------------------------------------------------


def test_values_are_zero_or_scaled_and_mean_error_counts_follow_from_the_masks():
    rng = random.Random(2)
    for _ in range(300):
        widget = random_settings(rng)
        widget.draws = rng.randint(1, 8)
        x, rate = widget.numbers, widget.rate
        kept = x / (1 - rate) if widget.scaling == "training" else x
        use = x * (1 - rate) if widget.scaling == "inference" else x
        if widget.training:
            assert np.all((widget.output == 0) | np.isclose(widget.output, kept))
            assert np.array_equal(widget.output, np.where(widget.mask == 1, kept, 0))
        else:
            assert np.array_equal(widget.output, use) and widget.mask.all()
        # All of the masks, one by one: draw i of a seed does not depend on how many follow.
        settings = widget.settings() | {"training": True}
        each = [DropoutExplorer(**settings | {"draws": d + 1}) for d in range(widget.draws)]
        mean = np.mean([one.output for one in each], axis=0)
        assert np.allclose(widget.mean_output, mean)
        assert widget.mean_error == pytest.approx(float(np.sqrt(np.mean((mean - use) ** 2))), abs=1e-9)
        assert widget.next_mean == pytest.approx(np.mean([one.next_input for one in each]), abs=1e-9)
        assert widget.kept_counts == [
            sum(one.kept == k for one in each) for k in range((widget.channels if widget.spatial else x.size) + 1)
        ]
        assert sum(widget.expected_counts) == pytest.approx(widget.draws)
        assert widget.next_in_use == pytest.approx(float((widget.weights * use).sum()))


def test_the_mean_comes_closer_as_expected_and_without_scaling_it_does_not():
    errors = {d: [DropoutExplorer(draws=d, seed=s).mean_error for s in range(40)] for d in (5, 500)}
    for d, found in errors.items():
        hope = DropoutExplorer(draws=d).expected_error
        assert np.sqrt(np.mean(np.square(found))) == pytest.approx(hope, rel=0.25)
    assert DropoutExplorer(draws=5).expected_error == pytest.approx(10 * DropoutExplorer(draws=500).expected_error)
    for scaling in ("training", "inference"):
        assert DropoutExplorer(scaling=scaling, draws=500).mean_error < 0.15
    wrong = DropoutExplorer(scaling="none", draws=500)
    assert wrong.mean_error == pytest.approx(0.5 * np.sqrt(np.mean(wrong.numbers**2)), rel=0.1)
    assert wrong.next_mean == pytest.approx(wrong.next_in_use / 2, rel=0.15)


def test_in_use_nothing_changes_whatever_the_rate():
    for rate in (0, 0.3, 0.95):
        for spatial in (False, True):
            widget = DropoutExplorer(rate=rate, training=False, spatial=spatial, draws=9)
            assert np.array_equal(widget.output, widget.numbers)


def test_rate_one_has_no_result_and_says_why():
    widget = DropoutExplorer(rate=1)
    assert "divide by 0" in widget.problem and "below 1" in widget.problem and "divide by 0" in widget.fallback()
    results = (
        "mask output kept mean_output mean_error expected_error kept_counts expected_counts next_input next_in_use"
    )
    for name in results.split():
        with pytest.raises(ValueError, match=r"rate=1 .* divide by 0"):
            getattr(widget, name)
    assert DropoutExplorer(rate=0.95).problem is None


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(rate=1.5), ValueError, r"rate=1\.5 is not a probability"),
        (dict(rate=-0.1), ValueError, r"rate=-0\.1"),
        (dict(rate=float("nan")), ValueError, "rate=nan"),
        (dict(rate="0.5"), TypeError, "rate='0.5' is not a number"),
        (dict(rate=True), TypeError, "rate=True is not a number"),
        (dict(training=1), TypeError, "training=1 is not a bool"),
        (dict(seed=-1), ValueError, "seed=-1"),
        (dict(seed=2**31), ValueError, "seed=2147483648"),
        (dict(draws=0), ValueError, "draws=0 .* from 1 to 500"),
        (dict(draws=501), ValueError, "draws=501"),
        (dict(draws=2.0), TypeError, r"draws=2\.0"),
        (dict(scaling="keras"), ValueError, "scaling='keras' is none of 'training', 'inference', 'none'"),
        (dict(values=[]), ValueError, r"values has shape \(0,\).* 1 to 16 numbers"),
        (dict(values=[1] * 17), ValueError, r"values has shape \(17,\)"),
        (dict(values=[[1, 2], [3, 4]]), ValueError, r"values has shape \(2, 2\)"),
        (dict(values=np.ones((4, 4, 7))), ValueError, r"values has shape \(4, 4, 7\)"),
        (dict(values=[1, [2]]), ValueError, "values has rows of"),
        (dict(values=[1, "2"]), TypeError, r"values\[1\]='2' is not a number"),
        (dict(values=[1, 2e9]), ValueError, r"values\[1\]=2000000000.0 is out of range"),
        (dict(values=3), TypeError, "values=3 is not a list"),
        (dict(channels=7), ValueError, "channels=7"),
        (dict(cell=96), ValueError, "cell=96"),
        (dict(speed="warp"), ValueError, "speed='warp'"),
        (dict(p=0.5), ValueError, "no setting 'p'"),
    ],
)
def test_bad_settings_name_the_setting_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=words):
        DropoutExplorer(**settings)


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = DropoutExplorer(), []
    box = ipywidgets.HBox([widget, DropoutExplorer(spatial=True)])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["rate", "values", "draws"])
    widget.set_state({"rate": 0, "values": [1, 2.5]})  # as from the page
    assert dict(heard) == {"rate": 0, "values": [1, 2.5]}
    assert np.array_equal(widget.output, [1, 2.5]) and box.children[0] is widget
    assert repr(widget) == repr(DropoutExplorer(**widget.settings()))


def test_own_maps_are_completed_by_the_courses_and_cut_to_the_channels():
    own = np.arange(32).reshape(4, 4, 2)
    widget = DropoutExplorer(spatial=True, values=own, channels=4)
    assert np.array_equal(widget.numbers[..., :2], own)
    assert np.array_equal(widget.numbers[..., 2:], DropoutExplorer(spatial=True).numbers[..., 2:])
    assert np.array_equal(DropoutExplorer(spatial=True, values=own, channels=1).numbers, own[..., :1])
    # Each kind of numbers counts where it is shown.
    assert np.array_equal(DropoutExplorer(values=own).numbers, DropoutExplorer().numbers)
    assert MOST["value"] == LIMIT


def test_the_maps_are_what_their_filters_make_of_the_handwritten_zero():
    from cnnlib import reference
    from cnnlib.widgets.base import data_of
    from cnnlib.widgets.cells import digits

    x = np.array(digits(data_of("conv_explorer.js")["images"]["digit"]["channels"][0]))[None, :, :, None] / 16
    right = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    laplacian = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    kernel = np.stack([right, right.T, -right, -right.T, np.full((3, 3), 1 / 9), laplacian], axis=-1)[:, :, None]
    maps = reference.max_pool(np.maximum(reference.conv2d(x, kernel, padding="same"), 0), 2)[0]
    assert np.allclose(DropoutExplorer(spatial=True, channels=6).numbers, maps, atol=0.0501)


# --- the page ---------------------------------------------------------------------------------------------------

READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget=dropout]"), number = (text) => Number(text.replaceAll(",", "").replace("−", "-"));
  const shown = (element) => element.checkVisibility(), plain = (element) => element.textContent.replaceAll("\\u00a0", " ");
  const cells = (row) => [...root.querySelectorAll(`.cnnlib-dropout-stage > table tr.${row} td`)];
  const groups = [...root.querySelectorAll(".cnnlib-dropout-stage section")].map((group) => [...group.querySelectorAll("td")]);
  const [ins, single, out] = groups.length ? groups : [cells("in"), [], cells("out")];
  const numbers = (list) => list.map((td) => number(td.textContent)), off = (list) => list.map((td) => td.classList.contains("off"));
  const sections = [...root.querySelectorAll(".cnnlib-dropout-panels section")].filter(shown);
  return { problem: [...root.querySelectorAll(".cnnlib-problem")].filter(shown).map(plain).join(), head: plain(root.querySelector(".cnnlib-dropout-head")),
    x: numbers(ins), off: off(ins), single: numbers(single), singleOff: off(single), y: numbers(out), yOff: off(out),
    random: cells("random").map((td) => td.textContent), mask: cells("mask").map((td) => td.textContent), mean: numbers(cells("mean")), weight: numbers(cells("weight")),
    arithmetic: [...root.querySelectorAll(".cnnlib-dropout-sums p")].map(plain), words: sections.slice(1).map((section) => plain(section.querySelector("p"))),
    counts: [...root.querySelectorAll("details table tr")].slice(1).map((row) => [...row.cells].map((cell) => number(cell.textContent))),
    code: root.querySelector("pre").textContent, focus: document.activeElement.ariaLabel ?? document.activeElement.textContent };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='dropout']")


def read(page):
    return page.evaluate(READ)


def put(page, widget):
    """Give the page all settings of the widget, as a link does, and read the page."""
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    hash = "#" + "&".join(f"dropout.{key}={quote(value)}" for key, value in plain.items())
    page.evaluate(
        "async (hash) => { history.replaceState(null, '', hash); dispatchEvent(new Event('hashchange')); await null; await null; }",
        hash,
    )
    return read(page)


def flat(array):
    """Maps one after the other, as the page shows them."""
    return (np.moveaxis(array, -1, 0) if np.ndim(array) == 3 else np.asarray(array)).ravel()


def close(shown, ours, step=0.01):
    """Whether the page's numbers are ours, rounded to two decimals."""
    shown, ours = np.asarray(shown, float), np.asarray(ours, float)
    return shown.shape == ours.shape and bool(np.all(np.abs(shown - ours) <= step / 2 + 1e-9 * np.abs(ours) + 1e-9))


def numbers_in(text):
    return [float(n.replace(",", "").replace("−", "-")) for n in re.findall(r"(?<![\w.])−?\d[\d,]*(?:\.\d+)?", text)]


def same_numbers(widget, seen):
    """Whether every result on the page is Python's: also used on the thousands of states of test_numbers."""
    mask, single = flat(widget.mask), flat(widget.single_mask)
    fine = close(seen["x"], flat(widget.numbers)) and close(seen["y"], flat(widget.output))
    fine &= seen["off"] == seen["yOff"] == [not kept for kept in mask]
    if widget.spatial:
        fine &= close(seen["single"], flat(widget.single_output)) and seen["singleOff"] == [not k for k in single]
    else:
        fine &= close(seen["mean"], widget.mean_output) and close(seen["weight"], widget.weights)
        fine &= seen["mask"] == ([str(int(k)) for k in mask] if widget.training else ["–"] * len(mask))
    if widget.training:
        fine &= f"Mask {widget.draws} of seed {widget.seed} keeps {widget.kept} of" in seen["head"]
        fine &= close(numbers_in(seen["words"][0]), [widget.next_input, widget.next_in_use])
    else:
        fine &= close(numbers_in(seen["words"][0]), [widget.next_input])
    _, mean, use, *_ = numbers_in(seen["words"][1])
    fine &= close([mean, use], [widget.next_mean, widget.next_in_use])
    _, error, hope, *_ = numbers_in(seen["words"][2])
    fine &= close([error, hope], [widget.mean_error, widget.expected_error], 0.001)
    kept, counts, expected = zip(*seen["counts"], strict=True)
    fine &= list(kept) == list(range(len(kept))) and list(counts) == widget.kept_counts
    return bool(fine and close(expected, widget.expected_counts))


def test_every_number_on_the_page_is_pythons(open_widget):
    rng, page = random.Random(3), open_widget(DropoutExplorer())
    for _ in range(40):
        widget = random_settings(rng)
        assert same_numbers(widget, put(page, widget)), widget
    seen = read(page)
    seen["counts"][0][1] += 1
    assert not same_numbers(widget, seen)  # a wrong number would be seen


def arithmetic(text):
    """Both sides of each formula in a text: 'kept: 0.8 / (1 − 0.5) = 1.6 goes on' -> [(1.6, '=', 1.6)]."""
    found = re.findall(
        r"((?:\(?−?[\d.,]+\)?|\(1 − [\d.]+\))(?: [/·] (?:\(1 − [\d.]+\)|\(?−?[\d.,]+\)?))+) ([=≈]) (−?[\d.,]+\d|−?\d)",
        text,
    )
    plain = lambda part: part.replace("·", "*").replace("−", "-").replace(",", "").rstrip(".")  # noqa: E731
    return [(eval(plain(left)), sign, float(plain(right))) for left, sign, right in found]


def test_the_chosen_cells_arithmetic_is_written_out_and_comes_out(open_widget):
    page, rng = open_widget(DropoutExplorer()), random.Random(4)
    written = 0
    for _ in range(60):
        widget = random_settings(rng)
        seen, at = put(page, widget), min(widget.cell, widget.numbers.size - 1)
        masks = [flat(widget.single_mask), flat(widget.mask)][not widget.spatial :]
        assert len(seen["arithmetic"]) == len(masks)
        for text, mask in zip(seen["arithmetic"], masks, strict=True):
            if widget.training:
                assert ("dropped" in text) == (not mask[at])
            else:
                assert "in use nothing is drawn" in text and "dropped" not in text
            for left, sign, right in arithmetic(text):
                # Of a mean, the factor is rounded to two decimals, and so is the result.
                assert left == pytest.approx(right, abs=0.0101), text
                assert sign == "≈" or left == pytest.approx(right, abs=1e-6), text
                written += 1
    assert written > 60


def test_the_example_of_the_lesson(open_widget):
    page = open_widget(DropoutExplorer(draws=7))
    seen = read(page)
    assert seen["head"] == "Mask 7 of seed 0 keeps 6 of 12 numbers. To be expected: 12 · (1 − 0.5) = 6."
    assert seen["arithmetic"] == [
        "Unit 1: its random number 0.781 is not below the rate 0.5, so it is kept: 0.8 / (1 − 0.5) = 1.6 goes on. "
        "Kept by 3 of 7 masks: 3 / 7 · 1.6 ≈ 0.69 on average. In use: 0.8."
    ]
    assert [float(u) < 0.5 for u in seen["random"]] == seen["off"]


def test_training_and_use_are_told_apart_and_use_ignores_the_rate(open_widget):
    page = open_widget(DropoutExplorer())
    assert any(read(page)["off"])
    root(page).get_by_label("in use", exact=True).check()
    rate = root(page).get_by_label("Rate", exact=True)
    assert page.evaluate("document.querySelector('.cnnlib input').type") == "range"  # the first control
    for key in ("Home", "PageUp", "ArrowRight"):
        rate.press(key)
        seen = read(page)
        assert seen["y"] == seen["x"] and not any(seen["yOff"]) and "whatever the rate" in seen["head"]
        assert seen["mask"] == ["–"] * 12
    root(page).get_by_label("Scaling", exact=True).select_option("inference")
    rate.fill("0.5")
    seen = read(page)
    assert close(seen["y"], np.array(seen["x"]) / 2) and "0.8 · (1 − 0.5) = 0.4 goes on" in seen["arithmetic"][0]
    root(page).get_by_label("training", exact=True).check()
    seen = read(page)
    assert all(y in (0, x) for x, y in zip(seen["x"], seen["y"], strict=True))  # the paper scales nothing here


def test_without_scaling_the_two_sums_are_told_apart_in_numbers(open_widget):
    page = open_widget(DropoutExplorer(scaling="none", draws=500))
    words = read(page)["words"]
    _, mean, use, times, *_ = numbers_in(words[1])
    assert use == 4.29 and mean == pytest.approx(use / 2, rel=0.1) and times == 0.5
    assert "gives on average only 0.5 of what use gives" in words[1] and "More masks do not mend it" in words[2]
    root(page).get_by_label("Scaling", exact=True).select_option("training")
    words = read(page)["words"]
    assert "only" not in words[1] and numbers_in(words[1])[1] == pytest.approx(use, rel=0.1)
    assert "Four times as many masks halve it" in words[2]


def test_new_mask_another_seed_and_the_slider(open_widget):
    page = open_widget(DropoutExplorer())
    start = read(page)
    root(page).get_by_role("button", name="New mask").click()
    second = read(page)
    assert second["head"].startswith("Mask 2 of seed 0") and second["random"] != start["random"]
    assert same_numbers(DropoutExplorer(draws=2), second)
    root(page).get_by_role("button", name="Another seed").click()
    assert same_numbers(DropoutExplorer(draws=2, seed=1), read(page))
    slider = root(page).get_by_label("Masks so far")
    slider.press("End")
    assert same_numbers(DropoutExplorer(draws=500, seed=1), read(page))
    root(page).get_by_role("button", name="New mask").click()  # after the last: the first of the next seed
    assert same_numbers(DropoutExplorer(draws=1, seed=2), read(page))


def test_spatial_drops_whole_maps_beside_single_cells_at_the_same_rate(open_widget):
    page = open_widget(DropoutExplorer(draws=80))
    root(page).get_by_label("whole maps").check()
    seen, widget = read(page), DropoutExplorer(draws=80, spatial=True)
    assert same_numbers(widget, seen)
    per_map = np.array(seen["yOff"]).reshape(4, 16)
    assert set(map(tuple, per_map)) <= {(True,) * 16, (False,) * 16}
    assert 20 < sum(seen["singleOff"]) < 44 and not set(map(tuple, np.array(seen["singleOff"]).reshape(4, 16))) <= {
        (True,) * 16,
        (False,) * 16,
    }
    titles = root(page).locator(".cnnlib-dropout-stage h3").all_text_contents()
    assert "Dropout(0.5): single cells" in titles[1] and "SpatialDropout2D(0.5): whole maps" in titles[2]
    whole, single = numbers_in(read(page)["words"][1])[-2:]
    pulls = (widget.weights * widget.numbers).sum(axis=(0, 1))
    assert whole == pytest.approx(float(np.sqrt((pulls**2).sum())), abs=0.006) and whole > 2 * single
    assert len(seen["counts"]) == 5
    root(page).get_by_label("Maps", exact=True).press("End")
    assert same_numbers(DropoutExplorer(draws=80, spatial=True, channels=6), read(page))


def test_rate_zero_and_high_rates_work_and_one_says_why(open_widget):
    page = open_widget(DropoutExplorer(rate=0, draws=5))
    seen = read(page)
    assert seen["x"] == seen["y"] and not any(seen["off"]) and "With rate 0 nothing is dropped" in seen["words"][2]
    rate = root(page).get_by_label("Rate", exact=True)
    rate.fill("0.95")
    assert same_numbers(DropoutExplorer(rate=0.95, draws=5), read(page)) and not read(page)["problem"]
    rate.press("End")
    problem = read(page)["problem"]
    assert "With rate 1 every number is dropped" in problem and "(1 − 1) would divide by zero" in problem
    assert not root(page).locator(".cnnlib-dropout-stage").is_visible()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('rate 1')")
    for offer, value in (("Rate 0.95", 0.95), ("Rate 0.5", 0.5)):
        rate.press("End")
        root(page).get_by_role("button", name=offer).press("Enter")
        assert same_numbers(DropoutExplorer(rate=value, draws=5), read(page)) and not read(page)["problem"]
        assert read(page)["focus"].startswith("Mask 5")  # the button is gone; the keyboard goes on from the result


def test_keyboard_moves_in_the_cells_and_changes_numbers(open_widget):
    page = open_widget(DropoutExplorer())
    stops = root(page).locator("td[tabindex='0']")
    assert stops.count() == 1  # the row is one stop
    stops.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert read(page)["focus"].startswith("Unit 2: 1.5")
    page.keyboard.press("PageUp")
    assert read(page)["x"][1] == 1.6 and read(page)["focus"].startswith("Unit 2: 1.6")
    page.keyboard.type("-0,25")
    page.keyboard.press("Enter")  # back to the cell
    seen = read(page)
    assert seen["x"][1] == -0.25 and seen["focus"].startswith("Unit 2: −0.25")
    assert same_numbers(DropoutExplorer(values=[0.8, -0.25, *seen["x"][2:]]), seen)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # the first stays the first
    assert read(page)["focus"].startswith("Unit 1")
    put(page, DropoutExplorer(spatial=True))
    root(page).locator("td[tabindex='0']").focus()
    for key in ["ArrowDown"] * 2 + ["ArrowRight"] * 5:
        page.keyboard.press(key)
    assert read(page)["focus"].startswith("Map 2, row 3, column 2: 1.6")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    own = DropoutExplorer(spatial=True).numbers
    own[1, 1, 1] = 7
    assert same_numbers(DropoutExplorer(spatial=True, values=own), read(page))


def test_every_control_is_reached_by_tab_with_an_outline(open_widget):
    page = open_widget(DropoutExplorer())
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.slice(0, 12)"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    ids = [c.get_attribute("id") for c in root(page).locator("input[type=range], select").all() if c.is_visible()]
    assert len(ids) == 5 and set(ids) <= reached
    assert {"New mask", "Play", "Another seed", "0.8", "As a table", "In Keras"} <= reached


def test_a_number_that_does_not_fit_is_refused_and_the_last_one_stays(open_widget):
    page = open_widget(DropoutExplorer())
    field = root(page).locator("input[size]")
    for text in ("abc", "1e3", "99999", "", "1/2"):
        field.fill(text)
        assert f"“{text}” is not a number that fits" in read(page)["problem"], text
        assert read(page)["x"][0] == 0.8 and field.get_attribute("aria-invalid") == "true"
    field.fill("3.5")
    assert read(page)["x"][0] == 3.5 and not read(page)["problem"]


def test_play_draws_mask_after_mask_until_it_is_paused(open_widget):
    page = open_widget(DropoutExplorer(speed="fastest"))
    number = "Number(/Mask (\\d+)/.exec(document.querySelector('.cnnlib-dropout-head').textContent)[1])"
    root(page).get_by_role("button", name="Play").click()
    page.wait_for_function(f"{number} > 8")
    root(page).get_by_role("button", name="Pause").click()
    stopped = page.evaluate(number)
    page.wait_for_timeout(300)
    assert page.evaluate(number) == stopped
    page.wait_for_function(f"document.querySelector('[role=status]').textContent.startsWith('Mask {stopped} ')")
    assert same_numbers(DropoutExplorer(draws=stopped, speed="fastest"), read(page))
    put(page, DropoutExplorer(draws=495, speed="fastest"))
    root(page).get_by_role("button", name="Play").click()
    page.wait_for_function(f"{number} === 500")
    root(page).get_by_role("button", name="Play").wait_for()  # it stops at the last
    root(page).get_by_role("button", name="Play").click()
    root(page).get_by_label("Rate", exact=True).press("End")  # and where there is nothing to play
    root(page).get_by_role("button", name="Rate 0.5").click()
    root(page).get_by_role("button", name="Play").wait_for()


def test_reduced_motion_plays_slowly_and_nothing_moves_by_itself(open_widget):
    page = open_widget(DropoutExplorer(speed="fastest"), reduced_motion=True)
    assert page.evaluate("document.getAnimations().length") == 0
    page.evaluate(
        "window.pauses = []; const set = setInterval; window.setInterval = (f, ms) => { pauses.push(ms); return set(f, ms); }"
    )
    root(page).get_by_role("button", name="Play").click()
    root(page).get_by_label("Speed").select_option("slow")
    root(page).get_by_role("button", name="Pause").click()
    assert [ms for ms in page.evaluate("pauses") if ms] == [700, 4200]  # Playwright has one of its own


def test_settings_come_from_the_address_and_go_there(open_widget):
    page = open_widget(DropoutExplorer(), fragment="#dropout.rate=0.25&dropout.values=[1,2,3]&dropout.draws=9")
    assert same_numbers(DropoutExplorer(rate=0.25, values=[1, 2, 3], draws=9), read(page))
    root(page).get_by_label("in use", exact=True).check()
    page.wait_for_function("location.hash.includes('dropout.training=false')")
    assert "dropout.rate=0.25" in page.url
    page = open_widget(DropoutExplorer(), fragment="#dropout.rate=2&dropout.draws=900&dropout.values=[[1]]")
    assert same_numbers(DropoutExplorer(), read(page))
    left_out = page.locator(".cnnlib-left-out").text_content()
    assert all(word in left_out for word in ("dropout.rate=2", "dropout.draws=900", "dropout.values=[[1]]"))


def test_the_code_runs_in_keras_and_gives_this_layer(open_widget, capsys):
    page = open_widget(DropoutExplorer())
    for settings in (
        dict(rate=0.25),
        dict(rate=0.3, scaling="inference", values=[-1, 2.5]),
        dict(scaling="none", spatial=True, channels=3),
        dict(spatial=True, seed=5),
    ):
        widget = DropoutExplorer(**settings)
        code, names = put(page, widget)["code"], {}
        exec(code, names)
        capsys.readouterr()
        assert np.allclose(names["x"][0], widget.numbers)
        layer = names["layer"]
        assert type(layer).__name__ == ("SpatialDropout2D" if widget.spatial else "Dropout")
        assert (layer.rate, layer.seed) == (widget.rate, widget.seed)
        if "mask" in names:
            assert names["mask"].shape == ((1, 1, 1, 3) if widget.spatial else names["x"].shape)
    root(page).get_by_text("In Keras").click()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root(page).get_by_role("button", name="Copy", exact=True).click()
    copied(page, code)


def test_pictures_say_what_they_show(open_widget):
    page = open_widget(DropoutExplorer(draws=40))
    drawn = root(page).locator("svg")
    assert drawn.count() == 4
    for i, words in enumerate(read(page)["words"]):
        assert drawn.nth(i).get_attribute("aria-label").replace("\xa0", " ") == words
    widget = DropoutExplorer(draws=40)
    assert root(page).locator("svg .gone").count() == root(page).locator("svg .cross").count() == 12 - widget.kept
    assert root(page).locator("svg .pull").count() == widget.kept
    bars = root(page).locator("svg").nth(3).locator("rect:not(.hope)")
    tall = [float(bars.nth(k).get_attribute("height")) for k in range(13)]
    assert np.allclose(np.array(tall) / max(tall), np.array(widget.kept_counts) / max(widget.kept_counts))
    dots = root(page).locator("svg").nth(1).locator("circle")
    assert dots.count() == 40
    sums = [DropoutExplorer(draws=d + 1).next_input for d in range(40)]
    heights = [-float(dots.nth(d).get_attribute("cy")) for d in range(40)]
    assert np.corrcoef(sums, heights)[0, 1] > 0.999


STATES = {
    "start": dict(),
    "use": dict(training=False, draws=500),
    "maps": dict(spatial=True, channels=6, draws=100),
    "mistake": dict(scaling="none", rate=0.95, values=[-9999, 0.001, 9999] * 5, draws=30),
    "one unit": dict(values=[2], rate=0.2),
    "impossible": dict(rate=1),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(DropoutExplorer(**STATES[state]), width=390, dark=dark, touch=True)

    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header", "landmark-unique"))
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    if state != "impossible":
        for summary in root(page).locator("summary").all():
            summary.tap()
        root(page).get_by_role("button", name="New mask").tap()
        root(page).locator("td").last.scroll_into_view_if_needed()
        cell = root(page).locator(".cnnlib-dropout-stage td[tabindex]").last
        cell.tap()
        assert "on" in cell.get_attribute("class").split()
        assert page.evaluate(WIDTH) <= 390
        assert not serious_violations(page, ("empty-table-header", "landmark-unique"))


def test_changes_are_announced_and_the_start_is_not(open_widget):
    page = open_widget(DropoutExplorer())
    status = root(page).locator("[role=status]")
    page.wait_for_timeout(400)
    assert status.text_content() == ""
    root(page).get_by_role("button", name="New mask").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert status.text_content().startswith("Mask 2 of seed 0 keeps") and "weighted sum" in status.text_content()


def test_colour_is_not_the_only_signal(open_widget):
    page = open_widget(DropoutExplorer(draws=7))
    kept, dropped = (
        root(page).locator(f".cnnlib-dropout-stage tr.out td{which}").first for which in (":not(.off)", ".off")
    )
    image = "(cell) => getComputedStyle(cell).backgroundImage.match(/linear-gradient/g).length"
    assert dropped.evaluate(image) == 2 and kept.evaluate(image) == 1  # two strokes
    assert root(page).locator("td.in.off, tr.in td.off").first.get_attribute("aria-label").endswith(", dropped")


def test_paper_shows_tables(open_widget):
    for widget in (DropoutExplorer(draws=3), DropoutExplorer(spatial=True, channels=2, training=False)):
        page = open_widget(widget)
        tables = page.locator(".cnnlib-fallback table")
        assert tables.count() == (6 if widget.spatial else 1) and not tables.first.is_visible()
        page.emulate_media(media="print")
        assert tables.first.is_visible() and not root(page).is_visible()
    text = DropoutExplorer(draws=3).fallback()
    assert f"Kept: {DropoutExplorer(draws=3).kept} of 12 numbers" in text
    assert "mask 3 of seed 0" in text and "dropped" in text and "mean of 3 masks" in text
    assert repr(DropoutExplorer()) == repr(DropoutExplorer()) and "draws=1" in repr(DropoutExplorer())


def test_disposed_it_listens_and_plays_no_more(open_page, tmp_path):
    from cnnlib.widgets.base import notebook_module

    module = notebook_module(DropoutExplorer.script, DropoutExplorer.needs)
    state = json.dumps(DropoutExplorer(speed="fastest").settings())
    (tmp_path / "page.html").write_text(
        f"""<!doctype html><html lang="en"><body><div id="el"></div><script type="module">
        const source = {json.dumps(module).replace("<", chr(92) + "u003c")};
        const module = await import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
        const state = {state}, listeners = new Map();
        const model = {{ get: (key) => state[key], save_changes() {{}},
          set(key, value) {{ state[key] = value; [...(listeners.get(`change:${{key}}`) ?? [])].forEach((action) => action()); }},
          on: (event, action) => listeners.set(event, (listeners.get(event) ?? new Set()).add(action)),
          off: (event, action) => listeners.get(event)?.delete(action) }};
        window.count = () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0);
        window.state = state;
        window.dispose = module.default.render({{ model, el: document.getElementById("el") }});
        </script></body></html>""",
        encoding="utf-8",
    )
    page = open_page(tmp_path / "page.html")
    page.wait_for_function("!!window.dispose")
    assert page.evaluate("count()") > 10
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("state.draws > 3")
    assert page.evaluate("dispose(); count()") == 0
    draws = page.evaluate("state.draws")
    page.wait_for_timeout(300)
    assert page.evaluate("state.draws") == draws


def test_the_script_is_small():
    from cnnlib.widgets.page import minify, page_script

    if minify is None:
        pytest.skip("the minifier has no wheel for this machine")
    assert len(page_script([DropoutExplorer]).encode()) - len(page_script([]).encode()) <= 13_000
