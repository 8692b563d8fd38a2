// A person's way through the demo, in a real browser: deny, allow, use, disconnect.
//
// Starts `grantlog dev` (GRANTLOG_BIN, or the debug build), unless DEMO_URL names one that runs. CHROMIUM names the browser.

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
let shots = 0;
const strangers = new Set();
const complaints = [];

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
  const context = await browser.newContext({ viewport: { width: 1100, height: 850 } });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.host !== new URL(demo).host) strangers.add(url.host);
  });
  // A violated Content-Security-Policy shows up here.
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
});

after(async () => {
  await browser?.close();
  await stop();
});

async function shoot(name) {
  shots += 1;
  await page.screenshot({ path: join(screenshots, `${String(shots).padStart(2, "0")}-${name}.png`), fullPage: true });
}

const heading = (name) => page.getByRole("heading", { name });
const press = (name) => page.getByRole("button", { name, exact: true }).click();

test("the index leads to the client", async () => {
  await page.goto(demo);
  await heading("Connect an app, then cut it off").waitFor();
  await shoot("index");
  await page.getByRole("link", { name: "Open Postcard Press" }).click();
  await heading("Your notes, on paper, in the post").waitFor();
  await shoot("client");
});

test("connecting asks to log in, and says when the password is wrong", async () => {
  await page.getByRole("link", { name: "Connect Sundial Notes" }).click();
  await heading("Log in").waitFor();
  await shoot("login");
  await page.getByLabel("User name").fill("ana");
  await page.getByLabel("Password").fill("not it");
  await press("Log in");
  await page.getByRole("alert").waitFor();
  await shoot("login-failed");
  await page.getByLabel("Password").fill("ana-demo");
  await press("Log in");
});

test("the consent page says who asks for what, and who is asked", async () => {
  await heading("Connect this app?").waitFor();
  await shoot("consent");
  const text = await page.locator("main").innerText();
  assert.ok(text.indexOf(new URL(demo).hostname) < text.indexOf("Postcard Press"), "the host comes before the name");
  assert.match(text, /Ana Lindqvist/);
  assert.ok(await page.getByRole("checkbox").count() >= 5, "every scope is shown");
  assert.ok(await page.getByRole("checkbox", { name: /who you are/ }).isDisabled(), "openid cannot be unticked");
});

test("a reload and a second look change nothing", async () => {
  await page.reload();
  await heading("Connect this app?").waitFor();
});

test("saying no brings the browser back, with plain words and no tokens", async () => {
  await press("Deny");
  await heading("Access was not given").waitFor();
  await shoot("denied");
  assert.equal(await page.getByRole("button", { name: "Call the API" }).count(), 0);
});

test("saying yes brings tokens", async () => {
  await page.getByRole("link", { name: "Connect Sundial Notes" }).click();
  await heading("Connect this app?").waitFor();
  await press("Allow");
  await heading("Connected").waitFor();
  await heading("Hello, Ana Lindqvist").or(heading(/^Hello/)).first().waitFor();
  await shoot("connected");
  assert.equal(new URL(page.url()).search, "", "no code stays in the address");
});

test("the API answers, also after a refresh", async () => {
  await press("Call the API");
  await heading("The API answered").waitFor();
  await shoot("api-answered");
  await press("Refresh");
  await heading("Refreshed").waitFor();
  await shoot("refreshed");
  await press("Call the API");
  await heading("The API answered").waitFor();
});

test("the person sees the app and disconnects it", async () => {
  await page.goto(new URL("/connected-apps", demo).href);
  await heading("Postcard Press").waitFor();
  await shoot("connected-apps");
  await press("Disconnect Postcard Press");
  await page.getByText("No app is connected to your account.").waitFor();
  await shoot("disconnected");
});

test("from then on the API refuses, and nothing can be refreshed", async () => {
  await page.goto(new URL("/client", demo).href);
  await press("Call the API");
  await heading("The API refused the token").waitFor();
  await shoot("api-refused");
  await press("Refresh");
  await heading("Access has ended").waitFor();
  await shoot("refresh-refused");
});

test("connecting again asks again, and less can be allowed", async () => {
  await page.getByRole("link", { name: "Connect again" }).click();
  await heading("Connect this app?").waitFor();
  await page.getByRole("checkbox", { name: /Read the notes/ }).uncheck();
  await shoot("partial-consent");
  await press("Allow");
  await heading("Connected").waitFor();
  await press("Call the API");
  await heading("The API refused").waitFor();
  await shoot("scope-missing");
});

test("an untrustworthy link ends on an error page, not in a redirect", async () => {
  const response = await page.goto(new URL("/authorize?client_id=nobody&redirect_uri=https://evil.example/&response_type=code", demo).href);
  assert.equal(response.status(), 400);
  await heading("This app cannot be connected").waitFor();
  await shoot("error");
  // The one console message allowed: that this page has status 400.
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of (400|422)/.test(text)));
});

test("logging out works, and a small dark screen shows the same pages", async () => {
  await page.goto(new URL("/connected-apps", demo).href);
  await press("Log out");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(new URL("/client", demo).href);
  await shoot("dark-client");
  await page.getByRole("link", { name: "Connect again" }).click();
  await heading("Log in").waitFor();
  await shoot("dark-login");
  await page.getByLabel("User name").fill("ben");
  await page.getByLabel("Password").fill("ben-demo");
  await press("Log in");
  await heading("Connect this app?").waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(overflow, false, "nothing sticks out sideways");
  await shoot("dark-consent");
});

test("the pages asked nobody else for anything, and broke no rule of their own", () => {
  assert.deepEqual([...strangers], []);
  assert.deepEqual(complaints, []);
});
