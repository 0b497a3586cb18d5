"""`figures.network`: what is read from a model, what is drawn of it, and that the words say the same."""

import functools
import io
import itertools
import re
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cnnlib import figures
from cnnlib.figures import cbapd, netlines, style
from cnnlib.figures.netlines import Fork, Line, Repeat

keras = pytest.importorskip("keras")
layers = keras.layers


def block(x, filters, letters="CBA", kernel=3, **more):
    for letter in letters:
        x = {
            "C": lambda: layers.Conv2D(filters, kernel, padding="same", **more),
            "B": layers.BatchNormalization,
            "A": lambda: layers.Activation("relu"),
            "P": lambda: layers.MaxPooling2D(2),
            "D": lambda: layers.Dropout(0.2),
        }[letter]()(x)
    return x


def baseline():
    from cnnlib import models

    return models.baseline()


def sequential():
    """Activations built in, no batch normalisation: as LeNet is written."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, activation="sigmoid"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, (3, 5), strides=2, use_bias=False),
            layers.LeakyReLU(),
            layers.AveragePooling2D(3, strides=1, padding="same"),
            layers.SpatialDropout2D(0.1),
            layers.Flatten(),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10),
        ],
        name="straight",
    )


def vgg():
    x = inputs = keras.Input((32, 32, 3))
    for filters, groups in ((8, 2), (16, 2), (32, 3), (64, 3), (64, 3)):
        for i in range(groups):
            x = block(x, filters, "CBAPD" if i == groups - 1 else "CBA")
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.2)(layers.Dense(64, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="vgg_like")


def inception():
    """Four branches, as in the notes: 1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1. Twice, the second in steps of 2."""
    x = inputs = keras.Input((32, 32, 3))
    x = block(x, 16)
    for strides in (2, 1):
        branches = [
            block(x, 16, kernel=1, strides=strides),
            block(block(x, 16, kernel=1, strides=strides), 16),
            block(block(x, 16, kernel=1, strides=strides), 16, kernel=5),
            block(layers.MaxPooling2D(3, strides=1, padding="same")(x), 16, kernel=1, strides=strides),
        ]
        x = layers.Concatenate()(branches)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x), name="inception_like")


def resnet():
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = block(x, 8, use_bias=False)
    for filters, strides in ((8, 1), (8, 1), (16, 2), (16, 1)):
        path = block(block(x, filters, strides=strides, use_bias=False), filters, "CB", use_bias=False)
        if strides > 1:
            x = block(x, filters, "CB", kernel=1, strides=strides, use_bias=False)
        x = layers.Activation("relu")(layers.Add()([path, x]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x), name="resnet_like")


def with_ops():
    """Joined by operators instead of layers, and a layer that the code has no letter for."""
    inputs = keras.Input((16, 16, 4))
    x = layers.LayerNormalization()(block(inputs, 4))
    x = keras.ops.relu(x + inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)), name="ops")


def nested():
    """A fork in a branch of a fork, and one in that, with a shortcut."""
    inputs = keras.Input((16, 16, 4))
    one = block(inputs, 4, "C")
    two = block(one, 4, "C")
    inner = layers.Concatenate()([layers.Add()([block(two, 4), two]), layers.Activation("gelu")(one)])
    outer = layers.Concatenate()([inner, layers.MaxPooling2D(3, 1, padding="same")(inputs)])
    return keras.Model(inputs, outer, name="nested")


def early_join():
    """Three branches of which two meet before the third joins: no nest of forks either."""
    inputs = keras.Input((16, 16, 4))
    two = layers.Concatenate()([block(inputs, 4), block(inputs, 8, kernel=1)])
    return keras.Model(inputs, layers.Concatenate()([block(two, 4, "C"), inputs]), name="early_join")


def unet():
    inputs = keras.Input((16, 16, 1))
    one = block(inputs, 4, "CA")
    two = block(layers.MaxPooling2D(2)(one), 8, "CA")
    up = layers.Conv2DTranspose(4, 2, strides=2)(two)
    return keras.Model(inputs, layers.Conv2D(1, 1)(layers.Concatenate()([up, one])), name="unet")


def dense_blocks():
    """Every layer reads all before it: branches cross, so this is no nest of forks."""
    inputs = keras.Input((16, 16, 4))
    found = [inputs]
    for _ in range(3):
        x = found[0] if len(found) == 1 else layers.Concatenate()(found)
        found.append(block(x, 4, "BAC"))
    return keras.Model(inputs, layers.Concatenate()(found), name="crossed")


def two_ends():
    inputs = keras.Input((16, 16, 4))
    x = block(inputs, 4)
    side = layers.Dense(3)(layers.Flatten()(x))
    return keras.Model(inputs, [side, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))], name="two_ends")


def two_starts():
    one, two = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    shared = layers.Conv2D(4, 3)
    return keras.Model([one, two], layers.Dense(1)(layers.Flatten()(layers.Add()([shared(one), shared(two)]))))


def subclassed():
    class Block(layers.Layer):
        def __init__(self, filters):
            super().__init__()
            self.conv, self.norm = layers.Conv2D(filters, 3), layers.BatchNormalization()

        def call(self, x, training=None):
            return self.norm(self.conv(x), training=training)

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="classy")
            self.one, self.two, self.pool = Block(4), Block(8), layers.GlobalAveragePooling2D()

        def call(self, x, training=None):
            return self.pool(self.two(self.one(x)))

    net = Net()
    net(np.zeros((1, 12, 12, 3), "float32"))
    return net


MAKERS = [
    baseline,
    sequential,
    vgg,
    inception,
    resnet,
    with_ops,
    nested,
    early_join,
    unet,
    dense_blocks,
    two_ends,
    two_starts,
    subclassed,
]
made = functools.cache(lambda maker: maker())
every_net = pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)


def letters(items):
    """Return the items as nested text: a line as its letters."""
    found = []
    for item in items:
        if isinstance(item, Line):
            word = "".join(mark.kind for mark in item.marks if mark.kind not in ("prepare", "input"))
            found.append(f"{item.times}·{word}" if item.times > 1 else word or "input")
        elif isinstance(item, Repeat):
            found.append((item.times, *letters(item.items)))
        else:
            found.append(list(map(letters, item.branches)))
    return found


def said(fig):
    return [text.get_text() for text in fig.findobj(Text) if text.get_text()]


# --- what is read -------------------------------------------------------------------------------------------


@every_net
@pytest.mark.parametrize("fold", [True, False])
def test_no_layer_and_no_parameter_is_lost(maker, fold):
    model = made(maker)
    net = netlines.read(model, fold)
    lines = list(netlines.walk(net.items))
    assert sum(line.params * times for line, times in lines) == net.params == model.count_params()
    weighted = [
        layer for layer in model._flatten_layers(include_self=False) if layer.weights and not hasattr(layer, "layers")
    ]
    kinds = [(mark.kind, times) for line, times in lines for mark in line.marks]
    for kind, cls in (("C", "Conv"), ("B", "BatchNorm"), ("F", "Dense")):
        uses = sum(type(layer).__name__.startswith(cls) for layer in weighted) + (maker is two_starts and kind == "C")
        assert sum(times for its, times in kinds if its == kind) == uses


def test_the_baseline_line_by_line():
    net = netlines.read(made(baseline))
    assert letters(net.items) == ["input", "CBAPD", "flatten", "FAD", "F"]
    assert [line.shape for line in net.items] == ["32 × 32 × 3", "16 × 16 × 6", "1,536", "128", "10"]
    assert [line.params for line in net.items] == [0, 456 + 24, 0, 196_736, 1_290]
    assert [mark.detail for mark in net.items[1].marks] == [
        "6 @ 5 × 5, same",
        "",
        "ReLU",
        "max 2 × 2, same",
        "drop 20 %",
    ]


def test_a_straight_net_with_activations_built_in():
    net = netlines.read(made(sequential))
    assert letters(net.items) == ["input", "CAP", "CAPD", "flatten", "FA", "F"]
    details = [mark.detail for line in net.items for mark in line.marks]
    assert "16 @ 3 × 5, valid, stride 2, no bias" in details and "average 3 × 3, stride 1, same" in details
    assert {"sigmoid", "tanh", "leaky ReLU", "drop maps 10 %"} <= set(details)


def test_what_repeats_is_folded_and_only_that():
    start = ["input", "CBA", "CBAPD", "CBA", "CBAPD", "CBA", "CBA", "CBAPD"]
    net = netlines.read(made(vgg))
    assert letters(net.items)[: len(start)] == start  # three convolutions of 32: the first reads 16 channels
    assert letters(net.items)[len(start) :] == ["CBA", "CBA", "CBAPD", "2·CBA", "CBAPD", "flatten", "2·FAD", "FA"]
    plain = netlines.read(made(vgg), fold=False)
    assert sum(word.startswith("C") for word in letters(plain.items)) == 13
    assert (2, [["CBA", "CB"], []], "+A") in letters(netlines.read(made(resnet)).items)


def test_branches_and_joins():
    four = [["CBA"], ["CBA", "CBA"], ["CBA", "CBA"], ["P", "CBA"]]
    assert letters(netlines.read(made(inception)).items)[2:] == [four, "‖", four, "‖", "G", "F"]
    items = letters(netlines.read(made(resnet), fold=False).items)
    assert items[2:] == [
        *([["CBA", "CB"], []], "+A") * 2,
        [["CBA", "CB"], ["CB"]],
        "+A",
        [["CBA", "CB"], []],
        "+A",
        "G",
        "F",
    ]
    assert letters(netlines.read(made(unet)).items) == ["input", "CA", [["P", "CA", "C"], []], "‖", "C"]
    shortcut = ["C", [["CBA"], []], "+"]
    assert letters(netlines.read(made(nested)).items) == ["input", [["C", [shortcut, ["A"]], "‖"], ["P"]], "‖"]
    assert letters(netlines.read(made(with_ops)).items) == ["input", [["CBA", "other"], []], "+A", "G", "F"]


def test_several_inputs_and_several_outputs():
    assert letters(netlines.read(made(two_starts)).items) == [[["input", "C"], ["input", "C"]], "+", "flatten", "F"]
    assert letters(netlines.read(made(two_ends)).items) == ["input", "CBA", [["flatten", "F"], ["G", "F"]]]
    assert not netlines.read(made(two_ends)).items[-1].joins and "do not meet" in figures.network_alt(made(two_ends))


def test_crossing_branches_are_numbered():
    net = netlines.read(made(dense_blocks))
    assert not any(isinstance(item, Fork | Repeat) for item in net.items)
    assert [line.number for line in net.items] == list(range(1, len(net.items) + 1))
    *_, last = net.items
    assert last.marks[0].kind == "‖" and len(last.sources) == 4
    assert any("reads" in text for text in said(figures.network(made(dense_blocks))))
    assert [line.sources for line in netlines.read(made(early_join)).items][-1] == (1, 5)


def test_the_bias_of_a_nameless_layer_is_not_invented():
    words = [mark for line in netlines.read(made(with_ops)).items if isinstance(line, Line) for mark in line.marks]
    assert "LayerNormalization" in figures.network_alt(made(with_ops))
    assert all(mark.kind in (*cbapd.NAMES, "prepare") for mark in words)


# --- what is drawn ------------------------------------------------------------------------------------------


@every_net
def test_every_text_is_large_enough_inside_and_apart(maker):
    fig = figures.network(made(maker))
    assert fig.get_figwidth() == style.WIDTH
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph
        FigureCanvasAgg(fig).draw()
    boxes = []
    for text in fig.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            assert text.get_fontsize() >= style.SMALL, text
            assert box.x0 >= -0.5 and box.y0 >= -0.5, text
            assert box.x1 <= fig.bbox.width + 0.5 and box.y1 <= fig.bbox.height + 0.5, text
            boxes.append((text, box.shrunk(0.9, 0.9)))
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)


@every_net
def test_the_palette_holds_and_the_marks_are_those_of_the_layers(maker):
    fig = figures.network(made(maker), legend=False)
    figures.mime_bundle(fig, "a net that is drawn line by line")  # raises for a colour without a dark partner
    drawn = sum(text in "CBAPDFG+‖…" for text in said(fig))
    net = netlines.read(made(maker))

    def lettered(items):
        for item in items:
            inside = [item] if isinstance(item, Line) else []
            for part in getattr(item, "branches", [getattr(item, "items", ())]):
                inside += lettered(part)
            yield from inside

    marks = [mark.kind for line in lettered(net.items) for mark in line.marks]
    assert drawn == sum(kind not in ("input", "prepare", "flatten") for kind in marks)


def test_the_numbers_of_the_figure_are_the_models():
    texts = said(figures.network(made(baseline)))
    assert {"16 × 16 × 6", "480", "1,536", "196,736", "1,290", "198,506 parameters in all"} <= set(texts)
    texts = said(figures.network(made(resnet)))
    twice = 2 * sum(w.shape.num_elements() for layer in made(resnet).layers[4:7] for w in layer.weights)
    assert f"{twice:,}" in texts and "2 times:" in texts


def test_the_legend_names_what_is_there_and_can_be_left_out():
    assert "dropout" in said(figures.network(made(baseline)))
    assert "dropout" not in said(figures.network(made(resnet)))
    assert "dropout" not in said(figures.network(made(baseline), legend=False))
    alone = said(figures.cbapd_legend())
    assert [word for word in alone if len(word) == 1] == list("CBAPD") and "pooling" in alone
    everything = said(figures.cbapd_legend(list(cbapd.NAMES)))
    assert set(cbapd.NAMES.values()) <= set(everything)
    for wrong in ("CX", "", ["convolution"]):
        with pytest.raises(ValueError, match="kinds"):
            figures.cbapd_legend(wrong)


def outline(kind):
    """Return the shape of a mark without its letter and without its colour: True where it is drawn."""
    fig, ax = style.canvas(1)
    cbapd.mark(ax, kind, 0.5, 0.5)
    for text in list(ax.texts):
        text.remove()
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100)
    pixels = np.asarray(Image.open(buffer).convert("L"))[:100, :100]
    return pixels < 250


def test_the_five_shapes_differ_without_letter_and_without_colour():
    shapes = {kind: outline(kind) for kind in "CBAPD"}
    for (one, a), (other, b) in itertools.combinations(shapes.items(), 2):
        assert (a & b).sum() / (a | b).sum() < 0.85, (one, other)  # intersection over union
    colours = set()
    for kind in "CBAPD":
        fig, ax = style.canvas(1)
        cbapd.mark(ax, kind, 0.5, 0.5)
        (patch,) = ax.patches
        colours.add((patch.get_facecolor(), patch.get_edgecolor()))
    assert len(colours) == 5
    assert len(set(cbapd.NAMES.values())) == len(cbapd.NAMES)


# --- what is said -------------------------------------------------------------------------------------------


@every_net
def test_the_words_hold_every_number_of_the_drawing(maker):
    fig, words = figures.network(made(maker), legend=False), figures.network_alt(made(maker))
    assert f"{made(maker).count_params():,} parameters in all" in words
    numbers = {text for text in said(fig) if re.fullmatch(r"\d[\d,]*|\d+( × \d+)+", text)}
    missing = [number for number in numbers if number.replace(" × ", " by ") not in words]
    assert not missing
    assert "@" not in words and "×" not in words and "‖" not in words
    figures.mime_bundle(fig, words)  # long enough, begins with what is seen


def test_the_words_of_the_baseline():
    words = figures.network_alt(made(baseline))
    assert words.startswith("The network baseline from top to bottom, 198,506 parameters in all. Input, then rescaled:")
    assert (
        "Convolution with 6 filters of 5 by 5, same, batch normalisation, activation ReLU, max pooling 2 by 2" in words
    )
    assert "16 by 16 by 6, 480 parameters." in words
    assert "4 branches read the same." in figures.network_alt(made(inception))
    assert "A shortcut leads past it unchanged." in figures.network_alt(made(resnet))


def test_what_is_no_built_model_is_refused():
    for draw in (figures.network, figures.network_alt):
        with pytest.raises(TypeError, match="model="):
            draw("net")
        with pytest.raises(ValueError, match="not built"):
            draw(keras.Sequential([layers.Dense(3)]))
