// Colours, hatching, canvases and time ticks, shared by all plots.

const NAMES = ["ink", "muted", "line", "grid", "panel", "heart", "baseline",
  "excess", "chance", "threshold", "original", "predicted", "reviewed",
  "lost", "ecg", "paper", "focus", "tp", "fp", "fn"];

export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map(
    (name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export const FONT_SIZE = 12;
export const font = (size) => `${size}px system-ui, 'Segoe UI', Roboto, `
  + "'Noto Sans', 'DejaVu Sans', sans-serif";
// A whole number: uPlot scales the digits before "px" by the pixel ratio.
export const FONT = font(FONT_SIZE);

const patterns = new Map();

// Diagonal stripes, so that layers differ by more than colour.
export function hatch(context, colour, step = 6, backwards = false) {
  const name = `${colour} ${step} ${backwards} ${devicePixelRatio}`;
  if (!patterns.has(name)) {
    const size = Math.round(step * devicePixelRatio);
    const tile = document.createElement("canvas");
    tile.width = size;
    tile.height = size;
    const pen = tile.getContext("2d");
    pen.strokeStyle = colour;
    pen.lineWidth = Math.max(1, devicePixelRatio);
    const sign = backwards ? -1 : 1;
    for (const shift of [-size, 0, size]) {
      pen.beginPath();
      pen.moveTo(shift, sign > 0 ? size : 0);
      pen.lineTo(shift + size, sign > 0 ? 0 : size);
      pen.stroke();
    }
    patterns.set(name, tile);
  }
  return context.createPattern(patterns.get(name), "repeat");
}

// Fits a canvas to its box, in device pixels.
export function fit(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
  1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400];

// Round clock times between two times of the recording.
export function ticks(from, to, clock, room) {
  const most = Math.max(1, Math.floor(room / 86));
  const step = STEPS_S.find((one) => (to - from) / one <= most)
    ?? 86400 * Math.ceil((to - from) / most / 86400);
  const found = [];
  const first = Math.ceil((from + clock.midnight_s) / step - 1e-9);
  for (let n = first; n * step - clock.midnight_s <= to + 1e-9; n += 1) {
    found.push(n * step - clock.midnight_s);
  }
  return { step, found };
}

export function tickLabels(from, to, clock, room) {
  const { step, found } = ticks(from, to, clock, room);
  let day = null;
  return found.map((at) => {
    const date = clock.date(at);
    const time = clock.time(at, step < 1 ? 1 : 0);
    const text = step >= 60 ? time.slice(0, 5) : time;
    const turned = day !== null && date !== day;
    day = date;
    return [at, turned ? `${date.slice(5)} ${text}` : text];
  });
}
