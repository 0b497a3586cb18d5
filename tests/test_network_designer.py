"""The network designer: its numbers against Keras and `summarize`, its page driven in Chromium as a reader would."""

import json
import math
import random
import re
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import quote

import pytest
from conftest import WIDTH, copied, serious_violations

from cnnlib.widgets import network_rows as net
from cnnlib.widgets.network_designer import DATA, QUANTITIES, TYPES, NetworkDesigner, check_row

NAMES = list(DATA["presets"])
KNOWN = [kind for kind in TYPES if kind not in ("Fixed", "Shared")]


# --- random nets ------------------------------------------------------------------------------------------------


def random_row(rng, kind, places):
    row = {"type": kind}
    pairs = rng.random() < 0.2

    def side(values):
        return [rng.choice(values), rng.choice(values)] if pairs else rng.choice(values)

    if kind in ("Conv2D", "DepthwiseConv2D"):
        row |= {
            "kernel_size": side([1, 2, 3, 5]),
            "padding": rng.choice(["valid", "same"]),
            "use_bias": rng.random() < 0.6,
        }
        row["activation"] = rng.choice(["linear", "relu", "tanh"])
        # Keras wants one number for both strides of a depthwise layer
        row |= {"strides": rng.choice([1, 1, 2, 3])} if rng.random() < 0.7 else {"dilation_rate": rng.choice([1, 2, 3])}
        if kind == "Conv2D":
            row["filters"] = rng.randint(1, 20)
    elif "Pooling2D" in kind and "Global" not in kind:
        row |= {"kernel_size": side([1, 2, 3]), "strides": side([1, 2, 3]), "padding": rng.choice(["valid", "same"])}
    elif kind == "BatchNormalization":
        row |= {"scale": rng.random() < 0.7, "center": rng.random() < 0.7}
    elif kind == "ZeroPadding2D":
        row["padding"] = rng.choice([0, 1, 3, [[1, 0], [2, 1]]])
    elif kind == "Dense":
        row |= {"units": rng.choice([None, rng.randint(1, 40)]), "use_bias": rng.random() < 0.6}
    elif kind == "Dropout":
        row["rate"] = rng.choice([0.1, 0.25, 0.5])
    elif kind == "InceptionUnit":
        row |= {"filters": rng.randint(1, 6), "strides": rng.choice([1, 2])}
    elif kind == "ResidualBlock":
        row |= {"filters": rng.choice([4, 8]), "strides": rng.choice([1, 2]), "shortcut": rng.choice(DATA["shortcuts"])}
    elif kind == "Activation":
        row["activation"] = rng.choice(DATA["activations"])
    if kind in net.JOINS:
        row["inputs"] = [places - 1, *(rng.randint(-1, places - 1) for _ in range(rng.choice([1, 1, 2])))]
    elif places and rng.random() < 0.15:
        row["inputs"] = [rng.randint(-1, places - 1)]
    if rng.random() < 0.1 and kind not in net.BLOCKS:
        row["trainable"] = False
    return row


def random_layers(rng, most=9):
    """Rows of every type, branches too; some of these nets cannot be."""
    body = [kind for kind in KNOWN if kind not in ("Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Dense")]
    layers = []
    for _ in range(rng.randint(1, most)):
        layers.append(random_row(rng, rng.choice([*body, "Conv2D", "Conv2D", "MaxPooling2D"]), len(layers)))
    for kind in rng.choice(
        [["Flatten", "Dense"], ["GlobalAveragePooling2D", "Dense"], ["GlobalMaxPooling2D"], ["Dense"], []]
    ):
        layers.append(random_row(rng, kind, len(layers)))
    return layers


def mended(layers, settings):
    """The net without the rows that have no output: most of what is left fits."""
    while True:
        widget = NetworkDesigner(layers=layers, **settings)
        bad = next((i for i, row in enumerate(widget.rows) if row["problem"]), None)
        if bad is None:
            return widget
        layers = [dict(layer) for layer in widget.layers]
        del layers[bad]
        if not layers:
            return None
        for i, layer in enumerate(layers):
            if "inputs" in layer:
                places = [place - (place > bad) if place != bad else bad - 1 for place in layer["inputs"]]
                layer["inputs"] = [min(place, i - 1) for place in places]


def random_settings(rng):
    n = rng.choice([rng.randint(4, 40), [rng.randint(4, 40), rng.randint(4, 40)]])
    return dict(n=n, in_channels=rng.randint(1, 6), classes=rng.randint(2, 12), batch_size=rng.choice([1, 2, 7, 32]))


def random_states(count, seed):
    """Designers as a link may set them, with and without problems."""
    rng = random.Random(seed)
    states = []
    while len(states) < count:
        settings = random_settings(rng)
        layers = random_layers(rng)
        widget = mended(layers, settings) if rng.random() < 0.6 else NetworkDesigner(layers=layers, **settings)
        if widget is not None:
            widget.show, widget.scale = rng.choice(QUANTITIES), rng.choice(["linear", "log"])
            widget.current = rng.randrange(len(widget.layers))
            states.append(widget)
    return states


# --- against Keras ----------------------------------------------------------------------------------------------


def leaves_of(rows):
    """The rows of the layers themselves, blocks taken apart."""
    return [leaf for row in rows for leaf in (leaves_of(row["rows"]) if "rows" in row else [row])]


def agrees_with_summary(widget, model):
    """Every number of every layer is that of `summarize`."""
    from cnnlib.summary import summarize

    table = summarize(model)
    theirs = [row for row in table if row.type != "InputLayer"]
    ours = leaves_of(widget.rows)
    key = lambda row: (row[0], str(row[1:]))  # noqa: E731
    numbers = [
        (
            tuple(row["output_shape"]),
            row["params"],
            row["trainable_params"],
            row["macs"],
            row["receptive_field"],
            row["jump"],
        )
        for row in ours
    ]
    expected = [
        (row.output_shape[1:], row.params, row.trainable_params, row.macs, row.receptive_field, row.jump)
        for row in theirs
    ]
    assert sorted(numbers, key=key) == sorted(expected, key=key), widget
    assert widget.params == table.params == model.count_params()
    assert widget.trainable_params == table.trainable_params and widget.macs == table.macs
    batch = widget.batch_size * 4
    assert [row["memory"] for row in ours] == [math.prod(row["output_shape"]) * batch for row in ours]
    assert widget.memory["weights"] == 4 * model.count_params()
    tensors = sum(math.prod(row.output_shape[1:]) for row in theirs)
    assert widget.memory["training"] == (math.prod(widget.input_shape) + tensors) * batch


def built(code):
    names = {}
    exec(code, names)
    return names["model"]


COURSE = dict(
    zip(NAMES, ["baseline", "lenet5", "alexnet8", "vgg16", "inception10", "resnet18", "cifar_resnet"], strict=True)
)


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_the_courses_nets(name):
    from cnnlib import models

    widget, model = NetworkDesigner(layers=name), getattr(models, COURSE[name])()
    agrees_with_summary(widget, model)
    agrees_with_summary(widget, widget.model())
    agrees_with_summary(widget, built(widget.code))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_becomes_rows_and_a_model_again(name):
    from cnnlib import models
    from cnnlib.summary import summarize

    model = getattr(models, COURSE[name])(input_shape=(40, 36, 3), classes=7)
    widget = NetworkDesigner.from_model(model)
    assert widget.input_shape == (40, 36, 3) and widget.classes == 7
    table = [row for row in summarize(model) if row.type != "InputLayer"]
    assert sorted(layer["name"] for layer in widget.layers) == sorted(row.name for row in table)
    assert {layer["type"] for layer in widget.layers} <= set(KNOWN)
    for rebuilt in (model, widget.model(), built(widget.code)):
        agrees_with_summary(widget, rebuilt)
    widget.n, widget.classes = 32, 10  # and it can be changed
    agrees_with_summary(widget, getattr(models, COURSE[name])())


def test_random_designs_against_keras():
    import keras

    rng, checked, kinds, branched = random.Random(5), 0, set(), 0
    while checked < 200:
        settings = random_settings(rng)
        layers = random_layers(rng, 5)
        widget = mended(layers, settings)
        if widget is None:
            continue
        model = widget.model()
        agrees_with_summary(widget, model)
        if checked % 4 == 0:
            agrees_with_summary(widget, built(widget.code))
        kinds |= {row["type"] for row in widget.layers}
        branched += any("inputs" in row for row in widget.layers)
        checked += 1
        if checked % 40 == 0:
            keras.backend.clear_session()
    assert kinds == set(KNOWN) and branched > 50


def test_what_cannot_be_is_refused_by_keras_too():
    """A net that has a problem here cannot be built there: the row is tried in Keras on what it reads."""
    import keras

    rng, tried = random.Random(6), {}
    while sum(tried.values()) < 120:
        widget = NetworkDesigner(layers=random_layers(rng, 5), **random_settings(rng))
        rows = widget.rows
        bad = next((i for i, row in enumerate(rows) if row["problem"]), None)
        if bad is None:
            continue
        layer, row = widget.layers[bad], rows[bad]
        shapes = [widget.input_shape if place < 0 else rows[place]["output_shape"] for place in row["inputs"]]
        if layer["type"] in net.BLOCKS:
            single = (
                NetworkDesigner(layers=[layer | {"inputs": [-1]}], n=shapes[0][:2], in_channels=shapes[0][2])
                if len(shapes[0]) == 3
                else None
            )
            if single is None:
                continue
            with pytest.raises(ValueError):
                built(net.code(single.layers, single.input_shape, 10))
        else:
            taken = [keras.Input(shape) for shape in shapes]
            with pytest.raises(ValueError):
                getattr(keras.layers, layer["type"])(**net.arguments(layer))(
                    taken if layer["type"] in net.JOINS else taken[0]
                )
        tried[layer["type"]] = tried.get(layer["type"], 0) + 1
    assert {"Add", "Concatenate", "ResidualBlock", "Conv2D", "MaxPooling2D"} <= set(tried)


def test_memory_in_use_is_what_a_run_that_frees_at_once_holds():
    """A reckoning of its own: run the graph, and drop what no row that is still to come reads."""
    for name in NAMES:
        widget = NetworkDesigner(layers=name, batch_size=3)
        _, leaves = net.solve(widget.layers, widget.input_shape, widget.classes)
        held, most = {0}, 0
        for i in range(len(leaves)):
            held.add(i)
            most = max(most, sum(leaves[k].size for k in held))
            held = {k for k in held if any(k in leaf.sources for leaf in leaves[i + 1 :]) or k == len(leaves) - 1}
        assert widget.memory["inference"] == most * 4 * 3
    # A chain holds the largest pair of neighbours: the second pair here.
    chain = NetworkDesigner(
        layers=[{"type": "Conv2D", "filters": 10, "padding": "same"}, "Activation", "Flatten"],
        n=8,
        in_channels=1,
        batch_size=1,
    )
    assert chain.memory["inference"] == 2 * 8 * 8 * 10 * 4
    assert chain.memory["training"] == (64 + 3 * 640) * 4


# --- models that are not of this course ---------------------------------------------------------------------------


def applications():
    import keras

    return [
        ("MobileNetV2", lambda: keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=5)),
        ("InceptionV3", lambda: keras.applications.InceptionV3(weights=None, input_shape=(96, 96, 3), classes=5)),
        ("EfficientNetB0", lambda: keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=5)),
    ]


def test_published_nets_come_in_whole():
    from cnnlib.summary import summarize

    for name, make in applications():
        model = make()
        widget, table = NetworkDesigner.from_model(model), summarize(model)
        assert not widget.problem, name
        assert (widget.params, widget.trainable_params, widget.macs) == (
            table.params,
            table.trainable_params,
            table.macs,
        )
        assert len(widget.layers) == len(table) - 1
        assert widget.model().count_params() == built(widget.code).count_params() == table.params, name
        shapes = {row.name: row.output_shape[1:] for row in table}
        assert all(
            row["output_shape"] == shapes[layer["name"]] for layer, row in zip(widget.layers, widget.rows, strict=True)
        )
        fields = {row.name: (row.receptive_field, row.jump) for row in table}
        assert all(
            (row["receptive_field"], row["jump"]) == fields[layer["name"]]
            for layer, row in zip(widget.layers, widget.rows, strict=True)
        )


def test_a_layer_that_is_not_known_is_a_fixed_row():
    import keras
    from keras import layers

    @keras.saving.register_keras_serializable("tests")
    class Odd(layers.Layer):
        def build(self, shape):
            self.weight = self.add_weight(shape=(shape[-1], 3))

        def call(self, x):
            return keras.ops.matmul(x, self.weight)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 3)

    inputs = keras.Input((12, 10, 2))
    x = layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    y = layers.Conv2DTranspose(5, 3, strides=2, name="up")(x)
    y = Odd(name="odd")(y)
    y = layers.LeakyReLU(negative_slope=0.1, name="leaky")(y)
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    model = keras.Model(inputs, layers.Dense(2, name="last")(y))
    widget = NetworkDesigner.from_model(model)
    rows = {layer["name"]: (layer, row) for layer, row in zip(widget.layers, widget.rows, strict=True)}
    assert list(rows) == ["first", "up", "odd", "leaky", "mean", "last"]
    up, odd, leaky = rows["up"], rows["odd"], rows["leaky"]
    assert (up[0]["type"], up[0]["class"], up[1]["output_shape"], up[1]["params"]) == (
        "Fixed",
        "Conv2DTranspose",
        (21, 17, 5),
        3 * 3 * 4 * 5 + 5,
    )
    assert up[1]["macs"] == 10 * 8 * 9 * 4 * 5 and up[1]["receptive_field"] is None
    assert (odd[0]["class"], odd[1]["params"], odd[1]["macs"]) == ("Odd", 15, None)
    assert leaky[0]["shape"] is None and json.loads(leaky[0]["arguments"]) == {"negative_slope": 0.1}
    assert widget.params == model.count_params() == widget.model().count_params()
    assert widget.model().output_shape == model.output_shape
    assert 'layers.Conv2DTranspose(filters=5, kernel_size=(3, 3), strides=(2, 2), name="up")' in widget.code
    assert 'x = Odd(name="odd")(x)  # your own layer' in widget.code
    with pytest.raises(ValueError, match=r"layers\[2\] is a Odd, which only a designer made by from_model"):
        NetworkDesigner(**widget.settings()).model()
    widget.n = (14, 12)  # the rows that are known for one size say so
    assert widget.problem.startswith("layer 2 (Fixed): Conv2DTranspose is known for ((10, 8, 4),) only")
    assert widget.params is None and widget.macs is None and widget.memory is None
    with pytest.raises(ValueError, match="Conv2DTranspose"):
        print(widget.code)
    assert [row["output_shape"] for row in widget.rows[1:]] == [None] * 5


def test_shared_layers_several_inputs_blocks_ops_and_frozen_layers():
    import keras
    from keras import layers

    from cnnlib.summary import summarize

    class Block(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.conv, self.act = layers.Conv2D(4, 3, padding="same"), layers.ReLU()

        def call(self, x):
            return self.act(self.conv(x))

    image, extra = keras.Input((16, 16, 4), name="image"), keras.Input((6,), name="extra")
    shared = layers.Conv2D(4, 3, padding="same", use_bias=False, name="shared")
    x = Block(name="block")(image)
    a, b = shared(x), shared(image)
    x = a + b
    x = keras.ops.relu(x)
    frozen = layers.BatchNormalization(name="frozen", momentum=0.8)
    frozen.trainable = False
    x = frozen(x)
    x = layers.Flatten()(x)
    x = layers.Concatenate()([x, extra])
    model = keras.Model([image, extra], [layers.Dense(3, name="one")(x), layers.Dense(2, name="two")(x)])
    widget, table = NetworkDesigner.from_model(model), summarize(model)
    assert not widget.problem
    kinds = [layer["type"] for layer in widget.layers]
    assert kinds.count("Shared") == 1 and kinds.count("Add") == 1
    assert {layer.get("class") for layer in widget.layers} >= {"InputLayer", "Relu"}
    assert (widget.params, widget.trainable_params, widget.macs) == (table.params, table.trainable_params, table.macs)
    batch_norm = next(layer for layer in widget.layers if layer["type"] == "BatchNormalization")
    assert batch_norm["trainable"] is False and json.loads(batch_norm["arguments"]) == {"momentum": 0.8}
    again = widget.model()
    assert again.count_params() == model.count_params() and [x.shape for x in again.outputs] == [
        x.shape for x in model.outputs
    ]
    assert 'layer_shared = layers.Conv2D(4, 3, padding="same", use_bias=False, name="shared")' in widget.code
    assert "model = keras.Model([inputs, x1], [" in widget.code


def test_from_model_refuses_what_it_cannot_show():
    import keras

    with pytest.raises(TypeError, match="not a Keras model"):
        NetworkDesigner.from_model(3)
    with pytest.raises(ValueError, match="not built"):
        NetworkDesigner.from_model(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(ValueError, match="takes no image"):
        NetworkDesigner.from_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    wide = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="say which sides"):
        NetworkDesigner.from_model(wide)
    with pytest.raises(ValueError, match=r"input_shape=\(8, 8, 1\)"):
        NetworkDesigner.from_model(wide, input_shape=(8, 8, 1))
    assert NetworkDesigner.from_model(wide, input_shape=(8, 9, 3)).rows[-1]["output_shape"] == (6, 7, 2)


# --- Python's settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, error, words",
    [
        (dict(layers="VGG17"), ValueError, "layers='VGG17' is none of .*'VGG16'"),
        (dict(layers=[]), ValueError, "layers has 0 layers: use 1 to 1000"),
        (dict(layers=3), TypeError, "layers=3 is neither"),
        (dict(layers=["Conv3D"]), ValueError, r"layers\[0\]\.type='Conv3D' is none of Conv2D"),
        (dict(layers=[3]), TypeError, r"layers\[0\]=3"),
        (
            dict(layers=[{"type": "Dense", "filters": 3}]),
            ValueError,
            r"layers\[0\] has no 'filters': a Dense has units",
        ),
        (dict(layers=[{"type": "Conv2D", "kernel_size": 0}]), ValueError, r"layers\[0\]\.kernel_size=0"),
        (
            dict(layers=[{"type": "Conv2D", "kernel_size": (1, 2, 3)}]),
            ValueError,
            r"kernel_size=\(1, 2, 3\) has 3 values",
        ),
        (dict(layers=[{"type": "Conv2D", "filters": 2.5}]), TypeError, r"layers\[0\]\.filters=2\.5"),
        (
            dict(layers=[{"type": "Conv2D", "padding": "causal"}]),
            ValueError,
            r"padding='causal' is none of 'valid', 'same'",
        ),
        (dict(layers=[{"type": "Conv2D", "padding": 1}]), TypeError, r"padding=1 is none of"),
        (dict(layers=[{"type": "Conv2D", "activation": "step"}]), ValueError, r"activation='step' is none of"),
        (
            dict(layers=[{"type": "Dropout", "rate": 2}]),
            ValueError,
            r"rate=2 is out of range: use a number from 0 to 1",
        ),
        (dict(layers=[{"type": "Dropout", "rate": "x"}]), TypeError, r"rate='x' is not a number"),
        (dict(layers=[{"type": "ResidualBlock", "shortcut": "none"}]), ValueError, r"shortcut='none'"),
        (
            dict(layers=["Flatten", {"type": "Add", "inputs": [0, 1]}]),
            ValueError,
            r"layers\[1\]\.inputs=\(0, 1\).* below 1",
        ),
        (dict(layers=["Flatten", {"type": "Flatten", "inputs": [0, -1]}]), ValueError, r"a Flatten reads 1 to 1"),
        (dict(layers=[{"type": "Flatten", "trainable": 1}]), TypeError, r"layers\[0\]\.trainable=1"),
        (dict(layers=[{"type": "Flatten", "arguments": "x"}]), ValueError, r"arguments='x' is no JSON object"),
        (
            dict(layers=[{"type": "Flatten", "name": "a"}, {"type": "Flatten", "name": "a"}]),
            ValueError,
            "two layers have the name 'a'",
        ),
        (
            dict(layers=[{"type": "ZeroPadding2D", "padding": (1, 2, 3)}]),
            ValueError,
            r"padding=\(1, 2, 3\) has a length of 3",
        ),
        (dict(layers=[{"type": "Fixed", "seen": 3}]), TypeError, r"seen=3 is not a list"),
        (dict(layers=[{"type": "Fixed", "window": [[1, 2]]}]), ValueError, r"window=.*\(start, size, jump\)"),
        (dict(n=0), ValueError, "n=0"),
        (dict(n=(3, 2000)), ValueError, r"n\[1\]=2000"),
        (dict(classes=0), ValueError, "classes=0"),
        (dict(batch_size=1.5), TypeError, "batch_size=1.5"),
        (dict(show="flops"), ValueError, "show='flops'"),
        (dict(depth=3), ValueError, "no setting 'depth'"),
    ],
)
def test_bad_settings_name_the_place_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=words):
        NetworkDesigner(**settings)


def test_rows_are_kept_in_one_form_and_not_shared():
    given = [
        "Flatten",
        {"type": "MaxPooling2D", "pool_size": (3, 3), "inputs": (-1,)},
        {"type": "Conv2D", "strides": [2, 2], "activation": None, "inputs": [1]},
    ]
    widget = NetworkDesigner(layers=given)
    assert widget.layers[1] == {
        "type": "MaxPooling2D",
        "kernel_size": 3,
        "strides": 3,
        "padding": "valid",
        "inputs": [-1],
    }
    assert widget.layers[2] == {"type": "Conv2D"} | TYPES["Conv2D"] | {
        "strides": 2
    }  # reading the row before says nothing
    widget.layers[1]["strides"] = 9
    assert NetworkDesigner(layers=given).layers[1]["strides"] == 3
    NetworkDesigner().layers[1]["filters"] = 99
    assert NetworkDesigner().layers[1]["filters"] == 6
    assert NetworkDesigner(layers="resnet 18").layers == NetworkDesigner(layers="ResNet18").layers
    again = NetworkDesigner(layers=widget.layers)
    assert again.layers == NetworkDesigner(layers=json.loads(json.dumps(again.layers))).layers
    assert repr(again) == repr(NetworkDesigner(**again.settings()))
    assert all(check_row("x", net.complete(kind)) == net.complete(kind) for kind in TYPES)


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, heard = NetworkDesigner(), []
    box = ipywidgets.HBox([widget, NetworkDesigner(layers="VGG16")])
    widget.observe(lambda change: heard.append((change["name"], change["new"])), ["n", "layers"])
    widget.set_state({"n": 20, "layers": "LeNet5"})  # as from the page
    assert ("n", 20) in heard and dict(heard)["layers"] == NetworkDesigner(layers="LeNet5").layers
    assert widget.rows[-1]["output_shape"] == (10,) and box.children[0] is widget


def test_schema_takes_every_state_that_python_makes_and_no_other():
    import jsonschema

    schemas = NetworkDesigner.schema()
    for widget in [*random_states(60, 3), *(NetworkDesigner(layers=name) for name in NAMES)]:
        for key, value in widget.settings().items():
            jsonschema.validate(value, schemas[key])
    fixed = net.complete("Fixed") | {"class": "Odd", "seen": [[3, 3, 1]], "shape": [2], "window": [[0, 1, 1]] * 2}
    jsonschema.validate([check_row("layers", fixed, 0)], schemas["layers"])
    for key, value in [("layers", []), ("layers", [{"type": "Conv2D"}]), ("layers", "VGG17"), ("n", 0), ("show", "x")]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schemas[key])


def test_a_net_that_dies_says_where_and_why():
    widget = NetworkDesigner(layers="LeNet5", n=12)
    assert widget.problem.startswith("layer 4 (Conv2D): kernel_size=5 covers 5 input cells but n=4")
    assert [row["output_shape"] for row in widget.rows[3:]] == [None] * 6
    assert widget.rows[4]["problem"] == "it reads row 4, which has no output"
    assert widget.params is None and widget.macs is None and widget.memory is None
    assert "covers 5 input cells" in widget.fallback()
    with pytest.raises(ValueError, match="layer 4"):
        widget.model()
    block = NetworkDesigner(layers=[{"type": "ResidualBlock", "strides": 2}])
    assert "cannot be added" in block.problem


# --- the page ---------------------------------------------------------------------------------------------------

# Every number in the table, the totals, the code and what is said to be wrong.
READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget='network-designer']");
  const rows = [...root.querySelectorAll("tbody > tr:not(.edit)")].map((row) => [row.dataset.state,
    ...[...row.querySelectorAll("td")].map((cell) => cell.textContent), row.querySelector(".share span").style.getPropertyValue("--share")]);
  const note = root.querySelector(".cnnlib-problem");
  return { rows, totals: [...root.querySelectorAll(".cnnlib-net-totals > div")].map((fact) => fact.querySelector("b").textContent),
    code: root.querySelector("section").hidden ? null : root.querySelector("pre").textContent, note: note.hidden ? "" : note.textContent };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='network-designer']")


def read(page):
    return page.evaluate(READ)


def rounded(number, digits):
    """As the page writes numbers: halves away from zero, no zeros behind."""
    value = Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    whole, _, rest = f"{value:,f}".partition(".")
    return f"{whole}.{rest}".rstrip("0").rstrip(".") if rest else whole


def in_bytes(number):
    unit = math.floor(math.log10(number or 1) / 3)
    return f"{rounded(number / 1000**unit, 1)} {['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'][unit]}"


def times(value):
    return "×".join(f"{side:,}" for side in (value if isinstance(value, (tuple, list)) else (value,)))


def agrees(widget, shown):
    """Everything that the page shows is what Python computes."""
    rows = widget.rows
    first = {"output_shape": widget.input_shape, "params": 0, "macs": 0, "receptive_field": 1, "jump": 1, "problem": ""}
    first["memory"] = 4 * widget.batch_size * math.prod(widget.input_shape)
    key = widget.show
    values = [row[key] if key != "receptive_field" else 0 for row in rows]
    whole, most = sum(value or 0 for value in values), max((value or 0 for value in values), default=0)
    side = widget.input_shape[0]
    expected = []
    for row in [first, *rows]:
        dead = bool(row["problem"])
        output = (
            times(row["output_shape"])
            if not dead
            else "not computed"
            if row["problem"].startswith("it reads row")
            else "no output"
        )
        cells = [
            ("waits" if output == "not computed" else "bad") if dead else "",
            output or "–",
            *("–" if row[name] is None else f"{row[name]:,}" for name in ("params", "macs")),
            "–" if dead else in_bytes(row["memory"]),
            *("–" if row[name] is None else times(row[name]) for name in ("receptive_field", "jump")),
        ]
        if key == "receptive_field":
            own, all_, longest = row[key], side, side
            own = own[0] if isinstance(own, tuple) else own
        else:
            own, all_, longest = row[key], whole, most
            if key == "memory" and own is not None:  # of one image: the logarithm would see the batch
                own, all_, longest = (value // widget.batch_size for value in (own, whole, most))
        cells.append("–" if own is None or not all_ else f"{rounded(100 * own / all_, 1)} %")
        share = 0
        if own is not None and longest:
            share = math.log1p(own) / math.log1p(longest) if widget.scale == "log" else own / longest
        expected.append((cells, 100 * min(1, share)))
    same = len(expected) == len(shown["rows"]) and all(
        cells == row[:-1] and abs(float(row[-1].rstrip("%")) - share) < 0.0501
        for (cells, share), row in zip(expected, shown["rows"], strict=True)
    )
    if widget.problem:
        totals, code = ["–"] * 5, None
    else:
        memory = widget.memory
        numbers = [in_bytes(memory[name]) for name in ("weights", "training", "inference")]
        totals, code = [f"{widget.params:,}", f"{widget.macs:,}", *numbers], widget.code
    return same and totals == shown["totals"] and code == shown["code"] and bool(widget.problem) <= bool(shown["note"])


def address(widget):
    """The page's address that holds all settings of the widget."""
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    return "#" + "&".join(f"network-designer.{key}={quote(value)}" for key, value in plain.items())


def put(page, widget):
    """Give the page's model new settings, as a link does, and read the page."""
    page.evaluate(
        """(hash) => { history.replaceState(null, "", hash); dispatchEvent(new Event("hashchange")); }""",
        address(widget),
    )
    return read(page)


def layer_button(page, i):
    return root(page).locator("tbody th .cnnlib-button:not(.fold)").nth(i)


def choose(page, i):
    layer_button(page, i).click()
    return root(page).locator(".edit")


@pytest.mark.parametrize("name", NAMES)
def test_choosing_a_net_shows_pythons_numbers(open_widget, name):
    page = open_widget(NetworkDesigner(layers=[{"type": "Flatten"}], n=48, classes=12, batch_size=8))
    root(page).get_by_label("Net", exact=True).select_option(name)
    widget = NetworkDesigner(layers=name, n=48, classes=12, batch_size=8)
    assert agrees(widget, read(page))
    assert root(page).get_by_label("Net", exact=True).input_value() == name


def test_fixed_rows_are_shown(open_widget):
    _, make = applications()[0]
    widget = NetworkDesigner.from_model(make(), show="params")
    page = open_widget(widget, width=390)
    assert agrees(widget, read(page))
    i = next(i for i, layer in enumerate(widget.layers) if layer["type"] == "Fixed")
    edit = choose(page, i)
    assert not edit.get_by_label("Layer type").is_visible() and edit.get_by_role("button", name="Remove").is_visible()


def test_a_shared_row_names_a_layer_before_it(open_widget):
    page = open_widget(NetworkDesigner())
    block, later = {"type": "InceptionUnit", "name": "block"}, {"type": "Flatten", "name": "later"}
    for name in ({}, {"name": "constructor"}, {"name": "later"}, {"name": "block"}):
        shared = {"type": "Shared"} | name
        widget = NetworkDesigner(layers=["Rescaling", block, shared, later])
        assert "no row before it has that name" in widget.problem and agrees(widget, put(page, widget)), name
        # Nor does a row that failed lend its name.
        again = NetworkDesigner(layers=["Rescaling", block, shared, {**shared, "inputs": [1]}])
        assert "no row before it has that name" in again.rows[3]["problem"] and agrees(again, put(page, again)), name


def test_a_layer_behind_a_single_number(open_widget):
    page = open_widget(NetworkDesigner())
    number = {"type": "Fixed", "class": "Mine", "seen": [[32, 32, 3]], "shape": [], "window": None}
    for kind in ("Dense", "BatchNormalization", "Activation", "Flatten", "Conv2D"):
        widget = NetworkDesigner(layers=[number | {"params": 0, "trainable_params": 0, "macs": 0}, kind])
        assert bool(widget.problem) == (kind in ("Dense", "BatchNormalization", "Conv2D")), kind
        assert agrees(widget, put(page, widget)), kind


def test_first_slider_changes_what_is_seen(open_widget):
    page = open_widget(NetworkDesigner())
    first = root(page).locator("input").first
    assert first.get_attribute("type") == "range"
    before = root(page).inner_text()
    first.press("ArrowRight")
    assert root(page).inner_text() != before
    assert agrees(NetworkDesigner(n=33), read(page))
    root(page).get_by_label("Input width").press("ArrowLeft")  # and apart from the height
    assert agrees(NetworkDesigner(n=(33, 32)), read(page))
    first.press("ArrowLeft")
    assert agrees(NetworkDesigner(n=32), read(page))


def test_every_setting_of_a_layer_can_be_changed(open_widget):
    page = open_widget(
        NetworkDesigner(
            layers=["Conv2D", "BatchNormalization", "Dropout", "ResidualBlock", "ZeroPadding2D", "Flatten", "Dense"],
            current=0,
        )
    )
    edit = choose(page, 0)
    for label in ("Filters f", "Kernel size k", "Strides s"):
        edit.get_by_label(label).press("ArrowRight")
    edit.get_by_label("same", exact=True).check()
    edit.get_by_label("Activation").select_option("relu")
    edit.get_by_label("Use bias").uncheck()
    edit.get_by_label("Trainable").uncheck()
    edit = choose(page, 1)
    edit.get_by_label("Scale γ").uncheck()
    edit.get_by_label("Offset β").uncheck()
    choose(page, 2).get_by_label("Rate", exact=True).press("ArrowRight")
    edit = choose(page, 3)
    edit.get_by_label("Shortcut").select_option("projection")
    edit.get_by_label("Filters f").press("ArrowLeft")
    choose(page, 4).get_by_label("Zeros per side p").press("ArrowRight")
    choose(page, 6).get_by_label("As many units as classes").check()
    layers = [
        {
            "type": "Conv2D",
            "filters": 20,
            "kernel_size": 4,
            "strides": 2,
            "padding": "same",
            "activation": "relu",
            "use_bias": False,
            "trainable": False,
        },
        {"type": "BatchNormalization", "scale": False, "center": False},
        {"type": "Dropout", "rate": 0.55},
        {"type": "ResidualBlock", "filters": 56, "shortcut": "projection"},
        {"type": "ZeroPadding2D", "padding": 2},
        "Flatten",
        {"type": "Dense", "units": None},
    ]
    assert agrees(NetworkDesigner(layers=layers, current=6), read(page))


def kinds(page):
    return [re.sub(r"^\d+ ", "", text) for text in root(page).locator("tbody th .cnnlib-button b").all_text_contents()]


def status(page):
    return root(page).locator("[role=status]").text_content()


def test_add_move_remove_by_keyboard_keep_the_focus_and_say_what_happened(open_widget):
    page = open_widget(NetworkDesigner(layers=["Rescaling", "Conv2D", "Flatten", "Dense"], current=0))
    layer_button(page, 0).focus()
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.querySelector('b')?.textContent"
    assert page.evaluate(focused) == "2 Conv2D"
    page.keyboard.press("Alt+ArrowUp")
    assert kinds(page) == ["Conv2D", "Rescaling", "Flatten", "Dense"] and page.evaluate(focused) == "1 Conv2D"
    page.keyboard.press("End")
    assert page.evaluate(focused) == "4 Dense"
    page.keyboard.press("Delete")
    assert kinds(page) == ["Conv2D", "Rescaling", "Flatten"] and page.evaluate(focused) == "3 Flatten"
    page.keyboard.press("Home")
    edit = root(page).locator(".edit")
    edit.get_by_role("button", name="Add", exact=True).press("Enter")
    assert kinds(page) == ["Conv2D", "Conv2D", "Rescaling", "Flatten"]
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('Added layer 2 of 4: Conv2D.')"
    )
    assert page.evaluate("document.activeElement.textContent") == "Add"
    edit.get_by_role("button", name="Move later").press("Enter")
    assert kinds(page) == ["Conv2D", "Rescaling", "Conv2D", "Flatten"]
    assert page.evaluate("document.activeElement.textContent") == "Move later"  # though the row has moved
    for _ in range(4):
        edit.get_by_role("button", name="Remove").press("Enter")
    assert len(kinds(page)) == 1  # the last layer stays
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('The last layer stays')")


def test_keyboard_reaches_everything_and_focus_is_seen(open_widget):
    page = open_widget(NetworkDesigner(layers="ResNet18", current=4))
    reached = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or page.evaluate(
            "document.activeElement === document.body"
        )
    ids = [c.get_attribute("id") for c in root(page).locator("input[type=range], select").all() if c.is_visible()]
    assert set(ids) <= reached and len(ids) >= 9
    assert {"Add", "Remove", "Take apart", "▸"} <= reached
    assert sum(text.startswith(("1 ", "2 ", "3 ")) for text in reached) == 0  # the list is one stop


def test_a_block_is_unfolded_and_taken_apart(open_widget):
    page = open_widget(
        NetworkDesigner(
            layers=[
                {"type": "Conv2D", "filters": 8},
                {"type": "InceptionUnit", "filters": 4, "strides": 2},
                {"type": "ResidualBlock", "filters": 32, "strides": 2, "shortcut": "zeros"},
            ],
            current=0,
        )
    )
    widget = NetworkDesigner(
        layers=[
            {"type": "Conv2D", "filters": 8},
            {"type": "InceptionUnit", "filters": 4, "strides": 2},
            {"type": "ResidualBlock", "filters": 32, "strides": 2, "shortcut": "zeros"},
        ]
    )
    fold = root(page).get_by_role("button", name="Layers of layer 2, Inception unit")
    fold.press("Enter")
    assert fold.get_attribute("aria-expanded") == "true"
    inner = page.evaluate(
        """() => [...document.querySelectorAll("tr.inner")].map((row) => [...row.querySelectorAll("td")].slice(0, 3).map((cell) => cell.textContent))"""
    )
    assert inner == [
        [times(row["output_shape"]), f"{row['params']:,}", f"{row['macs']:,}"] for row in widget.rows[1]["rows"]
    ]
    fold.press("Enter")
    assert root(page).locator("tr.inner").count() == 0
    before = read(page)["totals"]
    for i, count in ((1, 20), (21, 10)):
        choose(page, i).get_by_role("button", name="Take apart").press("Enter")
        assert page.evaluate("document.activeElement.closest('tr') != null"), "the focus stays in the table"
        page.wait_for_function(
            "words => document.querySelector('[role=status]').textContent.includes(words)",
            arg=f"In the block's place stand its {count} layers.",
        )
    assert len(kinds(page)) == 31 and read(page)["totals"] == before
    assert [layer["type"] for layer in net.expand(widget.layers[1])] == kinds(page)[1:21]
    names = {}
    exec(read(page)["code"], names)
    assert names["model"].count_params() == widget.params


def test_branches_by_hand(open_widget):
    page = open_widget(
        NetworkDesigner(
            layers=[
                {"type": "Conv2D", "filters": 8, "padding": "same"},
                {"type": "Conv2D", "filters": 8, "padding": "same"},
                "Activation",
            ],
            current=2,
        )
    )
    edit = root(page).locator(".edit")
    edit.get_by_label("Layer type").select_option("Add")  # finds the last output of the same shape
    assert agrees(
        NetworkDesigner(
            layers=[{"type": "Conv2D", "filters": 8, "padding": "same"}] * 2 + [{"type": "Add", "inputs": [1, 0]}],
            current=2,
        ),
        read(page),
    )
    edit.get_by_label("and").first.select_option("-1")  # the input has 3 channels
    note = read(page)["note"]
    assert "32×32×8 and 32×32×3 cannot be added" in note and 'type="Concatenate"' in note
    edit.get_by_label("and").last.select_option("0")
    root(page).get_by_role("button", name='Layer 3: type="Concatenate"').click()
    want = NetworkDesigner(
        layers=[{"type": "Conv2D", "filters": 8, "padding": "same"}] * 2
        + [{"type": "Concatenate", "inputs": [1, -1, 0]}],
        current=2,
    )
    assert agrees(want, read(page)) and want.rows[-1]["output_shape"] == (32, 32, 19)
    # a row that others read goes: they read what it read
    choose(page, 0).get_by_role("button", name="Remove").click()
    want = NetworkDesigner(
        layers=[{"type": "Conv2D", "filters": 8, "padding": "same"}, {"type": "Concatenate", "inputs": [0, -1, -1]}]
    )
    assert agrees(want, read(page))


DEAD = {
    "window": (dict(layers="LeNet5", n=12), 4, "The window covers 5 cells, the map has only 4.", 4),
    "dilated": (
        dict(layers=[{"type": "Conv2D", "kernel_size": 5, "dilation_rate": 4}], n=10),
        1,
        "The window covers 17 cells",
        4,
    ),
    "refused": (
        dict(layers=[{"type": "Conv2D", "strides": 2, "dilation_rate": 2}, "Flatten"]),
        1,
        "Keras refuses strides above 1",
        3,
    ),
    "map": (dict(layers=["Conv2D", "Flatten", "Conv2D"]), 3, "It needs a map", 2),
    "block": (
        dict(layers=[{"type": "Conv2D", "filters": 32}, {"type": "ResidualBlock", "filters": 64}]),
        2,
        "In its layer 6, Add: 30×30×64 and 30×30×32 cannot be added",
        4,
    ),
    "join": (
        dict(layers=["Conv2D", "Conv2D", {"type": "Concatenate", "inputs": [1, 0]}]),
        3,
        "cannot stand behind one another",
        1,
    ),
    "alone": (dict(layers=["Conv2D", {"type": "Add", "inputs": [0]}]), 2, "It needs two inputs or more.", 1),
    "fixed": (
        dict(layers=["Flatten", {"type": "Fixed", "class": "Odd", "seen": [[300]], "shape": [4]}], n=32),
        2,
        "It is known for an input of 300 only, and reads 3,072.",
        2,
    ),
}


@pytest.mark.parametrize("case", DEAD)
def test_a_shape_that_dies_says_why_and_each_offer_mends_it(open_widget, case):
    settings, place, words, least = DEAD[case]
    widget = NetworkDesigner(**settings)
    page = open_widget(widget)
    seen = read(page)
    assert seen["note"].startswith(f"Layer {place},") and words in seen["note"] and agrees(widget, seen)
    assert seen["rows"][place][0] == "bad" and all(row[0] == "waits" for row in seen["rows"][place + 1 :])
    waiting = len(widget.layers) - place
    assert (f"cannot be computed: {waiting}." in seen["note"]) == (waiting > 0)
    offers = root(page).locator(".cnnlib-problem button").all_text_contents()
    assert len(offers) >= least, offers
    for offer in offers:
        put(page, widget)
        root(page).get_by_role("button", name=offer, exact=True).click()
        rows = read(page)["rows"]
        assert all(row[0] == "" for row in rows[: place + (not offer.startswith("Without"))]), offer
        assert page.evaluate("document.activeElement !== document.body")  # the focus is not lost with the button


def test_an_end_that_is_no_number_a_class_is_told(open_widget):
    page = open_widget(NetworkDesigner(layers=["Conv2D"]))
    assert read(page)["note"].startswith("The net ends in 30×30×16, not in one number for each of 10 classes.")
    root(page).get_by_role("button", name="Add GlobalAveragePooling2D at the end").click()
    root(page).get_by_role("button", name="Add Dense at the end").click()
    assert read(page)["note"] == "" and kinds(page) == ["Conv2D", "GlobalAveragePooling2D", "Dense"]


def test_arithmetic_is_that_of_the_row(open_widget):
    page = open_widget(NetworkDesigner(batch_size=32))
    lines = dict(re.findall(r"(\w+)\n(.+)", root(page).locator(".edit dl").inner_text()))
    assert lines["Output"] == "⌈n / s⌉ = ⌈32 / 1⌉ = 32" and lines["Parameters"] == "5·5·3·6 + 6 = 456"
    assert lines["MACs"] == "32·32·5·5·3·6 = 460,800" and lines["Memory"] == "32·32·32·6·4 = 786,432 bytes"
    assert lines["Field"] == "1 + (5 − 1)·1 = 5"
    choose(page, 2)
    assert "4·6 = 24, of which 12 are trained" in root(page).locator(".edit dl").inner_text().replace("6·4", "4·6")


def test_state_from_the_address_and_a_bad_one(open_widget):
    page = open_widget(
        NetworkDesigner(),
        fragment="#network-designer.layers=VGG16&network-designer.n=64&network-designer.show=params&network-designer.scale=log",
    )
    assert agrees(NetworkDesigner(layers="VGG16", n=64, show="params", scale="log"), read(page))
    root(page).get_by_label("Net", exact=True).select_option("Inception10")
    page.wait_for_function("location.hash.includes('network-designer.layers=')")
    page = open_widget(
        NetworkDesigner(),
        fragment='#network-designer.n=5000&network-designer.layers=[{"type":"Dense"}]&network-designer.classes=5',
    )
    assert page.locator(".cnnlib-left-out").count() == 1 and agrees(NetworkDesigner(classes=5), read(page))
    # Places that come later, further arguments that are code: a link may say anything.
    rows = [
        net.complete("Flatten") | {"inputs": [1]},
        net.complete("Flatten") | {"arguments": '{"name=1)(import os)": 1, "name": "a\\"b"}'},
    ]
    page = open_widget(NetworkDesigner(), fragment=f"#network-designer.layers={quote(json.dumps(rows))}")
    assert "import os" not in read(page)["code"] and len(read(page)["rows"]) == 3
    # A layer of the reader's own that has seen nothing and reads nothing.
    nothing = {"type": "Fixed", "class": "X", "seen": [], "inputs": [], "shape": None, "window": None, "macs": 0}
    rows = [nothing | {"params": 0, "trainable_params": 0}]
    page = open_widget(NetworkDesigner(), fragment=f"#network-designer.layers={quote(json.dumps(rows))}")
    assert page.locator(".cnnlib-left-out").count() == 0 and kinds(page) == ["X"]
    assert root(page).locator(".cnnlib-problem").first.is_visible()


def test_changes_are_announced(open_widget):
    page = open_widget(NetworkDesigner())
    page.wait_for_timeout(400)
    assert status(page) == ""
    root(page).locator("input").first.press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert f"{NetworkDesigner(n=33).params:,} parameters" in status(page)
    put(page, NetworkDesigner(layers="LeNet5", n=12))
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('Layer 4, Conv2D, has no output')"
    )


def test_touch(open_widget):
    page = open_widget(NetworkDesigner(layers="ResNet18"), width=390, touch=True)
    layer_button(page, 6).tap()
    assert "Layer 7 of 14" in root(page).locator(".edit").inner_text()
    root(page).get_by_role("button", name="Layers of layer 7, residual block").tap()
    assert root(page).locator("tr.inner").count() == 9
    root(page).get_by_text("memory", exact=True).tap()
    assert (
        root(page).locator("td[data-key=memory]").first.is_visible()
        and not root(page).locator("td[data-key=macs]").first.is_visible()
    )


STATES = {
    "start": dict(),
    "long": dict(layers="VGG16", n=224, batch_size=256, show="memory"),
    "blocks": dict(layers="ResNet18", current=6, show="params", scale="log"),
    "dead": dict(layers="LeNet5", n=12, current=3, show="receptive_field"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, state, dark):
    page = open_widget(NetworkDesigner(**STATES[state]), width=390, dark=dark)
    assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header",))
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    for label in ("parameters", "MACs", "memory", "field"):
        root(page).get_by_label(label, exact=True).check()
        assert page.evaluate(WIDTH) <= 390
    if state == "blocks":
        root(page).locator(".fold").nth(6).click()
        choose(page, 0)
        assert page.evaluate(WIDTH) <= 390
    assert not serious_violations(page, ("empty-table-header",))


def test_wide_screens_show_every_column(open_widget):
    page = open_widget(NetworkDesigner(layers="VGG16"))
    assert all(cell.is_visible() for cell in root(page).locator("tbody tr:first-child td").all())
    assert page.evaluate(WIDTH) <= 1280


def test_paper_shows_the_table(open_widget):
    page = open_widget(NetworkDesigner())
    assert not page.locator(".cnnlib-fallback table").is_visible()
    page.emulate_media(media="print")
    text = page.locator(".cnnlib-fallback").inner_text()
    assert page.locator(".cnnlib-fallback table").is_visible() and not root(page).is_visible()
    assert "198,506 parameters, 198,494 of them trained" in text and "658,688" in text and "16 × 16 × 6" in text


def test_nothing_moves_by_itself(open_widget):
    page = open_widget(NetworkDesigner(), reduced_motion=True)
    assert page.evaluate("document.getAnimations().length") == 0


def test_only_what_changes_is_written(open_widget):
    """A step of the batch size touches the memory of 56 layers, and no other cell: long nets stay quick."""
    page = open_widget(NetworkDesigner(layers="VGG16"))
    page.evaluate("""() => { window.touched = new Set(); new MutationObserver((all) => all.forEach(({ target }) => touched.add(target.dataset?.key ?? target.tagName)))
      .observe(document.querySelector("[data-cnnlib-widget] table"), { subtree: true, childList: true, characterData: true }); }""")
    root(page).get_by_label("Batch size").press("ArrowRight")
    assert {"memory"} <= set(page.evaluate("[...touched]")) <= {"memory", "DL"}


def test_the_code_is_copied(open_widget):
    page = open_widget(NetworkDesigner())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root(page).get_by_role("button", name="Copy", exact=True).press("Enter")
    page.get_by_role("button", name="Copied").wait_for()
    copied(page, NetworkDesigner().code)


def test_a_widget_that_goes_leaves_no_listener(open_page, tmp_path):
    from cnnlib.widgets.base import notebook_module, stylesheet

    page = open_page(_blank(tmp_path, notebook_module("network_designer.js", ("stack.js",)), stylesheet()))
    state = json.dumps(NetworkDesigner().settings())
    left = page.evaluate(
        """async ([code, state]) => {
            const listeners = new Set(), values = JSON.parse(state), url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
            const model = { get: (key) => values[key], set: (key, value) => { values[key] = value; }, save_changes() {},
              on: (event, action) => listeners.add(action), off: (event, action) => listeners.delete(action) };
            const stop = (await import(url)).default.render({ model, el: document.querySelector("main") }), before = listeners.size;
            stop();
            return [before, listeners.size];
        }""",
        [notebook_module("network_designer.js", ("stack.js",)), state],
    )
    assert left[0] > 5 and left[1] == 0


def _blank(folder, *_):
    path = folder / "blank.html"
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>blank</title></head><body><main></main></body></html>'
    )
    return path


def test_the_script_is_small():
    """Without what it shares: geometry, ui, stack."""
    from cnnlib.widgets.base import source
    from cnnlib.widgets.page import minify

    if minify is None:
        pytest.skip("no minifier on this machine")
    own = source("network_designer.js").replace("export default", "return")
    assert len(minify.string("text/javascript", f"(() => {{{own}}})()").encode()) <= 18_000
