"""Sample answers to every exercise, for tests/test_exercises.py: right ones, stubs, typical mistakes.

One module a chapter, called as in cnnlib/exercises, holds a dict `SAMPLES` of {exercise's name without the
chapter: Sample}, in the chapter's order. A new module is found by itself.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


class Later:
    """An answer that takes Keras to make: `ready` makes it, once. So collecting the tests loads no TensorFlow."""

    def __init__(self, make):
        self.make = functools.cache(make)


@dataclass(frozen=True)
class Sample:
    """What the tests hand in for one exercise. Wherever an answer stands, there may be a Later."""

    solution: Any  # made by Keras or plain NumPy, never by cnnlib
    other: Any  # another right answer: another way, another type
    stub: Any  # what stands in the chapter: ..., a tuple of None, or a function or class without a body
    mistakes: dict[str, Any]  # {name of each Mistake that the exercise knows: an answer that makes it}
    near_misses: list[tuple[Any, str]] = field(default_factory=list)  # more wrong answers; words of the feedback
    more: list[Any] = field(default_factory=list)  # further right answers
    # For a function. {what must be among its inputs: a test of the list of all argument tuples}
    inputs: dict[str, Callable] = field(default_factory=dict)

    @property
    def is_code(self):
        """Whether a function or a class is asked for: the stub tells, because a value's stub is made of None or ..."""
        return isinstance(self.stub, Later) or callable(self.stub)

    def ready(self):
        """Return this sample with every Later made."""
        return Sample(**{f.name: _made(getattr(self, f.name)) for f in fields(self)})


def stub(*arguments):
    """Stand for a function that is not written yet."""
    raise NotImplementedError


def collect():
    """Return {exercise's id: Sample} of every chapter's module."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        samples = importlib.import_module(f"{__name__}.{module.name}").SAMPLES
        found |= {f"{module.name.replace('_', '-')}.{name}": sample for name, sample in samples.items()}
    return found


def _made(value):
    if isinstance(value, Later):
        return value.make()
    if type(value) is dict:
        return {name: _made(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_made(item) for item in value)
    return value
