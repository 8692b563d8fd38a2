// Starts `grantlog dev` on two free ports and waits until its pages answer.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const built = join(import.meta.dirname, "../../target/debug/grantlog");

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** `credentials` are the API keys and clients that the demo was given; unknown for one that runs already. */
export async function startDemo() {
  if (process.env.DEMO_URL) return { demo: process.env.DEMO_URL, stop: async () => {} };
  const [port, demoPort] = [await freePort(), await freePort()];
  const data = mkdtempSync(join(tmpdir(), "grantlog-dev-"));
  const options = ["dev", "--port", `${port}`, "--demo-port", `${demoPort}`, "--data", data];
  const child = spawn(process.env.GRANTLOG_BIN ?? built, options, { stdio: "inherit" });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(data, { recursive: true, force: true });
  };
  const demo = `http://127.0.0.1:${demoPort}`;
  for (let tries = 0; tries < 100 && child.exitCode === null; tries += 1) {
    try {
      if ((await fetch(demo)).ok) {
        const credentials = JSON.parse(readFileSync(join(data, "dev.json"), "utf8"));
        return { demo, issuer: `http://127.0.0.1:${port}`, credentials, stop };
      }
    } catch {
      // It is not listening yet.
    }
    await pause(200);
  }
  await stop();
  throw new Error("grantlog dev did not start");
}
