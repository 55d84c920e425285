// Keys, their help, and the switch that turns single keys off.
import { element, remember, remembered } from "./dom.js";

export const KEYS = [
  ["n · p", "next, previous disagreement (false alarm or missed)"],
  ["N · P", "next, previous event of any kind"],
  ["← · →", "pan; with Shift by a whole screen"],
  ["+ · −", "zoom in, out"],
  ["1 to 5", "10 s, 1 min, 10 min, 1 h, the whole recording"],
  ["Home · End", "start, end of the recording"],
  [", · .", "cursor 1 s back, forth; with Shift 10 s"],
  ["a · x · u", "accept, reject, undo the decision"],
  ["e", "edit onset, duration, label and note"],
  ["i", "insert a seizure at the cursor"],
  ["t", "light or dark"],
  ["?", "these keys"],
  ["Esc", "leave a field, cancel an edit, close this"]];

export function singleKeys() {
  return remembered("single-keys") !== "off";
}

export function keysDialog() {
  const box = element("input", { type: "checkbox", id: "single-keys",
    checked: singleKeys(),
    onchange: () => remember("single-keys", box.checked ? "on" : "off") });
  const dialog = element("dialog", { class: "keys",
    "aria-labelledby": "keys-title" },
  element("h2", { id: "keys-title" }, "Keys"),
  element("dl", null, ...KEYS.flatMap(([keys, does]) => [
    element("dt", null, ...keys.split(" · ").map(
      (key) => element("kbd", null, key))),
    element("dd", null, does)])),
  element("p", { class: "quiet" }, "On the plots: drag pans, the wheel "
    + "zooms, a click sets the cursor, a click on an event selects it."),
  element("label", { class: "check" }, box,
    " single letters and digits are commands"),
  element("form", { method: "dialog" },
    element("button", { class: "save" }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// Whether a key belongs to what has the focus.
export function typing(target) {
  return target.closest("input, textarea, select, dialog") !== null;
}
