"""widgets/worker.js: work beside the page, made from the texts of functions, and on the main thread where no worker may be."""

import re

import pytest
from conftest import gone
from test_geometry_js import SCRIPT as GEOMETRY

from cnnlib.widgets.page import minify

FILES = [GEOMETRY.with_name(name) for name in ("engine.js", "shapes10.js", "worker.js")]
NO_WORKER = '<meta http-equiv="Content-Security-Policy" content="worker-src \'none\'">'
PLACES = {"worker": "", "page": "window.Worker = undefined;"}

# A job that adds random numbers of the engine, a slice at a time, and tells where it runs and how it was left.
JOB = """
const job = ([engine, shapes], post) => {
  const next = engine.chance(5), log = [], place = typeof document === "undefined" ? "worker" : "page";
  const slow = () => { const end = performance.now() + 3; while (performance.now() < end) continue; };
  return (message) => (message.ask ? post({ name: message.ask, log: [...log] }) : (function* () {
    try {
      if (message.bad) throw new RangeError("a bad message");
      let sum = 0;
      for (let i = 0; i < message.steps; i++) {
        sum += next();
        if (message.bytes) message.bytes[0]++;
        yield slow();
      }
      log.push(`done ${message.name}`);
      post({ name: message.name, sum, place, side: shapes.side, classes: shapes.classes, bytes: message.bytes });
    } finally {
      log.push(`left ${message.name}`);
    }
  })());
};
window.heard = [];
window.errors = [];
window.worker = startWorker(job, [makeEngine, makeShapes10], { receive: (m) => heard.push(m), fail: (e) => errors.push(e) });
window.post = (message, transfer) => worker.post(message, transfer);
"""


@pytest.fixture(params=PLACES)
def job(request, open_page, tmp_path):
    """(a page of file:// in whose script, minified as a built page's, the job has started; where it is to run)."""
    whole = "\n".join(path.read_text("utf-8") for path in FILES).replace("export function", "function")
    script = f'(() => {{\n"use strict";\n{whole}\n{JOB}\n}})();'
    script = minify.string("text/javascript", script) if minify else script
    path = tmp_path / "job.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>job</title></head><body>'
        f"<script>{PLACES[request.param]}</script><script>{script}</script></body></html>",
        encoding="utf-8",
    )
    return open_page(path), request.param


def heard(page, count):
    """Return the last message, when there are so many."""
    page.wait_for_function(f"heard.length >= {count}")
    assert page.evaluate("heard.length") == count
    return page.evaluate("heard.at(-1)")


def test_it_runs_where_it_should_with_what_the_makers_gave(job):
    page, place = job
    page.evaluate("post({ name: 'a', steps: 5 })")
    one = heard(page, 1)
    assert (one["place"], one["side"], one["classes"]) == (place, 32, 10)
    assert one["sum"] == pytest.approx(2.3905972179491073, abs=1e-12)  # five numbers of seed 5, wherever
    assert len(page.workers) == (place == "worker")


def test_a_new_message_ends_the_old_one_at_a_yield(job):
    page, _ = job
    page.evaluate("post({ name: 'long', steps: 1e6 })")
    page.wait_for_timeout(200)
    page.evaluate("post({ name: 'also long', steps: 1e6 }); post({ name: 'b', steps: 30 })")
    assert heard(page, 1)["name"] == "b"
    page.evaluate("post({ ask: 'log' })")
    assert heard(page, 2)["log"] == ["left long", "left also long", "done b", "left b"]


def test_the_page_has_its_turn_while_it_works(job):
    page, _ = job
    page.evaluate("window.turns = 0; setInterval(() => turns++, 5); post({ name: 'long', steps: 1e6 })")
    page.wait_for_function("turns > 20")
    assert page.evaluate("heard.length") == 0


def test_messages_are_copies_unless_they_are_handed_over(job):
    page, _ = job
    page.evaluate("window.bytes = new Uint8Array([7, 8]); post({ name: 'a', steps: 3, bytes })")
    assert heard(page, 1)["bytes"] == {"0": 10, "1": 8} or page.evaluate("[...heard[0].bytes]") == [10, 8]
    assert page.evaluate("[...bytes]") == [7, 8]
    page.evaluate("post({ name: 'b', steps: 1, bytes }, [bytes.buffer])")
    heard(page, 2)
    assert page.evaluate("bytes.length") == 0 and page.evaluate("[...heard[1].bytes]") == [8, 8]


def test_a_failure_is_told_and_the_next_message_still_runs(job):
    page, _ = job
    page.evaluate("post({ name: 'bad', bad: true })")
    page.wait_for_function("errors.length === 1")
    assert page.evaluate("errors") == ["RangeError: a bad message"]
    page.evaluate("post({ name: 'c', steps: 2 })")
    assert heard(page, 1)["name"] == "c"


def test_terminated_it_says_no_more(job):
    page, _ = job
    page.evaluate("post({ name: 'a', steps: 1e6 })")
    page.wait_for_timeout(100)
    page.evaluate("post({ name: 'b', steps: 2 }); worker.terminate(); post({ name: 'c', steps: 2 })")
    page.wait_for_timeout(400)
    assert page.evaluate("[heard.length, errors.length]") == [0, 0]
    gone(page)


def test_a_policy_without_workers_is_no_obstacle(browser, tmp_path):
    whole = "\n".join(path.read_text("utf-8") for path in FILES).replace("export function", "function")
    (tmp_path / "job.html").write_text(
        f"<!doctype html><title>job</title>{NO_WORKER}<body><script>{whole}\n{JOB}</script>"
    )
    page = browser.new_page()
    try:
        complaints = []
        page.on("console", lambda m: complaints.append(m.text))
        page.goto(f"file://{tmp_path}/job.html")
        page.evaluate("post({ name: 'a', steps: 5 })")
        assert heard(page, 1)["place"] == "page"
        assert len(complaints) == 1 and "worker-src" in complaints[0]  # the browser's own
    finally:
        page.close()


def test_the_file_joins_a_page():
    code = re.sub(r" *//.*", "", FILES[-1].read_text("utf-8"))
    assert not re.search(r"^\s*import\b|\bdocument\b|\bwindow\b", code, re.MULTILINE)
    assert re.findall(r"^(?:export )?function (\w+)", code, re.MULTILINE) == ["makeRunner", "startWorker"]
