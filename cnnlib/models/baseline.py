"""The first CNN: one convolution block (Conv, BN, ReLU, Pool, Dropout: "CBAPD") and two dense layers."""

import keras
from keras import layers

from cnnlib.models import _asleep
from cnnlib.models._arguments import check_classes, check_input_shape

LETTERS = "CBAPD"


def baseline(input_shape=(32, 32, 3), classes=10, *, without="", asleep=False):
    """Build the course's first CNN.

    Conv 5x5, 6 filters, "same" | batch normalisation | ReLU | max pool 2x2, stride 2 | dropout 0.2 |
    flatten | dense 128, ReLU | dropout 0.2 | dense ``classes``. For 32x32x3 images and ten classes it has
    198,506 parameters, of which 198,494 are trained.

    The bias of the convolution is kept although batch normalisation, which follows, cancels it: the
    chapter asks why.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255.
        classes: number of classes, that is of logits.
        without: letters of "CBAPD" to leave out, each with its layer in the block; "D" takes out the dropout behind
            the first dense layer as well, so that nothing is dropped anywhere. The net is then named after what is
            missing: "baseline-without-bd".
        asleep: True makes a net (named "baseline-asleep") whose batch normalisation and dropout stay in
            inference mode while it trains: the moving statistics stay 0 and 1, and nothing is dropped. That
            is what Keras 3 makes of a class whose ``call`` takes no ``training``, as the notes' class is
            written (errata 0).

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape or a number of classes that cannot be, a ``without`` that holds other
            letters or one twice, an ``asleep`` that is no bool.

    """
    missing = _check_without(without)
    name = f"baseline-without-{missing.lower()}" if missing else "baseline"
    inputs = keras.Input(check_input_shape(input_shape), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    block = {
        "C": layers.Conv2D(6, 5, padding="same", name="conv1"),
        "B": layers.BatchNormalization(name="bn1"),
        "A": layers.Activation("relu", name="relu1"),
        "P": layers.MaxPooling2D(2, strides=2, padding="same", name="pool1"),
        "D": layers.Dropout(0.2, name="drop1"),
    }
    for letter, layer in block.items():
        x = x if letter in missing else layer(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="dense1")(x)
    x = x if "D" in missing else layers.Dropout(0.2, name="drop2")(x)
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense2")(x)
    return _asleep.model(inputs, outputs, name, asleep)


def _check_without(without):
    """Return the letters in the block's order."""
    if not isinstance(without, str):
        raise TypeError(f"without={without!r} is not a string of letters of {LETTERS!r}")
    if sorted(without) != sorted(set(without) & set(LETTERS)):
        raise ValueError(f"without={without!r} is not made of letters of {LETTERS!r}, each at most once")
    return "".join(letter for letter in LETTERS if letter in without)
