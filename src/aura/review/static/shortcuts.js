// What the keys do on the page of a recording.
import { keysDialog, singleKeys, typing } from "./keys.js";

export const WIDTHS = [10, 60, 600, 3600, Infinity];

export function keyed(page, event) {
  if (event.defaultPrevented || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z" || typing(event.target)) return;
    event.preventDefault();
    page.takeBack(event.shiftKey);
    return;
  }
  if (event.key === "Escape") {
    if (event.target.id !== "reviewer") page.cancel();
    document.activeElement?.blur();
    return;
  }
  // Holding a key down must not repeat a decision.
  if (typing(event.target) || (event.repeat && "axuie".includes(
    event.key))) return;
  const act = (action) => page.selected !== null
    && page.decide(action, page.selected);
  const event_now = page.events.byKey.get(page.selected);
  const step = event.shiftKey ? 1 : 0.2;
  const always = {
    ArrowLeft: () => page.time.pan(-step),
    ArrowRight: () => page.time.pan(step),
    ...(page.panel.form.touched
      && event.target.closest("button, a, summary") === null
      ? { Enter: () => page.panel.form.save() } : {}),
    Home: () => page.time.move(0),
    End: () => page.time.move(page.detail.duration_s) };
  const single = {
    n: () => page.jump(1, true), p: () => page.jump(-1, true),
    N: () => page.jump(1, false), P: () => page.jump(-1, false),
    "+": () => page.time.zoom(0.5), "=": () => page.time.zoom(0.5),
    "-": () => page.time.zoom(2), "?": keysDialog,
    ",": () => page.move(-1), ".": () => page.move(1),
    "<": () => page.move(-10), ">": () => page.move(10),
    a: () => event_now?.layer !== "added" && act("accept"),
    x: () => act(event_now?.layer === "added" ? "remove" : "reject"),
    u: () => act("reset"), e: () => page.panel.form.focus(),
    i: () => page.add(), s: () => page.put(false), f: () => page.put(true) };
  WIDTHS.forEach((width, n) => {
    single[n + 1] = () => page.time.show(width);
  });
  const does = always[event.key]
    ?? (singleKeys() ? single[event.key] : undefined);
  if (does === undefined) return;
  event.preventDefault();
  does();
}
