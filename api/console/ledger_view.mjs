// The ledger: which keys are trusted, the newest checkpoint, and whether the log only grew.

import { announce, append, button, el, facts, fill, form, notice, save } from "./dom.mjs";
import { inWords } from "./api.mjs";
import { NotVerified, parseCheckpoint, verifiedCheckpoint } from "./ledger.mjs";
import { compareNotes } from "./trust.mjs";
import { stepList } from "./verification.mjs";
import { utc } from "./words.mjs";

/** Runs something that may fail, and tells about it in `place`. */
async function attempt(place, work) {
  try {
    await work();
  } catch (error) {
    announce(inWords(error));
    fill(place, notice("bad", el("p", {}, inWords(error))));
  }
}

/** Checks on arrival that the log still fits what this browser saw of it; the badge at the top tells. */
export async function ledgerStatus({ api, trust }, badge) {
  const tell = (kind, text) => {
    badge.className = `badge ${kind}`;
    badge.textContent = text;
  };
  trust.onKept = ({ size }) => tell("good", `Ledger: ${size} events, as signed`);
  const keys = await trust.keys().catch(() => []);
  if (keys.length === 0) return tell("quiet", "Ledger: no key trusted yet");
  try {
    const note = await api.text("ledger/checkpoint");
    const steps = await trust.compare(api, note, keys);
    if (steps?.isOpen) return tell("warn", "Ledger: not checked");
    if (steps && !steps.isGood) return tell("bad", "Ledger: it does NOT fit");
    return tell("good", `Ledger: ${parseCheckpoint(note).size} events, as signed`);
  } catch (error) {
    if (error instanceof NotVerified) return tell("bad", "Ledger: NOT verified");
    return error.status === 404 ? tell("quiet", "Ledger: not signed yet") : tell("warn", "Ledger: not checked");
  }
}

export async function ledgerView(context, place) {
  fill(place, el("header", { class: "title" }, el("p", { class: "kind" }, "Ledger"), el("h1", {}, "Is the log whole and unchanged?")));
  const again = () => ledgerView(context, place).then(() => ledgerStatus(context, context.badge));
  append(place, await keysCard(context, again), await checkpointCard(context), comparisonCard(context), await limitsCard());
}

/** The keys: those that are trusted, and what the server says its keys are. */
async function keysCard({ api, trust }, again) {
  const { origin, verifier_keys: told } = await api.get("ledger/keys");
  const { given } = trust;
  const said = el("div", {});
  const input = el("textarea", { name: "keys", rows: 3, spellcheck: "false", autocomplete: "off", required: true });
  input.value = (given?.lines ?? []).join("\n");
  const keep = (text, source) => attempt(said, () => trust.trust(text, source).then(again));
  const differs = given && !given.lines.includes(told.at(-1));
  return el(
    "section",
    { class: "card" },
    el("h2", {}, "The key that you trust"),
    given ? el("p", {}, given.source === "server" ? "Taken from this server on " : "Given by you on ", utc(given.at), ". This browser remembers it; it is public.") : el("p", {}, "None yet. A signature says something only when the key of it came to you in another way than from this server: ask the operator for the verifier key."),
    differs && notice("warn", el("p", {}, "The server signs with a key that is not among these. If it was replaced, the operator tells you so; add the new one below the old one.")),
    form((own) => keep(own.elements.keys.value, "given"), { class: "stack" }, el("label", {}, "Verifier key, one on each line", input), el("div", { class: "buttons" }, el("button", { class: "primary" }, "Trust this"), given && button("Forget it", () => (trust.forget(), again()), { class: "quiet" }))),
    el("details", {}, el("summary", {}, "What the server says"), facts([["Log", origin], ["Keys", told.map((key) => el("code", { class: "key" }, key))]]), button("Trust what the server says", () => keep(told.join("\n"), "server"), { class: "quiet" }), el("p", { class: "small" }, "Then a later change is found, and a server that deceived you from the start is not.")),
    said,
  );
}

/** The newest checkpoint, and whether it is signed by a trusted key and fits the one that was kept. */
async function checkpointCard(context) {
  const { api, trust } = context;
  const result = el("div", {});
  const show = async (note) => {
    const { size } = parseCheckpoint(note);
    const keys = await trust.keys();
    const file = () => save(new Blob([note], { type: "text/plain" }), `checkpoint-${size}.txt`);
    fill(result, el("pre", { tabindex: 0 }, note), el("div", { class: "buttons" }, button("Save it", file, { class: "quiet" }), button("Ask for one over everything up to now", () => attempt(result, sign), { class: "quiet" })), await judged(context, note, keys));
  };
  const sign = async () => {
    const { checkpoint } = await api.sign();
    announce("A checkpoint was signed.");
    await show(checkpoint);
  };
  await attempt(result, async () => {
    const note = await api.text("ledger/checkpoint").catch((error) => (error.status === 404 ? undefined : Promise.reject(error)));
    if (note) await show(note);
    else fill(result, el("p", {}, "Nothing was signed yet."), button("Ask for a checkpoint", () => attempt(result, sign), { class: "quiet" }));
  });
  return el("section", { class: "card" }, el("h2", {}, "The newest checkpoint"), el("p", { class: "small" }, "The log's name, how many events there are, and the root of their Merkle tree; signed."), result);
}

async function judged({ api, trust }, note, keys) {
  if (keys.length === 0) return notice("warn", el("p", {}, "Without a key that you trust nobody can tell who signed this."));
  const { kept } = trust;
  const { signer } = await verifiedCheckpoint(note, keys);
  const steps = await trust.compare(api, note, keys);
  const signed = el("p", {}, `Signed by ${signer.name}, key ${signer.id}.`);
  if (!steps) return notice("good", el("h3", {}, "The signature holds"), signed, el("p", {}, "This browser had no earlier one to compare with; it keeps this one."));
  if (steps.isOpen) return notice("warn", el("h3", {}, "It could not be compared with what this browser saw before"), stepList(steps));
  if (!steps.isGood) return notice("bad", el("h3", {}, "It does NOT fit what this browser saw before"), stepList(steps), el("p", {}, "Keep both checkpoints. Either the log was changed or cut off, or it is another one."), el("pre", { tabindex: 0 }, kept.note));
  return notice("good", el("h3", {}, "The signature holds, and the log only grew"), signed, el("p", {}, `It begins with the ${kept.size} events that this browser saw on ${utc(kept.at)}.`), stepList(steps));
}

/** Compares the newest checkpoint with one that was kept elsewhere. */
function comparisonCard({ api, trust }) {
  const result = el("div", {});
  const compare = async (text) => {
    const keys = await trust.keys();
    if (keys.length === 0) throw new Error("Give a key that you trust first.");
    const earlier = `${text.replaceAll("\r", "").trim()}\n`;
    const newest = await api.text("ledger/checkpoint");
    const [from, to] = [parseCheckpoint(earlier).size, parseCheckpoint(newest).size];
    const [first, second] = from <= to ? [earlier, newest] : [newest, earlier];
    const { steps } = await compareNotes(api, first, second, keys, Math.min(from, to), Math.max(from, to));
    const [kind, title] = steps.isGood ? ["good", "It fits"] : steps.isOpen ? ["warn", "It could not be checked"] : ["bad", "It does NOT fit"];
    announce(title);
    fill(result, notice(kind, el("h3", {}, title), stepList(steps)));
  };
  return el(
    "section",
    { class: "card" },
    el("h2", {}, "A checkpoint that you kept"),
    el("p", { class: "small" }, "From a colleague, a mailbox, a witness: whatever the operator can't reach."),
    form((own) => attempt(result, () => compare(own.elements.note.value)), { class: "stack" }, el("label", {}, "The signed note", el("textarea", { name: "note", rows: 5, spellcheck: "false", required: true })), el("div", { class: "buttons" }, el("button", { class: "primary" }, "Compare with the newest"))),
    result,
  );
}

function limitsCard() {
  return el(
    "section",
    { class: "card" },
    el("h2", {}, "What this shows, and what not"),
    el(
      "ul",
      {},
      el("li", {}, "A verified event was in the log when the checkpoint was signed, and says what is shown here."),
      el("li", {}, "Two checkpoints that fit show that nothing before the earlier one was changed, dropped or moved."),
      el("li", {}, "This page came from the server that it checks. Who does not trust that runs ", el("code", {}, "grantlog audit verify"), ", which hashes every event."),
    ),
  );
}
