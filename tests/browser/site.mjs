// A Lyceum of its own for a test file: the built program on a free port, with a data folder that goes when it stops.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** How long the program may take to answer, or to end, before it counts as hung. */
const PATIENCE_MS = 60_000;

const root = fileURLToPath(new URL("../../", import.meta.url));
export const program = process.env.LYCEUM_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/lyceum");

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/**
 * Starts `lyceum serve` and waits until `/readyz` answers 200.
 *
 * @param {Record<string, string>} [settings] environment variables beside those that the site needs
 * @returns {Promise<Site>}
 */
export async function startSite(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "lyceum-browser-"));
  const origin = `http://127.0.0.1:${await freePort()}`;
  const site = new Site(origin, folder, settings);
  try {
    await site.start();
  } catch (fault) {
    await rm(folder, { recursive: true, force: true });
    throw fault;
  }
  return site;
}

export class Site {
  #settings;
  #server = null;

  constructor(origin, folder, settings) {
    /** Scheme, host and port, without a slash. */
    this.origin = origin;
    /** The data folder. */
    this.folder = folder;
    /** What the server wrote to its log so far. */
    this.log = "";
    this.#settings = settings;
  }

  get #environment() {
    const { PATH, HOME, LANG, TMPDIR } = process.env;
    const own = { LYCEUM_DATA: this.folder, LYCEUM_LISTEN: new URL(this.origin).host, LYCEUM_PUBLIC_URL: this.origin };
    const all = { PATH, HOME, LANG, TMPDIR, ...own, ...this.#settings };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }

  /** Starts the server (again, after {@link kill}) on the same port and data folder. */
  async start() {
    // The kernel stops the server when this process is killed.
    this.#server = spawn("setpriv", ["--pdeathsig", "TERM", program, "serve"], {
      cwd: this.folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#server.stdout, this.#server.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    }
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await this.#isReady())) {
      if (this.#hasEnded() || Date.now() > deadline) {
        await this.kill();
        throw new Error(`lyceum serve did not become ready:\n${this.log}`);
      }
      await pause(50);
    }
  }

  async #isReady() {
    const answer = await fetch(`${this.origin}/readyz`).catch(() => null);
    await answer?.body?.cancel();
    return answer?.status === 200;
  }

  #hasEnded() {
    return this.#server.exitCode !== null || this.#server.signalCode !== null;
  }

  /** Runs a `lyceum` command on this site's data, and gives what it printed. */
  async command(args, input = "") {
    const child = spawn(program, args, { cwd: this.folder, env: this.#environment, stdio: ["pipe", "pipe", "pipe"] });
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8").on("data", (part) => (text[name] += part));
    }
    child.stdin.on("error", () => {}); // a command that reads no input may end before it is written
    child.stdin.end(input);
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    if (code !== 0) throw new Error(`lyceum ${args.join(" ")} ended with ${code}:\n${text.stderr}`);
    return text.stdout;
  }

  /** Makes a user. `flags` are those of `lyceum user add`, such as `--instructor`. */
  async addUser(name, password, ...flags) {
    await this.command(["user", "add", name, ...flags, "--password-stdin"], `${password}\n`);
  }

  /** Ends the server at once, as a power cut would. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Asks the server to end, sees that it does so in order, and removes its data. */
  async stop() {
    const ended = await this.#end("SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
    if (ended !== 0) throw new Error(`lyceum serve ended with ${ended}:\n${this.log}`);
    if (/\bpanicked at\b/.test(this.log)) throw new Error(`lyceum serve panicked:\n${this.log}`);
  }

  /** @returns {Promise<number | string>} the exit code, or the signal that ended it */
  async #end(signal) {
    const server = this.#server;
    if (!this.#hasEnded()) {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill(signal);
      const hung = setTimeout(() => server.kill("SIGKILL"), PATIENCE_MS);
      await ended;
      clearTimeout(hung);
    }
    return server.exitCode ?? server.signalCode;
  }
}
