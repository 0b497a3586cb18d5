"""Debian's own Firefox for tests: started headless by Mozilla's driver, its page with the names that Playwright's page has.

Playwright drives a Firefox of its own, which would be a download. Helpers that need only `evaluate` and
`wait_for_function` of a page take either browser's.
"""

import io
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")

# All that is not a file goes to a proxy which is not there: port 9 of this machine throws away what it gets.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.allow_hijacking_localhost": True,
    "network.proxy.failover_direct": False,  # else what fails by the proxy is tried without
    "network.dns.disablePrefetch": True,
}

# In the browser itself, for as long as it runs: every request over a network that a page made, and the narrowest window
# that its own buttons allow.
WATCH = """
  window.requests = [];
  Services.obs.addObserver({ observe(channel) {
    channel.QueryInterface(Ci.nsIChannel);
    if (!channel.loadInfo.triggeringPrincipal.isSystemPrincipal) window.requests.push(channel.URI.spec);
  } }, "http-on-modify-request");
  document.documentElement.style.setProperty("min-width", "0", "important");
"""
FORGET = "window.requests.length = 0; Services.console.reset(); Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', arguments[0]);"

# Errors that nobody caught, in pages and their workers; a style that Firefox does not know is a warning, and no error.
ERRORS = """
  const errors = Services.console.getMessageArray().filter((m) => m instanceof Ci.nsIScriptError && !(m.flags & Ci.nsIScriptError.warningFlag));
  const ofPage = (name) => /^(file|blob|data):/.test(name);
  return [...errors.filter((m) => ofPage(m.sourceName)).map((m) => `error: ${m.errorMessage} (${m.sourceName}:${m.lineNumber})`),
    ...window.requests.map((url) => `request left the page: ${url}`)];
"""
# What the page and its workers wrote with console.error: Firefox keeps it in the page's process.
CONSOLE = """
  const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
  const events = storage.getEvents().filter((event) => ["error", "assert", "exception"].includes(event.level));
  return events.map((event) => `console: ${Array.from(event.arguments, String).join(" ")}`);
"""
CLEAR = """Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage).clearEvents();"""


class Page:
    """The one tab of a Firefox, with those of Playwright's names that the shared helpers use."""

    def __init__(self, driver):
        self.driver = driver
        self._chrome(WATCH)

    def _chrome(self, script, *args):
        with self.driver.using_context("chrome"):
            return self.driver.execute_script(script, script_args=args, sandbox=None)

    def goto(self, url, width=1280, dark=False):
        """Open an address afresh, even if only its fragment is another one, in a window of that width."""
        self.driver.execute_script(CLEAR, sandbox="system")
        self.driver.navigate("about:blank")
        self._chrome(FORGET, 0 if dark else 1)
        self.driver.set_window_rect(width=width, height=900)
        self.driver.navigate(url)
        self.wait_for_function("(width) => innerWidth === width", width)  # the page hears of it a little later

    def complaints(self):
        """Every error, console error and request of the page that is open."""
        return [*self.driver.execute_script(CONSOLE, sandbox="system"), *self._chrome(ERRORS)]

    def wait_for_complaint(self, words, timeout=30):
        """Wait until one is there that has these words: what a worker does comes later than its page."""
        end = time.monotonic() + timeout
        while not any(words in complaint for complaint in self.complaints()):
            assert time.monotonic() < end, f"no complaint has {words!r}"
            self.wait(0.05)

    def wait(self, seconds):
        time.sleep(seconds)

    def evaluate(self, script, arg=None):
        """Return an expression's value, or what a function returns for `arg`; an element comes as one of the driver's."""
        call = (
            "const value = (0, eval)(arguments[0]); return typeof value === 'function' ? value(arguments[1]) : value;"
        )
        return self.driver.execute_script(call, script_args=(f"({script})", arg), sandbox=None)

    def wait_for_function(self, script, arg=None, timeout=30_000):
        """Wait until it is true, at most `timeout` milliseconds."""
        end = time.monotonic() + timeout / 1000
        while not self.evaluate(script, arg):
            assert time.monotonic() < end, f"not true after {timeout} ms: {script}"
            self.wait(0.03)

    def press(self, *keys):
        """Press keys one after another, wherever the focus is; the driver's Keys are letters of their own."""
        self.driver.actions.sequence("key", "keyboard").send_keys("".join(keys)).perform()

    def click(self, element, part=0.5):
        """Click at that part of an element's width, once it is in sight."""
        self.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", script_args=(element,))
        aside = round((part - 0.5) * element.rect["width"])
        self.driver.actions.sequence("pointer", "mouse").pointer_move(aside, 0, origin=element).click().perform()

    def picture(self, element):
        """Return how an element looks: (height, width, 3) uint8."""
        png = self.driver.screenshot(element, format="binary")
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def start(folder):
    """Start it, its profile and log in a folder: yields its page, and ends it."""
    from marionette_driver.marionette import Marionette

    with pytest.MonkeyPatch.context() as patch:
        # As root it starts only with a home that is root's own, which it is not in every container.
        patch.setenv("HOME", str(folder))
        driver = Marionette(
            app="fxdesktop",
            bin=FIREFOX,
            headless=True,
            port=0,
            prefs=PREFERENCES,
            workspace=str(folder),
            gecko_log=str(folder / "firefox.log"),
        )
    try:
        driver.start_session()
        yield Page(driver)
    finally:
        driver.cleanup()
