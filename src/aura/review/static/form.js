// The fields of an event: times, label and note.
import { element, parseSince, since } from "./dom.js";

const LABELS = ["sz", "sz_foc", "sz_foc_a", "sz_foc_ia", "sz_gen",
  "sz_gen_m", "sz_gen_nm", "bckg", "impd"];

// Unsaved text of every event and recording, until it is saved or cancelled.
const drafts = new Map();
addEventListener("beforeunload", (event) => {
  if (drafts.size > 0) event.preventDefault();
});

// The only form. Its text is kept as a draft when another event is selected.
export class Form {
  constructor(recording, duration_s, actions) {
    Object.assign(this, { recording, duration_s, actions });
    this.key = null;
    this.touched = false;
    this.version = 0;
    this.build();
  }

  build() {
    const field = (name, word, more) => {
      this[name] = element("input", { name, ...more,
        oninput: () => this.typed() });
      return element("label", null, word, this[name]);
    };
    this.wrong = element("p", { class: "wrong", role: "alert" });
    this.saving = element("button", { type: "submit", class: "save" },
      "Save", element("kbd", null, "Enter"));
    this.leaving = element("button", { type: "button", class: "cancel",
      onclick: () => this.actions.cancel() }, "Cancel",
    element("kbd", null, "Esc"));
    this.unsaved = element("div", { class: "buttons" },
      this.saving, this.leaving);
    this.place = element("form", { class: "fields", novalidate: true,
      onsubmit: (sent) => {
        sent.preventDefault();
        this.save();
      } },
    field("onset", "Onset", {
      inputmode: "decimal", "aria-describedby": "fields-hint",
      title: "Time since the start of the recording (h:mm:ss)" }),
    field("duration", "Duration (s)", { inputmode: "decimal" }),
    field("label", "Label", { list: "labels", maxlength: "64",
      title: "Labels that begin with sz count as seizures" }),
    field("note", "Note", { maxlength: "500" }),
    element("datalist", { id: "labels" }, ...LABELS.map(
      (label) => element("option", { value: label }))),
    element("p", { id: "fields-hint", class: "unseen" },
      "Onset: time since the start of the recording (h:mm:ss). You can also "
      + "drag the green bar. Labels that begin with sz count as seizures."),
    this.wrong, this.unsaved);
  }

  // The draft of an event of this recording.
  name(key) {
    return `${this.recording} ${key}`;
  }

  // Shows the current values of an event; undefined hides the form.
  show(event, now) {
    const key = event === undefined ? null : event.key;
    this.place.hidden = key === null;
    if (this.touched && key === this.key) return;
    this.key = key;
    this.touched = false;
    this.wrong.textContent = "";
    this.unsaved.hidden = true;
    if (key === null) return;
    this.put("onset", since(now.onset_s, 1));
    this.put("duration", String(Number(now.duration_s.toFixed(2))));
    this.put("label", now.label);
    this.put("note", event.item?.note ?? "");
    this.given = this.texts();
    const draft = drafts.get(this.name(key));
    if (draft === undefined) return;
    for (const [name, text] of Object.entries(draft.texts)) {
      this.put(name, text);
    }
    this.typed();
    this.version = draft.version;
  }

  // Whether an event has unsaved text.
  keeps(key) {
    return drafts.has(this.name(key));
  }

  texts() {
    return Object.fromEntries(["onset", "duration", "label", "note"].map(
      (name) => [name, this[name].value]));
  }

  // Whether only the note differs from what was shown.
  get noted() {
    const texts = this.texts();
    return ["onset", "duration", "label"].every(
      (name) => texts[name] === this.given[name]);
  }

  // Setting a value moves the caret, so an equal value is not set.
  put(name, text) {
    if (this[name].value !== text) this[name].value = text;
  }

  // Values of the fields; null and an error message if one is invalid.
  read() {
    const [onset_s, label] = [parseSince(this.onset.value),
      this.label.value.trim()];
    const duration_s = Number(this.duration.value.trim().replace(",", "."));
    this.wrong.textContent = Number.isNaN(onset_s)
      ? "Enter the onset as time since the start, for example 0:15:41.0."
      : !(duration_s > 0) ? "Enter a duration in seconds, above 0."
        : onset_s + duration_s > this.duration_s + 0.005
          ? `The recording ends at ${since(this.duration_s, 1)}.`
          : label === "" ? "Enter a label." : "";
    return this.wrong.textContent ? null : { onset_s, duration_s,
      label, note: this.note.value.trim() };
  }

  typed() {
    // The server compares this version to detect changes by others.
    if (!this.touched) this.version = this.actions.version();
    this.touched = true;
    const read = this.read();
    this.saving.disabled = read === null;
    this.unsaved.hidden = false;
    drafts.set(this.name(this.key),
      { texts: this.texts(), version: this.version });
    this.actions.typed(read);
  }

  // The bar on the plots was dragged.
  drafted(onset_s, duration_s) {
    if (this.key === null) return;
    this.put("onset", since(onset_s, 1));
    this.put("duration", String(Number(duration_s.toFixed(2))));
    this.typed();
  }

  save() {
    const read = this.read();
    if (this.touched && read !== null) {
      this.actions.save(this.key, read, this.version);
    }
  }

  // A change of the event was saved; `texts` if it came from this form.
  saved(key, texts, version) {
    const draft = this.seen(key, version);
    if (draft === undefined) return;
    // Text typed since then is not saved yet.
    if (texts !== undefined && JSON.stringify(draft.texts)
      === JSON.stringify(texts)) this.drop(key);
  }

  // The reviewer has been shown this version of an event.
  seen(key, version) {
    const draft = drafts.get(this.name(key));
    if (draft !== undefined) draft.version = version;
    if (key === this.key) this.version = version;
    return draft;
  }

  drop(key = this.key) {
    drafts.delete(this.name(key));
    if (key === this.key) this.touched = false;
  }

  focus() {
    this.onset.focus();
    this.onset.select();
  }
}
