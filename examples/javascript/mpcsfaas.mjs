// A client of the REST API for Node.js 18 and later. It needs nothing but what Node brings; copy it and make it yours.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const BUSY = [429, 503];

/** What the gateway refuses, and why (RFC 9457). `kind` is one of those in docs/rest.md, "Errors". */
export class Problem extends Error {
  constructor({ type, title, status, detail }, retryAfter) {
    super(`${type.split(":").at(-1)}: ${detail ?? title}`);
    this.name = "Problem";
    this.kind = type.split(":").at(-1);
    this.status = status;
    /** How many seconds the gateway asks to wait; undefined if it does not say. */
    this.retryAfter = retryAfter;
  }

  static async of(response) {
    const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
    const body = isProblem
      ? await response.json()
      : { type: "about:blank", title: `${response.status} ${response.statusText}`, status: response.status };
    return new Problem(body, Number.isFinite(retryAfter) ? retryAfter : undefined);
  }
}

export class Client {
  #url;
  #headers;

  /**
   * `patience`: for how long to try again when the gateway is busy or cannot be reached.
   * `silence`: after how much of it a connection counts as dead; a stream has a sign of life every 10 s.
   * Both in milliseconds.
   */
  constructor({
    url = process.env.MPCSFAAS_URL ?? "http://127.0.0.1:8000",
    key = process.env.MPCSFAAS_API_KEY,
    patience = 60_000,
    silence = 30_000,
    log = (message) => console.error(message),
  } = {}) {
    this.#url = url;
    this.#headers = key ? { authorization: `Bearer ${key}` } : {};
    Object.assign(this, { patience, silence, log });
  }

  /** Execute a function; its result object once it has ended, however it did. */
  async execute(functionId, args, options = {}) {
    // An id of our own: if an answer is lost, the repeated request finds the task that is there.
    const task = { function_id: functionId, args, task_id: randomUUID(), ...options };
    const wait = Math.min(60, this.silence / 2000);
    let response = await this.#post(`/v1/tasks?wait=${wait}`, task);
    while (response.status === 202) {
      response = await this.#fetch(`/v1/tasks/${task.task_id}/result?wait=${wait}`);
    }
    return response.json();
  }

  /** Submit tasks, at most 10,000; for each, in order, `{ id, state, duplicate }` or `{ error }`. */
  async submit(tasks) {
    const named = tasks.map((task) => ({ task_id: randomUUID(), ...task }));
    const response = await this.#post("/v1/tasks:batch", { tasks: named });
    return (await response.json()).results;
  }

  /**
   * The result objects of a group's tasks as they end, each once, beginning after a sequence. It never ends by itself:
   * leave the loop. A connection that is lost is made again, and resumes where it was.
   */
  async *follow(group, after = 0) {
    for (;;) {
      const path = `/v1/groups/${encodeURIComponent(group)}/stream?after=${after}`;
      const response = await this.#fetch(path, { headers: { accept: "text/event-stream" } });
      try {
        for await (const result of resultsIn(heard(response.body, this.silence))) {
          after = result.sequence;
          yield result;
        }
        this.log(`the stream ended; resuming after ${after}`);
      } catch (error) {
        this.log(`the stream was lost (${reasonOf(error)}); resuming after ${after}`);
      }
      await sleep(FIRST_PAUSE);
    }
  }

  #post(path, body) {
    const headers = { "content-type": "application/json" };
    return this.#fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** A good answer. What passes, a busy gateway or none at all, is tried again; else it throws a `Problem`. */
  async #fetch(path, { headers, ...options } = {}) {
    const url = new URL(path, this.#url);
    const all = { ...this.#headers, ...headers };
    const end = Date.now() + this.patience;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const [response, failure] = await attempt(url, { ...options, headers: all }, this.silence);
      if (!failure) return response;
      const wait = failure.retryAfter === undefined ? pause : failure.retryAfter * 1000;
      const passes = failure instanceof Problem ? BUSY.includes(failure.status) : true;
      if (!passes || Date.now() + wait > end) throw failure;
      this.log(`${reasonOf(failure)} Trying again in ${wait / 1000} s.`);
      await sleep(wait);
    }
  }
}

/** One request: `[response]`, or `[undefined, failure]`. It may go to a connection that is gone unnoticed. */
async function attempt(url, options, silence) {
  const connection = new AbortController();
  const timer = setTimeout(() => connection.abort(new Error(`No answer within ${silence / 1000} s.`)), silence);
  try {
    const response = await fetch(url, { ...options, signal: connection.signal });
    return response.ok ? [response] : [undefined, await Problem.of(response)];
  } catch (error) {
    return [undefined, error];
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch` hides why it failed in the cause. */
function reasonOf(error) {
  return error.cause?.message || error.cause?.code || error.message;
}

/** The chunks of a body. It throws after too long a silence. */
async function* heard(body, silence) {
  const reader = body.getReader();
  let isDead = false;
  const timer = setTimeout(() => {
    isDead = true;
    reader.cancel();
  }, silence);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isDead) throw new Error(`nothing heard for ${silence / 1000} s`);
      if (done) return;
      timer.refresh();
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {}); // Ends the connection, unless it has ended.
  }
}

/** The results in a stream of server-sent events. An event that was cut off is left out, as it comes again. */
async function* resultsIn(chunks) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) {
    const events = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice("data: ".length)); // Without one, it is a sign of life.
    }
  }
}
