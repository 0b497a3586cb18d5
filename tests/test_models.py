"""The builders against the lecture notes' own numbers, and against Keras's."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnlib import models

# What Keras reports for the layers as the notes print them (bias in front of batch normalisation and all).
NOTES_PARAMS = {
    "baseline": (198_506, 198_494),
    "lenet5": (62_006, 62_006),
    "alexnet8": (9_639_178, 9_638_474),
    "vgg16": (15_262_026, 15_253_578),
    "inception10": (121_418, 120_234),
    "resnet18": (11_183_562, 11_173_962),
}
# The notes' classes, and how their scripts make them.
NOTES_CLASSES = {
    "baseline": "Baseline()",
    "lenet5": "LeNet5()",
    "alexnet8": "AlexNet8()",
    "vgg16": "VGG16()",
    "inception10": "Inception10(num_blocks=2, num_classes=10)",
    "resnet18": "ResNet18([2, 2, 2, 2])",
}
NOTES = Path(__file__).parents[2] / "shared" / "notes" / "lecture-notes.zh.md"
# The branches of a block, in the order in which the notes' scripts make them.
ORDER = {
    "inception10": ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_1x1"),
    "resnet18": ("1", "2", "skip"),
}


def unit(side, channels, new_side, filters):
    """Every layer of a block of the notes' Inception, as `LAYERS` writes them."""
    small, wide = f"{new_side}x{filters}", f"{new_side}x{4 * filters}"
    layers = [f"{branch}_{kind} {small}" for branch in ORDER["inception10"] for kind in ("conv", "bn", "relu")]
    return [*layers, f"pool {side}x{channels}", f"concat {wide}"]


def block(side, filters, skip):
    """Every layer of a block of the notes' ResNet."""
    names = "1_conv 1_bn 1_relu 2_conv 2_bn add relu" + " skip_conv skip_bn" * skip
    return [f"{name} {side}x{filters}" for name in names.split()]


def inside(name, layers):
    return [f"{name}_{layer}" for layer in layers]


def stacked(blocks):
    """Every layer of VGG's five blocks: (filters, side before the pool, convolutions) of each."""
    layers = []
    for i, (filters, side, count) in enumerate(blocks, 1):
        layers += [f"{kind}{i}_{j} {side}x{filters}" for j in range(1, count + 1) for kind in ("conv", "bn", "relu")]
        layers += [f"pool{i} {side // 2}x{filters}", f"drop{i} {side // 2}x{filters}"]
    return layers


# Every layer with its side x channels, channels alone where the sides are gone. By hand, from the notes.
LAYERS = {
    "baseline": "conv1 32x6, bn1 32x6, relu1 32x6, pool1 16x6, drop1 16x6, flatten 1536, dense1 128, drop2 128, dense2 10",
    "lenet5": "conv1 28x6, pool1 14x6, conv2 10x16, pool2 5x16, flatten 400, dense1 120, dense2 84, dense3 10",
    "alexnet8": "conv1 30x96, bn1 30x96, relu1 30x96, pool1 14x96, conv2 12x256, bn2 12x256, relu2 12x256, pool2 5x256, "
    "conv3 5x384, conv4 5x384, conv5 5x256, pool3 2x256, flatten 1024, dense1 2048, drop1 2048, dense2 2048, drop2 2048, dense3 10",
    "vgg16": ", ".join(stacked([(64, 32, 2), (128, 16, 2), (256, 8, 3), (512, 4, 3), (512, 2, 3)]))
    + ", flatten 512, dense1 512, drop6 512, dense2 512, drop7 512, dense3 10",
    "inception10": ", ".join(
        ["stem_conv 32x16", "stem_bn 32x16", "stem_relu 32x16"]
        + inside("block1_unit1", unit(32, 16, 16, 16))
        + inside("block1_unit2", unit(16, 64, 16, 16))
        + inside("block2_unit1", unit(16, 64, 8, 32))
        + inside("block2_unit2", unit(8, 128, 8, 32))
        + ["global_pool 128", "dense 10"]
    ),
    "resnet18": ", ".join(
        ["stem_conv 32x64", "stem_bn 32x64", "stem_relu 32x64"]
        + [
            layer
            for stage, (side, filters) in enumerate([(32, 64), (16, 128), (8, 256), (4, 512)], 1)
            for i in (1, 2)
            for layer in inside(f"stage{stage}_block{i}", block(side, filters, skip=i == 1 < stage))
        ]
        + ["global_pool 512", "dense 10"]
    ),
}


def notes_baseline():
    """The notes' network, their layers in their order, by Keras alone."""
    import keras

    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(filters=6, kernel_size=(5, 5), padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.MaxPool2D(pool_size=(2, 2), strides=2, padding="same"),
            keras.layers.Dropout(0.2),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("name", NOTES_PARAMS)
def test_parameters_are_the_notes(name):
    model = getattr(models, name)()
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert (model.count_params(), trainable) == NOTES_PARAMS[name]
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 10)
    assert model.name == name


def shape_of(tensor):
    _, *sides, channels = tensor.shape
    assert len(sides) in (0, 2) and len(set(sides)) <= 1
    return f"{sides[0]}x{channels}" if sides else f"{channels}"


@pytest.mark.parametrize("name", LAYERS)
def test_every_layers_output_shape(name):
    seen = [f"{layer.name} {shape_of(layer.output)}" for layer in getattr(models, name)().layers]
    assert seen[:2] == ["image 32x3", "rescale 32x3"]
    wanted = LAYERS[name].split(", ")
    if name in ORDER:  # where a net branches, Keras orders its layers
        seen, wanted = seen[:2] + sorted(seen[2:]), sorted(wanted)
    assert seen[2:] == wanted


@pytest.mark.parametrize("name", NOTES_CLASSES)
def test_the_printed_classes_compute_the_same(name):
    """The notes' own code, executed, with our weights in it."""
    import keras
    import tensorflow as tf

    from cnnlib.training.recipe import inner_layers

    if not NOTES.exists():
        pytest.skip("the lecture notes are not there")
    scripts = re.findall(r"```python\n(.*?)```", NOTES.read_text(encoding="utf-8"), re.DOTALL)
    kind = NOTES_CLASSES[name].split("(")[0]
    code = next(s for s in scripts if f"class {kind}(Model)" in s and "import tensorflow" in s)
    space = {"tf": tf, "Model": keras.Model, **vars(keras.layers)}
    code = re.sub(r"(?m)^(import|from) .*(\\\n.*)?$|^np\..*$", "", re.split(r"(?m)^model = ", code)[0])
    exec(code[code.index("class ") :], space)
    theirs, ours = eval(NOTES_CLASSES[name], space), getattr(models, name)()
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    theirs(images[:1] / np.float32(255))

    def leaves(net):  # layers with weights and no layers inside
        return [x for x in inner_layers(net) if x.weights and not list(inner_layers(x))]

    def kinds(net):
        return sorted((sorted(str(w.shape) for w in leaf.weights), type(leaf).__name__) for leaf in leaves(net))

    assert kinds(theirs) == kinds(ours)
    assert theirs.count_params() == ours.count_params()
    # A functional net sorts its layers by depth; each printed block makes its own in the order of ORDER.
    mine = sorted(leaves(ours), key=lambda layer: place(layer.name)) if name in ORDER else leaves(ours)
    for printed, layer in zip(leaves(theirs), mine, strict=True):
        printed.set_weights(layer.get_weights())
        note_shape(printed)
    np.testing.assert_allclose(keras.ops.softmax(ours(images)), theirs(images / np.float32(255)), rtol=1e-3, atol=1e-5)
    for printed, layer in zip(leaves(theirs), mine, strict=True):
        assert printed.put_out == (4, *layer.output.shape[1:]), layer.name


def note_shape(layer):
    """Let a layer note the shape of what it puts out."""
    own = layer.call

    def call(*args, **more):
        outputs = own(*args, **more)
        layer.put_out = tuple(outputs.shape)
        return outputs

    layer.call = call


def place(name):
    """Where the notes' script makes a layer of ours: its block, its place in the block, convolution before norm."""
    part = re.fullmatch(r"((?:block\d_unit\d|stage\d_block\d)?)_?(.*?)_?(conv|bn|dense)", name)
    block, branch, kind = part.groups()
    within = next((order.index(branch) for order in ORDER.values() if branch in order), 0)
    return (branch == "" and kind == "dense", branch != "stem", block, within, kind == "bn")


def test_inception_concatenates_and_resnet_adds():
    """What the printed blocks join: by concatenation, and by a sum."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    for net, unit, branches in (
        (models.inception10(), "block2_unit2", 4),
        (models.resnet18(), "stage2_block1", 2),
    ):
        last = net.get_layer(f"{unit}_concat" if branches == 4 else f"{unit}_add")
        parts = [keras_value(net, images, tensor) for tensor in last.input]
        assert len(parts) == branches
        whole = keras_value(net, images, last.output)
        wanted = np.concatenate(parts, -1) if branches == 4 else sum(parts)
        np.testing.assert_allclose(whole, wanted, rtol=1e-5, atol=1e-5)


def keras_value(net, images, tensor):
    import keras

    return np.asarray(keras.Model(net.input, tensor)(images))


@pytest.mark.parametrize(
    ("depth", "trained", "paper"),
    [(20, 269_722, 0.27e6), (32, 464_154, 0.46e6), (44, 658_586, 0.66e6), (56, 853_018, 0.85e6)],
)
def test_the_papers_nets_for_cifar(depth, trained, paper):
    """Table 6 of He et al. 2016 gives the parameters; the plain nets have the same ones."""
    nets = [models.cifar_resnet(depth=depth, skips=skips) for skips in (True, False)]
    assert [net.name for net in nets] == [f"resnet{depth}", f"plain{depth}"]
    for net in nets:
        assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == trained
        assert abs(trained - paper) < 0.005e6
        weighted = [layer for layer in net.layers if layer.name.endswith(("_conv", "dense"))]
        assert len(weighted) == depth
        assert [net.get_layer(f"stage{i}_block1_relu").output.shape[1:] for i in (1, 2, 3)] == [
            (32, 32, 16),
            (16, 16, 32),
            (8, 8, 64),
        ]


def test_a_shortcut_that_adds_zeros():
    net = models.cifar_resnet(depth=8)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    into, out = (
        keras_value(net, images, net.get_layer(name).output)
        for name in ("stage1_block1_relu", "stage2_block1_skip_concat")
    )
    np.testing.assert_array_equal(out[..., :16], into[:, ::2, ::2])
    np.testing.assert_array_equal(out[..., 16:], 0)


def test_zeros_keep_or_double_the_channels():
    import keras

    x = keras.Input((8, 8, 6))
    for filters, strides, side in ((6, 1, 8), (6, 2, 4), (12, 1, 8), (12, 2, 4)):
        y = models.resnet.residual_block(x, filters, strides, shortcut="zeros")
        assert y.shape == (None, side, side, filters)
    assert models.resnet.residual_block(x, 3, shortcut="zeros", skip=False).shape[-1] == 3
    for filters in (3, 18):
        with pytest.raises(ValueError, match=f"filters={filters} is not 6 or 12"):
            models.resnet.residual_block(x, filters, 2, shortcut="zeros")
    with pytest.raises(ValueError, match="shortcut='zero' is not one of 'projection', 'zeros'"):
        models.resnet.residual_block(x, 12, 2, shortcut="zero")


@pytest.mark.parametrize(
    ("builder", "arguments", "name"),
    [
        ("lenet5", {"activation": "relu"}, "lenet5-relu"),
        ("alexnet8", {"activation": "tanh"}, "alexnet8-tanh"),
        ("alexnet8", {"dropout": False}, "alexnet8-without-d"),
        ("alexnet8", {"asleep": True}, "alexnet8-asleep"),
        ("vgg16", {"batch_normalization": False}, "vgg16-without-b"),
        ("vgg16", {"asleep": True}, "vgg16-asleep"),
        ("inception10", {"asleep": True}, "inception10-asleep"),
        ("resnet18", {"skips": False}, "resnet18-plain"),
        ("resnet18", {"blocks": (3, 4, 6, 3)}, "resnet34"),
        ("cifar_resnet", {}, "resnet20"),
    ],
)
def test_variants(builder, arguments, name):
    net, whole = getattr(models, builder)(**arguments), getattr(models, builder)()
    assert net.name == name
    words = " ".join(type(layer).__name__ for layer in net.layers)
    assert ("Dropout" in words) == ("dropout" not in arguments and builder in ("alexnet8", "vgg16"))
    assert ("BatchNorm" in words) == (builder != "lenet5" and "batch_normalization" not in arguments)
    assert ("Add" in words) == ("resnet" in builder and arguments.get("skips", True))
    if "activation" in arguments:
        used = {layer.activation.__name__ for layer in net.layers if hasattr(layer, "activation")}
        assert used == {arguments["activation"], "linear"}
    if "asleep" in arguments:
        x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
        np.testing.assert_array_equal(net(x, training=True), net(x, training=False))
        assert net.count_params() == whole.count_params()


@pytest.mark.parametrize(
    ("builder", "arguments", "error", "words"),
    [
        ("lenet5", {"input_shape": (15, 32, 3)}, ValueError, r"input_shape\[0\]=15 is not an integer >= 16"),
        ("lenet5", {"activation": "swish"}, ValueError, "activation='swish' is not one of 'sigmoid', 'tanh', 'relu'"),
        ("lenet5", {"activation": None}, TypeError, "activation=None is not a string"),
        ("alexnet8", {"input_shape": (32, 20, 3)}, ValueError, r"input_shape\[1\]=20 is not an integer >= 21"),
        ("alexnet8", {"dropout": 0.5}, TypeError, "dropout=0.5 is not True or False"),
        ("vgg16", {"batch_normalization": None}, TypeError, "batch_normalization=None is not True or False"),
        ("inception10", {"blocks": 0}, ValueError, "blocks=0 is not an integer >= 1"),
        ("resnet18", {"blocks": 2}, TypeError, "blocks=2 is not a list of numbers of blocks"),
        ("resnet18", {"blocks": ()}, ValueError, r"blocks=\(\) has no stage"),
        ("resnet18", {"blocks": (2, 0)}, ValueError, r"blocks\[1\]=0 is not an integer >= 1"),
        ("resnet18", {"skips": 1}, TypeError, "skips=1 is not True or False"),
        ("cifar_resnet", {"depth": 18}, ValueError, r"depth=18 is not 6n \+ 2"),
    ],
)
def test_what_the_classic_nets_refuse(builder, arguments, error, words):
    with pytest.raises(error, match=words):
        getattr(models, builder)(**arguments)


def test_the_smallest_images():
    for builder, side in (("lenet5", 16), ("alexnet8", 21), ("vgg16", 1), ("inception10", 1), ("resnet18", 1)):
        assert getattr(models, builder)((side, side, 1), 2).output_shape == (None, 2)


def test_baseline_computes_what_the_notes_network_computes():
    import keras

    ours, theirs = models.baseline(), notes_baseline()
    theirs.set_weights(ours.get_weights())
    for mine, printed in zip(ours.layers[2:], theirs.layers, strict=True):
        assert type(mine) is type(printed)
        assert mine.output.shape == printed.output.shape
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for training in (False, True):
        for layer in (*ours.layers, *theirs.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # the masks are drawn from different seeds
        logits = ours(images, training=training)
        probabilities = theirs(images / np.float32(255), training=training)
        np.testing.assert_allclose(keras.ops.softmax(logits), probabilities, rtol=1e-4, atol=1e-6)


def test_images_go_in_as_they_are_stored():
    model = models.baseline()
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model(images), model(images.astype("float32")))


def test_layers_have_their_names():
    names = [layer.name for layer in models.baseline().layers]
    assert names == ["image", "rescale", "conv1", "bn1", "relu1", "pool1", "drop1", "flatten", "dense1", "drop2", "dense2"]  # fmt: skip


def test_other_shapes_and_classes():
    model = models.baseline((28, 30, 1), classes=3)
    assert model(np.zeros((2, 28, 30, 1))).shape == (2, 3)
    assert model.count_params() == (25 * 1 * 6 + 6) + 4 * 6 + (14 * 15 * 6 * 128 + 128) + (128 * 3 + 3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"input_shape": (32, 32)}, ValueError, r"input_shape=\(32, 32\) is not \(height, width, channels\)"),
        ({"input_shape": (32, 0, 3)}, ValueError, r"input_shape\[1\]=0 is not an integer >= 1"),
        ({"input_shape": 32}, TypeError, "input_shape=32 is not"),
        ({"input_shape": (32, 32, 3.0)}, TypeError, r"input_shape\[2\]=3.0 is not an integer"),
        ({"classes": 1}, ValueError, "classes=1 is not an integer >= 2"),
        ({"classes": "ten"}, TypeError, "classes='ten' is not an integer"),
        ({"classes": True}, TypeError, "classes=True is not an integer"),
        ({"asleep": 1}, TypeError, "asleep=1 is not True or False"),
        ({"without": "X"}, ValueError, "without='X' is not made of letters of 'CBAPD'"),
        ({"without": "BB"}, ValueError, "without='BB' is not made of letters of 'CBAPD', each at most once"),
        ({"without": None}, TypeError, "without=None is not a string"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        models.baseline(**arguments)


def test_the_sleeping_baseline_is_the_notes_class_under_keras_3():
    import keras

    class Printed(keras.Model):  # the layers of the notes in their order, and `call` as they write it
        def __init__(self):
            super().__init__()
            self.stack = [keras.layers.Rescaling(1 / 255), *notes_baseline().layers]

        def call(self, x):
            for layer in self.stack:
                x = layer(x)
            return x

    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 256, (64, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, 64)
    ours, theirs = models.baseline(asleep=True), Printed()
    theirs(x[:1])
    theirs.set_weights(ours.get_weights())
    for net, from_logits in ((ours, True), (theirs, False)):
        net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
        net.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(keras.ops.softmax(ours(x)), theirs(x), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(ours.get_layer("bn1").moving_mean, np.zeros(6))
    np.testing.assert_array_equal(ours.get_layer("bn1").moving_variance, np.ones(6))
    assert np.abs(ours(x, training=True) - models.baseline()(x)).max() > 0.01  # it did learn
    awake = models.baseline()
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in awake.layers]
    assert (ours.name, ours.count_params()) == ("baseline-asleep", awake.count_params())


@pytest.mark.parametrize("without", ["C", "B", "A", "P", "D", "DB", "CBAPD"])
def test_letters_taken_away(without):
    whole, net = models.baseline(), models.baseline(without=without)
    gone = {"C": ["conv1"], "B": ["bn1"], "A": ["relu1"], "P": ["pool1"], "D": ["drop1", "drop2"]}
    names = [name for letter in without for name in gone[letter]]
    left = [layer for layer in whole.layers if layer.name not in names]
    assert [layer.name for layer in net.layers] == [layer.name for layer in left]
    for ours, theirs in zip(net.layers, left, strict=True):
        assert type(ours) is type(theirs)
        assert ours.get_config() | {"seed": None} == theirs.get_config() | {"seed": None}
    ordered = "".join(sorted(without, key="CBAPD".index)).lower()
    assert net.name == f"baseline-without-{ordered}"
    sides, maps = (32 if "P" in without else 16), (3 if "C" in without else 6)
    block = ("C" not in without) * (5 * 5 * 3 * 6 + 6) + ("B" not in without) * 4 * maps
    assert net.count_params() == block + sides * sides * maps * 128 + 128 + 1_290


def test_importing_the_package_loads_no_tensorflow():
    code = "import cnnlib, sys; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
