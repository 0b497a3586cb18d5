// Work that takes longer than a frame, beside the page: a Web Worker made from the texts of functions, so that it starts
// from file:// too. Where a page may not have one (its security policy, an old web view), the same functions run on the
// main thread, in slices.
//
//   const job = ([engine, shapes], post) => function* (message) { ...; post({ ... }); yield; ... };
//   const worker = startWorker(job, [makeEngine, makeShapes10], { receive(message) {}, fail(error) {} });
//   worker.post({ ... });     // starts the job's generator, or its plain function, with this message
//   worker.terminate();
//
// The job and the makers name nothing outside themselves; the job gets what the makers return. At each `yield` the job
// can be left: a message that has come meanwhile ends it there (its `finally` is run) and starts it anew, and on the main
// thread the page has its turn. Messages are taken in order, and each runs at least to its first `yield`.
// Both ways messages are copies (structured clones); `transfer`, the second argument of post, hands buffers over.

// Runs what `receive` gives for each message, a slice at a time; `later(go)` calls go when others have had their turn.
function makeRunner(receive, fail, slice, later) {
  let job;
  const attempt = (action) => { try { action(); } catch (error) { job = undefined; fail(error); } };
  const go = (mine) => attempt(() => {
    for (const end = performance.now() + slice; job && job === mine;) {
      if (job.next().done) job = undefined;
      else if (performance.now() > end) return later(() => go(mine));
    }
  });
  return (message) => attempt(() => {
    job?.return();
    const started = receive(message);
    job = started?.next ? started : undefined;
    started?.catch?.((error) => fail(String(error))); // a plain function may be async
    go(job);
  });
}

export function startWorker(job, makers, { receive, fail }) {
  const waiting = [];
  let worker, url, patience, ready = false, ended = false, send = (...message) => waiting.push(message);
  const start = (way) => {
    ready = true;
    clearTimeout(patience);
    URL.revokeObjectURL(url);
    waiting.splice(0).forEach((message) => way(...message));
    send = way;
  };
  // The worker's own side: the page hears ["ready"], then ["post", message] and ["fail", text]. Its slices are long, for
  // there is no picture to draw in between; a MessageChannel, unlike setTimeout, makes it wait for nothing but messages.
  const text = () => `"use strict";
const tell = (kind, value, transfer) => postMessage([kind, value], transfer), channel = new MessageChannel();
const receive = (${job})([${makers.map((make) => `(${make})()`)}], (message, transfer) => tell("post", message, transfer));
let next;
channel.port1.onmessage = () => next();
const take = (${makeRunner})(receive, (error) => tell("fail", String(error)), 30, (go) => { next = go; channel.port2.postMessage(0); });
onmessage = ({ data }) => take(data);
tell("ready");`;
  // a message arrives later, and not after the end, as from a worker
  const soon = (action) => (message, transfer) => {
    const copy = structuredClone(message, { transfer });
    setTimeout(() => ended || action(copy));
  };
  function onMainThread() {
    worker?.terminate();
    worker = undefined;
    const take = makeRunner(job(makers.map((make) => make()), soon(receive)), (error) => fail(String(error)), 8,
      (go) => setTimeout(() => ended || go()));
    start(soon(take));
  }
  try {
    worker = new Worker(url = URL.createObjectURL(new Blob([text()], { type: "text/javascript" })));
    // A policy that forbids workers may say so by an error, or never: until it is ready, it can still be done without.
    worker.onerror = (event) => {
      event.preventDefault();
      if (ready) fail(event.message);
      else onMainThread();
    };
    worker.onmessage = ({ data: [kind, value] }) => {
      if (kind === "post") receive(value);
      else if (kind === "fail") fail(value);
      else start((message, transfer) => worker.postMessage(message, transfer));
    };
    patience = setTimeout(onMainThread, 8000);
  } catch {
    onMainThread();
  }
  return {
    post: (message, transfer) => ended || send(message, transfer),
    terminate() {
      ended = true;
      clearTimeout(patience);
      URL.revokeObjectURL(url);
      worker?.terminate();
    },
  };
}
