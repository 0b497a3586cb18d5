"""What the calculators cost on a built page: bytes of script and data, time to interactive from file://, script time
a step (a slider that a reader can see moved at random, a cell pointed at).

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
ASSETS = HTML / "_static" / "cnnlib"
OPENINGS, STEPS = 15, 400

# Note the moments at which the page's first and last calculators are alive, in milliseconds since navigation began.
WATCH = """
new MutationObserver(() => {
  const hosts = document.querySelectorAll(".cnnlib-host"), alive = document.querySelectorAll(".cnnlib-alive").length;
  if (alive) window.cnnlibFirst ??= performance.now();
  if (alive && alive === hosts.length) window.cnnlibAlive ??= performance.now();
}).observe(document, {subtree: true, childList: true, attributes: true});
"""
# The heaviest states that a reader can reach with one link, on the page that has all calculators.
HEAVY = {
    "a picture of 32 x 32": "#conv-explorer.image=photo&conv-explorer.padding=same",
    "a picture of 32 x 32, rows and columns apart": "#conv-explorer.image=photo&conv-explorer.kernel_size=[3,5]&conv-explorer.strides=[1,2]",
    "a picture of 32 x 32 in 3 channels, two filters of 5 x 5": "#conv-explorer.image=photo&conv-explorer.in_channels=3"
    '&conv-explorer.kernel=["blur","sobel_x"]&conv-explorer.kernel_size=5&conv-explorer.padding=same',
    "VGG-16 beside ResNet-18": "#receptive-field.n=32&receptive-field.layers=VGG-16&receptive-field.other=ResNet-18",
    "32 x 32 through four layers": "#size-calculator.n=32",
}
# A step is an event with all that it redraws: widgets draw in microtasks, which run before `await` goes on. Sliders of the
# input's size are left out where the state is to stay large; cells are pointed at.
STEP = """async ([names, steps, large]) => {
  const times = {};
  for (const widget of document.querySelectorAll("[data-cnnlib-widget]")) {
    if (names && !names.includes(widget.dataset.cnnlibWidget)) continue;
    const spent = times[widget.dataset.cnnlibWidget] ??= [], cells = [...widget.querySelectorAll("td")];
    const sliders = [...widget.querySelectorAll("input[type=range]")]
      .filter((slider) => !large || !/^Input (size|height|width)/.test(slider.labels[0].textContent))
      .filter((slider) => slider.checkVisibility());
    const step = async (target, event) => {
      const start = performance.now();
      target.dispatchEvent(event);
      for (let i = 0; i < 4; i++) await null;
      spent.push(performance.now() - start);
    };
    for (let i = 0; i < steps; i++) {
      const slider = sliders[i % sliders.length];
      const [low, high] = [Number(slider.min), Number(slider.max)];
      slider.value = low + ((i * 7919) % (high - low + 1));
      await step(slider, new Event("input", {bubbles: true}));
    }
    for (let i = 0; large && cells.length && i < steps / 4; i++)
      await step(cells[(i * 7919) % cells.length], new PointerEvent("pointerover", {bubbles: true, pointerType: "mouse"}));
  }
  return times;
}"""


def percentile(values, share):
    """The smallest value that `share` of all values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def main():
    if not ASSETS.exists():
        sys.exit("There is no built book: run `make book` first.")
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed.")
    print(f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for path in sorted([*ASSETS.glob("*.js"), *ASSETS.glob("*.css")]):
        content = path.read_bytes()
        print(f"{path.name}: {len(content):,} bytes ({len(gzip.compress(content)):,} gzipped)")
    pages = [p for p in sorted((HTML / "book").glob("*.html")) if "data-cnnlib-widget" in p.read_text(encoding="utf-8")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"browser: Chromium {browser.version}, file://, network cut")
        for path in pages:
            first, alive, spent = [], [], {}
            for opening in range(OPENINGS):
                context = browser.new_context(offline=True)
                page = context.new_page()
                page.add_init_script(WATCH)
                page.goto(f"file://{path}")
                page.wait_for_function("window.cnnlibAlive")
                first.append(page.evaluate("window.cnnlibFirst"))
                alive.append(page.evaluate("window.cnnlibAlive"))
                if opening == 0:
                    data = page.evaluate("new Blob([document.getElementById('cnnlib-data').textContent]).size")
                    spent = page.evaluate(STEP, [None, STEPS, False])
                    if path.stem == "calculators":
                        for state, link in HEAVY.items():
                            page.goto("about:blank")
                            page.goto(f"file://{path}{link}")
                            page.wait_for_function("window.cnnlibAlive")
                            name = link[1:].split(".")[0]
                            spent[f"{name}, {state}"] = page.evaluate(STEP, [[name], STEPS, True])[name]
                context.close()
            print(
                f"{path.name}: {data:,} bytes of words, presets and schemas; the first calculator answers after {statistics.median(first):.0f} ms, all after {statistics.median(alive):.0f} ms (medians of {OPENINGS}; worst {max(first):.0f} and {max(alive):.0f} ms)"
            )
            for name, times in spent.items():
                print(
                    f"  {name}: script time a step, median {statistics.median(times):.2f} ms, 95th percentile {percentile(times, 95):.2f} ms"
                )
        browser.close()


if __name__ == "__main__":
    main()
