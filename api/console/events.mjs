// Events as they are read: a line each, and behind it everything.

import { canonical, envelope } from "./canonical.mjs";
import { el, facts } from "./dom.mjs";
import { hex, leafHash } from "./ledger.mjs";
import { Verification } from "./verification.mjs";
import { local, sentence, tokenOf, utc } from "./words.mjs";

/** A moment, in UTC; the clock of whoever reads is one look away. */
export function moment(time) {
  return el("time", { datetime: new Date(time).toISOString(), title: local(time) }, utc(time));
}

/** Everything about an event, and the buttons to check it. */
export function eventBody({ api, trust, names }, event) {
  const jti = tokenOf(event);
  const form = canonical(envelope(event));
  const hash = el("code", {}, "…");
  leafHash(new TextEncoder().encode(form)).then((bytes) => (hash.textContent = hex(bytes)), () => (hash.textContent = "not computed by this browser"));
  const person = event.subject_id && el("a", { href: `#/person-id/${event.subject_id}` }, names.personById(event.subject_id));
  const client = event.client_id && el("a", { href: `#/client/${encodeURIComponent(event.client_id)}` }, names.clientById(event.client_id));
  const organization = event.organization_id && el("a", { href: `#/organization/${encodeURIComponent(event.organization_id)}` }, event.organization_id);
  return el(
    "div",
    { class: "event-body" },
    facts([
      ["Person", person],
      ["Client", client],
      ["Organization", organization],
      ["Caused by", event.actor],
      ["In request", event.request_id],
      ["Position", el("a", { href: `#/event/${event.position}` }, `${event.position}`)],
      ["Stream", `${event.stream}, revision ${event.revision}`],
      ["Token", jti && el("a", { href: `#/why/${jti}` }, `Why was ${jti} issued?`)],
    ]),
    new Verification(api, trust, event).element,
    el("h4", {}, "What the event says"),
    el("pre", { tabindex: 0 }, JSON.stringify(event.data, null, 2)),
    el("details", { class: "canonical" }, el("summary", {}, "Its canonical form, which is what is hashed"), el("pre", { tabindex: 0 }, form), el("p", { class: "small" }, "Leaf hash: ", hash)),
  );
}

/** One event that opens. What is inside is made when it is opened. */
export function eventItem(context, event, isNow) {
  const details = el(
    "details",
    { class: "event", "data-position": event.position, "aria-current": isNow ? "step" : undefined },
    el("summary", {}, el("span", { class: "event-when" }, moment(event.time)), el("span", { class: "event-what" }, sentence(event, context.names)), el("code", { class: "event-type" }, event.type)),
  );
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(eventBody(context, event));
  });
  return el("li", {}, details);
}
