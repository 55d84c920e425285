// The plots: overview, ECG, layers, heart rate, probability, close-up.
import uPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { element, since, number } from "./dom.js";
import { Trends, Waveform, firstAtLeast } from "./data.js";
import { FONT, fit, hatch, palette, tickLabels, ticks } from "./paint.js";

const GUTTER = 122;
const EDGE = 30;
const RIGHT = 14;
export const CLOSE_S = 10;
const HIGHEST_BPM = 220;
const KINDS = ["", "ectopic", "artefact", "unscorable"];
const LANES = ["original", "predicted", "reviewed"];
const LANE = 24;

export class Plots {
  constructor(place, source, detail, clock, events, time, actions) {
    Object.assign(this, {
      place, source, detail, clock, events, time, actions });
    this.selected = null;
    this.draft = null;
    this.trends = null;
    this.beats = null;
    this.charts = [];
    this.waveform = new Waveform(source, detail, () => this.redraw());
    this.build();
    this.recolour();
    new ResizeObserver(() => this.resize()).observe(this.stack);
  }

  // -- structure ---------------------------------------------------------

  build() {
    const row = (name, title, note) => {
      const body = element("div", { class: "body" });
      this[name] = element("section", { class: `row ${name}`,
        "aria-label": title },
      element("h3", { class: "label" }, title,
        note ? element("small", null, note) : null), body);
      this[`${name}Body`] = body;
      return this[name];
    };
    const unit = this.detail.unit || "file's unit";
    this.stack = element("div", { class: "stack" },
      row("ecg", "ECG", this.detail.fs_hz ? unit : "beats only"),
      row("lanes", "Events"),
      row("rate", "Heart rate", "bpm"),
      row("chance", "Probability", "of a seizure"),
      row("close", "Close-up", `${CLOSE_S} s at the cursor`));
    this.place.replaceChildren(
      this.actions.readout, row("over", "Whole recording"), this.stack);
    this.overCanvas = element("canvas", { role: "img" });
    this.overBody.append(this.overCanvas);
    this.lanesCanvas = element("canvas", { role: "img" });
    this.lanesBody.append(this.lanesCanvas);
    this.lanes.querySelector("h3").replaceChildren(...LANES.map(
      (name) => element("span", { class: name }, name)));
    this.line = element("div", { class: "cursor" });
    this.stack.append(this.line);
    this.closeNote = element("p", { class: "note" });
    this.messages();
    this.listen();
  }

  messages() {
    const tell = (body, text) => body.append(
      element("p", { class: "absent" }, text));
    if (!this.waveform.there) {
      const beats = this.detail.fs_hz === null;
      tell(this.ecgBody, beats
        ? "This recording holds beats only; there is no waveform to show."
        : `The waveform cannot be shown: ${this.waveform.problem.text}. `
          + "The recording may have been moved since it was predicted; all "
          + "else is here.");
    }
    if (this.detail.predicted === null) {
      tell(this.chanceBody, "This recording has not been predicted.");
    }
  }

  async load() {
    const key = this.detail.key;
    const [trends, beats] = await Promise.all(
      ["trends", "beats"].map((name) => this.source.frame(key, name)));
    const { time_s, heart_rate_bpm, baseline_bpm, probability } =
      trends.columns;
    this.trends = new Trends(
      time_s, [heart_rate_bpm, baseline_bpm, probability]);
    this.beats = beats.columns;
    this.rateRange = this.rangeOfRate();
    this.over_drawn = null;
    this.redraw();
  }

  rangeOfRate() {
    const known = [];
    for (const column of this.trends.levels[0].low.slice(0, 2)) {
      for (const value of column) if (!Number.isNaN(value)) known.push(value);
    }
    if (known.length === 0) return [50, 110];
    let [low, high] = [Infinity, -Infinity];
    for (const value of known) {
      low = Math.min(low, value);
      high = Math.max(high, Math.min(value, HIGHEST_BPM));
    }
    low = Math.max(0, 10 * Math.floor(low / 10 - 0.3));
    return [low, Math.max(10 * Math.ceil(high / 10 + 0.3), low + 40)];
  }

  recolour() {
    this.colours = palette();
    this.over_drawn = null;
    this.close_drawn = null;
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
    this.makeCharts();
    this.redraw();
  }

  chart(body, height, series, more = {}) {
    const { colours } = this;
    const made = new uPlot({
      width: this.room(), height, legend: { show: false },
      cursor: { show: false }, select: { show: false }, pxAlign: 0,
      padding: [9, RIGHT, more.axis ? 0 : 7, 0],
      scales: { x: { time: false, auto: false }, y: { auto: false } },
      axes: [{
        show: true, size: more.axis ? 26 : 0, font: FONT, gap: 4,
        stroke: colours.muted,
        grid: { stroke: colours.grid, width: 1 },
        ticks: { show: Boolean(more.axis), stroke: colours.line, size: 4,
          width: 1 },
        splits: (u) => ticks(...more.window(), this.clock,
          u.bbox.width / devicePixelRatio).found,
        values: (u) => this.timesOf(u, more),
      }, {
        size: GUTTER, gap: 6, font: FONT, stroke: colours.muted,
        grid: { stroke: colours.grid, width: 1 }, ticks: { show: false },
        space: 28, values: (u, splits) => splits.map((one) => number(one)),
        ...more.y,
      }],
      series: [{}, ...series],
      bands: more.bands ?? [],
      hooks: {
        drawClear: [(u) => this.paintBehind(u, more)],
        draw: [(u) => more.above?.(u)],
      },
    }, [[], ...series.map(() => [])], body);
    made.limits = more;
    this.charts.push(made);
    return made;
  }

  makeCharts() {
    const { colours } = this;
    const window = () => [this.time.from, this.time.to];
    const trace = (stroke, width, more) => ({
      stroke, width, points: { show: false }, ...more });
    const bare = !this.waveform.there;
    this.ecgChart = this.chart(this.ecgBody, 142, [trace(colours.ecg, 1)], {
      window, range: () => (bare ? [0, 1] : this.ecgRange ?? [-1, 1]),
      y: bare ? { values: () => [] } : {},
      above: (u) => this.paintBeats(u, window()) });
    this.rateChart = this.chart(this.rateBody, 146, [
      trace(colours.baseline, 2), trace(colours.heart, 1.3)], {
      window, range: () => this.rateRange ?? [50, 110],
      bands: [{ series: [2, 1], fill: colours.excess, dir: -1 }] });
    this.chanceChart = this.chart(this.chanceBody, 116, [
      trace(colours.chance, 1.3, { fill: `${colours.chance}26` })], {
      window, range: () => [0, 1.04], axis: true,
      y: { splits: () => [0, 0.5, 1] },
      above: (u) => this.paintThreshold(u) });
    this.closeChart = this.chart(this.closeBody, 148, [
      trace(colours.ecg, 1.4)], {
      window: () => this.closeWindow(), axis: true,
      range: () => (bare ? [0, 1] : this.ecgRange ?? [-1, 1]),
      y: bare ? { values: () => [] } : {},
      above: (u) => {
        this.paintBeats(u, this.closeWindow(), true);
        this.paintPointer(u);
      } });
  }

  timesOf(u, more) {
    if (!more.axis) return [];
    const [from, to] = more.window();
    const width = u.bbox.width / devicePixelRatio;
    // A label that would be cut off by the edge is left out.
    return tickLabels(from, to, this.clock, width).map(([at, text]) => (
      (to - at) / (to - from) * width < EDGE - RIGHT ? "" : text));
  }

  // -- geometry ----------------------------------------------------------

  room() {
    return Math.max(240, this.stack.clientWidth);
  }

  inner() {
    return this.room() - GUTTER - RIGHT;
  }

  left(seconds) {
    return GUTTER + (seconds - this.time.from) / this.time.width
      * this.inner();
  }

  secondsAt(x) {
    return this.time.from + (x - GUTTER) / this.inner() * this.time.width;
  }

  closeWindow() {
    const width = Math.min(CLOSE_S, this.time.duration);
    const from = Math.max(0, Math.min(
      this.time.cursor - width / 2, this.time.duration - width));
    return [from, from + width];
  }

  resize() {
    const width = this.room();
    if (this.charts.length === 0 || width === this.charts[0].width) return;
    this.over_drawn = null;
    for (const chart of this.charts) {
      chart.setSize({ width, height: chart.height });
    }
    this.redraw();
  }

  // -- drawing -----------------------------------------------------------

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const { from, to } = this.time;
    const points = this.inner();
    if (this.waveform.there) {
      this.ecgRange = this.waveform.limits() ?? this.ecgRange
        ?? this.seenRange(from, to, points);
      const seen = this.waveform.view(from, to, points);
      this.fill(this.ecgChart, [seen.x, seen.y]);
    } else {
      this.fill(this.ecgChart, [[], []]);
    }
    this.drawClose(points);
    const [x, rate, base, chance] = this.trends === null
      ? [[], [], [], []] : this.trends.view(from, to, points);
    this.fill(this.rateChart, [x, base, rate]);
    this.fill(this.chanceChart, [x, chance]);
    this.drawLanes();
    this.drawOverview();
    this.drawCursor();
    this.actions.drawn();
    if (!this.shown && this.trends !== null
      && (!this.waveform.there || this.ecgChart.data[1].length > 0)) {
      this.shown = true;
      performance.mark("shown");
    }
  }

  // Panning leaves the close-up as it is, and so does this.
  drawClose(points) {
    const state = `${this.time.cursor} ${this.waveform.arrivals} ${points} `
      + `${this.ecgRange} ${this.beats === null} `
      + `${this.events.review.version}`;
    if (state === this.close_drawn) return;
    this.close_drawn = state;
    const near = this.waveform.there
      ? this.waveform.view(...this.closeWindow(), points) : { x: [], y: [] };
    this.fill(this.closeChart, [near.x, near.y]);
  }

  seenRange(from, to, points) {
    const known = this.waveform.view(from, to, points).y.filter(
      (one) => one !== null);
    if (known.length === 0) return undefined;
    const [low, high] = known.reduce(([a, b], one) => [
      Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
    const room = 0.12 * (high - low) || 1;
    return [low - room, high + room];
  }

  fill(chart, data) {
    chart.batch(() => {
      chart.setData(data, false);
      const [from, to] = chart.limits.window();
      const [low, high] = chart.limits.range();
      chart.setScale("x", { min: from, max: to });
      chart.setScale("y", { min: low, max: high });
    });
  }

  paintBehind(u, more) {
    const { ctx, bbox } = u;
    const [from, to] = more.window();
    const at = (seconds) => bbox.left + (seconds - from) / (to - from)
      * bbox.width;
    const band = (start, stop, fill, least = 1) => {
      const [x0, x1] = [Math.max(bbox.left, at(start)),
        Math.min(bbox.left + bbox.width, at(stop))];
      if (x1 < bbox.left || x0 > bbox.left + bbox.width) return;
      ctx.fillStyle = fill;
      ctx.fillRect(x0, bbox.top, Math.max(least, x1 - x0), bbox.height);
    };
    ctx.save();
    const stripes = hatch(ctx, this.colours.lost, 7, true);
    for (const [start, stop] of this.detail.unscorable) {
      if (stop >= from && start <= to) {
        band(start, stop, `${this.colours.lost}66`);
        band(start, stop, stripes);
      }
    }
    for (const layer of ["original", "predicted"]) {
      const colour = this.colours[layer];
      const seen = this.events.layers[layer].between(from, to);
      if (seen.length > 400) continue;
      for (const event of seen) {
        const stop = event.onset_s + event.duration_s;
        band(event.onset_s, stop, `${colour}1f`);
        if (layer === "predicted") {
          band(event.onset_s, stop, hatch(ctx, `${colour}40`, 8));
        }
        band(event.onset_s, event.onset_s, colour, devicePixelRatio);
      }
    }
    if (u === this.ecgChart && this.time.width > 2 * CLOSE_S) {
      const [start, stop] = this.closeWindow();
      band(start, stop, `${this.colours.focus}2e`, 2);
    }
    ctx.restore();
  }

  paintThreshold(u) {
    const { threshold } = this.detail;
    if (threshold === null) return;
    const { ctx, bbox } = u;
    const y = Math.round(u.valToPos(threshold, "y", true)) + 0.5;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = this.colours.threshold;
    ctx.lineWidth = 1.2 * ratio;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const text = `threshold ${number(threshold, 2)}`;
    ctx.font = FONT.replace("11.5px", `${11 * ratio}px`);
    ctx.textAlign = "right";
    ctx.textBaseline = threshold > 0.8 ? "top" : "bottom";
    const x = bbox.left + bbox.width - 5 * ratio;
    const low = y + (threshold > 0.8 ? 4 : -4) * ratio;
    ctx.lineJoin = "round";
    ctx.setLineDash([]);
    ctx.strokeStyle = this.colours.panel;
    ctx.lineWidth = 4 * ratio;
    ctx.strokeText(text, x, low);
    ctx.fillStyle = this.colours.threshold;
    ctx.fillText(text, x, low);
    ctx.restore();
  }

  paintBeats(u, [from, to], near = false) {
    if (this.beats === null) return;
    const { ctx, bbox } = u;
    const { time_ms, rr_ms, kind } = this.beats;
    const first = firstAtLeast(time_ms, from * 1000);
    const last = firstAtLeast(time_ms, to * 1000);
    const ratio = devicePixelRatio;
    const each = bbox.width / ratio / Math.max(1, last - first);
    if (each < 3) return;
    const size = Math.min(3.6, each / 2) * ratio;
    ctx.save();
    ctx.lineWidth = 1.4 * ratio;
    ctx.font = FONT.replace("11.5px", `${10.5 * ratio}px`);
    ctx.textAlign = "center";
    for (let i = first; i < last; i += 1) {
      const x = bbox.left + (time_ms[i] / 1000 - from) / (to - from)
        * bbox.width;
      this.mark(ctx, x, bbox.top + 2 * ratio, size, kind[i],
        this.waveform.there ? 0 : bbox.height * 0.7);
      if (near && each > 44 && i > first && rr_ms[i] > 0) {
        const before = bbox.left + (time_ms[i - 1] / 1000 - from)
          / (to - from) * bbox.width;
        ctx.fillStyle = this.colours.muted;
        ctx.fillText(`${rr_ms[i]}`, (x + before) / 2,
          bbox.top + bbox.height - 4 * ratio);
      }
    }
    ctx.restore();
  }

  paintPointer(u) {
    const { ctx, bbox } = u;
    const [from, to] = this.closeWindow();
    const x = bbox.left + (this.time.cursor - from) / (to - from)
      * bbox.width;
    ctx.save();
    ctx.fillStyle = this.colours.focus;
    ctx.fillRect(x - 0.75 * devicePixelRatio, bbox.top,
      1.5 * devicePixelRatio, bbox.height);
    ctx.restore();
  }

  // A beat: full where its interval is normal, hollow or crossed if not.
  mark(ctx, x, y, size, kind, stem) {
    const colour = kind === 0 ? this.colours.heart : this.colours.fp;
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    if (stem > 0) {
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x, y + stem);
      ctx.stroke();
    }
    ctx.beginPath();
    if (kind >= 2) {
      ctx.moveTo(x - size, y);
      ctx.lineTo(x + size, y + 2 * size);
      ctx.moveTo(x + size, y);
      ctx.lineTo(x - size, y + 2 * size);
      ctx.stroke();
      return;
    }
    ctx.moveTo(x - size, y);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y + 1.8 * size);
    ctx.closePath();
    if (kind === 0) ctx.fill();
    else ctx.stroke();
  }

  drawLanes() {
    const width = this.room();
    const ctx = fit(this.lanesCanvas, width, LANE * 3);
    const { from, to } = this.time;
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER, 0, this.inner(), LANE * 3);
    ctx.clip();
    LANES.forEach((layer, n) => {
      ctx.fillStyle = this.colours.grid;
      ctx.fillRect(GUTTER, n * LANE, this.inner(), 1);
      let free = GUTTER;
      for (const event of this.events.layers[layer].between(from, to)) {
        free = this.bar(ctx, layer, n, event, free);
      }
    });
    if (this.draft !== null) this.drawDraft(ctx);
    ctx.restore();
  }

  bar(ctx, layer, n, event, free) {
    const x = this.left(event.onset_s);
    const width = Math.max(3, this.left(event.onset_s + event.duration_s)
      - x);
    if (x + width < free - 0.5) return free;
    const [y, height] = [n * LANE + 4, LANE - 8];
    const colour = this.colours[layer];
    const rejected = event.item?.decision === "rejected";
    ctx.fillStyle = rejected ? `${colour}30` : `${colour}${
      layer === "predicted" ? "66" : "d9"}`;
    ctx.beginPath();
    ctx.roundRect(x, y, width, height, Math.min(3, width / 2));
    ctx.fill();
    if (layer === "predicted" && !rejected && width > 8) {
      ctx.fillStyle = hatch(ctx, colour, 6);
      ctx.fill();
    }
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.stroke();
    if (rejected) {
      ctx.beginPath();
      ctx.moveTo(x - 2, y + height / 2);
      ctx.lineTo(x + width + 2, y + height / 2);
      ctx.stroke();
    }
    if (event.key !== undefined && event.key === this.selected) {
      ctx.strokeStyle = this.colours.focus;
      ctx.lineWidth = 2.4;
      ctx.beginPath();
      ctx.roundRect(x - 2, y - 2, width + 4, height + 4, 4);
      ctx.stroke();
    }
    return this.barLabel(ctx, event, x + width, y, height);
  }

  barLabel(ctx, event, x, y, height) {
    const shape = { TP: "● ", FP: "▲ ", FN: "◆ " }[event.verdict] ?? "";
    const sure = event.confidence === null || event.confidence === undefined
      ? "" : ` ${event.confidence.toFixed(2)}`;
    const text = `${shape}${event.label.slice(0, 40)}${sure}`;
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillStyle = this.colours.ink;
    const room = ctx.measureText(text).width + 10;
    // Where the next bar begins is not known; a few fit, many would not.
    if (this.time.width / this.inner() * room > 900) return x;
    ctx.fillText(text, x + 5, y + height / 2 + 0.5);
    return x;
  }

  drawDraft(ctx) {
    const x = this.left(this.draft.onset_s);
    const width = this.left(this.draft.onset_s + this.draft.duration_s) - x;
    const y = 2 * LANE + 2;
    ctx.fillStyle = `${this.colours.reviewed}55`;
    ctx.strokeStyle = this.colours.focus;
    ctx.lineWidth = 2;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.roundRect(x, y, Math.max(3, width), LANE - 4, 3);
    ctx.fill();
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = this.colours.focus;
    for (const edge of [x, x + width]) {
      ctx.beginPath();
      ctx.roundRect(edge - 3, y + 2, 6, LANE - 8, 2);
      ctx.fill();
    }
  }

  drawOverview() {
    const width = this.room();
    const height = 58;
    // All but the frame stays as it is while one pans.
    const state = `${width} ${this.events.review.version} ${this.selected}`;
    if (this.over_drawn !== state) {
      this.over_drawn = state;
      this.overStill = document.createElement("canvas");
      this.paintOverview(fit(this.overStill, width, height), width, height);
    }
    const ctx = fit(this.overCanvas, width, height);
    ctx.drawImage(this.overStill, 0, 0, width, height);
    const x = (seconds) => GUTTER + seconds / this.time.duration
      * this.inner();
    const [x0, x1] = [x(this.time.from), x(this.time.to)];
    ctx.fillStyle = `${this.colours.focus}24`;
    ctx.strokeStyle = this.colours.focus;
    ctx.lineWidth = 1.6;
    ctx.beginPath();
    ctx.roundRect(x0 - 1, 1, Math.max(4, x1 - x0 + 2), height - 18, 3);
    ctx.fill();
    ctx.stroke();
  }

  paintOverview(ctx, width, height) {
    const { duration } = this.time;
    const x = (seconds) => GUTTER + seconds / duration * this.inner();
    const foot = height - 18;
    ctx.fillStyle = `${this.colours.lost}90`;
    for (const [start, stop] of this.detail.unscorable) {
      ctx.fillRect(x(start), 2, Math.max(1, x(stop) - x(start)), foot - 3);
    }
    if (this.trends !== null) {
      const [low, high] = this.rateRange;
      const seen = this.trends.view(0, duration, this.inner());
      ctx.strokeStyle = this.colours.heart;
      ctx.lineWidth = 1;
      ctx.beginPath();
      let pen = false;
      seen[0].forEach((at, n) => {
        if (seen[1][n] === null) {
          pen = false;
          return;
        }
        const y = foot - 4 - (seen[1][n] - low) / (high - low) * (foot - 22);
        if (pen) ctx.lineTo(x(at), y);
        else ctx.moveTo(x(at), y);
        pen = true;
      });
      ctx.stroke();
    }
    ["original", "predicted"].forEach((layer, n) => {
      ctx.fillStyle = this.colours[layer];
      let free = -1;
      for (const event of this.events.layers[layer].events) {
        const at = x(event.onset_s);
        const long = Math.max(2.5, x(event.duration_s) - GUTTER);
        if (at + long < free) continue;
        ctx.fillRect(at, 3 + 7 * n, long, 5);
        free = at + long + 0.5;
      }
    });
    ctx.fillStyle = this.colours.muted;
    ctx.font = FONT;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "center";
    for (const [at, text] of tickLabels(0, duration, this.clock,
      this.inner())) {
      if (x(at) > width - 24) continue;
      ctx.fillRect(x(at), foot, 1, 3);
      ctx.fillText(text, x(at), height - 1);
    }
  }

  drawCursor() {
    const { cursor, from, to } = this.time;
    const seen = cursor >= from && cursor <= to;
    this.line.hidden = !seen;
    if (seen) {
      this.line.style.transform = `translateX(${this.left(cursor)}px)`;
      this.line.style.height = `${this.close.offsetTop - 4}px`;
    }
  }

  describe() {
    const { from, to } = this.time;
    const span = `${since(from)} to ${since(to)}`;
    const rate = this.trends === null ? [] : this.trends.view(
      from, to, 400)[1].filter((one) => one !== null);
    const text = rate.length === 0 ? "no heart rate known"
      : `heart rate ${Math.round(Math.min(...rate))} to `
        + `${Math.round(Math.max(...rate))} bpm`;
    this.lanesCanvas.setAttribute("aria-label", `Events from ${span}`);
    this.rateBody.setAttribute("role", "img");
    this.rateBody.setAttribute("aria-label", `${span}: ${text}`);
    this.overCanvas.setAttribute("aria-label",
      `Heart rate and events of the whole recording; shown is ${span}`);
  }

  values(seconds) {
    const [rate, base, chance] = this.trends === null
      ? [null, null, null] : this.trends.at(seconds);
    const lost = this.detail.unscorable.some(
      ([start, stop]) => seconds >= start && seconds < stop);
    let beat = null;
    if (this.beats !== null && this.beats.time_ms.length > 0) {
      const { time_ms, kind } = this.beats;
      const n = firstAtLeast(time_ms, seconds * 1000);
      if (n < kind.length) beat = KINDS[kind[n]];
    }
    return { rate, base, chance, lost, beat };
  }

  // -- pointer -----------------------------------------------------------

  listen() {
    this.stack.addEventListener("wheel", (event) => this.wheel(event),
      { passive: false });
    this.stack.addEventListener("pointerdown", (event) => this.down(event));
    this.stack.addEventListener("dblclick", (event) => {
      this.time.zoom(0.5, this.secondsAt(this.xOf(event)));
    });
    this.overBody.addEventListener("pointerdown",
      (event) => this.downOverview(event));
  }

  xOf(event) {
    return event.clientX - this.stack.getBoundingClientRect().left;
  }

  wheel(event) {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.time.pan((event.deltaX || event.deltaY) / 1200);
    } else {
      this.time.zoom(1.0018 ** event.deltaY,
        this.secondsAt(this.xOf(event)));
    }
  }

  drag(event, moved, done) {
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const stop = (last) => {
      target.removeEventListener("pointermove", moved);
      target.removeEventListener("pointerup", stop);
      target.removeEventListener("pointercancel", stop);
      done(last);
    };
    target.addEventListener("pointermove", moved);
    target.addEventListener("pointerup", stop);
    target.addEventListener("pointercancel", stop);
  }

  down(event) {
    if (event.button !== 0) return;
    const start = this.xOf(event);
    if (this.close.contains(event.target)) return;
    if (this.draft !== null && this.lanes.contains(event.target)
      && this.downDraft(event, start)) return;
    const { from, to } = this.time;
    let dragged = false;
    this.drag(event, (next) => {
      const shift = (this.xOf(next) - start) / this.inner();
      if (Math.abs(this.xOf(next) - start) > 4) dragged = true;
      if (dragged) this.time.set(from - shift * (to - from),
        to - shift * (to - from));
    }, (last) => {
      if (!dragged && last.type === "pointerup") this.click(event, start);
    });
  }

  click(event, x) {
    const seconds = this.secondsAt(x);
    this.time.point(seconds);
    if (!this.lanes.contains(event.target)) return;
    const top = this.lanesCanvas.getBoundingClientRect().top;
    const layer = LANES[Math.floor((event.clientY - top) / LANE)];
    const slack = 4 / this.inner() * this.time.width;
    const hit = layer === undefined ? null : this.events.layers[layer]
      .between(seconds - slack, seconds + slack)[0];
    if (hit?.key !== undefined) this.actions.select(hit.key);
    else if (hit !== undefined && hit !== null) this.actions.selectAt(hit);
  }

  downDraft(event, start) {
    const x0 = this.left(this.draft.onset_s);
    const x1 = this.left(this.draft.onset_s + this.draft.duration_s);
    if (start < x0 - 8 || start > x1 + 8) return false;
    const { onset_s, duration_s } = this.draft;
    const edge = Math.abs(start - x0) < 8 ? "start"
      : Math.abs(start - x1) < 8 ? "end" : "both";
    this.drag(event, (next) => {
      const shift = this.secondsAt(this.xOf(next)) - this.secondsAt(start);
      const tenth = (value) => Math.round(value * 10) / 10;
      let [on, off] = [onset_s, onset_s + duration_s];
      if (edge !== "end") on = tenth(onset_s + shift);
      if (edge !== "start") off = tenth(onset_s + duration_s + shift);
      on = Math.max(0, on);
      off = Math.min(this.time.duration, off);
      if (off - on >= 0.1) this.actions.drafted(on, off - on);
    }, () => {});
    return true;
  }

  downOverview(event) {
    const at = (next) => (next.clientX
      - this.stack.getBoundingClientRect().left - GUTTER)
      / this.inner() * this.time.duration;
    const begin = at(event);
    const inside = begin >= this.time.from && begin <= this.time.to;
    if (!inside) this.time.show(this.time.width, begin);
    const { from, to } = this.time;
    this.drag(event, (next) => {
      const shift = at(next) - begin;
      this.time.set(from + shift, to + shift);
    }, () => {});
  }
}
