"""Sizes, padding, receptive fields, parameters and multiply-accumulates of convolutional layers.

Pure Python on whole numbers, one spatial axis at a time, so that calculators answer at once and nothing
heavy is imported. The rules are TensorFlow's, "notes on padding" in
https://www.tensorflow.org/api_docs/python/tf/nn. `widgets/geometry.js` is the twin in JavaScript: the same
functions, the same order of arguments, the same error texts (but for two checks that no widget needs).

Letters in formulas: n input side, k kernel_size, s strides, p padding, d dilation_rate, o output side;
a kernel covers K = d * (k - 1) + 1 cells. Padding is "valid" (none), "same" (zeros so that o = ceil(n / s)),
"causal" (zeros before only, as in Conv1D), an integer (so many zeros on both sides) or (before, after).

Every function takes integers, NumPy's too. A wrong type raises TypeError, a wrong value ValueError; both
name the parameter, its value and what is valid.
"""

import math

from cnnlib._arguments import integer, show

__all__ = [
    "batch_norm_params",
    "conv_macs",
    "conv_params",
    "dense_macs",
    "dense_params",
    "effective_kernel_size",
    "output_size",
    "pad_amounts",
    "receptive_field",
    "receptive_field_start",
    "settings_for",
    "trace",
    "transposed_output_size",
    "transposed_window",
    "unread_cells",
    "window",
]


# --- one axis: padding, output size, which cells a window reads ---------------------------------------------


def effective_kernel_size(kernel_size, dilation_rate=1):
    """Return how many cells a dilated kernel covers: d * (k - 1) + 1."""
    k = integer("kernel_size", kernel_size)
    return integer("dilation_rate", dilation_rate) * (k - 1) + 1


def pad_amounts(n, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Return the zeros added to one axis as (before, after).

    "same" adds max((ceil(n / s) - 1) * s + K - n, 0) zeros in all, half of them on each side; an odd zero
    goes after, that is to the right or the bottom. "causal" adds K - 1 zeros before.
    """
    *_, before, after = _axis(n, kernel_size, strides, padding, dilation_rate)
    return before, after


def output_size(n, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Return the output side: floor((n + before + after - K) / s) + 1.

    Raises ValueError where the padded input is smaller than the kernel.
    """
    n, k, s, d, before, after = _axis(n, kernel_size, strides, padding, dilation_rate)
    covers, room = d * (k - 1) + 1, n + before + after
    if room < covers:
        dilated = f" with dilation_rate={d}" if d > 1 else ""
        raise ValueError(
            f"kernel_size={k}{dilated} covers {covers} input cells but n={n} with padding={show(padding)} "
            f"offers only {room}; use kernel_size <= {(room - 1) // d + 1}, a larger n, or padding='same'"
        )
    return (room - covers) // s + 1


def window(n, index, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Return the input positions that output number `index` reads, in the kernel's order.

    Positions below 0 or from n upward are padding.
    """
    o = output_size(n, kernel_size, strides, padding, dilation_rate)
    index = integer("index", index, 0)
    if index >= o:
        raise ValueError(f"index={index} is not an output: there are {o}, use 0 to {o - 1}")
    _, k, s, d, before, _ = _axis(n, kernel_size, strides, padding, dilation_rate)
    return [index * s - before + tap * d for tap in range(k)]


def unread_cells(n, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Return the input cells, in order, that no window reads.

    They are the cells left over at the end (the floor in `output_size`) and those that the stride steps
    over or that lie in the gaps of a dilated kernel.
    """
    read = set()
    for index in range(output_size(n, kernel_size, strides, padding, dilation_rate)):
        read.update(window(n, index, kernel_size, strides, padding, dilation_rate))
    return [cell for cell in range(n) if cell not in read]


def transposed_output_size(n, kernel_size, strides=1, padding="valid", output_padding=None, dilation_rate=1):
    """Return the output side of Keras's Conv2DTranspose, one axis of it.

    "valid": (n - 1) * s + max(K, s), or with output_padding (n - 1) * s + K + output_padding.
    "same": n * s, or with output_padding (n - 1) * s + K % 2 + output_padding.

    Raises ValueError also for what Keras and TensorFlow refuse: strides and dilation_rate both above 1,
    output_padding not below strides, and output_padding=0 with "same" and an even K (a convolution of that
    output would not give n cells back).
    """
    n = integer("n", n)
    covers = effective_kernel_size(kernel_size, dilation_rate)
    s = integer("strides", strides)
    mode = padding.lower() if isinstance(padding, str) else None
    if mode not in ("valid", "same"):
        kind = ValueError if mode else TypeError
        raise kind(f"padding={show(padding)} is neither 'valid' nor 'same'")
    if s > 1 and dilation_rate > 1:
        raise ValueError(f"strides={s} and dilation_rate={dilation_rate} are both above 1, which Keras refuses")
    if output_padding is None:
        return (n - 1) * s + max(covers, s) if mode == "valid" else n * s
    extra = integer("output_padding", output_padding, 0)
    if extra >= s:
        raise ValueError(f"output_padding={extra} is not below strides={s}")
    if mode == "same":
        if covers % 2 + extra == 0:
            raise ValueError(
                f"output_padding=0 with padding='same' does not fit a kernel that covers {covers} cells, "
                "an even number; use a larger one, or None"
            )
        covers %= 2
    return (n - 1) * s + covers + extra


def transposed_window(n, index, kernel_size, strides=1, padding="valid", output_padding=None, dilation_rate=1):
    """Return what output number `index` of Keras's Conv2DTranspose sums, one axis of it, as [(cell, tap), ...].

    Input cell number `cell` is multiplied by weight number `tap` of the kernel as it stands. Input cell i lays
    its kernel on the outputs i * s - before + tap * d, where `before` is what a convolution of that output
    with the same settings pads: the layer is that convolution's gradient (`tf.nn.conv2d_transpose`). Cells come
    in order; the list is empty where no kernel reaches.
    """
    o = transposed_output_size(n, kernel_size, strides, padding, output_padding, dilation_rate)
    index = integer("index", index, 0)
    if index >= o:
        raise ValueError(f"index={index} is not an output: there are {o}, use 0 to {o - 1}")
    k, s, d = int(kernel_size), int(strides), int(dilation_rate)
    before, _after = pad_amounts(o, k, s, padding, d)
    taps = ((cell, index + before - cell * s) for cell in range(n))
    return [(cell, reach // d) for cell, reach in taps if 0 <= reach <= d * (k - 1) and reach % d == 0]


# --- parameters and multiply-accumulates --------------------------------------------------------------------


def conv_params(kernel_size, in_channels, filters, use_bias=True, groups=1):
    """Return the parameters of a convolution: h * w * (in_channels / groups) * filters, plus filters biases.

    `kernel_size` is an integer (a square) or one integer an axis. A depthwise convolution is
    groups=in_channels with filters = in_channels * depth_multiplier.
    """
    area = math.prod(_sides("kernel_size", kernel_size))
    inputs, filters = _channels(in_channels, filters, groups)
    return area * inputs * filters + _flag("use_bias", use_bias) * filters


def dense_params(inputs, units, use_bias=True):
    """Return the parameters of a dense layer: inputs * units, plus one bias a unit."""
    return dense_macs(inputs, units) + _flag("use_bias", use_bias) * int(units)


def batch_norm_params(channels, scale=True, center=True):
    """Return the parameters of batch normalisation as (trainable, non_trainable).

    Trainable are gamma (`scale`) and beta (`center`); not trainable are the moving mean and variance.
    """
    channels = integer("channels", channels)
    return channels * (_flag("scale", scale) + _flag("center", center)), 2 * channels


def conv_macs(output_shape, kernel_size, in_channels, filters, groups=1):
    """Return the multiply-accumulates of a convolution on one image; the bias is not counted.

    Each of the o_h * o_w * filters outputs takes h * w * (in_channels / groups) of them, products with
    padding included. `output_shape` holds the sides only, (height, width); an integer is a square, as in
    `kernel_size`. FLOPs are twice this number.
    """
    outputs = _sides("output_shape", output_shape)
    sides = _sides("kernel_size", kernel_size, len(outputs))
    if len(sides) != len(outputs):
        raise ValueError(f"kernel_size={show(sides)} needs {len(outputs)} axes, like output_shape")
    area = math.prod(sides)
    inputs, filters = _channels(in_channels, filters, groups)
    return math.prod(outputs) * area * inputs * filters


def dense_macs(inputs, units):
    """Return the multiply-accumulates of a dense layer on one vector: inputs * units (no bias)."""
    return integer("inputs", inputs) * integer("units", units)


# --- a stack of layers --------------------------------------------------------------------------------------


def receptive_field(layers):
    """Return (size, jump) of a stack of layers, the first layer first.

    A layer is (kernel_size, strides, dilation_rate, padding), where all but kernel_size may be left out
    (1, 1, "valid") and padding, though checked, changes nothing here. `size` is how many input cells one output can see,
    `jump` how many input cells lie from one output's field to the next. A layer adds (K - 1) * jump to the
    size, then multiplies the jump by s. Pooling counts as a layer with kernel_size=pool_size.
    """
    size, jump = 1, 1
    for k, s, d, _padding in _stack(layers):
        size += d * (k - 1) * jump
        jump *= s
    return size, jump


def receptive_field_start(layers, n=None):
    """Return the input position where the first output's receptive field begins; negative with padding.

    Layers as in `receptive_field`. Output i can see the positions from start + i * jump to
    start + i * jump + size - 1. The input side `n` is needed only for "same" with strides above 1, where
    the zeros before depend on it; where it is given, every layer must fit.
    """
    n = None if n is None else integer("n", n)
    start, jump = 0, 1
    for k, s, d, padding in _stack(layers):
        if n is None and s > 1 and isinstance(padding, str) and padding.lower() == "same":
            raise ValueError(f"n=None is not enough: padding='same' with strides={s} depends on n")
        # without n, whatever n one takes gives the same zeros before
        before, _after = pad_amounts(n or 1, k, s, padding, d)
        n = n and output_size(n, k, s, padding, d)
        start -= before * jump
        jump *= s
    return start


def trace(layers, n, index):
    """Return the positions of every level that output number `index` of a stack depends on, the input's first.

    Layers as in `receptive_field`; n is the input side. Each level is a sorted list, the last one [index].
    Positions below 0 or from the level's size upward are padding; nothing behind them is followed.
    """
    sizes = [integer("n", n)]
    stack = _stack(layers)
    for k, s, d, padding in stack:
        sizes.append(output_size(sizes[-1], k, s, padding, d))
    index = integer("index", index, 0)
    if index >= sizes[-1]:
        raise ValueError(f"index={index} is not an output: there are {sizes[-1]}, use 0 to {sizes[-1] - 1}")
    levels = [[index]]
    for size, (k, s, d, padding) in zip(reversed(sizes[:-1]), reversed(stack), strict=True):
        outputs = output_size(size, k, s, padding, d)
        read = {cell for i in levels[0] if 0 <= i < outputs for cell in window(size, i, k, s, padding, d)}
        levels.insert(0, sorted(read))
    return levels


def settings_for(
    n,
    output,
    kernel_sizes=range(1, 12),
    strides=range(1, 5),
    paddings=("valid", "same"),
    dilation_rates=(1, 2, 3),
):
    """Return every setting that turns n input cells into `output` cells, as a list of dicts.

    Keys are kernel_size, strides, padding, dilation_rate. Left out are strides and dilation_rate both above
    1, which Keras refuses, and all but the first dilation_rate for kernel_size=1, which has no gaps to widen.
    The choices are lists, tuples, ranges or arrays; anything else raises TypeError.
    """
    n, output = integer("n", n), integer("output", output)
    kernel_sizes, strides = _choices("kernel_sizes", kernel_sizes), _choices("strides", strides)
    paddings, dilation_rates = _choices("paddings", paddings), _choices("dilation_rates", dilation_rates)
    found = []
    for k, s, padding in ((k, s, p) for k in kernel_sizes for s in strides for p in paddings):
        for d in dilation_rates if k != 1 else dilation_rates[:1]:
            _, k, s, d, before, after = _axis(n, k, s, padding, d)
            spare = n + before + after - d * (k - 1) - 1
            if (s == 1 or d == 1) and spare >= 0 and spare // s + 1 == output:
                found.append({"kernel_size": k, "strides": s, "padding": padding, "dilation_rate": d})
    return found


# --- checks -------------------------------------------------------------------------------------------------


def _axis(n, kernel_size, strides, padding, dilation_rate):
    """Return n, k, s, d as plain ints, and the zeros before and after."""
    n = integer("n", n)
    k = integer("kernel_size", kernel_size)
    d = integer("dilation_rate", dilation_rate)
    s = integer("strides", strides)
    return n, k, s, d, *_zeros(n, d * (k - 1) + 1, s, padding)


def _zeros(n, covers, s, padding):
    mode = _padding("padding", padding)
    if mode == "valid":
        return 0, 0
    if mode == "causal":
        return covers - 1, 0
    if mode == "same":
        total = max((-(-n // s) - 1) * s + covers - n, 0)
        return total // 2, total - total // 2
    return mode


def _padding(name, value):
    """Return "valid", "same" or "causal", or the zeros as plain ints (before, after)."""
    if isinstance(value, str) and value.lower() in ("valid", "same", "causal"):
        return value.lower()
    message = f"{name}={show(value)} is none of 'valid', 'same', 'causal', an integer >= 0, (before, after)"
    sides = value if isinstance(value, (tuple, list)) else (value, value)
    if isinstance(value, str) or len(sides) != 2:
        raise ValueError(message)
    try:
        return tuple(integer(name, side, 0) for side in sides)
    except (TypeError, ValueError) as error:
        raise type(error)(message) from None


def _flag(name, value):
    if not isinstance(value, bool):
        raise TypeError(f"{name}={show(value)} is neither True nor False")
    return value


def _sides(name, value, axes=2):
    """Return one integer an axis; a single integer stands for all of them."""
    if not isinstance(value, (tuple, list)):
        return (integer(name, value),) * axes
    if not value:
        raise ValueError(f"{name}=() is empty; use an integer or one integer an axis")
    return tuple(integer(f"{name}[{i}]", side) for i, side in enumerate(value))


def _choices(name, values):
    # Each is gone through many times and in order: a generator would be empty, a set has no first one.
    if not isinstance(values, (list, tuple, range)) and getattr(values, "ndim", None) != 1:
        raise TypeError(f"{name}={show(values)} is not a list, tuple, range or array of choices")
    return values


def _channels(in_channels, filters, groups):
    """Return how many input channels one filter reads, and the filters."""
    in_channels = integer("in_channels", in_channels)
    filters = integer("filters", filters)
    groups = integer("groups", groups)
    if in_channels % groups or filters % groups:
        raise ValueError(f"groups={groups} does not divide both in_channels={in_channels} and filters={filters}")
    return in_channels // groups, filters


def _stack(layers):
    """Return every layer as (kernel_size, strides, dilation_rate, padding), all of them checked."""
    if not isinstance(layers, (tuple, list)):
        raise TypeError(f"layers={show(layers)} is not a list of layers")
    rows = []
    for i, layer in enumerate(layers):
        sequence = isinstance(layer, (tuple, list))
        if not sequence or not 1 <= len(layer) <= 4:
            kind = ValueError if sequence else TypeError
            raise kind(f"layers[{i}]={show(layer)} is not (kernel_size[, strides[, dilation_rate[, padding]]])")
        k, s, d, padding = (*layer, *(1, 1, "valid")[len(layer) - 1 :])
        named = (("kernel_size", k), ("strides", s), ("dilation_rate", d))
        numbers = [integer(f"layers[{i}].{name}", value) for name, value in named]
        _padding(f"layers[{i}].padding", padding)
        rows.append((*numbers, padding))  # the padding as given: later messages show it
    return rows
