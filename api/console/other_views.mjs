// Looking something up, one event, and why a token was issued.

import { append, button, el, facts, fill, form, save } from "./dom.mjs";
import { eventBody, moment } from "./events.mjs";
import { sentence, utc } from "./words.mjs";

const LOOK_UPS = [
  ["person", "Person, by the application's id"],
  ["person-id", "Person, by the log's id"],
  ["organization", "Organization"],
  ["client", "Client, by its client_id"],
  ["event", "Event, by its position"],
];

/** The form that leads to everything. */
export function lookUpForm(go) {
  const kinds = LOOK_UPS.map(([value, text]) => el("option", { value }, text));
  return form(
    (own) => go(`#/${own.elements.kind.value}/${encodeURIComponent(own.elements.id.value.trim())}`),
    { class: "look-up", role: "search" },
    el("label", {}, "What", el("select", { name: "kind" }, kinds)),
    el("label", {}, "Its id", el("input", { name: "id", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none" })),
    el("button", { class: "primary" }, "Look up"),
  );
}

export async function startView({ api, names }, place, go) {
  fill(place, el("header", { class: "title" }, el("h1", {}, "What was true then?")), el("section", { class: "card" }, lookUpForm(go)));
  const { clients } = await api.get("v1/clients", { limit: 200 });
  for (const client of clients) names.learnClient(client.client_id, client.client_name);
  const item = (client) => el("li", {}, el("a", { href: `#/client/${encodeURIComponent(client.client_id)}` }, client.client_name ?? client.client_id), " ", client.state !== "active" && el("span", { class: "badge warn" }, client.state));
  append(place, el("section", { class: "card" }, el("h2", {}, "Clients that are registered"), clients.length > 0 ? el("ul", { class: "columns" }, clients.map(item)) : el("p", { class: "small" }, "None.")));
}

export async function eventView(context, place, position) {
  const { event, people } = await context.api.event(Number(position));
  context.names.learn(people);
  const heading = el("header", { class: "title" }, el("p", { class: "kind" }, `Event ${event.position}`), el("h1", {}, sentence(event, context.names)), el("p", { class: "small" }, moment(event.time), " · ", el("code", {}, event.type)));
  fill(place, heading, el("section", { class: "card" }, eventBody(context, event)));
}

export async function whyView(context, place, jti, go) {
  fill(
    place,
    el("header", { class: "title" }, el("p", { class: "kind" }, "Token"), el("h1", {}, "Why was it issued?")),
    el("section", { class: "card" }, form((own) => go(`#/why/${encodeURIComponent(own.elements.jti.value.trim())}`), { class: "look-up" }, el("label", {}, "Its id (the jti of an access token)", el("input", { name: "jti", value: jti ?? "", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none" })), el("button", { class: "primary" }, "Explain"))),
  );
  if (jti) append(place, await reasons(context, jti));
}

async function reasons({ api, names }, jti) {
  const why = await api.get(`v1/audit/tokens/${encodeURIComponent(jti)}/why`, { format: "json" });
  const text = async () => save(new Blob([await api.text(`v1/audit/tokens/${encodeURIComponent(jti)}/why`, { format: "text" })], { type: "text/plain" }), `why-${jti}.txt`);
  const person = why.subject_id && el("a", { href: `#/person-id/${why.subject_id}` }, why.subject ?? `forgotten person ${why.subject_id}`);
  const step = ({ text: said, position, time }) => el("li", {}, el("span", { class: "event-when" }, moment(time)), el("span", { class: "event-what" }, said, " ", el("a", { href: `#/event/${position}` }, `Event ${position}`)));
  return el(
    "section",
    { class: "card" },
    facts([
      ["Good for", why.scope],
      ["From, until at most", `${utc(why.issued_at)} – ${utc(why.expires_at)}`],
      ["Client", el("a", { href: `#/client/${encodeURIComponent(why.client_id)}` }, names.clientById(why.client_id))],
      ["Person", person],
      ["Organization", why.organization_id],
      ["Policy", why.policy_version !== undefined ? `version ${why.policy_version}` : undefined],
      ["Signing key", why.signing_key],
    ]),
    el("h2", {}, "The facts, in the order of the log"),
    el("ol", { class: "facts-chain" }, why.reasons.map(step)),
    button("Save it as text", text, { class: "quiet" }),
  );
}
