"""The size calculator: what one convolution layer makes of an input, and which settings give a wanted size."""

from html import escape
from typing import ClassVar

from cnnlib import geometry
from cnnlib.widgets.base import CourseWidget
from cnnlib.widgets.traits import Flag, OneOf, Whole


class SizeCalculator(CourseWidget):
    """Sizes, padding, parameters and multiply-accumulates of one Conv2D layer on a square image.

    Settings, all of them traits that follow the reader's hand: n (1 to 256), kernel_size (1 to 11), strides
    (1 to 5), padding ("valid", "same", "explicit"), explicit_padding (zeros on each side, 1 to 10, used where
    padding="explicit"), dilation_rate (1 to 4), in_channels and filters (1 to 1024), use_bias, and target,
    the output size that the list of settings aims at (1 to 256).

    Raises ValueError for a value out of range and TypeError for a wrong type. A kernel that does not fit is
    no error until a result is asked for: the widget says what would fit.
    """

    name: ClassVar[str] = "size-calculator"
    script: ClassVar[str] = "size_calculator.js"

    n = Whole(28, 1, 256).tag(sync=True)
    kernel_size = Whole(3, 1, 11).tag(sync=True)
    strides = Whole(1, 1, 5).tag(sync=True)
    padding = OneOf("valid", "valid", "same", "explicit").tag(sync=True)
    explicit_padding = Whole(1, 1, 10).tag(sync=True)
    dilation_rate = Whole(1, 1, 4).tag(sync=True)
    in_channels = Whole(1, 1, 1024).tag(sync=True)
    filters = Whole(8, 1, 1024).tag(sync=True)
    use_bias = Flag(True).tag(sync=True)
    target = Whole(14, 1, 256).tag(sync=True)

    @property
    def _axis(self) -> dict:
        padding = self.explicit_padding if self.padding == "explicit" else self.padding
        return dict(
            n=self.n,
            kernel_size=self.kernel_size,
            strides=self.strides,
            padding=padding,
            dilation_rate=self.dilation_rate,
        )

    @property
    def output_size(self) -> int:
        """Side of the output; ValueError where the kernel does not fit."""
        return geometry.output_size(**self._axis)

    @property
    def pad_amounts(self) -> tuple[int, int]:
        """Zeros (before, after) on each axis."""
        return geometry.pad_amounts(**self._axis)

    @property
    def unread_cells(self) -> list[int]:
        """Rows (and columns) that no window reads, counted from 0; ValueError where the kernel does not fit."""
        return geometry.unread_cells(**self._axis)

    @property
    def params(self) -> int:
        """Parameters of the layer."""
        return geometry.conv_params(self.kernel_size, self.in_channels, self.filters, self.use_bias)

    @property
    def macs(self) -> int:
        """Multiply-accumulates on one image; ValueError where the kernel does not fit."""
        return geometry.conv_macs(self.output_size, self.kernel_size, self.in_channels, self.filters)

    def settings_for_target(self) -> list[dict]:
        """Every setting within the calculator's limits that turns `n` into `target`, as it lists them.

        Keys as in `geometry.settings_for`; padding is "valid", "same" or the zeros on each side (1 to 10). Left
        out are settings whose first window would hold nothing but padding.
        """
        found = geometry.settings_for(
            self.n,
            self.target,
            kernel_sizes=range(1, 12),
            strides=range(1, 6),
            paddings=("valid", "same", *range(1, 11)),
            dilation_rates=range(1, 5),
        )
        return [
            way
            for way in found
            if isinstance(way["padding"], str) or way["padding"] <= way["dilation_rate"] * (way["kernel_size"] - 1)
        ]

    def fallback(self) -> str:
        """A table of the settings and, where the kernel fits, of the results."""
        settings = {key: value for key, value in self.settings().items() if key != "target"}
        if self.padding != "explicit":
            del settings["explicit_padding"]
        rows = [(key, str(value)) for key, value in settings.items()]
        try:
            before, after = self.pad_amounts
            rows += [
                ("output size", f"{self.output_size} × {self.output_size} × {self.filters}"),
                ("zeros before, after", f"{before}, {after}"),
                ("rows and columns never read", ", ".join(map(str, self.unread_cells)) or "none"),
                ("parameters", f"{self.params:,}"),
                ("multiply-accumulates", f"{self.macs:,}"),
            ]
        except ValueError as problem:
            rows.append(("output size", f"none: {problem}"))
        cells = "".join(f'<tr><th scope="row">{escape(a)}</th><td>{escape(b)}</td></tr>' for a, b in rows)
        return f"<table><caption>Size calculator: one Conv2D layer</caption>{cells}</table>"
