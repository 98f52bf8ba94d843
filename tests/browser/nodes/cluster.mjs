// A school on many machines, on this one: nodes and workers over PostgreSQL, Redis, Memcached and an object store, behind
// nginx as deploy/nginx says. Each part is a process of its own, which can be killed and started again where it was.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort, program } from "../site.mjs";

/** How long a part may take to be there before it counts as hung. */
const PATIENCE_MS = 60_000;

const deploy = fileURLToPath(new URL("../../../deploy/", import.meta.url));

/** Waits until something holds. */
export async function until(what, holds, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  let found = null;
  while (!(found = await holds())) {
    if (Date.now() > deadline) throw new Error(`it never came: ${what}`);
    await pause(50);
  }
  return found;
}

/** A process that can be killed and started again. */
class Part {
  #child = null;
  #command;
  #options;
  #isThere;

  /**
   * @param {string} name for messages
   * @param {string[]} command
   * @param {() => Promise<boolean>} isThere whether it can be used
   * @param {object} options for `spawn`
   */
  constructor(name, command, isThere, options = {}) {
    this.name = name;
    /** What it has said. */
    this.log = "";
    this.#command = command;
    this.#isThere = isThere;
    this.#options = options;
  }

  async start() {
    // The kernel ends it when this process is killed.
    const child = spawn("setpriv", ["--pdeathsig", "TERM", ...this.#command], {
      ...this.#options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    }
    this.#child = child;
    await until(`${this.name} is there`, async () => {
      if (this.#hasEnded()) throw new Error(`${this.name} has ended:\n${this.log}`);
      return this.#isThere();
    });
  }

  #hasEnded() {
    return this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends it: at once, as a power cut would, or as its keeper asks it to. */
  async end(signal = "SIGKILL") {
    if (this.#hasEnded()) return;
    const ended = once(this.#child, "exit");
    this.#signal(signal);
    const hung = setTimeout(() => this.#signal("SIGKILL"), PATIENCE_MS);
    await ended;
    clearTimeout(hung);
  }

  /** With whatever it has started, where it is the first of a group. */
  #signal(signal) {
    if (this.#options.detached) process.kill(-this.#child.pid, signal);
    else this.#child.kill(signal);
  }
}

/** The way to a server, which can be cut and mended. */
class Link {
  #open = new Set();
  #isCut = false;
  #listener;

  /** @param {number} port where the server is */
  constructor(port) {
    this.#listener = createServer((near) => {
      if (this.#isCut) return near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [[near, far], [far, near]]) {
        this.#open.add(from);
        from.setNoDelay(true).pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => (this.#open.delete(from), to.destroy()));
      }
      return undefined;
    });
  }

  /** Begins, and gives the port to go by. */
  async start() {
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
    return this.#listener.address().port;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend() {
    this.#isCut = false;
  }

  close() {
    this.cut();
    this.#listener.close();
  }
}

const takes = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });

/** A running `lyceum serve`, and where it can be asked by itself. */
class Node extends Part {
  constructor(name, port, environment, folder) {
    const isThere = async () => (await this.health())?.status === 200;
    super(name, [program, "serve", "--no-worker"], isThere, { cwd: folder, env: environment });
    this.origin = `http://127.0.0.1:${port}`;
  }

  /** What it says of its services: its status, and which of them are well. */
  async health() {
    const answer = await fetch(`${this.origin}/readyz`).catch(() => null);
    if (!answer) return null;
    const services = Object.fromEntries((await answer.json()).map(({ service, is_well }) => [service, is_well]));
    return { status: answer.status, services };
  }
}

export class Cluster {
  /** Starts everything; a part that does not come leaves nothing behind. */
  static async start({ nodes, workers }) {
    const cluster = new Cluster();
    cluster.folder = await mkdtemp(join(tmpdir(), "lyceum-nodes-"));
    try {
      await cluster.#start(nodes, workers);
    } catch (fault) {
      await cluster.stop();
      throw fault;
    }
    return cluster;
  }

  folder;
  nodes = [];
  workers = [];
  #parts = [];

  async #add(part, list = null) {
    this.#parts.push(part);
    list?.push(part);
    await part.start();
    return part;
  }

  async #start(nodes, workers) {
    const [postgres, s3] = [process.env.LYCEUM_TEST_POSTGRES, process.env.LYCEUM_TEST_S3];
    if (!postgres || !s3) throw new Error("start it by: make test-nodes");
    const database = new URL(postgres);
    this.database = new Link(Number(database.port));
    database.port = String(await this.database.start());
    const store = new URL(s3);
    this.store = new Link(Number(store.port));
    store.port = String(await this.store.start());
    const redis = await this.#server("redis", (port) => [
      "redis-server", "--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no", "--dir", this.folder,
    ]);
    const memcached = await this.#server("memcached", (port) => [
      "memcached", "-l", "127.0.0.1", "-p", String(port), "-U", "0", "-u", process.env.USER ?? "root",
    ]);
    const front = await freePort();
    this.origin = `http://127.0.0.1:${front}`;
    const settings = {
      LYCEUM_DATABASE: database.href,
      LYCEUM_BUS: `redis://127.0.0.1:${redis}`,
      LYCEUM_CACHE: `memcached://127.0.0.1:${memcached}?near_bytes=16777216`,
      LYCEUM_FILES: `s3://lyceum/nodes?endpoint=${store.origin}`,
      LYCEUM_SECRET: "a secret that is only good for tests of many nodes",
      LYCEUM_PUBLIC_URL: this.origin,
      LYCEUM_TRUSTED_PROXIES: "127.0.0.0/8",
      // What a worker held that was killed is another's soon.
      LYCEUM_LEASE_SECONDS: "5",
      // They type faster than people do.
      LYCEUM_CHAT_RATE: "1000/second",
    };
    const ports = [];
    for (let number = 1; number <= nodes; number += 1) {
      const port = await freePort();
      ports.push(port);
      const own = await this.#home(`node-${number}`, { ...settings, LYCEUM_LISTEN: `127.0.0.1:${port}` });
      await this.#add(new Node(`node ${number}`, port, own.env, own.cwd), this.nodes);
    }
    for (let number = 1; number <= workers; number += 1) {
      const own = await this.#home(`worker-${number}`, settings);
      await this.#add(new Part(`worker ${number}`, [program, "work"], async () => true, own), this.workers);
    }
    this.#settings = await this.#home("commands", settings);
    this.nginx = await this.#add(await this.#balancer(front, ports));
  }

  #settings;

  /** A folder of its own, as on a machine of its own. */
  async #home(name, settings) {
    const cwd = join(this.folder, name);
    await mkdir(cwd);
    const { PATH, HOME, LANG, TMPDIR, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = process.env;
    const given = { PATH, HOME, LANG, TMPDIR, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION };
    const all = { ...given, ...settings, LYCEUM_DATA: cwd };
    return { cwd, env: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) };
  }

  async #server(name, command) {
    const port = await freePort();
    this[name] = await this.#add(new Part(name, command(port), () => takes(port)));
    return port;
  }

  /** nginx with the very file that deploy/ offers; only the nodes and the port are ours. */
  async #balancer(front, ports) {
    const folder = join(this.folder, "nginx");
    await mkdir(folder);
    await cp(join(deploy, "nginx/lyceum-proxy.conf"), join(folder, "lyceum-proxy.conf"));
    const servers = ports.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=2s;`).join(" ");
    const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
    await writeFile(
      join(folder, "nginx.conf"),
      `daemon off; pid ${folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; ${places.join(" ")}
  upstream lyceum { zone lyceum 64k; least_conn; ${servers} keepalive 64; }
  map $http_upgrade $lyceum_connection { default upgrade; '' ''; }
  server { listen 127.0.0.1:${front}; include ${folder}/lyceum-proxy.conf; }
}
`,
    );
    const nginx = process.env.LYCEUM_NGINX ?? "nginx";
    const command = [nginx, "-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")];
    // What serves is a child of the process that is started, and goes on when that is killed alone.
    return new Part("nginx", command, () => takes(front), { detached: true });
  }

  /** Runs a `lyceum` command as on a machine beside them. */
  async command(args, input = "") {
    const child = spawn(program, args, { ...this.#settings, stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
    child.stdin.end(input);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`lyceum ${args.join(" ")} ended with ${code}:\n${said}`);
    return said;
  }

  /** Makes a user, as {@link Site.addUser} does. */
  async addUser(name, password, ...flags) {
    await this.command(["user", "add", name, ...flags, "--password-stdin"], `${password}\n`);
  }

  /** What a part has said, for the message of a test that fails. */
  log(pattern) {
    return this.#parts.flatMap(({ name, log }) => log.split("\n").filter((line) => pattern.test(line)).map((line) => `${name}: ${line}`));
  }

  /** Writes down what all parts have said, for whoever looks why a test fails. */
  async keepLogs(path) {
    await writeFile(path, this.#parts.map(({ name, log }) => `== ${name}\n${log}`).join("\n"));
  }

  async stop() {
    for (const part of this.#parts.reverse()) await part.end("SIGTERM");
    this.database?.close();
    this.store?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
