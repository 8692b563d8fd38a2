// Checks what the ledger proves (docs/ledger-format.md), with nothing but WebCrypto: hashes of RFC 6962, signed notes of C2SP, proofs of
// RFC 9162. It asks nobody anything and knows no page, so it can be tested and read by itself.

import { canonical, envelope } from "./canonical.mjs";

const utf8 = new TextEncoder();

/** Something that is not what it claims to be. */
export class NotVerified extends Error {}

const refuse = (why) => {
  throw new NotVerified(why);
};

// Bytes

/** The bytes of a base64 text that is written in the one way that there is for them. */
export function decodeBase64(text) {
  let binary;
  try {
    binary = atob(text);
  } catch {
    refuse("Something that should be base64 is not.");
  }
  if (btoa(binary) !== text) refuse("Something that should be base64 is not.");
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function encodeBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

async function sha256(...parts) {
  if (!globalThis.crypto?.subtle) throw new Error("Browsers compute hashes and check signatures only on pages that came over https, or from this machine.");
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

// The tree

/** RFC 6962 §2.1: the hash of a leaf. */
export const leafHash = (entry) => sha256(Uint8Array.of(0), entry);

/** RFC 6962 §2.1: the hash of a node. */
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// Sizes may be greater than what bit operators take, so halves are computed.
const isOdd = (number) => number % 2 === 1;
const half = (number) => Math.floor(number / 2);
const isPowerOfTwo = (number) => (isOdd(number) ? number === 1 : isPowerOfTwo(number / 2));

/** RFC 9162 §2.1.3.2: the root that a leaf and the hashes beside its way up lead to; undefined when they lead nowhere. */
export async function rootOfInclusion(leaf, index, size, hashes) {
  if (!(index >= 0 && index < size)) return undefined;
  let [at, last, root] = [index, size - 1, leaf];
  for (const hash of hashes) {
    if (last === 0) return undefined;
    if (isOdd(at) || at === last) {
      root = await nodeHash(hash, root);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      root = await nodeHash(root, hash);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 ? root : undefined;
}

/** RFC 9162 §2.1.4.2: whether the tree of the first head is where that of the second begins. */
export async function isConsistent(first, second, hashes) {
  if (first.size === second.size) return hashes.length === 0 && same(first.root, second.root);
  if (!(first.size > 0 && first.size < second.size) || hashes.length === 0) return false;
  const [begin, ...rest] = isPowerOfTwo(first.size) ? [first.root, ...hashes] : hashes;
  let [at, last] = [first.size - 1, second.size - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  let [older, newer] = [begin, begin];
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      [older, newer] = [await nodeHash(hash, older), await nodeHash(hash, newer)];
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newer = await nodeHash(newer, hash);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && same(older, first.root) && same(newer, second.root);
}

// Keys and notes

/** Reads a verifier key: `<name>+<id>+<base64 of 01 and the key>`. Its id has to be the one that its name and key have. */
export async function parseKey(text) {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  if (!name) refuse("A verifier key is written <name>+<8 hexadecimal digits>+<base64>.");
  const typed = decodeBase64(encoded);
  if (typed.length !== 33 || typed[0] !== 1) refuse("This is no Ed25519 key.");
  const expected = hex((await sha256(utf8.encode(`${name}\n`), typed)).slice(0, 4));
  if (id !== expected) refuse(`The id of this key should be ${expected}: it was not copied whole.`);
  return { text: text.trim(), name, id, bytes: typed.slice(1) };
}

/** Reads a signed note: its text, with the last line break, and its signatures. */
export function parseNote(note) {
  const end = note.lastIndexOf("\n\n");
  if (end < 1 || !note.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f]/.test(note)) refuse("This is no signed note.");
  const signatures = note.slice(end + 2, -1).split("\n").map((line) => {
    const [, name, encoded] = /^\u2014 ([^\s+]+) (\S+)$/.exec(line) ?? refuse("This is no signed note.");
    const bytes = decodeBase64(encoded);
    if (bytes.length < 5) refuse("This is no signed note.");
    return { name, id: hex(bytes.slice(0, 4)), bytes: bytes.slice(4) };
  });
  return { text: note.slice(0, end + 1), signatures };
}

/** Reads what a checkpoint says, whoever signed it. */
export function parseCheckpoint(note) {
  const lines = parseNote(note).text.slice(0, -1).split("\n");
  const [origin, size, root] = lines;
  const number = Number(size);
  if (lines.length < 3 || lines.includes("") || String(number) !== size || !Number.isSafeInteger(number) || number < 0) {
    refuse("This is no checkpoint.");
  }
  const bytes = decodeBase64(root);
  if (bytes.length !== 32) refuse("This is no checkpoint.");
  return { origin, size: number, root: bytes, note };
}

async function isSignedBy(key, text, signature) {
  const imported = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, utf8.encode(text));
}

/** The checkpoint of a note that one of these keys signed in the name of its log. Signatures of others, such as witnesses, are passed over. */
export async function verifiedCheckpoint(note, keys) {
  const { text, signatures } = parseNote(note);
  const checkpoint = parseCheckpoint(note);
  let signer;
  for (const signature of signatures) {
    const key = keys.find((known) => known.name === signature.name && known.id === signature.id);
    if (!key) continue;
    if (!(await isSignedBy(key, text, signature.bytes))) refuse(`The signature in the name of ${key.name} (${key.id}) is wrong.`);
    signer = key;
  }
  if (!signer) refuse("None of the keys that you trust signed it.");
  if (!keys.some((key) => key.name === checkpoint.origin)) refuse(`It is of another log: ${checkpoint.origin}.`);
  return { ...checkpoint, signer };
}

// Proofs, step by step

/**
 * Takes steps one by one and writes down each; after the first that fails there is no other. A step that could not be taken, as the browser
 * lacks something or the server does not answer, says nothing about the log.
 */
export class Steps {
  list = [];

  /** Whether a step could not be taken. */
  get isOpen() {
    return this.list.some((step) => step.isOpen);
  }

  get isGood() {
    return this.list.length > 0 && this.list.every((step) => step.isGood);
  }

  /** `check` answers with what was found, in words, or throws what is wrong. */
  async take(name, check) {
    if (this.list.some((step) => !step.isGood)) return;
    try {
      this.list.push({ name, isGood: true, detail: await check() });
    } catch (error) {
      const isOpen = !(error instanceof NotVerified);
      this.list.push({ name, isGood: false, isOpen, detail: isOpen ? `It could not be checked here: ${error.message}` : error.message });
    }
  }
}

/** The text and the members of an entry. */
const read = (entry) => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(entry);
    return { text, ...JSON.parse(text) };
  } catch {
    return refuse("The entry is no event.");
  }
};

/** Whether an entry is this event. Of an event that is too long the entry has the hash of its payload. */
async function isEntryOf(entry, event) {
  const shown = envelope(event);
  if (entry === canonical(shown)) return true;
  const { data, ...rest } = shown;
  return entry === canonical({ ...rest, data_sha256: hex(await sha256(utf8.encode(canonical(data)))) });
}

/** Checks an inclusion proof for an event as this page shows it. Answers with the steps, and the checkpoint when it was signed. */
export async function checkInclusion(proof, event, keys) {
  const steps = new Steps();
  let [checkpoint, entry] = [];
  await steps.take("The checkpoint is signed by a key that you trust", async () => {
    checkpoint = await verifiedCheckpoint(proof.checkpoint, keys);
    return `By ${checkpoint.signer.name}, key ${checkpoint.signer.id}.`;
  });
  await steps.take("The proof is about the tree of that checkpoint", () => {
    if (proof.size !== checkpoint.size) refuse(`The proof is about ${proof.size} events, the checkpoint about ${checkpoint.size}.`);
    return `It covers ${checkpoint.size} events.`;
  });
  await steps.take("The entry in the proof is the event that this page shows", async () => {
    entry = decodeBase64(proof.entry);
    const { text, position } = read(entry);
    if (position !== event.position || proof.position !== position || proof.index !== position - 1) refuse(`The entry is of position ${position}.`);
    if (!(await isEntryOf(text, event))) refuse("The entry says something else than what is shown here.");
    return `Byte for byte, ${entry.length} bytes.`;
  });
  await steps.take("Its hash leads to the root that was signed", async () => {
    const leaf = await leafHash(entry);
    const root = await rootOfInclusion(leaf, proof.index, proof.size, proof.hashes.map(decodeBase64));
    if (!root || !same(root, checkpoint.root)) refuse("It leads to another root. The event is not the one that was signed, or the proof was changed.");
    return `From leaf ${hex(leaf).slice(0, 16)}… by ${proof.hashes.length} hashes to root ${hex(root).slice(0, 16)}….`;
  });
  return { steps, checkpoint };
}

/** Checks that a log only grew from one checkpoint to another; both notes are verified here. */
export async function checkConsistency(proof, earlier, later, keys) {
  const steps = new Steps();
  let [from, to] = [];
  await steps.take("The earlier checkpoint is signed by a key that you trust", async () => {
    from = await verifiedCheckpoint(earlier, keys);
    return `It covers ${from.size} events.`;
  });
  await steps.take("The later checkpoint is signed by a key that you trust", async () => {
    to = await verifiedCheckpoint(later, keys);
    if (from.origin !== to.origin) refuse(`They are of two logs: ${from.origin} and ${to.origin}.`);
    return `It covers ${to.size} events.`;
  });
  await steps.take("The log only grew between them", async () => {
    if (!(await isConsistent(from, to, proof.hashes.map(decodeBase64)))) refuse("The later log does not begin with the earlier one: events were changed, dropped or moved.");
    return from.size === to.size ? "They are the same." : `The first ${from.size} of the ${to.size} events are the same.`;
  });
  return { steps, checkpoint: to };
}
