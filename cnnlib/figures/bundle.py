"""Show a figure: one mime bundle that is right in a notebook, in the built page and in a terminal."""

import base64
import io
import re
import sys

from matplotlib import rc_context

from .style import DARK, INK, PAPER, SMALL, styled, wrap

FIGURE_MIME = "application/vnd.cnnlib.figure+json"
PNG_DPI = 150
MIN_ALT = 15  # characters
EMPTY_ALT = re.compile(r"(an? |the )?(image|picture|figure|graphic|screenshot) (of|showing|that shows)\b", re.I)
COLOUR = re.compile(r'(?<=[ "])#[0-9a-f]{6}(?=[;"])')

# Text is drawn as paths: a label fits its box with whatever fonts the reader's device has, and the file is the
# same on every machine. What the figure says to a screen reader is its alt text. The salt makes ids repeat.
SVG_STYLE = {"svg.fonttype": "path", "svg.hashsalt": "cnnlib", "svg.image_inline": True}
NO_DATE = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def show(fig, alt=None, caption=None):
    """Display a figure and close it.

    `alt` says in a sentence what a reader who cannot see the figure should know; `caption` stands below it.
    In a notebook a PNG is shown, in the built page an SVG that follows the theme, elsewhere the alt text is printed.
    Raises ValueError where `alt` is missing or says nothing, or where the figure uses a colour outside the palette
    (it could not be turned dark).
    """
    data, metadata = mime_bundle(fig, alt, caption)
    if "matplotlib.pyplot" in sys.modules:  # else pyplot cannot hold it
        sys.modules["matplotlib.pyplot"].close(fig)
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(f"[Figure: {data['text/plain']}]")
        return
    from IPython.display import display

    display(data, metadata=metadata, raw=True)


@styled
def mime_bundle(fig, alt=None, caption=None):
    """Return (data, metadata) as `show` publishes them.

    data: image/png (base64), text/plain (the alt text), and FIGURE_MIME: {light, dark: SVG text, alt, width: CSS
    pixels} with caption where there is one. The SVGs have a transparent background. Raises as `show` does.
    """
    alt = _alt(alt)
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # laid out once: each further layout would move things by a hair
    width = round(fig.get_figwidth() * 96)
    light = _svg(fig)
    figure = {"light": light, "dark": to_dark(light), "alt": alt, "width": width}
    if caption is not None:
        if not isinstance(caption, str) or not caption.strip():
            raise ValueError(f"caption must be a text or None, got {caption!r}")
        figure["caption"] = caption.strip()
    png, height = _png(fig, figure.get("caption"))
    data = {"text/plain": alt, "image/png": base64.b64encode(png).decode("ascii"), FIGURE_MIME: figure}
    return data, {"image/png": {"width": width, "height": height, "alt": alt}}


def to_dark(svg):
    """Return the SVG with each palette colour replaced by its dark partner. Raises ValueError for other colours."""
    unknown = sorted(set(COLOUR.findall(svg)) - set(DARK))
    if unknown:
        raise ValueError(
            f"fig uses colours that have no dark partner: {', '.join(unknown)}. Take colours from cnnlib.figures "
            "(INK, MUTED, BLUE, ORANGE, ...), start with figures.subplots(), or draw colour scales with imshow."
        )
    return COLOUR.sub(lambda found: DARK[found[0]], svg)


def _alt(alt):
    if alt is None:
        raise ValueError('alt is missing: show(fig, alt="what the figure shows, in a sentence")')
    if not isinstance(alt, str):
        raise TypeError(f"alt must be a text, got {type(alt).__name__}")
    alt = " ".join(alt.split())
    if len(alt) < MIN_ALT or len(set(alt.lower().split())) < 3:
        raise ValueError(
            f"alt must say what the figure shows in at least {MIN_ALT} characters and three words, got {alt!r}"
        )
    if EMPTY_ALT.match(alt):
        raise ValueError(f"alt must begin with what is shown, not with {alt.split()[0]!r}: {alt!r}")
    return alt


def _svg(fig):
    buffer = io.StringIO()
    with rc_context(SVG_STYLE):
        # dpi: pixels of a resampled image; the images of this package are embedded as they are.
        fig.savefig(buffer, format="svg", transparent=True, dpi=2 * 96, metadata=NO_DATE["svg"])
    # Matplotlib leaves out `fill` where it is black; what is left out is then inherited from here.
    return buffer.getvalue().replace("<svg ", f'<svg fill="{INK}" ', 1)


def _png(fig, caption):
    """Return the PNG and its height in CSS pixels. A caption is written below: a notebook shows nothing but this."""
    width, height = fig.get_size_inches()
    below, note = 0.0, None
    if caption:
        lines = wrap(caption, width - 0.2)
        below = (lines.count("\n") + 1) * SMALL * 1.35 / 72 + 0.15
        note = fig.text(0.1 / width, -0.08 / height, lines, va="top", fontsize=SMALL, linespacing=1.35)
        note.set_in_layout(False)
    buffer = io.BytesIO()
    box = fig.bbox_inches.from_extents(0, -below, width, height)
    fig.savefig(buffer, format="png", dpi=PNG_DPI, facecolor=PAPER, bbox_inches=box, metadata=NO_DATE["png"])
    if note:
        note.remove()
    return buffer.getvalue(), round((height + below) * 96)
