// The ECG in tiles, as samples or as minimum and maximum of segments.

const MISSING = -32768;

// Coarser tiles are drawn until finer ones have loaded.
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
    if (known !== undefined) return known.columns ? known : null;
    if (index < 0 || index * factor * this.buckets >= this.samples) {
      return null;
    }
    this.tiles.set(name, {});
    this.source.frame(this.key, name).then((frame) => {
      this.tiles.set(name, frame);
      this.arrivals += 1;
      this.arrived();
    }, (refusal) => {
      // Retries, unless the tile is missing from a one-file page.
      if (refusal.status !== 404 || this.source.editable) {
        setTimeout(() => this.tiles.delete(name), 3000);
      }
    });
    return null;
  }

  factorFor(from, to, pixels) {
    const per_pixel = (to - from) * this.rate / pixels;
    let chosen = this.factors[0];
    for (const factor of this.factors) {
      if (factor <= per_pixel) chosen = factor;
    }
    return chosen;
  }

  // Points to draw between two times, and the samples per segment.
  view(from, to, pixels) {
    const x = [];
    const y = [];
    const factor = this.factorFor(from, to, pixels);
    const last = Math.min(to * this.rate, this.samples);
    let at = Math.max(0, Math.floor(from * this.rate / factor) * factor);
    while (at < last) at = this.add(x, y, factor, at, last);
    const span = factor * this.buckets;
    const index = Math.floor(from * this.rate / span);
    this.tile(factor, Math.floor(to * this.rate / span) + 1);
    if (index > 0) this.tile(factor, index - 1);
    return { x, y, factor };
  }

  add(x, y, factor, at, last) {
    let level = this.factors.indexOf(factor);
    const wanted = (Math.floor(at / factor / this.buckets) + 1)
      * factor * this.buckets;
    const end = Math.min(wanted, last);
    for (; level < this.factors.length; level += 1) {
      const used = this.factors[level];
      const tile = level === this.factors.indexOf(factor)
        ? this.tile(used, Math.floor(at / used / this.buckets))
        : this.loaded(used, Math.floor(at / used / this.buckets));
      if (tile !== null) {
        return this.push(x, y, used, tile, at, end);
      }
    }
    x.push(at / this.rate, at / this.rate);
    y.push(null, null);
    return end;
  }

  loaded(factor, index) {
    const known = this.tiles.get(`ecg/${factor}/${index}`);
    return known !== undefined && known.columns ? known : null;
  }

  push(x, y, factor, tile, at, end) {
    const { scale, offset } = tile.head;
    const { low, high } = tile.columns;
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
