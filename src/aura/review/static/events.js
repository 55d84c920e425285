// The events of a recording, each with its decision.
import { firstAtLeast } from "./window.js";

export class Events {
  constructor(detail) {
    this.marks = detail.marks;
    this.annotated = detail.annotated;
    // Decisions that are on their way to the server count as made.
    this.sent = new Map();
    this.seizures = this.paired();
    this.update(detail.review);
  }

  // The detected seizure of each alarm that overlaps one, by key. An accepted
  // alarm elsewhere adds an event, so it is a decision of its own.
  paired() {
    const found = new Map();
    const seizures = new Spans(this.marks.filter(
      (one) => one.layer === "original" && one.outcome === "TP"));
    for (const one of this.marks) {
      if (one.layer !== "predicted" || one.outcome !== "TP") continue;
      const end = one.onset_s + one.duration_s;
      const met = seizures.between(one.onset_s, end).find((seizure) => (
        seizure.onset_s < end
        && seizure.onset_s + seizure.duration_s > one.onset_s));
      if (met !== undefined) found.set(one.key, met.key);
    }
    return found;
  }

  // A detected seizure and its alarms: they are decided together.
  group(key) {
    const seizure = this.seizures.get(key) ?? key;
    return [seizure, ...[...this.seizures].filter(
      ([, other]) => other === seizure).map(([alarm]) => alarm)];
  }

  update(review) {
    this.review = review;
    const items = new Map(review.items.map((item) => [item.key, item]));
    this.all = this.marks.map((mark) => ({
      ...mark, given: mark, item: items.get(mark.key) ?? null }));
    const known = new Set(this.marks.map((mark) => mark.key));
    for (const item of review.items) {
      if (!known.has(item.key)) {
        this.all.push({
          key: item.key, layer: item.layer, onset_s: item.onset_s,
          duration_s: item.duration_s, label: item.label, confidence: null,
          outcome: "", latency_s: null, given: null, item });
      }
    }
    this.all.sort((a, b) => a.onset_s - b.onset_s
      || a.duration_s - b.duration_s || (a.key < b.key ? -1 : 1));
    this.all.forEach((event, order) => {
      event.order = order;
    });
    this.byKey = new Map(this.all.map((event) => [event.key, event]));
    this.layers = {
      original: new Spans(this.all.filter((e) => e.layer === "original")),
      predicted: new Spans(this.all.filter(
        (e) => e.layer === "predicted" && e.given !== null)),
      reviewed: new Spans(review.reviewed.map(
        ([onset_s, duration_s, label]) => ({ onset_s, duration_s, label }))),
    };
  }

  decision(event) {
    return event.item === null ? "open" : event.item.decision;
  }

  undecided(event) {
    return this.decision(event) === "open" && !this.sent.has(event.key)
      && !this.seizures.has(event.key);
  }

  // With the reviewer's changes.
  current(event) {
    return event.item ?? event;
  }

  disagrees(event) {
    return event.outcome === "FP" || event.outcome === "FN"
      || (!this.annotated && event.layer === "predicted");
  }

  matching(filter) {
    const tests = {
      all: () => true,
      disagreements: (event) => this.disagrees(event),
      open: (event) => this.undecided(event),
      TP: (event) => event.outcome === "TP" && event.layer === "original",
      FP: (event) => event.outcome === "FP",
      FN: (event) => event.outcome === "FN",
    };
    return this.all.filter(tests[filter]);
  }

  // The next event of a list, from the selected one or else from a time.
  next(list, selected, time, direction) {
    if (list.length === 0) return null;
    const here = this.byKey.get(selected);
    if (here !== undefined) {
      return direction > 0
        ? list.find((event) => event.order > here.order) ?? null
        : list.findLast((event) => event.order < here.order) ?? null;
    }
    return direction > 0
      ? list.find((event) => event.onset_s >= time - 1e-6) ?? null
      : list.findLast((event) => event.onset_s < time - 1e-6) ?? null;
  }
}

// Events of one layer, searched by time.
export class Spans {
  constructor(events) {
    this.events = events;
    this.onsets = Float64Array.from(events, (event) => event.onset_s);
    this.longest = events.reduce(
      (most, event) => Math.max(most, event.duration_s), 0);
  }

  between(from, to) {
    return this.events.slice(
      firstAtLeast(this.onsets, from - this.longest),
      firstAtLeast(this.onsets, to)).filter(
      (event) => event.onset_s + event.duration_s >= from);
  }
}
