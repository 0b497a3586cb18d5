"""Shared fixtures: one browser for all tests, and pages opened from file:// with the network cut."""

import os
import re
import shutil

import pytest

# Nothing here needs a GPU, and TensorFlow's start-up chatter hides real messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow turns oneDNN on by itself only on newer CPUs. Without it, it cannot spread a dilated transposed convolution.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Where it is there, Chromium without windows: the same engine, for three quarters of the work a test page.
CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)


# Tests of these files share something that is long in the making: one worker takes the whole file.
TOGETHER = ("test_distribute.py", "test_compare.py", "test_summary.py", "test_data.py", "test_firefox.py")

# Workers take one test after another in this order: a long one that came last would leave the others idle.
LONGEST = ("test_distribute.py", "test_numbers.py", "test_training.py", "test_conv_explorer.py", "test_firefox.py")


def pytest_collection_modifyitems(items):
    """Put the longest files first."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out tests one by one, and the files of `TOGETHER` whole."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            page = re.search(r"test_pages\.py::.*(book/[\w-]+)", nodeid)  # tests that only look at a page share it
            return page[1] if page else next((file for file in TOGETHER if f"{file}::" in nodeid), nodeid)

    return Scheduling(config, log)


def require(tool, what):
    """Skip on a laptop where `what` is missing; fail under CI, where a skip would hide a hole."""
    if not tool:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed")
    return tool


# Style sheets are not fetched again, and elements are listed only where a rule is broken: half the time.
AXE = {"preload": False, "resultTypes": ["violations"]}


def serious_violations(page, named=()):
    """What axe finds serious or critical in a page's calculators, or has among the `named` rules: (rule, element's HTML).

    What the dark theme changes is colours, so only their contrast is asked for there.
    """
    from axe_playwright_python.sync_playwright import Axe

    dark = page.evaluate("document.documentElement.dataset.theme === 'dark'")
    options = AXE | ({"runOnly": ["color-contrast"]} if dark else {})
    report = Axe().run(page, context={"include": [[".cnnlib"]]}, options=options).response
    assert len(report["passes"]) > (0 if dark else 10)  # it did look at the widget
    bad = [v for v in report["violations"] if v["impact"] in ("serious", "critical") or v["id"] in named]
    return [(v["id"], node["html"]) for v in bad for node in v["nodes"]]


# A whole Chromium starts two processes for each window, for what drops down from an address bar that nobody sees: more work than
# most tests. Of such lists only the last counts, so the two of Playwright's own list that matter here stand in it, too.
ARGUMENTS = ["--no-sandbox", "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,PaintHolding,HttpsUpgrades"]


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium: the system's own, because Playwright's would be a download."""
    from playwright.sync_api import sync_playwright

    executable = require(CHROMIUM, "Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


# How far the page reaches, with all that sticks out of a calculator: `contain` in its style keeps that from the page's own width.
WIDTH = """Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll(".cnnlib")]
    .map((e) => e.getBoundingClientRect().left + scrollX + e.clientLeft + e.scrollWidth))"""
# A page starts its calculators a few at a time.
ALL_ALIVE = "!document.querySelector('.cnnlib-host:not(.cnnlib-alive)')"
# And draws them once more when it has learned, after its first frame, how wide they are; lines between them a frame later.
DRAWN = (
    "new Promise((done) => { let n = 3; const next = () => (n-- ? requestAnimationFrame(next) : done(true)); next(); })"
)


class Tabs:
    """Pages opened in contexts of their own, the network cut; `complaints` collects console errors and requests."""

    def __init__(self, browser):
        self.browser, self.contexts, self.complaints = browser, [], []

    def open(self, path, width=1280, dark=False, touch=False, reduced_motion=False, fragment=""):
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced_motion else "no-preference",
            has_touch=touch,
        )
        self.contexts.append(context)

        def route(route):
            if route.request.url.startswith(("file:", "data:", "blob:")):
                route.continue_()
            else:
                self.complaints.append(f"request left the page: {route.request.url}")
                route.abort()

        context.route("**/*", route)
        context.set_offline(True)
        page = context.new_page()
        page.on("console", lambda m: self.complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda e: self.complaints.append(f"error: {e}"))
        page.goto(f"file://{path}{fragment}")
        page.wait_for_function(ALL_ALIVE, timeout=120_000)  # some tests fill a page with hundreds
        page.evaluate(DRAWN)
        return page

    def close(self):
        for context in self.contexts:
            context.close()


def becomes(page, read, wanted):
    """Wait, ten seconds at most, until `read()` gives what is wanted: Playwright's own waits see only what a page can tell at once."""
    for _ in range(100):
        if read() == wanted:
            return
        page.wait_for_timeout(100)
    assert read() == wanted


def copied(page, text):
    """Wait until a button that was pressed has put this text into the clipboard."""
    becomes(page, lambda: page.evaluate("navigator.clipboard.readText()"), text)


def gone(page):
    """Wait until the browser has told that the page's workers are gone."""
    becomes(page, lambda: page.workers, [])


@pytest.fixture
def open_page(browser):
    """`open_page(path, width=1280, dark=False, touch=False)`: a page whose calculators have started, that fails the test on any console error or request."""
    tabs = Tabs(browser)
    yield tabs.open
    tabs.close()
    assert not tabs.complaints, tabs.complaints


def write_page(widget, folder, dark=False):
    """Write a page that holds just this widget, as a built page would; return its path."""
    from cnnlib.widgets.base import PAGE_MIME, stylesheet
    from cnnlib.widgets.page import DATA_ID, page_data, page_html, page_script

    bundle = widget._repr_mimebundle_()[0][PAGE_MIME]
    path = folder / f"{widget.name}.html"
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{"dark" if dark else "light"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{widget.name}</title><style>{stylesheet()}</style></head>'
        f'<body style="background:{"#14181e" if dark else "#ffffff"}; color:{"#ffffff" if dark else "#000000"}"><main><h1>{widget.name}</h1>{page_html(**bundle)}</main>'
        f'<script type="application/json" id="{DATA_ID}">{page_data([type(widget)])}</script>'
        f"<script>{page_script([type(widget)])}</script></body></html>",
        encoding="utf-8",
    )
    for file, text in widget.page_files().items():
        path.with_name(file).write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def open_widget(open_page, tmp_path):
    """`open_widget(widget, ...)`: a page that holds just this widget, as a built page would."""

    def open_widget(widget, dark=False, **options):
        return open_page(write_page(widget, tmp_path, dark), dark=dark, **options)

    return open_widget
