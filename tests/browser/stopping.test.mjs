// Files on their way, as their teacher has them in hand: stopped and tried again in place, with and without scripts,
// and told of together when they were dropped together.

import assert from "node:assert/strict";
import { chmod, rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { dropFiles, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

let browser, site, shelf;

before(async () => {
  browser = await startBrowser();
  shelf = await openShelf();
  // An ffmpeg that waits while the file `closed` is there.
  const waiting = `case "$*" in *-version*|*-encoders*|*-filters*) ;; *) while [ -e ${shelf.folder}/closed ]; do sleep 0.1; done ;; esac`;
  await chmod(await shelf.file("ffmpeg", `#!/bin/sh\n${waiting}\nexec ffmpeg "$@"\n`), 0o755);
  await chmod(await shelf.file("ffprobe", `#!/bin/sh\nexec ffprobe "$@"\n`), 0o755);
  site = await startSite({ LYCEUM_FFMPEG: shelf.folder });
});

after(async () => {
  if (shelf) await rm(`${shelf.folder}/closed`, { force: true });
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

const card = (page, name) => page.locator(".file-card", { hasText: name });
const close = () => shelf.file("closed", "");
const open = () => rm(`${shelf.folder}/closed`);

test("a film is stopped and tried again in place, and a second tab hears of it", async () => {
  const teacher = await teach(browser, site, "stopping");
  const course = await teacher.addCourse({ title: "Stopping", slug: "stopping" });
  const module = await teacher.addModule(course, "One");
  await close();
  await teacher.addFile(module, "video", "The bow", await shelf.film("bow.mp4", 1));
  const page = await teacher.open(`/course/module/${module}/`);
  const other = await teacher.open(`/course/module/${module}/`);
  await page.locator('.file-card[data-state="processing"]').waitFor();
  await page.evaluate(() => (window.isSamePage = true));
  const stop = card(page, "The bow").getByRole("button", { name: "Stop: The bow" });
  const again = card(page, "The bow").getByRole("button", { name: "Try again: The bow" });
  assert.equal(await again.isVisible(), false);
  await stop.focus();
  await page.keyboard.press("Enter");
  await card(page, "The bow").getByText("Stopped. Try again when you like.").waitFor();
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Try again: The bow");
  assert.equal(await stop.isVisible(), false);
  await other.locator('.file-card[data-state="canceled"]', { hasText: "The bow" }).waitFor();
  await open();
  await again.click();
  await page.locator('.file-card[data-state="ready"]', { hasText: "The bow" }).waitFor();
  await other.locator('.file-card[data-state="ready"]', { hasText: "The bow" }).waitFor();
  assert.equal(await page.evaluate(() => window.isSamePage), true, "the page was never left");
  await page.locator(".banner", { hasText: "Your file The bow has been processed" }).waitFor();
  assert.deepEqual(teacher.visitor.faults, []);
  await teacher.close();
});

test("no file is called ready that is not, when its teacher was logged out meanwhile", async () => {
  const teacher = await teach(browser, site, "truth");
  const course = await teacher.addCourse({ title: "Truth", slug: "truth" });
  const module = await teacher.addModule(course, "One");
  await close();
  await teacher.addFile(module, "video", "The bow", await shelf.film("bow.mp4", 1));
  const page = await teacher.open(`/course/module/${module}/`);
  await page.locator('.file-card[data-state="processing"]').waitFor();
  const cookies = await teacher.context.cookies();
  await teacher.context.clearCookies();
  const led = page.waitForResponse((answer) => answer.url().includes("/accounts/login/"));
  await card(page, "The bow").getByRole("button", { name: "Stop: The bow" }).click();
  await page.getByText("You are no longer logged in").waitFor();
  await led;
  // What the page asks now is answered after what it asked then.
  await page.evaluate(async () => (await fetch("/healthz")).text());
  assert.equal(await card(page, "The bow").getAttribute("data-state"), "processing");
  await open();
  await teacher.context.addCookies(cookies);
  await teacher.waitForFiles(module);
  await teacher.context.close();
});

/** A course with a film that is being processed, and its outline, whose page the test answers each time that it is asked for again. */
async function withOutlineAskedAgain(name, answer) {
  const teacher = await teach(browser, site, name);
  const course = await teacher.addCourse({ title: "Order", slug: name });
  const module = await teacher.addModule(course, "One");
  await close();
  await teacher.addFile(module, "video", "The bow", await shelf.film("bow.mp4", 1));
  const page = await teacher.open(`/course/module/${module}/`);
  await page.locator('.file-card[data-state="processing"]').waitFor();
  let times = 0;
  await page.route(`**/course/module/${module}/`, (route) => answer(route, (times += 1)));
  return { teacher, page };
}

test("a page that was longer on its way than the news takes nothing back", async () => {
  let isThere, release;
  const there = new Promise((resolve) => (isThere = resolve));
  const released = new Promise((resolve) => (release = resolve));
  const { teacher, page } = await withOutlineAskedAgain("overtaken", async (route, times) => {
    if (times > 1) return route.continue();
    const response = await route.fetch();
    isThere();
    await released;
    return route.fulfill({ response });
  });
  // What cannot be done makes the page ask how things stand.
  await page.route("**/cancel/", (route) => route.abort("connectionfailed"));
  await card(page, "The bow").getByRole("button", { name: "Stop: The bow" }).click();
  await there;
  await open();
  await page.locator('.file-card[data-state="ready"] img').waitFor();
  const late = page.waitForResponse((answer) => answer.url() === page.url());
  release();
  await late;
  // What the page asks now is answered after what it asked then.
  await page.evaluate(async () => (await fetch("/healthz")).text());
  assert.equal(await card(page, "The bow").getAttribute("data-state"), "ready");
  await teacher.context.close();
});

test("of two pages that were asked for the newer is shown, whichever comes first", async () => {
  const teacher = await teach(browser, site, "two-pages");
  const course = await teacher.addCourse({ title: "Order", slug: "two-pages" });
  const module = await teacher.addModule(course, "One");
  await close();
  const page = await teacher.open(`/course/module/${module}/`);
  const asked = [];
  const gates = [0, 1].map((number) => {
    const gate = {};
    gate.isAsked = new Promise((resolve) => (asked[number] = resolve));
    gate.isOpen = new Promise((resolve) => (gate.open = resolve));
    return gate;
  });
  let times = 0;
  await page.route(`**/course/module/${module}/`, async (route) => {
    const number = times;
    times += 1;
    if (!gates[number]) return route.continue();
    const response = await route.fetch();
    asked[number]();
    await gates[number].isOpen;
    return route.fulfill({ response });
  });
  // The first is asked for when the file has arrived, the second when it is ready.
  await dropFiles(page.locator("form.drop"), [await shelf.film("bow.mp4", 1)], "video/mp4");
  await gates[0].isAsked;
  await open();
  await gates[1].isAsked;
  for (const gate of gates) {
    const came = page.waitForResponse((answer) => answer.url() === page.url());
    gate.open();
    await came;
  }
  await page.locator('.file-card[data-state="ready"] img').waitFor();
  await teacher.context.close();
});

test("a file that has arrived can be stopped, although news of it came before its page", async () => {
  const teacher = await teach(browser, site, "stoppable");
  const course = await teacher.addCourse({ title: "Order", slug: "stoppable" });
  const module = await teacher.addModule(course, "One");
  await close();
  const page = await teacher.open(`/course/module/${module}/`);
  let isOld = true;
  await page.route(`**/course/module/${module}/`, async (route) => {
    if (!isOld) return route.continue();
    isOld = false;
    // The page as it was before the worker had the file.
    const response = await route.fetch();
    const text = (await response.text()).replace(/data-revision="\d+"/, 'data-revision="-1"');
    return route.fulfill({ response, body: text });
  });
  await dropFiles(page.locator("form.drop"), [await shelf.film("bow.mp4", 1)], "video/mp4");
  await card(page, "bow").getByRole("button", { name: "Stop: bow" }).waitFor();
  await open();
  await page.locator('.file-card[data-state="ready"] img').waitFor();
  await teacher.context.close();
});

test("a card whose film became ready while the site was out of reach gets its picture as soon as it is back", async () => {
  let isBack = false;
  const { teacher, page } = await withOutlineAskedAgain("out-of-reach", (route) =>
    isBack ? route.continue() : route.abort("connectionfailed"),
  );
  const lost = page.waitForEvent("requestfailed", (request) => request.url() === page.url());
  await open();
  await page.locator('.file-card[data-state="ready"]').waitFor();
  await lost;
  assert.equal(await page.locator(".file-card img").count(), 0);
  isBack = true;
  await page.locator('.file-card[data-state="ready"] img').waitFor();
  await teacher.context.close();
});

test("without scripts the same buttons do the same", async () => {
  const teacher = await teach(browser, site, "plain");
  const course = await teacher.addCourse({ title: "Plain", slug: "plain" });
  const module = await teacher.addModule(course, "One");
  await close();
  await teacher.addFile(module, "video", "The bow", await shelf.film("bow.mp4", 1));
  const cookies = await teacher.context.cookies();
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: site.origin });
  await context.addCookies(cookies);
  const page = await context.newPage();
  await page.goto(`/course/module/${module}/`);
  await page.getByRole("button", { name: "Stop: The bow" }).click();
  await card(page, "The bow").getByText("Stopped. Try again when you like.").waitFor();
  await page.getByRole("button", { name: "Try again: The bow" }).click();
  await card(page, "The bow").getByText(/^In line|^Processing/).waitFor();
  await open();
  await context.close();
  await teacher.waitForFiles(module);
  await teacher.close();
});

test("files dropped together are one message, and those that wait say where they stand", async () => {
  const teacher = await teach(browser, site, "together");
  const course = await teacher.addCourse({ title: "Together", slug: "together" });
  const module = await teacher.addModule(course, "One");
  await close();
  const page = await teacher.open(`/course/module/${module}/`);
  const names = ["one", "two", "three", "four"];
  const paths = [];
  for (const name of names) paths.push(await shelf.tone(`${name}.wav`, 1));
  await dropFiles(page.locator("form.drop"), paths);
  for (const name of names) await page.locator(`.file-card[data-id][data-name="${name}"]`).waitFor();
  await page.locator('.file-card[data-state="processing"]').waitFor();
  const lines = () => page.locator(".file-card .words").allTextContents();
  const places = (await lines()).filter((line) => line.startsWith("In line, "));
  assert.deepEqual(places.map((line) => line.split(" ")[2]).sort(), ["1st", "2nd", "3rd"], (await lines()).join("\n"));
  await open();
  await page.locator(".banner", { hasText: "4 files are ready" }).waitFor();
  assert.equal(await page.locator(".banner", { hasText: "has been processed" }).count(), 0);
  await page.getByRole("link", { name: "Messages, 1 unread" }).first().waitFor();
  for (const name of names) await page.locator(`.file-card[data-name="${name}"][data-state="ready"]`).waitFor();
  assert.deepEqual(teacher.visitor.faults, []);
  await teacher.close();
});
