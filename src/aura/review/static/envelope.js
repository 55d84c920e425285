// Draws minimum and maximum of segments as columns. A line up and down in
// every pixel takes a browser many times as long.

// `x` and `y` contain each segment twice, minimum first; null is a gap.
export function envelope(u, colour) {
  const { ctx, bbox } = u;
  const [x, y] = u.data;
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
