// Data sources: the server, or the data embedded in a one-file page.

const ARRAYS = {
  float32: Float32Array, int16: Int16Array, int32: Int32Array,
  uint8: Uint8Array, uint16: Uint16Array,
};

export function readFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(
    new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const columns = {};
  for (const [name, type, count] of head.columns) {
    columns[name] = new ARRAYS[type](buffer, at, count);
    at += Math.ceil(columns[name].byteLength / 8) * 8;
  }
  return { head, columns };
}

export class Refusal extends Error {
  constructor(status, rule, text) {
    super(text);
    this.status = status;
    this.rule = rule;
  }
}

export class Served {
  constructor() {
    this.editable = true;
  }

  async ask(path, options) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Refusal(0, "review.away",
        "the server does not respond; restart aura review");
    }
    if (answer.ok) return answer;
    let told = {};
    try {
      told = await answer.json();
    } catch {
      // A proxy or the access check answers in plain text.
    }
    throw new Refusal(answer.status, told.rule ?? "",
      told.text ?? `the server returned status ${answer.status}`);
  }

  async cases() {
    return (await this.ask("api/cases")).json();
  }

  // The key of the recording before or after one; null at an end. The order
  // is that of the list as it was last shown.
  async neighbour(key, direction) {
    this.order ??= (await this.cases()).cases.map((one) => one.key);
    return this.order[this.order.indexOf(key) + direction] ?? null;
  }

  async detail(key) {
    return (await this.ask(`api/case/${key}`)).json();
  }

  async review(key) {
    return (await this.ask(`api/case/${key}/review`)).json();
  }

  async reasons(key) {
    return (await this.ask(`api/case/${key}/reasons`)).json();
  }

  async frame(key, name) {
    const answer = await this.ask(`api/case/${key}/${name}`);
    return readFrame(await answer.arrayBuffer());
  }

  async change(key, change) {
    return (await this.ask(`api/case/${key}/review`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Aura-Review": "1" },
      body: JSON.stringify(change),
    })).json();
  }

  file(key, kind) {
    return `api/case/${key}/file/${kind}`;
  }
}

export class Embedded {
  constructor(content) {
    this.editable = false;
    this.content = content;
  }

  async detail() {
    return this.content.detail;
  }

  async review() {
    return this.content.detail.review;
  }

  async reasons() {
    return this.content.reasons;
  }

  async frame(key, name) {
    const packed = this.content.frames[name];
    if (packed === undefined) {
      throw new Refusal(404, "review.not_embedded",
        "this file contains the full-resolution ECG only around events");
    }
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(
      new DecompressionStream("gzip"));
    return readFrame(await new Response(stream).arrayBuffer());
  }
}
