"""The convolution explorer: a window moves over an input, and every cell shows what it touches and its own formula."""

import math
from html import escape
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib import geometry, reference
from cnnlib._arguments import integer, show
from cnnlib.widgets.base import CourseWidget, data_of, words_of
from cnnlib.widgets.cells import (
    LIMIT,
    as_lists,
    digits,
    factor,
    lengths,
    number_of,
    numbers_of,
    scaled,
    short,
    sign,
    table,
)
from cnnlib.widgets.traits import Flag, OneOf, Sides, Whole, both, two_of

_DATA = data_of("conv_explorer.js")
MOST = _DATA["most"]
_NULL = {"enum": [None]}


# --- what the settings take ---------------------------------------------------------------------------------


class _Numbers(traitlets.TraitType):
    """The name of a preset, or finite numbers in lists or arrays with from 2 axes to one for each of `most`.

    `most` gives the words and the longest of every axis. With `several`, a list of names will do as well.
    """

    def __init__(self, default, presets, most, several=0):
        super().__init__(default)
        self.presets, self.most, self.several = tuple(presets), most, several

    def validate(self, owner, value):
        if isinstance(value, str):
            return self._preset(value)
        value = as_lists(value)
        if self.several and isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            if len(value) > self.several:
                raise ValueError(f"{self.name} names {len(value)} presets: use 1 to {self.several}, one a filter")
            return [self._preset(name) for name in value]
        if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
            raise TypeError(
                f"{self.name}={value!r} is not a list of rows: use [[1, 0], [0, 1]], an array or {self._names()}"
            )
        shape = lengths(self.name, value)
        longest = list(self.most.values())
        if not 2 <= len(shape) <= len(longest) or not all(
            1 <= n <= most for n, most in zip(shape, longest, strict=False)
        ):
            words = ", ".join(f"1 to {most} {word}" for word, most in self.most.items())
            raise ValueError(f"{self.name} has shape {shape}: use {words}; the last axes may be left out")
        return numbers_of(self.name, value)

    def _preset(self, name):
        if name not in self.presets:
            raise ValueError(f"{self.name}={name!r} is no preset: use {self._names()}")
        return name

    def _names(self):
        return ", ".join(map(repr, self.presets))

    def schema(self):
        # Which of the last axes there are is left open here: the page says where rows are not alike.
        item = number = {"type": "number", "minimum": -LIMIT, "maximum": LIMIT}
        for axis, most in reversed(list(enumerate(self.most.values()))):
            item = {"type": "array", "items": item, "minItems": 1, "maxItems": most}
            if axis >= 2:
                item = {"anyOf": [number, item]}
        names = {"enum": list(self.presets)}
        several = [{"type": "array", "items": names, "minItems": 1, "maxItems": self.several}] * bool(self.several)
        return {"anyOf": [names, *several, item]}


class _NoneOr:
    """None, or what the other base takes from `least` to `most`."""

    def __init__(self, most, least=1):
        super().__init__(None, least, most)
        self.allow_none = True

    def schema(self):
        return {"anyOf": [_NULL, super().schema()]}


class _OwnWhole(_NoneOr, Whole):
    pass


class _OwnSides(_NoneOr, Sides):
    pass


class _Padding(traitlets.TraitType):
    """ "valid", "same", the zeros on each side, (before, after), or ((top, bottom), (left, right)), kept as lists."""

    def validate(self, owner, value):
        name, most = self.name, MOST["padding"]
        if isinstance(value, str):
            if value.lower() not in ("valid", "same"):
                raise ValueError(
                    f"{name}={value!r} is not valid: use 'valid', 'same', 0 to {most}, (before, after) or "
                    "((top, bottom), (left, right))"
                )
            return value.lower()
        value = as_lists(value)
        if not isinstance(value, list):
            return integer(name, value, 0, most)
        if len(value) != 2:
            raise ValueError(
                f"{name}={show(value)} has {len(value)} values: use (before, after) or ((top, bottom), (left, right))"
            )
        if not any(isinstance(axis, list) for axis in value):
            return [integer(f"{name}[{i}]", side, 0, most) for i, side in enumerate(value)]
        sides = []
        for i, axis in enumerate(value):
            axis = axis if isinstance(axis, list) else [axis, axis]
            if len(axis) != 2:
                raise ValueError(f"{name}[{i}]={show(axis)} has {len(axis)} values: use (before, after)")
            sides.append([integer(f"{name}[{i}][{j}]", side, 0, most) for j, side in enumerate(axis)])
        return sides

    def schema(self):
        zeros = {"type": "integer", "minimum": 0, "maximum": MOST["padding"]}
        return {"anyOf": [{"enum": ["valid", "same"]}, zeros, two_of(zeros), two_of(two_of(zeros))]}


class _Bias(traitlets.TraitType):
    """A finite number, or a list with one a filter."""

    def validate(self, owner, value):
        value = as_lists(value)
        if not isinstance(value, list):
            return number_of(self.name, value)
        if not 1 <= len(value) <= MOST["filters"]:
            raise ValueError(f"{self.name} has {len(value)} values: use one, or one a filter, 1 to {MOST['filters']}")
        return [number_of(f"{self.name}[{i}]", b) for i, b in enumerate(value)]

    def schema(self):
        number = {"type": "number", "minimum": -LIMIT, "maximum": LIMIT}
        return {"anyOf": [number, {"type": "array", "items": number, "minItems": 1, "maxItems": MOST["filters"]}]}


class _Pinned(traitlets.TraitType):
    """None, ("output",), ("input", row, column[, channel]) or ("weight", row, column[, channel[, filter]])."""

    def __init__(self):
        super().__init__(None, allow_none=True)

    def validate(self, owner, value):
        words = (
            'use None, ("output",), ("input", row, column[, channel]) or ("weight", row, column[, channel[, filter]])'
        )
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{self.name}={value!r} is not a cell: {words}")
        kind, *place = value or [None]
        if (
            kind not in ("output", "input", "weight")
            or len(place) not in {"output": [0], "input": [2, 3], "weight": [2, 3, 4]}[kind]
        ):
            raise ValueError(f"{self.name}={value!r} is not a cell: {words}")
        full = {"output": 0, "input": 3, "weight": 4}[kind]
        place = [integer(f"{self.name}[{i + 1}]", x, 0, MOST["size"] - 1) for i, x in enumerate(place)]
        return [kind, *place, *[0] * (full - len(place))]

    def schema(self):
        number = {"type": "integer", "minimum": 0, "maximum": MOST["size"] - 1}
        item = {"anyOf": [{"enum": ["output", "input", "weight"]}, number]}
        return {"anyOf": [_NULL, {"type": "array", "items": item, "minItems": 1, "maxItems": 5}]}


# --- the widget ---------------------------------------------------------------------------------------------


class ConvExplorer(CourseWidget):
    """A kernel moves over an input; each cell shows what it touches, and the sum at the current place is written out.

    Settings, all of them traits that follow the reader's hand:

    image: "example", "edge", "ramp", "digit", "photo" (grey, 32 x 32) or "colour" (3 channels, 16 x 16), or
    numbers (rows, columns) or (rows, columns, channels), at most 32 x 32 x 4.
    size: how much of it there is, a side or (rows, columns), 1 to 32; None is the picture's own size. Real pictures
    are scaled; other presets go on as they began; own numbers are cut off or get zeros, at the right and the bottom.
    in_channels: 1 to 4, or None for the picture's own. Channels after those are mirror images of it.
    kernel: "example", "identity", "blur", "sharpen", "sobel_x", "sobel_y" or "laplacian", a list of such names, one a
    filter, or numbers (rows, columns), (rows, columns, channels) or (rows, columns, channels, filters), at most
    7 x 7 x 4 x 4, channels being the input's in a transposed layer too. A named kernel, and rows and columns alone,
    are the same for every channel; blur, identity and sharpen are divided by the number of channels.
    kernel_size: a side or (rows, columns), 1 to 7; None is the kernel's own, 3 for a name. The centre stays.
    bias: a number, or a list with one a filter. strides and dilation_rate: 1 to 4, or (rows, columns). Both above 1 at
    once is what Keras refuses; the numbers are shown all the same, unless the layer is transposed.
    padding: "valid", "same", zeros on each side (0 to 12), (before, after) or ((top, bottom), (left, right)).
    transposed: Keras's Conv2DTranspose, where padding is "valid" or "same". output_padding: of that layer, below its
    strides, one number or (rows, columns); None leaves it to Keras.
    flip: turn the kernel by 180 degrees first, which is the convolution of mathematics; Keras computes the
    cross-correlation, flip=False.
    position: the output cell, counted row by row from 0; filter: whose output, from 0.
    pinned: the cell whose reach stays shown: None, ("output",), ("input", row, column[, channel]) or
    ("weight", row, column[, channel[, filter]]), from 0.
    speed of Play: "slow", "normal", "fast" or "fastest".

    Raises ValueError for a value out of range and TypeError for a wrong type. Settings that do not fit together are
    no error until a result is asked for: the widget says why, and what would fit.
    """

    name: ClassVar[str] = "conv-explorer"
    script: ClassVar[str] = "conv_explorer.js"
    needs: ClassVar[tuple[str, ...]] = ("cells.js",)

    image = _Numbers(
        "example", _DATA["images"], {"rows": MOST["size"], "columns": MOST["size"], "channels": MOST["channels"]}
    ).tag(sync=True)
    size = _OwnSides(MOST["size"]).tag(sync=True)
    in_channels = _OwnWhole(MOST["channels"]).tag(sync=True)
    kernel = _Numbers(
        "example",
        _DATA["kernels"],
        {
            "rows": MOST["kernel_size"],
            "columns": MOST["kernel_size"],
            "channels": MOST["channels"],
            "filters": MOST["filters"],
        },
        several=MOST["filters"],
    ).tag(sync=True)
    kernel_size = _OwnSides(MOST["kernel_size"]).tag(sync=True)
    bias = _Bias(0).tag(sync=True)
    strides = Sides(1, 1, MOST["strides"]).tag(sync=True)
    padding = _Padding("valid").tag(sync=True)
    dilation_rate = Sides(1, 1, MOST["dilation_rate"]).tag(sync=True)
    transposed = Flag(False).tag(sync=True)
    output_padding = _OwnSides(MOST["strides"] - 1, least=0).tag(sync=True)
    flip = Flag(False).tag(sync=True)
    position = Whole(0, 0).tag(sync=True)
    filter = Whole(0, 0, MOST["filters"] - 1).tag(sync=True)
    pinned = _Pinned().tag(sync=True)
    speed = OneOf("normal", *_DATA["speeds"]).tag(sync=True)

    @property
    def picture(self) -> np.ndarray:
        """The input's numbers, (rows, columns, channels)."""
        preset = _DATA["images"].get(self.image) if isinstance(self.image, str) else None
        if preset:
            own = np.array([digits(channel) for channel in preset["channels"]])
            height, width = both(self.size or preset["size"])
            if preset.get("picture"):
                own = np.array([scaled(channel, height, width) for channel in own])
            else:
                own = own[:, np.arange(height) % own.shape[1]][:, :, np.arange(width) % own.shape[2]]
        else:
            own = np.array(self.image, float)
            own = np.moveaxis(own[..., None] if own.ndim == 2 else own, -1, 0)
            height, width = both(self.size or list(own.shape[1:]))
            own = np.pad(own, ((0, 0), (0, max(height - own.shape[1], 0)), (0, max(width - own.shape[2], 0))))
            own = own[:, :height, :width]
        channels = []
        for c in range(self.in_channels or len(own)):
            turn, channel = c // len(own), own[c % len(own)]
            channels.append(channel[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1])
        return np.stack(channels, axis=-1).astype(float)

    @property
    def weights(self) -> np.ndarray:
        """The kernel's numbers before any flip, (rows, columns, channels, filters)."""
        channels = self._channels()
        if isinstance(self.kernel, str) or isinstance(self.kernel[0], str):
            names = [self.kernel] if isinstance(self.kernel, str) else self.kernel
            slices = [_preset_slice(name, *both(self.kernel_size or 3), channels) for name in names]
            return np.stack([np.stack([w] * channels, axis=-1) for w in slices], axis=-1)
        w = np.array(self.kernel, float)
        if w.ndim == 2:
            w = np.stack([w] * channels, axis=-1)
        w = w[..., None] if w.ndim == 3 else w
        return _resized(w, *both(self.kernel_size or list(w.shape[:2])))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(rows, columns) of the output, and the filters where there are several; ValueError where nothing fits."""
        sides = tuple(self._sides(axis) for axis in self._axes())
        filters = self._fitting_filters()
        return sides if filters == 1 else (*sides, filters)

    @property
    def output(self) -> list:
        """The output's numbers [row][column], or [row][column][filter] where there are several filters.

        Raises ValueError where the settings do not fit together.
        """
        self.output_shape  # noqa: B018  says what does not fit
        x, w = self.picture, self._used()
        b = np.broadcast_to(np.array(self.bias, float), w.shape[-1])
        if self.transposed:
            # rows[o, i, a] is 1 where output o takes input i times weight a
            rows, columns = (self._meetings(axis) for axis in self._axes())
            y = np.einsum("oia,pjb,ijc,abcf->opf", rows, columns, x, w) + b
        else:
            padding = self.padding if isinstance(self.padding, str) else tuple(map(tuple, _pad_sides(self.padding)))
            y = reference.conv2d(x[None], w, b, both(self.strides), padding, both(self.dilation_rate))[0]
        return (y[:, :, 0] if w.shape[-1] == 1 else y).tolist()

    @property
    def sum_text(self) -> str:
        """The products at `position`, written out: "(-1)·1 + 0·0 + ... + bias 1 = 1"; a line for each channel of several.

        A transposed layer's sum holds only the products that meet an input cell.
        """
        shape = self.output_shape
        row, column = divmod(self.position, shape[1])
        rows, columns = (self._window(axis, i) for axis, i in zip(self._axes(), (row, column), strict=True))
        x, w = self.picture, self._used()[..., self.filter]
        height, width, channels = x.shape
        lines, parts, totals = [], [], []
        for c in range(channels):
            inside = [[0 <= r < height and 0 <= q < width for q, _ in columns] for r, _ in rows]
            pairs = [
                (w[a, b, c], x[r, q, c] if inside[i][j] else 0)
                for i, (r, a) in enumerate(rows)
                for j, (q, b) in enumerate(columns)
            ]
            terms = [f"{factor(weight)}·{factor(number)}" for weight, number in pairs]
            used = [number for pair in pairs for number in pair]
            if channels == 1:
                parts, totals = terms, used
            elif terms:
                total = sum(weight * number for weight, number in pairs)
                lines.append(f"{self._channel_name(c)}: {' + '.join(terms)} {sign([*used, total])} {short(total)}")
                parts.append(factor(total))
                totals.append(total)
        bias = _at(self.bias, self.filter)
        value = np.reshape(self.output, (*shape[:2], -1))[row, column, self.filter]
        term = f"{words_of(self.name)['inSum']} {factor(bias)}"
        lines.append(" + ".join([*parts, term]) + f" {sign([*totals, bias, value])} {short(value)}")
        return "\n".join(lines)

    # --- how the settings fit together ---

    def _channels(self) -> int:
        own = (
            len(_DATA["images"][self.image]["channels"])
            if isinstance(self.image, str)
            else np.array(self.image).shape[2:]
        )
        return self.in_channels or (own if isinstance(own, int) else (*own, 1)[0])

    def _channel_name(self, c):
        words = words_of(self.name)
        coloured = self.image == "colour" and self._channels() == 3
        return words["colours"][c] if coloured else words["channel"].format(i=c + 1)

    def _used(self):
        """The weights as the window lays them on the input."""
        return self.weights[::-1, ::-1] if self.flip else self.weights

    def _axes(self) -> list[tuple]:
        """The arguments that cnnlib.geometry takes, for rows and for columns, and the output padding."""
        if isinstance(self.image, str):
            size = both(self.size or _DATA["images"][self.image]["size"])
        else:
            size = both(self.size or [len(self.image), len(self.image[0])])
        named = isinstance(self.kernel, str) or isinstance(self.kernel[0], str)
        kernel = both(self.kernel_size or (3 if named else [len(self.kernel), len(self.kernel[0])]))
        pads = [self.padding] * 2 if isinstance(self.padding, str) else map(tuple, _pad_sides(self.padding))
        extra = both(self.output_padding)
        return list(zip(size, kernel, both(self.strides), pads, both(self.dilation_rate), extra, strict=True))

    def _sides(self, axis) -> int:
        n, k, s, p, d, extra = axis
        if not self.transposed:
            return geometry.output_size(n, k, s, p, d)
        if not isinstance(p, str):
            raise ValueError(
                f"padding={show(self.padding)} is neither 'valid' nor 'same', all that Conv2DTranspose knows"
            )
        if max(both(self.strides)) > 1 and max(both(self.dilation_rate)) > 1:
            raise ValueError(
                f"strides={show(self.strides)} and dilation_rate={show(self.dilation_rate)} are both above 1, which Keras refuses"
            )
        return geometry.transposed_output_size(n, k, s, p, extra, d)

    def _window(self, axis, index) -> list[tuple[int, int]]:
        """(input cell, weight) of every product of one output; cells outside the input are padding."""
        n, k, s, p, d, extra = axis
        if self.transposed:
            # From the last weight to the first, as the turned kernel lies on the spread input.
            return sorted(geometry.transposed_window(n, index, k, s, p, extra, d))
        return [(cell, tap) for tap, cell in enumerate(geometry.window(n, index, k, s, p, d))]

    def _meetings(self, axis) -> np.ndarray:
        meetings = np.zeros((self._sides(axis), *axis[:2]))
        for output in range(len(meetings)):
            for cell, tap in self._window(axis, output):
                meetings[output, cell, tap] = 1
        return meetings

    def _fitting_filters(self) -> int:
        """The number of filters; ValueError where kernel, image and bias do not agree."""
        if isinstance(self.kernel, str):
            depth, filters = None, 1
        elif isinstance(self.kernel[0], str):
            depth, filters = None, len(self.kernel)
        else:
            shape = np.array(self.kernel).shape
            depth, filters = (shape[2] if len(shape) > 2 else None), (shape[3] if len(shape) > 3 else 1)
        channels = self._channels()
        if depth not in (None, channels):
            raise ValueError(f"kernel has {depth} channels but image has {channels}: a filter is as deep as its input")
        if isinstance(self.bias, list) and len(self.bias) != filters:
            raise ValueError(f"bias has {len(self.bias)} values for {filters} filters: use one number, or one a filter")
        return filters

    @traitlets.validate("position", "filter")
    def _place_fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        shape = self._shape()
        if shape:
            valid, what = (math.prod(shape[:2]), "cells") if name == "position" else ((*shape, 1)[2], "channels")
            if value >= valid:
                raise ValueError(f"{name}={value} is out of range: the output has {valid} {what}, use 0 to {valid - 1}")
        return value

    @traitlets.observe(
        "image",
        "size",
        "in_channels",
        "kernel",
        "kernel_size",
        "bias",
        "strides",
        "padding",
        "dilation_rate",
        "transposed",
        "output_padding",
    )
    def _keep_place(self, change):
        # A smaller output may lack the cell; the page goes to its last one too.
        shape = self._shape()
        if shape:
            self.position = min(self.position, math.prod(shape[:2]) - 1)
            self.filter = min(self.filter, (*shape, 1)[2] - 1)

    def _shape(self):
        try:
            return self.output_shape
        except ValueError:
            return None

    def fallback(self) -> str:
        """Tables of the input, the kernel and the output, and the sum at the current position.

        Of what is wider than 12 cells only the part around the current window.
        """
        words = words_of(self.name)["paper"]
        named = words["named"].format(image=repr(self.image)) if isinstance(self.image, str) else ""
        settings = (
            f"strides={self.strides}, padding={self.padding!r}, dilation_rate={self.dilation_rate}, "
            + (f"output_padding={self.output_padding}, " if self.transposed else "")
            + f"bias={self.bias}"
        )
        x, w = self.picture, self.weights
        names = [f", {self._channel_name(c)}" if x.shape[2] > 1 else "" for c in range(max(x.shape[2], w.shape[2]))]
        turned = words["turned"] if self.flip else ""
        title = words["transposed" if self.transposed else "title"].format(settings=named + settings)
        parts = [f"<p>{escape(title)}</p>"]
        try:
            shape = self.output_shape
            row, column = divmod(self.position, shape[1])
            rows, columns = (self._window(axis, i) for axis, i in zip(self._axes(), (row, column), strict=True))
            centre, places = (
                [rows[len(rows) // 2][0] if rows else 0, columns[len(columns) // 2][0] if columns else 0],
                (row, column),
            )
        except ValueError as problem:
            shape, centre, places = None, [0, 0], None
            parts.append(f"<p>{escape(words['noOutput'].format(problem=problem))}</p>")
        parts += [table(f"{words['input']}{names[c]}", x[:, :, c], centre) for c in range(x.shape[2])]
        for f in range(w.shape[3]):
            name = words["filter" if w.shape[3] > 1 else "kernel"].format(i=f + 1)
            parts += [table(f"{name}{names[c]}{turned}", w[:, :, c, f]) for c in range(w.shape[2])]
        if shape:
            y = np.reshape(self.output, (*shape[:2], -1))
            of = "Of" if y.shape[2] > 1 else ""  # one of several filters
            for f in range(y.shape[2]):
                parts.append(table(words[f"output{of}"].format(i=f + 1), y[:, :, f], places))
            which = words[f"sum{of}"].format(row=row + 1, column=column + 1, i=self.filter + 1)
            lines = "<br>".join(escape(line) for line in self.sum_text.split("\n"))
            parts.append(f"<p>{which} {lines}</p>")
        return "".join(parts)


# --- numbers ------------------------------------------------------------------------------------------------


def _at(value, i):
    return value[i] if isinstance(value, list) else value


def _pad_sides(padding):
    """Return explicit padding as [[top, bottom], [left, right]]."""
    sides = both(padding)
    return list(sides) if isinstance(sides[0], list) else [list(sides)] * 2


def _resized(w, rows, columns):
    """Return w with other sides. The centre stays; of an even side it is the cell that "same" padding takes for it."""
    new = np.zeros((rows, columns, *w.shape[2:]))
    down, right = ((old - 1) // 2 - (side - 1) // 2 for old, side in zip(w.shape, (rows, columns), strict=False))
    for i in range(rows):
        for j in range(columns):
            if 0 <= i + down < w.shape[0] and 0 <= j + right < w.shape[1]:
                new[i, j] = w[i + down, j + right]
    return new


def _preset_slice(name, rows, columns, channels):
    """Return one slice of a named kernel; those that keep the brightness do so over all channels together."""
    kernel = np.ones((rows, columns)) if name == "blur" else np.array(_DATA["kernels"][name], float)
    return _resized(kernel, rows, columns) / (kernel.sum() * channels or 1)
