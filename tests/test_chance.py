"""The two generators, Python's and the page's, give the same numbers, and those look like chance."""

import json
import statistics
from pathlib import Path

import pytest
from test_geometry_js import node

from cnnlib.widgets import chance as twin
from cnnlib.widgets.chance import chance, normal


def draws(seed, count):
    following = chance(seed)
    return [following() for _ in range(count)]


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31, 2**32 - 1, 123_456_789])
def test_javascript_draws_the_same(seed):
    script = (
        f"const {{ chance, normal }} = await import('{Path(twin.__file__).with_suffix('.js').as_uri()}');\n"
        f"const one = chance({seed}), two = chance({seed});\n"
        "console.log(JSON.stringify([Array.from({length: 2000}, one), Array.from({length: 2000}, () => normal(two))]));"
    )
    plain, bell = json.loads(node(script))
    following = chance(seed)
    assert plain == draws(seed, 2000)
    assert bell == pytest.approx([normal(following) for _ in range(2000)], rel=1e-9, abs=1e-12)


def test_they_look_like_chance():
    values = draws(3, 50_000)
    assert 0 <= min(values) < 0.001 and 0.999 < max(values) < 1
    assert statistics.mean(values) == pytest.approx(0.5, abs=0.01)
    assert statistics.variance(values) == pytest.approx(1 / 12, rel=0.02)
    assert statistics.correlation(values[:-1], values[1:]) == pytest.approx(0, abs=0.015)
    following = chance(4)
    bell = [normal(following) for _ in range(50_000)]
    assert statistics.mean(bell) == pytest.approx(0, abs=0.02)
    assert statistics.stdev(bell) == pytest.approx(1, rel=0.02)
    assert statistics.mean(abs(value) < 1 for value in bell) == pytest.approx(0.6827, abs=0.01)


def test_a_seed_decides():
    assert draws(5, 9) == draws(5, 9) != draws(6, 9)
