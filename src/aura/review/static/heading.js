// Heading, notices, toolbar and legend of a recording.
import { badge, counted, element, lasting, number, sentence } from "./dom.js";
import { keysDialog } from "./keys.js";

function lostShare({ unscorable, duration_s }) {
  return unscorable.reduce(
    (sum, [start, stop]) => sum + stop - start, 0) / duration_s;
}

export function heading(detail, clock) {
  const { counts } = detail;
  return element("div", { class: "heading" },
    element("h1", null, element("bdi", null, detail.path)),
    element("p", null,
      `${detail.patient} · ${clock.date(0)} ${clock.time(0)} · `
      + `${lasting(detail.duration_s)} · `
      + (detail.fs_hz === null ? "beats only"
        : `${detail.channel || "ECG"} at ${number(detail.fs_hz)} Hz`)
      + ` · ${number(100 * lostShare(detail), 2)} % unscorable`),
    element("p", { class: "counts", title: "SzCORE event counts: events "
      + "less than 90 s apart are joined, events over 5 min are split" },
      ...(counts === null ? [detail.annotated ? "" : "not annotated"]
        : ["TP", "FP", "FN"].map((name) => badge(name, counts[name])))));
}

export function notices(detail) {
  const told = [];
  if (lostShare(detail) >= 0.999) {
    told.push(["unscorable", "The whole recording is unscorable. The absence "
      + "of alarms does not mean that there were no seizures."]);
  }
  if (!detail.annotated) {
    told.push(["not-annotated", "This recording is not annotated, so its "
      + "alarms cannot be scored."]);
  }
  if (detail.review.error !== null) {
    told.push(["read-only",
      sentence(`Decisions cannot be saved: ${detail.review.error}`)]);
  }
  const warned = detail.problems.map(
    (one) => `${one.rule}: ${one.text}`);
  return [
    ...told.map(([about, text]) => element("p", { class: "notice",
      "data-about": about }, text)),
    ...(warned.length === 0 ? [] : [element("details", {
      class: "notice", "data-about": "warnings" }, element("summary", null,
      `${counted(warned.length, "warning")} about this recording`),
    element("ul", null, ...warned.map(
      (text) => element("li", null, text))))])];
}

// `does` has the actions of the buttons: jump, zoom, show.
export function toolbar(detail, widths, does) {
  const button = (word, onclick, key, title) => element("button", {
    type: "button", title: `${title} (${key})`, "aria-label": title,
    "aria-keyshortcuts": key, onclick }, word);
  const kind = detail.annotated ? "disagreement" : "alarm";
  return element("div", { class: "toolbar", role: "toolbar",
    "aria-label": "Navigation and zoom" },
  button("◀ previous", () => does.jump(-1), "p",
    `Previous ${kind}`),
  button(`next ${kind} ▶`, () => does.jump(1), "n",
    `Next ${kind}`),
  element("span", { class: "gap" }),
  button("−", () => does.zoom(2), "-", "Zoom out"),
  button("+", () => does.zoom(0.5), "+", "Zoom in"),
  ...["10 s", "1 min", "10 min", "1 h", "all"].map((word, n) => button(
    word, () => does.show(widths[n]), String(n + 1),
    `Show ${word}`)),
  element("span", { class: "gap" }),
  button("shortcuts", keysDialog, "?", "Show keyboard shortcuts"));
}

export function legend() {
  const item = (name, text) => element("li", null,
    element("span", { class: `sample ${name}` }), text);
  return element("ul", { class: "legend", "aria-label": "Legend" },
    item("heart", "heart rate"), item("base", "baseline"),
    item("excess", "above baseline"), item("chance", "model score"),
    item("original", "annotation"), item("predicted", "alarm"),
    item("reviewed", "reviewed"), item("lost", "unscorable"),
    element("li", null, "▼ R peak  ▽ ectopic beat  ✕ artifact"));
}
