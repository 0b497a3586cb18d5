"""Chance that is the same in Python and in the page (chance.js): numbers that look random and follow from a seed.

NumPy's generators would be far more work to write again in JavaScript. This one, mulberry32 by Tommy Ettinger (2017, in
the public domain), has 32 bits of state: enough for a drawing, not for statistics.
"""

import math
from collections.abc import Callable

_WORD = 0xFFFFFFFF


def chance(seed: int) -> Callable[[], float]:
    """Return a function that gives another number, 0 <= number < 1, at each call."""
    state = seed & _WORD

    def following() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & _WORD
        t = ((state ^ (state >> 15)) * (state | 1)) & _WORD
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & _WORD)) & _WORD
        return (t ^ (t >> 14)) / 2**32

    return following


def normal(following: Callable[[], float]) -> float:
    """Return a number of mean 0 and standard deviation 1, from two of `following` (Box and Muller, 1958)."""
    radius = math.sqrt(-2 * math.log(1 - following()))
    return radius * math.cos(2 * math.pi * following())
