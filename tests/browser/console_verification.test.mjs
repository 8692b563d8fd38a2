// The verification of the console, without a browser: against the vectors that another program made (tests/ledger/vectors.py).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const load = (name) => import(join(root, "api/console", name));
const { canonical, envelope } = await load("canonical.mjs");
const { checkConsistency, checkInclusion, decodeBase64, encodeBase64, hex, isConsistent, leafHash, parseCheckpoint, parseKey, parseNote, rootOfInclusion, verifiedCheckpoint } = await load("ledger.mjs");
const { historyOf, isCrowded, placesOf, stopAt, stopAtTime } = await load("history.mjs");
const { Names, sentence, tokenOf } = await load("words.mjs");

const vectors = JSON.parse(readFileSync(join(root, "tests/ledger/vectors.json"), "utf8"));
const key = await parseKey(vectors.verifier_key);
const utf8 = new TextEncoder();

/** An event as the audit API tells it. Of the long one the vectors have only a description. */
function told(event) {
  const { long, ...data } = event.data;
  return { ...event, time: new Date(event.time).toISOString(), data: long ? { ...data, long: "x".repeat(70_000) } : data };
}

const rootAt = (size) => decodeBase64(vectors.roots[size] ?? encodeBase64(treeHash(leaves.slice(0, size))));
const isSame = (a, b) => hex(a) === hex(b);

const digits = (number, length) => number.toString(16).padStart(length, "0");

/** The event at an index of the vectors' log: those beyond the first five are all alike. */
function eventAt(index) {
  if (index < vectors.events.length) return told(vectors.events[index]);
  const position = index + 1;
  return told({
    position,
    stream: `grant-019a2d5e-6c00-7000-8000-${digits(position % 5, 12)}`,
    revision: Math.floor(position / 5),
    id: `019a2d5e-6c01-7000-8000-${digits(position, 12)}`,
    type: "grant.revoked",
    schema: 1,
    time: 1772546400000 + position,
    actor: ["client:calendar", "system", "subject:é"][position % 3],
    request_id: position % 2 ? "" : `req-${position}`,
    data: vectors.rest,
  });
}

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** RFC 6962 §2.1, as it is written there: for the sizes whose roots the vectors don't have. */
function treeHash(own) {
  if (own.length === 1) return own[0];
  const half = 2 ** Math.ceil(Math.log2(own.length) - 1);
  return sha256(Uint8Array.of(1), treeHash(own.slice(0, half)), treeHash(own.slice(half)));
}

const leafOf = (index) => leafHash(utf8.encode(vectors.entries[index] ?? canonical(envelope(eventAt(index)))));

const leaves = await Promise.all(Array.from({ length: 600 }, (_, index) => leafOf(index)));

test("the tree over all events has the roots of the vectors", () => {
  for (const [size, root] of Object.entries(vectors.roots)) assert.equal(encodeBase64(treeHash(leaves.slice(0, Number(size)))), root);
});

test("events have the canonical form and the leaf hash of the vectors", async () => {
  for (const [at, event] of vectors.events.entries()) {
    const form = canonical(envelope(told(event)));
    if (!event.data.long) assert.equal(form, vectors.entries[at]);
    assert.equal(hex(await leafHash(utf8.encode(vectors.entries[at]))), vectors.leaf_hashes[at]);
  }
});

test("inclusion proofs lead to the roots, and to no other once anything is different", async () => {
  let checked = 0;
  for (const { index, size, hashes } of vectors.inclusion) {
    const leaf = leaves[index];
    checked += 1;
    const path = hashes.map(decodeBase64);
    assert.ok(isSame(await rootOfInclusion(leaf, index, size, path), rootAt(size)), `${index} of ${size}`);
    for (const at of path.keys()) {
      const flipped = path.map((hash, own) => (own === at ? hash.with(0, hash[0] ^ 1) : hash));
      assert.ok(!isSame(await rootOfInclusion(leaf, index, size, flipped), rootAt(size)));
      const short = path.filter((_, own) => own !== at);
      const found = await rootOfInclusion(leaf, index, size, short);
      assert.ok(!found || !isSame(found, rootAt(size)));
    }
    const long = await rootOfInclusion(leaf, index, size, [...path, leaf]);
    assert.ok(!long || !isSame(long, rootAt(size)));
    assert.equal(await rootOfInclusion(leaf, size, size, path), undefined);
  }
  assert.equal(checked, vectors.inclusion.length);
});

test("consistency proofs hold between the roots, and not once anything is different", async () => {
  let checked = 0;
  for (const { from, to, hashes } of vectors.consistency) {
    checked += 1;
    const [first, second] = [{ size: from, root: rootAt(from) }, { size: to, root: rootAt(to) }];
    const path = hashes.map(decodeBase64);
    assert.ok(await isConsistent(first, second, path), `${from} to ${to}`);
    assert.ok(!(await isConsistent(first, second, [...path, path[0] ?? second.root])));
    if (from === to) continue;
    assert.ok(!(await isConsistent({ ...first, root: second.root }, second, path)));
    assert.ok(!(await isConsistent(first, { ...second, root: first.root }, path)));
    assert.ok(!(await isConsistent(first, second, path.slice(0, -1))));
    for (const at of path.keys()) {
      assert.ok(!(await isConsistent(first, second, path.map((hash, own) => (own === at ? hash.with(31, hash[31] ^ 128) : hash)))));
    }
  }
  assert.equal(checked, vectors.consistency.length);
  const head = { size: 7, root: rootAt(7) };
  assert.ok(await isConsistent(head, head, []));
  assert.ok(!(await isConsistent(head, { size: 7, root: rootAt(3) }, [])));
  assert.ok(!(await isConsistent({ size: 0, root: rootAt(7) }, head, [])));
  assert.ok(!(await isConsistent({ size: 600, root: rootAt(600) }, head, [rootAt(3)])));
});

test("a checkpoint is believed when the key signed all of it", async () => {
  for (const [size, note] of Object.entries(vectors.checkpoints)) {
    const checkpoint = await verifiedCheckpoint(note, [key]);
    assert.equal(checkpoint.size, Number(size));
    assert.ok(isSame(checkpoint.root, rootAt(size)));
  }
  const note = vectors.checkpoints[7];
  for (const changed of [note.replace("\n7\n", "\n8\n"), note.replace("auth.example.com\n7", "auth.example.org\n7"), note.replace("2AI=", "2AM=")]) {
    await assert.rejects(verifiedCheckpoint(changed, [key]));
  }
  await assert.rejects(verifiedCheckpoint(note, []), /None of the keys/);
});

test("signatures of witnesses are passed over, and a wrong one of the log is not", async () => {
  const note = vectors.checkpoints[7];
  const witness = `\u2014 witness.example ${encodeBase64(new Uint8Array(68).fill(7))}\n`;
  assert.equal((await verifiedCheckpoint(note + witness, [key])).size, 7);
  const forged = `\u2014 ${key.name} ${encodeBase64(Uint8Array.from([...key.id.match(/../g).map((pair) => parseInt(pair, 16)), ...new Uint8Array(64)]))}\n`;
  await assert.rejects(verifiedCheckpoint(note + forged, [key]), /is wrong/);
  await assert.rejects(verifiedCheckpoint(witness, [key]), /no signed note/);
});

test("what is no note, no checkpoint or no key is refused", async () => {
  const note = vectors.checkpoints[7];
  for (const wrong of ["", "x", note.slice(0, -1), note.replace("\u2014", "-"), note.replaceAll("\n", "\r\n"), note.replace("2AI=", "2AI")]) {
    assert.throws(() => parseNote(wrong), undefined, JSON.stringify(wrong));
  }
  for (const wrong of [note.replace("\n7\n", "\n07\n"), note.replace("\n7\n", "\n-7\n"), note.replace("\n7\n", "\n\n"), note.replace("\n7\n", "\n9007199254740993\n")]) {
    assert.throws(() => parseCheckpoint(wrong), undefined, wrong);
  }
  for (const wrong of ["", "a+b", vectors.verifier_key.replace("0079e989", "0079e98a"), vectors.verifier_key.replace("auth", "auto"), vectors.verifier_key.slice(0, -2)]) {
    await assert.rejects(parseKey(wrong), undefined, wrong);
  }
});

/** A proof of the third event in the tree of seven. */
function proofOfTheThird(change = {}) {
  const { hashes } = vectors.inclusion.find(({ index, size }) => index === 2 && size === 7);
  return { position: 3, index: 2, size: 7, entry: encodeBase64(utf8.encode(vectors.entries[2])), hashes, checkpoint: vectors.checkpoints[7], ...change };
}

test("a proof of an event is checked step by step", async () => {
  const event = told(vectors.events[2]);
  const { steps, checkpoint } = await checkInclusion(proofOfTheThird(), event, [key]);
  assert.deepEqual([steps.isGood, steps.list.length, checkpoint.size], [true, 4, 7]);
});

test("whatever is changed in a proof or an event fails at the step that it is about", async () => {
  const event = told(vectors.events[2]);
  const [hash, ...hashes] = proofOfTheThird().hashes;
  const flipped = encodeBase64(decodeBase64(hash).with(0, decodeBase64(hash)[0] ^ 1));
  for (const [at, proof, shown] of [
    [1, { checkpoint: vectors.checkpoints[7].replace("\n7\n", "\n8\n") }, event],
    [2, { size: 8 }, event],
    [2, { checkpoint: vectors.checkpoints[600] }, event],
    [3, { index: 3 }, event],
    [3, { entry: encodeBase64(utf8.encode(vectors.entries[1])) }, event],
    [3, { entry: "e30=" }, event],
    [3, { entry: "?" }, event],
    [3, {}, { ...event, actor: "system" }],
    [3, {}, { ...event, data: { ...event.data, more: 1 } }],
    [4, { hashes: [flipped, ...hashes] }, event],
    [4, { hashes }, event],
    [4, { hashes: ["x", ...hashes] }, event],
  ]) {
    const { steps } = await checkInclusion(proofOfTheThird(proof), shown, [key]);
    assert.deepEqual([steps.isGood, steps.isOpen, steps.list.length], [false, false, at], JSON.stringify(proof));
  }
});

test("what could not be checked is neither verified nor refuted", async () => {
  const unusable = { ...key, bytes: new Uint8Array(5) };
  const { steps } = await checkInclusion(proofOfTheThird(), told(vectors.events[2]), [unusable]);
  assert.deepEqual([steps.isGood, steps.isOpen, steps.list.length], [false, true, 1]);
});

test("of an event that is too long for an entry, the entry has the hash of its payload", async () => {
  const [, , , event] = vectors.events;
  const proof = proofOfTheThird({ position: 4, index: 3, entry: encodeBase64(utf8.encode(vectors.entries[3])) });
  const { steps } = await checkInclusion(proof, told(event), [key]);
  assert.equal(steps.list[2].isGood, true, steps.list[2].detail);
});

test("two checkpoints are compared step by step", async () => {
  const [seven, all] = [vectors.checkpoints[7], vectors.checkpoints[600]];
  assert.ok((await checkConsistency({ hashes: [] }, seven, seven, [key])).steps.isGood);
  const wrong = await checkConsistency({ hashes: [vectors.roots[3]] }, seven, all, [key]);
  assert.deepEqual([wrong.steps.isGood, wrong.steps.list.length], [false, 3]);
});

test("a token has the id that stands in it", () => {
  const event = { type: "grant.access_token_issued", stream: "grant-019a2d5e-6c00-7000-8000-000000000002", data: { token: 0 } };
  assert.equal(tokenOf(event), "AQGaLV5sAHAAgAAAAAAAAAIAAAAA");
  assert.equal(tokenOf({ type: "machine_token.issued", stream: "machine_token-019a2d5e-6c00-7000-8000-000000000002", data: {} }), "AgGaLV5sAHAAgAAAAAAAAAI");
  assert.equal(tokenOf({ ...event, type: "grant.revoked" }), undefined);
});

/** Two apps of a person: one narrowed and revoked and agreed to again, one suspended for a while. */
function events() {
  const of = (position, type, more) => ({ position, time: new Date(position * 1000).toISOString(), type, data: {}, ...more });
  const [one, two] = [{ client_id: "one", grant_id: "g1" }, { client_id: "two", grant_id: "g2", organization_id: "acme" }];
  return [
    of(10, "grant.consented", one), of(20, "grant.narrowed", one), of(30, "grant.revoked", one), of(60, "grant.consented", { client_id: "one", grant_id: "g3" }),
    of(15, "grant.consented", two), of(40, "client.suspended", { client_id: "two" }), of(50, "client.resumed", { client_id: "two" }),
    of(12, "client.suspended", { client_id: "three" }),
  ];
}

test("bars last from a consent to what ended it", () => {
  const { stops, rows } = historyOf("person", events(), { position: 99, time: 100_000 });
  assert.deepEqual(stops.map((stop) => stop.position), [10, 15, 20, 30, 40, 50, 60, 99]);
  const bars = (row) => row.segments.map(({ from, to, isPaused }) => [stops[from].position, stops[to].position, isPaused]);
  assert.deepEqual(rows.map((row) => [row.client, row.organization]), [["one", undefined], ["two", "acme"]]);
  assert.deepEqual(bars(rows[0]), [[10, 30, false], [60, 99, false]]);
  assert.deepEqual(bars(rows[1]), [[15, 40, false], [40, 50, true], [50, 99, false]]);
});

test("what was written after the history was read is not in it", () => {
  const { stops } = historyOf("person", events(), { position: 30, time: 100_000 });
  assert.deepEqual(stops.map((stop) => stop.position), [10, 15, 20, 30, 30]);
});

test("an app is deleted for everyone, and disconnected for everyone in an organization", () => {
  const of = (position, type, more) => ({ position, time: new Date(position * 1000).toISOString(), type, data: {}, client_id: "one", ...more });
  const consents = [of(1, "grant.consented", { grant_id: "a" }), of(2, "grant.consented", { grant_id: "b" })];
  for (const end of [of(3, "client.deleted"), of(3, "organization.client_disconnected", { organization_id: "acme" })]) {
    const { rows } = historyOf("organization", [...consents, end], { position: 9, time: 9000 });
    assert.deepEqual(rows[0].segments.map(({ from, to, count }) => [from, to, count]), [[0, 1, 1], [1, 2, 2]]);
  }
});

test("a moment is that of the last event by then", () => {
  const { stops } = historyOf("person", events(), { position: 99, time: 100_000 });
  assert.deepEqual([stopAt(stops, 29), stopAt(stops, 5), stopAt(stops, undefined)], [2, 0, 7]);
  assert.deepEqual([stopAtTime(stops, 30_000), stopAtTime(stops, 29_999), stopAtTime(stops, 0)], [3, 2, 0]);
  assert.deepEqual(placesOf(stops, true).map((place) => Math.round(place * 90)), [0, 5, 10, 20, 30, 40, 50, 90]);
  assert.equal(placesOf(stops, false)[1], 1 / 7);
});

test("people who were forgotten are called so", () => {
  const names = new Names();
  names.learn({ "019a": "ana", "019b": null });
  const consented = (subject_id) => sentence({ type: "grant.consented", subject_id, client_id: "c", data: { scope: "openid", reason: "first_time" } }, names);
  assert.match(consented("019a"), /^ana agreed to openid for c/);
  assert.match(consented("019b"), /^forgotten person 019b agreed/);
});

test("what befell other clients is not in the history of one", () => {
  const { stops } = historyOf("client", [...events().filter((event) => event.client_id === "two"), ...events().filter((event) => event.client_id === "three")], { position: 99, time: 100_000 });
  assert.deepEqual(stops.map((stop) => stop.position), [15, 40, 50, 99]);
});

test("stops that can't be told apart by their time are crowded", () => {
  assert.ok(isCrowded([0, 0.001, 0.002, 0.003, 1]));
  assert.ok(!isCrowded([0, 0.25, 0.5, 0.501, 1]));
});
