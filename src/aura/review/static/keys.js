// Keyboard shortcuts, their help, and the switch for single keys.
import { element, remember, remembered } from "./dom.js";

export const KEYS = [
  ["n · p", "next, previous disagreement, or event of the chosen filter"],
  ["N · P", "next, previous event"],
  ["[ · ]", "previous, next recording"],
  ["← · →", "move left, right; with Shift by a full screen"],
  ["+ · −", "zoom in, out"],
  ["1 to 5", "show 10 s, 1 min, 10 min, 1 h, the whole recording"],
  ["Home · End", "start, end of the recording"],
  [", · .", "move the cursor 1 s back, forward; with Shift 10 s"],
  ["a · x", "accept, reject, and go to the next undecided event"],
  ["u", "make the selected event undecided again"],
  ["Ctrl+Z · Ctrl+Shift+Z", "undo, redo the last decision or edit"],
  ["e", "edit onset, duration, label and note"],
  ["s · f", "put the onset, the end of the event at the cursor"],
  ["i", "add a seizure at the cursor"],
  ["t", "light or dark theme"],
  ["?", "show these shortcuts"],
  ["Esc", "leave a field, cancel an edit, close this window"]];

export function singleKeys() {
  return remembered("single-keys") !== "off";
}

export function keysDialog() {
  const box = element("input", { type: "checkbox", id: "single-keys",
    checked: singleKeys(),
    onchange: () => remember("single-keys", box.checked ? "on" : "off") });
  const dialog = element("dialog", { class: "keys",
    "aria-labelledby": "keys-title" },
  element("h2", { id: "keys-title" }, "Keyboard shortcuts"),
  element("dl", null, ...KEYS.flatMap(([keys, does]) => [
    element("dt", null, ...keys.split(" · ").map(
      (key) => element("kbd", null, key))),
    element("dd", null, does)])),
  element("p", { class: "quiet" }, "On the plots: drag to move, use the "
    + "wheel or two fingers to zoom, click to set the cursor, click an event "
    + "to select it. In the lane of reviewed events: drag the handles to edit "
    + "the selected event, drag beside events to add one."),
  element("label", { class: "check" }, box,
    " Use single letters, digits and signs as shortcuts"),
  element("form", { method: "dialog" },
    element("button", { class: "save" }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// Whether a key is input of the focused element.
export function typing(target) {
  return target.closest("input, textarea, select, dialog") !== null;
}
