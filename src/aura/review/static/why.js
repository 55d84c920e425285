// Features at an event, compared with their usual range in the recording.
import { element, number, sentence } from "./dom.js";

const WORDS = {
  predicted: ["Why the alarm was raised", ""],
  FN: ["Why no alarm was raised", ", the highest in the seizure"],
  original: ["Features at this annotation", ", the highest in it"] };

// `reasons` is null while they are loading.
export function why(event, reasons, clock) {
  if (event.given === null) return [];
  const [title, moment] = WORDS[event.layer === "predicted"
    ? "predicted" : event.outcome === "FN" ? "FN" : "original"];
  const told = reasons?.events[event.key];
  const missing = reasons === null ? "Loading …"
    : reasons.problem !== null
      ? sentence(`Not available: ${reasons.problem}`)
      : told === undefined ? "Computed only for the first events."
        : told.time_s === null
          ? "The model gave no score near this event." : null;
  const head = element("h3", null, title);
  if (missing !== null) {
    return [head, element("p", { class: "quiet" }, missing)];
  }
  const list = (name, chosen) => (chosen.length === 0 ? [] : [
    element("h4", null, name),
    element("ul", { class: "reasons" }, ...chosen.map(reason))]);
  return [head,
    ...inWords(told, clock).map((text) => element(
      "p", { class: "finding" }, text)),
    term("p", "quiet", "The model's output from 0 to 1, which is not a "
      + "probability. An alarm is raised when it reaches the threshold.",
      `Model score ${told.probability === null ? "unknown"
        : number(told.probability, 2)} at `
      + `${clock.time(told.time_s)}${moment}`),
    ...list("Features the model uses",
      told.reasons.filter((one) => one.used)),
    ...list("Other unusual features",
      told.reasons.filter((one) => !one.used)),
    term("p", "key", "Nine of ten scorable rows of this recording, without "
      + "the surroundings of events, lie in the usual range.",
    element("span", { class: "swatch" }),
      " usual range (5th to 95th percentile) ",
      element("span", { class: "dot" }), " value")];
}

// A text whose meaning shows when it has the focus or the pointer.
function term(tag, css, meaning, ...parts) {
  return element(tag, { class: `term ${css}`, tabindex: "0" }, ...parts,
    element("small", { class: "meaning" }, meaning));
}

// The finding in a clinician's words.
function inWords(told, clock) {
  const whole = (value) => (value === null ? null : Math.round(value));
  const [rate, base] = [told.heart_rate_bpm, told.baseline_bpm].map(whole);
  if (rate === null) return [];
  if (told.probability === 0) {
    return ["The model saw no sign at any time. The highest heart rate was "
      + `${rate} bpm at ${clock.time(told.time_s)}.`];
  }
  if (base === null) return [`The heart rate was ${rate} bpm.`];
  const rise = told.reasons.find((one) => one.name === "hr_rise");
  const usual = rise === undefined || rise.low === null ? ""
    : ` The usual difference is ${number(whole(rise.low))} to `
      + `${number(whole(rise.high))} bpm.`;
  const slope = whole(told.reasons.find(
    (one) => one.name === "hr_slope_30")?.value ?? null);
  const quick = slope > 0 ? ` It rose by ${slope} bpm within 30 s.` : "";
  return [`The heart rate was ${rate} bpm, ${Math.abs(rate - base)} `
    + `${rate < base ? "below" : "above"} this patient's own ${base}.`
    + quick + usual];
}

// One feature: its value and its usual range.
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
  return term("li", "", `${one.meaning} (${one.name}: ${one.window})`,
    element("span", { class: "name" }, one.title),
    element("b", null, `${number(one.value)}${unit}`), scale,
    element("small", null, usual));
}
