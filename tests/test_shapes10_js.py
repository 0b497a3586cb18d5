"""widgets/shapes10.js draws the pictures of cnnlib.data's Shapes-10: the same ones, given the same random numbers."""

import json
import re

import numpy as np
from test_geometry_js import SCRIPT as GEOMETRY
from test_geometry_js import node

from cnnlib.data import load_shapes10
from cnnlib.data.shapes10 import CLASS_NAMES, draw
from cnnlib.widgets.chance import chance

SHAPES, CHANCE = (GEOMETRY.with_name(name) for name in ("shapes10.js", "chance.js"))
A_CLASS = 12  # pictures compared

START = f"""
const {{ makeShapes10 }} = await import("{SHAPES.as_uri()}"), {{ chance }} = await import("{CHANCE.as_uri()}");
const shapes = makeShapes10();
"""


class Numbers:
    """What `draw` asks of NumPy's generator, with the numbers of the page's."""

    def __init__(self, seed):
        self.next = chance(seed)

    def random(self, shape, dtype=float):
        return np.array([self.next() for _ in range(int(np.prod(shape)))], dtype).reshape(shape)


def test_the_same_pictures_as_python():
    jobs = [(label, 100 * label + i) for label in range(10) for i in range(A_CLASS)]
    script = f"{START}console.log(JSON.stringify({json.dumps(jobs)}.map(([label, seed]) => [...shapes.draw(label, chance(seed))])))"
    ours = np.array(json.loads(node(script)), int).reshape(-1, 32, 32, 3)
    theirs = np.concatenate([draw(np.array([label]), Numbers(seed)) for label, seed in jobs]).astype(int)
    apart = np.abs(ours - theirs)
    # Python computes in float32: now and then a value rounds to the next grey level.
    assert apart.max() <= 1 and np.mean(apart > 0) < 1e-3, (apart.max(), np.mean(apart > 0))
    assert theirs.std(axis=0).min() > 20  # they do differ among themselves
    print(f"{len(jobs)} pictures, {np.mean(apart > 0):.1e} of the numbers one level apart")


def test_a_set_is_like_pythons():
    script = f"""{START}
    const one = shapes.make(1003, chance(5)), same = shapes.make(1003, chance(5)), other = shapes.make(1003, chance(6));
    const equal = (a, b) => a.every((value, i) => value === b[i]);
    console.log(JSON.stringify({{
      labels: [...one.labels], pixels: Buffer.from(one.pixels).toString("latin1"), classes: shapes.classes, side: shapes.side,
      same: equal(one.pixels, same.pixels) && equal(one.labels, same.labels), other: equal(one.pixels, other.pixels),
    }}));"""
    made = json.loads(node(script))
    assert (made["classes"], made["side"]) == (len(CLASS_NAMES), 32) and made["same"] and not made["other"]
    labels = np.array(made["labels"])
    assert set(np.bincount(labels)) == {100, 101} and (np.diff(labels) != 1).mean() > 0.5  # balanced, and shuffled
    pixels = np.frombuffer(made["pixels"].encode("latin1"), np.uint8).reshape(-1, 32, 32, 3)
    train = load_shapes10(train=1003, validation=0, test=0).train
    # A dark shape on light ground and the other way round come by chance: a class's mean of 100 pictures varies by 0.03.
    assert abs(pixels.mean() - train.x.mean()) / 255 < 0.04
    for label in range(10):
        mine, pythons = pixels[labels == label] / 255, train.x[train.y[:, 0] == label] / 255
        assert abs(mine.mean() - pythons.mean()) < 0.13 and abs(mine.std() - pythons.std()) < 0.04, CLASS_NAMES[label]


def test_the_file_joins_a_page():
    code = re.sub(r" *//.*", "", SHAPES.read_text(encoding="utf-8"))
    assert not re.search(r"^\s*import\b|\bdocument\b|\bwindow\b", code, re.MULTILINE)
    assert re.findall(r"^(\S.*)", code, re.MULTILINE) == ["export function makeShapes10() {", "}"]
