// A person, an organization or a client: the timeline, what was granted at the moment that the slider is at, and the events behind it.

import { announce, append, button, el, fill, notice } from "./dom.mjs";
import { inWords } from "./api.mjs";
import { eventItem, moment } from "./events.mjs";
import { exportButtons } from "./export.mjs";
import { KINDS, OF_CLIENTS, OF_GRANTS, historyOf, stopAt } from "./history.mjs";
import { Timeline } from "./timeline.mjs";
import { STATES, reason, utc } from "./words.mjs";

/** How many events of a type are read at most: the newest ones. */
const MOST = 10_000;
/** How many grants and events are shown at once. */
const PAGE = 100;
/** How long the slider has to rest, in milliseconds, before what held then is asked: every question is recorded. */
const REST = 250;

const toClient = (id) => `#/client/${encodeURIComponent(id)}`;
const toOrganization = (id) => `#/organization/${encodeURIComponent(id)}`;

/** Reads the history. What befell clients is asked about all of them, since it is about nobody. */
async function load(context, kind, id) {
  const { filter, about } = KINDS[kind];
  const own = [...OF_GRANTS, ...about].map((type) => ({ [filter]: id, type }));
  const all = await Promise.all([...own, ...OF_CLIENTS.map((type) => ({ type }))].map((query) => context.api.newest(query, MOST)));
  for (const { people } of all) context.names.learn(people);
  // Each question is recorded, so their answers end at different positions; up to the first of these they know the same.
  const position = Math.min(...all.map((found) => found.position));
  const history = historyOf(kind, all.flatMap((found) => found.events), { position, time: Date.now() });
  await nameClients(context, history);
  return { history, isWhole: all.every((found) => found.isWhole) };
}

/** Looks up what the clients in a history called themselves when something was last agreed. */
async function nameClients({ api, names }, { stops }) {
  const last = new Map(stops.filter(({ event }) => event?.client_id && event.type !== "client.deleted").map(({ event }) => [event.client_id, event.position]));
  const unknown = [...last].filter(([id]) => !names.knowsClient(id));
  await Promise.all(
    unknown.map(async ([id, position]) => {
      const client = await api.get(`v1/audit/clients/${encodeURIComponent(id)}`, { position }).catch(() => undefined);
      names.learnClient(id, client?.metadata?.client_name);
    }),
  );
}

/** What the view is called, and whose it is. */
function title({ names }, kind, id) {
  const name = { client: () => names.clientById(id), "person-id": () => names.personById(id) }[kind]?.() ?? id;
  return el("header", { class: "title" }, el("p", { class: "kind" }, KINDS[kind].title), el("h1", {}, name), name !== id && el("p", { class: "small" }, el("code", {}, id)));
}

function rowLabel({ names }, kind) {
  return (row) => {
    if (kind === "client") return row.organization ? el("a", { href: toOrganization(row.organization) }, row.organization) : "No organization";
    const client = el("a", { href: toClient(row.client) }, names.clientById(row.client));
    return kind !== "organization" && row.organization ? [client, el("small", {}, ` in ${row.organization}`)] : client;
  };
}

/** Shows the history of somebody or something in `place`. `at` is the position to begin at. */
export async function historyView(context, place, kind, id, parameters) {
  // The address is that of this view for as long as it is there, and of another one later.
  const { link } = context;
  const { history, isWhole } = await load(context, kind, id);
  const query = { [KINDS[kind].filter]: id };
  fill(place, title(context, kind, id), exportButtons(context.api, query, `${kind}-${id}`));
  if (history.stops.length === 1) return void append(place, nothing(kind));
  if (!isWhole) append(place, notice("warn", el("p", {}, `There are more than ${MOST.toLocaleString("en")} events of a type. The timeline has the newest ones; the tables below are complete.`)));
  const wanted = parameters.has("at") ? Number(parameters.get("at")) : undefined;
  const grants = new Grants(context, kind, query);
  const events = new Events(context, history, query);
  const timeline = new Timeline({
    history,
    names: context.names,
    labelOf: rowLabel(context, kind),
    at: stopAt(history.stops, wanted),
    onMove: (at) => arrive(at),
  });
  const arrive = (at) => {
    const stop = history.stops[at];
    const isNow = at === history.stops.length - 1;
    link(isNow ? {} : { at: stop.position });
    events.show(at);
    return grants.show(stop, isNow);
  };
  append(place, timeline.element, grants.element, events.element);
  await arrive(timeline.at);
}

function nothing(kind) {
  const hint = kind === "person" ? " Somebody who was forgotten is found by the id that the log has: look up \"Person, by the log's id\"." : "";
  return notice("warn", el("p", {}, `The log has no consent here.${hint}`));
}

/** The grants at a moment. */
class Grants {
  #context;
  #kind;
  #query;
  #heading = el("h2", {});
  #table = el("div", {});
  #known = new Map();
  #stop;
  #resting;
  #withEnded;

  constructor(context, kind, query) {
    this.#context = context;
    this.#kind = kind;
    this.#query = query;
    this.#withEnded = el("input", { type: "checkbox", checked: kind.startsWith("person"), change: () => this.#ask() });
    this.element = el("section", { class: "card", "aria-label": "Grants at this moment" }, el("div", { class: "heading" }, this.#heading, el("label", { class: "choice" }, this.#withEnded, "Also what was over")), this.#table);
  }

  /** Shows what held at a stop, when the slider has rested there for a moment. */
  show(stop, isNow) {
    this.#stop = stop;
    fill(this.#heading, isNow ? "Grants now" : ["Grants at ", moment(stop.time)]);
    this.element.toggleAttribute("aria-busy", true);
    clearTimeout(this.#resting);
    const wait = this.#known.has(this.#key) ? 0 : REST;
    return new Promise((done) => {
      this.#resting = setTimeout(() => this.#ask().then(done), wait);
    });
  }

  /** What the view is about is the same in every row, so it needs no column. */
  get #columns() {
    return ["Client", "Person", "Organization", "State", "What was agreed", "Since"].filter((column) => column !== KINDS[this.#kind].title);
  }

  get #key() {
    return `${this.#stop.position} ${this.#withEnded.checked}`;
  }

  async #ask() {
    const [key, { position }] = [this.#key, this.#stop];
    const query = { ...this.#query, position, include_ended: this.#withEnded.checked, limit: PAGE };
    if (!this.#known.has(key)) this.#known.set(key, this.#context.api.get("v1/audit/grants", query));
    try {
      const answer = await this.#known.get(key);
      if (key === this.#key) this.#draw(answer, query);
    } catch (error) {
      this.#known.delete(key);
      if (key === this.#key) fill(this.#table, notice("bad", el("p", {}, inWords(error))));
    }
    if (key === this.#key) this.element.toggleAttribute("aria-busy", false);
  }

  #draw(answer, query) {
    const { names } = this.#context;
    if (answer.grants.length === 0) return fill(this.#table, el("p", { class: "small" }, "Nothing was granted at this moment."));
    const body = el("tbody");
    const more = (page) => {
      names.learn(page.people);
      append(body, page.grants.map((grant) => this.#row(grant)));
      if (!page.next_cursor) return undefined;
      const next = button("Show more", async () => {
        next.remove();
        const { position, ...rest } = query;
        append(this.#table, more(await this.#context.api.get("v1/audit/grants", { ...rest, cursor: page.next_cursor })));
      }, { class: "quiet" });
      return next;
    };
    const heads = this.#columns.map((head) => el("th", { scope: "col" }, head));
    return fill(this.#table, el("table", {}, el("thead", {}, el("tr", {}, heads)), body), more(answer));
  }

  #row(grant) {
    const { names } = this.#context;
    const { client, state, organization_id: organization, subject_id: subject } = grant;
    const [name, kind, meaning] = STATES[state] ?? [state, "quiet", ""];
    const scopes = grant.scope.split(" ").filter(Boolean).map((scope) => {
      const asked = grant.asked_at[scope];
      return [el("code", { class: "scope", title: asked ? `asked ${utc(asked)}` : "nobody had to be asked" }, scope), " "];
    });
    const columns = this.#columns;
    const cell = (label, ...children) => columns.includes(label) && el("td", { "data-label": label }, el("div", {}, ...children));
    const person = el("a", { href: `#/person-id/${subject}`, class: names.isForgotten(subject) ? "forgotten" : undefined }, names.personById(subject));
    return el(
      "tr",
      { class: state === "active" ? "" : "over", "data-grant": grant.grant_id, "data-state": state },
      cell("Client", el("a", { href: toClient(client.client_id) }, client.client_name ?? names.clientById(client.client_id))),
      cell("Person", person),
      cell("Organization", organization ? el("a", { href: toOrganization(organization) }, organization) : "none"),
      cell("State", el("span", { class: `badge ${kind}`, title: meaning }, name), grant.reason && el("small", {}, reason(grant.reason))),
      cell("What was agreed", scopes.length > 0 ? scopes : "nothing yet"),
      cell("Since", moment(grant.consent?.time ?? grant.opened_at)),
    );
  }
}

/** The events up to a moment, the newest first: those that changed grants, or all there are. */
class Events {
  #context;
  #history;
  #query;
  #at;
  #list = el("ol", { class: "events" });
  #more = el("div", {});
  #all = el("input", { type: "checkbox", id: "all-events", change: () => this.#draw() });

  constructor(context, history, query) {
    this.#context = context;
    this.#history = history;
    this.#query = query;
    this.element = el("section", { class: "card", "aria-label": "Events" }, el("div", { class: "heading" }, el("h2", {}, "Events behind it"), el("label", { class: "choice" }, this.#all, "Also tokens, requests and who looked")), this.#list, this.#more);
  }

  show(at) {
    this.#at = at;
    this.#draw();
  }

  #draw() {
    fill(this.#more);
    if (this.#all.checked) return void this.#ask(undefined);
    const before = this.#history.stops.slice(0, this.#at + 1).filter((stop) => stop.event);
    const current = this.#history.stops[this.#at].event;
    const items = (from, count) => before.slice(Math.max(from - count, 0), from).reverse().map(({ event }) => eventItem(this.#context, event, event === current));
    fill(this.#list, items(before.length, PAGE));
    this.#olderButton(before.length - PAGE, (left) => append(this.#list, items(left, PAGE)));
  }

  #olderButton(left, add) {
    if (left <= 0) return fill(this.#more);
    const next = () => {
      add(left);
      this.#olderButton(left - PAGE, add);
    };
    return fill(this.#more, button(`Show older (${left} more)`, next, { class: "quiet" }));
  }

  /** A page of everything there is, from the moment back. */
  async #ask(cursor) {
    const { api, names } = this.#context;
    const [at, { position, event: current }] = [this.#at, this.#history.stops[this.#at]];
    try {
      // Newest first, a cursor is the position that a page ends before.
      const page = await api.get("v1/audit/events", { ...this.#query, order: "desc", limit: PAGE, cursor: cursor ?? position + 1 });
      if (at !== this.#at || !this.#all.checked) return;
      names.learn(page.people);
      const items = page.events.map((event) => eventItem(this.#context, event, event.position === current?.position));
      if (cursor) append(this.#list, items);
      else fill(this.#list, items);
      fill(this.#more, page.next_cursor && button("Show older", () => this.#ask(page.next_cursor), { class: "quiet" }));
      announce(`${this.#list.childElementCount} events are shown.`);
    } catch (error) {
      fill(this.#more, notice("bad", el("p", {}, inWords(error))));
    }
  }
}
