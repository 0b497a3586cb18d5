"""Traits that the widgets share. They raise plain TypeError and ValueError that name the setting and what is valid."""

import traitlets

from cnnlib._arguments import integer


class Whole(traitlets.TraitType):
    """A whole number from `low` to `high` (None: no end)."""

    def __init__(self, default, low, high=None):
        super().__init__(default)
        self.low, self.high = low, high

    def validate(self, owner, value):
        """Return the number as an int."""
        return integer(self.name, value, self.low, self.high)


class Flag(traitlets.TraitType):
    """True or False."""

    def validate(self, owner, value):
        """Return the flag as it is."""
        if not isinstance(value, bool):
            raise TypeError(f"{self.name}={value!r} is not a bool: use True or False")
        return value


class OneOf(traitlets.TraitType):
    """One of some words."""

    def __init__(self, default, *words):
        super().__init__(default)
        self.words = words

    def validate(self, owner, value):
        """Return the word as it is."""
        if value not in self.words:
            kind = ValueError if isinstance(value, str) else TypeError
            raise kind(f"{self.name}={value!r} is none of {', '.join(map(repr, self.words))}")
        return value
