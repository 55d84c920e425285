// Background of a chart, and the lines drawn on its traces.
import { number } from "./dom.js";
import { font, hatch } from "./paint.js";

// Unscorable segments, annotations, alarms, and the range of the close-up.
export function backdrop(scene, u, [from, to], near = null) {
  const { ctx, bbox } = u;
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
  const stripes = hatch(ctx, scene.colours.lost, 7, true);
  for (const [start, stop] of scene.detail.unscorable) {
    if (stop >= from && start <= to) {
      band(start, stop, `${scene.colours.lost}66`);
      band(start, stop, stripes);
    }
  }
  for (const layer of ["original", "predicted"]) {
    const colour = scene.colours[layer];
    const seen = scene.events.layers[layer].between(from, to);
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
  if (near !== null) band(...near, `${scene.colours.focus}2e`, 2);
  ctx.restore();
}

// The alarm threshold.
export function threshold(scene, u) {
  const { threshold: level } = scene.detail;
  if (level === null) return;
  const { ctx, bbox } = u;
  const y = Math.round(u.valToPos(level, "y", true)) + 0.5;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = scene.colours.threshold;
  ctx.lineWidth = 1.2 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  const text = `threshold ${number(level, 2)}`;
  ctx.font = font(11 * ratio);
  ctx.textAlign = "right";
  ctx.textBaseline = level > 0.8 ? "top" : "bottom";
  const x = bbox.left + bbox.width - 5 * ratio;
  const low = y + (level > 0.8 ? 4 : -4) * ratio;
  ctx.lineJoin = "round";
  ctx.setLineDash([]);
  ctx.strokeStyle = scene.colours.panel;
  ctx.lineWidth = 4 * ratio;
  ctx.strokeText(text, x, low);
  ctx.fillStyle = scene.colours.threshold;
  ctx.fillText(text, x, low);
  ctx.restore();
}

// The cursor of a chart with its own time range.
export function pointer(scene, u, [from, to]) {
  const { ctx, bbox } = u;
  const x = bbox.left + (scene.time.cursor - from) / (to - from)
    * bbox.width;
  ctx.save();
  ctx.fillStyle = scene.colours.focus;
  ctx.fillRect(x - 0.75 * devicePixelRatio, bbox.top,
    1.5 * devicePixelRatio, bbox.height);
  ctx.restore();
}
