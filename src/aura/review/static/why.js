// Why an event fired: its features against what is usual for the patient.
import { element, number } from "./dom.js";

const WORDS = {
  predicted: ["Why it fired", "when the alarm was raised"],
  FN: ["Why it did not fire", "when the model came closest"],
  original: ["What the model saw", "when the model was surest"] };

// The section on one event; `reasons` is null while they are under way.
export function why(event, reasons, clock) {
  if (event.given === null) return [];
  const [title, moment] = WORDS[event.layer === "predicted"
    ? "predicted" : event.verdict === "FN" ? "FN" : "original"];
  const told = reasons?.events[event.key];
  const missing = reasons === null ? "Loading …"
    : reasons.problem !== null ? `Cannot be said: ${reasons.problem}`
      : told === undefined ? "Not computed for so many events."
        : told.time_s === null
          ? "Nothing around this event could be scored." : null;
  const head = element("h3", null, title);
  if (missing !== null) {
    return [head, element("p", { class: "quiet" }, missing)];
  }
  const list = (name, chosen) => (chosen.length === 0 ? [] : [
    element("h4", null, name),
    element("ul", { class: "reasons" }, ...chosen.map(reason))]);
  return [head,
    element("p", { class: "quiet" },
      `${clock.time(told.time_s)}, ${moment}: probability `
      + `${number(told.probability, 2)}`),
    ...list("What the model uses", told.reasons.filter((one) => one.used)),
    ...list("Also unusual for this patient",
      told.reasons.filter((one) => !one.used)),
    element("p", { class: "key" }, element("span", { class: "swatch" }),
      " usual here (5th to 95th percentile) ",
      element("span", { class: "dot" }), " at this moment")];
}

// A feature: where it usually lies, and where it was.
function reason(one) {
  const values = [one.low, one.high, one.value].filter((v) => v !== null);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least) * 0.08 || 1;
  const at = (value) => 100 * (value - least + room)
    / (most - least + 2 * room);
  const unit = one.unit === "1" ? "" : ` ${one.unit.replace("ms2", "ms²")}`;
  const usual = one.low === null ? "usual range unknown"
    : `usually ${number(one.low, 2)} to ${number(one.high, 2)}${unit}`;
  const scale = element("span", { class: "scale", "aria-hidden": "true" });
  if (one.low !== null) {
    const band = element("span", { class: "band" });
    band.style.left = `${at(one.low)}%`;
    band.style.width = `${at(one.high) - at(one.low)}%`;
    scale.append(band);
  }
  if (one.value !== null) {
    const point = element("span", { class: "point" });
    point.style.left = `${at(one.value)}%`;
    scale.append(point);
  }
  return element("li", { title: `${one.name}: ${one.window}` },
    element("span", { class: "name" }, one.title),
    element("b", null, `${number(one.value)}${unit}`), scale,
    element("small", null, usual));
}
