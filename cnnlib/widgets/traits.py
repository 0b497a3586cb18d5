"""Traits that the widgets share. They raise plain TypeError and ValueError that name the setting and what is valid.

Each says what it takes as a JSON Schema too: a built page checks the settings in its address against that.
"""

import traitlets

from cnnlib._arguments import integer, number, show


class Whole(traitlets.TraitType):
    """A whole number from `low` to `high` (None: no end)."""

    def __init__(self, default, low, high=None):
        super().__init__(default)
        self.low, self.high = low, high

    def validate(self, owner, value):
        """Return the number as an int."""
        return integer(self.name, value, self.low, self.high)

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"type": "integer", "minimum": self.low} | ({} if self.high is None else {"maximum": self.high})


class Number(traitlets.TraitType):
    """A number from `low` to `high`, kept as a float."""

    def __init__(self, default, low, high):
        super().__init__(float(default))
        self.low, self.high = low, high

    def validate(self, owner, value):
        """Return the number as a float."""
        return number(self.name, value, self.low, self.high)

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


class Sides(Whole):
    """One whole number for both sides, or (rows, columns); equal ones become one number, others a list."""

    def validate(self, owner, value):
        """Return the number, or the two of them."""
        if not isinstance(value, (tuple, list)):
            return super().validate(owner, value)
        return folded(_pair(self.name, value, lambda name, side: integer(name, side, self.low, self.high)))

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"anyOf": [super().schema(), two_of(super().schema())]}


class Cell(traitlets.TraitType):
    """(row, column) counted from 0, each below `sides`, kept as a list; None, the default, where a calculator chooses."""

    allow_none = True

    def __init__(self, sides):
        super().__init__(None)
        self.sides = sides

    def validate(self, owner, value):
        """Return the cell as a list of plain ints."""
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            kind = ValueError if isinstance(value, (tuple, list)) else TypeError
            raise kind(f"{self.name}={show(value)} is neither (row, column) nor None")
        return [integer(f"{self.name}[{i}]", side, 0, self.sides - 1) for i, side in enumerate(value)]

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        side = {"type": "integer", "minimum": 0, "maximum": self.sides - 1}
        return {"anyOf": [{"enum": [None]}, two_of(side)]}


class Flag(traitlets.TraitType):
    """True or False."""

    def validate(self, owner, value):
        """Return the flag as it is."""
        if not isinstance(value, bool):
            raise TypeError(f"{self.name}={value!r} is not a bool: use True or False")
        return value

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"type": "boolean"}


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

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"enum": list(self.words)}


# What a layer of each type holds, Keras's names and defaults. A pool's kernel_size is Keras's pool_size.
_POOL = {"kernel_size": 2, "strides": 2, "padding": "valid"}
_CONV = {
    "filters": 16,
    "kernel_size": 3,
    "strides": 1,
    "padding": "valid",
    "dilation_rate": 1,
    "use_bias": True,
}
LAYERS = {
    "Conv2D": _CONV,
    "MaxPooling2D": _POOL,
    "AveragePooling2D": _POOL,
    "Conv2DTranspose": _CONV | {"output_padding": None},
}


class Layers(traitlets.TraitType):
    """Layers in order: a list of dicts with Keras's names, every key of `LAYERS[type]` present.

    `types` are the types allowed, a layer without a type has the first. `least` is the fewest layers, `most`
    the largest number of "layers" and the largest "filters", "kernel_size", "strides", "dilation_rate" and
    "zeros" on a side.

    Python may give less: a missing key takes the default; a number is a kernel_size, a tuple is
    (kernel_size, strides, dilation_rate, padding), both of the first type; a pool may say pool_size.
    Padding is "valid", "same", the zeros on each side or (before, after). With `rectangular`, numbers may be
    (rows, columns) and padding ((top, bottom), (left, right)). Equal pairs become one number, tuples lists.

    Raises TypeError and ValueError that name the place: "layers[2].strides=0 is not an integer from 1 to 5".
    """

    MOST = {"layers": 32, "filters": 1024, "kernel_size": 11, "strides": 5, "dilation_rate": 4, "zeros": 10}

    def __init__(self, default=(), types=tuple(LAYERS)[:3], rectangular=False, least=1, most=None):
        super().__init__()
        self.start, self.types, self.rectangular, self.least = default, tuple(types), rectangular, least
        self.most = self.MOST | (most or {})

    def make_dynamic_default(self):
        """Return the default, which `validate` then copies: lists can be changed."""
        return self.start

    def validate(self, owner, value):
        """Return the layers, all keys present, in lists and dicts of their own."""
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{self.name}={value!r} is not a list of layers")
        if not self.least <= len(value) <= self.most["layers"]:
            raise ValueError(f"{self.name} has {len(value)} layers: use {self.least} to {self.most['layers']}")
        return [self._layer(f"{self.name}[{i}]", layer) for i, layer in enumerate(value)]

    def _layer(self, name, layer):
        if isinstance(layer, (tuple, list)):
            if not 1 <= len(layer) <= 4:
                raise ValueError(f"{name}={show(layer)} is not (kernel_size[, strides[, dilation_rate[, padding]]])")
            layer = dict(zip(("kernel_size", "strides", "dilation_rate", "padding"), layer, strict=False))
        elif not isinstance(layer, dict):
            layer = {"kernel_size": integer(name, layer, 1, self.most["kernel_size"])}
        kind = layer.get("type", self.types[0])
        if kind not in self.types:
            raise ValueError(f"{name}.type={kind!r} is none of {', '.join(map(repr, self.types))}")
        given = {key: value for key, value in layer.items() if key != "type"}
        if "filters" not in LAYERS[kind] and "pool_size" in given:
            given["kernel_size"] = given.pop("pool_size")
        unknown = [key for key in given if key not in LAYERS[kind]]
        if unknown:
            raise ValueError(f"{name} has no {unknown[0]!r}: a {kind} has {', '.join(LAYERS[kind])}")
        if "filters" not in LAYERS[kind] and "strides" not in given:  # Keras: a pool's strides are its size
            given["strides"] = given.get("kernel_size", LAYERS[kind]["strides"])
        values = LAYERS[kind] | given
        return {"type": kind} | {key: self._value(f"{name}.{key}", key, kind, values[key]) for key in LAYERS[kind]}

    def _value(self, name, key, kind, value):
        if key == "use_bias":
            if not isinstance(value, bool):
                raise TypeError(f"{name}={value!r} is not a bool: use True or False")
            return value
        if key == "padding":
            return self._padding(name, value, transposed=kind == "Conv2DTranspose")
        if key == "filters":
            return integer(name, value, 1, self.most[key])
        if key == "output_padding" and value is None:
            return None
        least, most = (0, self.most["strides"] - 1) if key == "output_padding" else (1, self.most[key])
        if self.rectangular and isinstance(value, (tuple, list)):
            return folded(_pair(name, value, lambda part, side: integer(part, side, least, most)))
        return integer(name, value, least, most)

    def _padding(self, name, value, transposed):
        zeros = self.most["zeros"]
        plain = hasattr(value, "__index__") and not isinstance(value, bool)
        if transposed or not plain and not isinstance(value, (tuple, list)):
            if not isinstance(value, str) or value.lower() not in ("valid", "same"):
                more = "" if transposed else f", 0 to {zeros}, (before, after)"
                kind = ValueError if isinstance(value, str) else TypeError
                raise kind(f"{name}={show(value)} is none of 'valid', 'same'{more}")
            return value.lower()

        def side(part, amount):
            return integer(part, amount, 0, zeros)

        if not isinstance(value, (tuple, list)):
            return side(name, value)
        if not self.rectangular or not any(isinstance(axis, (tuple, list)) for axis in value):
            return folded(_pair(name, value, side))

        def ends(part, axis):
            return _pair(part, axis, side) if isinstance(axis, (tuple, list)) else [side(part, axis)] * 2

        rows, columns = _pair(name, value, ends)
        return folded(rows) if rows == columns else [rows, columns]

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema: layers with every key present."""

        def whole(least, most, pairs=self.rectangular):
            side = {"type": "integer", "minimum": least, "maximum": most}
            return {"anyOf": [side, two_of(side)]} if pairs else side

        zeros = whole(0, self.most["zeros"], pairs=True)
        words = {"enum": ["valid", "same"]}
        fields = {
            "filters": whole(1, self.most["filters"], pairs=False),
            "use_bias": {"type": "boolean"},
            "output_padding": {"anyOf": [{"enum": [None]}, whole(0, self.most["strides"] - 1)]},
            "padding": {"anyOf": [words, zeros] + ([two_of(zeros)] if self.rectangular else [])},
        }
        fields |= {key: whole(1, self.most[key]) for key in ("kernel_size", "strides", "dilation_rate")}
        items = []
        for keys in dict.fromkeys(tuple(LAYERS[kind]) for kind in self.types):
            kinds = [kind for kind in self.types if tuple(LAYERS[kind]) == keys]
            properties = {"type": {"enum": kinds}} | {key: fields[key] for key in keys}
            if "output_padding" in keys:
                properties["padding"] = words
            items.append({"type": "object", "properties": properties, "required": list(properties)})
        return {
            "type": "array",
            "minItems": self.least,
            "maxItems": self.most["layers"],
            "items": {"anyOf": items},
        }


def both(value):
    """Return (rows, columns) of one number or two."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def folded(value):
    """Return one number for two equal ones, a list for others; what is no list or tuple as it is."""
    if not isinstance(value, (tuple, list)):
        return value
    return value[0] if value and all(side == value[0] for side in value) else list(value)


def as_code(value):
    """Return a setting as Python code has it."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(as_code, value)) + ("," if len(value) == 1 else "") + ")"
    if value == 1 / 255 and not isinstance(value, bool):
        return "1 / 255"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JavaScript has one kind of number
    return f'"{value}"' if isinstance(value, str) else str(value)


def two_of(schema):
    """Return the JSON schema of a list of two."""
    return {"type": "array", "items": schema, "minItems": 2, "maxItems": 2}


def _pair(name, value, check):
    """Return both sides, checked."""
    if len(value) != 2:
        raise ValueError(f"{name}={show(value)} has {len(value)} values: use two, or one number")
    return [check(f"{name}[{i}]", side) for i, side in enumerate(value)]
