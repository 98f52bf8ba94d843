// A large file on a bad day: the site is killed three times while it uploads, the tab is closed, and no byte is lost.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

const FILE_BYTES = 64_000_000;

/** So slow that there is a middle to be interrupted in. */
const BYTES_A_SECOND = 8_000_000;

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

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

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
  const bytes = randomBytes(FILE_BYTES);
  bytes[0] = 0; // no known kind of file
  const path = await shelf.file("Masterclass.bin", bytes);
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
  await page.locator('.file-card[data-id][data-state="ready"]', { hasText: "Masterclass" }).waitFor({ timeout: 120_000 });

  const upload = await page.locator(".file-card[data-upload-id]").getAttribute("data-upload-id");
  const stored = await teacher.context.request.get(`/media/${upload}/original`);
  assert.equal(hash(await stored.body()), hash(bytes));
  // Chromium names each request that the killed site did not answer.
  assert.deepEqual(teacher.visitor.faults.filter((fault) => !/net::ERR_|\/events\//.test(fault)), []);
  await teacher.context.close();
});
