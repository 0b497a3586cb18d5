"""The size calculator: what layers in a row make of an input, and which settings of one give a wanted size."""

from html import escape
from typing import ClassVar

from cnnlib import geometry
from cnnlib.widgets.base import CourseWidget, words_of
from cnnlib.widgets.traits import LAYERS, Layers, OneOf, Sides, Whole, as_code, both

LARGEST = 4096  # a side above this is not followed, here and in the script
_ONE_LAYER = ("kernel_size", "strides", "padding", "dilation_rate", "filters", "use_bias")


class SizeCalculator(CourseWidget):
    """Sizes, padding, parameters and multiply-accumulates of up to 8 layers in a row.

    Settings, all of them traits that follow the reader's hand: n, the input's side or (height, width), 1 to 256;
    in_channels (1 to 1024); layers, dicts with Keras's names as in `traits.Layers`: Conv2D, MaxPooling2D,
    AveragePooling2D, Conv2DTranspose; current, the chosen layer's index; axis, "rows" or "columns", which one is
    drawn where they differ; target, the output size that the list of settings aims at (1 to 256).

    In place of `layers` one Conv2D may be given by its own arguments: kernel_size (3), strides (1), padding
    ("valid"; also "explicit" with explicit_padding, the zeros on each side), dilation_rate (1), filters (8) and
    use_bias (True). Properties of these names read, and set, the chosen layer.

    Raises ValueError for a value out of range and TypeError for a wrong type. A layer that cannot be is no error
    until a result is asked for: the widget says what would fit.
    """

    name: ClassVar[str] = "size-calculator"
    script: ClassVar[str] = "size_calculator.js"
    needs: ClassVar[tuple[str, ...]] = ("stack.js",)

    n = Sides(28, 1, 256).tag(sync=True)
    in_channels = Whole(1, 1, 1024).tag(sync=True)
    layers = Layers([{"filters": 8}], types=tuple(LAYERS), rectangular=True, most={"layers": 8}).tag(sync=True)
    current = Whole(0, 0, 7).tag(sync=True)
    target = Whole(14, 1, 256).tag(sync=True)
    axis = OneOf("rows", "rows", "columns").tag(sync=True)

    def __init__(self, **settings):
        one = {key: settings.pop(key) for key in (*_ONE_LAYER, "explicit_padding") if key in settings}
        zeros = one.pop("explicit_padding", 1)
        if one.get("padding") == "explicit":
            one["padding"] = zeros
        if one and "layers" in settings:
            raise ValueError(
                f"{next(iter(one))!r} describes the only layer: put it into `layers`, or leave `layers` out"
            )
        super().__init__(**({"layers": [{"filters": 8} | one]} if one else {}), **settings)

    # --- the whole stack ----------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[dict]:
        """What each layer makes of what comes before it, first layer first.

        Keys: type; input_shape and output_shape, (height, width, channels), None where there is none; params; macs,
        None without an output; problem, the reason why it has no output, "" where it has one.
        """
        rows, sides, channels = [], both(self.n), self.in_channels
        for layer in self.layers:
            filters, output, problem, macs = layer.get("filters", channels), None, "", None
            inputs = sides and (*sides, channels)
            try:
                if sides is None:
                    raise ValueError("a layer before it has no output")
                _check(layer)
                sides = tuple(_output(n, layer, axis) for axis, n in enumerate(sides))
                if max(sides) > LARGEST:
                    raise ValueError(
                        f"an output of {max(sides)} cells a side is more than is followed here ({LARGEST})"
                    )
                output, macs = (*sides, filters), _macs(layer, inputs, sides)
            except ValueError as error:
                problem, sides = str(error), None
            params = _params(layer, channels)
            channels = filters
            rows.append(
                {
                    "type": layer["type"],
                    "input_shape": inputs,
                    "output_shape": output,
                    "params": params,
                    "macs": macs,
                    "problem": problem,
                }
            )
        return rows

    # --- the chosen layer ---------------------------------------------------------------------------------------

    @property
    def _index(self) -> int:
        return min(self.current, len(self.layers) - 1)

    @property
    def _layer(self) -> dict:
        return self.layers[self._index]

    @property
    def _inputs(self) -> tuple[int, int, int]:
        row = self.rows[self._index]
        if row["input_shape"] is None:
            at, broken = next((i, row) for i, row in enumerate(self.rows) if row["problem"])
            raise ValueError(f"layers[{self._index}] has no input: layers[{at}] has no output ({broken['problem']})")
        return row["input_shape"]

    def _each(self, function):
        """One result for both axes where they agree, else (rows, columns)."""
        rows, columns = (function(n, self._layer, axis) for axis, n in enumerate(self._inputs[:2]))
        return rows if rows == columns else (rows, columns)

    @property
    def output_size(self) -> int | tuple[int, int]:
        """Side of the output, (rows, columns) where they differ; ValueError where the layer does not fit."""
        return self._each(_output)

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the output; ValueError where the layer does not fit."""
        return (*both(self.output_size), self._layer.get("filters", self._inputs[2]))

    @property
    def pad_amounts(self) -> tuple:
        """Zeros (before, after) on each axis, a pair of them where rows and columns differ.

        For a Conv2DTranspose: the cells cut off before and after.
        """
        return self._each(_pads)

    @property
    def unread_cells(self) -> list[int] | tuple[list[int], list[int]]:
        """Rows (and columns) that no window reads, counted from 0; ValueError where the layer does not fit."""
        return self._each(_unread)

    @property
    def params(self) -> int:
        """Parameters of the layer."""
        return self.rows[self._index]["params"]

    @property
    def macs(self) -> int:
        """Multiply-accumulates on one image, 0 for a pool; ValueError where the layer does not fit."""
        return _macs(self._layer, self._inputs, both(self.output_size))

    def settings_for_target(self) -> list[dict]:
        """Every setting of the layer within the calculator's limits that turns its input side into `target`.

        The side is that of `axis`. Keys as in `geometry.settings_for`; padding is "valid", "same" or the zeros on
        each side (1 to 10). Left out are settings whose first window would hold nothing but padding. A
        Conv2DTranspose takes no zeros; its output_padding is None here.
        """
        n, kind = self._inputs[self.axis == "columns"], self._layer["type"]
        if kind == "Conv2DTranspose":
            return [
                {"kernel_size": k, "strides": s, "padding": padding, "dilation_rate": d}
                for k in range(1, 12)
                for s in range(1, 6)
                for padding in ("valid", "same")
                for d in range(1, 5 if s == 1 < k else 2)
                if geometry.transposed_output_size(n, k, s, padding, None, d) == self.target
            ]
        found = geometry.settings_for(
            n,
            self.target,
            kernel_sizes=range(1, 12),
            strides=range(1, 6),
            paddings=("valid", "same", *range(1, 11)),
            dilation_rates=range(1, 5 if kind == "Conv2D" else 2),
        )
        return [
            way
            for way in found
            if isinstance(way["padding"], str) or way["padding"] <= way["dilation_rate"] * (way["kernel_size"] - 1)
        ]

    # --- paper --------------------------------------------------------------------------------------------------

    def fallback(self) -> str:
        """A table of the layers and what each makes of its input, narrow enough for a phone; below it, remarks."""
        words, rows, notes = words_of(self.name)["paper"], [], []
        for i, (layer, row) in enumerate(zip(self.layers, self.rows, strict=True), 1):
            arguments = ", ".join(f"{key}={as_code(value)}" for key, value in layer.items() if key != "type")
            numbers = [
                _times(row["output_shape"] or [words["none"]]),
                f"{row['params']:,}",
                "" if row["macs"] is None else f"{row['macs']:,}",
            ]
            cells = "".join(f"<td>{number}</td>" for number in numbers)
            rows.append(f'<tr><th scope="row">{layer["type"]}<br><small>{escape(arguments)}</small></th>{cells}</tr>')
            if row["problem"]:
                notes.append(words["problem"].format(i=i, problem=row["problem"]))
        try:
            pads, unread = self._each(_pads), self._each(_unread)
        except ValueError:
            pass  # the chosen layer has no output, or no input: said above
        else:
            note = words["cut" if self._layer["type"] == "Conv2DTranspose" else "pads"]
            never = as_code(unread).replace(",)", ")") if unread else words["none"]
            notes.append(note.format(i=self._index + 1, pads=as_code(pads), unread=never))
        heads = "".join(f'<th scope="col">{text}</th>' for text in words["columns"])
        caption = words["caption"].format(shape=_times((*both(self.n), self.in_channels)))
        table = f"<table><caption>{caption}</caption><tr>{heads}</tr>{''.join(rows)}</table>"
        return table + "".join(f"<p>{escape(note)}</p>" for note in notes)


def _setting(key):
    def read(self):
        value = self._layer[key]
        return tuple(value) if isinstance(value, list) else value

    def write(self, value):
        index = self._index
        self.layers = [layer | {key: value} if i == index else layer for i, layer in enumerate(self.layers)]

    return property(read, write, doc=f"{key} of the chosen layer.")


for _key in (*_ONE_LAYER, "output_padding"):
    setattr(SizeCalculator, _key, _setting(_key))


# --- one layer, one axis of it ------------------------------------------------------------------------------------


def _axis(n, layer, axis):
    """Return geometry's arguments."""
    padding = layer["padding"]
    if isinstance(padding, list) and any(isinstance(side, list) for side in padding):
        padding = padding[axis]
    sides = {key: both(layer.get(key, 1))[axis] for key in ("kernel_size", "strides", "dilation_rate")}
    return {"n": n, "padding": padding, **sides}


def _output(n, layer, axis):
    if layer["type"] == "Conv2DTranspose":
        extra = layer["output_padding"]
        return geometry.transposed_output_size(
            **_axis(n, layer, axis), output_padding=extra if extra is None else both(extra)[axis]
        )
    return geometry.output_size(**_axis(n, layer, axis))


def _pads(n, layer, axis):
    if layer["type"] == "Conv2DTranspose":
        n = _output(n, layer, axis)  # it is the gradient of a convolution of its output
    return geometry.pad_amounts(**_axis(n, layer, axis))


def _unread(n, layer, axis):
    return [] if layer["type"] == "Conv2DTranspose" else geometry.unread_cells(**_axis(n, layer, axis))


def _params(layer, channels):
    return (
        geometry.conv_params(layer["kernel_size"], channels, layer["filters"], layer["use_bias"])
        if "filters" in layer
        else 0
    )


def _macs(layer, inputs, outputs):
    if "filters" not in layer:
        return 0
    sides = inputs[:2] if layer["type"] == "Conv2DTranspose" else outputs
    return geometry.conv_macs(sides, both(layer["kernel_size"]), inputs[2], layer["filters"])


def _check(layer):
    """Raise ValueError for what Keras refuses whatever the input is."""
    strides, dilation = layer["strides"], layer.get("dilation_rate", 1)
    if "filters" in layer and max(both(strides)) > 1 and max(both(dilation)) > 1:
        raise ValueError(
            f"strides={as_code(strides)} and dilation_rate={as_code(dilation)} are both above 1, which Keras refuses"
        )


def _times(shape):
    return " × ".join(map(str, shape))
