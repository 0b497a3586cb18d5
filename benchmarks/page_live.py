"""How fast the nets in the page are, on the built page of all calculators, from file:// in Chromium with the network cut.

look-inside: milliseconds from another picture to all maps and scores drawn, for each recorded net. train-here: seconds
until 90 % of the held-out pictures are right. Both: the longest that the main thread was blocked meanwhile, from the
moment the calculator came into view. Run by `make bench`, after `make book`, on a machine that does nothing else. It
prints; it judges nothing.
"""

import shutil
import statistics
import sys

from page import HTML, percentile
from playwright.sync_api import sync_playwright

PAGE = HTML / "book" / "calculators.html"
PICTURES = 40

# Long tasks, which the browser reports from 50 ms on.
WATCH = """
window.blocked = [];
new PerformanceObserver((list) => blocked.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask", buffered: true });
"""
# The picture's slider goes to and fro; the calculator is busy until it has drawn everything. Then the frame is painted.
ANSWER = """async (pictures) => {
  const root = document.querySelector("[data-cnnlib-widget='look-inside']"), slider = root.querySelector("input[type=range]"), inside = root.querySelector("[aria-busy]");
  const drawn = [], painted = [];
  for (let i = 0; i < pictures; i++) {
    const done = new Promise((resolve) => {
      const watch = new MutationObserver(() => {
        if (inside.ariaBusy !== "false") return;
        watch.disconnect();
        resolve(performance.now());
      });
      watch.observe(inside, { attributeFilter: ["aria-busy"] });
    });
    slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    drawn.push((await done) - start);
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    painted.push(performance.now() - start);
    await new Promise((next) => setTimeout(next, 60));
  }
  return [drawn, painted];
}"""
READY = """() => {
  const inside = document.querySelector("[data-cnnlib-widget='look-inside'] [aria-busy]");
  return inside?.ariaBusy === "false" && inside.checkVisibility();
}"""
# The held-out accuracy is the third of the tiles.
SECONDS_TO = """(goal) => new Promise((resolve) => {
  const root = document.querySelector("[data-cnnlib-widget='train-here']"), start = performance.now();
  root.querySelector(".cnnlib-train-play").click();
  const look = setInterval(() => {
    const right = parseFloat(root.querySelectorAll("dd")[2].textContent);
    if (right < goal && root.dataset.phase !== "ended") return;
    if (Number.isNaN(right)) return;
    clearInterval(look);
    resolve([(performance.now() - start) / 1000, right]);
  }, 50);
})"""


def blocked(page):
    """What the main thread's long tasks were, in words."""
    page.wait_for_timeout(200)
    times = page.evaluate("blocked.splice(0)")
    return f"main thread blocked for 50 ms or more {len(times)} times" + (
        f", longest {max(times):.0f} ms" if times else ""
    )


def main():
    """Print a line for each net and each of two presets."""
    if not PAGE.exists():
        sys.exit("There is no built book: run `make book` first.")
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
        page.add_init_script(WATCH)
        page.goto(f"file://{PAGE}")
        page.wait_for_function("!document.querySelector('.cnnlib-host:not(.cnnlib-alive)')")
        look = page.locator("[data-cnnlib-widget='look-inside']")
        nets = look.get_by_label("Network").locator("option").evaluate_all("all => all.map(({ value }) => value)")
        print(f"browser: Chromium {browser.version}; while the page starts: {blocked(page)}")
        look.scroll_into_view_if_needed()
        for net in nets:
            look.get_by_label("Network").select_option(net)
            page.wait_for_timeout(500)
            page.wait_for_function(READY)
            loading = blocked(page)
            drawn, painted = page.evaluate(ANSWER, PICTURES)
            print(
                f"look-inside, {net}: another picture, all maps and scores drawn after {statistics.median(drawn):.1f} ms "
                f"(95th percentile {percentile(drawn, 95):.1f}), painted after {statistics.median(painted):.1f} ms; "
                f"while it loads {loading}; while pictures change {blocked(page)}"
            )
        train = page.locator("[data-cnnlib-widget='train-here']")
        train.scroll_into_view_if_needed()
        for preset in ("Plain start", "SGD, 240 batches"):
            train.get_by_role("button", name=preset).click()
            page.wait_for_timeout(500)
            blocked(page)
            seconds, right = page.evaluate(SECONDS_TO, 90)
            print(f"train-here, {preset}: {right:g} % of the held-out pictures after {seconds:.1f} s; {blocked(page)}")
        browser.close()


if __name__ == "__main__":
    main()
