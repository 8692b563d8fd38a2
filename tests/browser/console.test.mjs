// The console, in a real browser and with a real history: what auditors see at which moment, what they can verify, and what they are told when
// something does not fit.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startDemo } from "./demo.mjs";
import { World, jtiOf } from "./world.mjs";

const { issuer, credentials, stop } = await startDemo();
const skip = credentials ? false : "the demo was not started here, so nobody knows its API keys";
const screenshots = join(import.meta.dirname, "screenshots");
const args = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** A name that would be a script, were it ever taken for markup. */
const MAIL = "Weather by <img src=x onerror=alert(1)>";

let browser;
let page;
let token;
let mail;
let calendar;
let verifierKey;
const strangers = new Set();
const complaints = [];

before(async () => {
  if (skip) return;
  mkdirSync(screenshots, { recursive: true });
  await makeHistory(new World(issuer, credentials));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
  await arrive();
});

after(async () => {
  await browser?.close();
  await stop();
});

/** Ana connects two clients and agrees to more, loses a role, disconnects one and connects it again; her organization disconnects the other. */
async function makeHistory(world) {
  mail = await world.register(MAIL);
  calendar = await world.register("Calendar");
  token = await world.connect(mail, "ana", "openid email");
  await world.connect(mail, "ana", "openid email offline_access");
  await world.connect(calendar, "ana", "openid notes.read notes.write", { organization: "acme", roles: ["editor"] });
  await world.connect(calendar, "ben", "openid notes.read", { organization: "acme", roles: ["reader"] });
  await world.call("PUT", "/v1/subjects/ana/roles", { organization_id: "acme", roles: ["reader"] });
  await world.call("POST", `/v1/clients/${mail.client_id}/suspend`);
  await world.call("POST", `/v1/clients/${mail.client_id}/resume`);
  await world.disconnect("ana", mail);
  await world.call("DELETE", `/v1/organizations/acme/connected-apps/${calendar.client_id}`);
  await world.connect(mail, "ana", "openid");
  await world.call("POST", "/v1/audit/checkpoints");
  ({ verifier_keys: [verifierKey] } = await world.call("GET", "/ledger/keys"));
}

/** An auditor comes with a browser that has seen nothing. */
async function arrive(options = { viewport: { width: 1200, height: 850 } }) {
  await page?.context().close();
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== issuer) strangers.add(url.origin);
    if (request.url().includes("glk_")) strangers.add("an address with the key in it");
  });
  // A violated Content-Security-Policy shows up here, too.
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
}

const shoot = (name) => page.screenshot({ path: join(screenshots, `console-${name}.png`), fullPage: true });
const heading = (name, exact = true) => page.getByRole("heading", { name, exact });
const press = (name) => page.getByRole("button", { name, exact: true }).click();
const keyField = () => page.getByLabel("API key of an auditor");
const slider = () => page.getByRole("slider", { name: "Moment" });
const visit = (hash) => page.goto(`${issuer}/console/${hash}`);

async function enter(key = credentials.auditor_api_key) {
  await keyField().fill(key);
  await press("Open");
}

/** The rows of the grants: client, state and scopes. The table is there once nothing is asked any more. */
async function grants() {
  const card = page.getByRole("region", { name: "Grants at this moment" });
  await card.and(page.locator(":not([aria-busy])")).waitFor();
  const rows = await card.locator("tbody tr").all();
  return Promise.all(
    rows.map(async (row) => {
      const scopes = await row.locator(".scope").allInnerTexts();
      return `${await row.locator("td").first().locator("a").innerText()}: ${await row.getAttribute("data-state")}: ${scopes.join(" ")}`;
    }),
  );
}

/** Expected complaints of the browser about statuses that a test provokes. */
function forgive(status) {
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes(`status of ${status}`)));
}

test("who has no key sees nothing but the question for it", { skip }, async () => {
  await visit("#/person/ana");
  await keyField().waitFor();
  assert.ok(await keyField().evaluate((field) => field === document.activeElement));
  assert.equal(await keyField().getAttribute("type"), "password");
  assert.equal(await page.getByRole("navigation").count(), 0);
  await shoot("key");
});

test("a wrong key and one without the role are told apart, in words", { skip }, async () => {
  await enter("glk_wrong");
  await page.getByRole("alert").getByText("is not known here").waitFor();
  await enter(credentials.consent_api_key);
  await page.getByRole("alert").getByText("it needs the role auditor").waitFor();
  await enter("glk_…");
  await page.getByRole("alert").getByText("characters that no key has").waitFor();
  forgive(401);
  forgive(403);
});

test("with the key the linked person is shown: a bar for each client, what is granted now, and the events", { skip }, async () => {
  await enter();
  await heading("ana").waitFor();
  assert.deepEqual(await grants(), [
    `${MAIL}: revoked: email offline_access openid`,
    "Calendar: revoked: notes.read openid",
    `${MAIL}: active: openid`,
  ]);
  assert.equal(await page.locator(".timeline .rows .row").count(), 2);
  assert.equal(await page.locator(".rows .row").first().locator(".bar").count(), 4, "until suspended, suspended, until disconnected, and again");
  assert.equal(await page.locator(".bar.paused").count(), 1);
  const events = await page.locator(".event .event-what").allInnerTexts();
  assert.equal(events[0], `ana agreed to openid for ${MAIL}, asked after a revocation`);
  assert.ok(events.includes("The access of Calendar for ana ended: the organization disconnected the client for everyone"));
  assert.equal(await page.locator("main img").count(), 0, "a name is a text");
  await shoot("person");
});

test("keys move the slider from event to event, and the grants are those of that moment", { skip }, async () => {
  await slider().focus();
  await page.keyboard.press("Home");
  assert.match(await slider().getAttribute("aria-valuetext"), /UTC\. ana agreed to email, openid for Weather/);
  assert.deepEqual(await grants(), [`${MAIL}: active: email openid`]);
  await page.keyboard.press("ArrowRight");
  assert.deepEqual(await grants(), [`${MAIL}: active: email offline_access openid`]);
  const [at] = /at=\d+/.exec(page.url()) ?? assert.fail("the moment is in the address");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  assert.deepEqual(await grants(), [`${MAIL}: active: email openid`], "before the first event there is none");
  await page.keyboard.press("End");
  assert.equal((await grants()).length, 3);
  assert.doesNotMatch(page.url(), /at=/);
  assert.match(at, /^at=\d+$/);
});

test("every state on the way is the one that the event says", { skip }, async () => {
  const expected = {
    "grant.narrowed": "Calendar: active: notes.read openid",
    "client.suspended": `${MAIL}: client_suspended: email offline_access openid`,
    "client.resumed": `${MAIL}: active: email offline_access openid`,
  };
  const seen = new Set();
  await page.keyboard.press("Home");
  for (let steps = 0; steps < 30 && (await page.locator(".event[aria-current]").count()) > 0; steps += 1) {
    const type = await page.locator(".event[aria-current] .event-type").innerText();
    if (expected[type]) {
      assert.ok((await grants()).includes(expected[type]), type);
      seen.add(type);
    }
    await slider().focus();
    await page.keyboard.press("ArrowRight");
  }
  assert.deepEqual([...seen].sort(), Object.keys(expected).sort());
});

test("a moment can be linked, dragged to and clicked", { skip }, async () => {
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  const linked = page.url();
  await page.goto("about:blank");
  await page.goto(linked);
  await enter();
  assert.deepEqual(await grants(), [`${MAIL}: active: email offline_access openid`]);
  await page.getByLabel("Event by event").check();
  const box = await slider().boundingBox();
  await page.mouse.click(box.x + 2, box.y + box.height / 2);
  assert.deepEqual(await grants(), [`${MAIL}: active: email openid`]);
  await page.locator(".mark.narrowed").first().click();
  assert.ok((await grants()).includes("Calendar: active: notes.read openid"));
  await press("Now");
  await page.getByLabel("Also what was over").uncheck();
  assert.deepEqual(await grants(), [`${MAIL}: active: openid`]);
  await shoot("person-event-by-event");
});

test("who looked, and tokens, are there when they are asked for", { skip }, async () => {
  await page.getByLabel("Also tokens, requests and who looked").check();
  await page.locator(".event-type", { hasText: "grant.access_token_issued" }).first().waitFor();
  await page.getByLabel("Also tokens, requests and who looked").uncheck();
  await page.locator(".event-type", { hasText: "grant.access_token_issued" }).first().waitFor({ state: "detached" });
});

test("without a trusted key an event only fits what the server says", { skip }, async () => {
  await page.locator(".event summary", { hasText: "Calendar for ana ended" }).click();
  await press("Verify");
  await heading("It fits the key that the server names").waitFor();
  assert.match(await page.locator(".result").innerText(), /You trust no key yet/);
  await shoot("verified-without-a-key");
});

test("an auditor gives the key that they trust", { skip }, async () => {
  await page.getByRole("link", { name: "Ledger", exact: true }).click();
  await page.getByLabel("Verifier key, one on each line").fill("not a key");
  await press("Trust this");
  await page.locator("main").getByText("A verifier key is written").waitFor();
  await page.getByLabel("Verifier key, one on each line").fill(verifierKey);
  await press("Trust this");
  await heading("The signature holds").waitFor();
  await page.getByText(/^Ledger: \d+ events, as signed$/).waitFor();
  await shoot("ledger");
});

test("the log only grew from the checkpoint that was kept, here and elsewhere", { skip }, async () => {
  const kept = await page.locator("main pre").first().innerText();
  await press("Ask for one over everything up to now");
  await heading("The signature holds, and the log only grew").waitFor();
  await page.getByLabel("The signed note").fill(kept);
  await press("Compare with the newest");
  await heading("It fits").waitFor();
  await page.getByLabel("The signed note").fill(kept.replace(/\n\d+\n/, "\n3\n"));
  await press("Compare with the newest");
  await page.locator("main").getByText(/is wrong|no proof that leads/).waitFor();
  assert.equal(await heading("It fits").count(), 0);
  forgive(404);
});

/** Opens an event of Ana's, on a page that was not open before, and verifies it. */
async function verifyFirst() {
  await visit("#/");
  await heading("What was true then?").waitFor();
  await visit("#/person/ana");
  await grants();
  await page.locator(".event summary", { hasText: "asked for the first time" }).last().click();
  await press("Verify");
}

test("then an event is verified, step by step", { skip }, async () => {
  await verifyFirst();
  await heading("Verified").waitFor();
  assert.equal(await page.locator(".step.good").count(), 5);
  assert.equal(await page.locator(".step.bad").count(), 0);
  assert.match(await page.locator(".result").innerText(), /You gave this key on/);
  assert.match(await page.locator("#live").innerText(), /^Verified\./);
  await shoot("verified");
});

test("an event that is too new is verified once the log was signed again", { skip }, async () => {
  // The server signs when it is time to; whether an event is too new is decided here, so that it is so in each run.
  const json = { detail: "No such event is covered.", status: 404 };
  await page.route("**/v1/audit/proofs/inclusion*", (route) => route.fulfill({ status: 404, json }), { times: 1 });
  await verifyFirst();
  await heading("Not signed yet").waitFor();
  await press("Ask for a checkpoint now");
  await heading("Verified").waitFor();
  forgive(404);
});

/** Lets through what this makes of a proof. */
async function tamper(change) {
  await page.route("**/v1/audit/proofs/inclusion*", async (route) => {
    const response = await route.fetch();
    const proof = await response.json();
    await route.fulfill({ response, json: change(proof) });
  });
}

const flipped = (text) => {
  const bytes = Buffer.from(text, "base64");
  bytes[0] ^= 1;
  return bytes.toString("base64");
};

for (const [what, wrong, change] of [
  ["a hash", "Its hash leads to the root that was signed", (proof) => ({ ...proof, hashes: [flipped(proof.hashes[0]), ...proof.hashes.slice(1)] })],
  ["the entry", "The entry in the proof is the event that this page shows", (proof) => ({ ...proof, entry: flipped(proof.entry) })],
  ["the size that was signed", "The checkpoint is signed by a key that you trust", (proof) => ({ ...proof, checkpoint: proof.checkpoint.replace(/\n\d+\n/, "\n7\n") })],
]) {
  test(`a proof is not verified when one thing in it was changed: ${what}`, { skip }, async () => {
    await tamper(change);
    await verifyFirst();
    await heading("NOT verified").waitFor();
    assert.equal(await page.locator(".step.bad strong").innerText(), wrong);
    assert.equal(await heading("Verified").count(), 0);
    await shoot(`not-verified-${what.replaceAll(" ", "-")}`);
    await page.unroute("**/v1/audit/proofs/inclusion*");
  });
}

test("an event that is shown otherwise than it was signed is not verified", { skip }, async () => {
  await page.route("**/v1/audit/events?*", async (route) => {
    const response = await route.fetch();
    const page = await response.json();
    for (const event of page.events) if (event.type === "grant.consented") event.data.scope = `${event.data.scope} phone`;
    await route.fulfill({ response, json: page });
  });
  await verifyFirst();
  await heading("NOT verified").waitFor();
  await page.unroute("**/v1/audit/events?*");
});

test("a checkpoint that another key signed makes the badge red on arrival", { skip }, async () => {
  await page.route("**/ledger/checkpoint", async (route) => {
    const response = await route.fetch();
    const note = await response.text();
    await route.fulfill({ response, body: note.replace(/\n\d+\n/, "\n2\n") });
  });
  await page.reload();
  await enter();
  await page.getByText("Ledger: NOT verified").waitFor();
  await page.unroute("**/ledger/checkpoint");
});

test("an organization shows which clients could reach it, and how many people were behind them", { skip }, async () => {
  await visit("#/organization/acme");
  await heading("acme").waitFor();
  assert.deepEqual(await grants(), [], "nobody has anything connected now");
  await slider().focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  assert.deepEqual(await grants(), ["Calendar: active: notes.read notes.write openid", "Calendar: active: notes.read openid"]);
  assert.match(await page.locator(".row").first().innerText(), /2 people/);
  await shoot("organization");
  await page.locator(".rows .row a").first().click();
  await heading("Calendar").waitFor();
  await page.locator(".event-what", { hasText: "Calendar was registered" }).waitFor();
  assert.equal(await page.locator(".event-what", { hasText: "suspended" }).count(), 0, "of this client alone");
  await shoot("client");
});

test("why a token was issued", { skip }, async () => {
  await visit(`#/why/${jtiOf(token.access_token)}`);
  await page.getByText(/^The access token was issued, good for "email openid"/).waitFor();
  await page.getByText(/^The grant was revoked: "disconnected"/).waitFor();
  await shoot("why");
});

test("an export has the bytes that the API answers with", { skip }, async () => {
  await visit(`#/client/${mail.client_id}`);
  for (const [name, format] of [["Export NDJSON", "ndjson"], ["Export CSV", "csv"]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), press(name)]);
    assert.equal(download.suggestedFilename(), `grantlog-client-${mail.client_id}.${format}`);
    const saved = readFileSync(await download.path(), "utf8");
    const headers = { Authorization: `Bearer ${credentials.auditor_api_key}` };
    const answer = await fetch(`${issuer}/v1/audit/events/export?client_id=${mail.client_id}&format=${format}`, { headers });
    const later = await answer.text();
    assert.ok(saved.includes("grant.consented"));
    assert.ok(later.startsWith(saved), "what came later stands behind it");
    await page.locator("main").getByText(/^Saved [\d,]+ bytes\.$/).waitFor();
  }
});

test("somebody whom the log does not know is said to be unknown", { skip }, async () => {
  await visit("#/person/nobody");
  await page.getByText("The log has no consent here.").waitFor();
});

test("the key is in no storage unless that is wanted, and is forgotten on request", { skip }, async () => {
  const stored = () => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.doesNotMatch(await stored(), /glk_/);
  await page.reload();
  await keyField().fill(credentials.auditor_api_key);
  await page.getByLabel("Keep it until I close this tab").check();
  await press("Open");
  await heading("nobody").waitFor();
  await page.reload();
  await heading("nobody").waitFor();
  await press("Forget the key");
  await keyField().waitFor();
  assert.doesNotMatch(await stored(), /glk_/);
  assert.equal(await page.getByText("nobody", { exact: true }).count(), 0, "nothing of what was shown is left");
  assert.equal(page.url(), `${issuer}/console/#/`);
  assert.equal(await page.title(), "grantlog console");
  await page.reload();
  await keyField().waitFor();
});

test("everything can be reached by keyboard alone, and where one is can be seen", { skip }, async () => {
  await visit("#/person/ana");
  await keyField().focus();
  await page.keyboard.type(credentials.auditor_api_key);
  await page.keyboard.press("Enter");
  await heading("ana").waitFor();
  await grants();
  await page.evaluate(() => document.activeElement.blur());
  const reached = new Set();
  for (let tabs = 0; tabs < 60; tabs += 1) {
    await page.keyboard.press("Tab");
    const { name, outline } = await page.evaluate(() => {
      const own = document.activeElement;
      // Behind the last element the browser's own controls come, and then the first one again.
      if (own === document.body) return { name: "", outline: "" };
      return { name: own.id || own.textContent.trim() || own.getAttribute("name") || own.tagName, outline: getComputedStyle(own).outlineStyle };
    });
    reached.add(name);
    if (name !== "") assert.notEqual(outline, "none", name);
  }
  for (const name of ["skip", "Ledger", "forget", "Export CSV", "earlier", "moment", "all-events"]) assert.ok(reached.has(name), name);
  assert.ok([...reached].some((name) => name.includes("agreed to openid for")), "an event");
});

for (const colorScheme of ["light", "dark"]) {
  test(`on a phone nothing sticks out sideways: ${colorScheme}`, { skip }, async () => {
    await arrive({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme });
    await visit("#/person/ana");
    await enter();
    for (const [hash, shown] of [["#/person/ana", "ana"], ["#/organization/acme", "acme"], ["#/ledger", "Is the log whole and unchanged?"], [`#/why/${jtiOf(token.access_token)}`, "Why was it issued?"], ["#/", "What was true then?"]]) {
      await page.evaluate((to) => { location.hash = to; }, hash);
      await heading(shown).waitFor();
      await page.locator("main > div:not([aria-busy])").waitFor();
      await page.locator(".event summary").first().click({ timeout: 500 }).catch(() => {});
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, hash);
      await shoot(`phone-${colorScheme}-${hash.split("/")[1] || "start"}`);
    }
  });
}

test("every text has enough contrast", { skip }, async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const hash of ["#/person/ana", "#/ledger"]) {
      await page.evaluate((to) => { location.hash = to; }, hash);
      await page.locator("main > div:not([aria-busy]) .card").first().waitFor();
      assert.deepEqual(await page.evaluate(tooFaint), [], `${colorScheme} ${hash}`);
    }
  }
});

/** In the page: texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). What is disabled is exempt. */
function tooFaint() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isSeeThrough = (color) => (parse(color)[3] ?? 1) === 0;
  const behind = (element) => {
    const { backgroundColor, backgroundImage } = getComputedStyle(element);
    if (backgroundImage !== "none") return undefined;
    return isSeeThrough(backgroundColor) && element.parentElement ? behind(element.parentElement) : backgroundColor;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || element.matches(".quietly, option, .skip, :disabled") || element.offsetParent === null) continue;
    const ground = behind(element);
    if (!ground) continue;
    const [light, dark] = [luminance(getComputedStyle(element).color), luminance(ground)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return found;
}

test("the pages asked nobody else for anything, and broke no rule of their own", { skip }, () => {
  assert.deepEqual([...strangers], []);
  assert.deepEqual(complaints, []);
});
