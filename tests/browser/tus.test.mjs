// A large file on a bad day: the site is killed three times while it uploads, the tab is closed, and no byte is lost.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

const FILE_BYTES = Number(process.env.LYCEUM_TEST_UPLOAD_BYTES ?? 64_000_000);

/** So slow that there is a middle to be interrupted in. */
const BYTES_A_SECOND = Math.max(8_000_000, Math.round(FILE_BYTES / 40));

/** What a large file may take to be joined to its course once its last byte is there, and to be read. */
const PATIENCE_MS = 120_000 + FILE_BYTES / 10_000;

let browser, site, shelf;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  shelf = await openShelf();
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

/** The hash of what the site gives to somebody, however large. */
async function hashOf(site, context, path) {
  const cookies = await context.cookies(site.origin);
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const response = await fetch(site.origin + path, { headers: { cookie } });
  assert.equal(response.status, 200);
  const hash = createHash("sha256");
  for await (const piece of response.body) hash.update(piece);
  return hash.digest("hex");
}

async function slowDown(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: BYTES_A_SECOND };
  await session.send("Network.emulateNetworkConditions", conditions);
}

/** Waits until the card tells more than so many percent. */
const passes = (page, percent) =>
  page.waitForFunction((least) => {
    const bar = document.querySelector('.file-card[data-state="uploading"] progress');
    return bar?.value > least && /^Uploading/.test(document.querySelector(".file-card .words").textContent);
  }, percent);

const percentOf = (page) => page.locator(".file-card progress").evaluate((bar) => bar.value);

/** The methods of the requests to resumable uploads from now on. */
function watchUploads(page) {
  const seen = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/uploads/")) seen.push(request.method());
  });
  return seen;
}

test("a file goes on through three kills of the site, a pause and a closed tab, and its bytes are right", async () => {
  const { path, hash } = await shelf.noise("Masterclass.bin", FILE_BYTES);
  const teacher = await teach(browser, site, "lumen");
  const course = await teacher.addCourse({ title: "Breath", slug: "breath" });
  const module = await teacher.addModule(course, "One");
  const choose = async (page) => {
    await slowDown(page);
    await page.getByLabel("Files to add").setInputFiles(path);
  };

  let page = await teacher.open(`/course/module/${module}/`);
  await choose(page);
  for (const percent of [4, 12, 20]) {
    await passes(page, percent);
    await site.kill();
    await page.locator(".file-card .words", { hasText: /^Connection lost at \d+ % - trying again$/ }).waitFor();
    await site.start();
  }
  await passes(page, 25);
  await page.locator(".file-card .words", { hasText: /^Uploading \d+ % - \d+(\.\d)? MB\/s - \d+ (s|min) left$/ }).waitFor();
  await page.getByRole("button", { name: "Pause: Masterclass.bin" }).click();
  await page.locator(".file-card .words", { hasText: /^Paused at \d+ %$/ }).waitFor();
  const paused = await percentOf(page);
  await page.getByRole("button", { name: "Resume: Masterclass.bin" }).click();
  await passes(page, paused);
  await page.close();

  page = await teacher.open(`/course/module/${module}/`);
  const seen = watchUploads(page);
  await choose(page);
  await passes(page, 25);
  assert.deepEqual(seen.slice(0, 2), ["HEAD", "PATCH"], "nothing is announced anew");
  await page.locator('.file-card[data-id][data-state="ready"]', { hasText: "Masterclass" }).waitFor({ timeout: PATIENCE_MS });

  const upload = await page.locator(".file-card[data-upload-id]").getAttribute("data-upload-id");
  assert.equal(await hashOf(site, teacher.context, `/media/${upload}/original`), hash);
  // Chromium names each request that the killed site did not answer.
  assert.deepEqual(teacher.visitor.faults.filter((fault) => !/net::ERR_|\/events\//.test(fault)), []);
  await teacher.context.close();
});

test("a large file that the site cannot read is refused after its first bytes", async () => {
  const { path } = await shelf.noise("Not a film.mp4", FILE_BYTES);
  const teacher = await teach(browser, site, "early");
  const course = await teacher.addCourse({ title: "Noise", slug: "noise" });
  const module = await teacher.addModule(course, "One");
  const page = await teacher.open(`/course/module/${module}/`);
  // Chromium tells nobody how large the files are that it sends.
  await page.evaluate(() => {
    window.sizes = [];
    const { send } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.send = function (body) {
      if (body instanceof Blob) window.sizes.push(body.size);
      return send.call(this, body);
    };
  });
  await page.getByLabel("Files to add").setInputFiles(path);
  await page.locator(".file-card .words", { hasText: /^Failed: This is no video that can be read here/ }).waitFor();
  assert.deepEqual(await page.evaluate(() => window.sizes), [65_536]);
  await teacher.context.close();
});
