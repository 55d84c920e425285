// The sidebar: list of events; features, decision and audit trail of one.
import { LAYER_WORDS, OUTCOMES, badge, counted, element, lasting, number, outcomeWord, remember, remembered, renew } from "./dom.js";
import { Form } from "./form.js";
import { trail } from "./trail.js";
import { why } from "./why.js";

const ROW = 46;
const FILTERS = [["all", "All"], ["disagreements", "Disagreements"],
  ["TP", "TP"], ["FP", "FP"], ["FN", "FN"], ["open", "Undecided"]];
const DECISIONS = { open: "undecided", accepted: "accepted",
  rejected: "rejected" };

export class Panel {
  constructor(place, events, clock, detail, editable, actions) {
    Object.assign(this, {
      place, events, clock, detail, editable, actions });
    this.filter = "all";
    this.selected = null;
    this.reasons = null;
    this.build();
    this.refresh();
  }

  build() {
    this.filters = element("div", { class: "filters", role: "group",
      "aria-label": "Filter events" });
    this.list = element("div", { class: "events", role: "listbox",
      tabindex: "0", "aria-label": "Events",
      onscroll: () => this.drawRows(),
      onkeydown: (event) => this.keyed(event) });
    this.spacer = element("div", { class: "spacer" });
    this.list.append(this.spacer);
    this.place.replaceChildren(
      element("h2", null, "Events"), this.filters, this.list,
      ...this.buildDetail());
    new ResizeObserver(() => this.drawRows()).observe(this.list);
  }

  // The selected event. An update replaces the content of these parts, never
  // the parts themselves: focus and typed text are kept.
  buildDetail() {
    const part = () => element("div", { class: "part" });
    Object.assign(this, { about: part(), reason: part(), decided: part(),
      buttons: element("div", { class: "buttons" }), trail: part() });
    this.reading = element("div", { class: "detail", tabindex: "0",
      role: "region", "aria-label": "Selected event" },
    this.about, this.reason, this.trail);
    this.form = new Form(
      this.detail.key, this.detail.duration_s, this.actions);
    this.reviewer = element("input", {
      id: "reviewer", autocomplete: "name", maxlength: "80",
      value: remembered("reviewer") ?? "",
      placeholder: "your name, for the audit trail",
      oninput: () => remember("reviewer", this.who()) });
    // Outside of the part that scrolls: a decision needs no scrolling.
    this.deciding = element("div", { class: "deciding" }, this.decided,
      ...(this.editable ? [this.buttons, this.form.place,
        element("label", { class: "reviewer" }, "Reviewer", this.reviewer)]
        : []));
    return [this.reading, this.deciding];
  }

  refresh() {
    renew(this.filters, ...FILTERS.map(([name, word]) => {
      const count = this.events.matching(name).length;
      const shape = OUTCOMES[name]?.shape;
      return element("button", {
        type: "button", class: OUTCOMES[name]?.css ?? "plain",
        "aria-pressed": String(this.filter === name),
        onclick: () => this.setFilter(name) },
      shape ? element("span", { "aria-hidden": "true" }, `${shape} `) : "",
      `${word} ${count}`);
    }));
    this.shown = this.events.matching(this.filter);
    this.spacer.style.height = `${Math.max(1, this.shown.length) * ROW}px`;
    this.list.style.height = `${Math.max(1, this.shown.length) * ROW + 2}px`;
    this.drawRows();
    this.drawDetail();
  }

  setFilter(name) {
    this.filter = name;
    this.refresh();
    this.list.scrollTop = 0;
  }

  // Draws visible rows only: there may be ten thousand events.
  drawRows() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - 4);
    const count = Math.ceil((this.list.clientHeight || 400) / ROW) + 8;
    const rows = this.shown.slice(first, first + count).map(
      (event, n) => this.row(event, first + n));
    if (this.shown.length === 0) {
      rows.push(element("p", { class: "nothing" },
        this.events.all.length === 0
          ? "No events: this recording has no annotations and no alarms."
          : "No events of this type."));
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
    badge(event.outcome, undefined, event.layer),
    element("span", { class: "what" },
      element("b", null, `${outcomeWord(event.outcome, event.layer)}`),
      element("small", null, `${LAYER_WORDS[event.layer]} · ${now.label}`
        + (event.confidence === null ? ""
          : ` · ${event.confidence.toFixed(2)}`))),
    element("span", { class: "when" },
      element("b", null, this.clock.time(now.onset_s)),
      element("small", null, lasting(now.duration_s)
        + (event.item?.changed ? " · edited" : "")
        + (this.form.keeps(event.key) ? " · unsaved" : ""))),
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
      // The filter hides this event.
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
    this.reading.scrollTop = 0;
  }

  // -- the selected event ------------------------------------------------

  drawDetail() {
    const event = this.events.byKey.get(this.selected);
    this.form.show(event, event && this.events.current(event));
    this.buttons.hidden = event === undefined;
    this.drawWhy();
    if (event === undefined) {
      this.about.replaceChildren(this.noEvent());
      for (const part of [this.decided, this.buttons, this.trail]) {
        part.replaceChildren();
      }
      return;
    }
    const now = this.events.current(event);
    this.about.replaceChildren(
      element("h2", { class: "chosen" }, badge(event.outcome, undefined,
        event.layer), ` ${outcomeWord(event.outcome, event.layer)}`),
      element("p", { class: "times" },
        `${this.clock.date(now.onset_s)} ${this.clock.time(now.onset_s)} to `
        + `${this.clock.time(now.onset_s + now.duration_s)} · `
        + `${lasting(now.duration_s)}`,
        event.latency_s === null ? "" : element("span", { class: "late" },
          ` · alarm ${number(Math.abs(event.latency_s))} s `
          + (event.latency_s < 0 ? "before" : "after") + " the onset")));
    this.decided.replaceChildren(...this.state(event));
    renew(this.buttons, ...this.choices(event));
    this.trail.replaceChildren(
      ...trail(event.key, this.events.review.steps));
  }

  drawWhy() {
    const event = this.events.byKey.get(this.selected);
    this.reason.replaceChildren(...(event === undefined ? []
      : why(event, this.reasons, this.clock)));
  }

  noEvent() {
    const { version: decisions, files } = this.events.review;
    return element("div", { class: "empty" },
      element("p", null, this.events.all.length === 0
        ? "Press i to add a seizure at the cursor."
        : "Select an event, or press n to go to the next disagreement."),
      decisions === 0 ? "" : element("p", { class: "saved" },
        `${counted(decisions, "decision")} so far, saved in ${files.tsv} `
        + `and ${files.edf}.`));
  }

  state(event) {
    const decision = this.events.decision(event);
    const who = decision === "open" ? "" : `, by ${event.item.by}`;
    return [element("h3", null, "Decision ",
      element("span", { class: `state ${decision}` },
        `${DECISIONS[decision]}${event.item?.changed ? ", edited" : ""}`
        + who)),
    ...(this.editable ? [] : [element("p", { class: "quiet" },
      event.item?.note ? `Note: ${event.item.note}` : "This page is "
        + "read-only. Run aura review to make decisions.")])];
  }

  choices(event) {
    const decision = this.events.decision(event);
    const button = (word, key, action, more = {}) => element("button", {
      type: "button", "aria-keyshortcuts": key, ...more,
      onclick: () => this.actions.act(action, event.key) },
    word, element("kbd", null, key));
    return event.layer === "added" ? [button("Remove", "x", "remove")] : [
      button("Accept", "a", "accept", { class: "accept",
        "aria-pressed": String(decision === "accepted") }),
      button("Reject", "x", "reject", { class: "reject",
        "aria-pressed": String(decision === "rejected") }),
      ...(event.item === null ? [] : [button("Undo", "u", "reset")])];
  }

  who() {
    return this.reviewer.value.trim();
  }
}
