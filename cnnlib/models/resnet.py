"""ResNet: the notes' ResNet18, and the paper's nets for CIFAR-10, each with its skips or plain."""

import keras
from keras import layers

from cnnlib._arguments import boolean, choice, integer, show
from cnnlib.models._arguments import check_classes, check_input_shape


def conv_bn(x, filters, kernel_size, strides=1, name=""):
    """Return ``x`` (N, H, W, C) after Conv "same" without bias and batch normalisation: (N, ceil(H/strides), ceil(W/strides), filters)."""
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def residual_block(x, filters, strides=1, *, skip=True, shortcut="projection", name="block"):
    """Return relu(F(x) + shortcut of x): (N, H, W, C) to (N, ceil(H/strides), ceil(W/strides), ``filters``).

    F is Conv 3x3, batch normalisation, ReLU, Conv 3x3, batch normalisation (He et al. 2016, figure 2 and section 3.3).
    Where F changes the shape, the shortcut is a 1x1 convolution with batch normalisation ("projection", the paper's
    option B), or takes every ``strides``-th cell and adds as many channels of zeros ("zeros", option A); else it is ``x``.

    Args:
        x: a Keras tensor.
        filters: channels that come out; for "zeros" as many as go in, or twice as many.
        strides: of the first convolution.
        skip: False leaves the shortcut and the sum out: relu(F(x)).
        shortcut: "projection" or "zeros".
        name: begins the names of the block's layers.

    Raises:
        ValueError, TypeError: for another ``shortcut``, or ``filters`` that channels of zeros cannot reach.

    """
    channels, zeros = x.shape[-1], choice("shortcut", shortcut, ("projection", "zeros")) == "zeros"
    if skip and zeros and filters not in (channels, 2 * channels):
        valid = f"{channels} or {2 * channels}"
        raise ValueError(f"filters={show(filters)} is not {valid}: shortcut='zeros' keeps the channels or doubles them")
    y = conv_bn(x, filters, 3, strides, f"{name}_1")
    y = layers.Activation("relu", name=f"{name}_1_relu")(y)
    y = conv_bn(y, filters, 3, name=f"{name}_2")
    if skip:
        if strides != 1 or channels != filters:
            x = _changed(x, filters, strides, shortcut, f"{name}_skip")
        y = layers.Add(name=f"{name}_add")([y, x])
    return layers.Activation("relu", name=f"{name}_relu")(y)


def _changed(x, filters, strides, shortcut, name):
    if shortcut == "projection":
        return conv_bn(x, filters, 1, strides, name)
    x = layers.MaxPooling2D(1, strides=strides, padding="same", name=f"{name}_every_{strides}")(x)
    if x.shape[-1] == filters:
        return x
    zeros = layers.Rescaling(0.0, name=f"{name}_zeros")(x)
    return layers.Concatenate(name=f"{name}_concat")([x, zeros])


def _resnet(input_shape, classes, blocks, filters, skips, shortcut, name):
    inputs = keras.Input(check_input_shape(input_shape), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    x = conv_bn(x, filters, 3, name="stem")
    x = layers.Activation("relu", name="stem_relu")(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            strides = 2 if stage and not block else 1
            block_name = f"stage{stage + 1}_block{block + 1}"
            x = residual_block(x, filters * 2**stage, strides, skip=skips, shortcut=shortcut, name=block_name)
    x = layers.GlobalAveragePooling2D(name="global_pool")(x)
    outputs = layers.Dense(check_classes(classes), dtype="float32", name="dense")(x)
    return keras.Model(inputs, outputs, name=name)


def resnet18(input_shape=(32, 32, 3), classes=10, *, filters=64, blocks=(2, 2, 2, 2), skips=True):
    """Build the notes' ResNet18: 11,183,562 parameters for 32x32x3 images and ten classes.

    Conv 3x3 with ``filters`` | batch normalisation | ReLU, then four stages of two residual blocks with 64, 128, 256
    and 512 filters (the first block of a later stage has strides 2 and a 1x1 convolution on its skip), global average
    pooling, dense ``classes``. Eighteen layers with weights lie on the longest path; the three 1x1 convolutions come
    on top. The paper's ResNet-18 (He et al. 2016, table 1) begins with Conv 7x7, strides 2, and max pooling, for
    images of 224x224. The notes add an L2 penalty to the dense layer; it is left out here, or its loss could not be
    compared with the other nets'.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255.
        classes: number of classes, that is of logits.
        filters: of the first stage; each later stage has twice as many.
        blocks: residual blocks a stage, one or more numbers.
        skips: False leaves out every skip and its 1x1 convolution: the plain net, "resnet18-plain".

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape or a number that cannot be, a ``skips`` that is no bool.

    """
    boolean("skips", skips)
    try:
        blocks = tuple(blocks)
    except TypeError:
        raise TypeError(f"blocks={blocks!r} is not a list of numbers of blocks, one a stage") from None
    if not blocks:
        raise ValueError(f"blocks={blocks!r} has no stage")
    blocks = tuple(integer(f"blocks[{i}]", count, 1) for i, count in enumerate(blocks))
    name = f"resnet{2 * sum(blocks) + 2}" + ("" if skips else "-plain")
    return _resnet(input_shape, classes, blocks, integer("filters", filters, 1), skips, "projection", name)


def cifar_resnet(input_shape=(32, 32, 3), classes=10, *, depth=20, skips=True):
    """Build one of the paper's nets for CIFAR-10: three stages with 16, 32 and 64 filters (He et al. 2016, section 4.2).

    Shortcuts that change the shape add channels of zeros (option A), so the residual net has exactly as many
    parameters as the plain one.

    Args:
        input_shape: (height, width, channels) of one image, pixels 0 to 255.
        classes: number of classes, that is of logits.
        depth: layers with weights, 6n + 2: 8, 14, 20, 32, 44, 56, 110.
        skips: False builds the plain net, named "plain20" instead of "resnet20".

    Returns:
        A built ``keras.Model``: (N, height, width, channels) to logits (N, classes).

    Raises:
        ValueError, TypeError: for a shape, a number of classes or a depth that cannot be, a ``skips`` that is no bool.

    """
    depth = integer("depth", depth, 8)
    if depth % 6 != 2:
        raise ValueError(f"depth={depth} is not 6n + 2, such as 20, 32, 44 or 56")
    name = f"{'resnet' if boolean('skips', skips) else 'plain'}{depth}"
    return _resnet(input_shape, classes, (depth // 6,) * 3, 16, skips, "zeros", name)
