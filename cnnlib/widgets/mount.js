// The page host: gives every widget of a built page the model that a notebook would give it.
// `widgets` (name -> module) stands in the script that this file is put into; the script runs when the hosts are there.
function pageModel(state) {
  const bus = new EventTarget();
  return {
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = value;
      bus.dispatchEvent(new Event(`change:${key}`));
    },
    save_changes() {},
    on: (event, action) => bus.addEventListener(event, action),
    off: (event, action) => bus.removeEventListener(event, action),
  };
}

for (const host of document.querySelectorAll(".cnnlib-host:not(.cnnlib-alive)")) {
  const el = host.querySelector("[data-cnnlib-widget]");
  const state = JSON.parse(host.querySelector("script").textContent);
  widgets[el.dataset.cnnlibWidget].render({ model: pageModel(state), el });
  host.classList.add("cnnlib-alive");
}
