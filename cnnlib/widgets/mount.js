// The page host: gives every widget of a built page the model that a notebook would give it, and keeps the page's
// address in step with the settings. The script that this file is put into has the page's `presets` and `schemas` (name ->
// setting -> JSON Schema) and, for each of its calculators, `modules` (name -> its module, made from its presets).
// Its script is `async`, so it may come while the page is still on its way: see the end.
const places = {}; // id -> {host, el, name, model, start, state, schema}: see address.js; the id is the name, or "name-2" for a page's second
const W = STRINGS.address;
const widgets = {}; // name -> module, made when the page's first one needs it
const waiting = []; // places that are still to be made alive
let saving, mounting, known = location.hash; // the address as it was last read or written

const pageModel = (state) => {
  const bus = new EventTarget();
  return {
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = value;
      bus.dispatchEvent(new Event(`change:${key}`));
      clearTimeout(saving);
      saving = setTimeout(save, 300);
    },
    save_changes() {},
    send: (message) => pageFile(bus, message), // where a widget of the page needs page_file.js
    on: (event, action) => bus.addEventListener(event, action),
    off: (event, action) => bus.removeEventListener(event, action),
  };
};
const setAll = (model, values) => entries(structuredClone(values)).forEach(([key, value]) => model.set(key, value));
const save = () => {
  // A link was followed while this waited: what it says comes next, and must not be written over.
  if (location.hash !== known) return;
  const hash = writeAddress(places);
  // An address that names a section stays until there is something to say. Replaced, not added: "back" leaves the page.
  if (hash || readAddress(location.hash, places)) history.replaceState(history.state, "", hash || location.href.split("#")[0]);
  known = location.hash;
};
// Sets what the address says, and everything else to the page's own; what it says wrongly is told, not guessed at.
const follow = ({ newURL = location.href } = {}) => {
  known = new URL(newURL).hash;
  const address = readAddress(known, places);
  if (!address) return;
  for (const [id, { start, model }] of entries(places)) {
    setAll(model, { ...start, ...address.settings[id] });
  }
  const { host } = places[Object.keys(address.settings)[0]];
  document.querySelectorAll(".cnnlib-left-out").forEach((old) => old.remove());
  if (address.problems[0]) host.prepend(ui.h("div", { class: "cnnlib cnnlib-left-out", role: "alert" },
    ui.h("p", { class: "cnnlib-problem" }, `${W.leftOut} ${address.problems.join("; ")}`)));
  host.scrollIntoView();
};

const mount = ({ host, el, name, start, model }) => {
  (widgets[name] ??= modules[name](presets[name])).render({ model, el });
  el.append(ui.h("div", { class: "cnnlib-tools" },
    ui.copyButton(W.link, () => { save(); return location.href; }, (text) => { el.querySelector("[role=status]").textContent = text; }),
    ui.button(W.reset, () => { setAll(model, start); el.dispatchEvent(new Event("reset")); })));
  host.classList.add("cnnlib-alive");
};
// A few at a time, so that the first can be used while a page's others are still to come.
const mountSome = () => {
  for (const end = performance.now() + 16; waiting[0] && performance.now() < end;) {
    const place = waiting.shift();
    try { mount(place); } catch (error) { console.error(error); } // the others live all the same
  }
  mounting = waiting[0] && setTimeout(mountSome);
};
// Takes in the hosts that are there, from the one behind the last that it took in; while the page is `parsed`, those that are whole.
const find = (parsed) => {
  const whole = (node) => node && (node.nextSibling || whole(node.parentNode));
  for (const host of [...document.querySelectorAll(".cnnlib-host")].slice(Object.keys(places).length)) {
    if (parsed && !whole(host)) return;
    const el = host.firstChild, name = el.dataset.cnnlibWidget, start = JSON.parse(host.lastChild.textContent), state = structuredClone(start);
    let id = name;
    for (let i = 2; places[id]; i++) id = `${name}-${i}`;
    waiting.push(places[id] = { host, el, name, start, state, schema: schemas[name], model: pageModel(state) });
  }
};
const start = () => {
  parsing.disconnect();
  find();
  saving || follow(); // a reader may have set something by now, which the address need not say yet
  mountSome();
  addEventListener("hashchange", follow);
};
// Every host is there from "interactive" on. Then come the scripts that were told to wait, `defer`, the theme's icons and
// MathJax, 3.5 MB in all: the calculators go before them. Where no address is to be followed they come with the page's text.
const parsing = new MutationObserver(() => {
  find(true);
  mounting ??= setTimeout(mountSome);
});
if (document.readyState === "loading") {
  if (!known) parsing.observe(document, { subtree: true, childList: true });
  document.addEventListener("readystatechange", start, { once: true });
} else start();
