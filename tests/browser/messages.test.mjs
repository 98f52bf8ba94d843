// A message appears at once on every open page of its reader, over one stream, and goes everywhere once it is
// dismissed on one. The messages are those of recordings that have been processed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, Person, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

const TABS = 10;

let browser, site, shelf, tone;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  shelf = await openShelf();
  tone = await shelf.tone("tone.wav", 1);
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

/** A teacher with a module, who counts the streams that her browser begins. */
async function open(name) {
  const person = await teach(browser, site, name);
  const course = await person.addCourse({ title: `Course of ${name}`, slug: `course-of-${name}` });
  const module = await person.addModule(course, "One");
  const streams = [];
  person.context.on("request", (request) => {
    if (new URL(request.url()).pathname === "/events/") streams.push(request.url());
  });
  return { person, module, streams };
}

/** Sends a recording; when it is ready, its message goes out. */
const record = (person, module, title) => person.addFile(module, "audio", title, tone);

const banner = (page, title) => page.locator(".banner", { hasText: `Your file ${title} has been processed` });

const leaders = async (pages) => {
  const marks = await Promise.all(pages.map((page) => page.evaluate(() => document.documentElement.dataset.leader)));
  return pages.filter((_, index) => marks[index] === "yes");
};

test("ten tabs share one stream: a message appears on all at once, and is dismissed once", async () => {
  const { person, module, streams } = await open("ten-tabs");
  const pages = [];
  for (let tab = 0; tab < TABS; tab += 1) pages.push(await person.open(tab % 2 ? "/messages/" : "/students/courses/"));
  await pages[0].waitForFunction(() => document.documentElement.dataset.leader === "yes");

  await record(person, module, "First");
  await Promise.all(pages.map((page) => banner(page, "First").waitFor()));
  await Promise.all(pages.map((page) => page.locator('.bell[data-unread="1"]').waitFor()));
  assert.equal((await leaders(pages)).length, 1);
  assert.equal(streams.length, 1, streams.join("\n"));

  await banner(pages[6], "First").getByRole("button", { name: /^Dismiss/ }).click();
  await Promise.all(pages.map((page) => banner(page, "First").waitFor({ state: "detached" })));
  await Promise.all(pages.map((page) => page.locator('.bell[data-unread="0"]').waitFor()));
  await pages[2].reload();
  assert.equal(await pages[2].locator(".banner").count(), 0);

  // Another tab takes over from the one that closes, with one stream again.
  const [leader] = await leaders(pages);
  await leader.close();
  const left = pages.filter((page) => page !== leader);
  await record(person, module, "Second");
  await Promise.all(left.map((page) => banner(page, "Second").waitFor()));
  for (const page of left) assert.equal(await page.locator(".banner").count(), 1);
  assert.equal((await leaders(left)).length, 1);
  assert.equal(streams.length, 2, streams.join("\n"));
  await person.close();
});

test("pages that were open while the server was killed miss nothing and show nothing twice", async () => {
  const { person, module } = await open("power-cut");
  const pages = [await person.open("/messages/"), await person.open("/students/courses/")];
  await record(person, module, "Before");
  await Promise.all(pages.map((page) => banner(page, "Before").waitFor()));

  await site.kill();
  await site.start();
  // Sent and processed by way of another browser, whether or not these pages are back already.
  const elsewhere = new Person(await openVisitor(browser, site.origin));
  await elsewhere.send("/accounts/login/", { username: "power-cut", password: PASSWORD, next: "" });
  await record(elsewhere, module, "After");
  await elsewhere.waitForFiles(module);
  await elsewhere.close();

  for (const page of pages) {
    await banner(page, "After").waitFor();
    assert.equal(await banner(page, "Before").count(), 1);
    assert.equal(await banner(page, "After").count(), 1);
    await page.locator('.bell[data-unread="2"]').waitFor();
  }
  // Chromium complains of the server that was away.
  const away = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/;
  assert.deepEqual(person.visitor.faults.filter((fault) => !away.test(fault)), []);
  await person.context.close();
});

test("after logging out no page of hers follows events any more", async () => {
  const { person } = await open("leaving");
  const other = await person.open("/messages/");
  const page = await person.open("/messages/");
  await other.waitForFunction(() => document.documentElement.dataset.leader === "yes");
  await page.locator(".bar details.menu > summary").click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("link", { name: "Log in" }).first().waitFor();
  await other.waitForFunction(() => document.documentElement.dataset.leader === undefined);
  await person.context.close();
});
