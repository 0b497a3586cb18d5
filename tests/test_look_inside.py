"""A trained net in the page: what it shows is what Keras computes, driven in Chromium as a reader would."""

import base64
import io
import json
import random
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import WIDTH, serious_violations
from keras import layers
from PIL import Image

from cnnlib import models
from cnnlib.widgets import WIDGETS, ConvExplorer, LookInside
from cnnlib.widgets.base import notebook_module, source
from cnnlib.widgets.look_inside import RESULTS, WEIGHTS, recorded_nets
from cnnlib.widgets.page import page_data, page_script
from cnnlib.widgets.page_model import export_for_page, model_of, quantise

NETS = recorded_nets()
SIZE_LIMIT, NET_LIMIT = 19_000, 400_000  # bytes of the script without what it shares, of a net


@pytest.fixture(autouse=True)
def same_weights_each_time():
    keras.utils.set_random_seed(3)


def small_net(side=16, channels=3, classes=4):
    """A net with every kind of layer that the calculator explains, with weights that are nowhere the initial ones."""
    x = image = keras.Input((side, side, channels), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    x = layers.Conv2D(5, 3, padding="same", activation="tanh", name="conv1")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    y = layers.Conv2D(6, 3, dilation_rate=2, padding="same", use_bias=False, name="conv2")(x)
    y = layers.BatchNormalization(name="bn")(y)
    y = layers.ReLU(name="relu")(y)
    z = layers.Conv2D(6, 1, name="skip")(x)
    x = layers.Add(name="add")([y, z])
    x = layers.Concatenate(name="concat")([x, layers.AveragePooling2D(3, strides=1, padding="same", name="mean")(x)])
    x = layers.Dropout(0.3, name="drop")(x)
    x = layers.Conv2D(4, (3, 2), strides=(2, 1), name="conv3")(x)
    y = layers.GlobalAveragePooling2D(name="global")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(7, activation="sigmoid", name="dense1")(x)
    x = layers.Concatenate(name="both")([x, y])
    x = layers.Dense(classes, name="dense2")(x)
    net = keras.Model(image, x, name="small")
    rng = np.random.default_rng(5)
    for weight in net.weights:
        low = 0.4 if "variance" in weight.name or "gamma" in weight.name else -0.5
        weight.assign(rng.uniform(low, 0.9 if low > 0 else 0.5, weight.shape))
    return net


def small(**settings):
    return LookInside.from_model(small_net(), classes=["ant", "bee", "cat", "dog"], **settings)


def photos(count=2, side=16, channels=3, seed=8):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


# --- the page's hands ---------------------------------------------------------------------------------------

READY = """() => {
  const inside = document.querySelector(".cnnlib-look-inside [aria-busy]"), waits = [...document.querySelectorAll(".cnnlib-look-wait")];
  return inside?.ariaBusy === "false" && waits.every((wait) => !wait.checkVisibility() || !wait.textContent);
}"""
READ = """() => {
  const root = document.querySelector(".cnnlib-look-inside"), text = (name) => root.querySelector(name)?.textContent ?? "";
  const table = (t) => [...t.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const shown = (e) => e.checkVisibility();
  const dots = (canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
  const board = [...root.querySelectorAll(".cnnlib-look-board")].find(shown)?.querySelector("canvas");
  return {
    scores: table(root.querySelector(".cnnlib-look-scores").tBodies[0]), verdict: text(".cnnlib-look-verdict"),
    heading: text(".cnnlib-look-detail h3"), value: text(".cnnlib-look-sum output"),
    lines: [...root.querySelectorAll("[data-sum]")].map((line) => line.textContent),
    parts: [...root.querySelectorAll(".cnnlib-look-parts figure")].map((f) => ({ title: f.querySelector("figcaption").textContent, tables: [...f.querySelectorAll("table")].map(table) })),
    problems: [...root.querySelectorAll(".cnnlib-problem")].filter(shown).map((p) => p.textContent),
    note: text(".cnnlib-look-top .cnnlib-look-note"), heat: [...root.querySelectorAll(".cnnlib-look-heat > .cnnlib-look-sum")].map((p) => p.textContent)[0],
    board: board && { width: board.width, height: board.height, dots: dots(board) },
    seen: dots(root.querySelector(".cnnlib-look-seen canvas")), off: text(".cnnlib-look-off"),
    focus: document.activeElement.ariaLabel ?? document.activeElement.textContent,
  };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='look-inside']")


def settle(page):
    page.wait_for_function(READY, timeout=180_000)


def read(page):
    settle(page)
    return page.evaluate(READ)


def put(page, **settings):
    """Set the page's calculator as a link does."""
    parts = [
        f"look-inside.{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()
    ]
    page.evaluate(
        """async (hash) => { history.replaceState(null, "", hash); dispatchEvent(new Event("hashchange")); await null; await null; await null; }""",
        "#" + "&".join(parts),
    )


def number(text):
    return float(text.replace("−", "-").replace(",", "").replace("%", "").replace("\xa0", "").replace("points", ""))


def close(shown, value):
    """Whether a shown number is a value, to the digits that it has."""
    return (
        abs(number(shown) - value) <= max(0.00055, 0.0006 * abs(value))
        if abs(value) >= 0.0995
        else (abs(number(shown) - value) <= 0.006 * abs(value) + 2e-6)
    )


def seen_pixels(seen, side, channels=3):
    dots = np.array(seen["seen"], np.uint8).reshape(side, side, 4)
    assert (dots[..., 3] == 255).all()
    return dots[..., :channels]


def agree(shown, scores):
    """The shown percentages, in order of the classes, are these probabilities."""
    assert [row[0].removeprefix("▸ ") for row in shown["scores"] if row[0].startswith("▸")] == [
        shown["scores"][int(np.argmax(scores))][0].removeprefix("▸ ")
    ]
    return np.abs([number(row[1]) / 100 for row in shown["scores"]] - np.asarray(scores)).max() < 0.00055


def colours(values, most=None):
    """The palette's colours of a map, (rows, columns, 3), by the rule in words: white at 0, blue above, orange below."""
    t = np.rint(np.clip(values / (most or np.abs(values).max() or 1), -1, 1) * 255) / 255
    end = np.where(t[..., None] < 0, [149, 56, 0], [5, 80, 174])
    return np.rint(252 + (end - 252) * np.abs(t)[..., None])


def drawn_as(board, values, slack=4):
    """Whether a board shows a map: each colour is the palette's, to a step or two of 255."""
    dots = np.array(board["dots"]).reshape(board["height"], board["width"], 4)[..., :3]
    assert dots.shape[:2] == values.shape
    return np.abs(dots - colours(values)).max() <= slack


# --- Python's side ------------------------------------------------------------------------------------------


def test_model_of_is_the_way_back():
    net = small_net()
    rounded = keras.models.clone_model(net)
    rounded.set_weights(net.get_weights())
    for layer in rounded.layers:
        if hasattr(layer, "kernel") and layer.weights:
            whole, scales = quantise(layer.kernel.numpy())
            layer.kernel.assign(whole * scales)
    x = photos(5).astype(np.float32)
    np.testing.assert_allclose(model_of(export_for_page(net))(x), rounded(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model_of(export_for_page(net, weights="float32"))(x), net(x), rtol=1e-5, atol=1e-6)


def test_a_filter_that_is_off_is_a_filter_of_zeros():
    """Where the activation of 0 is 0; elsewhere it is its output that is 0."""
    look = small(off=["conv2:1", "skip:3"], samples=photos())
    whole = small(samples=photos()).model()
    for name, channel in (("conv2", 1), ("skip", 3)):
        for weight in whole.get_layer(name).weights:
            values = weight.numpy()
            values[..., channel] = 0
            weight.assign(values)
    want = keras.ops.softmax(whole(photos()[:1].astype(np.float32)))[0]
    np.testing.assert_allclose(look.scores, want, rtol=1e-5)
    assert np.abs(look.scores - small(samples=photos()).scores).max() > 1e-3
    assert not small(off=["conv1:2"], layer="conv1").maps()[..., 2].any()
    with pytest.raises(ValueError, match="off names 'nothing'"):
        model_of(look.description, {"nothing": [0]})


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(net="vgg99"), ValueError, "net='vgg99' is none of 'baseline-better'"),
        (dict(net=3), TypeError, "net=3 is none of"),
        (dict(net="own"), ValueError, "net='own' is none of"),
        (dict(layer="nothing"), ValueError, "layer='nothing' does not fit the net: it has image, rescale"),
        (dict(channel=6), ValueError, "channel=6 does not fit layer 'conv1': from 0 to 5"),
        (dict(cell=(0, 32)), ValueError, r"cell\[1\]=32"),
        (dict(cell=3), TypeError, "cell=3 is neither"),
        (dict(sample=9), ValueError, "sample=9 does not fit the samples: from 0 to 5"),
        (dict(target=10), ValueError, "target=10"),
        (dict(view="x"), ValueError, "view='x'"),
        (dict(patch=8), TypeError, "patch=8"),
        (dict(off="conv1:0"), TypeError, "is not a list"),
        (dict(off=["conv1"]), ValueError, "does not fit the form"),
        (dict(off=["conv1:6"]), ValueError, "channel=6 does not fit layer 'conv1'"),
        (dict(samples=photos(2, 32).astype(float)), TypeError, "samples are float64"),
        (dict(samples=photos(2, 16)), ValueError, r"are not 1 to 16 pictures of \(32, 32, 3\)"),
        (dict(samples=photos(17, 32)), ValueError, "are not 1 to 16 pictures"),
        (dict(samples=(photos(2, 32), [1])), ValueError, "2 pictures and 1 labels"),
        (dict(samples=(photos(2, 32), [1, 10])), ValueError, r"labels\[1\]=10"),
        (dict(sampels=1), ValueError, "no setting 'sampels'"),
    ],
)
def test_refusals_name_the_setting(settings, error, words):
    with pytest.raises(error, match=words):
        LookInside(**settings)


def test_own_models_that_cannot_be_shown_say_why():
    def net(*stack, shape=(8, 8, 3)):
        return keras.Sequential([keras.Input(shape), *stack])

    with pytest.raises(ValueError, match=r"model gives \(1,\)"):
        LookInside.from_model(net(layers.Flatten(), layers.Dense(1)))
    with pytest.raises(ValueError, match=r"model gives \(8, 8, 2\)"):
        LookInside.from_model(net(layers.Conv2D(2, 1)))
    with pytest.raises(ValueError, match=r"model takes \(8, 8, 2\)"):
        LookInside.from_model(net(layers.Flatten(), layers.Dense(2), shape=(8, 8, 2)))
    with pytest.raises(ValueError, match="LayerNormalization, which the page's engine has not"):
        LookInside.from_model(net(layers.LayerNormalization(name="odd"), layers.Flatten(), layers.Dense(2)))
    with pytest.raises(ValueError, match="classes has 2 names, the model 3 scores"):
        LookInside.from_model(net(layers.Flatten(), layers.Dense(3)), classes=["a", "b"])
    with pytest.raises(TypeError):
        LookInside.from_model("model")


def test_bytes_and_who_carries_them():
    """The script, each net; no engine and no weights where the calculator is not; the nets offered are those there are."""
    minify = pytest.importorskip("minify")
    script = f"(() => {{ {source(LookInside.script).replace('export default', 'return')} }})()"
    assert len(minify.string("text/javascript", script).encode()) <= SIZE_LIMIT
    assert tuple(sorted(path.stem for path in WEIGHTS.glob("*.json"))) == NETS
    files = LookInside.page_files()
    assert set(files) == {f"net-{name}.js" for name in NETS}
    assert all(len(text.encode()) < NET_LIMIT for text in files.values())
    assert LookInside.schema()["net"] == {"enum": list(NETS)}
    others = [widget for widget in WIDGETS if "engine.js" not in widget.needs]
    text = page_script(others) + page_data(others)
    assert others and "makeEngine" not in text and "multiplyAdd" not in text and '"int8"' not in text
    assert ConvExplorer.page_files() == {} and ConvExplorer().contents() == {}
    state = json.dumps(LookInside()._repr_mimebundle_()[0]["application/vnd.cnnlib.widget+json"]["state"])
    assert "int8" not in state and len(state) < 60_000
    record = RESULTS / f"{NETS[0]}.json"
    if record.exists():
        assert f'"accuracy": {round(json.loads(record.read_text())["test"]["accuracy"], 4)}' in state


def test_a_kernel_hands_over_what_is_asked_for_and_nothing_else(monkeypatch):
    look, sent = LookInside(), []
    monkeypatch.setattr(look, "send", lambda content, buffers=None: sent.append(content))
    for content in ({"file": f"net-{NETS[0]}"}, {"file": "net-../x"}, {"file": 3}, "x", {}):
        look._handle_custom_msg(content, [])
    assert sent[0]["content"] == json.loads((WEIGHTS / f"{NETS[0]}.json").read_text())
    assert [answer["content"] for answer in sent[1:]] == [None] * 4


def test_a_notebooks_other_half():
    ipywidgets = pytest.importorskip("ipywidgets")
    heard, look = [], LookInside()
    look.observe(lambda change: heard.append((change["name"], change["new"])), ["channel", "cell", "off"])
    look.set_state({"channel": 2, "cell": [3, 4], "off": ["conv1:1"], "net": NETS[-1]})
    assert sorted(heard) == [("cell", [3, 4]), ("channel", 2), ("off", ["conv1:1"])]
    assert look.net == NETS[-1] and ipywidgets.HBox([look, small()]).children[0] is look
    assert "_samples" not in repr(look) and "int8" not in repr(small())


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_scores_of_the_recorded_nets_are_keras(open_widget, name):
    look = LookInside(net=name)
    page = open_widget(look)
    for sample in (0, 3, 5):
        look.sample = sample
        put(page, sample=sample)
        shown = read(page)
        assert (seen_pixels(shown, 32) == look.pictures[sample]).all()
        assert agree(shown, look.scores)
    wrong = np.roll(look.scores, 1)
    assert not np.allclose(wrong, look.scores, atol=0.01)
    assert f"{look._classes[int(look.scores.argmax())]}, with" in shown["verdict"]


def sums(line):
    """Both sides of "a + b = c" or "(x − mean) / √(…) × gamma + beta = y", computed and as shown."""
    left, _, right = line.replace("−", "-").replace(",", "").rpartition(" = ")
    left = re.sub(r" \((?:map|number) \d+\)| \(the other [\d ]+(?:maps)?\)| \(bias\)| \([a-z]\w*\)", "", left)
    left = left.replace("×", "*").replace("√(", "np.sqrt(")
    return eval(left, {"np": np}), number(right)


@pytest.mark.parametrize("name", ["small", *NETS])
def test_every_number_and_its_sum_is_keras(open_widget, name):
    """Random layers, maps and cells: the number, the arithmetic as it stands there, the windows and the kernels."""
    rng, samples = random.Random(7), photos(1, 16 if name == "small" else 32)
    look = small(samples=samples) if name == "small" else LookInside(net=name, samples=samples)
    page, model = open_widget(look), look.model()
    entries = {entry["name"]: entry for entry in look.description["layers"]}
    tensors = [model.get_layer(known.replace("/", ".")).output for known in entries]
    found = dict(zip(entries, keras.Model(model.inputs, tensors)(samples.astype(np.float32)), strict=True))
    found = {known: np.asarray(value)[0] for known, value in found.items()}
    settle(page)
    added = windows = 0
    for turn in range(160 if name == "small" else 40):
        layer = list(entries)[turn % len(entries)] if name == "small" else rng.choice(list(entries))
        maps, entry = found[layer], entries[layer]
        cell = [rng.randrange(maps.shape[0]), rng.randrange(maps.shape[1])] if maps.ndim == 3 else None
        channel = rng.randrange(maps.shape[-1])
        settings = dict(layer=layer, channel=channel, cell=cell)
        put(page, **settings)
        shown = page.evaluate(READ)
        value = maps[(*cell, channel)] if cell else maps[channel]
        assert shown["heading"].startswith(layer) and close(shown["value"], value), (settings, shown, value)
        for line in shown["lines"]:
            if " = " not in line:
                assert close(line.rpartition(" ")[2], value), (settings, line, value)
            elif " of " not in line:
                left, right = sums(line)
                added += 1
                slack = 0.0006 * (line.count(" + ") + 2) + 0.005 * abs(right)
                if entry["type"] == "BatchNormalization":
                    slack += 0.02 * abs(right)
                assert abs(left - right) <= slack, (settings, line)
        if entry["type"] == "Conv2D":
            assert windows_agree(shown, entry, found[entry["inputs"][0]], model, channel, cell), (
                settings,
                shown["parts"],
            )
            windows += len(shown["parts"])
    assert added >= 15 and windows >= 6, (added, windows)


def windows_agree(shown, entry, x, model, channel, cell):
    """The windows hold Keras's numbers, the kernels the layer's weights."""
    kernel = np.asarray(model.get_layer(entry["name"].replace("/", ".")).kernel)
    k, steps, gaps = kernel.shape[:2], entry.get("strides", 1), entry.get("dilation_rate", 1)
    steps, gaps = [both if isinstance(both, list) else [both] * 2 for both in (steps, gaps)]
    out, before = entry["shape"], [0, 0]
    if entry.get("padding") == "same":
        before = [max((out[a] - 1) * steps[a] + gaps[a] * (k[a] - 1) + 1 - x.shape[a], 0) // 2 for a in (0, 1)]
    for part in shown["parts"]:
        if k == (1, 1):  # a window of one cell has no table
            continue
        assert len(part["tables"]) == 2, part
        source = int(re.search(r", map (\d+)", part["title"])[1])
        numbers, weights = (np.array([[number(text) for text in row] for row in table]) for table in part["tables"])
        want = np.zeros(k)
        for i in range(k[0]):
            for j in range(k[1]):
                y, z = cell[0] * steps[0] - before[0] + i * gaps[0], cell[1] * steps[1] - before[1] + j * gaps[1]
                if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                    want[i, j] = x[y, z, source]
        if np.abs(numbers - want).max() > max(0.0051, 0.006 * np.abs(want).max()):
            return False
        if np.abs(weights - kernel[:, :, source, channel]).max() > 0.0051:
            return False
    return True


@pytest.mark.parametrize("name", ["small", *NETS])
@pytest.mark.parametrize("view", ["saliency", "occlusion", "activation"])
def test_maps_of_the_picture_are_keras(open_widget, name, view):
    samples = photos(1, 16) if name == "small" else LookInside().pictures[2:3]
    for settings in (dict(), dict(target=1, off=["conv1:0"] if name != "resnet20-better" else ["stem_conv:3"])):
        if name == "small" and view == "activation" and settings:
            settings["target"] = next(
                i for i in range(4) if small(samples=samples, off=settings["off"], target=i).activation.any()
            )
        settings |= dict(view=view, samples=samples, patch="8" if name == "resnet20-better" else "4")
        look = small(**settings) if name == "small" else LookInside(net=name, **settings)
        want, page = getattr(look, view), open_widget(look)
        shown = read(page)
        assert drawn_as(shown["board"], want)
        if not want.any():
            assert "Nothing speaks for it" in shown["heat"]
            continue
        assert not drawn_as(shown["board"], -want)
        at, top = (
            re.search(r"The largest stands at row (\d+), column (\d+): (.*)\.$", shown["heat"]).groups()[:2],
            want.max(),
        )
        value = number(shown["heat"].rsplit(": ", 1)[1].rstrip(".")) / (100 if view == "occlusion" else 1)
        assert (
            abs(value - top) <= max(0.0006, 0.006 * top) and abs(want[int(at[0]), int(at[1])] - top) < 1e-4 * top + 1e-6
        )
        assert f"For {look._classes[look.shown_target]}" in shown["heat"]


def test_a_switched_off_filter_moves_the_scores(open_widget):
    look = small(samples=photos(), layer="conv2", channel=4)
    page = open_widget(look)
    before = look.scores
    assert agree(read(page), before)
    root(page).get_by_label("Switch off map 4 of conv2").check()
    shown, look.off = read(page), ["conv2:4"]
    assert agree(shown, look.scores) and shown["value"] == "0" and shown["lines"] == []
    for row, now, was in zip(shown["scores"], look.scores, before, strict=True):
        change = number(row[2].lstrip("▲▼ ").replace("+", "")) / 100 if row[2] else 0
        assert abs(change - (now - was)) < 0.00055 + (0 if row[2] else 0.0005)
    page.wait_for_function("decodeURIComponent(location.hash).includes('look-inside.off=[\"conv2:4\"]')")
    root(page).get_by_role("button", name="Switch on conv2 map 4").click()
    assert agree(read(page), before) and not page.evaluate(READ)["off"]


def test_softmax_and_grey_pictures_of_an_own_net(open_widget):
    net = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(3, 3, name="c"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    x = photos(3, 12, 1)
    look = LookInside.from_model(net, samples=(x, [0, 1, 2]), sample=2)
    shown = read(open_widget(look))
    assert (seen_pixels(shown, 12, 1) == x[2]).all()
    assert agree(shown, look.scores) and abs(look.scores.sum() - 1) < 1e-5
    np.testing.assert_allclose(look.scores, net(x[2:].astype(np.float32))[0], atol=0.02)


def test_what_a_sure_net_rests_on_is_seen_before_its_softmax(open_widget):
    image = keras.Input((12, 12, 1))
    logits = layers.Dense(3, name="d")(layers.Flatten()(layers.Conv2D(3, 3, activation="relu", name="c")(image)))
    net, bare = keras.Model(image, layers.Activation("softmax", name="s")(logits)), keras.Model(image, logits)
    x, sample = photos(1, 12, 1), tf.constant(photos(1, 12, 1).astype(np.float32))
    assert np.max(net(sample)) > 0.999  # behind the softmax nothing would be left
    look = LookInside.from_model(net, samples=x, view="saliency")
    with tf.GradientTape() as tape:
        tape.watch(sample)
        score = bare(sample)[0, look.shown_target]
    want = np.abs(tape.gradient(score, sample).numpy()[0, ..., 0])
    np.testing.assert_allclose(look.saliency, want, rtol=0.05, atol=0.05 * want.max())
    assert drawn_as(read(open_widget(look))["board"], look.saliency)
    look.view = "activation"
    assert look.activation.any() and drawn_as(read(open_widget(look))["board"], look.activation)


def test_a_flat_layer_behind_a_mean_says_where_its_number_comes_from(open_widget):
    image = keras.Input((12, 12, 1))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(4, 3, name="c")(image))
    net = keras.Model(image, layers.Dense(2)(layers.Flatten(name="flat")(x)))
    look = LookInside.from_model(net, samples=photos(1, 12, 1), layer="flat", channel=2)
    shown = read(open_widget(look))
    assert close(shown["value"], look.output)
    assert "2" in shown["lines"][0] and "mean" in shown["lines"][0] and "–" not in shown["lines"][0]


# --- pictures from outside -----------------------------------------------------------------------------------

DROP = """async ([name, type, text]) => {
  const transfer = new DataTransfer(), bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  const target = document.querySelector(".cnnlib-look-pad");
  for (const event of ["dragover", "drop"]) target.dispatchEvent(new DragEvent(event, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def choose(page, content, name="photo.png", mime="image/png"):
    file = content if isinstance(content, Path) else {"name": name, "mimeType": mime, "buffer": content}
    root(page).locator("input[type=file]").set_input_files(file)


def own_picture(page, word="Your photo."):
    page.wait_for_function("(word) => document.querySelector('.cnnlib-look-top').textContent.includes(word)", arg=word)
    return read(page)


def comes(page, want, slack):
    """Wait for a picture whose pixels are nearly these; say whether it came."""
    for _ in range(100):
        if np.abs(seen_pixels(read(page), 16).astype(int) - want).max() <= slack:
            return True
        page.wait_for_timeout(100)
    return False


def test_a_photo_is_cropped_and_scaled_by_area(open_widget):
    look = small(samples=photos())
    page = open_widget(look)
    blocks = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    large = np.repeat(np.repeat(blocks, 32, 0), 32, 1)  # 512 x 512
    choose(page, encoded(Image.fromarray(large)))
    shown = own_picture(page)
    assert np.abs(seen_pixels(shown, 16).astype(int) - blocks).max() <= 1
    assert "never leaves your device" in shown["note"]
    scores = keras.ops.softmax(look.model()(seen_pixels(shown, 16)[None].astype(np.float32)))[0]
    assert agree(shown, scores)
    assert "look-inside.sample" not in page.evaluate("location.hash")
    # A wide one: its middle square. One that is finer than any pixel: its mean, not every other cell of it.
    wide = np.zeros((512, 900, 3), np.uint8)
    wide[:, 194:706] = 255 - large
    choose(page, encoded(Image.fromarray(wide)))
    assert comes(page, 255 - blocks.astype(int), 1)
    fine = np.kron(np.indices((1000, 1000)).sum(0) % 2, np.ones((1, 1), int)).astype(np.uint8)[..., None] * 255
    choose(page, encoded(Image.fromarray(np.repeat(fine, 3, 2))))
    assert comes(page, 127.5, 3) and page.evaluate(READ)["problems"] == []
    # Back to the sample, and to another one
    root(page).get_by_role("button", name="Back to the picture").click()
    assert (seen_pixels(read(page), 16) == photos()[0]).all()
    put(page, sample=1)
    assert (seen_pixels(read(page), 16) == photos()[1]).all()


def test_the_orientation_of_a_photo_is_kept(open_widget):
    page = open_widget(small(samples=photos()))
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, :128] = (250, 20, 20)  # red on the left; turned by a quarter it stands at the top
    exif = Image.Exif()
    exif[0x0112] = 6
    choose(page, encoded(Image.fromarray(image), "JPEG", exif=exif, quality=95), "p.jpg", "image/jpeg")
    seen = seen_pixels(own_picture(page), 16)
    assert (seen[:7, :, 0] > 200).all() and (seen[9:, :, 0] < 60).all()


def test_a_dropped_photo_and_a_dropped_text(open_widget):
    page = open_widget(small(samples=photos()))
    settle(page)
    plain = Image.new("RGB", (40, 40), GREEN)
    page.evaluate(DROP, ["x.webp", "image/webp", base64.b64encode(encoded(plain, "WEBP", lossless=True)).decode()])
    assert (seen_pixels(own_picture(page), 16) == GREEN).all()
    page.evaluate(DROP, ["x.txt", "text/plain", base64.b64encode(b"hello").decode()])
    page.wait_for_function("document.querySelector('.cnnlib-problem').checkVisibility()")
    assert read(page)["problems"] == ["This is no picture that can be read here. Use a JPEG, PNG or WebP file."]


def gif(frames):
    images = [Image.new("RGB", (9, 9), (90 * i, 0, 0)) for i in range(frames)]
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:], duration=80)


def huge_png():
    """A header that tells of 20,000 x 20,000 pixels."""
    small = bytearray(encoded(Image.new("L", (2, 2))))
    small[16:24] = (20_000).to_bytes(4, "big") * 2
    return bytes(small)


GREEN = (10, 200, 90)


def header(format, side, **options):
    """A picture of 40 x 40 whose header tells of side x side."""
    content = bytearray(encoded(Image.new("RGB", (40, 40), GREEN), format, **options))
    if format == "AVIF":
        at = content.index(b"ispe") + 8
        content[at : at + 8] = side.to_bytes(4, "big") * 2
    elif format == "BMP":
        content[18:26] = side.to_bytes(4, "little") * 2
    elif content[12:16] == b"VP8X":
        content[24:30] = (side - 1).to_bytes(3, "little") * 2
    elif content[12:16] == b"VP8L":
        content[21:25] = (side - 1 | (side - 1) << 14).to_bytes(4, "little")
    else:
        content[26:30] = side.to_bytes(2, "little") * 2
    return bytes(content)


FORMATS = {
    "WebP": ("WEBP", {}),
    "WebP without loss": ("WEBP", {"lossless": True}),
    "WebP with more": ("WEBP", {"exif": Image.Exif().tobytes() or b"Exif\0\0"}),
    "AVIF": ("AVIF", {}),
    "BMP": ("BMP", {}),
}


def test_further_formats_tell_their_sides_before_they_are_decoded(open_widget):
    page = open_widget(small(samples=photos()))
    before, kinds = read(page)["seen"], set()
    for name, (format, options) in FORMATS.items():
        kinds.add(header(format, 40, **options)[12:16])
        choose(page, header(format, 16_000, **options), name)
        words = "This picture has 16000×16000 pixels. Use one of at most 60 million."
        page.wait_for_function("(words) => document.querySelector('.cnnlib-problem').textContent === words", arg=words)
        assert read(page)["seen"] == before, name
        choose(page, header(format, 40, **options), name)
        assert np.abs(seen_pixels(own_picture(page), 16).astype(int) - GREEN).max() < 6, name
        assert read(page)["problems"] == []
        root(page).get_by_role("button", name="Back to the picture").click()
    assert {b"VP8 ", b"VP8L", b"VP8X"} < kinds


BAD = {
    "huge file": (b"\x89PNG\r\n" + bytes(30_000_001), "p.png", "This file has 30 MB. Use a picture of at most 30 MB."),
    "huge sides": (huge_png(), "p.png", "This picture has 20000×20000 pixels. Use one of at most 60 million."),
    "corrupt": (
        encoded(Image.new("RGB", (50, 50)))[:60],
        "p.png",
        "This file begins like a picture, but it cannot be decoded. It may be damaged.",
    ),
    "svg": (
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        "p.svg",
        "An SVG file holds a drawing's recipe, not pixels. Save it as PNG first.",
    ),
    "animated gif": (
        gif(3),
        "p.gif",
        "This picture is animated. Use one with a single image, such as a screenshot of it.",
    ),
    "animated webp": (
        encoded(Image.new("RGB", (9, 9)), "WEBP", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]),
        "p.webp",
        "This picture is animated. Use one with a single image, such as a screenshot of it.",
    ),
    "animated png": (
        encoded(Image.new("RGB", (9, 9)), "PNG", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]),
        "p.png",
        "This picture is animated. Use one with a single image, such as a screenshot of it.",
    ),
    "text": (b"no picture at all", "p.png", "This is no picture that can be read here. Use a JPEG, PNG or WebP file."),
    "empty": (b"", "p.jpg", "This is no picture that can be read here. Use a JPEG, PNG or WebP file."),
}


def test_each_bad_picture_gets_one_clear_message(open_widget, tmp_path):
    page = open_widget(small(samples=photos()))
    before = read(page)["seen"]
    for content, name, words in BAD.values():
        file = tmp_path / name
        file.write_bytes(content)  # by its path: Playwright would send 30 MB as text
        choose(page, file)
        page.wait_for_function("(words) => document.querySelector('.cnnlib-problem').textContent === words", arg=words)
        shown = read(page)
        assert shown["problems"] == [words] and shown["seen"] == before
    choose(page, gif(1), "still.gif")
    own_picture(page)
    assert read(page)["problems"] == []


CAMERA = """(error) => {
  const media = { getUserMedia: async () => {
    if (error) throw new DOMException("no", error);
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 64, height: 48 });
    const pen = canvas.getContext("2d");
    window.tracks = canvas.captureStream(20);
    setInterval(() => { pen.fillStyle = "#00c800"; pen.fillRect(0, 0, 64, 48); }, 30);
    return window.tracks;
  } };
  Object.defineProperty(navigator, "mediaDevices", { configurable: true, value: error === "none" ? undefined : media });
}"""


def test_the_camera_refused_missing_and_used(open_widget):
    page = open_widget(small(samples=photos()))
    settle(page)
    for error, words in (
        ("NotAllowedError", "did not allow"),
        ("NotFoundError", "No camera was found"),
        ("none", "No camera was found"),
    ):
        page.evaluate(CAMERA, error)
        root(page).get_by_role("button", name="Camera").click()
        page.wait_for_function(
            "(words) => document.querySelector('.cnnlib-problem').textContent.includes(words)", arg=words
        )
        assert not root(page).locator("video").is_visible()
    page.evaluate(CAMERA, "")
    root(page).get_by_role("button", name="Camera").click()
    root(page).get_by_role("button", name="Stop", exact=True).click()
    assert page.evaluate("tracks.getTracks()[0].readyState") == "ended" and not root(page).locator("video").is_visible()
    root(page).get_by_role("button", name="Camera").click()
    page.wait_for_function("document.querySelector('video').currentTime > 0.1")
    root(page).get_by_role("button", name="Take the picture").click()
    seen = seen_pixels(own_picture(page), 16).astype(int)
    assert (np.abs(seen - (0, 200, 0)).max(axis=-1) < 12).all() and not read(page)["problems"]
    assert page.evaluate("tracks.getTracks()[0].readyState") == "ended" and not root(page).locator("video").is_visible()


def test_a_camera_that_is_asked_for_twice_leaves_no_light_on(open_widget):
    page = open_widget(small(samples=photos()))
    settle(page)
    page.evaluate(CAMERA, "")
    page.evaluate(
        """() => {
          const { mediaDevices } = navigator, open = mediaDevices.getUserMedia;
          window.all = [];
          mediaDevices.getUserMedia = async () => { const got = await open(); all.push(got); return got; };
        }"""
    )
    for _ in range(2):
        root(page).get_by_role("button", name="Camera").click()
    page.wait_for_function("all.length === 2 && document.querySelector('video').srcObject === all[1]")
    stop = root(page).get_by_role("button", name="Stop", exact=True)
    stop.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("all.map((stream) => stream.getTracks()[0].readyState)") == ["ended", "ended"]
    assert page.evaluate("document.activeElement.textContent") == "Draw"  # and the focus is not lost


def test_a_photo_that_comes_late_does_not_push_out_what_came_after_it(open_widget):
    page = open_widget(small(samples=photos()))
    settle(page)
    page.evaluate(
        """() => {
          const post = Worker.prototype.postMessage; // photos come late
          Worker.prototype.postMessage = function (message, ...more) {
            window.posted ||= !!message.image;
            setTimeout(() => { post.call(this, message, ...more); window.late ||= !!message.image; }, message.image ? 700 : 0);
          };
        }"""
    )
    choose(page, encoded(Image.new("RGB", (64, 64), (200, 0, 0))))
    page.wait_for_function("window.posted")
    put(page, sample=1)
    page.wait_for_function("window.late")
    page.wait_for_timeout(600)
    assert (seen_pixels(read(page), 16) == photos()[1]).all()


def test_reset_brings_back_the_sample(open_widget):
    page = open_widget(small(samples=photos()))
    settle(page)
    choose(page, encoded(Image.new("RGB", (64, 64), (200, 0, 0))))
    own_picture(page)
    root(page).get_by_role("button", name="Reset").click()
    page.wait_for_function("!document.querySelector('.cnnlib-look-note').textContent.includes('Your photo')")
    assert (seen_pixels(read(page), 16) == photos()[0]).all()


def pad(page):
    return root(page).locator(".cnnlib-look-pad")


@pytest.mark.parametrize("touch", [False, True])
def test_drawing_by_mouse_and_by_touch(open_widget, touch):
    page = open_widget(small(samples=photos()), width=390 if touch else 1280, touch=touch)
    before = np.array(seen_pixels(read(page), 16))
    box = pad(page).bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 20)  # not drawing yet: nothing happens
    assert (seen_pixels(read(page), 16) == before).all()
    root(page).get_by_role("button", name="Draw", exact=True).click()
    root(page).get_by_label("Colour").fill("#0000ff")
    pad(page).scroll_into_view_if_needed()
    box = pad(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if touch:
        assert pad(page).evaluate("e => getComputedStyle(e).touchAction") == "none"
        client = page.context.new_cdp_session(page)

        def send(kind, *points):
            points = [dict(zip("xy", point, strict=True)) for point in points]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        send("touchStart", (x - 40, y))
        for step in range(9):
            send("touchMove", (x - 40 + 10 * step, y))
        send("touchEnd")
    else:
        page.mouse.move(x - 40, y)
        page.mouse.down()
        page.mouse.move(x + 40, y, steps=6)
        page.mouse.up()
        page.mouse.move(x, y + 60)
    shown = own_picture(page, "Your drawing.")
    seen = seen_pixels(shown, 16)
    assert (
        (seen[7:9, 6:10] == (0, 0, 255)).all() and (seen[:4] == before[:4]).all() and (seen[13:] == before[13:]).all()
    )
    assert "not what this network was trained on" in shown["note"]
    root(page).get_by_role("button", name="Fill with the colour").click()
    assert (seen_pixels(read(page), 16) == (0, 0, 255)).all()
    root(page).get_by_role("button", name="Back to the picture").click()
    assert (seen_pixels(read(page), 16) == before).all()


def test_drawing_by_keyboard(open_widget):
    page = open_widget(small(samples=photos()))
    before = np.array(seen_pixels(read(page), 16))
    root(page).get_by_role("button", name="Draw", exact=True).press("Enter")
    page.wait_for_function("document.activeElement.classList.contains('cnnlib-look-pad')")
    root(page).get_by_label("Colour").fill("#ffffff")
    root(page).get_by_label("Thickness").select_option("1")
    pad(page).focus()
    for key in ("ArrowUp", "ArrowLeft", " ", "ArrowRight", "ArrowRight", "ArrowDown", " ", "ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('row 9, column 9, pen up')")
    seen = seen_pixels(own_picture(page, "Your drawing."), 16).astype(int)
    moved = np.abs(seen - before).max(axis=-1) > 60
    assert (seen[7, 8] > 250).all() and (seen[7, 7] > 225).all() and (seen[8, 9] > 200).all()
    assert not moved[:6].any() and not moved[10:].any() and not moved[:, :6].any() and not moved[:, 11:].any()


# --- the page ------------------------------------------------------------------------------------------------


def test_by_keyboard_from_layer_to_map_to_pixel(open_widget):
    page = open_widget(small(samples=photos(), layer="conv1"))
    settle(page)
    root(page).locator(".cnnlib-look-strip [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert read(page)["heading"].startswith("pool1") and page.evaluate(READ)["focus"].startswith("pool1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "map 2 of 0–4" in read(page)["heading"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    look = small(samples=photos(), layer="conv1", channel=1)
    assert "map 1 of 0–4" in read(page)["focus"] and close(page.evaluate(READ)["value"], look.output)
    at = np.unravel_index(look.maps()[..., 1].argmax(), (16, 16))
    row = at[0] + (1 if at[0] < 15 else -1)
    page.keyboard.press("ArrowDown" if at[0] < 15 else "ArrowUp")
    look.cell = (int(row), int(at[1]))
    assert close(read(page)["value"], look.output) and f"row {row}, column {at[1]}" in page.evaluate(READ)["focus"]
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    page.keyboard.press("Escape")
    assert page.evaluate(READ)["focus"].startswith("conv1")
    page.keyboard.press("End")
    assert read(page)["heading"].startswith("dense2")
    # By mouse: a map of a column, then a pixel of the map; and by the sliders.
    column = root(page).locator(".cnnlib-look-strip .column").nth(2)
    column.scroll_into_view_if_needed()
    box = column.locator(".maps").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 10)
    assert read(page)["heading"].startswith("conv1") and "map 1" in page.evaluate(READ)["heading"]
    board = root(page).locator(".cnnlib-look-board").first
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 3.5 / 16, box["y"] + box["height"] * 4.5 / 16)
    look.cell = (4, 3)
    assert close(read(page)["value"], look.output)
    root(page).get_by_role("slider", name="Column").press("ArrowRight")
    root(page).get_by_role("slider", name="Map").press("ArrowRight")
    look.channel, look.cell = 2, None
    assert close(read(page)["value"], look.output)


def test_state_from_the_address_and_settings_that_are_not_there(open_widget):
    look = LookInside(net=NETS[0], layer="pool1", channel=2, cell=(1, 2), off=["conv1:1"], sample=3)
    settings = {key: value for key, value in look.settings().items() if value != LookInside().settings()[key]}
    fragment = "#" + "&".join(
        f"look-inside.{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings.items()
    )
    page = open_widget(LookInside(), fragment=fragment)
    shown = read(page)
    assert agree(shown, look.scores) and shown["heading"].startswith("pool1") and close(shown["value"], look.output)
    put(
        page,
        layer="nothing",
        off=["conv1:99", "conv1:", "conv1:-1", "conv1:1.5"],
        channel=50,
        cell=[900, 0],
        target=99,
        sample=12,
    )
    shown = read(page)
    text = shown["problems"][0]
    for words in (
        "no layer “nothing”",
        "no map 50 in",
        "no row 900",
        "no picture 13",
        "no class 99",
        *(f"nothing to switch off called “conv1:{map}”" for map in ("99", "", "-1", "1.5")),
    ):
        assert words in text, words
    root(page).get_by_role("button", name="Use what is there").click()
    assert read(page)["problems"] == []
    page = open_widget(LookInside(), fragment="#look-inside.net=vgg99&look-inside.view=3")
    assert page.locator(".cnnlib-left-out").count() == 1 and agree(read(page), LookInside().scores)


def test_weights_come_when_the_calculator_is_seen(open_widget):
    page = open_widget(LookInside())
    settle(page)
    path = page.url.split("#")[0]
    page.goto("about:blank")
    page.add_init_script(
        """new MutationObserver((_, observer) => {
          if (!document.head) return;
          observer.disconnect();
          document.head.append(Object.assign(document.createElement("style"), { textContent: "main { padding-top: 4000px; }" }));
        }).observe(document, { childList: true, subtree: true });"""
    )
    page.goto(path)
    page.wait_for_timeout(600)
    scripts = "[...document.scripts].map((script) => script.src).filter((src) => src.includes('/net-'))"
    assert page.evaluate(scripts) == [] and root(page).get_by_role("button", name="Load it now").count() == 1
    root(page).scroll_into_view_if_needed()
    settle(page)
    loaded = page.evaluate(scripts)
    assert len(loaded) == 1 and loaded[0].endswith("net-baseline-better.js")
    root(page).get_by_label("Network").select_option(NETS[-1])
    assert agree(read(page), LookInside(net=NETS[-1]).scores)


def test_a_net_that_does_not_come_takes_the_old_one_off_the_page(open_widget, tmp_path):
    page = open_widget(LookInside())
    settle(page)
    (tmp_path / f"net-{NETS[1]}.js").write_text("")
    root(page).get_by_label("Network").select_option(NETS[1])
    again = root(page).get_by_role("button", name="Try again")
    again.wait_for()
    assert not root(page).get_by_role("button", name="Camera").is_visible()  # nothing of the old net is left to use
    assert not root(page).locator(".cnnlib-look-scores").is_visible()
    page.wait_for_function("document.querySelector('.cnnlib-look-inside [role=status]').textContent.includes('not')")
    again.click()
    again.wait_for()
    (tmp_path / f"net-{NETS[0]}.js").write_text("")  # what has been loaded is not asked for again
    root(page).get_by_label("Network").select_option(NETS[0])
    assert agree(read(page), LookInside(net=NETS[0]).scores)


def test_a_long_computation_can_be_stopped_and_the_page_stays_free(open_widget):
    page = open_widget(LookInside.from_model(models.cifar_resnet(depth=20), patch="4"))
    settle(page)
    root(page).get_by_label("occlusion").check()
    stop = root(page).get_by_role("button", name="Stop", exact=True)
    stop.focus()
    done = "parseInt(document.querySelector('.cnnlib-look-heat .cnnlib-look-wait').textContent)"
    begun = page.evaluate(done)
    page.wait_for_function(f"(begun) => {done} > (begun || 0) && {done} < 225", arg=begun)
    assert page.evaluate("document.activeElement.textContent") == "Stop"  # it stays while the map grows
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "cnnlib-look-board"
    words = root(page).locator(".cnnlib-look-heat .cnnlib-look-wait")
    assert re.fullmatch(r"Stopped after \d+ of 225 squares\.", words.text_content())
    text = words.text_content()
    page.wait_for_timeout(800)
    assert words.text_content() == text
    root(page).get_by_label("16×16").check()
    settle(page)
    assert "The largest stands" in page.evaluate(READ)["heat"]


def test_stop_does_not_hit_the_run_that_has_begun_since(open_widget):
    page = open_widget(
        LookInside.from_model(models.cifar_resnet(depth=20), patch="4", view="occlusion", samples=photos(2, 32))
    )
    stop = root(page).get_by_role("button", name="Stop", exact=True)
    stop.wait_for()
    stop.evaluate(
        """async (stop) => {
          const picture = document.querySelector(".cnnlib-look-inside input[type=range]");
          picture.value = 1;
          picture.dispatchEvent(new Event("input"));
          await null; await null; await null;
          stop.click();
        }"""
    )
    page.wait_for_function("document.querySelector('.cnnlib-look-inside [aria-busy]').ariaBusy === 'false'")
    stop.wait_for()


def test_without_a_worker_the_same_numbers(open_widget):
    look = small(samples=photos(), view="occlusion")
    page = open_widget(look)
    with_worker = read(page)
    page.add_init_script("delete window.Worker")
    page.reload()
    shown = read(page)
    assert shown["scores"] == with_worker["scores"] and shown["board"] == with_worker["board"]


STATES = {
    "start": dict(),
    "off": dict(layer="pool1", off=["conv1:1"], channel=2),
    "numbers": dict(layer="dense1", channel=5),
    "saliency": dict(view="saliency"),
    "occlusion": dict(view="occlusion"),
    "wrong": dict(),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(LookInside(**STATES[state]), width=390, dark=dark)
    settle(page)
    if state == "wrong":
        put(page, layer="nothing")
        choose(page, b"x")
        page.wait_for_timeout(200)
    if state == "start":
        root(page).get_by_role("button", name="Draw", exact=True).click()
        root(page).locator("summary").click()
    settle(page)
    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header", "landmark-unique"))
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark


def test_the_same_in_keras_is_code_that_runs(open_widget):
    page = open_widget(LookInside(net=NETS[0], layer="pool1", channel=3, cell=(2, 5), off=["conv1:0"], sample=1))
    settle(page)
    code, names = root(page).locator("pre code").text_content(), {}
    exec(code, names)
    look = names["look"]
    assert close(page.evaluate(READ)["value"], look.output) and agree(page.evaluate(READ), look.scores)
    assert names["model"].count_params() > 1000


def test_paper_shows_the_layers(open_widget):
    page = open_widget(LookInside(net="lenet5-better"))
    table = page.locator(".cnnlib-fallback table")
    assert not table.is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and not root(page).is_visible()
    assert (
        "10 × 10 × 16" in table.inner_text()
        and "this network runs on a picture of yours" in page.locator(".cnnlib-fallback").inner_text()
    )


def test_nothing_moves_by_itself(open_widget):
    page = open_widget(small(samples=photos()), reduced_motion=True)
    settle(page)
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_notebook_module_asks_drives_and_ends(open_page, tmp_path):
    """The other host: a net that does not come, then comes; nothing is left after dispose()."""
    (tmp_path / "blank.html").write_text("<!doctype html><title>x</title><div id=el></div>", "utf-8")
    page = open_page(tmp_path / "blank.html")
    look = LookInside(net="lenet5-better")
    content = json.loads((WEIGHTS / "lenet5-better.json").read_text())
    wait, retry, heading, state, left = page.evaluate(
        """async ([source, state, content]) => {
          const workers = new Set(), Own = Worker;
          window.Worker = class extends Own {
            constructor(...given) { super(...given); workers.add(this); }
            terminate() { super.terminate(); workers.delete(this); }
          };
          const widget = (await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })))).default;
          const listeners = [], asked = [], until = async (check) => { for (let i = 0; i < 3000 && !check(); i++) await new Promise((done) => setTimeout(done, 20)); };
          const emit = (name, ...given) => listeners.filter((one) => one[0] === name).forEach((one) => one[1](...given));
          const model = {
            get: (key) => state[key],
            set(key, value) { state[key] = value; emit(`change:${key}`); },
            on: (...listener) => listeners.push(listener),
            off: (event, action) => listeners.splice(listeners.findIndex((one) => one[0] === event && one[1] === action), 1),
            save_changes() {}, send: (message) => asked.push(message),
          };
          const el = document.querySelector("#el"), dispose = widget.render({ model, el }), wait = () => el.querySelector(".cnnlib-look-wait");
          await until(() => asked.length);
          emit("msg:custom", { file: asked[0].file, content: null });
          const told = wait().textContent;
          wait().querySelector("button").click();
          emit("msg:custom", { file: asked[1].file, content }, []);
          await until(() => el.querySelector("[aria-busy=false]"));
          const heading = el.querySelector("h3").textContent, slider = el.querySelector("input[type=range]");
          slider.value = 2;
          slider.dispatchEvent(new Event("input"));
          el.querySelectorAll(".cnnlib-look-strip button")[3].click();
          await null; await null;
          dispose();
          return [told, asked, heading, state, listeners.length + workers.size];
        }""",
        [notebook_module(LookInside.script, LookInside.needs), look.settings() | look.contents(), content],
    )
    assert (
        wait.startswith("The numbers of LeNet5 did not load.")
        and [one["file"] for one in retry] == ["net-lenet5-better"] * 2
    )
    assert heading.startswith("conv1") and left == 0
    assert state["sample"] == 2 and state["layer"] == "pool1"
    again = LookInside(**{key: state[key] for key in look.settings()})
    assert json.loads(json.dumps(again.settings())) == {key: state[key] for key in look.settings()}
