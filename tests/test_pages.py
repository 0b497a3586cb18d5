"""Every page of the built book, opened from disk in a real browser with the network cut. `make test` builds it first."""

import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import ALL_ALIVE, AXE, WIDTH, Tabs

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
PAGES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "book").glob("*.md"))
SEEN = [(390, False), (1280, True)]  # each width and each theme: contrast hangs on the one, layout on the other


def built(page):
    """Where a page lies; without a built book there is nothing to test, which CI must not pass over."""
    path = HTML / f"{page}.html"
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no built book: run `make book`")
    return path


def settle(tab, dark):
    """Force a theme on a page, as its switch does, and wait until it stands."""
    theme = "dark" if dark else "light"
    # The theme's buttons change colour slowly: a busy machine would measure them half way.
    tab.add_style_tag(content="*:not(.cnnlib *) { transition: none !important; }")
    tab.emulate_media(color_scheme=theme)
    tab.evaluate(
        "theme => { document.documentElement.dataset.mode = theme; document.documentElement.dataset.theme = theme; }",
        theme,
    )
    tab.wait_for_function(ALL_ALIVE)
    tab.evaluate("document.fonts.ready")
    return tab


@pytest.fixture
def open_built(open_page):
    """`open_built(page, width, dark)`: a settled page, its theme forced."""
    return lambda page, width=1280, dark=False, **options: settle(
        open_page(built(page), width=width, dark=dark, **options), dark
    )


@pytest.fixture(scope="module")
def kept():
    """The page that `look` shows: {"page": its name, "tabs": Tabs, and for each width an open tab}."""
    kept = {}
    yield kept
    if kept:
        kept["tabs"].close()


@pytest.fixture
def look(browser, kept):
    """`look(page, width, dark)`: as `open_built`, for tests that only look: they share a page's tabs."""

    def look(page, width=1280, dark=False):
        if kept.get("page") != page:
            if kept:
                kept["tabs"].close()
                kept.clear()
            kept.update(page=page, tabs=Tabs(browser))
        if width not in kept:
            kept[width] = kept["tabs"].open(built(page), width)
        return settle(kept[width], dark)

    yield look
    assert not kept["tabs"].complaints, kept["tabs"].complaints


def test_a_settled_page_has_all_colours_of_its_theme(look):
    button = "getComputedStyle(document.querySelector('.search-button-field')).color"
    for dark in (False, True, False):
        tab = look("book/index", 1280, dark)
        at_once = tab.evaluate(button)
        tab.wait_for_timeout(300)  # twice as long as the theme takes
        assert tab.evaluate(button) == at_once


@pytest.mark.parametrize("page", PAGES)
def test_nothing_scrolls_sideways_on_a_phone(page, look):
    tab = look(page, 390)
    wide = tab.evaluate(
        """() => {
          const room = document.documentElement.clientWidth;
          const inBox = (e) => (e = e.parentElement) && (getComputedStyle(e).overflowX !== "visible" || inBox(e));
          return [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > room + 1 && !inBox(e))
            .map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 60)}`).slice(0, 5);
        }"""
    )
    assert tab.evaluate(f"{WIDTH} - document.documentElement.clientWidth") <= 0, wide


# Half of axe's time goes into the contrast of thousands of words of code in two dozen colours: code that brings no
# colour which was not there before, on the same ground, is left out of that rule. All others look at the whole page.
SAME_CODE = """() => {
  const seen = new Set();
  for (const pre of document.querySelectorAll("pre")) {
    const ground = getComputedStyle(pre).backgroundColor;
    const kinds = [...pre.querySelectorAll("span[class]")].map((span) => `${span.className} ${ground}`);
    if (kinds.length && kinds.every((kind) => seen.has(kind))) pre.dataset.again = "";
    kinds.forEach((kind) => seen.add(kind));
  }
}"""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width, dark", SEEN)
def test_axe_finds_nothing_serious(page, width, dark, look):
    from axe_playwright_python.sync_playwright import Axe

    tab = look(page, width, dark)
    tab.evaluate(SAME_CODE)
    contrast, axe = "color-contrast", Axe()
    found = axe.run(tab, context={"exclude": [["[data-again]"]]}, options=AXE | {"runOnly": [contrast]}).response[
        "violations"
    ]
    if width > 1000:  # a phone shows the same elements, less the sidebars
        found += axe.run(tab, options=AXE | {"rules": {contrast: {"enabled": False}}}).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, json.dumps(
        [(v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious], indent=1
    )


@pytest.mark.parametrize("page", PAGES)
def test_tables_fit_a_laptops_page(page, look):
    cut = look(page).evaluate(
        """() => [...document.querySelectorAll(".cnnlib, .cnnlib-summary, .cnnlib-field-wide, .cnnlib-net-table")]
          .filter((e) => e.scrollWidth > e.clientWidth + 1)
          .map((e) => [e.className, e.scrollWidth, e.clientWidth, e.textContent.slice(0, 80)])"""
    )
    assert not cut, cut


@pytest.mark.parametrize("page", PAGES)
def test_no_cell_prints_nothing_or_a_warning(page, look):
    # Not those of a calculator, which keeps one for the code that it has still to show.
    printed = look(page).evaluate(
        "[...document.querySelectorAll('.cell_output pre:not(.cnnlib *)')].map((e) => e.textContent)"
    )
    assert printed or not re.match(r"book/\d", page)
    assert not [text for text in printed if re.search(r"WARNING:|\b0x[0-9a-f]{8}", text) or not text.strip()]


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_has_words(page, look):
    tab = look(page)
    silent = tab.evaluate(
        "[...document.images].filter(i => !i.alt.trim() && !i.closest('[aria-hidden=true]')).map(i => i.outerHTML.slice(0, 200))"
    )
    assert not silent, silent


@pytest.mark.parametrize("page", PAGES)
def test_each_figure_shows_the_version_that_fits_the_theme(page, look):
    for dark in (False, True):
        tab = look(page, dark=dark)
        shown = tab.evaluate(
            "[...document.querySelectorAll('figure.cnnlib-figure')].map(f => [...f.querySelectorAll('img')].filter(i => i.offsetParent).map(i => i.className))"
        )
        theme = "only-dark" if dark else "only-light"
        assert all(len(images) == 1 and theme in images[0] for images in shown), shown
        assert shown or not re.search(r"\d\d-", page), "every chapter has figures"


ROOMS = """() => [...document.querySelectorAll("figure.cnnlib-figure img")].filter((img) => img.checkVisibility()).map((img) => {
    const { width, height } = img.getBoundingClientRect();
    return [img.loading, height / width];
})"""
# The room that a picture takes, and the one that it would take by itself.
LOADED = """async () => {
    const found = [];
    for (const img of document.querySelectorAll("figure.cnnlib-figure img")) {
        if (!img.checkVisibility()) continue;
        img.scrollIntoView();
        await img.decode();
        found.push(img.naturalHeight / img.naturalWidth);
    }
    scrollTo(0, 0);
    return found;
}"""


@pytest.mark.parametrize("page", PAGES)
def test_a_figure_comes_when_it_is_near_and_its_room_is_kept(page, look):
    """What is fetched at once comes before the page's words; what takes its room late moves them away from the reader."""
    tab = look(page)
    before, natural = tab.evaluate(ROOMS), tab.evaluate(LOADED)
    assert all(loading == "lazy" for loading, _ in before)
    assert [side for _, side in before] == pytest.approx(natural, rel=0.01)


@pytest.mark.parametrize("page", PAGES)
def test_formulas_are_drawn_without_a_network(page, look):
    tab = look(page)
    if tab.locator("span.math, div.math").count():
        tab.wait_for_function("document.querySelectorAll('mjx-container').length > 0", timeout=15000)
        left = tab.evaluate(
            r"[...document.querySelectorAll('main p, main li')].filter(e => /\\\(|\\\[/.test(e.innerText)).length"
        )
        assert left == 0
        assert tab.locator("mjx-merror").count() == 0


# The sliders of a page's calculators that a reader can move: (calculator, slider) pairs. What they change may lie in
# closed parts, which are opened first.
SLIDERS = """() => [...document.querySelectorAll("[data-cnnlib-widget]")].flatMap((widget, w) => {
  for (const details of widget.querySelectorAll("details")) details.open = true;
  const usable = (s) => !s.disabled && s.checkVisibility({ visibilityProperty: true }) && s.offsetWidth;
  return [...widget.querySelectorAll("input[type=range]")].flatMap((s, i) => usable(s) ? [[w, i]] : []);
})"""
OF = "([w, i, ...more]) => { const widget = document.querySelectorAll('[data-cnnlib-widget]')[w], slider = widget.querySelectorAll('input[type=range]')[i];"


def move_every_slider(page, press, click):
    """Move each slider to both ends by keys. Each calculator's first one must change words, by a mouse too.

    `press(w, i, key)` presses a key on slider i of calculator w, `click(w, i, part)` clicks at that part of its width:
    each browser's driver has hands of its own. Tests of Firefox use this too.
    """
    sliders, moved = page.evaluate(SLIDERS), set()
    assert {w for w, _ in sliders} == set(
        range(page.evaluate("document.querySelectorAll('[data-cnnlib-widget]').length"))
    )
    read = f"{OF} return [slider.value, widget.innerText, slider.labels[0].textContent, slider.min, slider.max]; }}"
    changed = f"{OF} return widget.innerText !== more[0]; }}"
    for w, i in sliders:
        start, before, label, *_ = page.evaluate(read, [w, i])
        press(w, i, "Home")
        lowest = page.evaluate(read, [w, i])[0]
        press(w, i, "End")
        highest, *_, low, high = page.evaluate(read, [w, i])
        assert lowest != highest or low == high, label
        if w not in moved:
            moved.add(w)
            page.wait_for_function(changed, arg=[w, i, before])
            before = page.evaluate(read, [w, i])[1]
            click(w, i, 0.3)
            assert page.evaluate(read, [w, i])[0] not in (lowest, highest), label
            page.wait_for_function(changed, arg=[w, i, before])
        # Another slider may have changed its range, or hidden it.
        put = "slider.value = more[0]; for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, { bubbles: true })); }"
        page.evaluate(f"{OF} {put}", [w, i, start])


@pytest.mark.parametrize("page", PAGES)
def test_every_calculator_moves_by_mouse_and_by_keyboard(page, open_built):
    tab = open_built(page)
    slider = lambda w, i: tab.locator("[data-cnnlib-widget]").nth(w).locator("input[type=range]").nth(i)  # noqa: E731

    def click(w, i, part):
        box = slider(w, i).bounding_box()
        slider(w, i).click(position={"x": box["width"] * part, "y": box["height"] / 2})

    move_every_slider(tab, lambda w, i, key: slider(w, i).press(key), click)


def test_the_first_screen_of_a_phone_shows_a_calculator_and_the_slider_that_moves_it(open_built):
    tab = open_built("book/index", 390)
    tab.set_viewport_size({"width": 390, "height": 844})
    widget = tab.locator("[data-cnnlib-widget]").first
    slider = widget.locator("input[type=range]").first
    assert slider.evaluate("s => s.labels[0].textContent") == "Position"
    for part in [slider, *widget.locator("table").all()]:
        box = part.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] < 844


def test_search_works_from_disk(open_built):
    """Hits, and no excerpts: Sphinx would fetch each page for one, which file:// forbids (`open_page` would complain)."""
    tab = open_built("search", fragment="?q=dropout")
    hits = tab.locator("#search-results li a")
    hits.first.wait_for()
    tab.wait_for_load_state("networkidle")
    assert all((HTML / urlsplit(a.get_attribute("href")).path).exists() for a in hits.all())


def test_paper_shows_the_answers(open_built):
    tab = open_built("book/01-dense-to-convolution")
    answers = tab.locator("main details:not([open], .hide, .cnnlib *) > p")
    solutions = tab.locator("main .tag_solution details pre")
    hidden = [*answers.all(), *solutions.all()]
    assert answers.count() and solutions.count() and not any(part.is_visible() for part in hidden)
    tab.emulate_media(media="print")
    assert all(part.is_visible() for part in hidden)


@pytest.mark.parametrize("page", PAGES)
def test_minus_signs_are_minus_signs_and_numbers_keep_their_units(page, look):
    tab = look(page)
    texts = tab.evaluate(
        """() => {
          const found = [], walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
          for (let node; (node = walker.nextNode());) {
            const as = node.parentElement.closest("code, pre, script, style, svg, mjx-container, .math, .cell_output, summary");
            if (!as) found.push(node.data);
          }
          return found;
        }"""
    )
    assert len("".join(texts)) > 500
    wrong = [text for text in texts if re.search(r"(?:^|[\s(,])-\d|\d - \d|\d %|\d × \d", text)]
    assert not wrong, wrong
    around = """() => [...document.querySelectorAll("article p .math")].map((formula) => [formula, formula.parentElement])
      .filter(([, above]) => getComputedStyle(above).whiteSpace !== "nowrap")
      .map(([formula]) => [formula.previousSibling, formula.nextSibling].map((node) => (node?.nodeType === 3 ? node.data : "")))"""
    torn = [texts for texts in tab.evaluate(around) if texts[0].endswith("(") or re.match(r"[,.;:?!)]", texts[1])]
    assert not torn, torn


@pytest.mark.parametrize("page", PAGES)
def test_scripts_and_widget_code_stand_only_where_they_are_used(page):
    text = built(page).read_text(encoding="utf-8")
    scripts = [s for s in re.findall(r'src="[^"]*_static/cnnlib/([a-z_-]+)\.js', text) if s != "tex-svg"]
    widgets = set(re.findall(r'data-cnnlib-widget="([a-z-]+)"', text))
    assert [set(script.split("_")) for script in scripts] == ([widgets] if widgets else [])
    for heavy in ("require.js", "html-manager", "vnd.jupyter.widget-state", "embed-amd", "unpkg.com", "cdn.jsdelivr"):
        assert heavy not in text, heavy


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_ran_says_when_and_on_what(page):
    text = built(page).read_text(encoding="utf-8")
    source = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    if "kernelspec" in source:
        assert re.search(r"This page was run on \d{4}-\d\d-\d\d .*?It took \d+ s", text, re.DOTALL)


STATE_LINK = re.compile(r"[a-z-]+(-\d+)?\.\w+=")  # the fragment of a link that sets a calculator


def test_every_link_that_sets_a_calculator_is_understood(open_built):
    links = 0
    for page in PAGES:
        if not re.search(rf'href="#{STATE_LINK.pattern}', built(page).read_text(encoding="utf-8")):
            continue
        tab = open_built(page)
        for link in tab.locator("main a[href*='=']").all():
            if not STATE_LINK.match(urlsplit(link.get_attribute("href")).fragment):
                continue
            link.click()
            tab.wait_for_timeout(400)  # the address now holds what was understood
            assert tab.get_by_role("alert").count() == 0, link.get_attribute("href")
            assert STATE_LINK.match(tab.evaluate("location.hash.slice(1)")), link.get_attribute("href")
            links += 1
    assert links > 8


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_and_anchors_resolve(page):
    path = built(page)
    text = path.read_text(encoding="utf-8")
    gone = []
    for link in re.findall(r'(?:href|src)="([^"]+)"', text):
        parts = urlsplit(link)
        if parts.scheme or link.startswith("//"):
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.exists() or (
            parts.fragment
            and not STATE_LINK.match(parts.fragment)
            and target.suffix == ".html"
            and f'id="{parts.fragment}"' not in target.read_text(encoding="utf-8")
        ):
            gone.append(link)
    assert not gone, gone


def test_no_page_keeps_a_directive_that_was_not_understood():
    for page in PAGES:
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", built(page).read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\{(cite|ref|term|glue|note|admonition)[^}]*\}", text), page
