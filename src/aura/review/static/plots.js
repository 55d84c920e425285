// The plots: overview, ECG, events, heart rate, score, close-up.
import { Axis } from "./axis.js";
import { backdrop, pointer, threshold } from "./backdrop.js";
import { Beats } from "./beats.js";
import { Chart, trace } from "./chart.js";
import { element, say, sentence, since } from "./dom.js";
import { absent, envelope } from "./envelope.js";
import { LANES, LANE_TITLES, Lanes } from "./lanes.js";
import { Overview } from "./overview.js";
import { palette } from "./paint.js";
import { Paper, SETTLE_S } from "./paper.js";
import { Pointer } from "./pointer.js";
import { Trends } from "./trends.js";
import { Waveform } from "./waveform.js";

const CLOSE_S = 10;
// Heights of the charts in pixels, scaled to fill the window.
const HEIGHTS = { ecg: 142, rate: 146, chance: 116, close: 148 };
// The same with a close-up that is true to scale.
const PAPER = { ecg: 96, rate: 110, chance: 96, close: 250 };
const [LEAST, MOST] = [0.7, 2.6];
const BELOW = 56;
// A smaller difference does not count.
const SLIGHT = 3;
const STACKED = "(max-width: 1040px)";
const HIGHEST_BPM = 220;

export class Plots {
  constructor(place, source, detail, clock, events, time, actions) {
    Object.assign(this, { place, source, detail, time, actions });
    this.charts = [];
    this.waveform = new Waveform(source, detail, () => this.redraw());
    // State shared by all plots.
    this.scene = { detail, clock, events, time, waveform: this.waveform,
      trends: null, beats: null, rateRange: [50, 110], selected: null,
      draft: null, editable: actions.editable };
    this.paper = new Paper(detail, () => this.recolour());
    this.build();
    this.recolour();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stack);
    // As high as the window.
    this.observer.observe(document.documentElement);
  }

  leave() {
    this.observer.disconnect();
  }

  // How much the charts are scaled so that all fit into the window.
  scaled() {
    if (matchMedia(STACKED).matches) return 1;
    const { top, height } = this.place.getBoundingClientRect();
    const charts = Object.keys(HEIGHTS).reduce(
      (sum, name) => sum + this[`${name}Body`].offsetHeight, 0);
    const room = innerHeight - top - scrollY - (height - charts) - BELOW;
    const whole = this.shares.reduce((sum, one) => sum + one, 0);
    return Math.max(LEAST, Math.min(MOST, room / whole));
  }

  get shares() {
    return Object.values(
      this.paper.chosen.gain === "fit" ? HEIGHTS : PAPER);
  }

  heights() {
    const scale = this.scaled();
    return this.shares.map((one) => Math.round(scale * one));
  }

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
    const unit = this.detail.unit || "unit unknown";
    this.stack = element("div", { class: "stack" },
      row("ecg", "ECG", this.detail.fs_hz ? unit : "beats only"),
      row("lanes", "Events"),
      row("rate", "Heart rate", "bpm"),
      row("chance", "Model score", "not a chance"),
      row("close", "Close-up", " "));
    if (this.waveform.there) {
      this.close.prepend(this.paper.controls());
      this.closeBody.addEventListener("pointerdown",
        (event) => this.measure(event));
    }
    this.place.replaceChildren(
      this.actions.readout, row("over", "Whole recording"), this.stack);
    this.lanes.querySelector("h3").replaceChildren(...LANES.map(
      (name, n) => element("span", { class: name }, LANE_TITLES[n])));
    this.line = element("div", { class: "cursor" });
    this.stack.append(this.line);
    this.messages();
    this.assemble();
  }

  assemble() {
    const { scene } = this;
    const canvas = (body) => {
      body.append(element("canvas", { role: "img" }));
      return body.lastChild;
    };
    scene.axis = new Axis(this.stack, this.time);
    this.overview = new Overview(scene, canvas(this.overBody));
    this.layers = new Lanes(scene, canvas(this.lanesBody));
    new Pointer(scene, this.layers, { stack: this.stack,
      over: this.overBody, lanes: this.lanes, close: this.close },
    this.actions);
  }

  messages() {
    const tell = (body, text, rule) => body.append(
      element("p", { class: "absent", "data-rule": rule }, text));
    if (!this.waveform.there) {
      const { rule, text } = this.waveform.problem;
      tell(this.ecgBody, this.detail.fs_hz === null
        ? "This recording contains beat times only, no ECG."
        : `${sentence(`The ECG cannot be shown: ${text}`)} The recording `
          + "may have been moved after the prediction.", rule);
    }
    if (this.detail.predicted === null) {
      tell(this.chanceBody, "There is no prediction for this recording.");
    }
  }

  async load() {
    const key = this.detail.key;
    const [trends, beats] = await Promise.all(
      ["trends", "beats"].map((name) => this.source.frame(key, name)));
    const { time_s, heart_rate_bpm, baseline_bpm, probability } =
      trends.columns;
    this.scene.trends = new Trends(
      time_s, [heart_rate_bpm, baseline_bpm, probability]);
    this.scene.beats = new Beats(this.scene, beats.columns);
    this.scene.rateRange = this.rangeOfRate();
    this.overview.forget();
    this.redraw();
  }

  rangeOfRate() {
    const known = [];
    for (const column of this.scene.trends.levels[0].low.slice(0, 2)) {
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
    this.scene.colours = palette();
    this.overview.forget();
    this.close_drawn = null;
    for (const chart of this.charts) chart.destroy();
    this.makeCharts();
    this.redraw();
  }

  makeCharts() {
    const { scene } = this;
    const { colours } = scene;
    const given = this.heights();
    this.tall = given.at(-1);
    const chart = (body, series, more) => new Chart(
      body, scene, given.shift(), series, {
        window: () => [this.time.from, this.time.to],
        behind: (u, window) => backdrop(scene, u, window), ...more });
    const wave = this.waveform.there
      ? { range: () => this.ecgRange ?? [-1, 1] }
      : { range: () => [0, 1], y: { values: () => [] } };
    const rest = (u, window, seen) => {
      if (!seen) return;
      envelope(u, colours.ecg, seen.columns);
      absent(u, colours, seen.missing, window);
    };
    this.ecgChart = chart(this.ecgBody, [trace(colours.ecg, 1)], {
      ...wave,
      behind: (u, window) => backdrop(scene, u, window,
        this.time.width > 2 * CLOSE_S ? this.closeWindow() : null),
      above: (u, window) => {
        rest(u, window, this.seen);
        scene.beats?.paint(u, window);
      } });
    this.rateChart = chart(this.rateBody, [
      trace(colours.baseline, 2), trace(colours.heart, 1.3)], {
      range: () => scene.rateRange,
      bands: [{ series: [2, 1], fill: colours.excess, dir: -1 }] });
    this.chanceChart = chart(this.chanceBody, [
      trace(colours.chance, 1.3, { fill: `${colours.chance}26` })], {
      range: () => [0, 1.04], axis: true, y: { splits: () => [0, 0.5, 1] },
      above: (u) => threshold(scene, u) });
    const { gain, speed } = this.paper.chosen;
    this.closeChart = chart(this.closeBody, [trace(colours.ecg, 1.4)], {
      ...wave, window: () => this.closeWindow(), axis: true, still: true,
      lines: { show: speed === "fit" },
      ...(this.waveform.there ? { range: () => this.closeRange ?? [-1, 1],
        y: { grid: { show: gain === "fit", stroke: colours.grid } } } : {}),
      behind: (u, window) => {
        if (this.waveform.there) this.paper.grid(u, window, colours);
        backdrop(scene, u, window);
      },
      above: (u, window) => {
        rest(u, window, this.near);
        if (this.waveform.there) this.paper.pulse(u, colours);
        // Intervals would overlap the reason why samples are missing.
        scene.beats?.paint(u, window, !this.near?.missing.length);
        pointer(scene, u, window);
        this.paper.measured(u, colours);
      } });
    this.charts = [
      this.ecgChart, this.rateChart, this.chanceChart, this.closeChart];
  }

  closeWindow() {
    const width = Math.min(this.time.duration,
      this.paper.seconds(this.scene.axis.inner) ?? CLOSE_S);
    const from = Math.max(0, Math.min(
      this.time.cursor - width / 2, this.time.duration - width));
    return [from, from + width];
  }

  resize() {
    const heights = this.heights();
    const wider = this.scene.axis.measure();
    if (!wider && Math.abs(heights.at(-1) - this.tall) < SLIGHT) return;
    this.tall = heights.at(-1);
    this.charts.forEach((chart, n) => chart.resize(heights[n]));
    this.close_drawn = null;
    this.redraw();
  }

  select(key) {
    this.scene.selected = key;
    this.redraw();
    this.describe();
  }

  // The times of the event being edited, or null.
  edit(draft) {
    this.scene.draft = draft;
    this.redraw();
  }

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
    const { axis, trends } = this.scene;
    const points = axis.inner;
    if (this.waveform.there) {
      this.ecgRange = this.waveform.limits() ?? this.ecgRange
        ?? this.seenRange(from, to, points);
      this.seen = this.waveform.view(from, to, points);
      this.ecgChart.fill(this.seen.line);
      this.tell(this.seen.missing);
    } else {
      this.ecgChart.fill([[], []]);
    }
    this.drawClose(points);
    const [x, rate, base, chance] = trends === null
      ? [[], [], [], []] : trends.view(from, to, points);
    this.rateChart.fill([x, base, rate]);
    this.chanceChart.fill([x, chance]);
    this.layers.draw();
    this.overview.draw();
    this.drawCursor();
    this.actions.drawn();
    if (!this.shown && trends !== null
      && !(this.waveform.there && empty(this.seen))) {
      this.shown = true;
      performance.mark("shown");
    }
  }

  // The same in words as the hatching.
  tell(missing) {
    const reasons = [...new Set(missing.map((one) => one.why))].join("; ");
    if (reasons === this.reasons) return;
    this.reasons = reasons;
    this.ecgBody.setAttribute("role", "img");
    this.ecgBody.setAttribute("aria-label",
      reasons ? `ECG, in part not shown: ${reasons}` : "ECG");
  }

  // Panning does not change the close-up.
  drawClose(points) {
    const { beats, events, time } = this.scene;
    const state = `${time.cursor} ${this.waveform.arrivals} ${points} `
      + `${this.ecgRange} ${beats === null} ${events.review.version}`;
    if (state === this.close_drawn) return;
    this.close_drawn = state;
    this.near = this.waveform.there ? this.nearby(points) : null;
    this.closeChart.fill(this.near?.line ?? [[], []]);
  }

  // The ECG of the close-up, with the filters that are on.
  nearby(points) {
    const { paper } = this;
    const [from, to] = this.closeWindow();
    let near = this.waveform.view(from, to, points);
    let told = paper.told;
    if (paper.filtered) {
      // Only samples can be filtered, with some before and after.
      const whole = this.waveform.view(from - SETTLE_S, to + SETTLE_S,
        Infinity);
      if (whole.columns[0].length + whole.missing.length === 0) {
        near = { ...whole, line: [whole.line[0],
          paper.apply(whole.line[1])] };
      } else {
        told = ["as recorded: samples are missing"];
      }
    }
    const seen = near.line[1].filter((_, n) => near.line[0][n] >= from
      && near.line[0][n] <= to);
    this.closeRange = paper.limits(seen, this.closeChart.inner)
      ?? (paper.filtered ? limitsOf(seen) : undefined) ?? this.ecgRange;
    this.close.querySelector("small").textContent = [
      ...(paper.seconds(1) === null ? [`${CLOSE_S} s`] : []),
      "at the cursor", ...told].join(", ");
    return near;
  }

  // Drags a caliper in the close-up; a click removes it.
  measure(event) {
    const { u } = this.closeChart;
    const box = u.over.getBoundingClientRect();
    if (event.button !== 0 || event.clientX < box.left) return;
    const at = (next) => ({
      seconds: u.posToVal(next.clientX - box.left, "x"),
      value: u.posToVal(next.clientY - box.top, "y") });
    const start = at(event);
    const show = (caliper) => {
      this.paper.caliper = caliper;
      this.close_drawn = null;
      this.redraw();
    };
    const moved = (next) => show({ start, stop: at(next) });
    this.closeBody.setPointerCapture(event.pointerId);
    this.closeBody.addEventListener("pointermove", moved);
    const stop = (last) => {
      this.closeBody.removeEventListener("pointermove", moved);
      if (Math.abs(last.clientX - event.clientX) < 3) show(null);
      else say(this.paper.reading());
    };
    this.closeBody.addEventListener("lostpointercapture", stop,
      { once: true });
    show(null);
  }

  seenRange(from, to, points) {
    const { line, columns } = this.waveform.view(from, to, points);
    return limitsOf([...line[1], ...columns[1]]);
  }

  drawCursor() {
    const { cursor, from, to } = this.time;
    const seen = cursor >= from && cursor <= to;
    this.line.hidden = !seen;
    if (seen) {
      this.line.style.transform = `translateX(${
        this.scene.axis.left(cursor)}px)`;
      this.line.style.height = `${this.close.offsetTop - 4}px`;
    }
  }

  describe() {
    const { from, to } = this.time;
    const span = `${since(from)} to ${since(to)}`;
    const { trends } = this.scene;
    const rate = trends === null ? [] : trends.view(
      from, to, 400)[1].filter((one) => one !== null);
    const text = rate.length === 0 ? "heart rate unknown"
      : `heart rate ${Math.round(Math.min(...rate))} to `
        + `${Math.round(Math.max(...rate))} bpm`;
    this.layers.canvas.setAttribute("aria-label", `Events from ${span}`);
    this.rateBody.setAttribute("role", "img");
    this.rateBody.setAttribute("aria-label", `${span}: ${text}`);
    this.overview.canvas.setAttribute("aria-label",
      `Heart rate and events of the whole recording. Shown range: ${span}`);
  }

  // All values at a time.
  values(seconds) {
    const { beats, detail, trends } = this.scene;
    const [rate, base, chance] = trends === null
      ? [null, null, null] : trends.at(seconds);
    const lost = detail.unscorable.some(
      ([start, stop]) => seconds >= start && seconds < stop);
    const beat = beats === null ? null : beats.kindAt(seconds);
    return { rate, base, chance, lost, beat };
  }
}

// Limits that fit values; undefined if there are none.
function limitsOf(values) {
  const known = values.filter((one) => one !== null);
  if (known.length === 0) return undefined;
  const [low, high] = known.reduce(([a, b], one) => [
    Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
  const room = 0.12 * (high - low) || 1;
  return [low - room, high + room];
}

function empty({ line, columns }) {
  return line[1].length + columns[1].length === 0;
}
