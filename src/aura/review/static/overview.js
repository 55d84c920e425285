// The whole recording: heart rate, annotations, alarms, shown time range.
import { GUTTER } from "./axis.js";
import { FONT, fit, tickLabels } from "./paint.js";

const HEIGHT = 58;
const FOOT = 18;

export class Overview {
  constructor(scene, canvas) {
    this.scene = scene;
    this.canvas = canvas;
    this.drawn = null;
  }

  // Call this when anything but the shown time range has changed.
  forget() {
    this.drawn = null;
  }

  draw() {
    const { axis, colours, events, selected, time } = this.scene;
    const { width } = axis;
    // Panning changes the frame only.
    const state = `${width} ${events.review.version} ${selected}`;
    if (this.drawn !== state) {
      this.drawn = state;
      this.still = document.createElement("canvas");
      this.paint(fit(this.still, width, HEIGHT), width);
    }
    const ctx = fit(this.canvas, width, HEIGHT);
    ctx.drawImage(this.still, 0, 0, width, HEIGHT);
    const x = (seconds) => GUTTER + seconds / time.duration * axis.inner;
    const [x0, x1] = [x(time.from), x(time.to)];
    ctx.fillStyle = `${colours.focus}24`;
    ctx.strokeStyle = colours.focus;
    ctx.lineWidth = 1.6;
    ctx.beginPath();
    ctx.roundRect(x0 - 1, 1, Math.max(4, x1 - x0 + 2), HEIGHT - FOOT, 3);
    ctx.fill();
    ctx.stroke();
  }

  paint(ctx, width) {
    const { axis, clock, colours, detail, events, time } = this.scene;
    const { duration } = time;
    const x = (seconds) => GUTTER + seconds / duration * axis.inner;
    const foot = HEIGHT - FOOT;
    ctx.fillStyle = `${colours.lost}90`;
    for (const [start, stop] of detail.unscorable) {
      ctx.fillRect(x(start), 2, Math.max(1, x(stop) - x(start)), foot - 3);
    }
    if (this.scene.trends !== null) this.paintRate(ctx, x, foot);
    ["original", "predicted"].forEach((layer, n) => {
      ctx.fillStyle = colours[layer];
      let free = -1;
      for (const event of events.layers[layer].events) {
        const at = x(event.onset_s);
        const long = Math.max(2.5, x(event.duration_s) - GUTTER);
        if (at + long < free) continue;
        ctx.fillRect(at, 3 + 7 * n, long, 5);
        free = at + long + 0.5;
      }
    });
    ctx.fillStyle = colours.muted;
    ctx.font = FONT;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "center";
    for (const [at, text] of tickLabels(0, duration, clock,
      axis.inner)) {
      if (x(at) > width - 24) continue;
      ctx.fillRect(x(at), foot, 1, 3);
      ctx.fillText(text, x(at), HEIGHT - 1);
    }
  }

  paintRate(ctx, x, foot) {
    const { axis, colours, rateRange, time, trends } = this.scene;
    const [low, high] = rateRange;
    const seen = trends.view(0, time.duration, axis.inner);
    ctx.strokeStyle = colours.heart;
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
}
