// A picture of the reader's own, for calculators that run on one: a photo chosen or dropped, one from the camera, or a
// drawing, made into the few pixels that a net takes. Nothing of it leaves the page.
//
//   const pad = picturePad({ words, view, el, changed(kind) {} });   // kind: "photo", "drawing" or "sample"
//   pad.size([32, 32, 3]);        // once
//   pad.show(pixels);             // a sample, 0 to 255
//   pad.pixels                    // a Float32Array of whole numbers 0 to 255, (rows, columns, channels)
//   pad.acts, pad.node, pad.problem: its buttons, its canvas with the pen's tools, its one message; pad.closeCamera(), pad.dispose()
//
// `words` are those of strings.json's look-inside; files may be dropped anywhere on `el`. Needs worker.js.

export function drawPixels(canvas, pixels, [rows, columns, channels]) {
  paintPixels(canvas, rows, columns, (i, c) => pixels[i * channels + (channels === 3 ? c : 0)]);
}

export function picturePad({ words: W, view, el, changed }) {
  const { ARROWS, h, fill, put, big } = ui, MOST = { bytes: 30e6, pixels: 60e6 };
  const newCanvas = (width, height) => h("canvas", { width, height });
  let shape, grain, sample, cursor, penDown, drawing = false, from, stream, gone = false, asked = 0; // asked: what came after it makes a photo on its way stale; grain: the canvas's pixels to one of the net's

  // What is wrong with a file, in words; "" for one that may be a picture.
  async function whatIsWrong(file) {
    if (file.size > MOST.bytes) return fill(W.bad.bytes, { size: big(file.size / 1e6, 0), most: MOST.bytes / 1e6 });
    const bytes = new Uint8Array(await file.slice(0, 1 << 20).arrayBuffer()), text = new TextDecoder("latin1").decode(bytes), data = new DataView(bytes.buffer);
    const starts = (mark, at = 0) => text.startsWith(mark, at);
    let sides = [0, 0], moves = false;
    if (starts("\u2030PNG") && bytes.length > 23) [sides, moves] = [[data.getUint32(16), data.getUint32(20)], text.split("IDAT")[0].includes("acTL")];
    else if (starts("GIF8") && bytes.length > 9) [sides, moves] = [[data.getUint16(6, true), data.getUint16(8, true)], text.split("!\u00f9\u0004").length > 2];
    else if (starts("\u00ff\u00d8")) {
      // from segment to segment, up to the one that tells the size
      for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; at += 2 + data.getUint16(at + 2))
        if (bytes[at + 1] >> 2 === 0xc0 >> 2) sides = [data.getUint16(at + 5), data.getUint16(at + 7)];
    } else if (starts("WEBP", 8) && bytes.length > 30) {
      const bits = data.getUint32(21, true); // two numbers of 14
      if (starts("VP8X", 12)) [sides, moves] = [[24, 27].map((at) => (data.getUint32(at, true) & 0xffffff) + 1), (bytes[20] & 2) > 0];
      else sides = starts("VP8L", 12) ? [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1] : [26, 28].map((at) => data.getUint16(at, true) & 0x3fff);
    } else if (starts("ftyp", 4)) {
      moves = starts("avis", 8);
      for (const { index } of text.matchAll(/ispe.{12}/gs)) { // of each image and part of one
        sides = [8, 12].map((at, i) => max(sides[i], data.getUint32(index + at)));
      }
    } else if (starts("BM") && bytes.length > 25) sides = [18, 22].map((at) => abs(data.getInt32(at, true)));
    else if (/<svg/i.test(text.slice(0, 2000))) return W.bad.svg;
    else if (!starts("BM") && !starts("\u2030PNG") && !starts("WEBP", 8)) return W.bad.type;
    if (moves) return W.bad.moves;
    return sides[0] * sides[1] > MOST.pixels ? fill(W.bad.pixels, { sides: sides.join("×"), most: MOST.pixels / 1e6 }) : "";
  }
  // Decodes and shrinks in a worker, for a camera's millions of pixels take long. The middle of the image, of the canvas's
  // proportions, goes down by halves, each pixel the mean of four, and then the rest of the way. No dots: it cannot be decoded.
  const shrink = (makers, post) => async ({ image, width, height, id }) => {
    const bitmap = await createImageBitmap(image).catch(() => null); // as its EXIF says it stands
    if (!bitmap) return post({ id });
    const newCanvas = (w, tall) => (typeof OffscreenCanvas === "function" ? new OffscreenCanvas(w, tall) : Object.assign(document.createElement("canvas"), { width: w, height: tall }));
    const scale = Math.min(bitmap.width / width, bitmap.height / height), last = newCanvas(width, height), pen = last.getContext("2d", { willReadFrequently: true });
    let w = width * scale, tall = height * scale, source = [bitmap, (bitmap.width - w) / 2, (bitmap.height - tall) / 2];
    while (w >= 2 * width) {
      const half = newCanvas(Math.max(width, Math.round(w / 2)), Math.max(height, Math.round(tall / 2)));
      half.getContext("2d").drawImage(...source, w, tall, 0, 0, half.width, half.height);
      [w, tall, source] = [half.width, half.height, [half, 0, 0]];
    }
    pen.fillStyle = "#fff"; // behind what is transparent
    pen.fillRect(0, 0, width, height);
    pen.drawImage(...source, w, tall, 0, 0, width, height);
    bitmap.close();
    post({ id, dots: pen.getImageData(0, 0, width, height) });
  };
  let worker;
  function takePhoto(image) {
    worker ??= startWorker(shrink, [], { receive({ id, dots }) {
      if (gone || id !== asked) return;
      if (!dots) return tell(W.bad.broken);
      pen.putImageData(dots, 0, 0);
      read("photo");
      view.say(W.own.photo, true);
    }, fail: () => tell(W.bad.broken) });
    worker.post({ image, width: pad.width, height: pad.height, id: ++asked });
  }
  // The mean of each block of grain x grain; of three channels, or of their grey (luma, ITU-R BT.601).
  function read(kind) {
    const [rows, columns, channels] = shape, { data } = pen.getImageData(0, 0, pad.width, pad.height), sums = new Float64Array(rows * columns * 3);
    for (let y = 0, i = 0; y < pad.height; y++) for (let x = 0; x < pad.width; x++, i += 4) {
      const to = (floor(y / grain) * columns + floor(x / grain)) * 3;
      for (let c = 0; c < 3; c++) sums[to + c] += data[i + c] / grain ** 2;
    }
    self.pixels = Float32Array.from({ length: rows * columns * channels }, (_, i) =>
      round(channels === 3 ? sums[i] : 0.299 * sums[3 * i] + 0.587 * sums[3 * i + 1] + 0.114 * sums[3 * i + 2]));
    asked++;
    back.hidden = false;
    tell("");
    changed(kind);
  }
  function tell(text) {
    problem.hidden = !text;
    put(problem, text);
  }
  async function open(file) {
    if (!file || !shape) return;
    const mine = ++asked, wrong = await whatIsWrong(file).catch(() => W.bad.broken); // a folder cannot be read
    if (gone || mine !== asked) return;
    if (wrong) tell(wrong);
    else takePhoto(file);
  }
  const problem = h("p", { class: "cnnlib-problem", role: "alert", hidden: true });
  const picker = h("input", { type: "file", accept: "image/*", class: "cnnlib-sr", tabindex: -1, "aria-label": W.file, change() { open(picker.files[0]); picker.value = ""; } });
  const keep = (event) => event.preventDefault();
  const drop = (event) => { keep(event); open(event.dataTransfer.files[0] ?? new Blob()); };
  el.addEventListener("dragover", keep);
  el.addEventListener("drop", drop);

  // --- the camera ---

  const video = h("video", { playsinline: "", muted: "", "aria-label": W.camera });
  const camera = h("div", { hidden: true }, video, h("div",
    ui.button(W.take, async () => {
      const image = await createImageBitmap(video).catch(() => null); // before the first frame there is none
      if (image) takePhoto(image);
      else tell(W.bad.broken);
      closeCamera();
    }), ui.button(W.cancel, closeCamera)));
  async function openCamera() {
    tell("");
    try {
      const got = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      closeCamera(); // one that an earlier press has opened
      stream = got;
      if (gone || !(box.checkVisibility?.() ?? box.getClientRects()[0])) return closeCamera(); // whoever cannot see it must not be seen by it
      video.srcObject = stream;
      camera.hidden = false;
      camera.querySelector("button").focus();
      await video.play();
    } catch (error) {
      if (error.name === "AbortError") return; // stopped before it began
      closeCamera();
      tell(error.name === "NotAllowedError" ? W.bad.denied : W.bad.noCamera);
    }
  }
  function closeCamera() {
    stream?.getTracks().forEach((track) => track.stop());
    video.srcObject = stream = null;
    if (camera.contains(document.activeElement)) drawButton.focus();
    camera.hidden = true;
  }

  // --- the pen ---

  const pad = newCanvas(256, 256), pen = pad.getContext("2d", { willReadFrequently: true }), ring = h("span", { hidden: true });
  const ink = h("input", { type: "color", value: "#c0271f", "aria-label": W.ink });
  const thick = h("select", { "aria-label": W.thick }, [1, 2, 3, 5, 8].map((width) => h("option", { value: width, selected: width === 3 && "" }, fill(W.pixels, { width }))));
  const tools = h("div", { class: "cnnlib-look-acts", hidden: true }, ink, thick,
    ui.button(W.fillAll, () => {
      pen.fillStyle = ink.value;
      pen.fillRect(0, 0, pad.width, pad.height);
      read("drawing");
    }), h("p", { class: "cnnlib-muted" }, W.howToDraw));
  const back = ui.button(W.back, () => { self.show(sample); drawButton.focus(); }, { hidden: true });
  const drawButton = ui.button(W.draw, () => draw(!drawing), { "aria-pressed": "false" });
  function draw(on) {
    [drawing, penDown] = [on, false];
    tools.hidden = !on;
    ring.hidden = true;
    drawButton.ariaPressed = `${on}`;
    box.classList.toggle("on", on);
    if (on) box.focus();
  }
  function stroke(to) {
    Object.assign(pen, { strokeStyle: ink.value, lineWidth: thick.value * grain, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(...(from ?? to));
    pen.lineTo(...to);
    pen.stroke();
    from = to;
    read("drawing");
  }
  const follow = (event) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    stroke([(event.clientX - left) / width * pad.width, (event.clientY - top) / height * pad.height]);
  };
  const box = h("div", { class: "cnnlib-look-pad", tabindex: 0, role: "application", "aria-label": W.pad,
    pointerdown(event) {
      if (!drawing || event.button) return;
      box.setPointerCapture(event.pointerId);
      [from, penDown] = [undefined, false];
      follow(event);
    },
    pointermove(event) {
      if (box.hasPointerCapture(event.pointerId) && drawing) follow(event);
    },
    keydown(event) {
      const step = ARROWS[event.key];
      if (!shape || (!step && event.key !== " ")) return;
      keep(event);
      if (!drawing) draw(true);
      if (step) cursor = cursor.map((at, axis) => max(0, min(shape[axis] - 1, at + step[axis])));
      else [penDown, from] = [!penDown, undefined];
      const [row, column] = cursor;
      if (penDown) stroke([(column + 0.5) * grain, (row + 0.5) * grain]);
      ring.hidden = false;
      ring.classList.toggle("down", penDown);
      Object.assign(ring.style, { left: `${(column + 0.5) / shape[1] * 100}%`, top: `${(row + 0.5) / shape[0] * 100}%` });
      view.say(`${fill(W.cell, { row, column })}, ${penDown ? W.penDown : W.penUp}`, true);
    } }, pad, ring);

  const self = {
    problem, node: h("div", box, tools, camera, back),
    acts: h("div", { class: "cnnlib-look-acts" }, ui.button(W.file, () => picker.click()), picker, ui.button(W.camera, openCamera), drawButton, h("span", { class: "cnnlib-muted" }, W.drop)),
    size(to) {
      shape = to;
      grain = max(1, floor(256 / max(shape[0], shape[1])));
      cursor = [shape[0] >> 1, shape[1] >> 1];
      Object.assign(pad, { width: shape[1] * grain, height: shape[0] * grain });
    },
    show(pixels) {
      const dots = newCanvas(1, 1);
      drawPixels(dots, pixels, shape);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(dots, 0, 0, pad.width, pad.height);
      pen.imageSmoothingEnabled = true;
      self.pixels = sample = pixels;
      asked++;
      tell("");
      back.hidden = true;
      changed("sample");
    },
    closeCamera,
    dispose() {
      gone = true;
      worker?.terminate();
      closeCamera();
      el.removeEventListener("dragover", keep);
      el.removeEventListener("drop", drop);
    },
  };
  return self;
}
