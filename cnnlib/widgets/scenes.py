"""A few pictures drawn by code, for pages that have none of the data set: coloured polygons and ellipses."""

import json

import numpy as np

from cnnlib.widgets.base import source

FINE = 8  # points a pixel, on each axis: edges are as soft as a photo's


def scenes(shape):
    """Return (pictures, names of what they show).

    Output shapes: (n, height, width, channels) uint8 for `shape` (height, width, channels), 3 channels or 1, grey; n.
    """
    given = json.loads(source("look_inside_scenes.json"))
    return np.stack([_draw(scene, shape) for scene in given]), [scene["label"] for scene in given]


def _draw(scene, shape):
    height, width, channels = shape
    y, x = ((np.arange(side * FINE) + 0.5) / (side * FINE) for side in (height, width))
    y, x = y[:, None], x[None, :]
    top, bottom = map(_colour, scene["ground"])
    picture = np.repeat(top + (bottom - top) * y[..., None], width * FINE, axis=1)
    for colour, kind, numbers in scene["shapes"]:
        picture[_inside(kind, numbers, x, y)] = _colour(colour)
    picture = picture.reshape(height, FINE, width, FINE, 3).mean(axis=(1, 3))
    if channels == 1:
        picture = picture @ np.array([[0.299], [0.587], [0.114]])  # luma, ITU-R BT.601
    return np.rint(picture).astype(np.uint8)


def _inside(kind, numbers, x, y):
    """Return where a shape is, in a picture whose sides are 1; a polygon's corners are x, y, x, y, ..."""
    if kind == "ellipse":
        middle_x, middle_y, radius_x, radius_y = numbers
        return ((x - middle_x) / radius_x) ** 2 + ((y - middle_y) / radius_y) ** 2 <= 1
    corners = np.reshape(numbers, (-1, 2))
    inside = np.zeros((y.size, x.size), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):  # even-odd rule
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _colour(text):
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], float)
