// Feature maps as pictures: colours for numbers, maps side by side, a little table of numbers, a map whose cells are pointed
// at or walked with the arrow keys. The colours are those of a light page, -1 orange, 0 white, 1 blue; where the page is dark
// its style turns them over, and white becomes black.
export const feature = (() => {
  const { ARROWS, h, s: svg, put, big, count } = ui;

  const PALETTE = Uint32Array.from({ length: 511 }, (_, i) => {
    const t = abs(i - 255) / 255, end = i < 255 ? [149, 56, 0] : [5, 80, 174];
    const [r, g, b] = end.map((one) => round(252 + (one - 252) * t));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
  const farthest = (values) => values.reduce((most, value) => max(most, abs(value)), 0);
  // Draws `many` maps of rows x columns, value(map, i) each, side by side in `across` columns with a pixel between them.
  function drawMaps(canvas, many, across, rows, columns, gap, most, value) {
    const wide = across * (columns + gap) - gap, tall = ceil(many / across) * (rows + gap) - gap;
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    const image = new ImageData(wide, tall), dots = new Uint32Array(image.data.buffer);
    for (let map = 0; map < many; map++) {
      const start = floor(map / across) * (rows + gap) * wide + (map % across) * (columns + gap);
      for (let i = 0, y = 0; y < rows; y++) for (let x = 0; x < columns; x++, i++)
        dots[start + y * wide + x] = PALETTE[255 + round(max(-1, min(1, value(map, i) / most || 0)) * 255)];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
  const box = (y, x, tall, wide, kind) => svg("rect", { class: kind, x, y, width: wide, height: tall });
  const over = (rows, columns, ...marks) => svg("svg", { viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...marks);
  // A little table of numbers, coloured by their share of the largest.
  function numbersTable(label, numbers, columns, { pads, best } = {}) {
    const most = farthest(numbers) || 1;
    return h("table", { "aria-label": label }, h("tbody", count(ceil(numbers.length / columns), (row) => h("tr", count(columns, (column) => {
      const i = row * columns + column, value = numbers[i];
      if (value === undefined) return h("td");
      const kind = pads?.[i] ? "pad" : `read ${value < 0 ? "minus" : "plus"} v${round(8 * abs(value) / most)}`;
      return h("td", { class: `${kind}${best === i ? " hot" : ""}` }, big(round(100 * value) / 100 + 0, abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0));
    })))));
  }
  // A canvas whose cells are pointed at, or walked with the arrow keys.
  function board(name, pick, leave) {
    const canvas = h("canvas"), marks = h("div"), sides = () => [canvas.height, canvas.width];
    let at = [0, 0];
    const go = (to) => pick(to.map((one, axis) => max(0, min(sides()[axis] - 1, one))));
    const node = h("div", { class: "cnnlib-look-board", tabindex: 0, role: "application", "aria-label": name,
      click(event) {
        const { left, top, width, height } = canvas.getBoundingClientRect();
        go([floor((event.clientY - top) / height * canvas.height), floor((event.clientX - left) / width * canvas.width)]);
      },
      keydown(event) {
        if (event.key === "Escape") leave?.();
        const step = ARROWS[event.key];
        if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        go(at.map((one, axis) => one + step[axis]));
      } }, canvas, marks);
    const show = (label, cells) => {
      at = cells;
      node.ariaLabel = label;
      put(marks, over(...sides(), box(...cells, 1, 1, "on")));
    };
    return Object.assign(node, { canvas, show });
  }

  return { farthest, drawMaps, box, over, numbersTable, board };
})();
