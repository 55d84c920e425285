// Sends decisions to the server, one at a time.

export class Decisions {
  constructor(send, actions) {
    Object.assign(this, { send, actions });
    this.waiting = [];
    this.busy = false;
  }

  // `asked.version` is the version the reviewer saw, by default the newest.
  push(wanted, asked = {}) {
    this.waiting.push({ wanted, asked });
    if (!this.busy) this.work();
  }

  async work() {
    const leaving = (event) => event.preventDefault();
    this.busy = true;
    addEventListener("beforeunload", leaving);
    try {
      while (this.waiting.length > 0) await this.next(this.waiting.shift());
    } finally {
      removeEventListener("beforeunload", leaving);
      this.busy = false;
    }
  }

  async next({ wanted, asked }) {
    // The event may have been removed in the meantime.
    if (wanted.key !== "" && wanted.action !== "restore"
      && !this.actions.known(wanted.key)) return;
    let review;
    try {
      const version = asked.version ?? this.actions.version();
      review = await this.send({ ...wanted, version });
    } catch (refusal) {
      // Later decisions on the event relied on this one, so drop them.
      const before = this.waiting.length;
      this.waiting = this.waiting.filter(
        (one) => one.wanted.key === "" || one.wanted.key !== wanted.key);
      await this.actions.refused(
        wanted, asked, refusal, before - this.waiting.length);
      return;
    }
    this.actions.saved(wanted, asked, review);
  }
}

// The steps of this page that can be taken back or done again; those of one
// decision are together.
export class Taken {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  record(wanted, { group = [], to }, { steps, version }) {
    const { action, before, after } = steps.at(-1) ?? {};
    const { key } = after ?? before ?? {};
    // A decision that changes nothing is not a step.
    if (action !== wanted.action
      || (action !== "add" && key !== wanted.key)) return;
    if (group.length === 0) (to ?? this.done).push(group);
    group.push({ key, version });
    // A new decision ends what can be done again.
    if (to === undefined) this.undone.length = 0;
  }
}
