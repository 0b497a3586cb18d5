"""Dropout: a layer's numbers, the mask of this step, what goes on, and what many masks come to on average."""

import math
from functools import lru_cache
from html import escape
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib.widgets.base import CourseWidget, data_of, words_of
from cnnlib.widgets.cells import LIMIT, as_lists, lengths, number_of, numbers_of, short
from cnnlib.widgets.chance import chance
from cnnlib.widgets.traits import Flag, OneOf, Whole

_DATA = data_of("dropout.js")
MOST = _DATA["most"]
SIDE = len(_DATA["maps"][0])  # of a map
SCALINGS = ("training", "inference", "none")


# --- what the settings take ---------------------------------------------------------------------------------


class _Rate(traitlets.TraitType):
    """A number from 0 to 1. At 1 there is no result, and `problem` says why."""

    def validate(self, owner, value):
        value = number_of(self.name, value)
        if not 0 <= value <= 1:
            raise ValueError(f"{self.name}={value} is not a probability: use 0 <= {self.name} < 1")
        return value

    def schema(self):
        return {"type": "number", "minimum": 0, "maximum": 1}


class _Values(traitlets.TraitType):
    """None, a row of numbers, or maps (rows, columns, channels); arrays become lists."""

    def __init__(self):
        super().__init__(None, allow_none=True)

    def validate(self, owner, value):
        value = as_lists(value)
        words = (
            f"use None, a row of 1 to {MOST['units']} numbers, or maps of shape "
            f"({SIDE}, {SIDE}, channels) with 1 to {MOST['channels']} channels"
        )
        if not isinstance(value, list):
            raise TypeError(f"{self.name}={value!r} is not a list: {words}")
        shape = lengths(self.name, value)
        row = len(shape) == 1 and 1 <= shape[0] <= MOST["units"]
        maps = len(shape) == 3 and shape[:2] == (SIDE, SIDE) and 1 <= shape[2] <= MOST["channels"]
        if not row and not maps:
            raise ValueError(f"{self.name} has shape {shape}: {words}")
        return numbers_of(self.name, value)

    def schema(self):
        def array(items, least, most):
            return {"type": "array", "items": items, "minItems": least, "maxItems": most}

        number = {"type": "number", "minimum": -LIMIT, "maximum": LIMIT}
        cell = array(number, 1, MOST["channels"])
        return {
            "anyOf": [
                {"enum": [None]},
                array(number, 1, MOST["units"]),
                array(array(cell, SIDE, SIDE), SIDE, SIDE),
            ]
        }


# --- the widget ---------------------------------------------------------------------------------------------


class DropoutExplorer(CourseWidget):
    """A layer's numbers, this step's mask, what goes on to the next layer, and the mean over many masks.

    Settings, all of them traits that follow the reader's hand:

    rate: the probability with which a number is dropped, 0 to 1. With 1 nothing ever goes on, and there is no result.
    training: True shows a training step, False the layer in use.
    seed, draws: masks number 1 to `draws` (at most 500) that follow from `seed`. The last of them is the one drawn,
    and all of them together make the mean. A number is kept where its random number is >= rate, as in Keras.
    spatial: False is a row of units. True is maps of 4 x 4, which SpatialDropout2D drops whole; what Dropout does to
    their single cells at the same rate is shown beside it.
    scaling: "training" divides the kept numbers by 1 - rate, as Keras does; "inference" multiplies by 1 - rate in use,
    as Srivastava et al. (2014, section 4) do; "none" is the mistake of doing neither.
    values: None for the course's numbers, a row of 1 to 16, or maps (4, 4, channels); each kind counts where it is shown.
    channels: how many maps, 1 to 6. cell: the number whose arithmetic is written out, counted from 0, map after map.
    speed of Play: "slow", "normal", "fast" or "fastest".

    Raises ValueError for a value out of range and TypeError for a wrong type. rate=1 is no error until a result is
    asked for: the widget says why, and what would fit.
    """

    name: ClassVar[str] = "dropout"
    script: ClassVar[str] = "dropout.js"
    needs: ClassVar[tuple[str, ...]] = ("chance.js",)

    rate = _Rate(0.5).tag(sync=True)
    training = Flag(True).tag(sync=True)
    seed = Whole(0, 0, 2**31 - 1).tag(sync=True)
    draws = Whole(1, 1, MOST["draws"]).tag(sync=True)
    spatial = Flag(False).tag(sync=True)
    scaling = OneOf("training", *SCALINGS).tag(sync=True)
    values = _Values().tag(sync=True)
    channels = Whole(4, 1, MOST["channels"]).tag(sync=True)
    cell = Whole(0, 0, SIDE * SIDE * MOST["channels"] - 1).tag(sync=True)
    speed = OneOf("normal", *_DATA["speeds"]).tag(sync=True)

    @property
    def problem(self) -> str | None:
        """Why there is no result; None where there is one."""
        if self.rate < 1:
            return None
        return (
            f"rate={self.rate} drops every number in every step, and the scale 1 / (1 - rate) would divide by 0: "
            "use a rate below 1"
        )

    @property
    def numbers(self) -> np.ndarray:
        """What comes in: (units,), or with `spatial` (rows, columns, channels)."""
        maps = self.values is not None and isinstance(self.values[0], list)
        if not self.spatial:
            return np.array(_DATA["row"] if self.values is None or maps else self.values, float)
        numbers = np.moveaxis(np.array(_DATA["maps"], float), 0, -1)
        if maps:
            own = np.array(self.values, float)
            numbers = np.concatenate([own, numbers[..., own.shape[-1] :]], axis=-1)
        return numbers[..., : self.channels]

    @property
    def mask(self) -> np.ndarray:
        """1 where a number is kept, 0 where it is dropped, in the shape of `numbers`; in use all are kept."""
        return self._mask(self.spatial)

    @property
    def single_mask(self) -> np.ndarray:
        """The mask of single cells at the same rate: what Dropout would do where SpatialDropout2D drops maps."""
        return self._mask(False)

    @property
    def kept(self) -> int:
        """How many numbers, or with `spatial` how many maps, this mask keeps."""
        return int(self.mask.sum()) // (SIDE * SIDE if self.spatial else 1)

    @property
    def output(self) -> np.ndarray:
        """What goes on to the next layer, in the shape of `numbers`."""
        return self._output(self.mask)

    @property
    def single_output(self) -> np.ndarray:
        """What goes on where single cells are dropped."""
        return self._output(self.single_mask)

    @property
    def mean_output(self) -> np.ndarray:
        """The mean of what masks 1 to `draws` let on in training, in the shape of `numbers`."""
        return self._kept_value() * self._counts(self.spatial) / self.draws

    @property
    def mean_error(self) -> float:
        """Root mean square of the difference between `mean_output` and what the layer gives in use."""
        return float(np.sqrt(np.mean((self.mean_output - self._in_use()) ** 2)))

    @property
    def expected_error(self) -> float:
        """The root of the expected square of `mean_error`: what is to be expected after `draws` masks."""
        x, rate = self.numbers, self._rate()
        keep = 1 - rate
        factor = 1 / keep if self.scaling == "training" else 1
        use = keep if self.scaling == "inference" else 1
        variance = factor**2 * rate * keep / self.draws
        return float(np.sqrt(np.mean(x**2) * (variance + (factor * keep - use) ** 2)))

    @property
    def kept_counts(self) -> list[int]:
        """How many of masks 1 to `draws` kept 0, 1, 2, ... of the numbers (or maps)."""
        kept = _kept(self.seed, self._chances(self.spatial), self.draws, self._rate()).sum(axis=1)
        return np.bincount(kept, minlength=self._chances(self.spatial) + 1).tolist()

    @property
    def expected_counts(self) -> list[float]:
        """How many of `draws` masks should keep 0, 1, 2, ... numbers: `draws` times the binomial distribution."""
        n, keep = self._chances(self.spatial), 1 - self._rate()
        return [self.draws * math.comb(n, k) * keep**k * (1 - keep) ** (n - k) for k in range(n + 1)]

    @property
    def next_input(self) -> float:
        """What the next unit gets from `output`: its weighted sum, of maps the weighted sum of their means."""
        return float((self.weights * self.output).sum())

    @property
    def next_in_use(self) -> float:
        """What the next unit gets in use."""
        return float((self.weights * self._in_use()).sum())

    @property
    def next_mean(self) -> float:
        """What the next unit got in training, on average over masks 1 to `draws`."""
        return float((self.weights * self.mean_output).sum())

    @property
    def weights(self) -> np.ndarray:
        """The next unit's weights, in the shape of `numbers`."""
        if not self.spatial:
            return np.array(_DATA["weights"][: self.numbers.size])
        return np.broadcast_to(np.array(_DATA["mapWeights"][: self.channels]) / SIDE**2, self.numbers.shape)

    def _rate(self):
        if self.problem:
            raise ValueError(self.problem)
        return self.rate

    def _chances(self, spatial):
        """Return how many random numbers a mask takes."""
        return self.channels if spatial else self.numbers.size

    def _shaped(self, kept, spatial):
        """Return what belongs to each random number in the shape of `numbers`; cells are counted map after map."""
        shape = self.numbers.shape
        if spatial:
            return np.broadcast_to(kept, shape)
        return kept if len(shape) == 1 else np.moveaxis(kept.reshape(shape[-1:] + shape[:-1]), 0, -1)

    def _mask(self, spatial):
        kept = _kept(self.seed, self._chances(spatial), self.draws, self._rate())[-1]
        return self._shaped(kept if self.training else np.ones_like(kept), spatial).astype(float)

    def _counts(self, spatial):
        kept = _kept(self.seed, self._chances(spatial), self.draws, self._rate())
        return self._shaped(kept.sum(axis=0), spatial)

    def _kept_value(self):
        """Return what each number becomes where training keeps it."""
        return self.numbers / (1 - self._rate()) if self.scaling == "training" else self.numbers

    def _in_use(self):
        keep = 1 - self._rate()
        return self.numbers * keep if self.scaling == "inference" else self.numbers

    def _output(self, mask):
        return mask * self._kept_value() if self.training else self._in_use()

    def fallback(self) -> str:
        """A table for a row of units, three for maps: what comes in, what is dropped, what goes on."""
        if self.problem:
            return f"<p>{escape(self.problem)}.</p>"
        words = words_of(self.name)["paper"]
        layer = f"{'SpatialDropout2D' if self.spatial else 'Dropout'}({short(self.rate)})"
        title = words["training" if self.training else "use"].format(
            layer=layer, draws=self.draws, seed=self.seed, scaling=self.scaling
        )
        kept = words["keptMaps" if self.spatial else "kept"].format(
            kept=self.kept,
            all=self._chances(self.spatial),
            now=short(self.next_input),
            use=short(self.next_in_use),
            mean=short(self.next_mean),
            draws=self.draws,
        )
        kept = f"<p>{kept}</p>"
        if not self.spatial:
            rows = (
                map(short, self.numbers),
                (words["marks"][int(kept)] for kept in self.mask),
                map(short, self.output),
                map(short, self.mean_output),
            )
            body = "".join(
                f'<tr><th scope="row">{name.format(draws=self.draws)}</th>'
                f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
                for name, cells in zip(words["rows"], rows, strict=True)
            )
            return f"<table><caption>{escape(title)}</caption>{body}</table>{kept}"
        tables = "".join(
            f"<table><caption>{name.format(i=c + 1)}</caption>"
            + "".join(f"<tr>{''.join(f'<td>{short(x)}</td>' for x in row)}</tr>" for row in numbers[..., c])
            + "</table>"
            for c in range(self.channels)
            for name, numbers in zip(words["maps"], (self.numbers, self.single_output, self.output), strict=True)
        )
        return f"<p>{escape(title)}</p>{tables}{kept}"


@lru_cache(maxsize=32)
def _random(seed, count, draws):
    """Return the random numbers of `draws` masks, (draws, count)."""
    following = chance(seed)
    return np.array([following() for _ in range(draws * count)]).reshape(draws, count)


def _kept(seed, count, draws, rate):
    return (_random(seed, count, draws) >= rate).astype(int)
