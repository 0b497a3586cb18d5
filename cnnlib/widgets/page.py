"""The host of a widget in a built page: its element and the one script that brings a page's widgets to life."""

import json
import re
from collections.abc import Collection
from html import escape

from cnnlib.widgets.base import SHARED, CourseWidget, data_of, page_words, source

try:
    import minify
except ImportError:  # no wheel for this machine: the page works just as well, its script is larger
    minify = None

DATA_ID = "cnnlib-data"  # of the page's <script type="application/json">
COMMON_WORDS = ("common", "address", "stack")
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_FUNCTION = re.compile(r"^export function (\w+).*?^}\n", re.MULTILINE | re.DOTALL)


def page_html(widget: str, state: dict, fallback: str) -> str:
    """The element that stands for a widget in a built page, with its state inside it."""
    # A "</script>" inside the JSON would end the element early.
    payload = json.dumps(state).replace("<", "\\u003c")
    return (
        f'<div class="cnnlib-host"><div data-cnnlib-widget="{escape(widget)}"></div>'
        f'<div class="cnnlib-fallback">{fallback}</div>'
        f'<script type="application/json">{payload}</script></div>'
    )


def page_data(widgets: Collection[type[CourseWidget]]) -> str:
    """The element that the script reads before all else: the words of these calculators, their presets, their schemas.

    So the script need not know in which language a page is, and a page carries no more than it uses.
    """
    content = {
        "words": page_words([*COMMON_WORDS, *(widget.name for widget in widgets)]),
        "presets": {widget.name: data_of(widget.script) for widget in widgets},
        "schemas": {widget.name: widget.schema() for widget in widgets},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def page_script(widgets: Collection[type[CourseWidget]]) -> str:
    """One classic script with every widget in `widgets`: module scripts may not load from file://.

    It needs the element `DATA_ID` with what `page_data` gives for the same widgets.
    """
    modules = ",\n".join(
        f"{json.dumps(w.name)}: (DATA) => {{\n{source(w.script).replace('export default', 'return')}\n}}"
        for w in widgets
    )
    needed = dict.fromkeys(name for w in widgets for name in w.needs)  # a set that keeps its order
    library = "\n".join(source(name) for name in (*SHARED, *needed, "address.js"))
    shared = _EXPORT.sub("", _only_used(library, modules + source("mount.js")))
    script = (
        f'(() => {{\n"use strict";\n'
        f'const {{ words: STRINGS, presets, schemas }} = JSON.parse(document.getElementById("{DATA_ID}").textContent);\n'
        f"{shared}\nconst modules = {{\n{modules}\n}};\n{source('mount.js')}\n}})();\n"
    )
    return minify.string("text/javascript", script) if minify else script


def _only_used(library: str, text: str) -> str:
    """The library without the exported functions that neither `text` nor a function that stays mentions."""
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(library)}
    text = re.sub(r"^ *//.*", "", text + _FUNCTION.sub("", library), flags=re.MULTILINE)  # comments use nothing
    unused = set(functions)
    while kept := {name for name in unused if re.search(rf"\b{name}\b", text)}:
        unused -= kept
        text += "".join(functions[name] for name in kept)
    return _FUNCTION.sub(lambda match: "" if match[1] in unused else match[0], library)
