"""What paper shows of a calculator stands in strings.json, word for word: whoever translates that file translates it too."""

import html
import json
import re
import sys

import pytest

from cnnlib.widgets import (
    BatchNormExplorer,
    ConvExplorer,
    DropoutExplorer,
    PoolingExplorer,
    ReceptiveField,
    SizeCalculator,
    base,
)
from cnnlib.widgets.page import page_data, page_script

# Values of settings and names of Keras's own, which stay as they are.
CODE = re.findall(
    r"\w+",
    """None False True same valid max keras layers strides padding dilation_rate bias kernel_size filters use_bias
output_padding pool_size Conv2D Conv2DTranspose MaxPooling2D AveragePooling2D GlobalAveragePooling2D Dropout
SpatialDropout2D training colour photo example drifted""",
)
STATES = [
    ConvExplorer(image="colour", kernel=["blur", "sobel_x"], filter=1, position=150, flip=True),
    ConvExplorer(transposed=True, strides=2, bias=1),
    ConvExplorer(image="photo", position=40),
    PoolingExplorer(shift=1, show="reads"),
    PoolingExplorer(shift=1, show="gradient", kind="average"),
    PoolingExplorer(kind="global average", image="photo", size=16),
    DropoutExplorer(),
    DropoutExplorer(training=False),
    DropoutExplorer(spatial=True),
    BatchNormExplorer(),
    BatchNormExplorer(training=False),
    ReceptiveField(layers=[(3, 2, 1, (0, 1)), (3, 1, 2, "same"), (2,)], other="one 5x5"),
    ReceptiveField(layers=[11], other=[11], n=3),
    SizeCalculator(layers=[{"strides": 2}, {"type": "Conv2DTranspose"}], current=1),
    SizeCalculator(),
]


def strange(words):
    """The same words in letters that are not ours; what stands in braces is filled in later."""
    if isinstance(words, dict):
        return {key: strange(value) for key, value in words.items()}
    if isinstance(words, list):
        return [strange(word) for word in words]
    return "".join(part if part.startswith("{") else re.sub(r"\w", "ж", part) for part in re.split(r"(\{\w+\})", words))


@pytest.mark.parametrize("widget", STATES, ids=lambda widget: type(widget).__name__)
def test_a_translated_file_leaves_no_english_on_paper(widget, monkeypatch):
    ours = widget.fallback()
    translated = strange(json.loads(base.source("strings.json")))
    for name in ("cnnlib.widgets.cells", type(widget).__mro__[1].__module__, type(widget).__module__):
        if hasattr(sys.modules[name], "words_of"):
            monkeypatch.setattr(sys.modules[name], "words_of", translated.get)
    theirs = html.unescape(re.sub(r"<[^>]*>", " ", widget.fallback()))
    assert not [word for word in re.findall(r"\b[A-Za-z_]\w{2,}", theirs) if word not in CODE and word.isascii()]
    assert "ж" in theirs and theirs != ours


def test_pages_do_not_carry_the_words_of_paper():
    every = [type(widget) for widget in STATES]
    assert '"paper"' not in page_data(every) and "on average over" not in page_data(every) + page_script(every)
    assert '"paper"' not in base.notebook_module("pooling.js")
    assert json.loads(page_data([PoolingExplorer]))["words"].keys() == {"common", "address", "stack", "pooling"}
