// The verify button of an event: asks for the proof, checks it here, and says step by step what was found and what that means.

import { announce, button, el, fill, notice, save } from "./dom.mjs";
import { inWords } from "./api.mjs";
import { NotVerified, checkInclusion, parseKey } from "./ledger.mjs";
import { utc } from "./words.mjs";

/** The steps of a check, as a list. */
export function stepList(steps) {
  const item = ({ name, isGood, isOpen, detail }) => {
    const [kind, sign, said] = isGood ? ["good", "✓", "holds"] : isOpen ? ["open", "?", "not checked"] : ["bad", "✕", "does not hold"];
    return el("li", { class: `step ${kind}` }, el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", {}, el("strong", {}, name), el("span", { class: "quietly" }, ` (${said})`), el("span", { class: "detail" }, detail)));
  };
  return el("ol", { class: "steps" }, steps.list.map(item));
}

/** The keys to verify with, and whether the reader of this page gave them. */
async function keysOf(api, trust) {
  const own = await trust.keys();
  if (own.length > 0) return { keys: own, given: trust.given };
  const { verifier_keys: told } = await api.get("ledger/keys");
  return { keys: await Promise.all(told.map(parseKey)), given: undefined };
}

/** What a good result rests on, plainly. */
function restsOn(given, keys) {
  const names = el("code", { class: "key" }, keys.map((key) => key.text).join(" "));
  if (!given) return [el("p", {}, "You trust no key yet, so this was checked against the one that the server itself names. That finds damage, and no forger. ", el("a", { href: "#/ledger" }, "Give the key that you got in another way.")), el("p", {}, names)];
  const how = given.source === "server" ? `You took this key from the server itself on ${utc(given.at)}, and trust it since:` : `You gave this key on ${utc(given.at)}:`;
  return [el("p", {}, how), el("p", {}, names), el("p", { class: "small" }, "The event is in the log that the holder of this key signed. That nobody is shown another log, only comparing checkpoints with others shows. And this page came from the server: whoever does not trust it saves the proof and runs ", el("code", {}, "grantlog audit verify-proof"), ".")];
}

function verdict(steps, given) {
  if (steps.isOpen) return ["warn", "It could not be checked", "Whether this event is in the log is not known."];
  if (!steps.isGood) return ["bad", "NOT verified", "What is shown here is not what was signed. Keep the proof and ask the operator."];
  if (!given) return ["warn", "It fits the key that the server names", "The event is in the log that was signed with it."];
  return ["good", "Verified", "This event is in the log, as it is shown here."];
}

/** A button, and below it the result of the check. */
export class Verification {
  #api;
  #trust;
  #event;
  #result = el("div", { class: "result" });

  constructor(api, trust, event) {
    this.#api = api;
    this.#trust = trust;
    this.#event = event;
    const verify = button("Verify", () => this.#run(verify), { class: "primary" });
    this.element = el("div", { class: "verification" }, verify, this.#result);
  }

  async #run(pressed) {
    pressed.disabled = true;
    fill(this.#result, el("p", { class: "small" }, "Asking for the proof…"));
    try {
      await this.#check();
    } catch (error) {
      this.#refused(error);
    }
    pressed.disabled = false;
  }

  async #check() {
    const { keys, given } = await keysOf(this.#api, this.#trust);
    const proof = await this.#api.get("v1/audit/proofs/inclusion", { position: this.#event.position });
    const { steps, checkpoint } = await checkInclusion(proof, this.#event, keys);
    if (steps.isGood && given) await this.#compare(steps, checkpoint, keys);
    const [kind, title, text] = verdict(steps, given);
    announce(`${title}. ${text}`);
    const file = () => save(new Blob([JSON.stringify(proof, null, 2)], { type: "application/json" }), `proof-${this.#event.position}.json`);
    fill(this.#result, notice(kind, el("h4", {}, title), el("p", {}, text), stepList(steps), steps.isGood && restsOn(given, keys), button("Save the proof", file, { class: "quiet" })));
  }

  /** One more step: the log is the one that this browser saw before. */
  async #compare(steps, checkpoint, keys) {
    const { kept } = this.#trust;
    await steps.take("The log only grew since this browser last verified it", async () => {
      const compared = await this.#trust.compare(this.#api, checkpoint.note, keys);
      const wrong = compared?.list.find((step) => !step.isGood);
      if (wrong) throw wrong.isOpen ? new Error(wrong.detail) : new NotVerified(wrong.detail);
      return compared ? `It begins with the ${kept.size} events of ${utc(kept.at)}.` : "It is the first time; this checkpoint is kept from now on.";
    });
  }

  #refused(error) {
    announce(inWords(error));
    const isEarly = error.status === 404;
    const sign = async () => {
      try {
        await this.#api.sign();
        await this.#check();
      } catch (again) {
        this.#refused(again);
      }
    };
    fill(
      this.#result,
      isEarly
        ? notice("warn", el("h4", {}, "Not signed yet"), el("p", {}, "No checkpoint covers this event yet. The log is signed again and again, usually once a minute."), button("Ask for a checkpoint now", sign, { class: "quiet" }))
        : notice("bad", el("h4", {}, "It could not be checked"), el("p", {}, inWords(error))),
    );
  }
}
