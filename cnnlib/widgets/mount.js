// The page host: gives every widget of a built page the model that a notebook would give it.
// `widgets` (name -> module) stands in the script that this file is put into.
function pageModel(state) {
  const listeners = new Map();
  const emit = (event) => [...(listeners.get(event) ?? [])].forEach((action) => action());
  return {
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = value;
      emit(`change:${key}`);
      emit("change");
    },
    save_changes() {},
    on(event, action) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(action);
    },
    off(event, action) { listeners.get(event)?.delete(action); },
  };
}

function mountAll() {
  for (const host of document.querySelectorAll(".cnnlib-host:not(.cnnlib-alive)")) {
    const el = host.querySelector("[data-cnnlib-widget]");
    const state = JSON.parse(host.querySelector("script[type='application/json']").textContent);
    widgets[el.dataset.cnnlibWidget].render({ model: pageModel(state), el });
    host.classList.add("cnnlib-alive");
  }
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
else mountAll();
