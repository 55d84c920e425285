// The sidebar: list of events, why it fired, decision and audit trail.
import { VERDICTS, badge, element, lasting, number, parseSince, remember, remembered, since, verdictWord } from "./dom.js";

const ROW = 46;
const FILTERS = [["all", "All"], ["disagreements", "Disagreements"],
  ["TP", "TP"], ["FP", "FP"], ["FN", "FN"], ["open", "Undecided"]];
const LABELS = ["sz", "sz_foc", "sz_foc_a", "sz_foc_ia", "sz_gen",
  "sz_gen_m", "sz_gen_nm", "bckg", "impd"];
const DECISIONS = { open: "not decided", accepted: "accepted",
  rejected: "rejected" };

export class Panel {
  constructor(place, events, clock, duration_s, editable, actions) {
    Object.assign(this, {
      place, events, clock, duration_s, editable, actions });
    this.filter = "all";
    this.selected = null;
    this.reasons = null;
    this.build();
    this.refresh();
  }

  build() {
    this.filters = element("div", { class: "filters", role: "group",
      "aria-label": "Which events are listed" });
    this.list = element("div", { class: "events", role: "listbox",
      tabindex: "0", "aria-label": "Events",
      onscroll: () => this.drawRows(),
      onkeydown: (event) => this.keyed(event) });
    this.spacer = element("div", { class: "spacer" });
    this.list.append(this.spacer);
    this.detail = element("div", { class: "detail" });
    this.place.replaceChildren(
      element("h2", null, "Events"), this.filters, this.list, this.detail);
    new ResizeObserver(() => this.drawRows()).observe(this.list);
  }

  refresh() {
    this.filters.replaceChildren(...FILTERS.map(([name, word]) => {
      const count = this.events.matching(name).length;
      const shape = VERDICTS[name]?.shape;
      return element("button", {
        type: "button", class: VERDICTS[name]?.css ?? "plain",
        "aria-pressed": String(this.filter === name),
        onclick: () => this.setFilter(name) },
      shape ? element("span", { "aria-hidden": "true" }, `${shape} `) : "",
      `${word} ${count}`);
    }));
    this.shown = this.events.matching(this.filter);
    this.spacer.style.height = `${Math.max(1, this.shown.length) * ROW}px`;
    this.drawRows();
    this.drawDetail();
  }

  setFilter(name) {
    this.filter = name;
    this.refresh();
    this.list.scrollTop = 0;
  }

  // Only the rows in sight exist: there may be ten thousand events.
  drawRows() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - 4);
    const count = Math.ceil((this.list.clientHeight || 400) / ROW) + 8;
    const rows = this.shown.slice(first, first + count).map(
      (event, n) => this.row(event, first + n));
    if (this.shown.length === 0) {
      rows.push(element("p", { class: "nothing" },
        this.events.all.length === 0
          ? "No events: nothing was annotated and nothing predicted."
          : "No events of this kind."));
    }
    this.spacer.replaceChildren(...rows);
    const active = this.shown.findIndex((e) => e.key === this.selected);
    this.list.setAttribute("aria-activedescendant",
      active >= first && active < first + count ? `event-${active}` : "");
  }

  row(event, at) {
    const now = this.events.current(event);
    const decision = this.events.decision(event);
    const made = element("div", {
      class: `event ${decision}`, role: "option", id: `event-${at}`,
      "aria-selected": String(event.key === this.selected),
      "aria-setsize": String(this.shown.length),
      "aria-posinset": String(at + 1),
      onclick: () => this.actions.select(event.key) },
    badge(event.verdict, undefined, event.layer),
    element("span", { class: "what" },
      element("b", null, `${verdictWord(event.verdict, event.layer)}`),
      element("small", null, `${event.layer} · ${now.label}`
        + (event.confidence === null ? ""
          : ` · ${event.confidence.toFixed(2)}`))),
    element("span", { class: "when" },
      element("b", null, this.clock.time(now.onset_s)),
      element("small", null, lasting(now.duration_s)
        + (event.item?.changed ? " · edited" : ""))),
    element("span", { class: `decision ${decision}`,
      title: DECISIONS[decision], "aria-label": DECISIONS[decision] },
    { open: "", accepted: "✓", rejected: "✕" }[decision]));
    made.style.top = `${at * ROW}px`;
    return made;
  }

  keyed(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8,
      Home: -1e9, End: 1e9 };
    if (!(event.key in moves) || this.shown.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const here = this.shown.findIndex((one) => one.key === this.selected);
    const next = Math.max(0, Math.min(this.shown.length - 1,
      here + moves[event.key]));
    this.actions.select(this.shown[next].key);
  }

  select(key) {
    this.selected = key;
    let at = this.shown.findIndex((event) => event.key === key);
    if (key !== null && at < 0) {
      // What is jumped to has to be in the list.
      this.filter = "all";
      this.refresh();
      at = this.shown.findIndex((event) => event.key === key);
    }
    if (at >= 0) {
      const [top, height] = [at * ROW, this.list.clientHeight];
      if (top < this.list.scrollTop) this.list.scrollTop = top;
      if (top + ROW > this.list.scrollTop + height) {
        this.list.scrollTop = top + ROW - height;
      }
    }
    this.drawRows();
    this.drawDetail();
  }

  // -- the selected event ------------------------------------------------

  drawDetail() {
    const event = this.events.byKey.get(this.selected);
    // What stands in the form must survive news from elsewhere.
    const draft = this.form?.isConnected && this.form.dataset.key
      === this.selected && this.actions.draft() !== null;
    if (draft) return;
    if (event === undefined) {
      this.form = null;
      this.detail.replaceChildren(this.noEvent());
      return;
    }
    const now = this.events.current(event);
    this.detail.replaceChildren(
      element("h2", { class: "chosen" }, badge(event.verdict, undefined,
        event.layer), ` ${verdictWord(event.verdict, event.layer)}`),
      element("p", { class: "times" },
        `${this.clock.date(now.onset_s)} ${this.clock.time(now.onset_s)} to `
        + `${this.clock.time(now.onset_s + now.duration_s)} · `
        + `${lasting(now.duration_s)}`,
        event.latency_s === null ? "" : element("span", { class: "late" },
          ` · alarm ${number(Math.abs(event.latency_s))} s `
          + (event.latency_s < 0 ? "before" : "after") + " the onset")),
      ...this.why(event), ...this.decide(event, now), ...this.trail(event));
  }

  noEvent() {
    const steps = this.events.review.steps.length;
    return element("div", { class: "empty" },
      element("p", null, "Choose an event, or go to the next disagreement "
        + "with the key n."),
      steps === 0 ? "" : element("p", null,
        `${steps} decisions so far; ${this.fileNames()}`));
  }

  fileNames() {
    const { files } = this.events.review;
    return `saved as ${files.tsv} and ${files.edf}`;
  }

  why(event) {
    if (event.given === null) return [];
    const title = event.layer === "predicted" ? "Why it fired"
      : event.verdict === "FN" ? "Why it did not fire"
        : "What the model saw";
    const head = element("h3", null, title);
    if (this.reasons === null) {
      return [head, element("p", { class: "quiet" }, "Loading …")];
    }
    if (this.reasons.problem !== null) {
      return [head, element("p", { class: "quiet" },
        `Cannot be said: ${this.reasons.problem}`)];
    }
    const told = this.reasons.events[event.key];
    if (told === undefined || told.time_s === null) {
      return [head, element("p", { class: "quiet" }, told === undefined
        ? "Not computed for so many events."
        : "Nothing around this event could be scored.")];
    }
    const moment = event.layer === "predicted" ? "when the alarm was raised"
      : event.verdict === "FN" ? "when the model came closest"
        : "when the model was surest";
    const used = told.reasons.filter((one) => one.used);
    const others = told.reasons.filter((one) => !one.used);
    return [head,
      element("p", { class: "quiet" },
        `${this.clock.time(told.time_s)}, ${moment}: probability `
        + `${number(told.probability, 2)}`),
      ...(used.length === 0 ? [] : [
        element("h4", null, "What the model uses"),
        element("ul", { class: "reasons" }, ...used.map(reason))]),
      ...(others.length === 0 ? [] : [
        element("h4", null, "Also unusual for this patient"),
        element("ul", { class: "reasons" }, ...others.map(reason))]),
      element("p", { class: "key" }, element("span", { class: "swatch" }),
        " usual here (5th to 95th percentile) ",
        element("span", { class: "dot" }), " at this moment")];
  }

  decide(event, now) {
    const decision = this.events.decision(event);
    const who = event.item === null ? "" : `, by ${event.item.by}`;
    const head = element("h3", null, "Decision ",
      element("span", { class: `state ${decision}` },
        `${DECISIONS[decision]}${event.item?.changed ? ", edited" : ""}`
        + who));
    if (!this.editable) {
      return [head, element("p", { class: "quiet" }, event.item?.note ? (
        `Note: ${event.item.note}`) : "This file shows a review; "
        + "decisions are taken with aura review.")];
    }
    const act = (action) => () => this.actions.act(action, event.key);
    const button = (word, key, action, more = {}) => element("button", {
      type: "button", "aria-keyshortcuts": key, ...more,
      onclick: act(action) }, word, element("kbd", null, key));
    const added = event.layer === "added";
    this.form = this.fields(event, now);
    return [head, this.reviewerField(),
      element("div", { class: "buttons" },
        ...(added ? [button("Remove", "x", "remove")] : [
          button("Accept", "a", "accept", { class: "accept",
            "aria-pressed": String(decision === "accepted") }),
          button("Reject", "x", "reject", { class: "reject",
            "aria-pressed": String(decision === "rejected") }),
          event.item === null ? "" : button("Undo", "u", "reset")])),
      this.form];
  }

  reviewerField() {
    this.reviewer = element("input", {
      id: "reviewer", autocomplete: "name", maxlength: "80",
      value: remembered("reviewer") ?? "",
      placeholder: "your name, for the audit trail",
      onchange: () => remember("reviewer", this.reviewer.value.trim()) });
    return element("label", { class: "reviewer" }, "Reviewer",
      this.reviewer);
  }

  fields(event, now) {
    const field = (name, word, value, more = {}) => element("label", null,
      word, element("input", { name, value, ...more,
        oninput: () => this.typed() }));
    const form = element("form", { class: "fields", novalidate: true,
      onsubmit: (sent) => {
        sent.preventDefault();
        this.save();
      } },
    field("onset", "Onset", since(now.onset_s, 1), {
      inputmode: "decimal", "aria-describedby": "fields-hint" }),
    field("duration", "Duration (s)", String(
      Number(now.duration_s.toFixed(2))), { inputmode: "decimal" }),
    field("label", "Label", now.label, { list: "labels", maxlength: "64" }),
    field("note", "Note", event.item?.note ?? "", { maxlength: "500" }),
    element("datalist", { id: "labels" }, ...LABELS.map(
      (label) => element("option", { value: label }))),
    element("p", { id: "fields-hint", class: "quiet" },
      "Onset since the start (h:mm:ss) or drag the green bar; labels that "
      + "begin with sz count as seizures."),
    element("p", { class: "wrong", role: "alert" }),
    element("div", { class: "buttons" },
      element("button", { type: "submit", class: "save", disabled: true },
        "Save the change", element("kbd", null, "Enter")),
      element("button", { type: "button", class: "cancel", disabled: true,
        onclick: () => this.actions.cancel() }, "Cancel",
      element("kbd", null, "Esc"))));
    form.dataset.key = event.key;
    return form;
  }

  // What the fields say; null where a field makes no sense.
  read() {
    const value = (name) => this.form.elements[name].value.trim();
    const onset_s = parseSince(value("onset"));
    const duration_s = Number(value("duration").replace(",", "."));
    const wrong = this.form.querySelector(".wrong");
    wrong.textContent = Number.isNaN(onset_s)
      ? "The onset is a time since the start, such as 0:15:41.0."
      : !(duration_s > 0) ? "The duration is a number of seconds above 0."
        : onset_s + duration_s > this.duration_s + 0.005
          ? `The recording ends at ${since(this.duration_s, 1)}.`
          : value("label") === "" ? "A label is needed." : "";
    return wrong.textContent ? null : { onset_s, duration_s,
      label: value("label"), note: value("note") };
  }

  typed() {
    const read = this.read();
    for (const button of this.form.querySelectorAll("button")) {
      button.disabled = false;
    }
    this.form.querySelector(".save").disabled = read === null;
    this.actions.typed(read);
  }

  drafted(onset_s, duration_s) {
    if (!this.form?.isConnected) return;
    this.form.elements.onset.value = since(onset_s, 1);
    this.form.elements.duration.value = String(
      Number(duration_s.toFixed(2)));
    this.typed();
  }

  save() {
    const read = this.read();
    if (read !== null) this.actions.save(this.form.dataset.key, read);
  }

  edit() {
    this.form?.elements.onset.focus();
    this.form?.elements.onset.select();
  }

  who() {
    const name = (this.reviewer?.value ?? remembered("reviewer")
      ?? "").trim();
    if (name !== "") remember("reviewer", name);
    return name;
  }

  askWho() {
    this.reviewer?.focus();
  }

  trail(event) {
    const steps = this.events.review.steps.filter((step) => [
      step.before, step.after].some((one) => one?.key === event.key));
    if (steps.length === 0) return [];
    const words = { accept: "accepted", reject: "rejected", change: "edited",
      add: "added", remove: "removed", reset: "decision taken back" };
    return [element("h3", null, "Audit trail"),
      element("ol", { class: "trail" }, ...steps.reverse().map(
        (step) => element("li", null,
          element("b", null, `${words[step.action] ?? step.action} `),
          `by ${step.reviewer} `,
          element("time", { datetime: step.time },
            step.time.slice(0, 19).replace("T", " ") + " UTC"),
          element("small", null, difference(step)))))];
  }
}

function difference(step) {
  const { before, after } = step;
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
