// What a reviewer decides, sent to the server one after the other.

export class Decisions {
  constructor(send, actions) {
    Object.assign(this, { send, actions });
    this.waiting = [];
    this.busy = false;
  }

  // `asked.version` is the one that was looked at; without it the newest.
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
    // An event that was removed meanwhile has nothing left to decide.
    if (wanted.key !== "" && !this.actions.known(wanted.key)) return;
    let review;
    try {
      const version = asked.version ?? this.actions.version();
      review = await this.send({ ...wanted, version });
    } catch (refusal) {
      // What came after was meant for the state that this would have made.
      const before = this.waiting.length;
      this.waiting = this.waiting.filter(
        (one) => one.wanted.key === "" || one.wanted.key !== wanted.key);
      await this.actions.refused(
        wanted, refusal, before - this.waiting.length);
      return;
    }
    this.actions.saved(wanted, asked, review);
  }
}
