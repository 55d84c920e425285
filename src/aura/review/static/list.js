// The start page: the worklist of recordings.
import { Clock, badge, counted, element, lasting, say } from "./dom.js";

const AT_ONCE = 300;
// Longest name of a recording that is shown in full.
const LONGEST = 38;

// Cases where alarms and annotations differ; alarms if not annotated.
const disagreements = (one) => (one.counts !== null
  ? one.counts.FP + one.counts.FN
  : one.annotated ? 0 : one.predicted ?? 0);
const undecided = (one) => Math.max(0, one.events - one.decided);
const most = (count) => (a, b) => count(b) - count(a);
const SORTS = {
  name: ["run and name", null],
  disagreements: ["disagreements", most(disagreements)],
  undecided: ["undecided events", most(undecided)],
  unscorable: ["unscorable share", most(
    (one) => one.lost_s / one.duration_s)],
  patient: ["patient", (a, b) => (a.patient < b.patient ? -1
    : Number(a.patient > b.patient))] };

// A long name keeps its two ends, where names of a study differ.
function shortened(text) {
  const letters = [...text];
  if (letters.length <= LONGEST) return text;
  const half = Math.floor(LONGEST / 2);
  return `${letters.slice(0, half - 1).join("")}…${
    letters.slice(-half).join("")}`;
}

export class List {
  // `given` are the search, filter and order of the address.
  constructor(place, source, found, given) {
    Object.assign(this, { place, source, found });
    this.text = given.get("q") ?? "";
    this.only = given.get("only") === "yes";
    this.sort = given.get("sort") in SORTS ? given.get("sort") : "name";
    // As many rows as before, so that Back finds its place again.
    this.limit = history.state?.limit ?? AT_ONCE;
    this.build();
    scrollTo(0, history.state?.top ?? 0);
  }

  // Keeps search, filter, order and place in the address and its history.
  note() {
    const asked = new URLSearchParams();
    if (this.text) asked.set("q", this.text);
    if (this.only) asked.set("only", "yes");
    if (this.sort !== "name") asked.set("sort", this.sort);
    this.source.listed = `#${asked}`;
    history.replaceState({ top: scrollY, limit: this.limit }, "",
      this.source.listed);
  }

  build() {
    const { cases, problems, refused } = this.found;
    const runs = new Set(cases.map((one) => one.run));
    this.many = runs.size > 1;
    this.body = element("tbody");
    this.more = element("p", { class: "more" });
    const changed = () => {
      this.text = search.value;
      this.only = only.checked;
      this.sort = sort.value;
      this.limit = AT_ONCE;
      this.draw();
      this.note();
      say(counted(this.matching().length, "recording"));
    };
    const search = element("input", { type: "search", id: "search",
      value: this.text, placeholder: "recording, patient or date",
      oninput: changed });
    const only = element("input", { type: "checkbox", checked: this.only,
      onchange: changed });
    const sort = element("select", { id: "sort", onchange: changed },
      ...Object.entries(SORTS).map(([value, [word]]) => element("option",
        { value, selected: value === this.sort }, word)));
    const columns = [...(this.many ? ["Run"] : []), "Recording", "Patient",
      "Start", "Duration", "Annotations", "Alarms", "Agreement",
      "Unscorable", "Decisions"];
    this.place.replaceChildren(element("div", { class: "list" },
      element("h1", null, "Recordings"), this.summary(),
      element("div", { class: "tools" },
        element("label", null, "Search ", search),
        element("label", { class: "check" }, only,
          " only recordings with disagreements"),
        element("label", null, "Sort by ", sort)),
      element("div", { class: "scroll", tabindex: "0", role: "region",
        "aria-label": "Recordings" },
      element("table", { onclick: () => this.note() }, element("thead", null, element("tr", null,
        ...columns.map((name) => element("th", { scope: "col" }, name)))),
      this.body)), this.more,
      ...this.faults(problems, refused)));
    this.columns = columns.length;
    this.draw();
    this.note();
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
        ...Object.keys(total).map((name) => badge(name, total[name]))]),
      ...this.progress());
  }

  // How much of the study is decided.
  progress() {
    const sum = (of) => this.found.cases.reduce(
      (total, one) => total + of(one), 0);
    const events = sum((one) => one.events);
    if (events === 0) return [];
    const decided = events - sum(undecided);
    const open = this.found.cases.filter((one) => undecided(one) > 0).length;
    const text = `${decided} of ${counted(events, "event")} decided, `
      + `${counted(open, "recording")} to do`;
    return [" · ", element("progress", { max: events, value: decided,
      "aria-label": text }), ` ${text}`];
  }

  matching() {
    const found = this.found.cases.filter((one) => (
      !this.only || disagreements(one) > 0)
      && `${one.run} ${one.path} ${one.patient} ${one.start}`.toLowerCase()
        .includes(this.text.toLowerCase()));
    const [, order] = SORTS[this.sort];
    return order === null ? found : found.sort(order);
  }

  draw() {
    const rows = this.matching();
    this.source.order = rows.map((one) => one.key);
    this.body.replaceChildren(...rows.slice(0, this.limit).flatMap(
      (one, n) => [...(this.sort === "patient"
        && one.patient !== rows[n - 1]?.patient
        ? [this.group(rows, one.patient)] : []), this.row(one)]));
    if (rows.length === 0) {
      this.body.replaceChildren(element("tr", null, element("td", {
        class: "nothing", colspan: String(this.columns) }, this.found.cases.length === 0
        ? "This run has no recordings." : "No recording matches.")));
    }
    this.more.replaceChildren(...(rows.length > this.limit ? [
      element("button", { type: "button", onclick: () => {
        this.limit += AT_ONCE;
        this.draw();
      } }, `Show more (${rows.length} in total)`)] : []));
  }

  group(rows, patient) {
    const own = rows.filter((one) => one.patient === patient);
    const open = own.reduce((sum, one) => sum + undecided(one), 0);
    return element("tr", { class: "group" }, element("th", {
      scope: "rowgroup", colspan: String(this.columns) },
    `${patient}: ${counted(own.length, "recording")}, ${
      counted(open, "undecided event")}`));
  }

  row(one) {
    const clock = new Clock(one.start);
    const lost = 100 * one.lost_s / one.duration_s;
    const reviewed = one.trail_damaged ? "audit trail damaged"
      : one.events === 0 ? (one.added ? `${one.added} added` : "–")
        : `${one.decided} of ${one.events}${
          one.added ? ` + ${one.added}` : ""}`;
    const cells = [
      element("th", { scope: "row" }, element("a", {
        href: `#r=${one.key}`, title: one.path, "aria-label": one.path },
      element("bdi", null, shortened(one.path)))),
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
