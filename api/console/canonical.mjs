// The canonical form of an event (docs/event-envelope.md): the bytes that the Merkle tree hashes.

/** RFC 8785. JavaScript's own order of strings, its strings and its numbers are what that specification is made of. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** The envelope of an event as the audit API tells it, with everything that its canonical form has. */
export function envelope(event) {
  const { actor, data, id, position, request_id, revision, schema, stream, type } = event;
  return { actor, data, envelope: 1, id, position, request_id, revision, schema, stream, time: Date.parse(event.time), type };
}
