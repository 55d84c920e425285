// Filters of the close-up, which shift no wave.

// Room between a filter's frequency and half the sampling rate.
const ROOM = 2.2;
const NOTCH_Q = 30;

// Samples with frequencies above and below a limit, and without the mains;
// null means no limit. Null among the values stays a gap.
export function filtered(values, rate, { above, below, without }) {
  const possible = (hz) => hz !== null && rate > ROOM * hz;
  const stages = [
    ...(possible(above) ? [passing(above, rate, true)] : []),
    ...(possible(below) ? [passing(below, rate, false)] : []),
    ...(possible(without) ? [notch(without, rate)] : [])];
  const done = values.slice();
  let start = 0;
  while (start < done.length) {
    let end = start;
    while (end < done.length && done[end] !== null) end += 1;
    let part = done.slice(start, end);
    // Forwards and backwards: the second pass takes the delay back.
    for (const stage of stages) {
      part = run(stage, run(stage, part).reverse()).reverse();
    }
    part.forEach((value, n) => {
      done[start + n] = value;
    });
    start = end + 1;
  }
  return done;
}

// Second-order filters of Butterworth (high or low pass), and a notch.
function passing(hz, rate, high) {
  const w = 2 * Math.PI * hz / rate;
  const [cos, alpha] = [Math.cos(w), Math.sin(w) / Math.SQRT2];
  const edge = high ? 1 + cos : 1 - cos;
  return scaled([edge / 2, high ? -edge : edge, edge / 2],
    [1 + alpha, -2 * cos, 1 - alpha]);
}

function notch(hz, rate) {
  const w = 2 * Math.PI * hz / rate;
  const [cos, alpha] = [Math.cos(w), Math.sin(w) / (2 * NOTCH_Q)];
  return scaled([1, -2 * cos, 1], [1 + alpha, -2 * cos, 1 - alpha]);
}

function scaled(b, [first, ...a]) {
  return [...b, ...a].map((one) => one / first);
}

// One pass; it starts as if the first value had lasted for ever.
function run([b0, b1, b2, a1, a2], values) {
  const rest = values[0] ?? 0;
  const level = rest * (b0 + b1 + b2) / (1 + a1 + a2);
  let [x1, x2, y1, y2] = [rest, rest, level, level];
  return values.map((x) => {
    const y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, x, y1, y];
    return y;
  });
}
