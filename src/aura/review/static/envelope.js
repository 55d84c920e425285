// The ECG where its samples are not drawn: as columns, or as missing.
import { FONT_SIZE, font, hatch } from "./paint.js";

// `x` and `y` contain each segment twice, minimum first; null is a gap. A line
// up and down in every pixel would take a browser many times as long.
export function envelope(u, colour, [x, y]) {
  const { ctx, bbox } = u;
  const { min: from, max: to } = u.scales.x;
  const { min: low, max: high } = u.scales.y;
  const across = bbox.width / (to - from);
  const down = bbox.height / (high - low);
  const foot = bbox.top + bbox.height;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour;
  let [at, top, bottom, wide] = [null, 0, 0, 1];
  const column = () => {
    if (at !== null) ctx.fillRect(at, top, wide, Math.max(1, bottom - top));
  };
  for (let i = 0; i + 1 < x.length; i += 2) {
    if (y[i] === null) {
      column();
      at = null;
      continue;
    }
    const place = Math.floor(bbox.left + (x[i] - from) * across);
    const [lowest, highest] = [Math.round(foot - (y[i] - low) * down),
      Math.round(foot - (y[i + 1] - low) * down)];
    if (place === at) {
      top = Math.min(top, highest);
      bottom = Math.max(bottom, lowest);
      continue;
    }
    column();
    // Adjacent columns overlap, so that a steep line has no breaks.
    [top, bottom] = at === null ? [highest, lowest]
      : [Math.min(highest, bottom), Math.max(lowest, top)];
    at = place;
    // Segments of a coarser tile are wider than one pixel.
    wide = Math.max(1, Math.ceil(2 * (x[i + 1] - x[i]) * across));
  }
  column();
  ctx.restore();
}

// Hatches the spans that have no tile of the wanted detail, and says why.
export function absent(u, colours, missing, [from, to]) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const at = (seconds) => bbox.left + bbox.width * Math.max(0, Math.min(
    1, (seconds - from) / (to - from)));
  ctx.save();
  ctx.font = font(FONT_SIZE * ratio);
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  for (const span of missing) {
    const [left, right] = [at(span.from), at(span.to)];
    ctx.fillStyle = hatch(ctx, colours.muted, 9);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    const { width } = ctx.measureText(span.why);
    if (width + 16 * ratio > right - left) continue;
    const [middle, foot] = [(left + right) / 2, bbox.top + bbox.height];
    ctx.fillStyle = colours.panel;
    ctx.fillRect(middle - width / 2 - 6 * ratio, foot - 20 * ratio,
      width + 12 * ratio, 18 * ratio);
    ctx.fillStyle = colours.ink;
    ctx.fillText(span.why, middle, foot - 5 * ratio);
  }
  ctx.restore();
}
