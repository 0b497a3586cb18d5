"""widgets/geometry.js gives what geometry.py gives, results and error texts, in one run of Node."""

import inspect
import json
import os
import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cnnlib import geometry

SCRIPT = Path(geometry.__file__).parent / "widgets" / "geometry.js"
CASES = 12_000

# Reads {url, cases: [[function, args], ...]}, prints for each {value} or {error}.
RUN_CASES = """
import { readFileSync } from "node:fs";
const { url, cases } = JSON.parse(readFileSync(0, "utf8"));
const geometry = await import(url);
console.log(JSON.stringify(cases.map(([name, args]) => {
  try { return { value: geometry[name](...args) }; }
  catch (e) { return { error: e instanceof RangeError ? e.message : `${e.name}: ${e.message}` }; }
})));
"""


def node(script, stdin="", timeout=120):
    """Return what Node prints; without Node skip, but fail in continuous integration. It has `timeout` seconds."""
    program = shutil.which("node")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Node is missing, and CI must compare geometry.js with geometry.py")
        pytest.skip("Node is not installed, so geometry.js is not compared with geometry.py")
    command = [program, "--input-type=module", "--eval", script]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def camel_case(name):
    if name == "window":
        return "readWindow"  # `window` is the browser's own name
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


class Draw:
    """Random arguments, a few of them wrong: out of range, of a wrong type, of a wrong length."""

    WRONG = (0, -1, -7, 2.5, True, False, None, "3", "", [], [1], [1, 2, 3], [[1, 2]])

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.wrong = 0.0  # probability of a wrong argument

    def or_wrong(self, value):
        return self.rng.choice(self.WRONG) if self.rng.random() < self.wrong else value

    def integer(self, low, high):
        return self.or_wrong(self.rng.randint(low, high))

    def padding(self):
        rng = self.rng
        names = ["valid", "same", "causal", "SAME", "Valid"]
        value = rng.choice([*names, rng.randint(0, 4), [rng.randint(0, 4), rng.randint(0, 4)]])
        return rng.choice(["full", "", 1.5, [1, -1], [1, 2.5], -2]) if rng.random() < self.wrong else value

    def flag(self):
        return self.or_wrong(self.rng.random() < 0.5)

    def sides(self, high):
        return self.or_wrong([self.integer(1, high) for _ in range(self.rng.choice((2, 2, 1, 3)))])

    def kernel(self):
        return self.integer(1, 11) if self.rng.random() < 0.5 else self.sides(11)

    def axis(self):
        return [self.integer(1, 9), self.integer(1, 5), self.padding(), self.integer(1, 4)]

    def channels(self):
        groups = self.rng.choice((1, 1, 2, 3))
        sizes = [self.rng.randint(1, 64) * groups for _ in range(2)]
        return [self.or_wrong(value) for value in (*sizes, groups)]

    def layers(self):
        def layer():
            k, s, p, d = self.axis()
            return self.or_wrong([k, s, d, p][: self.rng.choice((1, 2, 3, 4, 4))])

        return self.or_wrong([layer() for _ in range(self.rng.randint(0, 6))])

    def arguments(self, name):
        n = self.integer(1, 48)
        if name == "effective_kernel_size":
            return [self.integer(1, 11), self.integer(1, 6)]
        if name in ("output_size", "pad_amounts", "unread_cells"):
            return [n, *self.axis()]
        if name == "window":
            return [n, self.integer(0, 9), *self.axis()]
        if name == "transposed_output_size":
            k, s, _, d = self.axis()
            padding = self.or_wrong(self.rng.choice(("valid", "same", "Same", "causal")))
            return [n, k, s, padding, self.rng.choice((None, self.integer(0, 4))), self.rng.choice((1, d))]
        if name == "transposed_window":
            n, k, s, padding, *rest = self.arguments("transposed_output_size")
            return [n, self.integer(0, 40), k, s, padding, *rest]
        if name == "conv_params":
            c_in, filters, groups = self.channels()
            return [self.kernel(), c_in, filters, self.flag(), groups]
        if name == "conv_macs":
            rank = self.rng.choice((1, 2, 2, 3))  # of both: JavaScript leaves the check of unequal ones to Python
            outputs, kernel = ([self.integer(1, high) for _ in range(rank)] for high in (64, 11))
            return [outputs, self.rng.choice((kernel, self.rng.randint(1, 11))), *self.channels()]
        if name == "dense_params":
            return [self.integer(1, 5000), self.integer(1, 500), self.flag()]
        if name == "dense_macs":
            return [self.integer(1, 5000), self.integer(1, 500)]
        if name == "batch_norm_params":
            return [self.integer(1, 512), self.flag(), self.flag()]
        if name == "receptive_field":
            return [self.layers()]
        if name == "receptive_field_start":
            return [self.layers(), self.rng.choice((None, self.integer(1, 400)))]
        if name == "trace":
            return [self.layers(), n, self.integer(0, 9)]
        assert name == "settings_for", f"no arguments are drawn for {name}"
        lists = [[1, 2, 3, 4, self.integer(5, 9)], [1, self.integer(2, 4)], ["same", self.padding()], [1, 3]]
        return [n, self.integer(1, 24), *lists[: self.rng.randint(0, 4)]]


def python_answer(name, arguments):
    try:
        return {"value": getattr(geometry, name)(*arguments)}
    except (ValueError, TypeError) as error:
        return {"error": str(error)}


def test_javascript_equals_python():
    draw = Draw(seed=7)
    cases, answers = [], []
    for i in range(CASES):
        name = geometry.__all__[i % len(geometry.__all__)]
        draw.wrong = 0.12 if i % 3 == 0 else 0.0
        arguments = draw.arguments(name)
        parameters = inspect.signature(getattr(geometry, name)).parameters.values()
        needed = sum(parameter.default is parameter.empty for parameter in parameters)
        if i % 5 == 0:  # leave the last arguments to their defaults
            arguments = arguments[: draw.rng.randint(needed, len(arguments))]
        cases.append((name, arguments))
        answers.append(python_answer(name, arguments))

    request = {"url": SCRIPT.as_uri(), "cases": [(camel_case(name), args) for name, args in cases]}
    replies = json.loads(node(RUN_CASES, json.dumps(request)))
    answers = json.loads(json.dumps(answers))  # tuples become lists, as in JavaScript
    wrong = [row for row in zip(cases, answers, replies, strict=True) if row[1] != row[2]]
    assert not wrong, f"{len(wrong)} of {CASES} differ, such as {wrong[:3]}"

    # The comparison is worth something only if every function was seen at work and refusing.
    worked = Counter(name for (name, _), answer in zip(cases, answers, strict=True) if "value" in answer)
    refused = Counter(name for (name, _), answer in zip(cases, answers, strict=True) if "error" in answer)
    assert sum(worked.values()) + sum(refused.values()) == CASES >= 10_000
    for name in geometry.__all__:
        assert worked[name] > 200 and refused[name] > 20, (name, worked[name], refused[name])
    print(f"{CASES} cases compared, {sum(refused.values())} of them errors")


def test_every_python_function_has_its_twin():
    names = json.loads(node(f"console.log(JSON.stringify(Object.keys(await import({json.dumps(SCRIPT.as_uri())}))))"))
    assert sorted(names) == sorted(map(camel_case, geometry.__all__))


def test_file_can_be_joined_with_others():
    text = SCRIPT.read_text(encoding="utf-8")
    code = re.sub(r"//.*", "", text)
    assert not re.search(r"^\s*import\b|\bdocument\b|\bwindow\b", code, re.MULTILINE)
    assert set(re.findall(r"^export \w+", code, re.MULTILINE)) <= {"export function", "export const"}
    top_level = re.findall(r"^(export )?(?:function|const|let|var|class)\s+(\w+)", code, re.MULTILINE)
    assert all(exported or name.startswith("geom") for exported, name in top_level), top_level
    # Without the word `export` the text is a plain script whose functions are at hand.
    plain = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    assert json.loads(node(f"console.log(new Function({json.dumps(plain + 'return outputSize(28, 5);')})())")) == 24
