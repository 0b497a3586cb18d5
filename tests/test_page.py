"""widgets/page.py: the one script of a built page."""

import pytest

from cnnlib.widgets import WIDGETS, ConvExplorer, ReceptiveField, SizeCalculator
from cnnlib.widgets.page import minify, page_script


@pytest.mark.skipif(minify is None, reason="the minifier has no wheel for this machine")
def test_the_calculators_of_the_first_chapters_are_small_together():
    together = page_script([SizeCalculator, ConvExplorer, ReceptiveField])
    assert len(together.encode()) < 60_000


def test_a_page_has_what_its_calculators_need_and_no_more(monkeypatch):
    monkeypatch.setattr("cnnlib.widgets.page.minify", None)
    readers = {
        "function paintPixels(": {"train-here", "look-inside"},
        "function pageFile(": {"look-inside"},
        "const makeBoard = (": {"conv-explorer", "pooling"},
        "const layerStack =": {"receptive-field", "size-calculator", "network-designer"},
    }
    for code, names in readers.items():
        found = {widget.name for widget in WIDGETS if code in page_script([widget])}
        assert found == names, code
