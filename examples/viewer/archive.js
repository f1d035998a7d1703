// Archives through the C library in WebAssembly (spikey_cli/core/c/spikey.h): SpikeyLibrary.archive(source).
//
// A source has `size` and `read(first, stop)`, which returns a promise of a Uint8Array. Works in workers, pages and Node.
"use strict";

const HEADER_BYTES = 40, TRAILER_BYTES = 56;
const RECORDING_BYTES = 64, PART_BYTES = 56; // of spikey_recording_info, after whose pointer is a gap, and spikey_part_info
const NEAR_END = 1 << 16; // bytes that are read at first

// Samples of types 1 to 9; int24 (3) is widened to int32.
const ARRAYS = [null, Uint8Array, Int16Array, Int32Array, Int32Array, Float32Array, Float64Array, Uint16Array, Uint32Array,
  BigInt64Array];
const INT24 = 3;

class SpikeyError extends Error {}

class SpikeyLibrary {
  // `bytes` are those of spikey.wasm.
  static async load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes); // it imports nothing
    instance.exports._initialize?.();
    return new SpikeyLibrary(instance.exports);
  }

  constructor(exports) {
    this.c = exports;
  }

  // Room for `n` bytes, at least one.
  allocate(n) {
    const at = this.c.malloc(Math.max(n, 1)) >>> 0;
    if (!at) throw new SpikeyError("There is not enough memory in the browser.");
    return at;
  }

  // Call `use` with room for so many bytes in each place, and give it back after.
  with(sizes, use) {
    const places = [];
    try {
      for (const size of sizes) places.push(this.allocate(size));
      return use(...places);
    } finally {
      for (const place of places) this.c.free(place);
    }
  }

  put(at, bytes) {
    new Uint8Array(this.c.memory.buffer, at, bytes.length).set(bytes);
  }

  view() {
    return new DataView(this.c.memory.buffer);
  }

  text(at) {
    const bytes = new Uint8Array(this.c.memory.buffer, at);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  // Raise what a function of the library returned; `reason` is where it left a pointer to a text.
  check(error, reason) {
    if (error) throw new SpikeyError(this.text(this.view().getUint32(reason, true) || this.c.spikey_error_text(error)));
  }

  async archive(source) {
    const { size } = source, c = this.c;
    if (size < HEADER_BYTES + TRAILER_BYTES) throw new SpikeyError("not a Spikey archive");
    let front = await source.read(0, Math.min(size, NEAR_END));
    let end = size <= NEAR_END ? front : await source.read(size - Math.min(size, NEAR_END), size);
    const [frontBytes, endBytes] = this.with([HEADER_BYTES, TRAILER_BYTES, 24], (header, trailer, out) => {
      this.put(header, front.subarray(0, HEADER_BYTES));
      this.put(trailer, end.subarray(end.length - TRAILER_BYTES));
      this.check(c.spikey_ends(header, trailer, BigInt(size), out, out + 8, out + 16), out + 16);
      return [Number(this.view().getBigInt64(out, true)), Number(this.view().getBigInt64(out + 8, true))];
    });
    if (front.length < frontBytes) front = await source.read(0, frontBytes);
    if (end.length < endBytes) end = await source.read(size - endBytes, size);
    return this.with([frontBytes, endBytes, 8], (first, last, out) => {
      this.put(first, front.subarray(0, frontBytes));
      this.put(last, end.subarray(end.length - endBytes));
      this.check(c.spikey_open(first, frontBytes, last, endBytes, BigInt(size), 0, out, out + 4), out + 4);
      return new SpikeyArchive(this, this.view().getUint32(out, true), source);
    });
  }
}

class SpikeyArchive {
  constructor(library, handle, source) {
    this.library = library;
    this.handle = handle;
    this.source = source;
    this.recordings = this.#list("recording", RECORDING_BYTES, (view, at) => ({
      name: library.text(view.getUint32(at, true)),
      ...numbers(view, at + 16, ["type", "sampleBytes", "isInFile", "channels", "frames", "rate"]),
      parts: [],
    }));
    this.parts = this.#list("part", PART_BYTES, (view, at) =>
      numbers(view, at, ["recording", "first", "frames", "block", "offset", "bytes", "position"]));
    for (const part of this.parts) this.recordings[part.recording].parts.push(part);
  }

  #list(name, bytes, read) {
    const { library } = this, { c } = library;
    const n = Number(c[`spikey_${name}s`](this.handle));
    return library.with([bytes], (at) => Array.from({ length: n }, (_, i) => {
      c[`spikey_${name}`](this.handle, BigInt(i), at);
      return read(library.view(), at);
    }));
  }

  close() {
    this.library.c.spikey_close(this.handle);
    this.handle = 0;
  }

  // The group of each position of a block: those of one group are decoded together.
  groups(block) {
    const { library } = this, n = this.#positions(block);
    return library.with([4 * n, 4], (groups, reason) => {
      library.check(library.c.spikey_groups(this.handle, BigInt(block), groups, reason), reason);
      return new Int32Array(library.c.memory.buffer, groups, n).slice();
    });
  }

  #positions(block) {
    return Number(this.library.c.spikey_positions(this.handle, BigInt(block)));
  }

  // Decode channels of a block, of which `bytes` are given: wanted is a list of [part, channel]; returns their samples.
  decode(block, bytes, wanted) {
    const { library } = this, { c } = library, n = this.#positions(block);
    const sizes = wanted.map(([part]) => part.frames * this.recordings[part.recording].sampleBytes);
    return library.with([bytes.length, 4 * n, 4, ...sizes], (packed, memory, reason, ...places) => {
      library.put(packed, bytes);
      const pointers = new Uint32Array(c.memory.buffer, memory, n).fill(0);
      wanted.forEach(([part, channel], i) => (pointers[part.position + channel] = places[i]));
      library.check(c.spikey_decode_block(this.handle, BigInt(block), packed, bytes.length, memory, reason), reason);
      return wanted.map(([part], i) => this.#samples(this.recordings[part.recording].type, places[i], sizes[i]));
    });
  }

  #samples(type, at, size) {
    const bytes = this.library.c.memory.buffer.slice(at, at + size);
    if (type !== INT24) return new ARRAYS[type](bytes);
    const narrow = new Uint8Array(bytes), wide = new Int32Array(size / 3);
    for (let i = 0; i < wide.length; i++) wide[i] = (narrow[3 * i] << 8 | narrow[3 * i + 1] << 16 | narrow[3 * i + 2] << 24) >> 8;
    return wide;
  }
}

function numbers(view, at, names) {
  return Object.fromEntries(names.map((name, i) => [name, Number(view.getBigInt64(at + 8 * i, true))]));
}

if (typeof module !== "undefined") module.exports = { SpikeyArchive, SpikeyError, SpikeyLibrary };
