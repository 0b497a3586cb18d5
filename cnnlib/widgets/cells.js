// What the calculators with grids of cells share (cells.py is the twin of the first half): numbers as text, small
// pictures, a table of cells that marks and keyboards go over.
export const cells = (() => {
  const { h, count, same } = ui;
  const LIMIT = 9999; // the largest number that fits a cell
  const MOST = 64; // cells on a side of a picture behind them
  // Keys that make a number larger or smaller.
  const PAGES = { PageUp: 1, PageDown: -1 };
  const grid = ([rows, columns], cell) => count(rows, (i) => count(columns, (j) => cell(i, j)));
  const sum = (rows) => rows.flat().reduce((a, b) => a + b, 0);

  const short = (x) => Number(x.toFixed(2));
  const show = (x) => `${short(x)}`;
  const factor = (x) => (x < 0 ? `(${show(x)})` : show(x));
  const sides = (size) => size.join(" × ");
  const sign = (numbers) => (numbers.every((x) => abs(x - short(x)) < 1e-9) ? "=" : "≈");
  // "3", "-0.5", "1/9" -> a number; anything else ("0x10", "1e3"), or too large a number -> NaN
  const parse = (text) => {
    const [over, under = 1, ...more] = text.replace("−", "-").replace(",", ".").split("/").map((part) => (/^ *[+-]?[\d.]+ *$/.test(part) ? Number(part) : NaN));
    return more.length || abs(over / under) > LIMIT ? NaN : over / under;
  };

  // A channel of a preset: one word a row, one base-36 digit a cell.
  const digits = (text) => text.split(" ").map((row) => Array.from(row, (digit) => parseInt(digit, 36)));
  // A real picture is scaled: a cell is the mean, rounded, of the cells that it meets.
  const scaled = (from, i, j, rows, columns) => {
    const span = (k, n, old) => [floor((k * old) / n), ceil(((k + 1) * old) / n)];
    const cells = from.slice(...span(i, rows, from.length)).flatMap((row) => row.slice(...span(j, columns, row.length)));
    return floor(sum(cells) / cells.length + 0.5);
  };

  // The colours that the style gives to cells in `element` now, as pixels; undefined while it is on no page. palette(look)
  // is [what of the look is no colour, the colour]; one palette a theme, for all boards.
  const TINT = /(grey|plus|minus) v\d+/, palettes = {};
  const palette = (element) => {
    const style = getComputedStyle(element), theme = ["--page", "--accent", "--second"].map((name) => style.getPropertyValue(name)).join();
    if (!element.isConnected || palettes[theme]) return palettes[theme];
    const known = {}, brush = h("canvas").getContext("2d"), probe = h("td"), board = h("div", { class: "cnnlib-board" }, probe);
    element.append(board);
    const pixel = (look) => {
      probe.className = look;
      brush.fillStyle = getComputedStyle(probe).backgroundColor;
      brush.fillRect(0, 0, 1, 1);
      return new Uint32Array(brush.getImageData(0, 0, 1, 1).data.buffer)[0];
    };
    ["grey", "plus", "minus"].forEach((colour) => count(16, (i) => { known[`${colour} v${i}`] = ["", pixel(`${colour} v${i}`)]; }));
    board.remove();
    return palettes[theme] = (look) => known[look] ??= [look.replace(TINT, "").trim(), known[TINT.exec(look)?.[0]]?.[1] ?? 0];
  };

  // A table of cells with one tab stop, in an element of the class `kind` under a title. `own` are properties of the
  // board. Only what changes is written, and no colour a cell where a palette is given: a big picture has thousands of
  // cells. Its colours are one picture behind the cells then, a pixel each; marked cells have their own on top.
  const makeBoard = (kind, own) => {
    const title = h("div"), canvas = h("canvas", { width: MOST, height: MOST }), dots = h("div", { class: "cnnlib-dots", "aria-hidden": "true" }, canvas), body = h("tbody"), table = h("table", { role: "grid" }, body);
    const brush = canvas.getContext("2d", { willReadFrequently: true }); // of one size: to change it takes milliseconds
    // Of each cell: its whole look, what its class is without marks, what it wears and says now.
    let looks = [], kinds = [], worn = [], said = [], marks = new Map(), stop = 0, wide = 0, from = [0, 0];
    const element = h("div", { class: `cnnlib-board ${kind}` }, title, h("div", table));
    const board = table.board = { ...own, table, element, numbers: [] };
    const cellOf = (i) => table.rows[floor(i / wide)]?.cells[i % wide];
    const wear = (i, look, note = "") => {
      if (worn[i] !== look) cellOf(i).className = worn[i] = look;
      if ((marks.get(i)?.[1] ?? "") === note) return;
      if (note) cellOf(i).dataset.note = note;
      else cellOf(i).removeAttribute("data-note");
    };
    // What board.mark() has to follow. numbers: [row][column]; look(x, i, j) -> class, text(x) -> text; origin: where the cell lies that was the
    // first one before there was padding; cells that are there keep their place to it.
    board.draw = (heading, name, numbers, look, text, origin = [0, 0], shades) => {
      const columns = numbers[0]?.length ?? 0, texts = [], pixels = shades && new Uint32Array(numbers.length * columns);
      [looks, kinds] = [[], []];
      numbers.forEach((row, i) => row.forEach((x, j) => {
        const whole = look(x, i, j), [plain, pixel] = shades?.(whole) ?? [whole];
        if (pixels) pixels[looks.length] = pixel;
        looks.push(whole);
        kinds.push(plain);
        texts.push(text(x));
      }));
      board.numbers = numbers;
      title.textContent = heading;
      table.ariaLabel = name;
      table.style.setProperty("--letters", texts.reduce((most, { length }) => max(most, length), 3));
      if (wide !== columns || worn.length !== kinds.length || !same(from, origin)) {
        board.mark(new Map());
        const [down, right] = origin.map((place, i) => place - from[i]), { rows } = table, tall = rows.length;
        const blank = h("td", { class: kinds[0] }), fresh = () => blank.cloneNode(); // most new cells are padding, as the first one is then
        const above = max(0, min(down, numbers.length));
        for (let i = down; i < 0 && rows.length; i++) table.deleteRow(0);
        while (rows.length + above > numbers.length) table.deleteRow(-1);
        for (const row of rows) {
          for (let i = right; i < 0; i++) row.firstChild?.remove();
          for (let i = right; i > 0; i--) row.prepend(fresh());
          let { length } = row.cells;
          for (; length < columns; length++) row.append(fresh());
          for (; length > columns; length--) row.lastChild.remove();
        }
        const row = h("tr", count(columns, fresh)); // to copy it is the fastest way to many cells
        for (let i = 0; i < above; i++) body.prepend(row.cloneNode(true));
        while (rows.length < numbers.length) body.append(row.cloneNode(true));
        // What the cells that stay wear and say; the tab stop stays with its cell.
        const old = [worn, said], was = wide, held = stop;
        [worn, said, wide, from, stop] = [[], [], columns, origin, 0];
        for (let i = 0; i < kinds.length; i++) {
          const r = floor(i / wide) - down, c = i % wide - right, place = r >= 0 && r < tall && c >= 0 && c < was ? r * was + c : -1;
          worn.push(old[0][place] ?? kinds[0]);
          said.push(old[1][place] ?? "");
          if (place === held) stop = i;
        }
        board.stopAt(stop);
      }
      kinds.forEach((kind, i) => {
        if (!marks.has(i)) wear(i, kind); // what is marked is marked anew next
        if (said[i] !== texts[i]) cellOf(i).textContent = said[i] = texts[i];
      });
      if (!pixels?.length) return dots.remove();
      dots.style.cssText = `--columns:${columns};--rows:${numbers.length}`;
      brush.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), columns), 0, 0);
      if (!dots.parentNode) table.before(dots);
    };
    // next: Map of cell number -> [class, small number in its corner]. One frame stands around "in" cells side by side.
    board.mark = (next) => {
      const edge = (side, i, onBoard) => (onBoard && next.get(i)?.[0] === "in" ? "" : side);
      const frame = (i) => edge(" t", i - wide, true) + edge(" b", i + wide, true) + edge(" l", i - 1, i % wide) + edge(" r", i + 1, (i + 1) % wide);
      marks.forEach((_, i) => { if (!next.has(i)) wear(i, kinds[i] ?? ""); }); // "": one that goes
      next.forEach(([kind, note], i) => wear(i, kind ? `${looks[i]} ${kind}${kind === "in" ? frame(i) : ""}` : looks[i], note));
      marks = next;
    };
    board.stopAt = (i) => {
      if (i !== stop) cellOf(stop)?.removeAttribute("tabindex"); // a cell without one loses the focus
      const cell = cellOf(stop = i);
      if (cell) cell.tabIndex = 0;
    };
    board.at = (i, j) => i * wide + j;
    board.cellAt = ({ i, j }) => cellOf(board.at(i, j));
    board.focus = (i, j) => { board.stopAt(board.at(i, j)); cellOf(stop).focus(); };
    return board;
  };
  // Numbers where they can be read, colours where not and on real pictures.
  const painter = (side, numbers, picture) => {
    const all = numbers.flat(2).filter((x) => x !== undefined), signed = all.some((x) => x < 0);
    const most = all.reduce((most, x) => max(most, abs(x)), 0) || 1;
    const font = (letters) => side * min(0.4, 1.4 / max(3, letters)) > 7.5;
    const legible = font(3) && font(all.reduce((letters, x) => max(letters, show(x).length), 0)), coloured = picture || !legible;
    // A look is one of a few words, made once: to compare it with what a cell wears costs next to nothing then.
    const shades = (colour) => count(16, (i) => `${colour} v${i}${legible ? " read" : ""}`);
    const below = shades("minus"), above = shades(signed ? "plus" : "grey"), steps = signed ? 8 : 15;
    const level = (x) => (x === undefined ? "pad" : coloured ? (x < 0 ? below : above)[round((abs(x) * steps) / most)] : "");
    return { coloured, legible, signed, most, level, text: (x) => (legible ? show(x ?? 0) : "") };
  };

  return { LIMIT, grid, sum, show, factor, sides, sign, parse, digits, scaled, palette, makeBoard, painter, PAGES };
})();
