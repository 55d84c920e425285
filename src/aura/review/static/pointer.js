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
    this.fingers = new Map();
    stack.addEventListener("pointermove", (event) => this.pinch(event));
    for (const end of ["pointerup", "pointercancel"]) {
      stack.addEventListener(end,
        (event) => this.fingers.delete(event.pointerId));
    }
    stack.addEventListener("dblclick", (event) => {
      scene.time.zoom(0.5, scene.axis.secondsAt(scene.axis.xOf(event)));
    });
    over.addEventListener("pointerdown",
      (event) => this.downOverview(event));
  }

  wheel(event) {
    const { axis, time } = this.scene;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      time.pan((event.deltaX || event.deltaY) / 1200);
      return;
    }
    // The wheel scrolls the page where there is nothing to zoom.
    if (this.places.close.contains(event.target) || axis.xOf(event) < GUTTER
      || (event.deltaY > 0 && time.width >= time.duration)) return;
    event.preventDefault();
    time.zoom(1.0018 ** event.deltaY, axis.secondsAt(axis.xOf(event)));
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
    this.fingers.set(event.pointerId, start);
    if (this.fingers.size > 1) {
      event.currentTarget.setPointerCapture(event.pointerId);
      return;
    }
    if (this.scene.editable && this.places.lanes.contains(event.target)
      && this.lanes.reviewing(event) && start > GUTTER) {
      const grip = this.lanes.grip(start);
      if (grip !== null) {
        this.dragBar(event, start, grip);
        return;
      }
      if (this.lanes.hit(event, axis.secondsAt(start)) === null) {
        this.dragNew(event, start);
        return;
      }
    }
    const { from, to } = time;
    let [dragged, pinched] = [false, false];
    this.drag(event, (next) => {
      const moved = axis.xOf(next) - start;
      if (Math.abs(moved) > STILL) dragged = true;
      if (this.fingers.size > 1) pinched = true;
      if (dragged && !pinched) {
        time.move(from - moved / axis.inner * (to - from));
      }
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
    const { axis, time } = this.scene;
    const { onset_s, duration_s } = this.lanes.edited;
    let dragged = false;
    this.drag(event, (next) => {
      if (Math.abs(axis.xOf(next) - start) > STILL) dragged = true;
      if (!dragged) return;
      const shift = axis.secondsAt(axis.xOf(next)) - axis.secondsAt(start);
      let [on, off] = [onset_s, onset_s + duration_s];
      if (grip !== "end") on = tenth(onset_s + shift);
      if (grip !== "start") off = tenth(onset_s + duration_s + shift);
      on = Math.max(0, on);
      off = Math.min(time.duration, off);
      if (off - on >= 0.1) this.actions.drafted(on, off - on);
    }, () => {
      if (!dragged) this.click(event, start);
    });
  }

  // Draws an event that is not there yet.
  dragNew(event, start) {
    const { axis, time } = this.scene;
    const before = this.scene.draft;
    const edge = (x) => Math.max(0, Math.min(
      time.duration, tenth(axis.secondsAt(x))));
    const span = (x) => [edge(start), edge(x)].sort((a, b) => a - b);
    this.drag(event, (next) => {
      const [on, off] = span(axis.xOf(next));
      this.actions.outlined({ onset_s: on, duration_s: off - on });
    }, (last) => {
      const [on, off] = span(axis.xOf(last));
      this.actions.outlined(before);
      if (Math.abs(axis.xOf(last) - start) <= STILL) this.click(event, start);
      else if (last.type === "pointerup") this.actions.create(on, off - on);
    });
  }

  // Two fingers zoom: the times under them stay under them.
  pinch(event) {
    const { axis, time } = this.scene;
    if (!this.fingers.has(event.pointerId)) return;
    const before = [...this.fingers.values()];
    this.fingers.set(event.pointerId, axis.xOf(event));
    if (before.length !== 2) return;
    const apart = ([x, y]) => Math.max(STILL, Math.abs(x - y));
    const middle = ([x, y]) => (x + y) / 2;
    const after = [...this.fingers.values()];
    const width = time.width * apart(before) / apart(after);
    const from = axis.secondsAt(middle(before))
      - (middle(after) - GUTTER) / axis.inner * width;
    time.set(from, from + width);
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
