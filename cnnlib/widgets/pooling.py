"""The pooling explorer: what max and average pooling keep of a small picture, and which cell each number came from."""

from html import escape
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib import geometry, reference
from cnnlib._arguments import integer
from cnnlib.widgets.base import CourseWidget, data_of, words_of
from cnnlib.widgets.cells import LIMIT, as_lists, digits, lengths, numbers_of, scaled, short, sign, table
from cnnlib.widgets.traits import OneOf, Sides, Whole, as_code, both

_DATA = data_of("pooling.js")
MOST = _DATA["most"]
KINDS = ("max", "average", "global average", "global max")
WRITTEN = 64  # more numbers than these are counted, not written out
_NULL = {"enum": [None]}
_LAYERS = {
    "max": "MaxPooling2D",
    "average": "AveragePooling2D",
    "global max": "GlobalMaxPooling2D",
    "global average": "GlobalAveragePooling2D",
}


# --- what the settings take ---------------------------------------------------------------------------------


class _OwnNumbers(traitlets.TraitType):
    """None, or finite numbers in rows of one length."""

    def __init__(self):
        super().__init__(None, allow_none=True)

    def validate(self, owner, value):
        value = as_lists(value)
        if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
            raise TypeError(f"{self.name}={value!r} is not a list of rows: use [[1, 0], [0, 1]], an array or None")
        shape = lengths(self.name, value)
        if len(shape) != 2 or not all(1 <= side <= MOST["size"] for side in shape):
            raise ValueError(f"{self.name} has shape {shape}: use 1 to {MOST['size']} rows and as many columns at most")
        return numbers_of(self.name, value)

    def schema(self):
        number = {"type": "number", "minimum": -LIMIT, "maximum": LIMIT}
        row = {"type": "array", "items": number, "minItems": 1, "maxItems": MOST["size"]}
        return {"anyOf": [_NULL, row | {"items": row}]}


class _Strides(Sides):
    """None, which is the pool's size, or what `Sides` takes."""

    def __init__(self):
        super().__init__(None, 1, MOST["strides"])
        self.allow_none = True

    def schema(self):
        return {"anyOf": [_NULL, super().schema()]}


class _Pinned(traitlets.TraitType):
    """None, ("output",) or ("input", row, column)."""

    def __init__(self):
        super().__init__(None, allow_none=True)

    def validate(self, owner, value):
        words = 'use None, ("output",) or ("input", row, column)'
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{self.name}={value!r} is not a cell: {words}")
        kind, *place = value or [None]
        if len(place) != {"output": 0, "input": 2}.get(kind if isinstance(kind, str) else None):
            raise ValueError(f"{self.name}={value!r} is not a cell: {words}")
        return [kind, *(integer(f"{self.name}[{i + 1}]", x, 0, MOST["size"] - 1) for i, x in enumerate(place))]

    def schema(self):
        number = {"type": "integer", "minimum": 0, "maximum": MOST["size"] - 1}
        item = {"anyOf": [{"enum": ["output", "input"]}, number]}
        return {"anyOf": [_NULL, {"type": "array", "items": item, "minItems": 1, "maxItems": 3}]}


# --- the widget ---------------------------------------------------------------------------------------------


class PoolingExplorer(CourseWidget):
    """A window moves over a picture and keeps its largest number or its mean; each cell tells where that came from.

    Settings, all of them traits that follow the reader's hand:

    image: "digit", "edges" (Sobel's x kernel on the digit, then ReLU: a small feature map), "photo" (grey), "example"
    (numbers from 0 to 5, with ties) or "own", which is `numbers`; those of the digit where there are none.
    numbers: rows of numbers, 1 to 16 of each; given without `image`, they are shown.
    size: a side or (rows, columns), 2 to 16, of all images but "own".
    kind: "max", "average", "global average" or "global max". pool_size and strides: 1 to 8, or (rows, columns); strides
    None is the pool's size, as in Keras. padding: "valid" or "same". A global pool has none of the three.
    shift: the picture moved 0 to 4 cells to the right; what comes in at the left repeats the first column.
    show: what the input's cells show: "values", "reads" (how many windows read a cell) or "gradient" (what comes back
    to it when the gradient of every output is 1).
    position: the output cell, counted row by row from 0.
    pinned: the cell that stays shown: None, ("output",) or ("input", row, column), from 0.
    speed of Play: "slow", "normal" or "fast".

    Raises ValueError for a value out of range and TypeError for a wrong type. A pool that is larger than the picture
    is no error until a result is asked for: the widget says why, and what would fit.
    """

    name: ClassVar[str] = "pooling"
    script: ClassVar[str] = "pooling.js"
    needs: ClassVar[tuple[str, ...]] = ("cells.js",)

    image = OneOf("digit", *_DATA["images"], "own").tag(sync=True)
    numbers = _OwnNumbers().tag(sync=True)
    size = Sides(8, 2, MOST["size"]).tag(sync=True)
    kind = OneOf("max", *KINDS).tag(sync=True)
    pool_size = Sides(2, 1, MOST["pool_size"]).tag(sync=True)
    strides = _Strides().tag(sync=True)
    padding = OneOf("valid", "valid", "same").tag(sync=True)
    shift = Whole(0, 0, MOST["shift"]).tag(sync=True)
    show = OneOf("values", "values", "reads", "gradient").tag(sync=True)
    position = Whole(0, 0).tag(sync=True)
    pinned = _Pinned().tag(sync=True)
    speed = OneOf("normal", *_DATA["speeds"]).tag(sync=True)

    def __init__(self, **settings):
        if settings.get("numbers") is not None:
            settings.setdefault("image", "own")
        super().__init__(**settings)

    # --- the input ---

    @property
    def picture(self) -> np.ndarray:
        """The numbers of the input before the shift, (rows, columns)."""
        if self.image == "own":
            return np.array(_preset("digit", 8, 8) if self.numbers is None else self.numbers, float)
        return _preset(self.image, *both(self.size))

    @property
    def moved_picture(self) -> np.ndarray:
        """The numbers of the input after the shift, which is what is pooled, (rows, columns)."""
        x = self.picture
        return x[:, np.maximum(np.arange(x.shape[1]) - self.shift, 0)]

    # --- the output ---

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(rows, columns), or (1,) for a global pool, one number a channel; ValueError where the pool does not fit."""
        shape = tuple(geometry.output_size(*axis) for axis in self._axes())
        return shape[:1] if self._global else shape

    @property
    def padding_amounts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((top, bottom), (left, right)) cells of padding. An odd one goes to the bottom or to the right."""
        return tuple(geometry.pad_amounts(*axis) for axis in self._axes())

    @property
    def output(self) -> np.ndarray:
        """The numbers that the layer gives, in `output_shape`; ValueError where the pool does not fit."""
        return self._pooled(self.moved_picture)

    @property
    def sources(self) -> np.ndarray | None:
        """(row, column) of the input cell that each output's maximum is, in `output_shape` + (2,); None for a mean.

        Of several equal cells the first one, row by row.
        """
        if not self._max:
            return None
        x = self.moved_picture
        # max() keeps the first of equals, and a window's cells come row by row.
        cells = [max(cells, key=lambda cell: x[cell]) for cells in self._windows()]
        return np.reshape(cells, (*self.output_shape, 2))

    @property
    def ties(self) -> np.ndarray | None:
        """How many cells of its window hold each output's maximum, in `output_shape`: 1 is no tie. None for a mean."""
        if not self._max:
            return None
        x = self.moved_picture
        held = [[x[cell] for cell in cells] for cells in self._windows()]
        return np.reshape([numbers.count(max(numbers)) for numbers in held], self.output_shape)

    @property
    def divisors(self) -> np.ndarray | None:
        """How many cells each output is the mean of, padding left out, in `output_shape`; None for a maximum."""
        return None if self._max else np.reshape([len(cells) for cells in self._windows()], self.output_shape)

    # --- the input's cells ---

    @property
    def reads(self) -> np.ndarray:
        """How many windows read each input cell, (rows, columns); 0 where none does."""
        counts = np.zeros(self.picture.shape, int)
        for cells in self._windows():
            for cell in cells:
                counts[cell] += 1
        return counts

    @property
    def gradient(self) -> np.ndarray:
        """What each input cell receives when the gradient of every output is 1, (rows, columns).

        A maximum sends it all to its source, or where the pool is global in equal parts to all that hold it, as
        TensorFlow does on a CPU; a mean sends equal shares. Windows that overlap add up.
        """
        dy, x = np.ones((1, *self.output_shape, 1)), self.moved_picture[None, :, :, None]
        backward = getattr(reference, f"{self.kind.replace(' ', '_')}_pool_backward")
        return (backward(dy.reshape(1, 1), x) if self._global else backward(dy, x, *self._layer()))[0, :, :, 0]

    # --- the shift ---

    @property
    def changed_cells(self) -> np.ndarray:
        """True where an output is another number than without the shift, in `output_shape`."""
        return _differ(self.output, self._pooled(self.picture))

    @property
    def changed_input(self) -> float:
        """Share of the input's cells that the shift changes, from 0 to 1."""
        return float(_differ(self.moved_picture, self.picture).mean())

    @property
    def moved_by(self) -> int:
        """By how many cells the shift moves the output: whole strides, at most to its last column."""
        shape = self.output_shape
        return 0 if self._global else min(self.shift // self._axes()[1][2], shape[1] - 1)

    @property
    def changed(self) -> float:
        """Share of the outputs that the shift changes beyond moving them, from 0 to 1.

        Each is compared with the output that lay `moved_by` cells further left before; the first `moved_by` columns,
        which have no such partner, are left out.
        """
        before, after, by = self._pooled(self.picture), self.output, self.moved_by
        if by:
            before, after = before[:, :-by], after[:, by:]
        return float(_differ(after, before).mean())

    @property
    def mean_change(self) -> tuple[float, float]:
        """By how much the shift changes an input cell, and an output, on average, both at their own places."""
        pairs = ((self.moved_picture, self.picture), (self.output, self._pooled(self.picture)))
        return tuple(float(np.abs(after - before).mean()) for after, before in pairs)

    # --- in words ---

    @property
    def code(self) -> str:
        """The layer as Keras code; strides are left out where they are the pool's size by default."""
        if self._global:
            return f"keras.layers.{_LAYERS[self.kind]}()"
        strides = "" if self.strides is None else f", strides={as_code(self.strides)}"
        size = as_code(self.pool_size)
        return f'keras.layers.{_LAYERS[self.kind]}(pool_size={size}{strides}, padding="{self.padding}")'

    @property
    def formula(self) -> str:
        """How the output at `position` comes about: "max(3, −∞, 1) = 3" or "(3 + 1) / 2 = 2"."""
        x, value = self.moved_picture, float(self.output.flat[self.position])
        rows, columns = self._window(self.position)
        places = [(row, column) for row in rows for column in columns]
        inside = [0 <= row < x.shape[0] and 0 <= column < x.shape[1] for row, column in places]
        real = [x[place] for place, fits in zip(places, inside, strict=True) if fits]
        equals = f"{sign([*real, value])} {short(value)}"
        if self._max:
            words = [short(x[place]) if fits else "−∞" for place, fits in zip(places, inside, strict=True)]
            return f"max({_some(words, ', ')}) {equals}"
        words = [short(number) if number >= 0 or not i else f"({short(number)})" for i, number in enumerate(real)]
        return f"({_some(words, ' + ')}) / {len(real)} {equals}"

    # --- how the settings fit together ---

    @property
    def _global(self) -> bool:
        return self.kind.startswith("global")

    @property
    def _max(self) -> bool:
        return self.kind.endswith("max")

    def _axes(self) -> list[tuple]:
        """The arguments that cnnlib.geometry takes, for rows and for columns."""
        size = self.picture.shape
        if self._global:
            return [(n, n, n, "valid") for n in size]
        pool = both(self.pool_size)
        strides = pool if self.strides is None else both(self.strides)
        return [(*axis, self.padding) for axis in zip(size, pool, strides, strict=True)]

    def _layer(self) -> tuple:
        """What cnnlib.reference takes of a pool that is not global: pool_size, strides, padding."""
        rows, columns = self._axes()
        return (rows[1], columns[1]), (rows[2], columns[2]), self.padding

    def _pooled(self, x) -> np.ndarray:
        pool, x = getattr(reference, f"{self.kind.replace(' ', '_')}_pool"), x[None, :, :, None]
        return pool(x)[0] if self._global else pool(x, *self._layer())[0, :, :, 0]

    def _window(self, position) -> list[list[int]]:
        """The rows and the columns that an output reads; those outside the input are padding."""
        axes = self._axes()
        place = divmod(position, geometry.output_size(*axes[1]))
        return [geometry.window(axis[0], at, *axis[1:]) for axis, at in zip(axes, place, strict=True)]

    def _windows(self) -> list[list[tuple[int, int]]]:
        """The input cells that each output reads, padding left out, row by row."""
        axes = self._axes()
        rows, columns = (
            [[cell for cell in geometry.window(axis[0], o, *axis[1:]) if 0 <= cell < axis[0]] for o in range(outputs)]
            for axis, outputs in zip(axes, (geometry.output_size(*axis) for axis in axes), strict=True)
        )
        return [[(i, j) for i in down for j in across] for down in rows for across in columns]

    def _outputs(self) -> int | None:
        try:
            return int(np.prod(self.output_shape))
        except ValueError:
            return None

    @traitlets.validate("position")
    def _place_fits(self, proposal):
        outputs = self._outputs()
        if outputs is not None and proposal.value >= outputs:
            raise ValueError(
                f"position={proposal.value} is out of range: the output has {outputs} cells, use 0 to {outputs - 1}"
            )
        return proposal.value

    @traitlets.observe("image", "numbers", "size", "kind", "pool_size", "strides", "padding")
    def _keep_place(self, change):
        # A smaller output may lack the cell; the page goes to its last one too.
        outputs = self._outputs()
        if outputs is not None:
            self.position = min(self.position, outputs - 1)

    def fallback(self) -> str:
        """Tables of the input and of the output, and how the number at the current position comes about."""
        words = words_of(self.name)["paper"]
        parts = [f"<p><code>{escape(self.code)}</code></p>"]
        moved = words["moved"].format(shift=self.shift) if self.shift else ""
        try:
            rows, columns = self._window(self.position)
        except ValueError as problem:
            parts.append(table(words["input"] + moved, self.moved_picture, most=16))
            return "".join([*parts, f"<p>{escape(words['noOutput'].format(problem=problem))}</p>"])
        parts += [
            table(words["input"] + moved, self.moved_picture, most=16),
            table(words["output"], np.atleast_2d(self.output), most=16),
        ]
        row, column = divmod(self.position, 1 if self._global else self.output_shape[1])
        how = {"row": row + 1, "column": column + 1, "formula": self.formula}
        if self._max:
            how["fromRow"], how["fromColumn"] = self.sources.reshape(-1, 2)[self.position] + 1
        parts.append(f"<p>{escape(words['sumFrom' if self._max else 'sum'].format(**how))}</p>")
        if self.show in ("reads", "gradient"):
            parts.append(table(words[self.show], getattr(self, self.show), most=16))
        if self.shift:
            counts = {"outputs": self.changed_cells, "inputs": _differ(self.moved_picture, self.picture)}
            told = {name: f"{int(changed.sum())}" for name, changed in counts.items()}
            told |= {f"{name}All": f"{changed.size}" for name, changed in counts.items()}
            parts.append(f"<p>{words['changes'].format(**told)}</p>")
        return "".join(parts)


def _preset(name, height, width) -> np.ndarray:
    preset = _DATA["images"][name]
    own = np.array(digits(preset["channels"][0]), float)
    if not preset.get("picture"):  # it goes on as it began
        return own[np.arange(height) % len(own)][:, np.arange(width) % own.shape[1]]
    x = np.array(scaled(own, height, width), float)
    if name != "edges":
        return x
    kernel = np.array(_DATA["edges"], float)[:, :, None, None]
    return np.maximum(reference.conv2d(x[None, :, :, None], kernel, padding="same")[0, :, :, 0], 0)


def _differ(one, other) -> np.ndarray:
    return np.abs(one - other) > 1e-9


def _some(words, glue) -> str:
    more = len(words) - WRITTEN
    rest = words_of(PoolingExplorer.name)["more"].format(more=more)
    return glue.join(words[:WRITTEN]) + (f"{glue}… ({rest})" if more > 0 else "")
