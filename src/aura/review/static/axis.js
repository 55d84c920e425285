// Converts times to pixels on the shared time axis.

export const GUTTER = 122;
export const RIGHT = 14;
const NARROWEST = 240;

export class Axis {
  constructor(place, time) {
    this.place = place;
    this.time = time;
    this.measure();
  }

  // Reads the width on resize only: reading it forces a layout.
  measure() {
    const before = this.width;
    this.width = Math.max(NARROWEST, this.place.clientWidth);
    return this.width !== before;
  }

  get inner() {
    return this.width - GUTTER - RIGHT;
  }

  left(seconds) {
    return GUTTER + (seconds - this.time.from) / this.time.width
      * this.inner;
  }

  secondsAt(x) {
    return this.time.from + (x - GUTTER) / this.inner * this.time.width;
  }

  xOf(event) {
    return event.clientX - this.place.getBoundingClientRect().left;
  }
}
