// Starts `grantlog dev` on two free ports and waits until its pages answer.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
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

export async function startDemo() {
  if (process.env.DEMO_URL) return { demo: process.env.DEMO_URL, stop: async () => {} };
  const [port, demoPort] = [await freePort(), await freePort()];
  const child = spawn(process.env.GRANTLOG_BIN ?? built, ["dev", "--port", `${port}`, "--demo-port", `${demoPort}`], { stdio: "inherit" });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  const demo = `http://127.0.0.1:${demoPort}`;
  for (let tries = 0; tries < 100 && child.exitCode === null; tries += 1) {
    try {
      if ((await fetch(demo)).ok) return { demo, issuer: `http://127.0.0.1:${port}`, stop };
    } catch {
      // It is not listening yet.
    }
    await pause(200);
  }
  await stop();
  throw new Error("grantlog dev did not start");
}
