"""What the calculators cost on a built page: bytes of script and data, time to interactive from file://, script time
a step (a slider that a reader can see moved to another place at random, a cell pointed at; the frame after it included).

Run by `make bench`, after `make book`, on a machine that does nothing else. It prints; it judges nothing.
"""

import argparse
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
const watch = new MutationObserver(() => {
  const hosts = document.querySelectorAll(".cnnlib-host"), alive = document.querySelectorAll(".cnnlib-alive").length;
  if (alive) window.cnnlibFirst ??= performance.now();
  if (!alive || alive < hosts.length || document.readyState === "loading") return;
  window.cnnlibAlive = performance.now();
  watch.disconnect(); // it would be part of every step's time
});
watch.observe(document, {subtree: true, childList: true, attributeFilter: ["class"]});
"""
# The heaviest states that a reader can reach with one link, on the page that has all calculators.
HEAVY = {
    "a picture of 32 x 32": "#conv-explorer.image=photo&conv-explorer.padding=same",
    "a picture of 32 x 32, rows and columns apart": "#conv-explorer.image=photo&conv-explorer.kernel_size=[3,5]&conv-explorer.strides=[1,2]",
    "a picture of 32 x 32 in 3 channels, two filters of 5 x 5": "#conv-explorer.image=photo&conv-explorer.in_channels=3"
    '&conv-explorer.kernel=["blur","sobel_x"]&conv-explorer.kernel_size=5&conv-explorer.padding=same',
    "VGG-16 beside ResNet-18 on 224 x 224": "#receptive-field.n=224&receptive-field.layers=VGG-16&receptive-field.other=ResNet-18",
    "32 x 32 through four layers": "#size-calculator.n=32",
}
# A step is an event with all the script that it causes: widgets draw in microtasks, which run before `await` goes on, and
# in the next frame, whose callbacks are timed too. Each slider in turn takes a random value that is not the one it has.
# What makes a state large is held: the sliders of the input's size and of the kernel's. Cells are pointed at.
STEP = """async ([names, steps, large]) => {
  const times = {};
  let seed = 1, inFrames = 0;
  const random = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
  const frame = window.cnnlibFrame ??= window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => frame((now) => { const start = performance.now(); draw(now); inFrames += performance.now() - start; });
  for (const widget of document.querySelectorAll("[data-cnnlib-widget]")) {
    if (names && !names.includes(widget.dataset.cnnlibWidget)) continue;
    const spent = times[widget.dataset.cnnlibWidget] ??= [];
    const step = async (target, event) => {
      inFrames = 0;
      const start = performance.now();
      target.dispatchEvent(event);
      for (let i = 0; i < 4; i++) await null;
      const atOnce = performance.now() - start;
      await new Promise((next) => frame(() => setTimeout(next)));
      spent.push(atOnce + inFrames);
    };
    // Asked anew at each step: a setting may bring sliders or take them away.
    const sliders = () => [...widget.querySelectorAll("input[type=range]")].filter((slider) =>
      slider.checkVisibility() && Number(slider.max) > Number(slider.min) && !(large && /^(Input|Kernel) (size|height|width)/.test(slider.labels[0].textContent)));
    for (let i = 0; i < steps; i++) {
      const all = sliders(), slider = all[i % all.length], places = (slider.max - slider.min) / (slider.step || 1);
      const old = slider.value, now = Math.round((old - slider.min) / (slider.step || 1));
      slider.value = Number(slider.min) + (slider.step || 1) * ((now + 1 + random(places)) % (places + 1));
      if (slider.value === old) throw Error(`${slider.labels[0].textContent} stands still`);
      await step(slider, new Event("input", {bubbles: true}));
    }
    for (let i = 0; large && i < steps / 4; i++) {
      const cells = widget.querySelectorAll("td");
      if (cells.length) await step(cells[random(cells.length)], new PointerEvent("pointerover", {bubbles: true, pointerType: "mouse"}));
    }
  }
  return times;
}"""


def percentile(values, share):
    """The smallest value that `share` of all values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="names of pages, 03-padding-and-stride; all that have a calculator")
    names = parser.parse_args(arguments).pages
    if not ASSETS.exists():
        sys.exit("There is no built book: run `make book` first.")
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed.")
    print(f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for path in sorted([*ASSETS.glob("*.js"), *ASSETS.glob("*.css")]):
        content = path.read_bytes()
        print(f"{path.name}: {len(content):,} bytes ({len(gzip.compress(content)):,} gzipped)")
    pages = [p for p in sorted((HTML / "book").glob("*.html")) if "data-cnnlib-widget" in p.read_text(encoding="utf-8")]
    if unknown := set(names) - {path.stem for path in pages}:
        sys.exit(
            f"No page with a calculator: {', '.join(sorted(unknown))}. There are {', '.join(p.stem for p in pages)}."
        )
    pages = [path for path in pages if not names or path.stem in names]
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
