// The page of one recording: plots, sidebar, keys and edits.
import { Decisions, Taken } from "./decisions.js";
import { Clock, LAYER_WORDS, counted, element, lasting, number, outcomeWord, say, sentence, since } from "./dom.js";
import { Events } from "./events.js";
import { heading, legend, notices, toolbar } from "./heading.js";
import { Panel } from "./panel.js";
import { Plots } from "./plots.js";
import { WIDTHS, keyed } from "./shortcuts.js";
import { TimeWindow } from "./window.js";

const LOOK_EVERY_MS = 10000;

export class RecordingPage {
  constructor(place, source, detail, start) {
    Object.assign(this, { place, source, detail });
    this.clock = new Clock(detail.start);
    this.events = new Events(detail);
    this.selected = null;
    this.abort = new AbortController();
    this.taken = new Taken();
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
    document.addEventListener("keydown", (event) => keyed(this, event),
      options);
    document.addEventListener("visibilitychange", () => this.look(), options);
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  leave() {
    this.abort.abort();
    this.plots.leave();
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
        editable: this.editable,
        outlined: (span) => this.plots.edit(span),
        create: (onset_s, duration_s) => this.add(onset_s, duration_s),
        drafted: (onset, length) => this.panel.form.drafted(onset, length) });
    this.panel = new Panel(side, this.events, this.clock,
      this.detail, this.editable, {
        select: (key) => this.select(key, true),
        act: (action, key) => this.decide(action, key),
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
      const there = this.events.all.find((event) => Math.abs(
        this.events.current(event).onset_s - start.at) < 0.06);
      this.select(there?.key, false, false);
    } else if (this.events.all.length > 0) {
      const open = (event) => this.events.undecided(event);
      const first = stops.find(open) ?? this.events.all.find(open)
        ?? stops[0] ?? this.events.all[0];
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

  // The events of the filter; disagreements if there is none.
  stops() {
    const { filter } = this.panel;
    return this.events.matching(
      filter === "all" ? "disagreements" : filter);
  }

  // -- navigation --------------------------------------------------------

  jump(direction, disagreements) {
    const list = disagreements ? this.stops() : this.events.all;
    const found = this.events.next(
      list, this.selected, this.time.cursor, direction);
    if (found === null) {
      const what = !disagreements || !["all", "disagreements"].includes(
        this.panel.filter) ? "event"
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
    const event = this.events.byKey.get(key);
    if (event === undefined) return;
    if (key !== this.selected) this.plots.edit(null);
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
      this.time.settle();
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
        ? now.duration_s : fields.duration_s },
    { version, texts: this.panel.form.texts() });
  }

  // Decides on an event, and on the alarms that overlap a detected seizure.
  decide(action, key) {
    const { events, panel: { form } } = this;
    const listed = this.stops();
    if (!this.editable || !this.named()) return;
    let [note, asked] = [{}, {}];
    if (form.touched && form.key === key && action !== "reset") {
      const read = form.read();
      if (read === null) {
        this.tell(form.wrong.textContent, true);
        return;
      }
      if (action === "accept" && !form.noted) {
        form.save();
        this.goOn(key, listed);
        return;
      }
      note = { note: read.note };
      asked = { version: form.version, texts: form.texts() };
    }
    const together = { group: [] };
    for (const member of events.group(key)) {
      const event = events.byKey.get(member);
      if (event === undefined || (member !== key
        && !this.follows(event, action))) continue;
      this.change({ action, key: member, ...(member === key ? note : {}) },
        { ...together, ...(member === key ? asked : {}) });
    }
    if (action !== "accept" && action !== "reject") return;
    this.goOn(key, listed);
    // Where a refusal finds a reviewer who did nothing else since.
    this.left = { key: this.selected, group: together.group };
  }

  // Whether an event follows a decision on its seizure or alarm: earlier
  // edits, and decisions of others, stay.
  follows(event, action) {
    const open = this.events.decision(event) === "open";
    return action === "reset" ? !open && !event.item.changed
      && event.item.by === this.panel.who() : open;
  }

  // Selects the next undecided event of the list that was worked through.
  goOn(key, stops) {
    const listed = stops.some((one) => one.key === key)
      ? stops : this.events.all;
    const open = listed.filter((one) => this.events.undecided(one));
    const next = this.events.next(open, key, 0, 1) ?? open[0];
    if (next === undefined) {
      say("All events of this list are decided.");
      return;
    }
    this.select(next.key, true, true, listed);
  }

  add(at = this.time.looked, duration_s = 30) {
    const last = this.detail.duration_s;
    const onset_s = Math.round(10 * Math.max(
      0, Math.min(at, last - 1))) / 10;
    this.change({ action: "add", key: "", label: "sz", onset_s,
      duration_s: Math.min(duration_s, last - onset_s) },
    { selected: this.selected });
  }

  // Puts the onset or the end of the selected event at the cursor.
  put(end) {
    const event = this.events.byKey.get(this.selected);
    if (event === undefined || !this.editable) return;
    const { onset_s, duration_s } = this.plots.scene.draft
      ?? this.events.current(event);
    const at = Math.round(this.time.cursor * 10) / 10;
    const [from, to] = end ? [onset_s, at] : [at, onset_s + duration_s];
    if (to - from >= 0.1) this.panel.form.drafted(from, to - from);
    else this.tell("The end must be after the onset.", true);
  }

  cancel() {
    if (!this.panel.form.touched) return;
    this.panel.form.drop();
    this.panel.refresh();
    this.plots.edit(null);
  }

  // Whether the reviewer has entered a name.
  named() {
    if (this.panel.who() !== "") return true;
    this.tell("Enter your name first: the audit trail records who decided.");
    this.panel.reviewer.focus();
    return false;
  }

  change(wanted, asked) {
    if (!this.editable || !this.named()) return;
    const { sent } = this.events;
    if (wanted.key !== "") {
      sent.set(wanted.key, (sent.get(wanted.key) ?? 0) + 1);
    }
    this.decisions.push({ reviewer: this.panel.who(), ...wanted }, asked);
  }

  arrived({ key }) {
    const { sent } = this.events;
    if (sent.get(key) > 1) sent.set(key, sent.get(key) - 1);
    else sent.delete(key);
  }

  // Takes back the last decision of this page, or does it again.
  takeBack(again) {
    if (!this.editable || !this.named()) return;
    if (this.decisions.busy) {
      this.tell("The last decision is being saved. Try again.");
      return;
    }
    const { done, undone } = this.taken;
    const [from, to] = again ? [undone, done] : [done, undone];
    const steps = from.pop();
    if (steps === undefined) {
      say(`There is nothing to ${again ? "redo" : "undo"}.`);
      this.flash();
      return;
    }
    const group = [];
    for (const { key, version } of steps.reverse()) {
      this.change({ action: "restore", key, step: version },
        { group, to, again });
    }
  }

  saved(wanted, asked, review) {
    this.arrived(wanted);
    this.panel.form.saved(wanted.key, asked.texts, review.version);
    if (review.version !== this.events.review.version) {
      this.taken.record(wanted, asked, review);
    }
    this.take(review);
    if (wanted.action === "restore" && this.events.byKey.has(wanted.key)) {
      this.select(wanted.key, true, false);
    }
    // Does not move a reviewer who has selected another event meanwhile.
    if (wanted.action === "add" && asked.selected === this.selected
      && !this.panel.form.touched) {
      this.select(review.steps.at(-1).after.key, false, false);
    }
    this.tell(`${{ accept: "Accepted", reject: "Rejected",
      reset: "Decision undone", change: "Saved", remove: "Removed",
      add: "Seizure added. Edit its onset and duration",
      restore: asked.again ? "Done again" : "Undone",
    }[wanted.action]}${asked.group?.length > 1
      ? `${this.which(this.events.group(wanted.key)[0])}, with its alarm`
      : this.which(wanted.key)}.`);
  }

  // Which event a message is about: another one may be selected by now.
  which(key) {
    const event = this.events.byKey.get(key);
    return event === undefined ? ""
      : `: ${outcomeWord(event.outcome, event.layer)} at ${
        this.clock.time(this.events.current(event).onset_s)}`;
  }

  async refused(wanted, asked, refusal, dropped) {
    const { form } = this.panel;
    this.events.sent.delete(wanted.key);
    const kept = refusal.rule === "review.files";
    if (refusal.status === 409 || kept) {
      await this.look(true);
      // Saving again then overwrites the change of the other reviewer.
      form.seen(wanted.key, this.events.review.version);
    }
    if (!kept && !form.touched && this.left?.group === asked.group
      && this.left?.key === this.selected) {
      this.select(wanted.key, true, false);
    }
    const also = dropped === 0 ? ""
      : ` Not saved either: ${counted(dropped, "later decision")} on it.`;
    this.tell(`${kept ? "Saved" : "Not saved"}${this.which(wanted.key)}. `
      + sentence(refusal.message)
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

  move(seconds) {
    this.time.point(this.time.cursor + seconds);
    const { cursor, from, to } = this.time;
    if (cursor < from || cursor > to) this.time.show(this.time.width, cursor);
  }
}
