"""Train here: its numbers against Keras in Node, and its page, worker and all, driven in Chromium as a reader would."""

import base64
import json
import random
import re

import numpy as np
import pytest
from conftest import WIDTH, gone, serious_violations
from test_geometry_js import SCRIPT as GEOMETRY
from test_geometry_js import node

from cnnlib.data.shapes10 import CLASS_NAMES
from cnnlib.widgets import TrainHere
from cnnlib.widgets.base import PAGE_MIME, data_of, source, stylesheet
from cnnlib.widgets.page_model import _SETTINGS, describe
from cnnlib.widgets.train_here import MOST, OPTIMIZERS, PLAN

FOLDER = GEOMETRY.parent
SHORT = {"batch_size": 4, "pictures": 60, "checks": 2}  # a run of 40 batches of 4: a second
SLOW = SHORT | {"batch_size": 8, "checks": 5}  # 100 of 8: time to press Pause on a busy machine


def random_settings(rng):
    """Any state."""
    return TrainHere(
        learning_rate=rng.choice([0.0001, 0.003, 0.02, 0.05, 1, round(rng.uniform(0.0001, 1), 4)]),
        batch_size=rng.choice([1, 32, 256, rng.randint(1, 256)]),
        optimizer=rng.choice(OPTIMIZERS),
        batch_normalization=rng.random() < 0.5,
        dropout=rng.choice([0, 0.5, round(rng.uniform(0, 0.9), 2)]),
        pictures=rng.choice([100, 4000, rng.randint(10, 10_000)]),
        decay=rng.random() < 0.5,
        checks=rng.randint(1, 60),
        seed=rng.choice([0, 1, rng.randrange(2**31)]),
    )


# --- in Node: the run that a worker makes ---------------------------------------------------------------------------

# Reads {runs: [{settings, plan, cut, watch}]}. Runs each to its end, `cut` times left off at a random yield, with what
# went into each batch where it is to be watched. Prints what the page would get, put together.
RUNS = f"""
import {{ readFileSync }} from "node:fs";
const {{ makeEngine }} = await import("{(FOLDER / "engine.js").as_uri()}"), {{ makeShapes10 }} = await import("{(FOLDER / "shapes10.js").as_uri()}");
const {{ makeTraining, trainJob }} = await import("{(FOLDER / "train_job.js").as_uri()}");
const text = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
const weights = (net) => net.layers.flatMap((l) => Object.entries(l.weights ?? {{}}).map(([name, values]) => [l.type, name, text(values)]));
function train({{ settings, plan, cut = 0, watch = false, presses = 0 }}) {{
  const engine = makeEngine(), load = engine.load, batches = [], held = [];
  let start, net;
  engine.load = (...given) => {{
    net = load(...given);
    start = weights(net);
    const {{ trainSlices, forward }} = net;
    if (watch) {{
      net.trainSlices = function* (pixels, labels, optimizer) {{
        batches.push({{ pixels: text(Uint8Array.from(pixels)), labels: [...labels], rate: optimizer.learning_rate }});
        return yield* trainSlices(pixels, labels, optimizer);
      }};
      net.forward = (pixels, options) => {{ held.push(text(Uint8Array.from(pixels))); return forward(pixels, options); }};
    }}
    return net;
  }};
  const all = {{ losses: [], hits: [], looks: [], reports: 0 }}, chance = engine.chance(11);
  const take = trainJob([engine, makeShapes10(), makeTraining()], (report) => {{
    all.reports++;
    for (const key of ["losses", "hits", "looks"]) all[key].push(...report[key]);
    Object.assign(all, {{ step: report.step, end: report.end, counts: report.mistakes?.counts ?? all.counts, wrong: report.mistakes?.wrong.length ?? all.wrong }});
  }});
  take({{ start: settings, id: 1, plan, pause: 1e9 }});
  // Each press of "One batch" comes while the batch before is under way.
  for (let job, i = 1; i <= presses; i++) {{
    job = take({{ go: 1 }});
    job.next();
    if (i < presses) job.return();
    else while (!job.next().done);
  }}
  for (let job = presses ? {{ next: () => ({{ done: true }}) }} : take({{ go: Infinity }}), left = cut, cutting = cut > 0; ;) {{
    if (job.next().done) break;
    if (cutting && chance() < 0.05) {{
      job.return();
      take({{ stop: true }});
      cutting = --left > 0;
      job = take({{ go: Infinity }});
    }}
  }}
  return {{ ...all, start, trained: watch && weights(net), batches, held }};
}}
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(train)));
"""


def runs(*jobs):
    """Return the runs of some jobs: dicts of settings, plan and what RUNS takes."""
    usual = {"held": 50, "every": 5, "patience": 6}
    jobs = [
        {**job, "settings": TrainHere(**job["settings"]).settings(), "plan": usual | job.get("plan", {})}
        for job in jobs
    ]
    # Whole runs are half a minute's work each, and a processor may have other work too.
    return json.loads(node(RUNS, json.dumps(jobs), timeout=3000))


def floats(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), kind)


def comparable(run):
    return {key: run[key] for key in ("losses", "hits", "looks", "step", "end", "counts", "wrong")}


def test_each_press_of_one_batch_counts():
    settings = dict(batch_size=16, pictures=50, checks=2)
    assert [run["step"] for run in runs(*({"settings": settings, "presses": n} for n in (1, 3)))] == [1, 3]


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_first_batches_are_kerass_from_the_same_weights(optimizer, norm):
    """Losses of twelve batches and two looks at held-out pictures, start weights, batches and rates being the page's."""
    rate = 0.003 if optimizer == "adam" else 0.02
    settings = dict(
        optimizer=optimizer, batch_normalization=norm, learning_rate=rate, batch_size=16, pictures=50, checks=2, seed=3
    )
    (run,) = runs({"settings": settings, "plan": {"every": 6}, "watch": True})
    widget = TrainHere(**settings)
    model = widget.model()
    import keras

    start = [floats(value) for _, _, value in run["start"]]
    for variable, value in zip(model.weights, start, strict=True):
        variable.assign(value.reshape(variable.shape))
    # The plan of this test has 12 batches, not 40.
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    assert type(model.optimizer) is kinds[optimizer]
    schedule = keras.optimizers.schedules.CosineDecay(rate, decay_steps=12)
    more = {"momentum": 0.9} if optimizer == "sgd" else {}
    model.compile(kinds[optimizer](schedule, **more), loss=model.loss, metrics=["accuracy"])
    assert len(run["batches"]) == run["step"] == 12 and len(run["looks"]) == 2 and run["end"] == "limit"
    pictures = lambda text: floats(text, np.uint8).reshape(-1, 32, 32, 3).astype("float32")  # noqa: E731
    held = np.concatenate([pictures(text) for text in run["held"][:2]])
    labels = held_labels(50)
    for i, batch in enumerate(run["batches"]):
        assert batch["rate"] == pytest.approx(float(schedule(i)), rel=1e-5)
        loss, accuracy = model.train_on_batch(pictures(batch["pixels"]), np.array(batch["labels"]))
        model.reset_metrics()
        assert run["losses"][i] == pytest.approx(loss, abs=2e-3), i
        assert run["hits"][i] == pytest.approx(accuracy, abs=1e-6 if i < 6 else 1 / 16)
        if i % 6 == 5:
            look = run["looks"][i // 6]
            logits = model(held, training=False).numpy()
            counts = np.array(run["counts"])
            assert look["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == labels), abs=1 / 50 + 1e-9)
            logits -= logits.max(axis=1, keepdims=True)
            loss = -np.mean(logits[range(50), labels] - np.log(np.exp(logits).sum(axis=1)))
            assert look["loss"] == pytest.approx(loss, abs=5e-3)
            assert look["trainLoss"] == pytest.approx(np.mean(run["losses"][i - 5 : i + 1]))
    assert counts.sum() == 50 and np.trace(counts) == round(50 * run["looks"][-1]["accuracy"])
    worst = max(
        np.abs(floats(value) - np.asarray(variable).ravel()).max()
        for (_, _, value), variable in zip(run["trained"], model.weights, strict=True)
    )
    assert worst < 5e-3, worst
    print(f"{optimizer}, norm {norm}: weights {worst:.1e} apart after 12 batches")


def held_labels(count):
    script = f"""
    const {{ makeEngine }} = await import("{(FOLDER / "engine.js").as_uri()}"), {{ makeTraining }} = await import("{(FOLDER / "train_job.js").as_uri()}");
    const training = makeTraining(), set = training.set(null, {count}, makeEngine().chance(training.HELD_SEED));
    console.log(JSON.stringify([...set.labels]));"""
    return np.array(json.loads(node(script)))


def test_a_pass_shows_each_picture_once_and_the_next_in_another_order():
    settings = dict(batch_size=8, pictures=20, checks=1, seed=4)
    one, other = runs(
        {"settings": settings, "plan": {"every": 10}, "watch": True},
        {"settings": settings | {"seed": 5}, "plan": {"every": 10}, "watch": True},
    )
    stream = lambda run: [p.tobytes() for b in run["batches"] for p in floats(b["pixels"], np.uint8).reshape(-1, 3072)]  # noqa: E731
    labels = [label for batch in one["batches"] for label in batch["labels"]]
    mine = stream(one)
    passes = [mine[20 * i : 20 * i + 20] for i in range(4)]
    assert all(set(part) == set(passes[0]) and len(set(part)) == 20 for part in passes)
    assert len({tuple(part) for part in passes}) == 4
    assert all(np.bincount(labels[20 * i : 20 * i + 20]).tolist() == [2] * 10 for i in range(4))
    assert dict(zip(mine[:20], labels[:20], strict=True)) == dict(zip(mine[60:], labels[60:], strict=True))
    assert not set(mine) & set(stream(other)) and one["start"] != other["start"]  # the seed draws them
    assert one["held"] == other["held"] and len(one["held"]) == 2  # but not those that are held out
    rest = {p.tobytes() for text in one["held"] for p in floats(text, np.uint8).reshape(-1, 3072)}
    assert len(rest) == 50 and not rest & set(mine)


def test_the_same_seed_gives_the_same_numbers_whenever_it_is_paused():
    settings = dict(batch_size=8, pictures=40, checks=3, dropout=0.3, seed=6)
    once, again, cut = runs({"settings": settings}, {"settings": settings}, {"settings": settings, "cut": 12})
    assert comparable(once) == comparable(again) == comparable(cut)
    assert len(once["losses"]) == 15 and len(once["looks"]) == 3 and cut["reports"] > once["reports"] == 1
    (other,) = runs({"settings": settings | {"seed": 7}})
    assert other["losses"] != once["losses"]


def test_it_ends_where_kerass_early_stopping_ends():
    import keras

    settings = dict(batch_size=4, pictures=20, checks=40, learning_rate=0.0001)
    for patience in (1, 3):
        (run,) = runs({"settings": settings, "plan": {"patience": patience, "every": 2}})
        stopper = keras.callbacks.EarlyStopping("val_accuracy", patience=patience, mode="max")
        net = keras.Sequential()
        net.stop_training = False
        stopper.set_model(net)
        stopper.on_train_begin()
        for epoch, look in enumerate(run["looks"]):
            assert not net.stop_training
            stopper.on_epoch_end(epoch, {"val_accuracy": look["accuracy"]})
        assert net.stop_training and run["end"] == "still" and run["step"] < 80


def test_weights_without_bounds_end_the_run():
    settings = dict(optimizer="sgd", learning_rate=1, batch_normalization=False, decay=False)
    (run,) = runs({"settings": SHORT | {"checks": 20} | settings, "plan": {"every": 20}})
    assert run["end"] == "broken" and run["losses"][-1] is None and run["step"] < 100  # JSON has no NaN


def test_it_learns():
    """A third of the default run, with the faster optimizer: far above guessing on pictures that it never saw."""
    (run,) = runs(
        {
            "settings": dict(optimizer="sgd", learning_rate=0.02, checks=6, pictures=2000),
            "plan": {"every": 20, "held": 200},
        }
    )
    assert run["step"] == 120 and run["looks"][-1]["accuracy"] > 0.7, run["looks"][-1]
    print(f"{run['looks'][-1]['accuracy']:.3f} of 200 held-out pictures after 120 batches")


def test_presets_do_what_their_words_say():
    """Seed 0, whole runs in Node: what the page says beside the presets, and what chapters 5 and 7 ask to try."""
    data = data_of("train_here.js")
    names = ("quick", "bare", "few", "dropped")
    done = dict(
        zip(names, runs(*({"settings": data["base"] | data["presets"][n], "plan": PLAN} for n in names)), strict=True)
    )
    held = {name: max(look["accuracy"] for look in run["looks"]) for name, run in done.items()}
    trained = {name: np.mean(run["hits"][-40:]) for name, run in done.items()}
    assert held["quick"] > 0.85
    assert held["bare"] < 0.15 and done["bare"]["end"] == "still"
    assert trained["few"] > 0.97 and held["few"] < 0.6
    assert held["dropped"] > held["few"] and trained["dropped"] < trained["few"]


def settings_of(layers):
    """What the layers are told, the engine's defaults filled in."""
    found = []
    for layer in layers:
        told = _SETTINGS.get(layer["type"], {}) | layer
        found.append({k: v for k, v in told.items() if k not in ("name", "inputs", "shape")})
    return found


def test_the_net_is_pythons():
    rng = random.Random(1)
    widgets = [random_settings(rng) for _ in range(24)]
    script = f"""
    import {{ readFileSync }} from "node:fs";
    const {{ makeEngine }} = await import("{(FOLDER / "engine.js").as_uri()}"), {{ makeTraining }} = await import("{(FOLDER / "train_job.js").as_uri()}");
    const engine = makeEngine(), training = makeTraining();
    console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((settings) => {{
      const net = training.net(settings), loaded = engine.load(net);
      return {{ net, shapes: loaded.layers.map((l) => l.shape), params: loaded.layers.map((l) => Object.values(l.weights ?? {{}}).reduce((sum, w) => sum + w.length, 0)) }};
    }})));"""
    found = json.loads(node(script, json.dumps([widget.settings() for widget in widgets])))
    for widget, page in zip(widgets, found, strict=True):
        model = widget.model()
        theirs = describe(model)["layers"]
        assert settings_of(page["net"]["layers"]) == [
            {k: (pytest.approx(v) if isinstance(v, float) else v) for k, v in layer.items()}
            for layer in settings_of(theirs)
        ]
        assert page["shapes"] == [layer["shape"] for layer in theirs] == [list(r["output_shape"]) for r in widget.rows]
        assert page["params"] == [row["params"] for row in widget.rows]
        assert sum(page["params"]) == model.count_params() == widget.params
        assert widget.trainable_params == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert TrainHere().trainable_params == 11_082


# --- the code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(optimizer="sgd", learning_rate=0.02, batch_normalization=False, dropout=0.25, decay=False, seed=5),
        dict(dropout=0.5, learning_rate=1),
    ],
)
def test_the_code_runs_and_trains_the_net_of_model(settings):
    widget = TrainHere(**SHORT | settings)
    space = {}
    exec(widget.code, space)
    theirs, ours, history = space["model"], widget.model(), space["history"].history

    def strip(part):
        return {key: value for key, value in part.get_config().items() if key != "name"}

    assert [(type(a), strip(a)) for a in theirs.layers] == [(type(b), strip(b)) for b in ours.layers]
    assert theirs.count_params() == widget.params
    assert strip(theirs.optimizer) == strip(ours.optimizer) and theirs.loss.from_logits
    assert len(history["val_accuracy"]) == widget.checks and theirs.optimizer.iterations == widget.steps
    assert len(space["data"].train.x) == widget.pictures and len(space["data"].validation.x) == PLAN["held"]
    assert space["data"].class_names == CLASS_NAMES


# --- Python's own rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (dict(learning_rate=0), ValueError, "learning_rate=0 is out of range: use a number from 0.0001 to 1"),
        (dict(learning_rate=float("nan")), ValueError, "learning_rate=nan is out of range"),
        (dict(learning_rate="fast"), TypeError, "learning_rate='fast' is not a number"),
        (dict(batch_size=0), ValueError, "batch_size=0 is not an integer from 1 to 256"),
        (dict(batch_size=2.5), TypeError, "batch_size=2.5 is not an integer"),
        (dict(optimizer="adagrad"), ValueError, "optimizer='adagrad' is none of 'adam', 'sgd'"),
        (dict(batch_normalization=1), TypeError, "batch_normalization=1 is not a bool"),
        (dict(dropout=1), ValueError, "dropout=1 is out of range: use a number from 0 to 0.9"),
        (dict(pictures=9), ValueError, "pictures=9 is not an integer from 10 to 10000"),
        (dict(checks=61), ValueError, "checks=61 is not an integer from 1 to 60"),
        (dict(seed=-1), ValueError, "seed=-1"),
        (dict(epochs=3), ValueError, "TrainHere has no setting 'epochs'"),
    ],
)
def test_bad_settings_name_the_setting_the_value_and_what_is_valid(settings, error, words):
    with pytest.raises(error, match=re.escape(words)):
        TrainHere(**settings)


def test_it_is_an_ordinary_widget():
    import ipywidgets

    widget, seen = TrainHere(), []
    widget.observe(lambda change: seen.append(change["new"]), names="dropout")
    widget.dropout = 0.5
    assert seen == [0.5] and ipywidgets.HBox([widget]).children == (widget,)
    assert widget.params == TrainHere().params  # dropout learns nothing
    assert repr(TrainHere(seed=2)) == repr(TrainHere(seed=2)) and "optimizer='adam'" in repr(widget)
    assert data_of("train_here.js")["base"] == TrainHere().settings()


# --- the page ---------------------------------------------------------------------------------------------------

READ = """() => {
  const root = document.querySelector("[data-cnnlib-widget='train-here']"), plain = (node) => node.textContent.replaceAll("\\u00ad", "").replaceAll("\\u00a0", " ");
  const rows = (table) => [...table.rows].slice(1).map((row) => [...row.cells].map(plain));
  const [looks, confusion] = root.querySelectorAll(".cnnlib-train-scroll table");
  const ink = (canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].join();
  const shown = (node) => node && !node.closest("[hidden]");
  return { phase: root.dataset.phase, head: plain(root.querySelector(".cnnlib-train-head")), tiles: [...root.querySelectorAll("dd")].map(plain),
    problem: [...root.querySelectorAll(".cnnlib-problem")].filter(shown).map(plain).join(), looks: rows(looks), confusion: rows(confusion),
    net: [...root.querySelectorAll(".cnnlib-train-net li")].map((li) => [plain(li.querySelector("b")), plain(li.querySelector("span")), li.querySelector("small") ? plain(li.querySelector("small")) : ""]),
    total: plain(root.querySelector(".cnnlib-train-net + p")), code: root.querySelector("pre").textContent,
    filters: [...root.querySelectorAll(".cnnlib-train-filters canvas")].map(ink), moved: plain(root.querySelector(".cnnlib-train-filters + p")),
    classes: [...root.querySelectorAll(".cnnlib-train-pictures")[0].children].map((li) => [ink(li.querySelector("canvas")).length, ...[...li.querySelectorAll("span")].map(plain)]),
    mistakes: shown(root.querySelectorAll(".cnnlib-train-pictures")[1]) ? [...root.querySelectorAll(".cnnlib-train-pictures")[1].children].map((li) => [...li.querySelectorAll("span")].map(plain)) : null,
    mistakesTitle: plain(root.querySelectorAll("section[hidden] h3, section h3")[4] ?? root), buttons: [...root.querySelectorAll(".cnnlib-train-player button")].map(plain),
    ghost: plain(root.querySelector(".cnnlib-train-stage + p")), status: plain(root.querySelector("[role=status]")) };
}"""


def root(page):
    return page.locator("[data-cnnlib-widget='train-here']")


def read(page):
    return page.evaluate(READ)


def button(page, name):
    return root(page).get_by_role("button", name=name, exact=True)


def train(page, name="Train"):
    """Press the button and wait for the end of the run."""
    button(page, name).click()
    page.wait_for_selector("[data-phase=ended]", timeout=300_000)
    return read(page)


def wait_step(page, step):
    page.wait_for_function(
        f"() => parseInt(document.querySelector('.cnnlib-train-totals dd').textContent) >= {step}", timeout=300_000
    )


def step_of(page):
    return int(read(page)["tiles"][0].split("/")[0].replace(",", ""))


def agrees(widget, shown):
    """Whether net, sums and code on the page are Python's: also used on the thousands of states of test_numbers."""
    net = [
        (
            "Picture" if row["layer"] == "Input" else row["layer"],
            " × ".join(map(str, row["output_shape"])),
            row["params"],
        )
        for row in widget.rows
    ]
    fine = [tuple(row) for row in shown["net"]] == [
        (name, shape, f"{params:,} parameters" if params else "") for name, shape, params in net
    ]
    fine &= shown["tiles"][0] == f"0 / {widget.steps:,}" and shown["code"] == widget.code
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", shown["total"])]
    learnt = [widget.trainable_params, widget.params] if widget.batch_normalization else [widget.params]
    return fine and numbers == learnt


def test_before_a_run_it_shows_classes_net_and_start_filters_and_starts_no_worker(open_widget):
    page = open_widget(TrainHere())
    drawn = "[...document.querySelectorAll('.cnnlib-train-pictures')[0].querySelectorAll('canvas')].every((c) => c.getContext('2d').getImageData(0, 0, 1, 1).data[3])"
    page.wait_for_function(drawn)
    seen = read(page)
    assert [name for _, name, _ in seen["classes"]] == list(CLASS_NAMES)
    assert all(ink > 9000 for ink, *_ in seen["classes"]) and len(set(seen["filters"])) == 16
    assert agrees(TrainHere(), seen) and "still random" in seen["moved"] and "Press Train" in seen["head"]
    assert seen["mistakes"] is None and not seen["looks"] and seen["tiles"][1:3] == ["–", "–"]
    assert page.workers == [] and seen["status"] == ""


def test_it_trains_to_the_end_and_the_same_seed_gives_the_same_numbers_again(open_widget):
    page = open_widget(TrainHere(**SHORT))
    start = read(page)
    once = train(page)
    assert len(page.workers) == 1 and once["phase"] == "ended"
    assert "Finished: that was the limit of 40 batches" in once["head"] and once["tiles"][0] == "40 / 40"
    assert [row[0] for row in once["looks"]] == ["20", "40"] and len(once["looks"][0]) == 5
    assert all(a != b for a, b in zip(start["filters"], once["filters"], strict=True)) and "moved by" in once["moved"]
    again = train(page, "Train again")
    for key in ("looks", "confusion", "mistakes", "filters", "moved"):
        assert again[key] == once[key], key
    assert again["tiles"] == once["tiles"] and "(the same settings)" in again["ghost"]
    root(page).get_by_label("Seed", exact=True).press("ArrowRight")
    other = read(page)
    assert other["phase"] == "new" and other["tiles"][0] == "0 / 40" and "seed 0" in other["ghost"]
    assert other["filters"] != start["filters"]
    assert train(page)["looks"] != once["looks"]


def test_the_mistakes_are_counted_and_shown(open_widget):
    seen = train(open_widget(TrainHere(**SHORT)))
    counts = np.array([[0 if cell == "·" else int(cell) for cell in row[1:]] for row in seen["confusion"]])
    assert counts.sum() == PLAN["held"] and (counts.sum(axis=1) == PLAN["held"] / 10).all()
    right = np.trace(counts)
    assert float(seen["looks"][-1][2].split()[0]) == pytest.approx(100 * right / PLAN["held"], abs=0.051)
    assert [score for *_, score in seen["classes"]] == [f"{100 * n / 50:.0f} %" for n in np.diag(counts)]
    assert len(seen["mistakes"]) == min(24, PLAN["held"] - right)
    for name, taken in seen["mistakes"]:
        i, j = CLASS_NAMES.index(name), CLASS_NAMES.index(taken.removeprefix("taken for "))
        assert i != j and counts[i, j] > 0


def test_one_batch_is_one_batch(open_widget):
    page = open_widget(TrainHere(**SHORT))
    for i in (1, 2, 3):
        button(page, "One batch").focus()
        page.keyboard.press("Enter" if i % 2 else "Space")
        wait_step(page, i)
        page.wait_for_timeout(200)
        assert step_of(page) == i and read(page)["phase"] == "stepped"
    assert read(page)["buttons"][0] == "Go on"
    stepped = train(page, "Go on")
    assert stepped["looks"] == train(open_widget(TrainHere(**SHORT)))["looks"]
    button(page, "One batch").click(force=True)  # after the end there is none
    page.wait_for_timeout(200)
    assert read(page)["tiles"] == stepped["tiles"]


def test_pause_really_pauses_and_changes_no_number(open_widget):
    page = open_widget(TrainHere(**SLOW))
    button(page, "Train").click()
    wait_step(page, 8)
    button(page, "Pause").click()
    page.wait_for_selector("[data-phase=paused]")  # what was on its way has come
    paused = read(page)
    assert paused["phase"] == "paused" and 8 <= step_of(page) < 100 and "Paused at batch" in paused["head"]
    page.wait_for_timeout(1000)
    assert read(page)["tiles"] == paused["tiles"] and read(page)["filters"] == paused["filters"]
    whole = train(page, "Go on")
    assert whole["looks"] == train(open_widget(TrainHere(**SLOW)))["looks"]
    button(page, "Back to the start").click()
    seen = read(page)
    assert seen["phase"] == "new" and seen["tiles"][0] == "0 / 100" and not seen["looks"] and seen["mistakes"] is None
    assert (
        "still random" in seen["moved"] and page.wait_for_timeout(400) is None and read(page)["tiles"] == seen["tiles"]
    )


def test_other_settings_in_a_run_go_back_to_the_start_and_keep_the_curves_to_compare(open_widget):
    # Batches so large that the second run has not come to its first look, at step 20, when the box is cleared.
    page = open_widget(TrainHere(**SHORT | {"batch_size": 64}))
    first = train(page)
    button(page, "Train again").click()
    wait_step(page, 2)
    root(page).get_by_label("Batch normalisation").uncheck()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('back at the start')")
    page.wait_for_timeout(400)  # nothing of the old run comes late
    seen = read(page)
    assert seen["phase"] == "new" and seen["tiles"][0] == "0 / 40" and "BatchNormalization" not in str(seen["net"])
    assert "batch normalisation on" in seen["ghost"] and first["tiles"][2] in seen["ghost"]
    assert root(page).locator("path.ghost.held").first.get_attribute("d").count("L") == 1  # two looks


def test_the_first_control_is_a_slider_that_changes_what_is_written(open_widget):
    page = open_widget(TrainHere())
    first = root(page).locator("input, button, select").first
    assert first.get_attribute("type") == "range"
    before = root(page).inner_text()
    first.focus()
    page.keyboard.press("ArrowRight")
    assert root(page).inner_text() != before and "CosineDecay(0.01, decay_steps=320)" in read(page)["code"]
    for label, value in (
        ("Batch size", "64"),
        ("Training pictures", "10,000"),
        ("Dropout", "0.1"),
        ("At most, batches", "340"),
    ):
        control = root(page).get_by_label(label, exact=True)
        control.press("ArrowRight")
        assert control.get_attribute("aria-valuetext") == value
    root(page).get_by_label("SGD, momentum 0.9").check()
    root(page).get_by_label("Learning rate falls to 0").uncheck()
    widget = TrainHere(
        learning_rate=0.01, batch_size=64, pictures=10_000, dropout=0.1, checks=17, optimizer="sgd", decay=False
    )
    assert agrees(widget, read(page))


def test_every_control_is_reached_by_tab_with_an_outline(open_widget):
    page = open_widget(TrainHere())
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        name, outline = page.evaluate(
            "(() => { const e = document.activeElement; return [e.labels?.[0]?.textContent ?? e.textContent, getComputedStyle(e).outlineStyle]; })()"
        )
        reached.add(name)
        assert outline != "none", name
    assert {
        "Learning rate",
        "Dropout",
        "Train",
        "One batch",
        "Back to the start",
        "Plain start",
        "The same in Keras",
    } <= reached


def test_presets_set_everything_but_the_seed(open_widget):
    page = open_widget(TrainHere(seed=3, dropout=0.3))
    data = data_of("train_here.js")
    assert root(page).locator("[aria-pressed=true]").count() == 0
    for name, settings in data["presets"].items():
        box = root(page).locator(".cnnlib-train-try button").nth(list(data["presets"]).index(name))
        box.click()
        assert agrees(TrainHere(**data["base"] | settings | {"seed": 3}), read(page))
        assert box.get_attribute("aria-pressed") == "true" and root(page).locator("[aria-pressed=true]").count() == 1
        assert len(root(page).locator(".cnnlib-train-why").text_content()) > 40


def test_settings_come_from_the_address_and_go_there(open_widget):
    page = open_widget(
        TrainHere(), fragment="#train-here.learning_rate=0.05&train-here.optimizer=sgd&train-here.pictures=150"
    )
    assert agrees(TrainHere(learning_rate=0.05, optimizer="sgd", pictures=150), read(page))
    root(page).get_by_label("Batch normalisation").uncheck()
    page.wait_for_function("location.hash.includes('train-here.batch_normalization=false')")
    assert "train-here.pictures=150" in page.url
    page = open_widget(TrainHere(), fragment="#train-here.learning_rate=9&train-here.dropout=1&train-here.seed=x")
    assert agrees(TrainHere(), read(page))
    left_out = page.locator(".cnnlib-left-out").text_content()
    assert all(word in left_out for word in ("learning_rate=9", "dropout=1", "seed=x"))


def test_a_rate_that_breaks_the_net_is_told(open_widget):
    page = open_widget(
        TrainHere(**SHORT | {"checks": 20}, optimizer="sgd", learning_rate=1, batch_normalization=False, decay=False)
    )
    seen = train(page)
    assert "no number" in seen["head"] and "lower learning rate" in seen["problem"]
    root(page).get_by_label("Learning rate", exact=True).press("Home")
    assert read(page)["problem"] == "" and read(page)["phase"] == "new"


def test_a_hidden_page_pauses(open_widget):
    page = open_widget(TrainHere(**SHORT | {"checks": 20}))
    button(page, "Train").click()
    wait_step(page, 2)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_selector("[data-phase=paused]")
    seen = read(page)
    assert seen["phase"] == "paused" and "out of sight" in seen["problem"]
    page.wait_for_timeout(500)
    assert read(page)["tiles"] == seen["tiles"]


def test_without_workers_it_runs_on_the_main_thread_with_the_same_numbers(open_widget):
    once = train(open_widget(TrainHere(**SHORT)))
    page = open_widget(TrainHere(**SHORT))
    page.evaluate("window.Worker = undefined")
    assert train(page)["looks"] == once["looks"] and page.workers == []


def test_the_end_is_announced_and_the_start_is_not(open_widget):
    page = open_widget(TrainHere(**SHORT))
    train(page)
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('Finished')")
    assert "held-out pictures" in read(page)["status"]


COUNT_CHANGES = """() => { window.changes = [];
  new MutationObserver(() => { window.changes.push(performance.now()); }).observe(document.querySelector(".cnnlib-train-head"), { childList: true, characterData: true, subtree: true }); }"""


def test_reduced_motion_draws_less_often_and_nothing_moves_by_itself(open_widget):
    pauses = []
    for reduced in (False, True):
        page = open_widget(TrainHere(**SLOW), reduced_motion=reduced)
        assert page.evaluate("document.getAnimations().length") == 0
        page.evaluate(COUNT_CHANGES)
        train(page)
        changed = page.evaluate("changes")
        pauses.append((changed[-1] - changed[0]) / (len(changed) - 1))
    assert pauses[0] < 0.6 * pauses[1], pauses


def test_colour_is_not_the_only_signal(open_widget):
    page = open_widget(TrainHere(**SHORT))
    seen = train(page)
    for chart in root(page).locator("svg[role=img]").all():
        words = chart.locator("text.train, text.held").all_text_contents()
        assert words == ["training", "held-out"] and chart.locator(".dots").get_attribute("d").count("M") == 2
    labels = [chart.get_attribute("aria-label") for chart in root(page).locator("svg[role=img]").all()]
    assert seen["tiles"][2] in labels[0].replace("\u00a0", " ") and "40 batches" in labels[0] and "Loss" in labels[1]
    assert "moved by" in root(page).locator(".cnnlib-train-filters").get_attribute("aria-label")


@pytest.mark.parametrize("dark", [False, True])
def test_phone_has_no_sideways_scroll_and_axe_finds_nothing_serious(open_widget, dark):
    page = open_widget(TrainHere(**SLOW), width=390, dark=dark, touch=True)
    rules = ("empty-table-header", "landmark-unique")

    def fine():
        assert page.evaluate(WIDTH) <= 390
        assert not serious_violations(page, rules)

    fine()
    ground = page.evaluate("getComputedStyle(document.querySelector('.cnnlib')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == dark
    button(page, "Train").tap()
    wait_step(page, 3)
    button(page, "Pause").tap()
    page.wait_for_selector("[data-phase=paused]")
    fine()
    button(page, "Go on").tap()
    page.wait_for_selector("[data-phase=ended]", timeout=300_000)
    for summary in root(page).locator("summary").all():
        summary.tap()
    fine()
    root(page).locator(".cnnlib-train-try button").nth(1).tap()
    assert read(page)["phase"] == "new" and read(page)["tiles"][0] == "0 / 240"
    fine()


def test_paper_shows_the_net_and_the_code(open_widget):
    page = open_widget(TrainHere())
    table = page.locator(".cnnlib-fallback table")
    assert not table.is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and not root(page).is_visible()
    words = table.inner_text()
    assert "11,178" in words and "11,082" in words and "5,130" in words and "16 × 16 × 16" in words
    assert (
        "EarlyStopping(&quot;val_accuracy&quot;" in TrainHere().fallback() and "momentum=0.9" in TrainHere().fallback()
    )


OURS = "[...extra].filter((kind) => ['visibilitychange', 'pagehide'].includes(kind))"


def test_disposed_it_listens_and_works_no_more(open_page, tmp_path):
    from cnnlib.widgets.base import notebook_module

    module = notebook_module(TrainHere.script, TrainHere.needs)
    state = json.dumps(TrainHere().settings())
    (tmp_path / "page.html").write_text(
        f"""<!doctype html><html lang="en"><body><div id="el"></div><script type="module">
        const source = {json.dumps(module).replace("<", chr(92) + "u003c")};
        const module = await import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
        const state = {state}, listeners = new Map();
        const on = [EventTarget.prototype.addEventListener, EventTarget.prototype.removeEventListener];
        window.extra = new Set();
        EventTarget.prototype.addEventListener = function (kind, ...more) {{ if ([document, window].includes(this ?? window)) extra.add(kind); return on[0].call(this, kind, ...more); }};
        EventTarget.prototype.removeEventListener = function (kind, ...more) {{ if ([document, window].includes(this ?? window)) extra.delete(kind); return on[1].call(this, kind, ...more); }};
        const model = {{ get: (key) => state[key], save_changes() {{}},
          set(key, value) {{ state[key] = value; [...(listeners.get(`change:${{key}}`) ?? [])].forEach((action) => action()); }},
          on: (event, action) => listeners.set(event, (listeners.get(event) ?? new Set()).add(action)),
          off: (event, action) => listeners.get(event)?.delete(action) }};
        window.count = () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0);
        window.dispose = module.default.render({{ model, el: document.getElementById("el") }});
        </script></body></html>""",
        encoding="utf-8",
    )
    page = open_page(tmp_path / "page.html")
    page.wait_for_function("!!window.dispose")
    assert page.evaluate("count()") > 10 and page.evaluate(OURS) == ["visibilitychange", "pagehide"]
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(
        "parseInt(document.querySelector('.cnnlib-train-totals dd').textContent) > 0", timeout=60_000
    )
    assert len(page.workers) == 1
    assert page.evaluate("dispose(); count()") == 0 and page.evaluate(OURS) == []
    gone(page)
    shown = page.locator(".cnnlib-train-totals").text_content()
    page.wait_for_timeout(500)
    assert page.locator(".cnnlib-train-totals").text_content() == shown


def test_the_script_is_small():
    from cnnlib.widgets.page import minify

    if minify is None:
        pytest.skip("the minifier has no wheel for this machine")
    sizes = {
        name: len(minify.string("text/javascript", source(name)).encode()) for name in ("train_here.js", "train_job.js")
    }
    assert sum(sizes.values()) <= 18_000, sizes
    assert PAGE_MIME and MOST["batch_size"] == 256 and "cnnlib-train-here" in stylesheet()
