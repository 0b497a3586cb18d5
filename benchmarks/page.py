"""What the calculators cost on a built page: bytes of script and data, time to interactive from file://, script time
a slider step.

Run by `make bench`, after `make book`, on a machine that does nothing else. It prints; it judges nothing.
"""

import gzip
import platform
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HTML = Path(__file__).parent.parent / "_build" / "html"
SCRIPT = HTML / "_static" / "cnnlib" / "widgets.js"
STYLE = HTML / "_static" / "cnnlib" / "cnnlib.css"
OPENINGS, STEPS = 15, 400

# Note the moment at which the page's last calculator is alive, in milliseconds since navigation began.
WATCH = """
new MutationObserver(() => {
  const hosts = document.querySelectorAll(".cnnlib-host");
  if (!window.cnnlibAlive && hosts.length && [...hosts].every(h => h.classList.contains("cnnlib-alive"))) window.cnnlibAlive = performance.now();
}).observe(document, {subtree: true, childList: true, attributes: true});
"""
# A step is an input event with all that it redraws: widgets draw in a microtask, which runs before `await` goes on.
STEP = """async (steps) => {
  const times = {};
  for (const widget of document.querySelectorAll("[data-cnnlib-widget]")) {
    const spent = times[widget.dataset.cnnlibWidget] ??= [];
    const sliders = [...widget.querySelectorAll("input[type=range]")];
    for (let i = 0; i < steps; i++) {
      const slider = sliders[i % sliders.length];
      const [low, high] = [Number(slider.min), Number(slider.max)];
      slider.value = low + ((i * 7919) % (high - low + 1));
      const start = performance.now();
      slider.dispatchEvent(new Event("input", {bubbles: true}));
      await Promise.resolve();
      spent.push(performance.now() - start);
    }
  }
  return times;
}"""


def percentile(values, share):
    """The smallest value that `share` of all values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def main():
    if not SCRIPT.exists():
        sys.exit("There is no built book: run `make book` first.")
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed.")
    script, style = SCRIPT.read_bytes(), STYLE.read_bytes()
    print(f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"script: {len(script):,} bytes ({len(gzip.compress(script)):,} gzipped); style: {len(style):,} bytes")
    pages = [p for p in sorted((HTML / "book").glob("*.html")) if "data-cnnlib-widget" in p.read_text(encoding="utf-8")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"browser: Chromium {browser.version}, file://, network cut")
        for path in pages:
            alive, spent = [], {}
            for opening in range(OPENINGS):
                context = browser.new_context(offline=True)
                page = context.new_page()
                page.add_init_script(WATCH)
                page.goto(f"file://{path}")
                page.wait_for_function("window.cnnlibAlive")
                alive.append(page.evaluate("window.cnnlibAlive"))
                if opening == 0:
                    data = page.evaluate("new Blob([document.getElementById('cnnlib-data').textContent]).size")
                    spent = page.evaluate(STEP, STEPS)
                context.close()
            print(
                f"{path.name}: {data:,} bytes of words, presets and schemas; interactive after {statistics.median(alive):.0f} ms (median of {OPENINGS}; worst {max(alive):.0f} ms)"
            )
            for name, times in spent.items():
                print(
                    f"  {name}: script time a slider step, median {statistics.median(times):.2f} ms, 95th percentile {percentile(times, 95):.2f} ms"
                )
        browser.close()


if __name__ == "__main__":
    main()
