"""Inception10 as the lecture notes build it for CIFAR-10: one convolution, four Inception units, global pooling."""

import keras
from keras import layers

from cnnlib._arguments import integer
from cnnlib.models import _asleep
from cnnlib.models._arguments import check_classes, check_input_shape


def conv_bn_relu(x, filters, kernel_size, strides=1, name=""):
    """Return ``x`` (N, H, W, C) after Conv "same", batch normalisation and ReLU: (N, ceil(H/strides), ceil(W/strides), filters)."""
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def inception_unit(x, filters, strides=1, name="unit"):
    """Return ``x`` (N, H, W, C) after four branches put together along the channels: 4 * ``filters`` of them.

    The branches: 1x1; 1x1 then 3x3; 1x1 then 5x5; max pool 3x3 then 1x1 (Szegedy et al. 2015, figure 2b; there each
    convolution has a number of filters of its own). ``strides`` belong to the 1x1 convolutions, as in the notes.
    """
    one = conv_bn_relu(x, filters, 1, strides, f"{name}_1x1")
    three = conv_bn_relu(x, filters, 1, strides, f"{name}_3x3_reduce")
    three = conv_bn_relu(three, filters, 3, name=f"{name}_3x3")
    five = conv_bn_relu(x, filters, 1, strides, f"{name}_5x5_reduce")
    five = conv_bn_relu(five, filters, 5, name=f"{name}_5x5")
    pool = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    pool = conv_bn_relu(pool, filters, 1, strides, f"{name}_pool_1x1")
    return layers.Concatenate(name=f"{name}_concat")([one, three, five, pool])


def inception10(input_shape=(32, 32, 3), classes=10, *, filters=16, blocks=2, asleep=False):
    """Build Inception10: ten layers deep, 26 layers with weights, for 32x32x3 images and ten classes.

    Conv 3x3 "same" | batch normalisation | ReLU, then ``blocks`` blocks of two Inception units, of which the first
    has strides 2, then global average pooling and dense ``classes``. The filters of a branch double from block to
    block: 16, then 32. Its batch normalisation learns; the notes write ``training=False`` into theirs, which
    freezes it. GoogLeNet (Szegedy et al. 2015) has nine units, no batch normalisation, and other widths a branch.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255.
        classes: number of classes, that is of logits.
        filters: of the first convolution and of each convolution in the first block.
        blocks: how many blocks of two units, 1 or more.
        asleep: True makes the net that the notes train ("inception10-asleep"): batch normalisation stays in inference
            mode, its moving mean 0 and variance 1.

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape or a number that cannot be, an ``asleep`` that is no bool.

    """
    filters, blocks = integer("filters", filters, 1), integer("blocks", blocks, 1)
    inputs = keras.Input(check_input_shape(input_shape), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    x = conv_bn_relu(x, filters, 3, name="stem")
    for block in range(blocks):
        for unit, strides in enumerate((2, 1), 1):
            x = inception_unit(x, filters * 2**block, strides, f"block{block + 1}_unit{unit}")
    x = layers.GlobalAveragePooling2D(name="global_pool")(x)
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense")(x)
    return _asleep.model(inputs, outputs, "inception10", asleep)
