// From events to what a timeline shows. Nothing here asks or draws.

/** Whose history can be looked at, and how the audit API is asked for it. */
export const KINDS = {
  person: { title: "Person", filter: "subject", about: ["subject.left_organization", "subject.roles_set"] },
  "person-id": { title: "Person", filter: "subject_id", about: ["subject.left_organization", "subject.roles_set"] },
  organization: { title: "Organization", filter: "organization", about: ["organization.client_disconnected", "organization.policy_set"] },
  client: { title: "Client", filter: "client_id", about: ["client.registered", "client.updated", "client.document_changed"] },
};

/** What changes the grants of anybody. */
export const OF_GRANTS = ["grant.consented", "grant.narrowed", "grant.revoked"];

/** What makes a client good for nothing, or good again. They are few in the whole log. */
export const OF_CLIENTS = ["client.suspended", "client.resumed", "client.withdrawn", "client.reinstated", "client.deleted"];

const isOfPerson = (kind) => kind.startsWith("person");

/** In which row of the timeline an event belongs; undefined: in none. */
function rowOf(kind, event) {
  if (kind === "client") return event.grant_id ? (event.organization_id ?? "") : undefined;
  if (!event.client_id) return undefined;
  return isOfPerson(kind) ? `${event.client_id} ${event.organization_id ?? ""}` : event.client_id;
}

/** One row: what a client could reach, from when to when. */
class Row {
  marks = [];
  segments = [];
  #grants = new Set();
  #states = new Set();

  constructor(key, event) {
    this.key = key;
    this.client = event.client_id;
    this.organization = event.organization_id;
  }

  /** The grants that are agreed and not over. */
  get count() {
    return this.#grants.size;
  }

  apply(event, stop) {
    switch (event.type) {
      case "grant.consented": this.#grants.add(event.grant_id); break;
      case "grant.revoked": this.#grants.delete(event.grant_id); break;
      case "organization.client_disconnected":
      case "client.deleted": this.#grants.clear(); break;
      case "client.suspended": this.#states.add("suspended"); break;
      case "client.resumed": this.#states.delete("suspended"); break;
      case "client.withdrawn": this.#states.add("withdrawn"); break;
      case "client.reinstated": this.#states.delete("withdrawn"); break;
      case "subject.left_organization": this.#grants.clear(); break;
      default:
    }
    this.marks.push({ type: event.type, stop });
    this.#goOn(stop);
  }

  /** Ends the segment that runs when something is different from now on, and begins the next. */
  #goOn(stop) {
    const now = { count: this.count, isPaused: this.#states.size > 0 };
    const last = this.segments.at(-1);
    if (last && last.to === undefined) {
      if (last.count === now.count && last.isPaused === now.isPaused) return;
      last.to = stop;
    }
    if (now.count > 0) this.segments.push({ from: stop, to: undefined, ...now });
  }

  /** Whatever still holds goes on to the last stop. */
  end(stop) {
    for (const segment of this.segments) segment.to ??= stop;
    // Of what happened at one stop only the last is to be seen.
    this.segments = this.segments.filter((segment) => segment.from < segment.to);
  }
}

/** Which rows an event is about, of those that there are. */
function rowsAbout(kind, event, rows) {
  if (OF_CLIENTS.includes(event.type)) return [...rows.values()].filter((row) => kind === "client" || row.client === event.client_id);
  if (event.type === "subject.left_organization") return [...rows.values()].filter((row) => row.organization === event.organization_id);
  if (event.type === "organization.client_disconnected") return [...rows.values()].filter((row) => row.client === event.client_id);
  return [];
}

/**
 * The history of a person, an organization or a client: `stops`, each with its event and position, the last of them being now; and `rows`.
 * Events of clients count when the client is in it.
 */
export function historyOf(kind, events, now) {
  const clients = new Set(events.filter((event) => !OF_CLIENTS.includes(event.type)).map((event) => event.client_id));
  const isOfIt = (event) => !OF_CLIENTS.includes(event.type) || clients.has(event.client_id);
  const known = new Map(events.filter((event) => event.position <= now.position && isOfIt(event)).map((event) => [event.position, event]));
  const ordered = [...known.values()].sort((a, b) => a.position - b.position);
  const [rows, stops] = [new Map(), []];
  for (const event of ordered) {
    const own = OF_GRANTS.includes(event.type) ? rowOf(kind, event) : undefined;
    if (own !== undefined && !rows.has(own)) rows.set(own, new Row(own, event));
    const about = own === undefined ? rowsAbout(kind, event, rows) : [rows.get(own)];
    // What befell a client before anybody here knew it is of no matter here.
    if (OF_CLIENTS.includes(event.type) && about.length === 0 && kind !== "client") continue;
    for (const row of about) row.apply(event, stops.length);
    stops.push({ event, position: event.position, time: Date.parse(event.time) });
  }
  const latest = Math.max(now.time, ...stops.map((stop) => stop.time));
  stops.push({ event: undefined, position: now.position, time: latest });
  for (const row of rows.values()) row.end(stops.length - 1);
  return { stops, rows: [...rows.values()] };
}

/** The last stop at or before a position, or the first one. */
export function stopAt(stops, position) {
  if (position === undefined) return stops.length - 1;
  const at = stops.findLastIndex((stop) => stop.position <= position);
  return Math.max(at, 0);
}

/** The last stop at or before a moment, or the first one. */
export function stopAtTime(stops, time) {
  return Math.max(stops.findLastIndex((stop) => stop.time <= time), 0);
}

/** Whether stops stand so close together that most of them can't be told from the next. */
export function isCrowded(places) {
  const close = places.slice(1).filter((place, at) => place - places[at] < 0.02);
  return close.length > places.length / 2;
}

/** Where stops stand between 0 and 1: by their time, or one after the other. */
export function placesOf(stops, isByTime) {
  const [first, last] = [stops[0].time, stops.at(-1).time];
  if (isByTime && last > first) return stops.map((stop) => (stop.time - first) / (last - first));
  return stops.map((_, at) => (stops.length > 1 ? at / (stops.length - 1) : 1));
}
