// The page of the viewer: what is chosen, which times and channels are seen, and drawing. Decoding is worker.js.
"use strict";

const $ = (id) => document.getElementById(id);
const canvas = $("traces"), list = $("recordings");
const GUTTER = 90, AXIS = 24, NAME_HEIGHT = 13;
const MOST_AT_FIRST = 1 << 21; // samples that are shown when recordings are chosen

let recordings = []; // of the archive
let traces = []; // [recording, channel] of what is chosen
let frames = 0, rate = 0; // of these
let first = 0, last = 0; // frames that are seen
let topChannel = 0, seen = 1; // channels that are seen
let range = 0; // what the height of a channel stands for; 0: to be found
let baselines = new Map(); // by trace
let shown = null, shownTop = 0; // the worker's last answer, and its first trace
let requests = 0, worker = null, name = "", opening = ""; // of archives
const waiting = new Map(); // answers that are waited for

// ---- the worker ----

// In spikey.html, scripts and library stand in the page.
async function start() {
  const inlined = $("worker"), wasm = $("wasm");
  const bytes = wasm
    ? Uint8Array.from(atob(wasm.textContent), (c) => c.charCodeAt(0))
    : new Uint8Array(await (await fetched("spikey.wasm")).arrayBuffer());
  const script = inlined ? URL.createObjectURL(new Blob([inlined.textContent], { type: "text/javascript" })) : "worker.js";
  worker = new Worker(script);
  worker.onmessage = ({ data }) => answered(data);
  worker.onerror = (event) => failed(event.message || "the worker does not start");
  return bytes;
}

async function fetched(path) {
  const advice = "run `python examples/viewer/build.py`, and serve the folder: `python -m http.server`; or open spikey.html";
  const response = await fetch(path).catch(() => null);
  if (!response?.ok) throw new Error(`${path} cannot be read: ${advice}`);
  return response;
}

const ready = start().catch((error) => failed(error.message));

function failed(text) {
  $("error").textContent = text;
  $("status").textContent = "";
}

async function open(source, title) {
  const wasm = await ready;
  if (!worker) return;
  $("error").textContent = "";
  $("status").textContent = `Opening ${title} …`;
  opening = title;
  worker.postMessage({ open: source, wasm });
  await new Promise((resolve) => waiting.set("open", resolve));
}

// Samples of a channel as they are, in an array of their type.
async function samples(recording, channel, from = 0, to = recordings[recording].frames) {
  const id = `samples ${++requests}`;
  worker.postMessage({ samples: { id, recording, channel, first: from, last: to } });
  return new Promise((resolve, reject) => waiting.set(id, (value, error) => (error ? reject(new Error(error)) : resolve(value))));
}

function answered({ opened, shown: answer, samples: read, error, id }) {
  const done = waiting.get(read?.id ?? (typeof id === "string" ? id : "open"));
  if (opened) {
    name = opening;
    listRecordings(opened);
  } else if (answer) return answer.id === shownRequest ? take(answer) : undefined;
  else if (error !== undefined) failed(`${id === undefined ? opening : name}: ${error}`);
  done?.(read?.values, error);
}

// ---- what is chosen ----

function listRecordings(opened) {
  recordings = opened;
  const numbers = new Intl.NumberFormat("en");
  list.replaceChildren(...opened.map((own, i) => {
    const length = own.rate ? `${numbers.format(Number((own.frames / own.rate).toPrecision(4)))} s` : `${numbers.format(own.frames)} frames`;
    const channels = own.channels > 1 ? `${own.channels} channels, ` : "";
    const text = own.type ? `${own.name}: ${channels}${length}` : `${own.name}: no samples`;
    const option = new Option(text, i);
    option.disabled = !own.type || !own.frames;
    option.title = `${text}${own.rate ? `, ${numbers.format(own.rate)} Hz` : ""}`;
    return option;
  }));
  const usable = opened.findIndex((own) => own.type && own.frames);
  $("hint").hidden = true;
  $("hint").style.display = "none";
  document.title = `${name} – Spikey viewer`;
  if (usable < 0) {
    choose([]);
    return failed(`${name} has no recordings: ${opened.length} files that are kept as they are`);
  }
  // files of one channel that are as long as the first are shown together
  const own = opened[usable], alike = opened.map((_, i) => i).filter((i) => opened[i].type && opened[i].channels === 1
    && opened[i].frames === own.frames && opened[i].rate === own.rate).slice(0, 32);
  const chosen = own.channels === 1 ? alike : [usable];
  for (const i of chosen) list.options[i].selected = true;
  choose(chosen);
}

function choose(chosen) {
  rate = chosen.length ? recordings[chosen[0]].rate : 0;
  const alike = chosen.filter((i) => recordings[i].rate === rate);
  traces = alike.flatMap((i) => Array.from({ length: recordings[i].channels }, (_, channel) => [i, channel]));
  frames = Math.max(0, ...alike.map((i) => recordings[i].frames));
  seen = Math.min(traces.length, 64);
  topChannel = 0;
  first = 0;
  last = seen * frames <= MOST_AT_FIRST ? frames : Math.min(frames, Math.max(rate, Math.ceil(MOST_AT_FIRST / 16 / Math.max(seen, 1))));
  fit();
  if (alike.length < chosen.length) failed("Recordings of other rates than the first one are not shown");
}

function fit() {
  range = 0;
  baselines = new Map();
  shown = null;
  update();
}

// ---- the view ----

let shownRequest = 0, scheduled = false;

function update() {
  first = Math.min(Math.max(first, 0), Math.max(frames - 4, 0));
  last = Math.min(Math.max(last, first + 4), Math.max(frames, 4));
  seen = Math.min(Math.max(seen, 1), Math.max(traces.length, 1));
  topChannel = Math.min(Math.max(topChannel, 0), Math.max(traces.length - seen, 0));
  draw();
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (!worker || !traces.length) return;
    const from = Math.floor(topChannel), to = Math.min(traces.length, Math.ceil(topChannel + seen));
    shownRequest = ++requests;
    pendingTop = from;
    const columns = Math.max(1, Math.round((canvas.clientWidth - GUTTER) * devicePixelRatio));
    worker.postMessage({ view: { id: shownRequest, traces: traces.slice(from, to), first, last, columns } });
  });
}

let pendingTop = 0;

function take(answer) {
  shown = answer;
  shownTop = pendingTop;
  if (answer.failed) $("error").textContent = `${name}: some channels cannot be decoded: ${answer.failed}`;
  const text = answer.left ? `Decoding: ${answer.left} ${answer.left === 1 ? "block" : "blocks"} left` : describe();
  if ($("status").textContent !== text) $("status").textContent = text;
  canvas.setAttribute("aria-label", `Traces: ${describe()}`);
  draw();
}

const time = (frame, digits = 4) => rate ? `${(frame / rate).toFixed(digits)} s` : `frame ${Math.round(frame)}`;

function describe() {
  const shownNow = Math.min(traces.length, Math.ceil(seen));
  return `${shownNow} of ${traces.length} ${traces.length === 1 ? "channel" : "channels"}, ${time(first, 3)} to ${time(last, 3)} of ${time(frames, 3)}`;
}

function traceName([recording, channel]) {
  const own = recordings[recording], base = own.name.split("/").pop().replace(/\.[^.]*$/, "");
  const chosen = new Set(traces.map(([i]) => i)).size;
  if (own.channels === 1) return base;
  return chosen > 1 ? `${base}:${channel}` : String(channel);
}

function middleOf(values, from, to) {
  const some = values.slice(from, to).filter((x) => !Number.isNaN(x)).sort();
  return some.length ? some[some.length >> 1] : NaN;
}

// Where each trace is centred, and how high all are.
function measure() {
  const heights = [];
  shown.traces.forEach((trace, i) => {
    const mids = new Float32Array(trace.length / 2), tops = new Float32Array(trace.length / 2), bottoms = new Float32Array(trace.length / 2);
    for (let c = 0; c < mids.length; c++) {
      bottoms[c] = trace[2 * c];
      tops[c] = trace[2 * c + 1];
      mids[c] = (trace[2 * c] + trace[2 * c + 1]) / 2;
    }
    const known = mids.filter((x) => Number.isFinite(x)).sort();
    if (!known.length) return;
    if (!baselines.has(shownTop + i)) baselines.set(shownTop + i, known[known.length >> 1]);
    const high = tops.filter((x) => Number.isFinite(x)).sort(), low = bottoms.filter((x) => Number.isFinite(x)).sort();
    heights.push(high[Math.floor(0.98 * (high.length - 1))] - low[Math.floor(0.02 * (low.length - 1))]);
  });
  heights.sort((a, b) => a - b);
  if (!range && heights.length && !shown.left) range = 1.15 * (heights[heights.length >> 1] || heights.at(-1) || 1);
  return range || 1.15 * (heights[heights.length >> 1] || 1);
}

function draw() {
  const scale = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const paint = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (id) => resolved(style.getPropertyValue(`--${id}`));
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.clearRect(0, 0, width, height);
  if (!traces.length) return;
  const plot = height - AXIS, lane = plot / seen, perFrame = (width - GUTTER) / (last - first);
  const x = (frame) => GUTTER + (frame - first) * perFrame;
  paint.font = "11px system-ui, sans-serif";
  drawAxis(paint, x, width, plot, colour);
  if (shown) drawTraces(paint, x, width, plot, lane, colour);
  paint.clearRect(0, 0, GUTTER, plot);
  paint.fillStyle = colour("soft");
  paint.textBaseline = "middle";
  paint.textAlign = "right";
  const every = Math.max(1, Math.ceil(NAME_HEIGHT / lane));
  for (let i = Math.floor(topChannel); i < Math.min(traces.length, topChannel + seen); i++)
    if (i % every === 0) paint.fillText(shortened(paint, traceName(traces[i]), GUTTER - 12), GUTTER - 8, Math.max(7, (i + 0.5 - topChannel) * lane));
}

// A colour that the canvas understands, of light-dark() as well.
function resolved(value) {
  const match = /light-dark\(([^,]+),([^)]+)\)/.exec(value);
  return match ? match[matchMedia("(prefers-color-scheme: dark)").matches ? 2 : 1].trim() : value.trim();
}

function shortened(paint, text, width) {
  if (paint.measureText(text).width <= width) return text;
  let n = text.length;
  while (n > 1 && paint.measureText(`…${text.slice(-n)}`).width > width) n--;
  return `…${text.slice(-n)}`;
}

function drawAxis(paint, x, width, plot, colour) {
  const unit = rate || 1, rough = (last - first) / unit / Math.max(2, (width - GUTTER) / 110);
  const power = 10 ** Math.floor(Math.log10(rough)), step = power * [1, 2, 5, 10].find((n) => n * power >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  paint.strokeStyle = colour("line");
  paint.fillStyle = colour("soft");
  paint.textBaseline = "middle";
  paint.textAlign = "center";
  paint.lineWidth = 1;
  paint.beginPath();
  for (let k = Math.ceil(first / unit / step); k * step * unit <= last; k++) {
    const at = Math.round(x(k * step * unit)) + 0.5;
    paint.moveTo(at, 0);
    paint.lineTo(at, plot);
    if (at < width - 24) paint.fillText(`${(k * step).toFixed(digits)}${rate ? " s" : ""}`, at, plot + AXIS / 2);
  }
  paint.moveTo(GUTTER - 0.5, 0);
  paint.lineTo(GUTTER - 0.5, plot + 0.5);
  paint.lineTo(width, plot + 0.5);
  paint.stroke();
}

function drawTraces(paint, x, width, plot, lane, colour) {
  const height = measure(), { first: from, step } = shown, colours = [colour("first"), colour("second")], missing = colour("missing");
  paint.save();
  paint.beginPath();
  paint.rect(GUTTER, 0, width - GUTTER, plot);
  paint.clip();
  shown.traces.forEach((trace, i) => {
    const own = shownTop + i, middle = (own + 0.5 - topChannel) * lane, baseline = baselines.get(own) ?? 0;
    const y = (value) => middle - (value - baseline) / height * lane;
    const [recording] = traces[own] ?? [], end = recordings[recording]?.frames ?? 0, n = trace.length / 2;
    if (middle < -lane || middle > plot + lane) return;
    drawMissing(paint, trace, (c) => x(Math.min(from + c * step, end)), middle, lane, missing);
    paint.strokeStyle = paint.fillStyle = colours[own % 2];
    paint.lineWidth = 1;
    paint.lineJoin = "bevel";
    paint.beginPath();
    let before = NaN;
    for (let c = 0; c < n; c++) {
      const low = trace[2 * c], high = trace[2 * c + 1], at = x(from + c * step);
      if (!Number.isNaN(low)) {
        if (step === 1) {
          if (Number.isNaN(before)) paint.moveTo(at, y(low));
          else paint.lineTo(at, y(low));
        } else { // from least to most, and joined with the column before
          const joined = Number.isNaN(before) ? low : Math.min(low, before);
          paint.moveTo(at, y(joined) + 0.35);
          paint.lineTo(at, y(high) - 0.35);
        }
      }
      before = Number.isNaN(low) ? NaN : high;
    }
    paint.stroke();
    const gap = x(1) - x(0);
    if (step === 1 && gap > 8)
      for (let c = 0; c < n; c++) if (!Number.isNaN(trace[2 * c])) paint.fillRect(x(from + c) - 1.5, y(trace[2 * c]) - 1.5, 3, 3);
  });
  paint.restore();
}

// What is not decoded yet is grey.
function drawMissing(paint, trace, x, middle, lane, colour) {
  paint.fillStyle = colour;
  const n = trace.length / 2;
  for (let c = 0; c < n; c++) {
    if (!Number.isNaN(trace[2 * c])) continue;
    const begin = c;
    while (c < n && Number.isNaN(trace[2 * c])) c++;
    if (x(c) > x(begin)) paint.fillRect(x(begin), middle - 0.45 * lane, x(c) - x(begin), 0.9 * lane);
  }
}

// ---- keys, mouse, buttons ----

function zoomTime(factor, at = (first + last) / 2) {
  const span = Math.min(Math.max((last - first) * factor, 8), frames), share = (at - first) / (last - first);
  first = Math.min(Math.max(at - share * span, 0), frames - span);
  last = first + span;
  update();
}

function moveTime(by) {
  by = Math.min(Math.max(by, -first), frames - last);
  first += by;
  last += by;
  update();
}

function zoomChannels(factor, at = topChannel + seen / 2) {
  const before = seen, share = (at - topChannel) / seen;
  seen = Math.min(Math.max(seen * factor, 1), traces.length);
  if (Math.abs(seen - Math.round(seen)) < 0.02 || before === seen) seen = Math.round(seen);
  topChannel = at - share * seen;
  update();
}

function moveChannels(by) {
  topChannel += by;
  update();
}

function zoomHeight(factor) {
  range *= factor;
  draw();
}

const actions = {
  earlier: () => moveTime(-(last - first) / 4),
  later: () => moveTime((last - first) / 4),
  in: () => zoomTime(1 / 1.5),
  out: () => zoomTime(1.5),
  fewer: () => zoomChannels(1 / 1.5),
  more: () => zoomChannels(1.5),
  up: () => moveChannels(-Math.max(1, Math.round(seen / 4))),
  down: () => moveChannels(Math.max(1, Math.round(seen / 4))),
  higher: () => zoomHeight(1 / 1.25),
  lower: () => zoomHeight(1.25),
  fit: () => {
    seen = traces.length;
    fit();
  },
  begin: () => moveTime(-first),
  end: () => moveTime(frames - last),
};
const keys = { ArrowLeft: "earlier", ArrowRight: "later", ArrowUp: "up", ArrowDown: "down", "+": "in", "=": "in", "-": "out", "[": "fewer",
  "]": "more", PageUp: "higher", PageDown: "lower", Home: "begin", End: "end", 0: "fit" };

canvas.addEventListener("keydown", (event) => {
  const action = keys[event.key];
  if (!action || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  actions[action]();
});
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => actions[button.dataset.do]());

const frameAt = (event) => first + (event.offsetX - GUTTER) / (canvas.clientWidth - GUTTER) * (last - first);
const channelAt = (event) => topChannel + event.offsetY / (canvas.clientHeight - AXIS) * seen;

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (!traces.length) return;
  const lines = event.deltaMode === 1 ? 16 : 1, sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  const factor = 1.0018 ** Math.min(Math.max(event.deltaY * lines, -300), 300);
  if (event.ctrlKey) zoomChannels(factor, channelAt(event));
  else if (event.altKey) zoomHeight(factor);
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) moveTime(sideways * lines / (canvas.clientWidth - GUTTER) * (last - first));
  else zoomTime(factor, frameAt(event));
}, { passive: false });

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  canvas.style.cursor = "grabbing";
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (canvas.style.cursor = ""));
canvas.addEventListener("pointermove", (event) => {
  if (!traces.length) return;
  if (canvas.hasPointerCapture(event.pointerId)) {
    moveTime(-event.movementX / (canvas.clientWidth - GUTTER) * (last - first));
    moveChannels(-event.movementY / (canvas.clientHeight - AXIS) * seen);
  }
  const frame = frameAt(event), trace = traces[Math.floor(channelAt(event))];
  $("place").textContent = trace && frame >= 0 ? `${traceName(trace)}, ${time(frame)}${valueAt(event)}` : "";
});
canvas.addEventListener("pointerleave", () => ($("place").textContent = ""));

function valueAt(event) {
  const own = Math.floor(channelAt(event)) - shownTop, trace = shown?.traces[own];
  const c = trace && Math.floor((frameAt(event) - shown.first) / shown.step);
  if (!trace || !(c >= 0) || Number.isNaN(trace[2 * c]) || 2 * c >= trace.length) return "";
  const [low, high] = [trace[2 * c], trace[2 * c + 1]].map((value) => Number(value.toPrecision(7)));
  return low === high ? `, ${low}` : `, ${low} to ${high}`;
}

list.addEventListener("change", () => {
  $("error").textContent = "";
  choose([...list.selectedOptions].map((option) => Number(option.value)));
});
$("file").addEventListener("change", ({ target }) => target.files[0] && open(target.files[0], target.files[0].name));
$("address").addEventListener("submit", (event) => {
  event.preventDefault();
  openUrl($("url").value);
});
const openUrl = (url) => open(new URL(url, location.href).href, url.split(/[?#]/)[0].split("/").pop() || url);

for (const kind of ["dragover", "drop", "dragleave"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) open(file, file.name);
  });
new ResizeObserver(() => update()).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
const asked = new URLSearchParams(location.search).get("url");
if (asked) openUrl(asked);
