"""The checks of the arguments that every builder shares."""

import operator


def _integer(name, value, least):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be {least} or more, got {value!r}")
    return number


def check_input_shape(input_shape):
    """Return ``input_shape`` as three ints (height, width, channels), each 1 or more."""
    try:
        sizes = tuple(input_shape)
    except TypeError:
        raise TypeError(f"input_shape must be (height, width, channels), got {input_shape!r}") from None
    if len(sizes) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), got {input_shape!r}")
    return tuple(_integer(f"input_shape[{i}]", size, 1) for i, size in enumerate(sizes))


def check_classes(classes):
    """Return ``classes`` as an int, 2 or more."""
    return _integer("classes", classes, 2)
