// The time range that all plots show, and the cursor.

const SHORTEST_S = 1;

export class TimeWindow {
  constructor(duration_s, changed) {
    this.duration = duration_s;
    this.from = 0;
    this.to = duration_s;
    this.cursor = 0;
    this.changed = changed;
  }

  get width() {
    return this.to - this.from;
  }

  set(from, to) {
    const width = Math.min(this.duration,
      Math.max(Math.min(SHORTEST_S, this.duration), to - from));
    this.from = Math.max(0, Math.min(from, this.duration - width));
    this.to = this.from + width;
    this.changed();
  }

  pan(share) {
    this.move(this.from + share * this.width);
  }

  // Shows the same width from another time on.
  move(from) {
    this.moved = true;
    this.set(from, from + this.width);
  }

  // After a move the cursor comes into view.
  settle() {
    if (this.moved && this.looked !== this.cursor) this.point(this.looked);
    this.moved = false;
  }

  // The cursor, or the middle if the cursor is out of view.
  get looked() {
    const { cursor, from, to } = this;
    return cursor >= from && cursor <= to ? cursor : (from + to) / 2;
  }

  zoom(factor, around) {
    const at = around ?? this.looked;
    const width = Math.min(this.duration, Math.max(
      Math.min(SHORTEST_S, this.duration), this.width * factor));
    const share = (at - this.from) / this.width;
    this.set(at - share * width, at + (1 - share) * width);
  }

  show(width, around) {
    const middle = around ?? this.looked;
    this.set(middle - width / 2, middle + width / 2);
  }

  point(seconds) {
    this.cursor = Math.max(0, Math.min(this.duration, seconds));
    this.changed();
  }
}

// Index of the first value that is at least `sought`.
export function firstAtLeast(values, sought) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < sought) low = middle + 1;
    else high = middle;
  }
  return low;
}
