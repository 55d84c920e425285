// Where data come from: the server, or the page's own file.

const ARRAYS = {
  float32: Float32Array, int16: Int16Array, int32: Int32Array,
  uint8: Uint8Array, uint16: Uint16Array,
};

export function readFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(
    new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const columns = {};
  for (const [name, type, count] of head.columns) {
    columns[name] = new ARRAYS[type](buffer, at, count);
    at += Math.ceil(columns[name].byteLength / 8) * 8;
  }
  return { head, columns };
}

export class Refusal extends Error {
  constructor(status, rule, text) {
    super(text);
    this.status = status;
    this.rule = rule;
  }
}

export class Served {
  constructor() {
    this.editable = true;
  }

  async ask(path, options) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Refusal(0, "review.away",
        "the server does not answer; start aura review again");
    }
    if (answer.ok) return answer;
    let told = {};
    try {
      told = await answer.json();
    } catch {
      // Not ours: a proxy, or the guard's plain text.
    }
    throw new Refusal(answer.status, told.rule ?? "",
      told.text ?? `the server answers ${answer.status}`);
  }

  async cases() {
    return (await this.ask("api/cases")).json();
  }

  async detail(key) {
    return (await this.ask(`api/case/${key}`)).json();
  }

  async review(key) {
    return (await this.ask(`api/case/${key}/review`)).json();
  }

  async reasons(key) {
    return (await this.ask(`api/case/${key}/reasons`)).json();
  }

  async frame(key, name) {
    const answer = await this.ask(`api/case/${key}/${name}`);
    return readFrame(await answer.arrayBuffer());
  }

  async change(key, change) {
    return (await this.ask(`api/case/${key}/review`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Aura-Review": "1" },
      body: JSON.stringify(change),
    })).json();
  }

  file(key, kind) {
    return `api/case/${key}/file/${kind}`;
  }
}

export class Embedded {
  constructor(content) {
    this.editable = false;
    this.content = content;
  }

  async detail() {
    return this.content.detail;
  }

  async review() {
    return this.content.detail.review;
  }

  async reasons() {
    return this.content.reasons;
  }

  async frame(key, name) {
    const packed = this.content.frames[name];
    if (packed === undefined) {
      throw new Refusal(404, "review.not_embedded",
        "this file holds raw samples around events only");
    }
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(
      new DecompressionStream("gzip"));
    return readFrame(await new Response(stream).arrayBuffer());
  }
}

const MISSING = -32768;

// Index of the first value that is not below the one sought.
export function firstAtLeast(values, sought) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < sought) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The ECG in tiles; what is not here yet is shown coarser meanwhile.
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
      // What is not in the file stays away; a server may come back.
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

  // Points to draw between two times: x, y, and whether they are samples.
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
    x.push(at / this.rate);
    y.push(null);
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

  // Limits that hold the waves and not the artefacts, once known.
  limits() {
    if (this.known !== undefined) return this.known;
    const far = this.factors[this.factors.length - 1];
    const tile = this.tile(far, 0);
    if (tile === null) return null;
    const lows = this.values(tile, tile.columns.low);
    const highs = this.values(tile, tile.columns.high);
    if (lows.length === 0) return null;
    // With few stretches the outermost tenth is no artefact.
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

const STEP = 4;

// Rows of several columns, thinned to lowest and highest of stretches.
export class Trends {
  constructor(time, columns) {
    this.time = time;
    this.levels = [{ step: 1, low: columns, high: columns }];
    while (this.levels.at(-1).low[0].length > 2048) {
      this.levels.push(this.thinner(this.levels.at(-1)));
    }
  }

  thinner(level) {
    const thin = (column, pick) => {
      const made = new Float32Array(Math.ceil(column.length / STEP));
      for (let i = 0; i < made.length; i += 1) {
        let found = NaN;
        const stop = Math.min((i + 1) * STEP, column.length);
        for (let j = i * STEP; j < stop; j += 1) {
          if (Number.isNaN(found) || pick(column[j], found)) {
            found = column[j];
          }
        }
        made[i] = found;
      }
      return made;
    };
    return {
      step: level.step * STEP,
      low: level.low.map((one) => thin(one, (a, b) => a < b)),
      high: level.high.map((one) => thin(one, (a, b) => a > b)),
    };
  }

  view(from, to, points) {
    const first = Math.max(0, firstAtLeast(this.time, from) - 1);
    const last = Math.min(this.time.length, firstAtLeast(this.time, to) + 1);
    const level = this.levels.find(
      (one) => (last - first) / one.step <= points) ?? this.levels.at(-1);
    const { step, low, high } = level;
    const x = [];
    const columns = low.map(() => []);
    const value = (one) => (Number.isNaN(one) ? null : one);
    for (let i = Math.floor(first / step);
      i < Math.min(Math.ceil(last / step), low[0].length); i += 1) {
      const time = this.time[i * step];
      x.push(time);
      columns.forEach((column, n) => column.push(value(low[n][i])));
      if (step > 1) {
        x.push(this.time[Math.min(i * step + step / 2,
          this.time.length - 1)]);
        columns.forEach((column, n) => column.push(value(high[n][i])));
      }
    }
    return [x, ...columns];
  }

  // Values at a time; null where unknown.
  at(seconds) {
    const row = firstAtLeast(this.time, seconds - 1e-3);
    return this.levels[0].low.map((column) => (
      row < column.length && !Number.isNaN(column[row])
        ? column[row] : null));
  }
}
