"""What every widget is: an anywidget in a notebook, and a description that page.py turns into a live page element."""

import json
from functools import cache
from pathlib import Path
from typing import ClassVar

import anywidget

HERE = Path(__file__).parent
PAGE_MIME = "application/vnd.cnnlib.widget+json"
SHARED = ("geometry.js", "ui.js")


@cache
def source(name: str) -> str:
    """The text of one of this folder's files."""
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _strings() -> dict:
    return json.loads(source("strings.json"))


def words_of(widget: str) -> dict:
    """What strings.json says under a widget's name; its "paper" are the words of `fallback`, which no page needs."""
    return _strings()[widget]


def page_words(widgets) -> dict:
    """Every word under these names that a page or a notebook shows while it is alive."""
    return {name: {key: text for key, text in words_of(name).items() if key != "paper"} for name in widgets}


def data_of(script: str) -> dict:
    """What the .json file beside a widget's script holds, its presets; empty where there is none.

    {"$ref": "other.json#/key/key"} in it stands for that part of another widget's file: one source for each fact.
    """
    path = HERE / Path(script).with_suffix(".json")
    return json.loads(source(path.name), object_hook=_referred) if path.exists() else {}


def _referred(value: dict):
    if "$ref" not in value:
        return value
    file, _, keys = value["$ref"].partition("#/")
    part = data_of(file)
    for key in keys.split("/"):
        part = part[key]
    return part


def notebook_module(script: str, needs: tuple = ()) -> str:
    """One ES module, which anywidget loads: every word (`STRINGS`), the shared files, the widget's `DATA`, the widget."""
    constants = {"STRINGS": page_words(_strings()), "DATA": data_of(script)}
    heads = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    return "\n".join([*heads, *map(source, (*SHARED, *needs)), source(script)])


def stylesheet() -> str:
    """The CSS that all widgets share."""
    return source("widgets.css")


class CourseWidget(anywidget.AnyWidget):
    """Base of every widget: settings are synced traits, drawn by one JavaScript file.

    Subclasses set `name` (what the page calls the widget), `script` (its file), `needs` (files that it shares with
    some widgets, not with all) and their traits, and give `fallback` (what paper, and a page without JavaScript, shows).
    """

    name: ClassVar[str]
    script: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs):
        """Give the subclass the module and the style that anywidget loads."""
        if "script" in vars(cls):  # not the subclass that add_traits makes of each instance
            cls._esm = notebook_module(cls.script, cls.needs)
            cls._css = stylesheet()
        super().__init_subclass__(**kwargs)

    def __init__(self, **settings):
        unknown = sorted(set(settings) - set(self.trait_names()))
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no setting {unknown[0]!r}; valid: {', '.join(self.setting_names())}"
            )
        super().__init__(**settings)

    @classmethod
    def setting_names(cls) -> list[str]:
        """The traits that a reader can set, in the order in which they were written."""
        core = set(anywidget.AnyWidget.class_trait_names(sync=True))
        names = [n for n in cls.class_trait_names(sync=True) if n not in core and not n.startswith("_")]
        written = [key for klass in reversed(cls.__mro__) for key in vars(klass)]
        return sorted(names, key=written.index)

    @classmethod
    def schema(cls) -> dict:
        """What each setting takes, as JSON Schemas by name."""
        return {name: getattr(cls, name).schema() for name in cls.setting_names()}

    def settings(self) -> dict:
        """The settings' values now, by name."""
        return {name: getattr(self, name) for name in self.setting_names()}

    def contents(self) -> dict:
        """What an instance holds beside its settings, by the names of synced traits that begin with "_": no reader changes it."""
        return {}

    @classmethod
    def page_files(cls) -> dict:
        """Further scripts of a built page, {name: text}, beside the page's own: read only when `model.send` asks."""
        return {}

    def fallback(self) -> str:
        """HTML for paper and for pages without JavaScript."""
        raise NotImplementedError(f"{type(self).__name__} must say what paper shows")

    def __repr__(self) -> str:
        """Stable from run to run: the settings, never a model id."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings().items())})"

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        page = {"widget": self.name, "state": self.settings() | self.contents(), "fallback": self.fallback()}
        return {**data, PAGE_MIME: page}, metadata
