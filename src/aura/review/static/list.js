// The start page: the worklist of recordings.
import { Clock, badge, counted, element, lasting, say } from "./dom.js";

const AT_ONCE = 300;

export class List {
  constructor(place, source, found) {
    Object.assign(this, { place, source, found });
    this.text = "";
    this.only = false;
    this.limit = AT_ONCE;
    this.build();
  }

  build() {
    const { cases, problems, refused } = this.found;
    const runs = new Set(cases.map((one) => one.run));
    this.many = runs.size > 1;
    this.body = element("tbody");
    this.more = element("p", { class: "more" });
    const search = element("input", { type: "search", id: "search",
      placeholder: "recording, patient or date", oninput: () => {
        this.text = search.value.toLowerCase();
        this.limit = AT_ONCE;
        this.draw();
        say(counted(this.matching().length, "recording"));
      } });
    const only = element("input", { type: "checkbox", onchange: () => {
      this.only = only.checked;
      this.draw();
      say(counted(this.matching().length, "recording"));
    } });
    const columns = [...(this.many ? ["Run"] : []), "Recording", "Patient",
      "Start", "Duration", "Annotations", "Alarms", "Agreement",
      "Unscorable", "Decisions"];
    this.place.replaceChildren(element("div", { class: "list" },
      element("h1", null, "Recordings"), this.summary(),
      element("div", { class: "tools" },
        element("label", null, "Search ", search),
        element("label", { class: "check" }, only,
          " only recordings with disagreements")),
      element("div", { class: "scroll", tabindex: "0", role: "region",
        "aria-label": "Recordings" },
      element("table", null, element("thead", null, element("tr", null,
        ...columns.map((name) => element("th", { scope: "col" }, name)))),
      this.body)), this.more,
      ...this.faults(problems, refused)));
    this.draw();
  }

  summary() {
    const { cases } = this.found;
    const total = { TP: 0, FP: 0, FN: 0 };
    let scored = 0;
    for (const { counts } of cases) {
      if (counts === null) continue;
      scored += 1;
      for (const name of Object.keys(total)) total[name] += counts[name];
    }
    const hours = cases.reduce((sum, one) => sum + one.duration_s, 0);
    return element("p", { class: "summary" },
      `${counted(cases.length, "recording")}, ${lasting(hours)}`,
      ...(scored === 0 ? [] : [` · ${scored} scored (SzCORE) `,
        ...Object.keys(total).map((name) => badge(name, total[name]))]));
  }

  matching() {
    return this.found.cases.filter((one) => (
      !this.only || (one.counts?.FP ?? 0) + (one.counts?.FN ?? 0) > 0
      || (!one.annotated && one.predicted > 0))
      && `${one.run} ${one.path} ${one.patient} ${one.start}`.toLowerCase()
        .includes(this.text));
  }

  draw() {
    const rows = this.matching();
    this.source.order = rows.map((one) => one.key);
    this.body.replaceChildren(
      ...rows.slice(0, this.limit).map((one) => this.row(one)));
    if (rows.length === 0) {
      this.body.replaceChildren(element("tr", null, element("td", {
        class: "nothing", colspan: "10" }, this.found.cases.length === 0
        ? "This run has no recordings." : "No recording matches.")));
    }
    this.more.replaceChildren(...(rows.length > this.limit ? [
      element("button", { type: "button", onclick: () => {
        this.limit += AT_ONCE;
        this.draw();
      } }, `Show more (${rows.length} in total)`)] : []));
  }

  row(one) {
    const clock = new Clock(one.start);
    const lost = 100 * one.lost_s / one.duration_s;
    const reviewed = one.trail_damaged ? "audit trail damaged"
      : one.events === 0 ? (one.decided ? `${one.decided} added` : "–")
        : `${one.decided} of ${one.events}`;
    const cells = [
      element("th", { scope: "row" }, element("a", {
        href: `#r=${one.key}` }, element("bdi", null, one.path))),
      element("td", null, one.patient),
      element("td", { class: "number" },
        `${clock.date(0)} ${clock.time(0)}`),
      element("td", { class: "number" }, lasting(one.duration_s)),
      element("td", { class: "number" },
        one.annotated ? String(one.originals) : "not annotated"),
      element("td", { class: "number" },
        one.predicted === null ? "no prediction" : String(one.predicted)),
      element("td", null, ...(one.counts === null ? ["–"]
        : ["TP", "FP", "FN"].map((name) => element("span", {
          class: one.counts[name] ? "" : "zero" },
        badge(name, one.counts[name]))))),
      element("td", { class: "number" }, `${lost < 0.05 && lost > 0
        ? "<0.1" : Number(lost.toFixed(1))} %`,
      one.warnings ? element("span", { class: "warned",
        title: counted(one.warnings, "warning") }, " ⚠") : ""),
      element("td", { class: "reviewed" }, one.events > 0
        ? element("progress", { max: one.events, value: Math.min(
          one.decided, one.events), "aria-label": reviewed }) : "",
      ` ${reviewed}`)];
    return element("tr", null, ...(this.many
      ? [element("td", null, one.run)] : []), ...cells);
  }

  faults(problems, refused) {
    const told = [
      ...problems.map((one) => [one.path, one]),
      ...refused.map((one) => [one.path, one])];
    if (told.length === 0) return [];
    return [element("details", { class: "faults", open: told.length < 20 },
      element("summary", null,
        `${counted(told.length, "file")} could not be read`),
      element("ul", null, ...told.slice(0, 500).map(
        ([path, one]) => element("li", null,
          element("bdi", null, path), `: ${one.rule}: ${one.text}`))))];
  }
}
