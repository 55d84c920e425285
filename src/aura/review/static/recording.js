// The page of one recording: plots, sidebar, keys and edits.
import { Decisions } from "./decisions.js";
import { Clock, LAYER_WORDS, counted, element, lasting, number, outcomeWord, say, sentence, since } from "./dom.js";
import { Events } from "./events.js";
import { heading, legend, notices, toolbar } from "./heading.js";
import { keysDialog, singleKeys, typing } from "./keys.js";
import { Panel } from "./panel.js";
import { Plots } from "./plots.js";
import { TimeWindow } from "./window.js";

const WIDTHS = [10, 60, 600, 3600, Infinity];
const LOOK_EVERY_MS = 10000;

export class RecordingPage {
  constructor(place, source, detail, start) {
    Object.assign(this, { place, source, detail });
    this.clock = new Clock(detail.start);
    this.events = new Events(detail);
    this.selected = null;
    this.abort = new AbortController();
    this.editable = source.editable && detail.review.error === null;
    this.decisions = new Decisions(
      (wanted) => source.change(detail.key, wanted), {
        version: () => this.events.review.version,
        known: (key) => this.events.byKey.has(key),
        saved: (...told) => this.saved(...told),
        refused: (...told) => this.refused(...told) });
    this.time = new TimeWindow(detail.duration_s, () => this.plots?.redraw());
    this.build();
    this.begin(start);
    const options = { signal: this.abort.signal };
    document.addEventListener("keydown", (event) => this.keyed(event),
      options);
    document.addEventListener("visibilitychange", () => this.look(), options);
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  leave() {
    this.abort.abort();
    clearInterval(this.looking);
    clearTimeout(this.noting);
  }

  build() {
    const plots = element("div", { class: "plots" });
    const side = element("aside", { class: "side",
      "aria-label": "Events and decisions" });
    this.readout = element("p", { class: "readout" });
    this.place.replaceChildren(element("div", { class: "recording" },
      element("div", { class: "left" }, heading(this.detail, this.clock),
        toolbar(this.detail, WIDTHS, {
          jump: (direction) => this.jump(direction, true),
          zoom: (factor) => this.time.zoom(factor),
          show: (width) => this.time.show(width) }),
        ...notices(this.detail), plots, legend()), side));
    this.plots = new Plots(plots, this.source, this.detail, this.clock,
      this.events, this.time, {
        readout: this.readout, drawn: () => this.told(),
        select: (key) => this.select(key, false),
        selectAt: (span) => this.selectAt(span),
        drafted: (onset, length) => this.panel.form.drafted(onset, length) });
    this.panel = new Panel(side, this.events, this.clock,
      this.detail.duration_s, this.editable, {
        select: (key) => this.select(key, true),
        act: (action, key) => this.change({ action, key }),
        save: (key, fields, version) => this.saveFields(
          key, fields, version),
        cancel: () => this.cancel(),
        version: () => this.events.review.version,
        typed: (fields) => this.plots.edit(fields) });
  }

  async begin(start) {
    const stops = this.stops();
    if (start.from !== undefined) {
      this.time.set(start.from, start.to);
      this.time.point(start.at ?? (start.from + start.to) / 2);
    } else if (stops.length + this.events.all.length > 0) {
      const first = stops[0] ?? this.events.all[0];
      this.select(first.key, true, false);
    } else {
      this.time.set(0, Math.min(this.detail.duration_s, 3600));
      this.time.point(0);
    }
    try {
      await this.plots.load();
    } catch (refusal) {
      say(sentence(refusal.message));
    }
    try {
      this.panel.reasons = await this.source.reasons(this.detail.key);
    } catch (refusal) {
      this.panel.reasons = { events: {}, problem: refusal.message };
    }
    this.panel.drawWhy();
  }

  stops() {
    return this.events.matching("disagreements");
  }

  // -- navigation --------------------------------------------------------

  jump(direction, disagreements) {
    const list = disagreements ? this.stops() : this.events.all;
    const found = this.events.next(
      list, this.selected, this.time.cursor, direction);
    if (found === null) {
      const what = !disagreements ? "event"
        : this.detail.annotated ? "disagreement" : "alarm";
      say(list.length === 0 ? `There is no ${what}.`
        : `No ${direction > 0 ? "later" : "earlier"} ${what}.`);
      this.flash();
      return;
    }
    this.select(found.key, true, true, list);
  }

  flash() {
    this.readout.textContent = document.getElementById("said").textContent;
  }

  select(key, move, tell = true, list = this.events.all) {
    if (key !== this.selected) this.cancel();
    const event = this.events.byKey.get(key);
    if (event === undefined) return;
    this.selected = key;
    const now = this.events.current(event);
    if (move) {
      const width = Math.min(this.detail.duration_s, Math.max(
        Math.min(this.time.width, 1800), 600, 3 * now.duration_s));
      this.time.set(now.onset_s + now.duration_s / 2 - width / 2,
        now.onset_s + now.duration_s / 2 + width / 2);
      this.time.point(now.onset_s);
    }
    this.panel.select(key);
    this.plots.select(key);
    if (tell) {
      say(`${outcomeWord(event.outcome, event.layer)}, `
        + `${list.indexOf(event) + 1} of ${list.length}: `
        + `${LAYER_WORDS[event.layer]} ${now.label} at ${this.clock.time(now.onset_s)}, `
        + `${lasting(now.duration_s)}, `
        + `${{ open: "undecided", accepted: "accepted",
          rejected: "rejected" }[this.events.decision(event)]}`);
    }
  }

  // Selects the event behind a reviewed one.
  selectAt(span) {
    const meets = (event) => {
      const now = this.events.current(event);
      return now.onset_s < span.onset_s + span.duration_s
        && span.onset_s < now.onset_s + now.duration_s;
    };
    const found = this.events.all.filter(meets);
    const best = found.find((one) => one.layer === "added")
      ?? found.find((one) => one.item !== null) ?? found[0];
    if (best !== undefined) this.select(best.key, false);
  }

  told() {
    if (this.abort.signal.aborted) return;
    const { cursor, from, to } = this.time;
    const { rate, base, chance, lost, beat } = this.plots.values(cursor);
    const parts = [
      `${this.clock.date(cursor)} ${this.clock.time(cursor, 1)}`,
      `+${since(cursor, 1)}`,
      rate === null ? "" : `${Math.round(rate)} bpm`,
      base === null ? "" : `baseline ${Math.round(base)}`,
      chance === null ? "" : `score ${number(chance, 2)}`,
      lost ? "unscorable" : "", beat];
    this.readout.textContent = parts.filter(Boolean).join("  ·  ");
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      const hash = `#r=${this.detail.key}&from=${from.toFixed(1)}`
        + `&to=${to.toFixed(1)}&at=${cursor.toFixed(1)}`;
      if (location.hash !== hash) history.replaceState(null, "", hash);
      this.plots.describe();
    }, 400);
  }

  // -- edits -------------------------------------------------------------

  saveFields(key, fields, version) {
    const event = this.events.byKey.get(key);
    const now = this.events.current(event);
    // The form shows rounded times; an untouched one keeps its digits.
    const same = (a, b, step) => Math.abs(a - b) <= step;
    this.change({ action: "change", key, label: fields.label,
      note: fields.note,
      onset_s: same(fields.onset_s, now.onset_s, 0.05)
        ? now.onset_s : fields.onset_s,
      duration_s: same(fields.duration_s, now.duration_s, 0.005)
        ? now.duration_s : fields.duration_s }, { version, fields });
  }

  add() {
    const onset_s = Math.max(0, Math.min(
      this.time.cursor, this.detail.duration_s - 1));
    this.change({ action: "add", key: "", label: "sz",
      onset_s: Math.round(onset_s * 10) / 10,
      duration_s: Math.min(30, this.detail.duration_s - onset_s) },
    { selected: this.selected });
  }

  cancel() {
    if (!this.panel.form.touched) return;
    this.panel.form.drop();
    this.panel.drawDetail();
    this.plots.edit(null);
  }

  change(wanted, asked) {
    if (!this.editable) return;
    const reviewer = this.panel.who();
    if (reviewer === "") {
      this.tell("Enter your name first: the audit trail records who decided.");
      this.panel.reviewer.focus();
      return;
    }
    this.decisions.push({ reviewer, ...wanted }, asked);
  }

  saved(wanted, asked, review) {
    this.panel.form.saved(wanted.key, asked.fields, review.version);
    this.take(review);
    // Does not move a reviewer who has selected another event meanwhile.
    if (wanted.action === "add" && asked.selected === this.selected
      && !this.panel.form.touched) {
      this.select(review.steps.at(-1).after.key, false, false);
    }
    this.tell({ accept: "Accepted.", reject: "Rejected.",
      reset: "Decision undone.", change: "Saved.",
      add: "Seizure added. Edit its onset and duration.",
      remove: "Removed." }[wanted.action]);
  }

  async refused(wanted, refusal, dropped) {
    const { form } = this.panel;
    if (refusal.status === 409) {
      await this.look(true);
      // Saving again then overwrites the change of the other reviewer.
      if (form.key === wanted.key) form.version = this.events.review.version;
    }
    const kept = refusal.rule === "review.files";
    const also = dropped === 0 ? ""
      : ` Not saved either: ${counted(dropped, "later decision")} on it.`;
    this.tell(sentence(`${kept ? "" : "Not saved: "}${refusal.message}`)
      + also, true, { "data-rule": refusal.rule, "data-dropped": dropped });
  }

  tell(text, bad = false, more = {}) {
    say(text);
    document.querySelector(".toast")?.remove();
    const toast = element("p", { class: bad ? "toast bad" : "toast",
      "aria-hidden": "true", ...more }, text);
    document.body.append(toast);
    setTimeout(() => toast.remove(), bad ? 9000 : 3000);
  }

  take(review) {
    if (review.version < this.events.review.version) return;
    this.events.update(review);
    if (!this.events.byKey.has(this.selected)) {
      this.panel.form.drop();
      this.selected = null;
      this.panel.selected = null;
      this.plots.select(null);
    }
    if (!this.panel.form.touched) this.plots.edit(null);
    this.panel.refresh();
    this.plots.redraw();
  }

  // Looks for changes from other tabs and reviewers.
  async look(now = false) {
    if (!this.editable) return;
    if (!now && (document.hidden || this.decisions.busy)) return;
    try {
      const review = await this.source.review(this.detail.key);
      if (review.error === null
        && review.version > this.events.review.version) this.take(review);
    } catch {
      // The next decision reports that the server is not running.
    }
  }

  // -- keys --------------------------------------------------------------

  keyed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey
      || event.altKey) return;
    if (event.key === "Escape") {
      this.cancel();
      document.activeElement?.blur();
      return;
    }
    // Holding a key down must not repeat a decision.
    if (typing(event.target) || (event.repeat && "axuie".includes(
      event.key))) return;
    const act = (action) => this.selected !== null
      && this.change({ action, key: this.selected });
    const event_now = this.events.byKey.get(this.selected);
    const page = event.shiftKey ? 1 : 0.2;
    const always = {
      ArrowLeft: () => this.time.pan(-page),
      ArrowRight: () => this.time.pan(page),
      Home: () => this.time.set(0, this.time.width),
      End: () => this.time.set(this.detail.duration_s - this.time.width,
        this.detail.duration_s) };
    const single = {
      n: () => this.jump(1, true), p: () => this.jump(-1, true),
      N: () => this.jump(1, false), P: () => this.jump(-1, false),
      "+": () => this.time.zoom(0.5), "=": () => this.time.zoom(0.5),
      "-": () => this.time.zoom(2), "?": keysDialog,
      ",": () => this.move(-1), ".": () => this.move(1),
      "<": () => this.move(-10), ">": () => this.move(10),
      a: () => event_now?.layer !== "added" && act("accept"),
      x: () => act(event_now?.layer === "added" ? "remove" : "reject"),
      u: () => act("reset"), e: () => this.panel.form.focus(),
      i: () => this.add() };
    WIDTHS.forEach((width, n) => {
      single[n + 1] = () => this.time.show(width);
    });
    const does = always[event.key]
      ?? (singleKeys() ? single[event.key] : undefined);
    if (does === undefined) return;
    event.preventDefault();
    does();
  }

  move(seconds) {
    this.time.point(this.time.cursor + seconds);
    const { cursor, from, to } = this.time;
    if (cursor < from || cursor > to) this.time.show(this.time.width, cursor);
  }
}
