"""LeNet5 as the lecture notes build it for CIFAR-10: two convolutions, three dense layers, sigmoids."""

import keras
from keras import layers

from cnnlib._arguments import choice
from cnnlib.models._arguments import check_classes, check_input_shape


def lenet5(input_shape=(32, 32, 3), classes=10, *, activation="sigmoid"):
    """Build LeNet5: five layers with weights, 62,006 parameters for 32x32x3 images and ten classes.

    [Conv 5x5 "valid", 6 then 16 filters | activation | max pool 2x2, stride 2] twice | flatten | dense 120, 84,
    ``classes``. The paper's net (LeCun et al. 1998, section II-B) has one input channel, a scaled tanh,
    sub-sampling with trained weights, a sparse second convolution and radial basis functions at its end.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255; sides of 16 or more.
        classes: number of classes, that is of logits.
        activation: "sigmoid" as in the notes, "tanh" (nearest to the paper) or "relu"; any but the first is added to
            the net's name: "lenet5-relu".

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape, a number of classes or an activation that cannot be.

    """
    height, width, channels = check_input_shape(input_shape, least=16)
    choice("activation", activation, ("sigmoid", "tanh", "relu"))
    inputs = keras.Input((height, width, channels), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    for i, filters in enumerate((6, 16), 1):
        x = layers.Conv2D(filters, 5, activation=activation, name=f"conv{i}")(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate((120, 84), 1):
        x = layers.Dense(units, activation=activation, name=f"dense{i}")(x)
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense3")(x)
    return keras.Model(inputs, outputs, name="lenet5" if activation == "sigmoid" else f"lenet5-{activation}")
