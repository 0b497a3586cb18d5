"""AlexNet8 as the lecture notes build it for CIFAR-10: five convolutions, three dense layers, ReLU and dropout."""

import keras
from keras import layers

from cnnlib._arguments import boolean, choice
from cnnlib.models import _asleep
from cnnlib.models._arguments import check_classes, check_input_shape


def alexnet8(input_shape=(32, 32, 3), classes=10, *, activation="relu", dropout=True, asleep=False):
    """Build AlexNet8: eight layers with weights, 9,639,178 parameters for 32x32x3 images and ten classes.

    Two blocks [Conv 3x3 "valid", 96 then 256 filters | batch normalisation | activation | max pool 3x3, stride 2],
    three convolutions 3x3 "same" with 384, 384 and 256 filters, max pool 3x3, stride 2 | flatten | two times
    [dense 2048 | dropout 0.5] | dense ``classes``. The paper's net (Krizhevsky et al. 2012, section 3) takes
    224x224 images, begins with kernels of 11x11 and 5x5, normalises across channels (LRN) and has dense layers
    of 4096.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255; sides of 21 or more.
        classes: number of classes, that is of logits.
        activation: "relu", or "tanh", which the paper measures it against; the name is then "alexnet8-tanh".
        dropout: False leaves both dropout layers out; "alexnet8-without-d".
        asleep: True makes a net ("alexnet8-asleep") whose batch normalisation and dropout stay in inference mode
            while it trains: what Keras 3 makes of the notes' class, whose ``call`` takes no ``training``.

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape, a number of classes, an activation that cannot be, a flag that is no bool.

    """
    height, width, channels = check_input_shape(input_shape, least=21)
    choice("activation", activation, ("relu", "tanh"))
    boolean("dropout", dropout)
    inputs = keras.Input((height, width, channels), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    for i, filters in enumerate((96, 256), 1):
        x = layers.Conv2D(filters, 3, name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"bn{i}")(x)
        x = layers.Activation(activation, name=f"{activation}{i}")(x)
        x = layers.MaxPooling2D(3, strides=2, name=f"pool{i}")(x)
    for i, filters in enumerate((384, 384, 256), 3):
        x = layers.Conv2D(filters, 3, padding="same", activation=activation, name=f"conv{i}")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool3")(x)
    x = layers.Flatten(name="flatten")(x)
    for i in (1, 2):
        x = layers.Dense(2048, activation=activation, name=f"dense{i}")(x)
        x = layers.Dropout(0.5, name=f"drop{i}")(x) if dropout else x
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense3")(x)
    changes = ("" if activation == "relu" else f"-{activation}") + ("" if dropout else "-without-d")
    return _asleep.model(inputs, outputs, f"alexnet8{changes}", asleep)
