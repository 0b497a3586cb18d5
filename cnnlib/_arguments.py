"""The checks of single arguments that modules share, and how error messages show a value. Imports nothing heavy."""

import numbers
import operator

__all__ = ["boolean", "choice", "integer", "number", "show"]


def integer(name, value, least=1, most=None):
    """Return `value` as a plain int from `least` to `most` (None: no end); NumPy's integers are welcome.

    Raises TypeError for what is no integer, bools and floats too, and ValueError for one out of range.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        valid = f">= {least}" if most is None else f"from {least} to {most}"
        kind = TypeError if number is None else ValueError
        raise kind(f"{name}={show(value)} is not an integer {valid}")
    return number


def number(name, value, least, most):
    """Return `value` as a float from `least` to `most`; NumPy's numbers are welcome.

    Raises TypeError for what is no real number, bools too, and ValueError for one out of range or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={show(value)} is not a number: use a number from {least} to {most}")
    if not least <= value <= most:
        raise ValueError(f"{name}={show(value)} is out of range: use a number from {least} to {most}")
    return float(value)


def boolean(name, value):
    """Return `value`, or raise TypeError for what is no bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is not True or False")
    return value


def choice(name, value, valid):
    """Return `value`, one of the strings `valid`, or raise TypeError for what is no string, ValueError for another."""
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} is not a string")
    if value not in valid:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, valid))}")
    return value


def show(value):
    """Return the value as messages show it, NumPy's integers like plain ones and lists like tuples.

    The JavaScript twin of `geometry` shows values in the same way.
    """
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(show, value)) + (",)" if len(value) == 1 else ")")
    return str(value) if hasattr(value, "__index__") else repr(value)
