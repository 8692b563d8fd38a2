// What this browser remembers of a ledger: the keys that its reader trusts, and the newest checkpoint that was verified with them. Both are
// public, so they may stay; the API key is not here.

import { NotVerified, checkConsistency, parseKey, verifiedCheckpoint } from "./ledger.mjs";

export class Trust {
  #name;
  #storage;
  /** Is told of each checkpoint that is kept. */
  onKept = () => {};

  /** `name` tells the ledgers of one origin apart. */
  constructor(name, storage) {
    this.#name = name;
    this.#storage = storage;
  }

  #load(what) {
    try {
      return JSON.parse(this.#storage.getItem(`${this.#name}.${what}`)) ?? undefined;
    } catch {
      return undefined;
    }
  }

  #keep(what, value) {
    try {
      if (value) this.#storage.setItem(`${this.#name}.${what}`, JSON.stringify(value));
      else this.#storage.removeItem(`${this.#name}.${what}`);
    } catch {
      // A browser that keeps nothing still verifies; it only has nothing to compare with next time.
    }
  }

  /** The keys as they were given: `{ lines, source, at }`. The source is `given` or `server`. */
  get given() {
    return this.#load("keys");
  }

  /** The newest checkpoint that was verified: `{ note, size, at }`. */
  get kept() {
    return this.#load("checkpoint");
  }

  /** Trusts these keys, one on each line, from now on. What other keys vouched for is not compared with any more. */
  async trust(text, source) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    if (lines.length === 0) throw new NotVerified("There is no key in this.");
    await Promise.all(lines.map(parseKey));
    this.#keep("keys", { lines, source, at: new Date().toISOString() });
  }

  /** Trusts nothing and compares with nothing. */
  forget() {
    this.#keep("keys");
    this.#keep("checkpoint");
  }

  /** The trusted keys, or none. */
  async keys() {
    return Promise.all((this.given?.lines ?? []).map(parseKey));
  }

  /** Keeps a checkpoint that was verified, when it is newer than the one that is kept. */
  keep(checkpoint) {
    if ((this.kept?.size ?? -1) < checkpoint.size) {
      this.#keep("checkpoint", { note: checkpoint.note, size: checkpoint.size, at: new Date().toISOString() });
      this.onKept(checkpoint);
    }
  }

  /** Whether a checkpoint fits the one that is kept, in steps; undefined when none is kept. What fits is kept from then on. */
  async compare(api, note, keys) {
    const { kept } = this;
    if (!kept) {
      this.keep(await verifiedCheckpoint(note, keys));
      return undefined;
    }
    const size = (await verifiedCheckpoint(note, keys)).size;
    const [earlier, later] = kept.size <= size ? [kept.note, note] : [note, kept.note];
    const compared = await compareNotes(api, earlier, later, keys, Math.min(kept.size, size), Math.max(kept.size, size));
    if (compared.steps.isGood) this.keep(compared.checkpoint);
    return compared.steps;
  }
}

/** Whether a log only grew from one checkpoint to another, with the hashes that the server has for it. */
export async function compareNotes(api, earlier, later, keys, from, to) {
  const nothing = { hashes: [] };
  // Of the same size there is nothing to prove: the roots are the same or they are not.
  const proof = from === to ? nothing : await api.get("v1/audit/proofs/consistency", { from, to }).catch((error) => {
    if (error.status === 404) throw new NotVerified(`The server has no proof that leads from ${from} events to ${to}: one of these checkpoints is not its own, or its log was cut off.`);
    throw error;
  });
  return checkConsistency(proof, earlier, later, keys);
}
