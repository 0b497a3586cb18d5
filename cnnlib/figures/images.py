"""Pictures made of pixels: photos, kernels, feature maps. Pixels are embedded as they are, never smoothed."""

import math

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from .check import count, numbers, texts
from .style import BLUE, LINE, MUTED, ORANGE, PAPER, SMALL, WIDTH, canvas, styled, text_width

GAP = 0.08  # between two pictures, in inches
LARGEST = 1.7  # side of a picture, in inches
MOST = 512  # pictures in one figure
DIVERGING = LinearSegmentedColormap.from_list("cnnlib", [ORANGE, PAPER, BLUE])  # as the calculators have it


@styled
def image_grid(images, titles=None, columns=8):
    """Draw images in rows, each with an optional title (one line or more) above.

    images: (N, H, W, 3), (N, H, W, 1) or (N, H, W), or a list of single images of any size; uint8, or floats from
    0 to 1. `columns` is the most in a row: fewer stand there where the titles need the room.
    """
    pictures = [_image(f"images[{i}]", image) for i, image in enumerate(_some("images", images))]
    titles = None if titles is None else texts("titles", titles, len(pictures))
    return _grid(pictures, titles, count("columns", columns, 1))


@styled
def feature_maps(maps, titles=None, shared=False, signed=False, columns=8):
    """Draw the channels of a feature map side by side.

    maps: (H, W, channels), the output of a layer for one image. In grey, black is the smallest and white the
    largest value of each map, or of all maps with `shared`. With `signed`, zero is white, negative orange and
    positive blue. A scale stands below.
    """
    maps = numbers("maps", maps, {3}, "(height, width, channels)")
    channels = np.moveaxis(maps.astype(float), -1, 0)
    _some("maps", channels)
    titles = [str(i) for i in range(len(channels))] if titles is None else texts("titles", titles, len(channels))
    columns = count("columns", columns, 1)
    if signed:
        spans = np.abs(channels).max(axis=(1, 2))
        spans[spans == 0] = 1  # a map of zeros is white
        limits = [(-span, span) for span in (np.full_like(spans, np.abs(channels).max() or 1) if shared else spans)]
    else:
        limits = list(zip(channels.min(axis=(1, 2)), channels.max(axis=(1, 2)), strict=True))
        if shared:
            limits = [(channels.min(), channels.max())] * len(channels)
    cmap = DIVERGING if signed else "gray"
    if shared:
        ends = [f"{end:.3g}" for end in limits[0]]
    else:
        ends = ["−max", "+max of each map"] if signed else ["min", "max of each map"]
    styles = [{"cmap": cmap, "vmin": low, "vmax": high if high > low else low + 1} for low, high in limits]
    return _grid(channels, titles, columns, styles, scale=(cmap, ends))


@styled
def kernels(w, channel_names=None, colour=False):
    """Draw the weights of a convolution: one column a filter, one row an input channel.

    w: (height, width, in_channels, filters), as Keras keeps them. Zero is white, negative orange, positive blue,
    one scale for all. `colour=True` draws each filter of three channels as one RGB picture instead, scaled on its
    own around grey for zero.
    """
    w = numbers("w", w, {4}, "(height, width, in_channels, filters)").astype(float)
    channels, filters = w.shape[2:]
    if channels * filters > MOST:
        raise ValueError(
            f"w has {channels} x {filters} kernels, at most {MOST} can be drawn: pass w[:, :, :8, :16], say"
        )
    if colour:
        if channels != 3:
            raise ValueError(f"colour=True needs w with 3 input channels, got {channels}")
        spans = np.abs(w).max(axis=(0, 1, 2), keepdims=True)
        pictures = np.moveaxis(0.5 + w / np.where(spans > 0, 2 * spans, 1), -1, 0)
        return _grid(pictures, [str(i) for i in range(filters)], 8, note="grey is 0, each filter on its own scale")
    names = [f"channel {i}" for i in range(channels)]
    if channel_names is not None:
        names = texts("channel_names", channel_names, channels)
    span = np.abs(w).max() or 1.0

    left = max(text_width(name) for name in [*names, "filter"]) + 0.2
    columns = min(filters, 8)
    side = min((WIDTH - left - 0.05) / columns - GAP, 0.8)
    high = side * w.shape[0] / w.shape[1]
    block = LINE + 0.04 + channels * (high + GAP) + 0.1  # a row of filters: their numbers, then their channels
    blocks = math.ceil(filters / columns)
    fig, ax = canvas(blocks * block + 0.5)
    left += max(0.0, (WIDTH - left - columns * (side + GAP)) / 2 - left / 2)  # few filters: towards the middle
    for f in range(filters):
        x = left + f % columns * (side + GAP)
        top = f // columns * block
        ax.text(x + side / 2, top + LINE / 2, str(f), ha="center", va="center", size=SMALL)
        if f % columns == 0:
            ax.text(left - 0.1, top + LINE / 2, "filter", ha="right", va="center", size=SMALL)
        for c in range(channels):
            y = top + LINE + 0.04 + c * (high + GAP)
            _picture(ax, w[:, :, c, f], x, y, side, high, cmap=DIVERGING, vmin=-span, vmax=span)
            if f % columns == 0:
                ax.text(left - 0.1, y + high / 2, names[c], ha="right", va="center", size=SMALL)
    _scale(ax, DIVERGING, [f"−{span:.2g}", f"+{span:.2g}"], blocks * block + 0.05)
    return fig


def _grid(pictures, titles, columns, styles=None, scale=None, note=None):
    columns = min(columns, len(pictures))
    if titles:
        widest = max(text_width(title) for title in titles) + 0.06
        columns = max(1, min(columns, int((WIDTH + GAP) / (widest + GAP))))
    rows = math.ceil(len(pictures) / columns)
    step = WIDTH / columns
    side = min(step - GAP, LARGEST if columns > 1 else 3.0)
    if columns > 1 and side < step - GAP:  # few small pictures: keep them together
        step = max(side, widest if titles else 0) + GAP
    high = max(side * p.shape[0] / p.shape[1] for p in pictures)
    head = LINE * max(title.count("\n") + 1 for title in titles) + 0.04 if titles else 0
    below = LINE if note else 0 if scale is None else 0.5 if scale[0] is DIVERGING else 0.34
    fig, ax = canvas(rows * (head + high + GAP) + GAP / 2 + below)
    left = (WIDTH - columns * step) / 2
    for i, picture in enumerate(pictures):
        x = left + i % columns * step + (step - side) / 2
        y = i // columns * (head + high + GAP) + head + GAP / 2
        _picture(ax, picture, x, y, side, side * picture.shape[0] / picture.shape[1], **(styles[i] if styles else {}))
        if titles:
            ax.text(x + side / 2, y - 0.04, titles[i], ha="center", va="bottom", size=SMALL)
    if note:
        ax.text(WIDTH / 2, ax.get_ylim()[0] - 0.05, note, ha="center", va="bottom", size=SMALL)
    if scale:
        _scale(ax, *scale, rows * (head + high + GAP) + 0.1)
    return fig


def _picture(ax, pixels, x, y, width, height, **style):
    # "none" embeds the pixels as they are (and says "pixelated" in the SVG); "nearest" would first enlarge them to
    # the resolution of the figure: a larger file, and unequal pixels. In a PNG the two are the same.
    ax.imshow(pixels, extent=(x, x + width, y + height, y), interpolation="none", aspect="auto", **style)
    ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=MUTED, linewidth=0.6))
    ax.set(xlim=(0, WIDTH), ylim=(ax.figure.get_figheight(), 0))  # imshow has moved them


def _scale(ax, cmap, ends, y):
    """Draw the colour scale with its two ends written beside it, and zero below the middle where it diverges."""
    width, height = 1.4, 0.16
    x = (WIDTH - width + text_width(ends[0]) - text_width(ends[1])) / 2
    _picture(ax, np.linspace(0, 1, 128)[None, :], x, y, width, height, cmap=cmap)
    ax.text(x - 0.08, y + height / 2, ends[0], ha="right", va="center", size=SMALL)
    ax.text(x + width + 0.08, y + height / 2, ends[1], ha="left", va="center", size=SMALL)
    if cmap is DIVERGING:
        ax.text(x + width / 2, y + height + 0.02, "0", ha="center", va="top", size=SMALL)


def _some(name, items):
    if not 1 <= len(items) <= MOST:
        raise ValueError(f"{name} must hold 1 to {MOST} pictures, got {len(items)}")
    return items


def _image(name, image):
    array = numbers(name, image, {2, 3}, "(height, width), (height, width, 1) or (height, width, 3)")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] != 3:
        raise ValueError(f"{name} must have 1 or 3 channels, got shape {array.shape}")
    if array.dtype != np.uint8:
        if array.dtype.kind != "f" or array.min() < -1e-6 or array.max() > 1 + 1e-6:
            raise ValueError(
                f"{name} must be uint8, or floats from 0 to 1; got {array.dtype} from {array.min()} to {array.max()} "
                "(feature_maps scales other values)"
            )
        array = (array.clip(0, 1) * 255).round().astype(np.uint8)
    return np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array
