// A school on three nodes and two workers behind nginx. People talk, a teacher drops recordings, and a program writes, while
// each part is ended in turn and comes back. Nothing that was taken is lost, nothing is there twice, and every fault is seen
// where it is looked for and gone after.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { startBrowser } from "../browser.mjs";
import { PASSWORD, register, teach } from "../people.mjs";
import { openShelf } from "../recordings.mjs";
import { Cluster, until } from "./cluster.mjs";

/** How long the database is away. */
const OUTAGE_MS = Number(process.env.LYCEUM_TEST_OUTAGE_MS ?? 10_000);

let browser, cluster, shelf;

before(async () => {
  shelf = await openShelf();
  cluster = await Cluster.start({ nodes: 3, workers: 2 });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  if (process.env.LYCEUM_TEST_LOG) await cluster?.keepLogs(process.env.LYCEUM_TEST_LOG);
  await cluster?.stop();
  await shelf?.remove();
});

/** Does something over and over, until it is stopped; gives what it did. */
class Round {
  done = [];
  #goes = true;
  #ended;

  constructor(step) {
    this.#ended = (async () => {
      for (let number = 1; this.#goes; number += 1) this.done.push(await step(number));
    })();
    // A fault is told where it is waited for.
    this.#ended.catch(() => {});
  }

  get count() {
    return this.done.length;
  }

  /** Waits until it has come so much further: what was ended has not stopped it. */
  goesOn(what, steps = 2) {
    const from = this.count;
    return until(what, async () => {
      await Promise.race([this.#ended, Promise.resolve()]);
      return this.count >= from + steps;
    });
  }

  async stop() {
    this.#goes = false;
    await this.#ended;
    return this.done;
  }
}

/** A program that asks until it is answered: an answer that says "try again", and none, is no answer. */
async function ask(user, path, { method = "GET", body, key = randomUUID() } = {}) {
  const headers = { Authorization: `Basic ${btoa(`${user}:${PASSWORD}`)}`, Accept: "application/json" };
  if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": key });
  const sent = { method, headers, body: body && JSON.stringify(body) };
  return until(`${method} ${path} is answered`, async () => {
    const answer = await fetch(cluster.origin + path, sent).catch(() => null);
    if (!answer || answer.status >= 500 || answer.status === 429) return (await answer?.body?.cancel(), null);
    assert.ok(answer.ok, `${answer.status} for ${method} ${path}: ${await answer.clone().text()}`);
    return answer.status === 204 ? {} : answer.json();
  });
}

/** What a program is answered that sends a file in parts (tus 1.0). */
function sendPart(user, method, path, headers, body) {
  const own = { Authorization: `Basic ${btoa(`${user}:${PASSWORD}`)}`, Accept: "application/json", "Tus-Resumable": "1.0.0" };
  const ofBody = body && { "Content-Type": "application/offset+octet-stream" };
  return fetch(new URL(path, cluster.origin), { method, headers: { ...own, ...ofBody, ...headers }, body });
}

/** All of a list, page by page. */
async function every(user, path) {
  const all = [];
  for (let next = `${path}${path.includes("?") ? "&" : "?"}cursor=&limit=100`; next; ) {
    const { results, next: then } = await ask(user, next);
    all.push(...results);
    next = then && new URL(then, cluster.origin).href.slice(cluster.origin.length);
  }
  return all;
}

const here = (page) => page.locator('#room-state[data-state="here"]').waitFor();
const linesOf = (page) => page.locator(".line:not(.is-waiting) .text").allInnerTexts();

/** Says a numbered line in the page of a room, as long as not many wait. */
async function say(page, text) {
  await until("the lines before were sent", async () => (await page.locator(".is-waiting").count()) < 5);
  await page.getByLabel("Your line").fill(text);
  await page.keyboard.press("Enter");
  return text;
}

/** Whether all nodes say this of a service. */
const allSay = (service, isWell, nodes = cluster.nodes) =>
  until(`every node says that ${service} is ${isWell ? "well" : "away"}`, async () => {
    const told = await Promise.all(nodes.map((node) => node.health()));
    return told.every((health) => health?.services[service] === isWell);
  });

const allReady = () =>
  until("every node is ready", async () => {
    const told = await Promise.all(cluster.nodes.map((node) => node.health()));
    return told.every((health) => health?.status === 200 && Object.values(health.services).every(Boolean));
  });

/** What was said in a room, from the first line on. */
async function history(user, course) {
  const texts = [];
  for (let after = 0, more = true; more; ) {
    const page = await ask(user, `/chat/room/${course}/history/?after=${after}`);
    texts.push(...page.lines.map(({ message }) => message));
    after = page.lines.at(-1)?.id ?? after;
    more = page.has_newer;
  }
  return texts;
}

/** A visitor's page, whichever node answers. */
async function looks(path = "/") {
  const answer = await fetch(cluster.origin + path);
  await answer.body.cancel();
  return answer.status;
}

test("three nodes and two workers lose nothing, whichever part ends", async (story) => {
  const clara = await teach(browser, cluster, "clara");
  await cluster.addUser("leila", PASSWORD, "--staff");
  const course = await clara.addCourse({ title: "Early music", slug: "early-music" });
  const module = await clara.addModule(course, "Recordings");
  const maya = await register(browser, cluster, "maya");
  await ask("maya", `/api/courses/${course}/enroll/`, { method: "POST" });

  const outline = await clara.open(`/course/module/${module}/`);
  const rooms = await Promise.all([clara, maya].map((person) => person.open(`/chat/room/${course}/`)));
  await Promise.all(rooms.map(here));

  const lines = rooms.map((page, who) => new Round((number) => say(page, `${["clara", "maya"][who]} ${number}`)));
  const files = new Round(async (number) => {
    // Each is another: one that is there already is not sent twice.
    const path = await shelf.tone(`tone-${number}.wav`, 1 + number / 100);
    const cards = outline.locator(".file-card");
    const before = await cards.count();
    await outline.getByLabel("Files to add").setInputFiles(path);
    await until("the file is in the outline", async () => (await cards.count()) > before);
    const underway = () => outline.locator('.file-card:not([data-state="ready"])').count();
    await until("files become ready", async () => (await underway()) < 3, 120_000);
    return number;
  });
  const modules = new Round(async (number) => {
    const made = await ask("clara", "/api/modules/", { method: "POST", body: { course, title: `Module ${number}` } });
    return made.title;
  });
  const all = [...lines, files, modules];
  const goOn = (what) => Promise.all(all.map((round) => round.goesOn(what)));
  await goOn("everything begins");

  await story.test("a node is killed: the others answer, and it comes back", async () => {
    const [node] = cluster.nodes;
    await node.end();
    for (let visit = 0; visit < 20; visit += 1) assert.equal(await looks(), 200);
    await goOn("without the node");
    await node.start();
    await allReady();
  });

  await story.test("a node is replaced: whoever was there is told, and finds another", async () => {
    const node = cluster.nodes[1];
    await node.end("SIGTERM");
    assert.equal(await looks(), 200);
    await node.start();
    await goOn("after the node was replaced");
  });

  await story.test("a worker is killed: another takes what it held", async () => {
    const [worker] = cluster.workers;
    await worker.end();
    await goOn("without the worker");
    await worker.start();
  });

  await story.test("Redis is killed: lines go over the database, every node says so, and it is used again", async () => {
    await cluster.redis.end();
    await allSay("bus", false);
    assert.equal(await looks(), 200);
    await goOn("without Redis");
    await cluster.redis.start();
    await allReady();
  });

  await story.test("Memcached is killed: pages are made anew, every node says so, and it is used again", async () => {
    await cluster.memcached.end();
    await allSay("cache", false);
    for (let visit = 0; visit < 20; visit += 1) assert.equal(await looks(), 200);
    await goOn("without Memcached");
    await cluster.memcached.start();
    await allReady();
  });

  await story.test("the database is away for ten seconds: every node says so, and recovers by itself", async () => {
    const before = Date.now();
    cluster.database.cut();
    await allSay("database", false);
    await until("the outage is over", async () => Date.now() - before > OUTAGE_MS);
    cluster.database.mend();
    await allReady();
    await goOn("after the outage");
  });

  await story.test("the object store is away: files wait or are refused in words, the rest goes on, and every node says so", async () => {
    const id = await outline.locator('.file-card[data-state="ready"]').first().getAttribute("data-upload-id");
    const metadata = { "Upload-Length": "26", "Upload-Metadata": `filename ${btoa("notes.txt")},module ${btoa(String(module))}` };
    const begun = await sendPart("clara", "POST", "/uploads/", metadata, "what is taken");
    assert.equal(begun.status, 201, await begun.text());
    const upload = begun.headers.get("location");
    const late = await shelf.tone("tone-late.wav", 0.5);
    cluster.store.cut();
    await outline.getByLabel("Files to add").setInputFiles(late);
    const [sentThen, asked] = await Promise.all([
      sendPart("clara", "PATCH", upload, { "Upload-Offset": "13" }, "what is not  "),
      clara.context.request.get(`/media/${id}/original`),
      allSay("files", false),
      outline.locator(".file-card").getByText("trying again").first().waitFor(),
      ...[...lines, modules].map((round) => round.goesOn("without the store")),
    ]);
    for (const [status, words] of [[sentThen.status, await sentThen.text()], [asked.status(), await asked.text()]]) {
      assert.equal(status, 503, words);
      assert.match(words, /The files of this site cannot be reached just now/);
    }
    assert.equal(await looks(), 200);
    cluster.store.mend();
    await allReady();
    await goOn("with the store again");
    const kept = await sendPart("clara", "HEAD", upload, {});
    assert.equal(kept.headers.get("upload-offset"), "13");
    assert.equal((await sendPart("clara", "DELETE", upload, {})).status, 204);
  });

  await story.test("nginx is killed: whoever was there is told, and everything goes on when it is back", async () => {
    await cluster.nginx.end();
    await Promise.all(rooms.map((page) => page.locator('#room-state:not([data-state="here"])').waitFor()));
    await assert.rejects(looks());
    await cluster.nginx.start();
    await Promise.all(rooms.map(here));
    await goOn("behind nginx again");
  });

  const said = (await Promise.all(lines.map((round) => round.stop()))).flat();
  const sent = [...(await files.stop()), "late"];
  const titles = await modules.stop();

  await story.test("every line is there once, in one order, for both and for who comes now", async () => {
    for (const page of rooms) {
      await until("nothing waits", async () => (await page.locator(".is-waiting").count()) === 0);
      await here(page);
    }
    const kept = await history("maya", course);
    assert.deepEqual([...kept].sort(), [...said].sort());
    for (const page of rooms) {
      // A page shows the newest; the others are there when she scrolls up.
      const isShown = async () => (await linesOf(page)).at(-1) === kept.at(-1);
      await until("the last line is shown", isShown);
      const shown = await linesOf(page);
      assert.deepEqual(shown, kept.slice(-shown.length));
    }
  });

  await story.test("every file that was taken is ready, and told of once", async () => {
    const standing = () => outline.locator(".file-card").evaluateAll((cards) => cards.map(({ dataset, innerText }) => [dataset.state, innerText]));
    await until("all files are ready", async () => (await standing()).every(([state]) => state === "ready")).catch(async (fault) => {
      const others = (await standing()).filter(([state]) => state !== "ready");
      throw new Error(`${fault.message}: ${JSON.stringify(others)}`);
    });
    await outline.reload();
    assert.equal(await outline.locator('.file-card[data-state="ready"]').count(), sent.length);
    assert.equal(await outline.locator(".file-card").count(), sent.length);
    const told = (await every("clara", "/api/messages/")).map(({ text }) => text);
    const meant = sent.map((number) => `Your file tone-${number} has been processed`);
    assert.deepEqual(told.sort(), meant.sort());
    const id = await outline.locator(".file-card[data-upload-id]").first().getAttribute("data-upload-id");
    for (let visit = 0; visit < cluster.nodes.length; visit += 1) {
      const answer = await maya.context.request.get(`/media/${id}/audio.m4a`);
      assert.equal(answer.status(), 200);
    }
  });

  await story.test("every job has ended well", async () => {
    const jobs = await until("no job is left", async () => {
      const found = await every("leila", "/api/jobs/");
      // Others come back by themselves, again and again.
      const isUnderway = ({ subject, state }) => subject && (state === "waiting" || state === "running");
      return found.some(isUnderway) ? null : found;
    });
    assert.deepEqual(jobs.filter(({ state }) => state === "failed"), []);
  });

  await story.test("whatever a program was answered is there once", async () => {
    const found = (await every("maya", `/api/modules/?course=${course}`)).map(({ title }) => title);
    const made = found.filter((title) => title.startsWith("Module "));
    assert.deepEqual(made.sort(), [...titles].sort());
  });

  await story.test("no part has panicked", () => assert.deepEqual(cluster.log(/panicked at/), []));
  await clara.context.close();
  await maya.context.close();
});
