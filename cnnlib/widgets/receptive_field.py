"""The receptive field of a stack of layers: what one output sees, level by level, and what two stacks cost."""

import json
import re
from html import escape
from typing import ClassVar

from cnnlib import geometry
from cnnlib._arguments import show
from cnnlib.widgets.base import CourseWidget, source, words_of
from cnnlib.widgets.traits import Cell, Layers, OneOf, Whole

LARGEST = 256  # input side
DATA = json.loads(source("receptive_field.json"))

# "3s64/2" is 64 filters of 3x3, "same", stride 2; v is "valid", d2 a dilation rate, a last n "no bias"; "m3/2" a max pool.
_SHORT = re.compile(r"(m?)(\d+)([vs]?)(\d*)(?:/(\d+))?(?:d(\d+))?(n?)")


def preset(name, in_channels):
    """Return the layers of a net of the file's list, as Keras names them.

    Capitals, spaces and hyphens do not matter. A preset that fixes no filters takes `in_channels` everywhere.
    """
    plain = {_plain(known): text for known, text in DATA["presets"].items()}
    if _plain(name) not in plain:
        raise ValueError(f"{name!r} is none of {', '.join(map(repr, DATA['presets']))}")
    layers = []
    for short in plain[_plain(name)].split():
        pool, k, padding, filters, strides, dilation_rate, no_bias = _SHORT.fullmatch(short).groups()
        layer = {"kernel_size": int(k), "padding": "same" if padding == "s" else "valid"}
        if pool:
            layers.append({"type": "MaxPooling2D", "strides": int(strides or k)} | layer)
        else:
            layer |= {"type": "Conv2D", "filters": int(filters or in_channels), "strides": int(strides or 1)}
            layers.append(layer | {"dilation_rate": int(dilation_rate or 1), "use_bias": not no_bias})
    return layers


def _plain(name):
    return re.sub(r"[\s_-]", "", name).lower()


class _Stack(Layers):
    """Layers, or the name of a preset."""

    def __init__(self, default, least):
        super().__init__(default, least=least, most=DATA["most"])

    def validate(self, owner, value):
        """Return the layers in dicts of their own."""
        if isinstance(value, str):
            try:
                value = preset(value, owner.in_channels)
            except ValueError as error:
                raise ValueError(f"{self.name}={error}") from None
        return super().validate(owner, value)

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema; an address may name a preset, as written in the file."""
        return {"anyOf": [{"enum": list(DATA["presets"])}, super().schema()]}


class ReceptiveField(CourseWidget):
    """Stacks of convolutions and pools on a square image: sizes, receptive fields, parameters, multiply-accumulates.

    Settings, all of them traits that follow the reader's hand:

    layers: the stack, 1 to 32 layers, or the name of a preset: "two 3x3", "one 5x5", "three 3x3", "one 7x7",
    "dilated 1-2-4" (as many filters as in_channels), "baseline", "LeNet-5", "AlexNet-8", "AlexNet (2012)",
    "VGG-16", "Inception-10" (its longest path), "ResNet-18" (its main path). A layer is a dict with Keras's
    names, {"type": "Conv2D" | "MaxPooling2D" | "AveragePooling2D", "filters": 16, "kernel_size": 3,
    "strides": 1, "padding": "valid" | "same" | zeros a side | (before, after), "dilation_rate": 1,
    "use_bias": True}, where what is missing takes Keras's default and filters 16; or a kernel_size; or a
    tuple (kernel_size, strides, dilation_rate, padding).
    other: a second stack to compare with, in the same form; [] for none.
    n: input side, 1 to 256. in_channels: 1 to 1024.
    output: (row, column) of the output whose field is lit, counted from 0; None is the middle one.
    view: "2-D" or "1-D".

    Raises ValueError for a value out of range and TypeError for a wrong type. A stack that does not fit is no
    error: `problem` says where it ends and why, the rows after that have no output.
    """

    name: ClassVar[str] = "receptive-field"
    script: ClassVar[str] = "receptive_field.js"
    needs: ClassVar[tuple[str, ...]] = ("stack.js",)

    layers = _Stack("two 3x3", least=1).tag(sync=True)
    other = _Stack((), least=0).tag(sync=True)
    n = Whole(32, 1, LARGEST).tag(sync=True)
    in_channels = Whole(3, 1, 1024).tag(sync=True)
    output = Cell(LARGEST).tag(sync=True)
    view = OneOf("2-D", "2-D", "1-D").tag(sync=True)

    def __init__(self, **settings):
        # A preset may take its filters from in_channels, which must be known by then.
        super().__init__(**dict(sorted(settings.items(), key=lambda setting: setting[0] in ("layers", "other"))))

    @property
    def rows(self) -> list[dict]:
        """One dict a layer of `layers`.

        output_size (the side), jump, receptive_field (its side in theory), start (where the first output's field
        begins; negative with padding), inside (rows, columns of the field that lie inside the input), params,
        macs. `inside` belongs to the chosen output and, in the layers before, to the middle one of the cells that
        it depends on. From the layer that does not fit on, output_size, start, inside and macs are None.
        """
        return self._rows(self.layers)

    @property
    def other_rows(self) -> list[dict]:
        """`rows` of the second stack."""
        return self._rows(self.other)

    @property
    def receptive_field(self) -> int:
        """Side of the field that one output of the whole stack has in theory."""
        return self.rows[-1]["receptive_field"]

    @property
    def params(self) -> int:
        """Parameters of the whole stack."""
        return sum(row["params"] for row in self.rows)

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of the whole stack on one image; None where it does not fit."""
        return _cost(self.layers, self.n, self.in_channels)

    @property
    def problem(self) -> str | None:
        """Which layer does not fit, why, and what would; None where all do."""
        size = self.n
        for i, layer in enumerate(self.layers):
            try:
                size = geometry.output_size(size, *_numbers(layer))
            except ValueError as error:
                return f"layer {i + 1}: {error}"
        return None

    @property
    def cost_runs(self) -> list[tuple[int, int, str]]:
        """Who needs fewer multiply-accumulates at which input side: (from, to, "layers" | "other" | "equal").

        Input sides 1 to 256 at which both stacks fit, in order, each run as long as it can be. Empty without
        a second stack.
        """
        runs = []
        for n in range(1, LARGEST + 1) if self.other else ():
            own, other = (_cost(stack, n, self.in_channels) for stack in (self.layers, self.other))
            if own is None or other is None:
                continue
            winner = "equal" if own == other else "layers" if own < other else "other"
            if runs and runs[-1][1:] == (n - 1, winner):
                runs[-1] = (runs[-1][0], n, winner)
            else:
                runs.append((n, n, winner))
        return runs

    def trace(self, axis=0) -> list[list[int]]:
        """Rows (axis 0) or columns (1) of every level, the input's first, that the chosen output depends on.

        As `geometry.trace`; of a stack that does not fit, the layers before the one that does not.
        """
        return self._trace(self.layers)[axis]

    def _trace(self, layers):
        fitting, size = [], self.n
        for layer in layers:
            k, s, padding, d = _numbers(layer)
            try:
                size = geometry.output_size(size, k, s, padding, d)
            except ValueError:
                break
            fitting.append((k, s, d, padding))
        middle = (size - 1) // 2
        cell = [min(side, size - 1) for side in self.output or (middle, middle)]
        return [geometry.trace(fitting, self.n, side) for side in cell]

    def _rows(self, layers):
        rows, size, channels, stack = [], self.n, self.in_channels, []
        traces = self._trace(layers)
        for i, layer in enumerate(layers):
            k, s, padding, d = _numbers(layer)
            stack.append((k, s, d, padding))
            field, jump = geometry.receptive_field(stack)
            row = dict(output_size=None, jump=jump, receptive_field=field, start=None, inside=None, params=0, macs=None)
            if i < len(traces[0]) - 1:
                size = geometry.output_size(size, k, s, padding, d)
                start = geometry.receptive_field_start(stack, self.n)
                inside = tuple(_inside(levels[i + 1], size, start, jump, field, self.n) for levels in traces)
                row |= dict(output_size=size, start=start, inside=inside, macs=0)
            if "filters" in layer:
                row["params"] = geometry.conv_params(k, channels, layer["filters"], layer["use_bias"])
                if row["output_size"]:
                    row["macs"] = geometry.conv_macs(size, k, channels, layer["filters"])
                channels = layer["filters"]
            rows.append(row)
        return rows

    def fallback(self) -> str:
        """A table for each stack and, of two, who is cheaper at which input size."""
        words = words_of(self.name)["paper"]
        parts = [self._table("A", self.layers)]
        if self.other:
            parts.append(self._table("B", self.other))
            runs = [words["run"].format(low=low, high=high, who=words["who"][who]) for low, high, who in self.cost_runs]
            parts.append(f"<p>{words['costs'].format(runs='; '.join(runs[:6]) or words['never'])}</p>")
        return "".join(parts)

    def _table(self, title, layers):
        words, body = words_of(self.name)["paper"], []
        for i, (layer, row) in enumerate(zip(layers, self._rows(layers), strict=True)):
            size = row["output_size"]
            cells = [
                f"{i + 1} {_title(layer)}",
                words["noOutput"] if size is None else f"{size} × {size}",
                row["jump"],
                "–" if size is None else row["start"],
                f"{row['receptive_field']} × {row['receptive_field']}",
                "–" if size is None else f"{row['inside'][0]} × {row['inside'][1]}",
                f"{row['params']:,}",
                "–" if size is None else f"{row['macs']:,}",
            ]
            first, *rest = (escape(str(cell)) for cell in cells)
            body.append(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>')
        columns = "".join(f'<th scope="col">{name}</th>' for name in words["columns"])
        caption = words["stack"].format(name=title, shape=f"{self.n} × {self.n} × {self.in_channels}")
        return f"<table><caption>{caption}</caption><tr>{columns}</tr>{''.join(body)}</table>"


def _numbers(layer):
    """Return kernel_size, strides, padding, dilation_rate, as geometry's functions on one axis take them."""
    return layer["kernel_size"], layer["strides"], layer["padding"], layer.get("dilation_rate", 1)


def _title(layer):
    k, s, padding, d = _numbers(layer)
    words = words_of(ReceptiveField.name)["paper"]
    parts = [f"{layer['type']} {k}×{k}"]
    parts += [words["filters"].format(count=layer["filters"])] if "filters" in layer else []
    parts += [words["strides"].format(s=s)]
    parts += [padding if isinstance(padding, str) else words["padding"].format(zeros=show(padding))]
    parts += [words["dilation"].format(d=d)] if d > 1 else []
    return ", ".join(parts)


def _inside(cells, size, start, jump, field, n):
    """Return how many cells of the input the field of the middle one of these cells covers."""
    cells = [cell for cell in cells if 0 <= cell < size]
    if not cells:
        return 0
    first = start + cells[(len(cells) - 1) // 2] * jump
    return max(0, min(n, first + field) - max(0, first))


def _cost(layers, n, channels):
    """Return the multiply-accumulates of a stack on one image, None where it does not fit."""
    total = 0
    for layer in layers:
        try:
            n = geometry.output_size(n, *_numbers(layer))
        except ValueError:
            return None
        if "filters" in layer:
            total += geometry.conv_macs(n, layer["kernel_size"], channels, layer["filters"])
            channels = layer["filters"]
    return total
