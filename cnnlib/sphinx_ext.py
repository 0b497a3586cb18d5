"""What the book build needs: figures, widgets and run stamps on the page, Colab links, a cache that notices new code."""

import hashlib
import importlib.metadata
import os
import re
import shutil
from pathlib import Path

import myst_nb.core.render
from docutils import nodes
from myst_nb.core.utils import coalesce_streams
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from cnnlib import glossary
from cnnlib.data import DataError, cifar10
from cnnlib.figures import FIGURE_MIME
from cnnlib.stamp import STAMP_MIME, sentence
from cnnlib.widgets import WIDGETS
from cnnlib.widgets.base import PAGE_MIME, stylesheet
from cnnlib.widgets.page import DATA_ID, page_data, page_html, page_script

logger = logging.getLogger(__name__)
DEAD_WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
ASSETS = "_static/cnnlib"
BOOK_CSS = Path(__file__).with_name("book.css")
WORDS_A_MINUTE = 200
# The theme's icons are all there when a page opens. Told nothing, their script searches whatever is drawn later for more
# of them: three quarters of the time that a large picture in a calculator took.
ICONS = "window.FontAwesomeConfig = { observeMutations: false };"
SVG_SIDES = re.compile(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"')
MATHJAX = "sphinx-mathjax-offline/static/mathjax/tex-svg.js"


class Picture(nodes.image):
    """A picture that is fetched when it comes near, into the room that is kept for it: `sides` in CSS pixels.

    A chapter has some forty, one in two never seen. Fetched at once they came before the page's first word, and took most
    of a second.
    """


def visit_picture(translator, node):
    """Write what every image is, and the two attributes that docutils has no words for."""
    node["loading"] = "lazy"
    translator.visit_image(node)
    width, height = node["sides"]
    translator.body[-1] = translator.body[-1].replace("<img ", f'<img width="{width}" height="{height}" ', 1)


class CourseMimeRenderer:
    """Turn the course's own outputs into page elements (entry point `myst_nb.mime_renderers`)."""

    # Lower wins. Ours come before every other form of the same output.
    mime_priority_overrides = [
        ("html", PAGE_MIME, 1),
        ("html", FIGURE_MIME, 1),
        ("html", STAMP_MIME, 1),
    ]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return docutils nodes for our three mime types; None lets myst-nb go on."""
        env = renderer.renderer.sphinx_env
        if data.mime_type == PAGE_MIME:
            env.metadata[env.docname].setdefault("cnnlib_widgets", []).append(data.content["widget"])
            return [nodes.raw("", page_html(**data.content), format="html")]
        if data.mime_type == FIGURE_MIME:
            return [_figure(renderer, data.content)]
        if data.mime_type == STAMP_MIME:
            env.metadata[env.docname]["cnnlib_stamp"] = data.content
            # The seconds are known only when the page has run to its end: written by `add_stamp`.
            return [nodes.container(classes=["cnnlib-stamp"])]
        return None


def _figure(renderer, content):
    """Both versions of a figure; the theme shows the one that fits. Only one is read out: the other is display: none."""
    figure = nodes.figure(classes=["cnnlib-figure"])
    for theme in ("light", "dark"):
        svg = content[theme].encode("utf-8")
        uri = renderer.write_file([f"{hashlib.sha256(svg).hexdigest()[:20]}.svg"], svg, exists_ok=True)
        sides = [round(float(points) * 96 / 72) for points in SVG_SIDES.search(content[theme]).groups()]
        figure += Picture(uri=uri, alt=content["alt"], classes=[f"only-{theme}", "dark-light"], sides=sides)
    if content.get("caption"):
        figure += nodes.caption("", content["caption"])
    return figure


def digest_of_sources(package: Path = Path(__file__).parent) -> str:
    """What an executed page depends on beside its own text: our code and what it reads, the versions it ran with.

    A calculator's presets and words are part of its state and of what paper shows; its JavaScript is no output.
    """
    digest = hashlib.sha256()
    code = (path for path in package.rglob("*.py") if path.name not in (Path(__file__).name, "glossary.py"))
    for path in sorted([*code, *package.glob("results/**/*.json"), *package.glob("widgets/*.json")]):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    for name in ("tensorflow", "tensorflow-cpu", "keras", "numpy", "matplotlib"):
        try:
            digest.update(f"{name}=={importlib.metadata.version(name)}".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()[:16]


def digest_of_page_code(package: Path = Path(__file__).parent) -> str:
    """What makes a page of outputs that are there already: its scripts, and the build's own code."""
    digest = hashlib.sha256()
    own = (package / name for name in (Path(__file__).name, "glossary.py"))
    for path in sorted([*package.glob("widgets/*.js"), *(path for path in own if path.exists())]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def execution_key() -> str:
    """What the execution cache is keyed to: the code, the settings, and where CIFAR-10 lies, if it is here at all."""
    try:
        data = cifar10._find()
    except DataError:  # CNNLIB_DATA names a folder without it
        data = None
    settings = [os.environ.get(name, "") for name in ("CI", "CNNLIB_DATA", "CNNLIB_DATASET", "CNNLIB_SCALE")]
    return hashlib.sha256("-".join([digest_of_sources(), *settings, str(data)]).encode()).hexdigest()[:16]


def configure(app, config):
    """Key the execution cache to the code, and drop the Colab button while the course has no address."""
    config.cnnlib_digest = execution_key()
    config.cnnlib_page_code = digest_of_page_code()
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / config.cnnlib_digest)
    config.mathjax_path = f"cnnlib/{Path(MATHJAX).name}"
    # Chapters may link to each other's headings, [text](03-padding-and-stride.md#zeros-around-the-picture).
    config.myst_heading_anchors = 3
    page = Path(app.srcdir) / f"{glossary.DOCNAME}.md"
    config.cnnlib_glossary = hashlib.sha256(page.read_bytes() if page.exists() else b"").hexdigest()[:16]
    # Follow the reader's system; the sidebar has the search field already.
    config.html_context["default_mode"] = "auto"
    config.html_theme_options["navbar_persistent"] = []
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options.pop("launch_buttons", None)


def link_notebooks(app, pagename, templatename, context, doctree):
    """Point the launch buttons at the notebook: Colab cannot open the .md that the theme links to."""

    def mend(button):
        if isinstance(button, dict):
            if "colab.research.google.com" in str(button.get("url", "")):
                head, _, name = button["url"].rpartition("/book/")
                button["url"] = f"{head}/notebooks/{name.removesuffix('.md')}.ipynb"
            for child in button.get("buttons", []):
                mend(child)

    for button in context.get("header_buttons", []):
        mend(button)


def add_assets(app, pagename, templatename, context, doctree):
    """Load on a page the script of the widgets that it has, and no other; drop Thebe, which needs a network."""
    scripts = context["script_files"]
    # In place: app.add_js_file goes on to fill this very list.
    scripts[:] = [script for script in scripts if "thebe" not in f"{script.filename} {script.attributes}".lower()]
    if names := app.env.metadata.get(pagename, {}).get("cnnlib_widgets"):
        widgets = [widget for widget in WIDGETS if widget.name in names]
        script = f"{'_'.join(widget.name for widget in widgets)}.js"  # pages with the same calculators share it
        files = {script: page_script(widgets)}
        for widget in widgets:
            files |= widget.page_files()
        for file, text in files.items():
            (Path(app.outdir) / ASSETS / file).write_text(text, encoding="utf-8")
        app.add_js_file(None, body=page_data(widgets), type="application/json", id=DATA_ID, priority=90)
        app.add_js_file(f"cnnlib/{script}", loading_method="async", priority=100)  # mount.js says why


def write_assets(app):
    """Write the style and MathJax (local, so that formulas survive without a network)."""
    folder = Path(app.outdir) / ASSETS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cnnlib.css").write_text(stylesheet() + BOOK_CSS.read_text(encoding="utf-8"), encoding="utf-8")
    source = importlib.metadata.distribution("sphinx-mathjax-offline").locate_file(MATHJAX)
    shutil.copyfile(source, folder / Path(MATHJAX).name)


def add_stamp(app, doctree, docname):
    """Say on each executed page when, where and on what it ran; fail where one was not executed."""
    metadata = app.env.metadata.get(docname, {})
    if "kernelspec" not in metadata:
        return
    run = getattr(app.env, "nb_metadata", {}).get(docname, {}).get("exec_data")
    if not run or not run.get("succeeded") or not run.get("runtime"):
        logger.warning("%s has code but was not executed", docname, location=docname)
        return
    places = [n for n in doctree.findall(nodes.container) if "cnnlib-stamp" in n["classes"]]
    if len(places) != 1 or "cnnlib_stamp" not in metadata:
        logger.warning(
            "%s must end with one cnnlib.stamp.stamp() cell, found %d", docname, len(places), location=docname
        )
        return
    places[0].children = [nodes.paragraph("", sentence(metadata["cnnlib_stamp"], run["runtime"]))]
    if docname != app.config.root_doc:
        _add_times(doctree, run["runtime"])


def _add_times(doctree, seconds):
    """Say under the title how long the chapter takes: counted and measured, never typed."""
    words = sum(len(paragraph.astext().split()) for paragraph in doctree.findall(nodes.paragraph))
    minutes = max(1, round(words / WORDS_A_MINUTE))
    text = f"About {minutes} minutes to read, exercises not counted. All cells together ran in {seconds:.0f} s."
    title = next(doctree.findall(nodes.title))
    title.parent.insert(title.parent.index(title) + 1, nodes.paragraph("", text, classes=["cnnlib-times"]))


def drop_notebook_widgets(app, doctree):
    """Keep the notebook's widget state off the page, and refuse what would be dead there without a kernel."""
    scripts = app.env.nb_metadata.get(app.env.docname, {}).get("js_files", {})
    for key in [key for key in scripts if key.startswith("ipywidgets_")]:
        del scripts[key]
    for node in doctree.findall(nodes.container):
        kinds = [child.get("mime_type") for child in node.children if isinstance(child, nodes.container)]
        if DEAD_WIDGET_MIME in kinds and PAGE_MIME not in kinds:
            logger.warning("a plain ipywidget would be dead on this page; use one from cnnlib.widgets", location=node)


MINUS = re.compile(r"(?<![\w.-])-(?=\d)|(?<=\d )-(?= \d)")
OPENING, CLOSING = re.compile(r"\(+$"), re.compile(r"[,.;:?!)]+")
SPACE = re.compile(r"(?<=\d) (?=%)|(?<=\d) (?=× \d)|(?<=×) (?=\d)")


class Typography(SphinxPostTransform):
    """Minus signs before numbers; "7 %", "3 × 3", a formula and the comma behind it in one line. Code and formulas stay."""

    default_priority = 900

    def run(self):
        """Mend every text of the page."""
        as_written = (nodes.literal, nodes.math, nodes.raw, nodes.FixedTextElement)
        for text in list(self.document.findall(nodes.Text)):
            mended = SPACE.sub("\N{NO-BREAK SPACE}", MINUS.sub("−", text))
            if mended == text:
                continue
            above = text.parent
            while above is not None and not isinstance(above, as_written):
                above = above.parent
            if above is None:
                text.parent.replace(text, nodes.Text(mended))
        for formula in list(self.document.findall(nodes.math)):
            self._hold(formula)

    def _hold(self, formula):
        """Keep the marks around a formula, which a browser takes for a picture, in its line."""
        # By place: texts that say the same are equal to docutils, wherever they stand.
        parent = formula.parent
        place, around = parent.index(formula), parent.children
        before, behind = around[place - 1] if place else None, (around[place + 1 :] or [None])[0]
        opening = OPENING.search(before) if isinstance(before, nodes.Text) else None
        closing = CLOSING.match(behind) if isinstance(behind, nodes.Text) else None
        if not opening and not closing:
            return
        together = nodes.inline("", "", classes=["cnnlib-together"])
        parent[place] = together
        if opening:
            together += nodes.Text(opening[0])
            parent[parent.index(together) - 1] = nodes.Text(before[: opening.start()])
        together += formula
        if closing:
            together += nodes.Text(closing[0])
            parent[parent.index(together) + 1] = nodes.Text(behind[closing.end() :])


def whole_streams(outputs):
    """Merge what a cell printed as myst-nb does, but join first what the kernel sent in pieces.

    It sends what is there every 0.2 s. myst-nb would end each piece with a line break.
    """
    joined = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            joined[-1] = type(output)(output, text=last["text"] + output["text"])
        else:
            joined.append(output)
    return coalesce_streams(joined)


def setup(app):
    """Connect everything to Sphinx."""
    myst_nb.core.render.coalesce_streams = whole_streams  # there is no setting for it
    app.add_config_value("cnnlib_digest", "", "env")
    app.add_config_value("cnnlib_page_code", "", "env")
    app.add_config_value("cnnlib_glossary", "", "html")  # another glossary: write all pages again
    app.connect("config-inited", configure, priority=900)
    app.connect("builder-inited", write_assets)
    app.connect("doctree-read", drop_notebook_widgets)
    app.connect("doctree-read", glossary.add_slugs)
    app.connect("doctree-resolved", glossary.add_links)
    app.connect("doctree-resolved", add_stamp)
    app.add_node(Picture, html=(visit_picture, lambda translator, node: None))
    app.add_post_transform(Typography)
    app.connect("html-page-context", link_notebooks, priority=900)
    app.connect("html-page-context", add_assets)
    app.add_css_file("cnnlib/cnnlib.css")
    app.add_js_file(None, body=ICONS, priority=80)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
