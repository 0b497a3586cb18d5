"""The host of a widget in a built page: its element and the one script that brings a page's widgets to life."""

import json
import re
from collections.abc import Collection
from html import escape

from cnnlib.widgets.base import SHARED, CourseWidget, source, widget_source

try:
    import minify
except ImportError:  # no wheel for this machine: the page works just as well, its script is larger
    minify = None

_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def page_html(widget: str, state: dict, fallback: str) -> str:
    """The element that stands for a widget in a built page, with its state inside it."""
    # A "</script>" inside the JSON would end the element early.
    payload = json.dumps(state).replace("<", "\\u003c")
    return (
        f'<div class="cnnlib-host"><div data-cnnlib-widget="{escape(widget)}"></div>'
        f'<div class="cnnlib-fallback">{fallback}</div>'
        f'<script type="application/json">{payload}</script></div>'
    )


def page_script(widgets: Collection[type[CourseWidget]]) -> str:
    """One classic script with every widget in `widgets`: module scripts may not load from file://."""
    shared = "\n".join(_EXPORT.sub("", source(name)) for name in (*SHARED, "address.js"))
    modules = ",\n".join(
        f"{json.dumps(w.name)}: (() => {{\n{widget_source(w.script).replace('export default', 'return')}\n}})()"
        for w in widgets
    )
    schemas = json.dumps({w.name: w.schema() for w in widgets})
    script = (
        f'(() => {{\n"use strict";\n{shared}\nconst schemas = {schemas}, widgets = {{\n{modules}\n}};\n'
        f"{source('mount.js')}\n}})();\n"
    )
    return minify.string("text/javascript", script) if minify else script
