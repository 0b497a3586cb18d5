"""The checks of the arguments that every builder shares."""

from cnnlib._arguments import integer


def check_input_shape(input_shape, least=1):
    """Return ``input_shape`` as three ints (height, width, channels), each 1 or more, the sides ``least`` or more."""
    try:
        sizes = tuple(input_shape)
    except TypeError:
        raise TypeError(f"input_shape={input_shape!r} is not (height, width, channels)") from None
    if len(sizes) != 3:
        raise ValueError(f"input_shape={input_shape!r} is not (height, width, channels)")
    return tuple(integer(f"input_shape[{i}]", size, least if i < 2 else 1) for i, size in enumerate(sizes))


def check_classes(classes):
    """Return ``classes`` as an int, 2 or more."""
    return integer("classes", classes, 2)
