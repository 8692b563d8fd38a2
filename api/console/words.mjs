// What is shown in words: moments, people, events, reasons.

const MOMENT = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const inUtc = new Intl.DateTimeFormat("en-GB", { ...MOMENT, timeZone: "UTC" });
const dayInUtc = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const here = new Intl.DateTimeFormat("en-GB", { ...MOMENT, timeZoneName: "short" });

/** A moment in UTC: `3 Mar 2026, 14:00:00 UTC`. */
export const utc = (moment) => `${inUtc.format(new Date(moment))} UTC`;

/** Its day in UTC. */
export const day = (moment) => dayInUtc.format(new Date(moment));

/** The same moment on the clock of whoever reads. */
export const local = (moment) => here.format(new Date(moment));

/** Why something ended or became less. */
const REASONS = {
  requested_by_client: "the client asked for it",
  disconnected: "the person disconnected the client",
  organization_policy: "the organization's policy does not let the client in",
  organization_disconnected: "the organization disconnected the client for everyone",
  left_organization: "the person left the organization",
  roles_changed: "the person's roles changed",
  sessions_ended: "all sessions of the person were ended",
  code_replayed: "a code was used twice",
  refresh_token_replayed: "an old refresh token was used again",
};

/** Why the person was asked. */
const ASKED = {
  first_time: "for the first time",
  scopes_added: "since it asked for more",
  client_changed: "since the client had changed",
  consent_expired: "since the consent had expired",
  prompt_consent: "since the client wanted them asked",
  revoked: "after a revocation",
  offline_access: "since it asked for access while they are away",
};

export const reason = (code) => REASONS[code] ?? code;

/** The state of a grant: its name, whether the client could use it, and what that means. */
export const STATES = {
  active: ["Active", "good", "The client could use it."],
  opened: ["Opened", "quiet", "Nothing was agreed yet."],
  cut_off: ["Cut off", "bad", "The client could not use it, though it was not revoked yet."],
  client_suspended: ["Client suspended", "warn", "The client could not use it until it was resumed."],
  client_withdrawn: ["Client withdrawn", "warn", "The client could not use it until its metadata document was back."],
  client_deleted: ["Client deleted", "bad", "It was over with the client."],
  revoked: ["Revoked", "bad", "It was over for good."],
};

const scopes = (scope) => (scope ? scope.split(" ").join(", ") : "nothing");

/** What happened, for the events that a reader meets; `of` knows names. Everything that is quoted is data. */
const SENTENCES = {
  "grant.opened": (event, of) => `A grant of ${of.person(event)} to ${of.client(event)} was opened`,
  "grant.consented": ({ data, ...event }, of) =>
    data.reason
      ? `${of.person(event)} agreed to ${scopes(data.scope)} for ${of.client(event)}, asked ${ASKED[data.reason] ?? `(${data.reason})`}`
      : `${scopes(data.scope)} for ${of.client(event)} was recorded without asking ${of.person(event)}`,
  "grant.narrowed": ({ data, ...event }, of) => `What ${of.client(event)} got from ${of.person(event)} was cut back to ${scopes(data.scope)}: ${reason(data.reason)}`,
  "grant.revoked": ({ data, ...event }, of) => `The access of ${of.client(event)} for ${of.person(event)} ended: ${reason(data.reason)}`,
  "grant.sessions_ended": ({ data, ...event }, of) => `All sessions of ${of.client(event)} for ${of.person(event)} were ended: ${reason(data.reason)}`,
  "grant.family_ended": ({ data, ...event }, of) => `Tokens of ${of.client(event)} were ended: ${reason(data.reason)}`,
  "grant.code_issued": (event, of) => `${of.client(event)} got a code`,
  "grant.code_redeemed": (event, of) => `${of.client(event)} redeemed its code`,
  "grant.code_replayed": (event, of) => `A code of ${of.client(event)} was presented again`,
  "grant.access_token_issued": ({ data, ...event }, of) => `${of.client(event)} got an access token for ${scopes(data.scope)}`,
  "grant.access_token_revoked": ({ data, ...event }, of) => `An access token of ${of.client(event)} was revoked: ${reason(data.reason)}`,
  "grant.refresh_token_issued": (event, of) => `${of.client(event)} got a refresh token`,
  "grant.refresh_token_rotated": (event, of) => `${of.client(event)} used its refresh token and got the next one`,
  "grant.refresh_token_replayed": (event, of) => `An old refresh token of ${of.client(event)} was presented`,
  "grant_reservation.made": (event, of) => `Which grant of ${of.person(event)} is that to ${of.client(event)} was settled`,
  "authorization.requested": ({ data, ...event }, of) => `${of.client(event)} asked for ${scopes(data.parameters?.scope)}`,
  "authorization.subject_attested": (event, of) => `The application said that the person was ${of.person(event)}`,
  "authorization.approved": ({ data, ...event }, of) => `The request was approved with ${scopes(data.scope)} for ${of.client(event)}`,
  "authorization.completed": () => "The request was answered with a code",
  "authorization.denied": ({ data }) => `The request was denied: ${data.error ?? ""}`,
  "client.registered": (event, of) => `${of.client(event)} was registered`,
  "client.updated": (event, of) => `What is registered about ${of.client(event)} was changed`,
  "client.document_changed": (event, of) => `The metadata document of ${of.client(event)} changed`,
  "client.suspended": (event, of) => `${of.client(event)} was suspended`,
  "client.resumed": (event, of) => `${of.client(event)} was resumed`,
  "client.withdrawn": (event, of) => `The metadata document of ${of.client(event)} was gone`,
  "client.reinstated": (event, of) => `The metadata document of ${of.client(event)} was back`,
  "client.deleted": (event, of) => `${of.client(event)} was deleted`,
  "machine_token.issued": (event, of) => `${of.client(event)} got an access token for itself`,
  "machine_token.revoked": () => "A machine's token was revoked",
  "organization.policy_set": (event) => `${event.organization_id ?? "The organization"} said which clients may work there`,
  "organization.client_disconnected": (event, of) => `${event.organization_id ?? "The organization"} disconnected ${of.client(event)} for everyone`,
  "organization.enforced": (event) => `What the rules of ${event.organization_id ?? "the organization"} cut off was revoked`,
  "subject.registered": (event, of) => `${of.person(event)} was seen for the first time`,
  "subject.roles_set": ({ data, ...event }, of) => `The roles of ${of.person(event)}${event.organization_id ? ` in ${event.organization_id}` : ""} are now: ${(data.roles ?? []).join(", ") || "none"}`,
  "subject.left_organization": (event, of) => `${of.person(event)} left ${event.organization_id ?? "the organization"}`,
  "subject.enforced": (event, of) => `What ${of.person(event)} lost was taken from their grants`,
  "subject.erased": (event, of) => `${of.person(event)} was forgotten`,
  "audit.read": ({ data, actor }) => `${actor} asked the history: ${String(data.what ?? "").replaceAll("_", " ")}`,
  "policy.published": ({ data }) => `Version ${data.version} of the policy was published`,
};

/** An event in a sentence. */
export function sentence(event, of) {
  const say = SENTENCES[event.type];
  return say ? say(event, of) : event.type;
}

/** Who people and clients are, as far as answers told. */
export class Names {
  #people = new Map();
  #clients = new Map();

  learn(people = {}) {
    for (const [id, name] of Object.entries(people)) this.#people.set(id, name);
  }

  learnClient(id, name) {
    if (name) this.#clients.set(id, name);
  }

  knowsClient(id) {
    return this.#clients.has(id);
  }

  /** The application's id of a person; of somebody who was forgotten, that they were, and our id. */
  personById(id) {
    if (!id) return "the person";
    const name = this.#people.get(id);
    return name ?? (name === null ? `forgotten person ${id}` : id);
  }

  isForgotten(id) {
    return this.#people.get(id) === null;
  }

  clientById(id) {
    return this.#clients.get(id) ?? id;
  }

  person(event) {
    return this.personById(event.subject_id);
  }

  client(event) {
    return event.client_id ? this.clientById(event.client_id) : "the client";
  }
}

/** The id of the token that an event issued: the `jti` that stands in it. Undefined for other events. */
export function tokenOf(event) {
  const isOfGrant = event.type === "grant.access_token_issued";
  if (!isOfGrant && event.type !== "machine_token.issued") return undefined;
  const [, , uuid] = /^(grant|machine_token)-([0-9a-f-]{36})$/.exec(event.stream) ?? [];
  if (!uuid) return undefined;
  const digits = uuid.replaceAll("-", "").match(/../g).map((pair) => parseInt(pair, 16));
  const { token } = event.data;
  const number = isOfGrant ? [24, 16, 8, 0].map((shift) => (token >>> shift) & 255) : [];
  return btoa(String.fromCharCode(isOfGrant ? 1 : 2, ...digits, ...number)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
