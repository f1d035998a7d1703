// The worker of the viewer: fetches blocks of an archive, decodes what is to be shown, and keeps it for a while.
//
//     in     {open: File or URL, wasm}                                        bytes of spikey.wasm, the first time
//            {view: {id, traces: [[recording, channel], ...], first, last, columns}}
//            {samples: {id, recording, channel, first, last}}
//     out    {opened: [{name, type, channels, frames, rate, isInFile}, ...]}
//            {shown: {id, first, step, traces: [least and most of each column], left: blocks to decode, failed}}
//            {samples: {id, values}}; {error: text, id}
"use strict";

if (typeof SpikeyLibrary === "undefined") importScripts("archive.js");

const CACHE_BYTES = 256 << 20;
const BIN = 256; // frames of which least and most are kept for good
const COARSE = 4 * BIN; // frames of a column from which on bins suffice

let library, archive, placesOf, cache, cacheBytes, overviews, failures, blocks, newest;
let turn = Promise.resolve();

// Run tasks one after another, so that none decodes what the one before it does.
function inTurn(task) {
  const done = turn.then(task);
  turn = done.catch(() => {});
  return done;
}

// ---- sources of bytes ----

const fileSource = (file) => ({
  size: file.size,
  read: async (first, stop) => new Uint8Array(await file.slice(first, stop).arrayBuffer()),
});

async function urlSource(url) {
  const get = async (options) => {
    let response;
    try {
      response = await fetch(url, options);
    } catch {
      throw new SpikeyError(`it cannot be fetched: there is no such server, or it does not allow pages of other sites to read it (CORS).`);
    }
    if (!response.ok) throw new SpikeyError(`the server answers ${response.status} ${response.statusText}`);
    return response;
  };
  const size = Number((await get({ method: "HEAD" })).headers.get("Content-Length"));
  const ranges = (first, stop) => get({ headers: { Range: `bytes=${first}-${stop - 1}` } });
  if (!size || (await ranges(0, 1)).status !== 206) return fileSource(await (await get()).blob()); // a server without ranges
  const read = async (first, stop) => {
    const bytes = new Uint8Array(await (await ranges(first, stop)).arrayBuffer());
    if (bytes.length !== stop - first) throw new SpikeyError(`the server sent another number of bytes than it was asked for`);
    return bytes;
  };
  return { size, read };
}

// ---- what is decoded ----

const keyOf = (part, channel) => `${part.index}:${channel}`;

async function open({ open: from, wasm }) {
  newest = undefined;
  library ??= await SpikeyLibrary.load(wasm);
  const source = typeof from === "string" ? await urlSource(from) : fileSource(from);
  const opened = await library.archive(source);
  archive?.close();
  archive = opened;
  cache = new Map(); // by key; the one that was used last is last
  cacheBytes = 0;
  overviews = new Map();
  failures = new Map();
  blocks = new Map();
  placesOf = new Map(); // of each block: [part, channel] of each position
  archive.parts.forEach((part, index) => {
    part.index = index;
    if (!placesOf.has(part.block)) placesOf.set(part.block, []);
    for (let k = 0; k < archive.recordings[part.recording].channels; k++) placesOf.get(part.block)[part.position + k] = [part, k];
  });
  for (const recording of archive.recordings) recording.parts.sort((a, b) => a.first - b.first);
  postMessage({ opened: archive.recordings.map(({ parts, ...recording }) => recording) });
}

// The parts of a recording with some of the frames first to last - 1.
const partsOf = (recording, first, last) =>
  archive.recordings[recording].parts.filter((part) => part.first < last && part.first + part.frames > first);

function keep(part, channel, samples) {
  const key = keyOf(part, channel), bins = new Float32Array(2 * Math.ceil(samples.length / BIN));
  for (let i = 0; i < bins.length; i += 2) {
    let least = Infinity, most = -Infinity;
    for (let k = i / 2 * BIN; k < Math.min((i / 2 + 1) * BIN, samples.length); k++) {
      const value = Number(samples[k]);
      if (value < least) least = value;
      if (value > most) most = value;
    }
    bins[i] = least;
    bins[i + 1] = most;
  }
  overviews.set(key, bins);
  cache.set(key, samples);
  cacheBytes += samples.byteLength;
  for (const [oldest, { byteLength }] of cache) {
    if (cacheBytes <= CACHE_BYTES || oldest === key) break;
    cache.delete(oldest);
    cacheBytes -= byteLength;
  }
}

function recall(key) {
  const samples = cache.get(key);
  if (samples) {
    cache.delete(key);
    cache.set(key, samples);
  }
  return samples;
}

// Decode these places of a block, and with them what is decoded along with them.
async function decode(block, wantedPlaces) {
  const places = wantedPlaces.filter((place) => !cache.has(keyOf(...place)) && !failures.has(keyOf(...place)));
  if (!places.length) return;
  const { offset, bytes } = places[0][0], packed = await archive.source.read(offset, offset + bytes);
  if (!blocks.has(block)) blocks.set(block, archive.groups(block));
  const groups = blocks.get(block), all = placesOf.get(block);
  const wanted = new Set(places.map(([part, channel]) => groups[part.position + channel]));
  const along = (group) => all.filter(([part], position) =>
    groups[position] === group && archive.recordings[part.recording].type && !cache.has(keyOf(...all[position])));
  const run = (some) => archive.decode(block, packed, some).forEach((samples, i) => keep(...some[i], samples));
  try {
    run([...wanted].flatMap(along));
  } catch { // a damaged stream spoils its group alone
    for (const group of wanted)
      try {
        run(along(group));
      } catch (error) {
        for (const place of along(group)) failures.set(keyOf(...place), error.message);
      }
  }
}

// Least and most of each column of a trace; NaN where nothing is known.
function summary(recording, channel, first, step, columns) {
  const out = new Float32Array(2 * columns).fill(NaN);
  for (const part of partsOf(recording, first, first + step * columns)) {
    const key = keyOf(part, channel), bins = step >= COARSE && overviews.get(key);
    const values = bins || recall(key), unit = bins ? BIN : 1;
    if (!values) continue;
    const from = Math.max(0, Math.floor((part.first - first) / step));
    for (let c = from; c < columns; c++) {
      const begin = Math.max(0, Math.floor((Math.floor(first + c * step) - part.first) / unit));
      const end = Math.min(Math.ceil(part.frames / unit), Math.ceil((Math.floor(first + (c + 1) * step) - part.first) / unit));
      if (part.first + begin * unit >= first + (c + 1) * step && begin >= end) continue;
      if (begin * unit >= part.frames) break;
      let least = Number.isNaN(out[2 * c]) ? Infinity : out[2 * c], most = Number.isNaN(out[2 * c + 1]) ? -Infinity : out[2 * c + 1];
      for (let k = begin; k < end; k++) {
        const low = Number(bins ? values[2 * k] : values[k]), high = bins ? values[2 * k + 1] : low;
        if (low < least) least = low;
        if (high > most) most = high;
      }
      if (most >= least) {
        out[2 * c] = least;
        out[2 * c + 1] = most;
      }
    }
  }
  return out;
}

async function show({ id, traces, first, last, columns }) {
  newest = id;
  const step = Math.max(1, (last - first) / columns);
  if (step === 1) {
    last = Math.ceil(last) + 1;
    first = Math.max(0, Math.floor(first) - 1);
    columns = last - first;
  }
  const missing = new Map();
  let failed = "";
  for (const [recording, channel] of traces)
    for (const part of partsOf(recording, first, last)) {
      const key = keyOf(part, channel);
      failed ||= failures.get(key) ?? "";
      if (failures.has(key) || cache.has(key) || (step >= COARSE && overviews.has(key))) continue;
      if (!missing.has(part.block)) missing.set(part.block, []);
      missing.get(part.block).push([part, channel]);
    }
  let left = missing.size;
  const post = () => postMessage({ shown: { id, first, step, left, failed,
    traces: traces.map(([recording, channel]) => summary(recording, channel, first, step, columns)) } });
  post();
  for (const [block, places] of missing) {
    await new Promise((resolve) => setTimeout(resolve)); // a newer view may have come
    await inTurn(() => newest === id && decode(block, places));
    if (newest !== id) return;
    left--;
    failed ||= places.map((place) => failures.get(keyOf(...place))).find(Boolean) ?? "";
    post();
  }
}

// Samples as they are.
async function read({ id, recording, channel, first, last }) {
  const pieces = [], opened = archive;
  for (const part of partsOf(recording, first, last)) {
    const key = keyOf(part, channel);
    await inTurn(() => archive === opened && decode(part.block, [[part, channel]]));
    if (archive !== opened) throw new SpikeyError("another archive was opened");
    if (!cache.has(key)) throw new SpikeyError(failures.get(key));
    pieces.push(cache.get(key).subarray(Math.max(0, first - part.first), Math.max(0, last - part.first)));
  }
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const values = new (pieces[0]?.constructor ?? Float32Array)(length);
  let at = 0;
  for (const piece of pieces) {
    values.set(piece, at);
    at += piece.length;
  }
  postMessage({ samples: { id, values } });
}

onmessage = async ({ data }) => {
  try {
    if (data.open) await inTurn(() => open(data));
    else if (data.view) await show(data.view);
    else await read(data.samples);
  } catch (error) {
    postMessage({ error: error.message, id: (data.view ?? data.samples)?.id });
  }
};
