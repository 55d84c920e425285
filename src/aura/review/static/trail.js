// The audit trail of an event.
import { element, lasting, since } from "./dom.js";

const WORDS = { accept: "accepted", reject: "rejected", change: "edited",
  add: "added", remove: "removed", reset: "decision undone",
  restore: "restored" };

export function trail(key, steps) {
  const own = steps.filter((step) => [step.before, step.after].some(
    (one) => one?.key === key));
  if (own.length === 0) return [];
  return [element("h3", null, "Audit trail"),
    element("ol", { class: "trail" }, ...own.reverse().map(
      (step) => element("li", null,
        element("b", null, `${WORDS[step.action] ?? step.action} `),
        `by ${step.reviewer} `,
        element("time", { datetime: step.time },
          `${step.time.slice(0, 19).replace("T", " ")} UTC`),
        element("small", null, difference(step)))))];
}

function difference({ before, after }) {
  if (before === null || after === null) return "";
  const told = [];
  if (before.onset_s !== after.onset_s
    || before.duration_s !== after.duration_s) {
    const span = (one) => `${since(one.onset_s, 1)} + ${lasting(
      one.duration_s)}`;
    told.push(`${span(before)} → ${span(after)}`);
  }
  if (before.label !== after.label) {
    told.push(`${before.label} → ${after.label}`);
  }
  if (before.note !== after.note && after.note !== "") {
    told.push(`note: ${after.note}`);
  }
  return told.join("; ");
}
