// Mouse and touch: pan, zoom, set the cursor, select, drag a bar.
import { GUTTER } from "./axis.js";

// A shorter drag is a click, in pixels.
const STILL = 4;
const tenth = (value) => Math.round(value * 10) / 10;

export class Pointer {
  // `places` are the elements: stack, over, lanes, close.
  constructor(scene, lanes, places, actions) {
    Object.assign(this, { scene, lanes, places, actions });
    const { stack, over } = places;
    stack.addEventListener("wheel", (event) => this.wheel(event),
      { passive: false });
    stack.addEventListener("pointerdown", (event) => this.down(event));
    stack.addEventListener("dblclick", (event) => {
      scene.time.zoom(0.5, scene.axis.secondsAt(scene.axis.xOf(event)));
    });
    over.addEventListener("pointerdown",
      (event) => this.downOverview(event));
  }

  wheel(event) {
    const { axis, time } = this.scene;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      time.pan((event.deltaX || event.deltaY) / 1200);
    } else {
      time.zoom(1.0018 ** event.deltaY,
        axis.secondsAt(axis.xOf(event)));
    }
  }

  drag(event, moved, done) {
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const stop = (last) => {
      target.removeEventListener("pointermove", moved);
      target.removeEventListener("pointerup", stop);
      target.removeEventListener("pointercancel", stop);
      done(last);
    };
    target.addEventListener("pointermove", moved);
    target.addEventListener("pointerup", stop);
    target.addEventListener("pointercancel", stop);
  }

  down(event) {
    if (event.button !== 0
      || this.places.close.contains(event.target)) return;
    const { axis, time } = this.scene;
    const start = axis.xOf(event);
    const grip = this.places.lanes.contains(event.target)
      ? this.lanes.grip(start) : null;
    if (grip !== null) {
      this.dragBar(event, start, grip);
      return;
    }
    const { from, to } = time;
    let dragged = false;
    this.drag(event, (next) => {
      const moved = axis.xOf(next) - start;
      if (Math.abs(moved) > STILL) dragged = true;
      const shift = moved / axis.inner * (to - from);
      if (dragged) time.set(from - shift, to - shift);
    }, (last) => {
      if (!dragged && last.type === "pointerup") this.click(event, start);
    });
  }

  click(event, x) {
    const seconds = this.scene.axis.secondsAt(x);
    this.scene.time.point(seconds);
    if (!this.places.lanes.contains(event.target)) return;
    const hit = this.lanes.hit(event, seconds);
    if (hit === null) return;
    if (hit.key !== undefined) this.actions.select(hit.key);
    else this.actions.selectAt(hit);
  }

  dragBar(event, start, grip) {
    const { axis, draft, time } = this.scene;
    const { onset_s, duration_s } = draft;
    this.drag(event, (next) => {
      const shift = axis.secondsAt(axis.xOf(next)) - axis.secondsAt(start);
      let [on, off] = [onset_s, onset_s + duration_s];
      if (grip !== "end") on = tenth(onset_s + shift);
      if (grip !== "start") off = tenth(onset_s + duration_s + shift);
      on = Math.max(0, on);
      off = Math.min(time.duration, off);
      if (off - on >= 0.1) this.actions.drafted(on, off - on);
    }, () => {});
  }

  downOverview(event) {
    const { axis, time } = this.scene;
    const at = (next) => (axis.xOf(next) - GUTTER)
      / axis.inner * time.duration;
    const begin = at(event);
    if (begin < time.from || begin > time.to) time.show(time.width, begin);
    const { from, to } = time;
    this.drag(event, (next) => {
      const shift = at(next) - begin;
      time.set(from + shift, to + shift);
    }, () => {});
  }
}
