// The close-up as on ECG paper: scale, filters, grid, calipers.
import { element, number, remember, remembered } from "./dom.js";
import { filtered } from "./filters.js";
import { FONT_SIZE, font } from "./paint.js";

// CSS pixels per millimetre, until the screen was measured.
const PIXELS_PER_MM = 96 / 25.4;
const RULER_PX = 400;
const LIKELY = [0.3, 4];
// Millivolts per unit.
const UNITS = { mV: 1, uV: 1e-3, "µV": 1e-3, "μV": 1e-3, V: 1e3, nV: 1e-6 };
// Seconds of samples on both sides for filters to settle.
export const SETTLE_S = 4;
const PASS_HZ = [0.5, 40];
const CHOICES = {
  speed: [["fit", "10 s wide"], ["25", "25 mm/s"], ["50", "50 mm/s"]],
  gain: [["fit", "fit height"], ["5", "5 mm/mV"], ["10", "10 mm/mV"],
    ["20", "20 mm/mV"]],
  filter: [["none", "no filter"], ["base", "baseline removed"],
    ["pass", "0.5 to 40 Hz"]],
  mains: [["none", "no mains filter"], ["50", "50 Hz removed"],
    ["60", "60 Hz removed"]] };
const TITLES = { speed: "Paper speed", gain: "Gain", filter: "Filter",
  mains: "Mains filter" };

export class Paper {
  constructor(detail, changed) {
    this.rate = detail.fs_hz;
    this.per_mv = UNITS[detail.unit] === undefined ? null
      : 1 / UNITS[detail.unit];
    this.changed = changed;
    this.caliper = null;
    this.chosen = { speed: "fit", gain: "fit", filter: "none",
      mains: "none", invert: false, ...this.kept() };
    if (this.per_mv === null) this.chosen.gain = "fit";
  }

  kept() {
    try {
      return JSON.parse(remembered("paper")) ?? {};
    } catch {
      return {};
    }
  }

  get pixels() {
    // In device pixels, so that zooming the browser does not change it.
    return Number(remembered("pixels-per-mm")) / devicePixelRatio
      || PIXELS_PER_MM;
  }

  choose(name, value) {
    this.chosen[name] = value;
    this.caliper = null;
    remember("paper", JSON.stringify(this.chosen));
    this.changed();
  }

  // Width of the close-up in seconds; null for the usual one.
  seconds(width) {
    const { speed } = this.chosen;
    return speed === "fit" ? null : width / (this.pixels * Number(speed));
  }

  // Limits around the middle of what is seen; null to fit.
  limits(values, height) {
    if (this.chosen.gain === "fit") return null;
    const known = values.filter((one) => one !== null).sort((a, b) => a - b);
    const at = (share) => known[Math.floor(share * (known.length - 1))] ?? 0;
    // An R peak is short: few samples are near it.
    const middle = (at(0.01) + at(0.998)) / 2;
    const half = height / (this.pixels * Number(this.chosen.gain))
      * this.per_mv / 2;
    return [middle - half, middle + half];
  }

  get filtered() {
    const { filter, invert, mains } = this.chosen;
    return filter !== "none" || mains !== "none" || invert;
  }

  // What is on, in words.
  get told() {
    const { filter, gain, invert, mains, speed } = this.chosen;
    const word = (name, value) => CHOICES[name].find(
      ([one]) => one === value)[1];
    return [speed === "fit" ? "" : word("speed", speed),
      gain === "fit" ? "" : word("gain", gain),
      filter === "none" ? "" : word("filter", filter),
      mains === "none" ? "" : word("mains", mains),
      invert ? "inverted" : ""].filter(Boolean);
  }

  // Samples with the chosen filters.
  apply(values) {
    const { filter, invert, mains } = this.chosen;
    const done = filtered(values, this.rate, {
      above: filter === "none" ? null : PASS_HZ[0],
      below: filter === "pass" ? PASS_HZ[1] : null,
      without: mains === "none" ? null : Number(mains) });
    return invert ? done.map((one) => (one === null ? null : -one)) : done;
  }

  // -- drawing -----------------------------------------------------------

  // Lines at 1 and 5 mm, where speed or gain is true to scale.
  grid(u, [from, to], colours) {
    const { ctx, bbox } = u;
    const step = this.pixels * devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = colours.paper;
    const draw = (every, alpha) => {
      ctx.globalAlpha = alpha;
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      if (this.chosen.speed !== "fit") {
        // The grid moves with the ECG.
        const shift = from * bbox.width / (to - from) % (every * step);
        for (let x = -shift; x <= bbox.width; x += every * step) {
          if (x < 0) continue;
          ctx.moveTo(bbox.left + x, bbox.top);
          ctx.lineTo(bbox.left + x, bbox.top + bbox.height);
        }
      }
      if (this.chosen.gain !== "fit") {
        for (let y = bbox.height % (every * step); y <= bbox.height;
          y += every * step) {
          ctx.moveTo(bbox.left, bbox.top + y);
          ctx.lineTo(bbox.left + bbox.width, bbox.top + y);
        }
      }
      ctx.stroke();
    };
    draw(1, 0.35);
    draw(5, 0.95);
    ctx.restore();
  }

  // A pulse of 1 mV that lasts 0.2 s.
  pulse(u, colours) {
    if (this.chosen.gain === "fit" || this.chosen.speed === "fit") return;
    const { ctx, bbox } = u;
    const step = this.pixels * devicePixelRatio;
    const [wide, high] = [Number(this.chosen.speed) / 5 * step,
      Number(this.chosen.gain) * step];
    const [x, y] = [bbox.left + step, bbox.top + bbox.height / 2 + high / 2];
    ctx.save();
    ctx.fillStyle = colours.panel;
    ctx.fillRect(bbox.left, y - high - step, wide + 4 * step,
      high + 2 * step);
    ctx.strokeStyle = colours.ecg;
    ctx.lineWidth = 1.4 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + step, y);
    ctx.lineTo(x + step, y - high);
    ctx.lineTo(x + step + wide, y - high);
    ctx.lineTo(x + step + wide, y);
    ctx.lineTo(x + 2 * step + wide, y);
    ctx.stroke();
    ctx.restore();
  }

  // The measured stretch, in ms, beats per minute and the ECG's unit.
  measured(u, colours) {
    if (this.caliper === null) return;
    const { ctx } = u;
    const { start, stop } = this.caliper;
    const ratio = devicePixelRatio;
    const x = (one) => u.valToPos(one.seconds, "x", true);
    const y = (one) => u.valToPos(one.value, "y", true);
    ctx.save();
    ctx.strokeStyle = colours.focus;
    ctx.fillStyle = `${colours.focus}22`;
    ctx.lineWidth = 1.5 * ratio;
    ctx.fillRect(x(start), y(start), x(stop) - x(start), y(stop) - y(start));
    ctx.strokeRect(x(start), y(start), x(stop) - x(start),
      y(stop) - y(start));
    ctx.font = font(FONT_SIZE * ratio);
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    const { left, top, width } = u.bbox;
    const text = this.reading();
    const wide = ctx.measureText(text).width + 12 * ratio;
    const at = Math.max(left, Math.min(
      left + width - wide, (x(start) + x(stop) - wide) / 2));
    ctx.fillStyle = colours.panel;
    ctx.fillRect(at, top + 12 * ratio, wide, 20 * ratio);
    ctx.fillStyle = colours.ink;
    ctx.fillText(text, at + 6 * ratio, top + 15 * ratio);
    ctx.restore();
  }

  reading() {
    const { start, stop } = this.caliper;
    const seconds = Math.abs(stop.seconds - start.seconds);
    const height = Math.abs(stop.value - start.value);
    const bpm = seconds > 0 ? 60 / seconds : Infinity;
    return `${Math.round(1000 * seconds)} ms`
      + `${bpm < 1000 ? ` · ${Math.round(bpm)} bpm` : ""} · ${
        this.per_mv === null ? number(height, 2)
          : `${number(height / this.per_mv, 2)} mV`}`;
  }

  // -- controls ----------------------------------------------------------

  controls() {
    const select = (name) => {
      const made = element("select", { "aria-label": TITLES[name],
        disabled: name === "gain" && this.per_mv === null,
        title: name === "gain" && this.per_mv === null
          ? "The unit of this ECG is unknown" : TITLES[name],
        onchange: () => this.choose(name, made.value) },
      ...CHOICES[name].map(([value, word]) => element("option", { value,
        selected: value === this.chosen[name] }, word)));
      return made;
    };
    const invert = element("input", { type: "checkbox",
      checked: this.chosen.invert,
      onchange: () => this.choose("invert", invert.checked) });
    return element("div", { class: "paper", role: "group",
      "aria-label": "Close-up" },
    ...Object.keys(CHOICES).map(select),
    element("label", { class: "check" }, invert, " invert"),
    element("button", { type: "button", onclick: () => this.calibrate() },
      "calibrate screen"));
  }

  calibrate() {
    const bar = element("div", { class: "ruler" });
    bar.style.width = `${RULER_PX}px`;
    const length = element("input", { inputmode: "decimal",
      "aria-label": "Length of the bar in mm",
      value: (RULER_PX / this.pixels).toFixed(1) });
    const wrong = element("p", { class: "wrong", role: "alert" });
    const dialog = element("dialog", { "aria-labelledby": "ruler-title" },
      element("h2", { id: "ruler-title" }, "Calibrate the screen"),
      element("p", null, "Measure this bar with a ruler, and enter its "
        + "length in mm."),
      bar, element("form", { method: "dialog", class: "buttons",
        onsubmit: (sent) => {
          const mm = Number(length.value.replace(",", "."));
          const pixels = RULER_PX / mm;
          if (pixels > LIKELY[0] * PIXELS_PER_MM
            && pixels < LIKELY[1] * PIXELS_PER_MM) {
            remember("pixels-per-mm", String(pixels * devicePixelRatio));
            this.changed();
            return;
          }
          sent.preventDefault();
          wrong.textContent = "Enter a length from 27 to 350 mm.";
        } }, length, element("button", { class: "save" }, "Save"),
      element("button", { type: "button",
        onclick: () => dialog.close() }, "Cancel")), wrong);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}
