"""VGG16 as the lecture notes build it for CIFAR-10: thirteen 3x3 convolutions in five groups, three dense layers."""

import keras
from keras import layers

from cnnlib._arguments import boolean
from cnnlib.models import _asleep
from cnnlib.models._arguments import check_classes, check_input_shape

GROUPS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions, filters


def vgg16(input_shape=(32, 32, 3), classes=10, *, batch_normalization=True, asleep=False):
    """Build VGG16: sixteen layers with weights, 15,262,026 parameters for 32x32x3 images and ten classes.

    Five groups, each of two or three [Conv 3x3 "same" | batch normalisation | ReLU], then max pool 2x2, stride 2,
    dropout 0.2; the groups have 64, 128, 256, 512 and 512 filters. Then flatten | two times [dense 512, ReLU |
    dropout 0.2] | dense ``classes``. The paper's net (Simonyan and Zisserman 2015, table 1, column D) takes
    224x224 images, has no batch normalisation, dropout 0.5 behind dense layers of 4096 only.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255.
        classes: number of classes, that is of logits.
        batch_normalization: False leaves it out everywhere, as in the paper; the name is then "vgg16-without-b".
        asleep: True makes a net ("vgg16-asleep") whose batch normalisation and dropout stay in inference mode while
            it trains: what Keras 3 makes of the notes' class, whose ``call`` takes no ``training``.

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape or a number of classes that cannot be, a flag that is no bool.

    """
    boolean("batch_normalization", batch_normalization)
    inputs = keras.Input(check_input_shape(input_shape), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    for group, (convolutions, filters) in enumerate(GROUPS, 1):
        for i in range(1, convolutions + 1):
            x = layers.Conv2D(filters, 3, padding="same", name=f"conv{group}_{i}")(x)
            x = layers.BatchNormalization(name=f"bn{group}_{i}")(x) if batch_normalization else x
            x = layers.Activation("relu", name=f"relu{group}_{i}")(x)
        x = layers.MaxPooling2D(2, strides=2, padding="same", name=f"pool{group}")(x)
        x = layers.Dropout(0.2, name=f"drop{group}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i in (1, 2):
        x = layers.Dense(512, activation="relu", name=f"dense{i}")(x)
        x = layers.Dropout(0.2, name=f"drop{len(GROUPS) + i}")(x)
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense3")(x)
    return _asleep.model(inputs, outputs, "vgg16" if batch_normalization else "vgg16-without-b", asleep)
