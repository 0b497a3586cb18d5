"""The builders against the lecture notes' own numbers, and against Keras's."""

import subprocess
import sys

import numpy as np
import pytest

from cnnlib import models

# What Keras reports for the layers as the notes print them (bias in front of batch normalisation and all).
NOTES_PARAMS = {"baseline": (198_506, 198_494)}


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


@pytest.mark.parametrize("name", models.__all__)
def test_parameters_are_the_notes(name):
    model = getattr(models, name)()
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert (model.count_params(), trainable) == NOTES_PARAMS[name]
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 10)
    assert model.name == name


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
