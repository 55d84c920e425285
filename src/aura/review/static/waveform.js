// The ECG in tiles, as samples or as minimum and maximum of segments.

const MISSING = -32768;
const RETRY_MS = 3000;

// Coarser tiles are drawn until finer ones have loaded. Only samples are drawn
// as a line: a line through minimum and maximum is a wave that does not exist.
export class Waveform {
  constructor(source, detail, arrived) {
    this.source = source;
    this.key = detail.key;
    this.rate = detail.fs_hz;
    this.samples = detail.waveform.samples;
    this.factors = detail.waveform.factors;
    this.buckets = detail.waveform.buckets;
    this.problem = detail.waveform.problem;
    this.arrived = arrived;
    this.tiles = new Map();
    this.arrivals = 0;
  }

  get there() {
    return this.problem === null;
  }

  tile(factor, index) {
    const name = `ecg/${factor}/${index}`;
    const known = this.tiles.get(name);
    if (known !== undefined && !known.retry) {
      return known.columns ? known : null;
    }
    if (index < 0 || index * factor * this.buckets >= this.samples) {
      return null;
    }
    this.keep(name, { why: known?.why ?? "loading" });
    this.source.frame(this.key, name).then((frame) => {
      this.keep(name, frame, true);
    }, (refusal) => {
      if (refusal.status === 404 && !this.source.editable) {
        this.keep(name, { absent: true,
          why: "samples are not in this file" }, true);
        return;
      }
      const why = `not loaded: ${refusal.message}`;
      this.keep(name, { why }, true);
      setTimeout(() => this.keep(name, { why, retry: true }, true), RETRY_MS);
    });
    return null;
  }

  keep(name, tile, changed = false) {
    this.tiles.set(name, tile);
    if (!changed) return;
    this.arrivals += 1;
    this.arrived();
  }

  factorFor(from, to, pixels) {
    const per_pixel = (to - from) * this.rate / pixels;
    let chosen = this.factors[0];
    for (const factor of this.factors) {
      if (factor <= per_pixel) chosen = factor;
    }
    return chosen;
  }

  // What to draw between two times: samples, columns of minimum and maximum,
  // and the spans whose tile is missing, each with the reason.
  view(from, to, pixels) {
    const seen = { line: [[], []], columns: [[], []], missing: [] };
    const factor = this.factorFor(from, to, pixels);
    const last = Math.min(to * this.rate, this.samples);
    let at = Math.max(0, Math.floor(from * this.rate / factor) * factor);
    while (at < last) at = this.add(seen, factor, at, last);
    const span = factor * this.buckets;
    const index = Math.floor(from * this.rate / span);
    this.tile(factor, Math.floor(to * this.rate / span) + 1);
    if (index > 0) this.tile(factor, index - 1);
    return seen;
  }

  add(seen, factor, at, last) {
    const span = factor * this.buckets;
    const end = Math.min((Math.floor(at / span) + 1) * span, last);
    const [used, tile] = this.best(factor, at);
    const next = tile === null ? end : this.push(seen, used, tile, at, end);
    if (tile === null || used > factor) this.miss(seen, factor, at, next);
    return next;
  }

  // The tile of the wanted detail; else a finer one if the page has no other;
  // else a coarser one.
  best(factor, at) {
    const level = this.factors.indexOf(factor);
    const index = (used) => Math.floor(at / used / this.buckets);
    for (const used of this.factors.slice(0, level + 1).reverse()) {
      const tile = this.tile(used, index(used));
      if (tile !== null) return [used, tile];
      if (!this.tiles.get(`ecg/${used}/${index(used)}`).absent) break;
    }
    for (const used of this.factors.slice(level + 1)) {
      const known = this.tiles.get(`ecg/${used}/${index(used)}`);
      if (known?.columns) return [used, known];
    }
    return [factor, null];
  }

  miss({ missing, line, columns }, factor, at, end) {
    const { why } = this.tiles.get(
      `ecg/${factor}/${Math.floor(at / factor / this.buckets)}`) ?? {};
    const [from, to] = [at / this.rate, end / this.rate];
    const before = missing.at(-1);
    if (before?.why === why && before.to === from) before.to = to;
    else missing.push({ from, to, why });
    rupture(line, from);
    rupture(columns, from);
  }

  push(seen, factor, tile, at, end) {
    const { scale, offset } = tile.head;
    const { low, high } = tile.columns;
    const [x, y] = high === undefined ? seen.line : seen.columns;
    rupture(high === undefined ? seen.columns : seen.line, at / this.rate);
    const first = Math.floor(at / factor / this.buckets)
      * factor * this.buckets;
    const stop = Math.min(Math.ceil((end - first) / factor) + 1, low.length);
    for (let i = Math.floor((at - first) / factor); i < stop; i += 1) {
      const time = (first + i * factor) / this.rate;
      x.push(time);
      y.push(low[i] === MISSING ? null : offset + scale * low[i]);
      if (high !== undefined) {
        x.push(time + factor / this.rate / 2);
        y.push(high[i] === MISSING ? null : offset + scale * high[i]);
      }
    }
    return Math.min(end, first + this.buckets * factor);
  }

  // Limits that fit the ECG without artifacts; null until loaded.
  limits() {
    if (this.known !== undefined) return this.known;
    const far = this.factors[this.factors.length - 1];
    const tile = this.tile(far, 0);
    if (tile === null) return null;
    const lows = this.values(tile, tile.columns.low);
    const highs = this.values(tile, tile.columns.high);
    if (lows.length === 0) return null;
    // With few segments the extremes are not artifacts.
    const cut = lows.length < 20 ? 0 : 0.08;
    const low = lows[Math.floor(cut * lows.length)];
    const high = highs[Math.ceil((1 - cut) * highs.length) - 1];
    const room = 0.12 * (high - low) || 1;
    this.known = [low - room, high + room];
    return this.known;
  }

  values(tile, column) {
    const { scale, offset } = tile.head;
    return Array.from(column).filter((one) => one !== MISSING)
      .map((one) => offset + scale * one).sort((a, b) => a - b);
  }
}

// A gap in a line, or (as a pair) in columns.
function rupture([x, y], seconds) {
  if (y.length === 0 || y.at(-1) === null) return;
  x.push(seconds, seconds);
  y.push(null, null);
}
