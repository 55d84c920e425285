// Elements, words and clock times. Text is never parsed as HTML.

// Marks that turn the order of letters are shown as codes: a name such as
// gpj.exe must not be read backwards.
export function plain(text) {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);
}

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null).map(
    (child) => (typeof child === "string" ? plain(child) : child)));
  return made;
}

// Replaces buttons and keeps the focus on the same one.
export function renew(place, ...children) {
  const held = [...place.children].indexOf(document.activeElement);
  place.replaceChildren(...children);
  if (held >= 0) children[Math.min(held, children.length - 1)]?.focus();
}

export function say(text) {
  const place = document.getElementById("said");
  // A screen reader announces a text again only if it has changed.
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

// Reads h:mm:ss, mm:ss or seconds; NaN for anything else.
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
    // Rounding the parts separately would turn 59.96 s into 60.0.
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
    // A page opened from a file may have no storage.
  }
}

export const OUTCOMES = {
  TP: { shape: "●", word: "detected seizure", css: "tp" },
  FP: { shape: "▲", word: "false alarm", css: "fp" },
  FN: { shape: "◆", word: "missed seizure", css: "fn" },
  "": { shape: "○", word: "not scored", css: "none" },
};

// Where an event comes from.
export const LAYER_WORDS = { original: "annotation", predicted: "alarm",
  added: "added" };

export function outcomeWord(outcome, layer) {
  if (layer === "added") return "added event";
  if (outcome === "TP" && layer === "predicted") return "true alarm";
  return OUTCOMES[outcome].word;
}

// A number with its noun: 1 recording, 2 recordings.
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// An error text of the server as a sentence; a file name stays as it is.
export function sentence(text) {
  const capital = /^[a-z]+[\s,:;]/.test(text)
    ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

export function badge(outcome, count, layer) {
  const known = OUTCOMES[outcome];
  // A true alarm is not called TP: TP counts annotated seizures only.
  const word = outcome === "TP" && layer === "predicted" ? "hit" : outcome;
  return element("span", { class: `badge ${known.css}` },
    element("span", { "aria-hidden": "true" }, `${known.shape} `),
    count === undefined ? word || "–" : `${outcome} ${count}`);
}
