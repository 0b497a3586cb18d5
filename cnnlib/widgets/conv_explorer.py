"""The convolution explorer: a window moves over a small input, and the sum at each place is written out."""

import math
import numbers
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib import geometry, reference
from cnnlib._arguments import integer
from cnnlib.widgets.base import CourseWidget
from cnnlib.widgets.traits import Flag, Whole

LIMIT = 9999  # a larger number fits no cell


class _Grid(traitlets.TraitType):
    """Rows of finite numbers, all of one length: lists, arrays, or a list of arrays; kept as lists."""

    def __init__(self, largest):
        super().__init__()
        self.largest = largest

    def validate(self, owner, value):
        value = _as_list(value)
        if isinstance(value, (list, tuple)):
            value = [_as_list(row) for row in value]
        if not isinstance(value, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in value):
            raise TypeError(f"{self.name}={value!r} is not a list of rows: use [[1, 0], [0, 1]] or an array")
        widths = sorted(set(map(len, value)))
        if len(widths) > 1:
            raise ValueError(f"{self.name} has rows of {widths[0]} and of {widths[-1]} cells: use one length for all")
        shape = (len(value), *widths)
        if not all(1 <= side <= self.largest for side in shape):
            raise ValueError(f"{self.name} has shape {shape}: use 1 to {self.largest} rows and columns")
        return [[_number(f"{self.name}[{i}][{j}]", x) for j, x in enumerate(row)] for i, row in enumerate(value)]

    def schema(self):
        row = {"type": "array", "items": _Number().schema(), "minItems": 1, "maxItems": self.largest}
        return row | {"items": row}


class _Number(traitlets.TraitType):
    """A finite number."""

    def validate(self, owner, value):
        return _number(self.name, value)

    def schema(self):
        return {"type": "number", "minimum": -LIMIT, "maximum": LIMIT}


class _Padding(traitlets.TraitType):
    """The string "valid" or "same", the zeros on each side, or (before, after), kept as a list."""

    def validate(self, owner, value):
        if isinstance(value, str):
            if value.lower() not in ("valid", "same"):
                raise ValueError(f"{self.name}={value!r} is not valid: use 'valid', 'same', 0 to 6 or (before, after)")
            return value.lower()
        if isinstance(value, (list, tuple)):
            if len(value) != 2:
                raise ValueError(f"{self.name}={value!r} has {len(value)} values: use (before, after)")
            return [integer(f"{self.name}[{i}]", side, 0, 6) for i, side in enumerate(value)]
        return integer(self.name, value, 0, 6)

    def schema(self):
        zeros = {"type": "integer", "minimum": 0, "maximum": 6}
        sides = {"type": "array", "items": zeros, "minItems": 2, "maxItems": 2}
        return {"anyOf": [{"enum": ["valid", "same"]}, zeros, sides]}


class ConvExplorer(CourseWidget):
    """A kernel moves over a small one-channel input; the products at the current place are written out.

    Settings, all of them traits that follow the reader's hand:

    image: (height, width) numbers, sides 1 to 12. kernel: (height, width) numbers, sides 1 to 5.
    bias: a number. strides: 1 to 4, dilation_rate: 1 to 3, the same on both axes, and both above 1 at once if
    need be, which Keras refuses. padding: "valid", "same", zeros on each side (0 to 6), or (before, after).
    position: the output cell, counted row by row from 0. flip: turn the kernel by 180 degrees first, which is
    the convolution of mathematics; Keras computes the cross-correlation, flip=False.

    Raises ValueError for a value out of range and TypeError for a wrong type. A kernel that does not fit is
    no error until a result is asked for: the widget says why, and what would fit.
    """

    name: ClassVar[str] = "conv-explorer"
    script: ClassVar[str] = "conv_explorer.js"

    image = _Grid(largest=12).tag(sync=True)
    kernel = _Grid(largest=5).tag(sync=True)
    bias = _Number(0).tag(sync=True)
    strides = Whole(1, 1, 4).tag(sync=True)
    padding = _Padding("valid").tag(sync=True)
    dilation_rate = Whole(1, 1, 3).tag(sync=True)
    position = Whole(0, 0).tag(sync=True)
    flip = Flag(False).tag(sync=True)

    # The lecture notes' worked example: its window, its kernel. A fresh list each time, for lists can be changed.
    @traitlets.default("image")
    def _default_image(self):
        return [[1, 0, 2, 1, 0], [5, 4, 2, 3, 1], [3, 4, 5, 0, 2], [2, 1, 0, 3, 4], [0, 2, 3, 1, 5]]

    @traitlets.default("kernel")
    def _default_kernel(self):
        return [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]

    def _axes(self) -> list[tuple]:
        """The arguments that cnnlib.geometry takes, for rows and for columns."""
        rest = (self.strides, self.padding, self.dilation_rate)
        return [(len(x), len(w), *rest) for x, w in ((self.image, self.kernel), (self.image[0], self.kernel[0]))]

    @property
    def output_shape(self) -> tuple[int, int]:
        """(height, width) of the output; ValueError where the kernel does not fit."""
        return tuple(geometry.output_size(*axis) for axis in self._axes())

    @property
    def output(self) -> list[list[float]]:
        """The output's numbers, row by row, as the widget computes them; ValueError where the kernel does not fit."""
        x, w = np.array(self.image, float), np.array(self.kernel, float)
        sides = self.padding if isinstance(self.padding, list) else None
        y = reference.conv2d(
            x[None, :, :, None],
            (w[::-1, ::-1] if self.flip else w)[:, :, None, None],
            [self.bias],
            self.strides,
            (sides, sides) if sides else self.padding,
            self.dilation_rate,
        )
        return y[0, :, :, 0].tolist()

    @property
    def sum_text(self) -> str:
        """The products at `position`, written out: "(-1)·1 + 0·0 + ... + bias 1 = 1"."""
        row, column = divmod(self.position, self.output_shape[1])
        rows, columns = (
            geometry.window(axis[0], index, *axis[1:]) for axis, index in zip(self._axes(), (row, column), strict=True)
        )
        weights = [w for line in self.kernel for w in line]
        if self.flip:
            weights.reverse()
        height, width = len(self.image), len(self.image[0])
        cells = [self.image[r][c] if 0 <= r < height and 0 <= c < width else 0 for r in rows for c in columns]
        terms = [f"{_factor(w)}·{_factor(x)}" for w, x in zip(weights, cells, strict=True)]
        total = self.output[row][column]
        exact = all(math.isclose(x, round(x, 2), abs_tol=1e-9) for x in (*weights, *cells, self.bias, total))
        return f"{' + '.join(terms)} + bias {_factor(self.bias)} {'=' if exact else '≈'} {_short(total)}"

    @traitlets.validate("position")
    def _position_fits(self, proposal):
        cells = self._cells()
        if cells and proposal.value >= cells:
            raise ValueError(
                f"position={proposal.value} is out of range: the output has {cells} cells, use 0 to {cells - 1}"
            )
        return proposal.value

    @traitlets.observe("image", "kernel", "strides", "padding", "dilation_rate")
    def _keep_position(self, change):
        # A smaller output may lack the cell; the page goes to its last one too.
        if self._cells():
            self.position = min(self.position, self._cells() - 1)

    def _cells(self) -> int:
        """How many cells the output has; 0 where the kernel does not fit."""
        try:
            return math.prod(self.output_shape)
        except ValueError:
            return 0

    def fallback(self) -> str:
        """Tables of the input, the kernel and the output, and the sum at the current position."""
        settings = f"strides={self.strides}, padding={self.padding!r}, dilation_rate={self.dilation_rate}"
        turned = ", turned by 180° before use" if self.flip else ""
        parts = [_table("Input", self.image), _table(f"Kernel{turned}", self.kernel)]
        try:
            row, column = divmod(self.position, self.output_shape[1])
            parts.append(_table("Output", self.output))
            parts.append(f"<p>Row {row + 1}, column {column + 1} of the output: {self.sum_text}</p>")
        except ValueError as problem:
            parts.append(f"<p>No output: {escape(str(problem))}</p>")
        return f"<p>A convolution with {escape(settings)}, bias {_short(self.bias)}.</p>{''.join(parts)}"


def _as_list(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


def _number(name, value):
    """Return value as an int or a float; what is finite and not too large to show."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number: use a number from -{LIMIT} to {LIMIT}")
    if not abs(value) <= LIMIT:
        raise ValueError(f"{name}={value} is out of range: use a number from -{LIMIT} to {LIMIT}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _short(value) -> str:
    """Two decimals at most: 3, -0.5, 0.11. Halves go away from zero, as in the page's toFixed."""
    rounded = float(Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return f"{rounded or 0:.12g}"


def _factor(value) -> str:
    return f"({_short(value)})" if value < 0 else _short(value)


def _table(caption, grid) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{_short(x)}</td>' for x in row)}</tr>" for row in grid)
    return f"<table><caption>{caption} {len(grid)} × {len(grid[0])}</caption>{rows}</table>"
