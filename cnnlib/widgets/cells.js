// What the calculators with grids of cells share (cells.py is the twin of the first half): numbers as text, small
// pictures, a table of cells that marks and keyboards go over.
export const cells = (() => {
  const { h, count } = ui, { abs, ceil, floor, max, min, round } = Math;
  const LIMIT = 9999; // the largest number that fits a cell
  // Keys that go from cell to cell, [down, right], and that make a number larger or smaller.
  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, PAGES = { PageUp: 1, PageDown: -1 };
  const grid = ([rows, columns], cell) => count(rows, (i) => count(columns, (j) => cell(i, j)));
  const sum = (rows) => rows.flat().reduce((a, b) => a + b, 0);

  const short = (x) => Number(x.toFixed(2));
  const show = (x) => `${short(x)}`;
  const factor = (x) => (x < 0 ? `(${show(x)})` : show(x));
  const sides = (size) => size.join(" × ");
  const sign = (numbers) => (numbers.every((x) => abs(x - short(x)) < 1e-9) ? "=" : "≈");
  // "3", "-0.5", "1/9" -> a number; anything else ("0x10", "1e3"), or too large a number -> NaN
  function parse(text) {
    const [over, under = 1, ...more] = text.replace("−", "-").replace(",", ".").split("/").map((part) => (/^ *[+-]?[\d.]+ *$/.test(part) ? Number(part) : NaN));
    return more.length || abs(over / under) > LIMIT ? NaN : over / under;
  }

  // A channel of a preset: one word a row, one base-36 digit a cell.
  const digits = (text) => text.split(" ").map((row) => Array.from(row, (digit) => parseInt(digit, 36)));
  // A real picture is scaled: a cell is the mean, rounded, of the cells that it meets.
  function scaled(from, i, j, rows, columns) {
    const span = (k, n, old) => [floor((k * old) / n), ceil(((k + 1) * old) / n)];
    const cells = from.slice(...span(i, rows, from.length)).flatMap((row) => row.slice(...span(j, columns, row.length)));
    return floor(sum(cells) / cells.length + 0.5);
  }

  // A table of cells with one tab stop, in an element of the class `kind` under a title. `own` are properties of the
  // board. Only what changes is written: a big picture has thousands of cells.
  function makeBoard(kind, own) {
    const title = h("div"), table = h("table", { role: "grid" });
    let cells = [], kinds = [], marks = new Map(), stop = 0, wide = 0, from = [0, 0];
    const element = h("div", { class: `cnnlib-board ${kind}` }, title, h("div", {}, table));
    const board = table.board = { ...own, table, element, numbers: [] };
    const wear = (cell, look, note = "") => {
      if (cell.look !== look) cell.className = cell.look = look;
      if ((cell.note ?? "") === note) return;
      cell.note = note;
      if (note) cell.dataset.note = note;
      else cell.removeAttribute("data-note");
    };
    // numbers: [row][column]; look(x, i, j) -> class, text(x) -> text; origin: where the cell lies that was the
    // first one before there was padding; cells that are there keep their place to it.
    board.draw = (heading, name, numbers, look, text, origin = [0, 0]) => {
      const columns = numbers[0]?.length ?? 0, texts = [];
      kinds = [];
      numbers.forEach((row, i) => row.forEach((x, j) => { kinds.push(look(x, i, j)); texts.push(text(x)); }));
      const [down, right] = origin.map((place, i) => place - from[i]);
      board.numbers = numbers;
      title.textContent = heading;
      table.ariaLabel = name;
      table.style.setProperty("--letters", texts.reduce((most, { length }) => max(most, length), 3));
      marks = new Map();
      if (wide !== columns || cells.length !== kinds.length || down || right) {
        for (let i = down; i > 0; i--) table.insertRow(0);
        for (let i = down; i < 0 && table.rows.length; i++) table.deleteRow(0);
        while (table.rows.length < numbers.length) table.insertRow(-1);
        while (table.rows.length > numbers.length) table.deleteRow(-1);
        // Many cells at once: the parser is the fastest to make them.
        const add = (row, place, number) => { if (number > 0) row.insertAdjacentHTML(place, "<td></td>".repeat(number)); };
        for (const row of table.rows) {
          if (row.cells.length) add(row, "afterbegin", right);
          for (let i = right; i < 0 && row.cells.length; i++) row.deleteCell(0);
          add(row, "beforeend", columns - row.cells.length);
          while (row.cells.length > columns) row.deleteCell(-1);
        }
        const held = cells[stop];
        cells = [...table.getElementsByTagName("td")];
        [wide, from] = [columns, origin];
        stop = max(0, cells.indexOf(held));
        board.stopAt(stop);
      }
      cells.forEach((cell, i) => {
        wear(cell, kinds[i]);
        if ((cell.said ?? "") !== texts[i]) cell.textContent = cell.said = texts[i];
      });
    };
    // next: Map of cell number -> [class, small number in its corner]. One frame stands around "in" cells side by side.
    board.mark = (next) => {
      const edge = (side, i, onBoard) => (onBoard && next.get(i)?.[0] === "in" ? "" : side);
      const frame = (i) => edge(" t", i - wide, true) + edge(" b", i + wide, true) + edge(" l", i - 1, i % wide) + edge(" r", i + 1, (i + 1) % wide);
      marks.forEach((_, i) => { if (!next.has(i)) wear(cells[i], kinds[i]); });
      next.forEach(([kind, note], i) => wear(cells[i], kind ? `${kinds[i]} ${kind}${kind === "in" ? frame(i) : ""}` : kinds[i], note));
      marks = next;
    };
    board.stopAt = (i) => {
      if (i !== stop) cells[stop]?.removeAttribute("tabindex"); // a cell without one loses the focus
      if (cells[stop = i]) cells[i].tabIndex = 0;
    };
    board.at = (i, j) => i * wide + j;
    board.cellAt = ({ i, j }) => cells[board.at(i, j)];
    board.focus = (i, j) => { board.stopAt(board.at(i, j)); cells[stop].focus(); };
    return board;
  }
  // Numbers where they can be read, colours where not and on real pictures.
  function painter(side, numbers, picture) {
    const all = numbers.flat(2).filter((x) => x !== undefined), signed = all.some((x) => x < 0);
    const most = all.reduce((most, x) => max(most, abs(x)), 0) || 1;
    const font = (letters) => side * min(0.4, 1.4 / max(3, letters)) > 7.5;
    const legible = font(3) && font(all.reduce((letters, x) => max(letters, show(x).length), 0)), coloured = picture || !legible;
    // A look is one of a few words, made once: to compare it with what a cell wears costs next to nothing then.
    const shades = (colour) => count(16, (i) => `${colour} v${i}${legible ? " read" : ""}`);
    const below = shades("minus"), above = shades(signed ? "plus" : "grey"), steps = signed ? 8 : 15;
    const level = (x) => (x === undefined ? "pad" : coloured ? (x < 0 ? below : above)[round((abs(x) * steps) / most)] : "");
    return { coloured, signed, most, level, text: (x) => (legible ? show(x ?? 0) : "") };
  }

  return { LIMIT, grid, sum, short, show, factor, sides, sign, parse, digits, scaled, makeBoard, painter, ARROWS, PAGES };
})();
