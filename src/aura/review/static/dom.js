// Elements, words and clock times. Text only ever goes in as text.

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// New buttons in the place of old ones; the focus stays where it was.
export function renew(place, ...children) {
  const held = [...place.children].indexOf(document.activeElement);
  place.replaceChildren(...children);
  if (held >= 0) children[Math.min(held, children.length - 1)]?.focus();
}

export function say(text) {
  const place = document.getElementById("said");
  // The same text twice is said twice only if it changes in between.
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}

const pad = (number, width = 2) => String(number).padStart(width, "0");

// Seconds since the start of the recording as h:mm:ss.
export function since(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const whole = Math.round(Math.abs(seconds) * unit);
  const second = Math.floor(whole / unit);
  const tail = decimals ? `.${pad(whole % unit, decimals)}` : "";
  return `${seconds < 0 ? "-" : ""}${Math.floor(second / 3600)}:`
    + `${pad(Math.floor(second / 60) % 60)}:${pad(second % 60)}${tail}`;
}

// Reads what `since` writes, mm:ss, or seconds; NaN for anything else.
export function parseSince(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || !parts.every(
    (part, at) => (at === parts.length - 1 ? /^\d{1,9}(\.\d{1,6})?$/
      : /^\d{1,6}$/).test(part))) return NaN;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

export function lasting(seconds) {
  if (seconds < 120) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s`
      : ""}`;
  }
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor(whole / 60) % 60)} min`;
}

// The recording's own clock, which has no time zone.
export class Clock {
  constructor(iso) {
    const [date, time] = iso.split("T");
    const [year, month, day] = date.split("-").map(Number);
    const [hour, minute, second] = time.split(":").map(Number);
    const made = new Date(0);
    made.setUTCFullYear(year, month - 1, day);
    made.setUTCHours(hour, minute, 0, Math.round(second * 1000));
    this.start_ms = made.getTime();
    this.midnight_s = hour * 3600 + minute * 60 + second;
  }

  at(seconds) {
    return new Date(this.start_ms + Math.round(seconds * 1000));
  }

  time(seconds, decimals = 0) {
    // Rounded once, or 59.96 s would become 60.0.
    const unit = 1000 / 10 ** Math.min(decimals, 3);
    const ms = Math.round((this.start_ms + seconds * 1000) / unit) * unit;
    const text = new Date(ms).toISOString();
    return text.slice(text.indexOf("T") + 1,
      text.indexOf("T") + 9 + (decimals ? decimals + 1 : 0));
  }

  date(seconds) {
    const text = this.at(seconds).toISOString();
    return text.slice(0, text.indexOf("T"));
  }
}

export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return "–";
  }
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) {
    return value.toExponential(1).replace("-", "\u2212");
  }
  const text = String(Number(value.toPrecision(
    Math.max(digits, Math.ceil(Math.log10(size + 1))))));
  return text.replace("-", "\u2212");
}

export function remembered(name) {
  try {
    return localStorage.getItem(`aura-review-${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`aura-review-${name}`, value);
  } catch {
    // A page from a file may have no storage; it is a convenience only.
  }
}

export const VERDICTS = {
  TP: { shape: "●", word: "found", css: "tp" },
  FP: { shape: "▲", word: "false alarm", css: "fp" },
  FN: { shape: "◆", word: "missed", css: "fn" },
  "": { shape: "○", word: "not compared", css: "none" },
};

// What a verdict means on this layer.
export function verdictWord(verdict, layer) {
  if (layer === "added") return "added by a reviewer";
  if (verdict === "TP") return layer === "original" ? "found" : "true alarm";
  return VERDICTS[verdict].word;
}

export function badge(verdict, count, layer) {
  const known = VERDICTS[verdict];
  // A true alarm is no second finding beside the seizure that it found.
  const word = verdict === "TP" && layer === "predicted" ? "hit" : verdict;
  return element("span", { class: `badge ${known.css}` },
    element("span", { "aria-hidden": "true" }, `${known.shape} `),
    count === undefined ? word || "–" : `${verdict} ${count}`);
}
