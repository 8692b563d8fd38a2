// Roles, organizations, an agent and a machine, in a real browser: what may be granted, who decides, and how it ends.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startDemo } from "./demo.mjs";

const { demo, stop } = await startDemo();
const screenshots = join(import.meta.dirname, "screenshots");
const args = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

let browser;
let page;
const complaints = [];

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
});

after(async () => {
  await browser?.close();
  await stop();
});

/** Everybody comes with a browser of their own. */
async function arrive() {
  await page?.context().close();
  const context = await browser.newContext({ viewport: { width: 1100, height: 850 } });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
}

const visit = (path) => page.goto(new URL(path, demo).href);
const shoot = (name) => page.screenshot({ path: join(screenshots, `apps-${name}.png`), fullPage: true });
const heading = (name) => page.getByRole("heading", { name });
const press = (name) => page.getByRole("button", { name, exact: true }).click();
const text = () => page.locator("main").innerText();

async function logIn(person) {
  await heading("Log in").waitFor();
  await page.getByLabel("User name").fill(person);
  await page.getByLabel("Password").fill(`${person}-demo`);
  await press("Log in");
}

async function connectPostcardPress(person) {
  await visit("/client/start");
  await logIn(person);
}

test("a person who may only read can't let an app write, and is told why", async () => {
  await arrive();
  await connectPostcardPress("ben");
  await heading("Connect this app?").waitFor();
  await heading("It will not get this").waitFor();
  const shown = await text();
  assert.match(shown, /Write and delete notes in Sundial Notes \(your role does not let you do this yourself\)/);
  assert.equal(await page.getByRole("checkbox", { name: /Write and delete/ }).count(), 0, "it is not there to be ticked");
  await shoot("ungrantable");
  await press("Allow");
  await heading("Connected").waitFor();
  assert.match(await text(), /notes\.read/);
  assert.doesNotMatch((await page.getByText("What was allowed").locator("..").innerText()), /notes\.write/);
});

test("what was left out before is all that is asked about later", async () => {
  await arrive();
  await connectPostcardPress("ana");
  await heading("Connect this app?").waitFor();
  await page.getByRole("checkbox", { name: /Write and delete/ }).uncheck();
  await press("Allow");
  await heading("Connected").waitFor();
  await page.getByRole("link", { name: "Connect again" }).click();
  await heading("Connect this app?").waitFor();
  await page.getByText("New: it would also like to").waitFor();
  await page.getByText("It asks for more than you agreed to before.").waitFor();
  assert.equal(await page.getByRole("checkbox").count(), 1, "only what is new can be ticked");
  await page.getByRole("heading", { name: "You agreed to this before" }).waitFor();
  const shown = await text();
  assert.ok(shown.indexOf(new URL(demo).hostname) < shown.indexOf("Postcard Press"), "the redirect host comes first");
  await shoot("delta");
  await press("Allow");
  await heading("Connected").waitFor();
});

test("whoever manages an organization sees who connected what, and can end it for everyone", async () => {
  await visit("/organization");
  await heading("Acme Almanacs").waitFor();
  await heading("Postcard Press").waitFor();
  const shown = await text();
  assert.match(shown, /Ana Lindqvist/);
  assert.match(shown, /Ben Okafor/);
  await shoot("organization");
  await press("Disconnect Postcard Press for everyone");
  await page.getByText("Nobody at Acme Almanacs has connected an app.").waitFor();
  await visit("/client");
  await press("Call the API");
  await heading("The API refused the token").waitFor();
});

test("a stricter policy first shows whom it would cut off", async () => {
  await page.getByRole("link", { name: "Connect again" }).click();
  await heading("Connect this app?").waitFor();
  await press("Allow");
  await heading("Connected").waitFor();
  await visit("/organization");
  await page.getByLabel("No apps of others at all").check();
  await press("See what would change");
  await heading("What would change").waitFor();
  await page.getByText("Postcard Press, connected by Ana Lindqvist").waitFor();
  await shoot("policy-preview");
  await page.getByRole("link", { name: "Leave it as it is" }).click();
  await heading("Postcard Press").waitFor();
  await page.getByLabel("No apps of others at all").check();
  await press("See what would change");
  await press("Do it");
  await page.getByText("Nobody at Acme Almanacs has connected an app.").waitFor();
  await visit("/client");
  await press("Call the API");
  await heading("The API refused the token").waitFor();
  await visit("/organization");
  await page.getByLabel("Everybody may connect any app").check();
  await press("See what would change");
  await page.getByText("Nobody would lose a connection.").waitFor();
  await press("Do it");
});

test("an organization that approves each app refuses the others, in words", async () => {
  await arrive();
  await connectPostcardPress("cleo");
  await heading("Granite Bank does not allow this app").waitFor();
  await shoot("organization-refuses");
  await page.getByRole("link", { name: "Back to Postcard Press" }).click();
  await heading("Access was not given").waitFor();
});

test("and lets it in once it is approved", async () => {
  await visit("/organization");
  await heading("Granite Bank").waitFor();
  await page.getByRole("checkbox", { name: /Postcard Press/ }).check();
  await shoot("approve");
  await press("See what would change");
  await press("Do it");
  await visit("/client/start");
  await heading("Connect this app?").waitFor();
  await press("Allow");
  await heading("Connected").waitFor();
});

test("who manages nothing has no organization page", async () => {
  await arrive();
  await visit("/login");
  await logIn("ben");
  await heading("Your connected apps").waitFor();
  assert.equal(await page.getByRole("link", { name: "Acme Almanacs" }).count(), 0);
  await visit("/organization");
  await heading("This page is not for you").waitFor();
  complaints.splice(0, complaints.length, ...complaints.filter((line) => !/status of 403/.test(line)));
});

for (const [introduction, label] of [["registration", "It registers itself"], ["document", "By a document at its own URL"]]) {
  test(`an agent gets from a bare URL to a token: ${label}`, async () => {
    await arrive();
    await visit("/agent");
    await page.getByLabel(label).check();
    await press("Connect");
    await logIn("ana");
    await heading("Connect this app?").waitFor();
    const shown = await text();
    assert.match(shown, /Lamplight/);
    assert.match(shown, /Not checked by Sundial Notes/);
    assert.match(shown, /It will use this at Sundial Notes for agents/);
    assert.doesNotMatch(shown, /Write and delete/, "it asks for no more than it was told it needs");
    await shoot(`agent-consent-${introduction}`);
    await press("Allow");
    await heading("Lamplight has a token").waitFor();
    await shoot(`agent-${introduction}`);
    await press("Read notes");
    await heading("The API answered").waitFor();
  });

  test(`and asks for more when it needs more: ${label}`, async () => {
    await press("Add a note");
    await heading("That needs more than it was allowed").waitFor();
    await shoot(`agent-insufficient-${introduction}`);
    await press("Ask for notes.read notes.write");
    await heading("Connect this app?").waitFor();
    await page.getByText("New: it would also like to").waitFor();
    assert.equal(await page.getByRole("checkbox").count(), 1, "only what is new is asked");
    await shoot(`agent-step-up-${introduction}`);
    await press("Allow");
    await heading("Lamplight has a token").waitFor();
    await press("Add a note");
    await heading("The note was added").waitFor();
  });
}

test("a person disconnects everything at once", async () => {
  await visit("/connected-apps");
  await heading("Lamplight").first().waitFor();
  await shoot("connected-apps");
  await press("Disconnect all of them");
  await page.getByText("No app is connected to your account.").waitFor();
  await visit("/agent");
  await press("Read notes");
  await heading("The API refused the token").waitFor();
});

test("a machine acts for itself", async () => {
  await visit("/machine");
  await press("Run it now");
  await heading("The backup ran").waitFor();
  await shoot("machine");
});

test("the pages broke no rule of their own", () => {
  assert.deepEqual(complaints, []);
});
