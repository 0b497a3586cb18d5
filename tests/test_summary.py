"""summary.py against Keras's own counts, TensorFlow's profiler, published numbers and impulses."""

import math
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from cnnlib import geometry
from cnnlib.summary import Row, Summary, summarize

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def row_of(rows, name):
    return next(row for row in rows if row.name == name)


def worth(why):
    """Work out the left side of an arithmetic such as 5·5·3·6 + 6 = 456 (...), and read the right side."""
    left, _, right = re.sub(r" \(.*", "", why).partition(" = ")
    value = sum(math.prod(map(int, term.split("·"))) for term in left.split(" + "))
    assert not right or int(right.replace(",", "")) == value
    return value


def check_against_keras(rows, model):
    """Every row has its layer's name, shape, counts, and an arithmetic that gives them."""
    for row, layer in zip(rows, model.layers, strict=True):
        assert (row.name, row.type) == (layer.name, type(layer).__name__)
        assert row.output_shape == tuple(layer.output.shape)
        assert row.params == layer.count_params()
        assert row.trainable_params == sum(math.prod(w.shape) for w in layer.trainable_weights)
        assert (worth(row.why) == row.params) if row.params else row.why == "no weights"
        assert worth(row.why_macs) == row.macs if row.macs else row.why_macs == ""
    assert rows.params == model.count_params()


def test_importing_is_light():
    script = "import sys, cnnlib.summary; print([m for m in ('numpy', 'tensorflow', 'keras') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- networks of keras.applications -------------------------------------------------------------------------

# Input side; 10^9 MACs (He et al. 2016, table 1, and Sandler et al. 2018, table 4; the others as widely quoted);
# receptive field of the last map as TensorFlow's receptive_field library gives it (Araujo, Norris and Sim 2019,
# https://distill.pub/2019/computing-receptive-fields), None where it has no such net.
NETWORKS = {
    "VGG16": (224, 15.5, 212),
    "ResNet50": (224, 3.8, 483),
    "MobileNetV2": (224, 0.3, None),
    "InceptionV3": (299, 5.7, 1311),
    "DenseNet121": (224, 2.8, None),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, keras):
    side = NETWORKS[request.param][0]
    model = getattr(keras.applications, request.param)(weights=None, input_shape=(side, side, 3))
    yield request.param, model, summarize(model)
    keras.backend.clear_session()


def test_networks_equal_keras(network):
    _, model, rows = network
    check_against_keras(rows, model)


def test_networks_have_the_published_size(network):
    name, _, rows = network
    side, billions, field = NETWORKS[name]
    assert rows.macs / 1e9 == pytest.approx(billions, abs=0.07)
    last = [row for row in rows if row.receptive_field is not None][-1]
    assert last.jump == 32
    assert field is None or last.receptive_field == field


def test_layers_of_networks_equal_geometry(keras, network):
    _, model, rows = network
    layers = keras.layers
    counted = 0
    for row, layer in zip(rows, model.layers, strict=True):
        out = row.output_shape[1:-1]
        if type(layer) is layers.Conv2D:
            c_in = layer.input.shape[-1]
            assert row.params == geometry.conv_params(layer.kernel_size, c_in, layer.filters, layer.use_bias)
            assert row.macs == geometry.conv_macs(out, layer.kernel_size, c_in, layer.filters)
        elif type(layer) is layers.DepthwiseConv2D:
            c = layer.input.shape[-1]
            assert row.params == geometry.conv_params(layer.kernel_size, c, c, layer.use_bias, c)
            assert row.macs == geometry.conv_macs(out, layer.kernel_size, c, c, c)
        elif type(layer) is layers.Dense:
            assert row.params == geometry.dense_params(layer.input.shape[-1], layer.units, layer.use_bias)
            assert row.macs == geometry.dense_macs(layer.input.shape[-1], layer.units)
        elif type(layer) is layers.BatchNormalization:
            kinds = geometry.batch_norm_params(layer.input.shape[-1], layer.scale, layer.center)
            assert (row.trainable_params, row.params) == (kinds[0], sum(kinds)) and row.macs == 0
        else:
            assert (row.params, row.macs) == (0, 0)
            continue
        counted += 1
    assert counted >= 16


def profiled_macs(model):
    """Return half of the FLOPs that TensorFlow's profiler finds in convolutions and matrix products."""
    import tensorflow as tf

    profiler = tf.compat.v1.profiler
    spec = tf.TensorSpec((1, *model.input_shape[1:]))
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec).graph
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    found, todo = {}, [profiler.profile(graph, cmd="op", options=options.with_empty_output().build())]
    while todo:
        node = todo.pop()
        found[node.name] = node.float_ops
        todo.extend(node.children)
    return sum(found.get(op, 0) for op in ("Conv2D", "DepthwiseConv2dNative", "MatMul")) // 2


@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "MobileNetV2"])
def test_macs_equal_tensorflows_profiler(keras, name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    assert summarize(model).macs == profiled_macs(model)


def test_resnet152(keras):
    model = keras.applications.ResNet152(weights=None, input_shape=(224, 224, 3))
    rows = summarize(model)
    assert rows.params == model.count_params()
    assert rows.macs / 1e9 == pytest.approx(11.3, abs=0.05)  # He et al. 2016, table 1
    assert row_of(rows, "conv5_block3_out").receptive_field == 1507  # Araujo et al. 2019


# --- the course's first network, and single layers ----------------------------------------------------------


def baseline(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu", name="relu"),
            layers.MaxPooling2D(2, padding="same", name="pool"),
            layers.Dropout(0.2, name="drop"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(10, name="scores"),
        ],
        name="baseline",
    )


def test_first_network_row_by_row(keras):
    model = baseline(keras)
    rows = summarize(model)
    check_against_keras(rows, model)
    assert rows.params == 198_506 and rows.trainable_params == 198_494
    assert rows.macs == 32 * 32 * 6 * 75 + 1536 * 128 + 128 * 10
    conv, norm, hidden = row_of(rows, "conv"), row_of(rows, "norm"), row_of(rows, "hidden")
    assert conv.why == "5·5·3·6 + 6 = 456 (height·width·channels in·filters + bias)"
    assert conv.why_macs == "32·32·5·5·3·6 = 460,800"
    assert norm.why == "6 + 6 + 6 + 6 = 24 (gamma + beta + moving mean + moving variance)"
    assert hidden.why == "1536·128 + 128 = 196,736 (inputs·units + bias)"
    fields = [(row.receptive_field, row.jump) for row in rows]
    assert fields == [(5, 1)] * 3 + [(6, 2)] * 2 + [(None, None)] * 3


def one_layer_cases():
    """name of the layer, its arguments, input shape, MACs, receptive field, jump"""
    macs = geometry.conv_macs
    return [
        ("Conv2D", dict(filters=8, kernel_size=(3, 5), padding="same"), (9, 9, 4), macs(9, (3, 5), 4, 8), (3, 5), 1),
        ("Conv2D", dict(filters=8, kernel_size=3, groups=2, strides=2), (9, 9, 4), macs(4, 3, 4, 8, 2), 3, 2),
        ("Conv2D", dict(filters=2, kernel_size=3, dilation_rate=(1, 2)), (9, 9, 4), macs((7, 5), 3, 4, 2), (3, 5), 1),
        ("Conv1D", dict(filters=5, kernel_size=3, padding="causal"), (12, 2), macs((12,), 3, 2, 5), 3, 1),
        ("Conv3D", dict(filters=2, kernel_size=3), (5, 6, 7, 1), macs((3, 4, 5), 3, 1, 2), 3, 1),
        ("DepthwiseConv2D", dict(kernel_size=3, depth_multiplier=2), (9, 9, 4), macs(7, 3, 4, 8, 4), 3, 1),
        (
            "SeparableConv2D",
            dict(filters=6, kernel_size=3, depth_multiplier=2),
            (9, 9, 4),
            macs(7, 3, 4, 8, 4) + macs(7, 1, 8, 6),
            3,
            1,
        ),
        ("Conv2DTranspose", dict(filters=6, kernel_size=3, strides=2), (5, 5, 4), macs(5, 3, 4, 6), None, None),
        ("Dense", dict(units=7), (5, 5, 4), macs(5, 1, 4, 7), 1, 1),
        ("Dense", dict(units=7, use_bias=False), (20,), 140, None, None),
        ("BatchNormalization", dict(scale=False), (5, 5, 4), 0, 1, 1),
        ("LayerNormalization", {}, (5, 5, 4), 0, 1, 1),
        ("GroupNormalization", dict(groups=2), (5, 5, 4), 0, None, None),
        ("RandomFlip", {}, (5, 5, 3), 0, 1, 1),
        ("PReLU", dict(shared_axes=[1, 2]), (5, 5, 4), 0, 1, 1),
        ("MaxPooling2D", dict(pool_size=3, strides=2), (9, 9, 4), 0, 3, 2),
        ("AveragePooling2D", dict(pool_size=(2, 3)), (9, 9, 4), 0, (2, 3), (2, 3)),
        ("MaxPooling1D", {}, (8, 3), 0, 2, 2),
        ("GlobalAveragePooling2D", {}, (9, 9, 4), 0, None, None),
        ("ZeroPadding2D", dict(padding=((1, 2), (0, 3))), (9, 9, 4), 0, 1, 1),
        ("ZeroPadding1D", dict(padding=(1, 2)), (9, 4), 0, 1, 1),
        ("Cropping2D", dict(cropping=1), (9, 9, 4), 0, 1, 1),
        ("UpSampling2D", {}, (5, 5, 4), 0, None, None),
        ("Rescaling", dict(scale=1 / 255), (5, 5, 3), 0, 1, 1),
        ("Reshape", dict(target_shape=(25, 3)), (5, 5, 3), 0, None, None),
        ("LSTM", dict(units=3), (7, 2), None, None, None),
    ]


@pytest.mark.parametrize(("kind", "settings", "shape", "macs", "field", "jump"), one_layer_cases())
def test_single_layers(keras, kind, settings, shape, macs, field, jump):
    x = keras.Input(shape)
    model = keras.Model(x, getattr(keras.layers, kind)(**settings)(x))
    rows = summarize(model)
    check_against_keras(rows, model)
    assert (rows[1].macs, rows[1].receptive_field, rows[1].jump) == (macs, field, jump)


def test_channels_first(keras):
    x = keras.Input((3, 11, 9))
    layers = keras.layers
    y = layers.Conv2D(4, (3, 2), padding="same", data_format="channels_first")(x)
    y = layers.MaxPooling2D(2, data_format="channels_first")(y)
    rows = summarize(keras.Model(x, y))
    assert rows[1].macs == geometry.conv_macs((11, 9), (3, 2), 3, 4)
    assert (rows[2].output_shape, rows[2].receptive_field) == ((None, 4, 5, 4), (4, 3))


def test_open_sides(keras):
    x = keras.Input((None, None, 3))
    layers = keras.layers
    y = layers.Conv2D(4, 3, padding="same", strides=2)(x)
    y = layers.Add()([layers.Conv2D(4, 3, padding="same")(y), layers.Conv2D(4, 5, padding="same")(y)])
    rows = summarize(keras.Model(x, y))
    assert [row.macs for row in rows] == [0, None, None, None, 0]
    assert (rows[-1].receptive_field, rows[-1].jump) == (11, 2)
    assert "? × ? × 4" in repr(rows) and "or more" in repr(rows)


def test_training_changes_no_row(keras):
    import numpy as np

    model = baseline(keras)
    before = summarize(model)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.zeros((4, 32, 32, 3), "float32"), np.zeros(4), verbose=0)
    assert summarize(model) == before


def test_frozen_layers(keras):
    model = baseline(keras)
    model.get_layer("hidden").trainable = False
    rows = summarize(model)
    assert row_of(rows, "hidden").trainable_params == 0
    assert rows.trainable_params == sum(math.prod(w.shape) for w in model.trainable_weights)
    assert "none of them trainable" in rows._repr_html_()


def test_a_block_that_reads_one_tensor_twice(keras):
    class Both(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, a, b):
            return self.dense(a) + self.dense(b)

    x = keras.Input((4, 4, 2))
    model = keras.Model(x, Both()(x, x))
    assert summarize(model).params == model.count_params() == 9


def test_layers_that_mix_cells_have_no_field_to_tell(keras):
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(2, 3, name="conv")(x)
    for layer, known in (
        (keras.layers.LayerNormalization(), True),
        (keras.layers.LayerNormalization(axis=(1, 2, 3)), False),
        (keras.layers.UnitNormalization(axis=(1, 2)), False),
        (keras.layers.Softmax(), True),
        (keras.layers.Softmax(axis=1), False),
    ):
        last = [row for row in summarize(keras.Model(x, layer(y)))][-1]
        assert last.receptive_field == (3 if known else None), layer.get_config()


# --- receptive fields, seen by impulses ---------------------------------------------------------------------


def seen_cells(model, shape, axis, index):
    """Return the rows (axis 1) or columns (axis 2) of the input that output `index` of that axis depends on.

    All kernels are positive, so an image that is 1 on one line and 0 elsewhere raises just those outputs.
    """
    import numpy as np

    n = shape[axis - 1]
    lines = np.zeros((n, *shape), "float32")
    for i in range(n):
        lines[(i, i) if axis == 1 else (i, slice(None), i)] = 1
    out = np.asarray(model(lines, training=False))
    out = out.max(axis=(3 - axis, 3))
    return np.flatnonzero(out[:, index] > 0)


def branched(keras, shape):
    layers = keras.layers

    def conv(kernel_size, **settings):
        return layers.Conv2D(2, kernel_size, kernel_initializer="ones", use_bias=False, **settings)

    x = keras.Input(shape)
    y = layers.BatchNormalization()(conv((3, 1), padding="same")(x))
    a = conv(3, strides=2, padding="same")(y)
    b = layers.MaxPooling2D(2)(conv((1, 5), padding="same")(y))
    c = conv(3, strides=2)(layers.ZeroPadding2D(((0, 1), (5, 0)))(y))  # a field far to the left
    c = layers.Cropping2D(((0, 0), (0, 2)))(c)
    y = layers.Concatenate()([a, b, layers.Dropout(0.5)(c)]) * 2.0
    left = conv(3, dilation_rate=2, padding="same")(y)
    return keras.Model(x, layers.Add(name="sum")([left, conv(1)(y)]))


def test_fields_of_branches_are_what_outputs_see(keras):
    shape = (36, 36, 1)
    model = branched(keras, shape)
    row = row_of(summarize(model), "sum")
    sides = row.receptive_field if isinstance(row.receptive_field, tuple) else (row.receptive_field,) * 2
    assert row.jump == 2 and row.macs == 0
    for axis, size in zip((1, 2), sides, strict=True):
        for index in (8, 9):
            seen = seen_cells(model, shape, axis, index)
            assert seen[-1] - seen[0] + 1 == size, (axis, index, seen)
    assert sides[0] < sides[1]


def test_no_field_where_branches_do_not_fit(keras):
    layers = keras.layers
    x = keras.Input((8, 8, 2))
    small = layers.MaxPooling2D()(x)
    mixed = layers.Add(name="mixed")([x, layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D()(small))])
    beside = layers.Concatenate(axis=1, name="beside")([x, x])
    scaled = layers.Multiply(name="scaled")([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])
    strided = layers.Add(name="strided")([layers.Conv2D(2, 1, strides=2)(x), layers.Cropping2D(2)(x)])
    rows = summarize(keras.Model(x, [mixed, beside, scaled, strided]))
    for name in ("mixed", "beside", "scaled", "strided"):
        assert (row_of(rows, name).receptive_field, row_of(rows, name).jump) == (None, None)


# --- nested, shared and subclassed models -------------------------------------------------------------------


def test_nested_models_are_shown_by_their_layers(keras):
    layers = keras.layers
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, name="conv")], name="inner")
    x = keras.Input((10, 10, 3))
    y = layers.Conv2D(3, 3, padding="same", name="first")(x)
    y = layers.Flatten(name="flat")(inner(y))
    model = keras.Model(x, layers.Dense(2, name="last")(y))
    rows = summarize(model)
    assert [row.name for row in rows][1:] == ["first", "inner/conv", "flat", "last"]
    conv = row_of(rows, "inner/conv")
    assert (conv.output_shape, conv.receptive_field) == ((None, 8, 8, 4), 5)  # not the open shape it was built with
    assert conv.macs == geometry.conv_macs(8, 3, 3, 4)
    assert rows.params == model.count_params()


def test_shared_layers_count_once_and_work_twice(keras):
    layers = keras.layers
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, shared(shared(x)))
    rows = summarize(model)
    row = row_of(rows, "shared")
    assert len(rows) == 2 and rows.params == model.count_params() == row.params
    assert row.macs == 2 * geometry.conv_macs(8, 3, 3, 3) == worth(row.why_macs)
    assert row.receptive_field is None  # 3 the first time, 5 the second


def block_classes(keras):
    layers = keras.layers

    class Block(layers.Layer):
        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(filters, 3, padding="same", name="conv")
            self.norm = layers.BatchNormalization(name="norm")

        def call(self, x, training=None):
            return keras.ops.relu(self.norm(self.conv(x), training=training)) + x

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.blocks = [Block(3, name=f"block{i}") for i in (1, 2)]
            self.head = layers.Dense(5, name="head")
            self.flat = layers.Flatten(name="flat")

        def call(self, x, training=None):
            for block in self.blocks:
                x = block(x, training=training)
            return self.head(self.flat(x))

    return Block, Net


def test_subclassed_models_are_traced(keras):
    import numpy as np

    _, net = block_classes(keras)
    model = net()
    model(np.zeros((2, 8, 8, 3), "float32"))
    for _ in range(2):  # looking twice changes nothing
        rows = summarize(model)
        assert [row.name for row in rows] == [
            "block1/conv", "block1/norm", "block2/conv", "block2/norm", "flat", "head",
        ]  # fmt: skip
        assert rows.params == model.count_params()
        assert rows.trainable_params == sum(math.prod(w.shape) for w in model.trainable_weights)
        assert [row.receptive_field for row in rows] == [3, 3, 5, 5, None, None]
        assert rows.macs == 2 * geometry.conv_macs(8, 3, 3, 3) + 192 * 5


def test_blocks_that_cannot_be_traced_are_one_row(keras):
    layers = keras.layers

    class Opaque(layers.Layer):
        def __init__(self):
            super().__init__(name="opaque")
            self.dense = layers.Dense(3)

        def build(self, shape):
            self.extra = self.add_weight(shape=(3,), name="extra")
            self.dense.build(shape)

        def call(self, x):
            import tensorflow as tf

            return tf.nn.relu(self.dense(x)) + self.extra

        def compute_output_shape(self, shape):
            return shape

    x = keras.Input((4, 4, 3))
    model = keras.Model(x, layers.Conv2D(2, 3, name="after")(Opaque()(x)))
    rows = summarize(model)
    assert rows.params == model.count_params()
    opaque, after = rows[1:]
    assert (opaque.name, opaque.params, opaque.macs) == ("opaque", 15, None)
    assert (after.receptive_field, after.macs) == (None, geometry.conv_macs(2, 3, 3, 2))


def test_weights_outside_of_the_graph_are_not_lost(keras):
    import numpy as np

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.dense = keras.layers.Dense(2, name="dense")
            self.scale = self.add_weight(shape=(7,), name="scale")

        def call(self, x):
            return self.dense(x)

    model = Net()
    model(np.zeros((1, 3), "float32"))
    rows = summarize(model)
    assert rows.params == model.count_params() == 8 + 7
    assert rows[-1].params == 7 and rows[-1].name == "net"


def test_errors_say_what_to_do(keras):
    import numpy as np

    _, net = block_classes(keras)
    with pytest.raises(TypeError, match="is not a Keras model: use a keras.Model"):
        summarize(keras.layers.Dense(3))
    with pytest.raises(ValueError, match=r"model='net' is not built.* keras\.Input\(shape=\.\.\.\), or call it once"):
        summarize(net())
    with pytest.raises(ValueError, match="is not built"):
        summarize(keras.Sequential([keras.layers.Dense(3)]))

    class TwoInputs(keras.Model):
        def call(self, a, b):
            return a + b

    model = TwoInputs(name="two")
    model(np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="model='two' cannot be followed: .* must take one tensor"):
        summarize(model)

    class Pair(keras.Model):
        def call(self, pair):
            return pair[0] + pair[1]

    model = Pair(name="pair")
    model([np.zeros((1, 3)), np.zeros((1, 3))])
    with pytest.raises(ValueError, match="model='pair' was not built on one input tensor"):
        summarize(model)

    class Hidden(net):
        def call(self, x):
            return super().call(np.asarray(x) * 2)

    model = Hidden()
    model(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(
        ValueError, match=r"model='net' cannot be followed: its call\(\) must take one tensor and use Keras"
    ):
        summarize(model)


# --- display ------------------------------------------------------------------------------------------------


def test_html_is_a_table_with_the_arithmetic(keras):
    rows = summarize(baseline(keras))
    tree = ElementTree.fromstring(rows._repr_html_())
    assert [cell.get("scope") for cell in tree.findall(".//thead/tr/th")] == ["col"] * 7
    names = tree.findall(".//tbody/tr/th")
    assert [cell.text for cell in names] == [row.name for row in rows]
    assert {cell.get("scope") for cell in names} == {"row"}
    assert tree.get("tabindex") == "0" and tree.get("aria-label") == "Layers of baseline"
    opened = {d.findtext("summary"): d.find("summary").tail for d in tree.iter("details")}
    assert opened["456"].startswith("5·5·3·6 + 6 = 456") and opened["460,800"] == "32·32·5·5·3·6 = 460,800"
    assert opened["24"].endswith("of which 12 are trainable")
    assert len(list(tree.iter("details"))) == 4 + 3  # four layers hold parameters, three multiply
    assert [cell.text for cell in tree.findall(".//tfoot/tr/*")][:5] == ["total", None, None, "198,506", "658,688"]


def test_html_escapes_names():
    row = Row("<b>&", "Layer", (None, 2), 0, 0, 0, None, None, "no weights")
    assert ElementTree.fromstring(Summary([row], '"<x>')._repr_html_()).findtext(".//tbody/tr/th") == "<b>&"


def test_text_is_a_table(keras):
    rows = summarize(baseline(keras))
    lines = repr(rows).splitlines()
    assert lines[0].split() == ["layer", "type", "output", "shape", "parameters", "MACs", "receptive", "field", "jump"]
    assert lines[2].split() == ["conv", "Conv2D", "32", "×", "32", "×", "6", "456", "460,800", "5", "1"]
    assert lines[-2].split() == ["total", "198,506", "658,688"]
    assert lines[-1] == "198,494 parameters are trainable, 12 are not"
