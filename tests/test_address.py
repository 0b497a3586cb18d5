"""Settings in a page's address: the script's reader and writer in Node, then a real page in Chromium."""

import json
import random

import jsonschema
import pytest
from conftest import copied
from playwright.sync_api import expect
from test_geometry_js import node

from cnnlib.widgets import WIDGETS, ConvExplorer, SizeCalculator
from cnnlib.widgets.base import source
from cnnlib.widgets.page import _EXPORT

# Runs functions of address.js on what stdin holds: [[name, args], ...].
SCRIPT = (
    f"const STRINGS = {source('strings.json')};"
    + _EXPORT.sub("", "\n".join(map(source, ("geometry.js", "ui.js", "address.js"))))
    + """
const { readFileSync } = await import("node:fs");
const functions = { fitsSchema, schemaWords, readAddress, writeAddress };
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(([name, args]) => functions[name](...args))));
"""
)


def run(*calls):
    return json.loads(node(SCRIPT, json.dumps(calls)))


def values(rng):
    """Anything that JSON can hold, small."""
    leaves = [0, 1, 2, 5, -1, 0.5, 99, 10**9, True, False, None, "valid", "same", "Conv2D", "", "3", [], {}]
    return rng.choice(
        [
            *leaves,
            [rng.choice(leaves) for _ in range(rng.randint(0, 4))],
            [[rng.choice(leaves[:6])] * rng.randint(0, 3)] * rng.randint(0, 3),
            {rng.choice(["type", "filters", "kernel_size", "x"]): rng.choice(leaves) for _ in range(3)},
            [{"type": "Conv2D", "kernel_size": rng.randint(0, 9)}],
        ]
    )


def mutants(value, rng):
    """The value with one of its parts, however deep, made another."""
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        return [mutants(part, rng) if i == place else part for i, part in enumerate(value)]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        place = rng.choice(list(value))
        return {key: mutants(part, rng) if key == place else part for key, part in value.items()}
    return values(rng)


def test_schemas_are_read_as_json_schema_means_them():
    rng = random.Random(1)
    schemas = [schema for widget in WIDGETS for schema in widget.schema().values()]
    starts = [value for widget in WIDGETS for value in widget().settings().values()]
    cases = [
        (mutants(start, rng) if rng.random() < 0.7 else values(rng), schema)
        for start, schema in zip(starts, schemas, strict=True)
        for _ in range(150)
    ]
    cases += list(zip(starts, schemas, strict=True))
    # JSON Schema lets an object without the keyword have further keys; ours never do.
    strict = [_closed(schema) for _, schema in cases]
    expected = [jsonschema.Draft202012Validator(s).is_valid(value) for (value, _), s in zip(cases, strict, strict=True)]
    assert run(*(("fitsSchema", case) for case in cases)) == expected
    assert expected[-len(starts) :] == [True] * len(starts)
    assert 0.1 < sum(expected) / len(expected) < 0.9


def _closed(schema):
    if isinstance(schema, dict):
        closed = {key: _closed(value) for key, value in schema.items()}
        return closed | ({"additionalProperties": False} if schema.get("type") == "object" else {})
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.name)
def test_what_the_schema_takes_python_takes(widget):
    """And what Python turns down, the schema turns down, as far as it looks at one setting alone."""
    rng = random.Random(2)
    accepted = 0
    for name, schema in widget.schema().items():
        start = widget().settings()[name]
        for _ in range(60):
            value = mutants(start, rng)
            if not jsonschema.Draft202012Validator(_closed(schema)).is_valid(value):
                continue
            try:
                widget(**{name: value})
            except (ValueError, TypeError) as error:
                # Some things no schema can say: rows of one length, a position below the number of outputs.
                assert any(word in str(error) for word in ("rows of", "position", "length", "fit", "output")), (
                    name,
                    value,
                    error,
                )
            else:
                accepted += 1
    assert accepted > 20
    assert all(jsonschema.Draft202012Validator.check_schema(schema) is None for schema in widget.schema().values())


PLACES = {
    id: {"start": widget().settings(), "state": widget().settings(), "schema": widget.schema()}
    for id, widget in (
        ("size-calculator", SizeCalculator),
        ("conv-explorer", ConvExplorer),
        ("conv-explorer-2", ConvExplorer),
    )
}


def changed(**settings):
    """PLACES with other settings now; keys are ids with _ for - ."""
    places = json.loads(json.dumps(PLACES))
    for id, values in settings.items():
        places[id.replace("_", "-")]["state"].update(values)
    return places


def test_an_address_comes_back():
    some = {
        "conv_explorer": {"strides": 2, "padding": "same"},
        "conv_explorer_2": {"kernel": [[1, -0.5], [0, 2]], "flip": True},
    }
    (hash,) = run(("writeAddress", [changed(**some)]))
    assert hash.startswith("#conv-explorer.strides=2&conv-explorer.padding=same&conv-explorer-2.")
    (back,) = run(("readAddress", [hash, PLACES]))
    assert back == {"settings": {id.replace("_", "-"): values for id, values in some.items()}, "problems": []}
    assert run(("writeAddress", [PLACES])) == [""]


@pytest.mark.parametrize(
    "hash", ["", "#", "#exercises", "#a.b=c", "#size-calculator", "#conv-explorer-3.strides=2", "#__proto__.x=1"]
)
def test_an_address_of_something_else_is_left_alone(hash):
    assert run(("readAddress", [hash, PLACES])) == [None]


def test_bad_settings_are_named_with_what_is_valid():
    (read,) = run((
        "readAddress",
        ["#conv-explorer.strides=99&conv-explorer.flip=true&conv-explorer.nonsense=1&conv-explorer.padding=%E0%A4%A&conv-explorer.bias=", PLACES],
    ))  # fmt: skip
    assert read["settings"] == {"conv-explorer": {"flip": True}}
    assert len(read["problems"]) == 4
    assert read["problems"][0].startswith("conv-explorer.strides=99 (")
    assert "1 to 4" in read["problems"][0]
    assert "strides" in read["problems"][1] and "valid / same" in read["problems"][2]


# --- in a page ---------------------------------------------------------------------------------------------


def hash_of(page):
    page.wait_for_timeout(400)  # the address follows when the hand rests
    return page.evaluate("location.hash")


def test_a_link_opens_a_state_and_follows_the_reader(open_widget):
    page = open_widget(ConvExplorer(), fragment="#conv-explorer.strides=2&conv-explorer.padding=same")
    entries = page.evaluate("history.length")
    strides, padding = page.get_by_label("Strides").first, page.get_by_label("Padding", exact=True)
    assert strides.input_value() == "2" and padding.input_value() == "same"
    padding.select_option("valid")
    assert hash_of(page) == "#conv-explorer.strides=2"
    assert page.evaluate("history.length") == entries  # "back" leaves the page
    page.get_by_role("button", name="Reset").click()
    assert strides.input_value() == "1" and hash_of(page) == ""
    # A link on the page itself.
    page.evaluate("location.hash = '#conv-explorer.strides=3'")
    expect(strides).to_have_value("3")


def test_a_bad_link_is_explained_and_the_rest_of_it_used(open_widget):
    page = open_widget(ConvExplorer(), fragment="#conv-explorer.strides=99&conv-explorer.bias=2")
    alert = page.get_by_role("alert").inner_text()
    assert "conv-explorer.strides=99" in alert and "from 1 to 4" in alert
    assert page.get_by_label("Bias", exact=True).input_value() == "2"
    assert hash_of(page) == "#conv-explorer.bias=2"
    page.evaluate("location.hash = '#conv-explorer.bias=3'")
    page.wait_for_function("!document.querySelector('[role=alert]')")


def test_an_anchor_is_left_alone(open_widget):
    page = open_widget(ConvExplorer(), fragment="#exercises")
    page.wait_for_timeout(400)
    assert page.evaluate("location.hash") == "#exercises"
    assert page.get_by_role("alert").count() == 0


def test_the_link_is_copied(open_widget):
    page = open_widget(SizeCalculator())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("input[type=range]").first.press("End")
    page.get_by_role("button", name="Link to these settings").press("Enter")
    page.get_by_role("button", name="Copied").wait_for()
    link = page.evaluate("location.href")
    assert "#size-calculator." in link
    copied(page, link)
