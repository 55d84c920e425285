// Annotations, alarms and reviewed events as bars, and the bar being edited.
import { GUTTER } from "./axis.js";
import { plain } from "./dom.js";
import { FONT, fit, hatch } from "./paint.js";

export const LANES = ["original", "predicted", "reviewed"];
export const LANE_TITLES = ["annotations", "alarms", "reviewed"];
const LANE = 24;
// Distance at which the pointer still hits a bar, in pixels.
const SLACK = 4;
const GRIP = 8;
// Longest label in seconds of the plot; shortest one in pixels.
const LABELLED_S = 900;
const SHORTEST_LABEL = 12;

export class Lanes {
  constructor(scene, canvas) {
    this.scene = scene;
    this.canvas = canvas;
  }

  draw() {
    const { axis, events, time } = this.scene;
    const ctx = fit(this.canvas, axis.width, LANE * LANES.length);
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER, 0, axis.inner, LANE * LANES.length);
    ctx.clip();
    LANES.forEach((layer, n) => {
      ctx.fillStyle = this.scene.colours.grid;
      ctx.fillRect(GUTTER, n * LANE, axis.inner, 1);
      let free = GUTTER;
      for (const event of events.layers[layer].between(
        time.from, time.to)) {
        free = this.bar(ctx, layer, n, event, free);
      }
    });
    if (this.edited !== null) this.drawDraft(ctx, this.scene.draft !== null);
    ctx.restore();
  }

  bar(ctx, layer, n, event, free) {
    const { axis, colours, selected } = this.scene;
    const x = axis.left(event.onset_s);
    const width = Math.max(3, axis.left(event.onset_s + event.duration_s)
      - x);
    // Skips bars that earlier ones hide: there may be ten thousand.
    if (x + width < free + 0.5 && event.key !== selected) return free;
    const [y, height] = [n * LANE + 4, LANE - 8];
    const colour = colours[layer];
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
    if (event.key !== undefined && event.key === selected) {
      ctx.strokeStyle = colours.focus;
      ctx.lineWidth = 2.4;
      ctx.beginPath();
      ctx.roundRect(x - 2, y - 2, width + 4, height + 4, 4);
      ctx.stroke();
    }
    this.barLabel(ctx, event, x + width, y, height);
    return Math.max(free, x + width);
  }

  barLabel(ctx, event, x, y, height) {
    const { axis, colours, time } = this.scene;
    // The start of the next bar is unknown, so the length is limited.
    const roomiest = LABELLED_S / time.width * axis.inner;
    if (roomiest < SHORTEST_LABEL) return;
    const shape = { TP: "● ", FP: "▲ ", FN: "◆ " }[event.outcome] ?? "";
    const sure = event.confidence === null || event.confidence === undefined
      ? "" : ` ${event.confidence.toFixed(2)}`;
    const text = `${shape}${plain(event.label.slice(0, 40))}${sure}`;
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillStyle = colours.ink;
    if (ctx.measureText(text).width + 10 > roomiest) return;
    ctx.fillText(text, x + 5, y + height / 2 + 0.5);
  }

  // The bar with handles: the one being edited, or the selected event's.
  get edited() {
    const { draft, editable, events, selected } = this.scene;
    if (draft !== null || !editable) return draft;
    const event = events.byKey.get(selected);
    return event === undefined ? null : events.current(event);
  }

  // The two ends of the bar with handles, in pixels.
  ends() {
    const { axis } = this.scene;
    const { onset_s, duration_s } = this.edited;
    return [axis.left(onset_s), axis.left(onset_s + duration_s)];
  }

  drawDraft(ctx, touched) {
    const { colours } = this.scene;
    const [x, end] = this.ends();
    const width = end - x;
    const y = 2 * LANE + 2;
    ctx.fillStyle = `${colours.reviewed}55`;
    ctx.strokeStyle = colours.focus;
    ctx.lineWidth = 2;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.roundRect(x, y, Math.max(3, width), LANE - 4, 3);
    if (touched) ctx.fill();
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = colours.focus;
    for (const edge of [x, x + width]) {
      ctx.beginPath();
      ctx.roundRect(edge - 3, y + 2, 6, LANE - 8, 2);
      ctx.fill();
    }
  }

  // The event under the pointer, or null.
  hit(event, seconds) {
    const { axis, events, time } = this.scene;
    const top = this.canvas.getBoundingClientRect().top;
    const layer = LANES[Math.floor((event.clientY - top) / LANE)];
    const slack = SLACK / axis.inner * time.width;
    return layer === undefined ? null : events.layers[layer].between(
      seconds - slack, seconds + slack)[0] ?? null;
  }

  // Whether the pointer is on the lane of reviewed events.
  reviewing(event) {
    return event.clientY - this.canvas.getBoundingClientRect().top
      > (LANES.length - 1) * LANE;
  }

  // The part of the bar with handles at x: start, end, both, or null.
  grip(x) {
    if (this.edited === null) return null;
    const [x0, x1] = this.ends();
    if (x < x0 - GRIP || x > x1 + GRIP) return null;
    return Math.abs(x - x0) < GRIP ? "start"
      : Math.abs(x - x1) < GRIP ? "end" : "both";
  }
}
