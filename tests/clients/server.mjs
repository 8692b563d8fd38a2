// A real `grantlog serve` in a process and a directory of its own.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const binary = process.env.GRANTLOG_BIN ?? resolve(import.meta.dirname, "../../target/debug/grantlog");
const START_TIMEOUT = 30_000;

// The tests come from one address and as fast as they can.
const configuration = (port, interactionUrl, registration) => `
listen = "127.0.0.1:${port}"
issuer = "http://127.0.0.1:${port}"
interaction_url = "${interactionUrl}"

[scopes]
openid = "Know who you are"
profile = "See your name and profile"
email = "See your e-mail address"
offline_access = "Keep access while you are away"
"notes.read" = "Read your notes"
"notes.write" = "Change your notes"

[registration]
dynamic = "${registration}"

[limits]
per_client = { per_second = 10000, burst = 10000 }
per_api_key = { per_second = 10000, burst = 10000 }
per_address = { per_second = 10000, burst = 10000 }
per_address_registration = { per_second = 10000, burst = 10000 }

[log]
filter = "warn"
`;

async function freePort() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Starts a server on an empty directory; resolves when it is ready. */
export async function startServer({ interactionUrl = "https://app.example.com/interaction", registration = "off" } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "grantlog-clients-"));
  const port = await freePort();
  const config = join(directory, "grantlog.toml");
  await writeFile(config, configuration(port, interactionUrl, registration));
  const data = join(directory, "data");
  const child = spawn(binary, ["serve", "--config", config, "--data", data], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  const server = { issuer: new URL(`http://127.0.0.1:${port}`), stop };
  let output = "";
  let failed;
  child.once("error", (error) => (failed = error));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  }

  async function stop() {
    child.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true });
  }

  const deadline = Date.now() + START_TIMEOUT;
  while (!(await isReady(server.issuer))) {
    if (failed || child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${binary} did not start (build it with cargo build --bin grantlog): ${failed ?? output}`);
    }
    await sleep(20);
  }
  server.adminKey = output.match(/^glk_\S+$/m)?.[0];
  if (!server.adminKey) {
    await stop();
    throw new Error(`the first start printed no API key: ${output}`);
  }
  return server;
}

async function isReady(issuer) {
  try {
    return (await fetch(new URL("/readyz", issuer))).ok;
  } catch {
    return false;
  }
}
