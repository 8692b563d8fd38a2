// The audit API. The key is in memory and goes into one header; it is never part of an address.

/** What the server said instead of an answer, in its own words. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? `The server answered with status ${status}.`);
    this.status = status;
    this.field = problem?.field;
  }
}

/** How many rows a page of a list has. */
const PAGE = 1000;

export class Api {
  #key;
  #base;

  /** `base` is where the server's paths begin. */
  constructor(base, key) {
    this.#base = base;
    this.#key = key;
  }

  async #send(path, query, options = {}) {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const headers = { Authorization: `Bearer ${this.#key}`, ...options.headers };
    let answer;
    try {
      answer = await fetch(url, { credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", ...options, headers });
    } catch {
      throw new Error("The server can't be reached.");
    }
    if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => undefined));
    return answer;
  }

  /** The JSON that is there. */
  async get(path, query) {
    return (await this.#send(path, query)).json();
  }

  /** The text that is there. */
  async text(path, query) {
    return (await this.#send(path, query)).text();
  }

  /** The file that is there. A download that breaks off is an error. */
  async file(path, query) {
    return (await this.#send(path, query)).blob();
  }

  /** Whether the key lets an auditor in; an error says why not. Nothing is told of anybody, so nothing is recorded. */
  async probe() {
    await this.#send("v1/signing-keys");
  }

  /** The newest checkpoint once everything in the log is signed. It changes nothing in the log. */
  async sign() {
    return (await this.#send("v1/audit/checkpoints", {}, { method: "POST" })).json();
  }

  /** Events, the newest first, at most `most` of them: `{ events, people, position, isWhole }`. */
  async newest(query, most) {
    const found = { events: [], people: {}, position: undefined, isWhole: false };
    let cursor;
    do {
      const page = await this.get("v1/audit/events", { ...query, order: "desc", limit: Math.min(PAGE, most), cursor });
      found.events.push(...page.events);
      Object.assign(found.people, page.people);
      found.position ??= page.position ?? 0;
      cursor = page.next_cursor;
    } while (cursor && found.events.length < most);
    return { ...found, isWhole: !cursor };
  }

  /** The one event at a position. */
  async event(position) {
    // A cursor is the position that a page begins behind.
    const page = await this.get("v1/audit/events", { cursor: Math.max(position - 1, 0), limit: 1 });
    const [event] = page.events;
    if (event?.position !== position) throw new Error(`There is no event at position ${position} yet.`);
    return { event, people: page.people };
  }
}

/** An error in words for whoever looks at the page. */
export function inWords(error) {
  if (!(error instanceof ApiError)) return error.message;
  if (error.status === 401) return "This API key is not known here, or it was revoked. Check that it was copied whole: it begins with glk_.";
  if (error.status === 403) return "This API key is known, but it may not look at the past: it needs the role auditor. Ask an administrator for one.";
  if (error.status === 429) return "Too many requests at a time. Wait a moment and try again.";
  if (error.status === 503) return `${error.message} Try again in a moment.`;
  return error.message;
}
