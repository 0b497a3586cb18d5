"""Batch normalisation of one channel: a batch's numbers before and after, and the averages that follow many batches."""

import math
from functools import lru_cache
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib import reference
from cnnlib._arguments import number, show
from cnnlib.widgets.base import CourseWidget, data_of, words_of
from cnnlib.widgets.chance import chance, normal
from cnnlib.widgets.traits import Flag, Number, OneOf, Whole

_DATA = data_of("batch_norm.js")
MOST = _DATA["most"]
RANGES = _DATA["ranges"]  # of the sliders: [lowest, highest, step]
STREAMS = 1000  # a seed has so many batches, more than are ever drawn

# One number of mean 0 and standard deviation 1, from the chance of its batch; "real" is a recorded number as it is.
_UNITS = {
    "drifted": normal,
    "skewed": lambda following: -math.log(1 - following()) - 1,
    "two humps": lambda following: math.copysign(0.9, following() - 0.5) + math.sqrt(0.19) * normal(following),
    "real": lambda following: _DATA["real"][int(following() * len(_DATA["real"]))],
}


# --- what the settings take ---------------------------------------------------------------------------------


class _Values(traitlets.TraitType):
    """A list of numbers, 1 to MOST["values"] of them, each at most MOST["value"] away from 0; None: the file's own."""

    allow_none = True

    def validate(self, owner, value):
        """Return the numbers as floats, in a list of their own."""
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{self.name}={show(value)} is neither a list of numbers nor None")
        if not 1 <= len(value) <= MOST["values"]:
            raise ValueError(f"{self.name} has {len(value)} numbers: use 1 to {MOST['values']}")
        return [number(f"{self.name}[{i}]", one, -MOST["value"], MOST["value"]) for i, one in enumerate(value)]

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        one = {"type": "number", "minimum": -MOST["value"], "maximum": MOST["value"]}
        several = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST["values"]}
        return {"anyOf": [{"enum": [None]}, several]}


def _ranged(key, default):
    return Number(default, *RANGES[key][:2]).tag(sync=True)


class BatchNormExplorer(CourseWidget):
    """One channel of a layer: the numbers of a batch, normalised, scaled and shifted; and the moving averages.

    Settings, all of them traits that follow the reader's hand:

    data: where the numbers come from. "drifted" (a bell), "skewed" (a long tail to the right), "two humps",
    "real" (recorded numbers of a small net's first convolution on drawn pictures), "own" (`values`).
    batch_size: numbers in a batch, 1 to 256. (A convolution's channel has batch · height · width of them.)
    seed: 0 to 9999. Seed and the batch's number say which numbers are drawn; a larger batch holds the smaller one.
    centre, spread: mean and standard deviation of the population that "drifted", "skewed" and "two humps" draw from.
    drift: how far the population moves with each batch; "own" numbers stay where they are.
    gamma, beta, epsilon, momentum: as in Keras. An epsilon of 0 is no error: `problem` says when it divides by 0.
    training: True normalises by the batch's own mean and variance, False by the moving ones.
    steps: so many batches, 0 to 300, have gone by in training; the batch on show is the one after them.
    values: "own" numbers, 1 to 16; None is a list to begin with.
    position: the number of the batch whose arithmetic is written out, counted from 0.

    Numbers that are drawn have two decimals. Raises ValueError for a value out of range and TypeError for a wrong type.
    """

    name: ClassVar[str] = "batch-norm"
    script: ClassVar[str] = "batch_norm.js"
    needs: ClassVar[tuple[str, ...]] = ("chance.js",)

    data = OneOf("drifted", *_UNITS, "own").tag(sync=True)
    batch_size = Whole(32, 1, MOST["batch_size"]).tag(sync=True)
    seed = Whole(0, 0, MOST["seed"]).tag(sync=True)
    centre = _ranged("centre", 3)
    spread = _ranged("spread", 2)
    gamma = _ranged("gamma", 1)
    beta = _ranged("beta", 0)
    epsilon = Number(1e-3, 0, 1).tag(sync=True)
    training = Flag(True).tag(sync=True)
    momentum = Number(0.99, 0, 1).tag(sync=True)
    steps = Whole(0, 0, MOST["steps"]).tag(sync=True)
    values = _Values(None).tag(sync=True)
    drift = _ranged("drift", 0)
    position = Whole(0, 0, MOST["batch_size"] - 1).tag(sync=True)

    # --- one batch ---

    @property
    def batch(self) -> list[float]:
        """The numbers of the batch on show, the one after `steps` others."""
        return self._batch(self.steps)

    @property
    def mean(self) -> float:
        """Mean of the batch."""
        return _moments(self.batch)[0]

    @property
    def variance(self) -> float:
        """Variance of the batch, divided by the number of values as Keras does, not by one less."""
        return _moments(self.batch)[1]

    @property
    def normalised(self) -> list[float]:
        """(x - mean) / sqrt(variance + epsilon), by the statistics that `training` chooses; NaN as in `output`."""
        return self._normalise(1.0, 0.0, *self._used())

    @property
    def output(self) -> list[float]:
        """gamma * normalised + beta, what the layer gives; all of it NaN where `problem` says so, as in Keras."""
        return self._normalise(self.gamma, self.beta, *self._used())

    @property
    def kept(self) -> float:
        """Share of the outputs above 0, which a ReLU lets through."""
        return float(np.mean(np.array(self.output) > 0))

    @property
    def skewness(self) -> tuple[float, float]:
        """Skewness (third standardised moment) of the batch and of the output; NaN where all values are equal."""
        return _skewness(self.batch), _skewness(self.output)

    @property
    def problem(self) -> str | None:
        """Why there is no output: a division by 0; None where there is one."""
        variance = self._used()[1]
        if variance + self.epsilon > 0:
            return None
        return f"variance={variance:g} and epsilon={self.epsilon:g} make a division by 0: use an epsilon above 0"

    # --- many batches ---

    @property
    def moving_mean(self) -> float:
        """What `steps` batches have made of Keras's moving_mean, which begins at 0."""
        return self.averages[-1][0]

    @property
    def moving_variance(self) -> float:
        """What `steps` batches have made of Keras's moving_variance, which begins at 1."""
        return self.averages[-1][1]

    @property
    def averages(self) -> list[tuple[float, float]]:
        """(moving mean, moving variance) before the first batch and after each of the `steps`."""
        found = [np.array([0.0, 1.0])]
        for step in range(self.steps):
            found.append(reference.moving_average(found[-1], _moments(self._batch(step)), self.momentum))
        return [tuple(pair.tolist()) for pair in found]

    @property
    def population(self) -> tuple[float, float]:
        """Mean and variance of all the numbers that the batch on show is drawn from."""
        if self.data == "own":
            return _moments(self._own())
        if self.data == "real":
            mean, variance = _moments(_DATA["real"])
        else:
            mean, variance = self.centre, self.spread**2
        return mean + self.drift * self.steps, variance

    @property
    def inference_error(self) -> float:
        """Root mean square, over the batch, of what the moving averages change in the output.

        That is the output by the moving averages minus the output by the population's own mean and variance.
        """
        moving, exact = (
            np.array(self._normalise(self.gamma, self.beta, *statistics))
            for statistics in (self.averages[-1], self.population)
        )
        return float(np.sqrt(np.mean((moving - exact) ** 2)))

    # --- how it is done ---

    def _own(self):
        return _DATA["own"] if self.values is None else self.values

    def _count(self):
        return len(self._own()) if self.data == "own" else self.batch_size

    def _batch(self, number):
        if self.data == "own":
            return list(map(float, self._own()))
        units = _units(self.data, self.seed, number, self.batch_size)
        centre, spread = (0.0, 1.0) if self.data == "real" else (self.centre, self.spread)
        middle = centre + self.drift * number
        # Not round(): the page has no rounding of halves to even.
        return [math.floor((middle + spread * unit) * 100 + 0.5) / 100 for unit in units]

    def _used(self):
        return _moments(self.batch) if self.training else self.averages[-1]

    def _normalise(self, gamma, beta, mean, variance):
        x = np.array(self.batch)
        if not variance + self.epsilon > 0:
            return [math.nan] * len(x)  # Keras: 0 times infinity, or infinity less infinity
        if not self.epsilon:  # the reference refuses it
            return (gamma * ((x - mean) / math.sqrt(variance)) + beta).tolist()
        y = reference.batch_norm(x[:, None], [gamma], [beta], self.epsilon, [mean], [variance])
        return y[:, 0].tolist()

    @traitlets.validate("position")
    def _place_is_there(self, proposal):
        if proposal.value >= self._count():
            raise ValueError(
                f"position={proposal.value} is out of range: the batch has {self._count()} numbers, "
                f"use 0 to {self._count() - 1}"
            )
        return proposal.value

    @traitlets.observe("data", "batch_size", "values")
    def _keep_place(self, change):
        # A smaller batch may lack the number; the page goes to its last one too.
        self.position = min(self.position, self._count() - 1)

    def fallback(self) -> str:
        """Tables of the batch at each stage and of the statistics, and the arithmetic of the chosen number."""
        words, rows = words_of(self.name)["paper"], []
        stages = (self.batch, self.normalised, self.output, np.maximum(self.output, 0).tolist())
        for name, values in zip(words["stages"], stages, strict=True):
            mean, variance = _moments(values)
            cells = (_short(mean), _short(math.sqrt(variance)), _short(_skewness(values)), f"{_share(values):.0%}")
            rows.append((name, cells))
        caption = words["caption"].format(data=repr(self.data), count=self._count(), steps=self.steps)
        parts = [_table(caption, words["heads"], rows)]
        columns = (_moments(self.batch), self.averages[-1], self.population)
        rows = [(name, [_short(column[i]) for column in columns]) for i, name in enumerate(words["rows"])]
        parts.append(_table(words["statistics"], ("", *words["columns"]), rows))
        mean, variance = self._used()
        x, normal_x, y = (values[self.position] for values in (self.batch, self.normalised, self.output))
        sums = (
            f"({_short(x)} − {_factor(mean)}) / √({_short(variance)} + {self.epsilon:g}) = {_short(normal_x)}; "
            f"{_short(self.gamma)} · {_factor(normal_x)} + {_factor(self.beta)} = {_short(y)}"
        )
        parts.append(f"<p>{words['own' if self.training else 'moving'].format(sums=sums)}</p>")
        parts.append(f"<p>{words['off'].format(error=_short(self.inference_error))}</p>")
        if self.problem:
            parts.append(f"<p>{words['noOutput'].format(problem=self.problem)}</p>")
        return "".join(parts)


# --- numbers ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _units(data, seed, number, count):
    """Return the numbers of one batch before centre and spread. Each batch has a chance of its own."""
    following = chance(seed * STREAMS + number)
    return tuple(_UNITS[data](following) for _ in range(count))


def _moments(values):
    """Return mean and variance. Differences to the first value keep the variance of equal ones at exactly 0."""
    first = values[0]
    mean = first + sum(value - first for value in values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def _skewness(values):
    mean, variance = _moments(values)
    if not variance > 0 or math.isinf(variance):
        return math.nan
    return sum((value - mean) ** 3 for value in values) / len(values) / variance**1.5


def _share(values):
    return sum(value > 0 for value in values) / len(values)


def _short(value):
    """Three decimals at most, a real minus; a dash for what is no number."""
    return f"{round(value, 3) or 0:g}".replace("-", "−") if math.isfinite(value) else "–"


def _factor(value):
    return f"({_short(value)})" if value < 0 else _short(value)


def _table(caption, head, rows):
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for name, cells in rows
    )
    return f"<table><caption>{caption}</caption><tr>{columns}</tr>{body}</table>"
