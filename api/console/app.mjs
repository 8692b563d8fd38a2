// The console: lets a key in, and leads from addresses to views. Everything is asked of the server that the page came from.

import { announce, append, button, el, fill, form, notice } from "./dom.mjs";
import { Api, inWords } from "./api.mjs";
import { KINDS } from "./history.mjs";
import { historyView } from "./history_view.mjs";
import { ledgerStatus, ledgerView } from "./ledger_view.mjs";
import { eventView, startView, whyView } from "./other_views.mjs";
import { Trust } from "./trust.mjs";
import { Names } from "./words.mjs";

/** Where the paths of the server begin: one level above this page, whatever is in front of it. */
const BASE = new URL("..", location.href.split("#")[0]);
/** What the key is called in the storage of the tab, when it is to be kept there. */
const KEPT_KEY = `grantlog console key ${BASE.pathname}`;

const view = document.getElementById("view");
const [nav, account, badge] = ["nav", "account", "ledger-status"].map((id) => document.getElementById(id));

/** What all views share while a key is in; undefined without one. */
let context;

/** Counts the views that were asked for: only the last is shown. */
let turn = 0;

function enter(key) {
  const trust = new Trust(`grantlog console ${BASE.pathname}`, localStorage);
  context = { api: new Api(BASE, key), trust, names: new Names(), badge, link: () => {} };
  for (const part of [nav, account]) part.hidden = false;
  ledgerStatus(context, badge);
}

/** Nothing of what was shown stays on the page, and nothing in its address. */
function forget() {
  drop();
  history.replaceState(null, "", "#/");
  keyView();
  announce("The key is forgotten.");
}

/** The key is used for nothing any more. */
function drop() {
  context = undefined;
  turn += 1;
  document.title = "grantlog console";
  sessionStorage.removeItem(KEPT_KEY);
  for (const part of [nav, account]) part.hidden = true;
  badge.textContent = "";
}

/** Asks for the key. */
function keyView(error) {
  const said = el("div", { role: "alert" }, error && notice("bad", el("p", {}, error)));
  const input = el("input", { name: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none", placeholder: "glk_…" });
  const submit = el("button", { class: "primary" }, "Open");
  const open = async (own) => {
    fill(said);
    submit.disabled = true;
    try {
      // A line break or a space at the ends comes from copying.
      const key = own.elements.key.value.trim();
      if (/[^\x21-\x7e]/.test(key)) throw new Error("This is no API key: it has characters that no key has.");
      await new Api(BASE, key).probe();
      if (own.elements.keep.checked) sessionStorage.setItem(KEPT_KEY, key);
      enter(key);
      await route();
    } catch (refused) {
      fill(said, notice("bad", el("p", {}, inWords(refused))));
      input.focus();
    }
    submit.disabled = false;
  };
  fill(
    view,
    el("header", { class: "title centred" }, el("h1", {}, "What was true then?"), el("p", { class: "lead" }, "Consents, grants and clients at any moment of the past, the events behind them, and proof that nobody changed them.")),
    el(
      "section",
      { class: "card narrow" },
      form(open, { class: "stack" }, el("label", {}, "API key of an auditor", input), el("label", { class: "choice" }, el("input", { name: "keep", type: "checkbox" }), "Keep it until I close this tab"), said, submit),
      el("p", { class: "small" }, "The key stays in this page and goes to this server alone, in a header and never in an address. With the role ", el("code", {}, "auditor"), " it can change nothing."),
    ),
  );
  if (!error) input.focus();
}

/** The address of a view: `#/person/ana?at=81230`. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").map((part) => decodeURIComponent(part)), parameters: new URLSearchParams(query) };
}

/** Which view an address leads to. */
function viewOf({ parts: [kind, id], parameters }) {
  if (kind in KINDS && id) return [id, (place) => historyView(context, place, kind, id, parameters)];
  if (kind === "event" && id) return [`Event ${id}`, (place) => eventView(context, place, id)];
  if (kind === "ledger") return ["Ledger", (place) => ledgerView(context, place)];
  if (kind === "why") return ["Why a token", (place) => whyView(context, place, id, go)];
  return ["Look up", (place) => startView(context, place, go)];
}

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

/** Writes into the address what the view shows, without going anywhere: so it can be linked. */
function linker(own) {
  return (parameters) => {
    if (location.hash.split("?")[0] !== own) return;
    const query = new URLSearchParams(parameters).toString();
    history.replaceState(null, "", query ? `${own}?${query}` : own);
  };
}

/** Shows the view of the address. A view that comes late, after another was asked for, is not shown. */
async function route() {
  if (!context) return keyView();
  turn += 1;
  const own = turn;
  const [title, show] = viewOf(address());
  document.title = `${title} – grantlog console`;
  for (const link of nav.querySelectorAll("a")) {
    const isHere = link.hash.split("/")[1] === (address().parts[0] ?? "");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  context.link = linker(location.hash.split("?")[0]);
  const place = el("div", { "aria-busy": true });
  fill(view, el("p", { class: "loading" }, "Asking…"));
  try {
    const shown = show(place);
    // What is there already may be seen while the rest is asked for.
    await Promise.race([shown, new Promise((done) => setTimeout(done, 400))]);
    if (own === turn && place.childElementCount > 0) fill(view, place);
    await shown;
    if (own === turn && !place.isConnected) fill(view, place);
  } catch (error) {
    if (own !== turn) return undefined;
    // The key was revoked meanwhile. With another one the address leads here again.
    if (error.status === 401) {
      drop();
      return keyView(inWords(error));
    }
    fill(view, append(place, notice("bad", el("p", {}, inWords(error)), button("Try again", route, { class: "quiet" }))));
  }
  place.removeAttribute("aria-busy");
  return view.focus({ preventScroll: true });
}

document.getElementById("forget").addEventListener("click", forget);
document.getElementById("skip").addEventListener("click", (event) => {
  // The address is the view's: it must not become that of the content.
  event.preventDefault();
  view.focus();
});
window.addEventListener("hashchange", route);

const kept = sessionStorage.getItem(KEPT_KEY);
if (kept) enter(kept);
route();
