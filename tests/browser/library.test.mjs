// A teacher's library: files dropped on it, found, chosen and deleted; uploads that go on; a file that takes the place
// of another.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, dropFiles, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

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

const row = (page, name) => page.locator(".file-row", { hasText: name });
const ready = (page, name) => page.locator('.file-row[data-state="ready"]', { hasText: name });

test("files dropped on the library become rows that tell the truth, are found, used and deleted", async () => {
  const teacher = await teach(browser, site, "clara");
  const course = await teacher.addCourse({ title: "Baroque Violin", slug: "baroque-violin" });
  await teacher.addModule(course, "The right hand");
  const page = await teacher.open("/library/");
  await page.getByRole("heading", { name: "No files yet" }).waitFor();
  const film = await shelf.film("Bow hold.mp4", 2);
  const files = [film, await shelf.picture("Fingerboard.png"), await shelf.file("Log.txt", "Monday\n")];
  await dropFiles(page.locator(".library"), files);
  for (const name of ["Bow hold.mp4", "Fingerboard.png", "Log.txt"]) await ready(page, name).waitFor();
  // The picture came with the state: the row is drawn by the site again.
  await row(page, "Bow hold.mp4").locator(".thumb img").waitFor();
  await row(page, "Bow hold.mp4").getByText("0:02").waitFor();
  await page.locator("#totals", { hasText: /^3 files, / }).waitFor();
  assert.equal(await page.locator(".arriving .file-card").count(), 0);

  await page.getByRole("searchbox", { name: "Find a file by its name" }).fill("bow");
  await page.getByRole("searchbox", { name: "Find a file by its name" }).press("Enter");
  await page.waitForURL(/q=bow/);
  assert.equal(await page.locator(".file-row").count(), 1);
  await page.getByRole("link", { name: "Add Bow hold.mp4 to a module" }).click();
  assert.equal(await page.getByLabel("Title").inputValue(), "Bow hold");
  await page.getByLabel("Module").selectOption({ label: "The right hand" });
  await page.getByRole("button", { name: "Add it" }).click();
  await page.locator('.file-card[data-state="ready"]', { hasText: "Bow hold" }).waitFor();

  await page.goto("/library/?kind=image");
  assert.equal(await page.locator(".file-row").count(), 1);
  await page.getByLabel("State").selectOption({ label: "Failed" });
  await page.getByRole("heading", { name: "No file is like that" }).waitFor();
  await page.goto("/library/");
  await page.getByRole("columnheader", { name: "Name" }).getByRole("link").click();
  await page.waitForURL(/sort=name/);
  await page.locator('th[aria-sort="ascending"]', { hasText: "Name" }).waitFor();

  const remove = page.getByRole("button", { name: "Delete the chosen files…" });
  assert.equal(await remove.isVisible(), false);
  await page.getByLabel("Choose Bow hold.mp4").check();
  await page.locator(".chosen-words", { hasText: "1 file chosen" }).waitFor();
  await page.getByLabel("Choose all files of this page").check();
  await page.locator(".chosen-words", { hasText: "3 files chosen" }).waitFor();
  await page.getByLabel("Choose Log.txt").uncheck();
  await remove.click();
  await page.getByRole("heading", { name: "Delete 2 files?" }).waitFor();
  await page.getByText("used in 1 lesson, which will lose them too").waitFor();
  await page.getByRole("link", { name: "Baroque Violin: The right hand: Bow hold" }).waitFor();
  await page.getByRole("button", { name: "Delete these 2 files" }).click();
  await page.locator("#totals", { hasText: /^1 file, / }).waitFor();
  assert.equal(await page.locator(".file-row").count(), 1);
  await teacher.close();
});

const UPLOADS = "**/uploads/*";

/**
 * Lets the head of a file through, which goes by itself, and holds the rest up; resolves when it has set out. What is
 * kept on its way goes on when the page is closed; what is lost does not.
 */
function holdRest(page, { isLost = false } = {}) {
  let patches = 0;
  return new Promise((resolve) => {
    page.route(UPLOADS, async (route) => {
      if (route.request().method() !== "PATCH" || ++patches === 1) return route.continue();
      if (isLost) await route.abort("connectionfailed");
      return resolve();
    });
  });
}

test("an upload that stopped with its page goes on in the library with the same file, and with no other", async () => {
  const teacher = await teach(browser, site, "lumen");
  const course = await teacher.addCourse({ title: "Breath", slug: "breath" });
  const module = await teacher.addModule(course, "One");
  const bytes = randomBytes(16_000_000);
  bytes[0] = 0; // no known kind of file
  const path = await shelf.file("Masterclass.bin", bytes);
  let page = await teacher.open(`/course/module/${module}/`);
  const held = holdRest(page, { isLost: true });
  await page.getByLabel("Files to add").setInputFiles(path);
  await held;
  await page.close();

  page = await teacher.open(`/course/module/${module}/`);
  await page.getByRole("link", { name: "1 upload is not finished" }).click();
  const line = page.locator("[data-unfinished]", { hasText: "Masterclass.bin" });
  await line.getByText("66 kB of 16 MB arrived").waitFor();
  const picker = page.getByLabel("The file Masterclass.bin");
  await picker.setInputFiles(await shelf.file("Other.bin", randomBytes(9)));
  await line.getByText("This is another file: it has 9 B, and Masterclass.bin has 16 MB.").waitFor();
  const requests = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/uploads/")) requests.push(request.method());
  });
  const heldAgain = holdRest(page);
  await picker.setInputFiles(path);
  await heldAgain;
  await line.getByRole("button", { name: "Pause: Masterclass.bin" }).click();
  await line.getByText("Paused").waitFor();
  await page.unroute(UPLOADS);
  await line.getByRole("button", { name: "Continue: Masterclass.bin" }).click();
  await ready(page, "Masterclass.bin").waitFor();
  assert.equal(await page.locator("#unfinished").count(), 0);
  assert.deepEqual(requests.slice(0, 2), ["HEAD", "PATCH"], "nothing is announced anew");
  assert.ok(!requests.includes("POST"));
  await row(page, "Masterclass.bin").getByRole("link", { name: "Breath" }).waitFor();
  const upload = await row(page, "Masterclass.bin").getAttribute("data-upload-id");
  const stored = await teacher.context.request.get(`/media/${upload}/original`);
  assert.ok(bytes.equals(await stored.body()));
  await teacher.context.close();
  // Chromium names the request that was lost.
  const others = teacher.visitor.faults.filter((fault) => !fault.includes("ERR_CONNECTION_FAILED"));
  assert.deepEqual(others, []);
});

test("a new file takes the place of the one before when it is ready, and the lesson always shows one", async () => {
  const teacher = await teach(browser, site, "tuba");
  const course = await teacher.addCourse({ title: "Low Brass", slug: "low-brass" });
  const module = await teacher.addModule(course, "One");
  const { upload: old } = await teacher.addFile(module, "image", "The tuba", await shelf.picture("old.png"));
  await teacher.addText(module, "After it", "Words.");
  await teacher.waitForFiles(module);
  const page = await teacher.open(`/course/module/${module}/`);
  await page.locator('summary[aria-label="More for The tuba"]').click();
  await page.getByRole("link", { name: "Replace the file" }).click();
  await page.getByLabel("Title").fill("The tuba, cut away");
  await page.getByLabel("Picture", { exact: true }).setInputFiles(await shelf.picture("new.png", "320x200"));
  const addition = page.waitForResponse((answer) => answer.request().method() === "PATCH");
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal((await addition).status(), 204);
  await page.waitForURL(`**/course/module/${module}/`);
  const card = page.locator(".file-card", { hasText: "The tuba, cut away" });
  await page.waitForFunction((before) => {
    const found = document.querySelector(".file-card[data-upload-id]");
    return found.dataset.state === "ready" && Number(found.dataset.uploadId) !== before && !found.textContent.includes("the one before");
  }, old);
  await card.getByText("Ready").waitFor();
  const names = await page.locator(".rows > li").evaluateAll((rows) => rows.map((each) => each.dataset.name));
  assert.deepEqual(names, ["The tuba, cut away", "After it"]);
  assert.equal((await teacher.context.request.get(`/media/${old}/original`)).status(), 404);
  // The card may have asked for its small picture when that had just gone.
  assert.deepEqual(teacher.visitor.faults.filter((fault) => !fault.includes(`/media/${old}/`)), []);
  await teacher.context.close();
});

test("without a script one uploads to the library, uses the file and deletes it", async () => {
  await site.addUser("plain", PASSWORD, "--instructor");
  const visitor = await openVisitor(browser, site.origin, { javaScriptEnabled: false });
  const page = await visitor.open("/accounts/login/?next=/course/create/");
  await page.getByLabel("User name").fill("plain");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Title").fill("Plain Files");
  await page.getByLabel("Address").fill("plain-files");
  await page.getByLabel("Overview").fill("No script at all.");
  await page.getByRole("button", { name: "Make the course" }).click();
  await page.getByLabel("Title of the new module").fill("First");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.goto("/course/mine/");
  await page.getByRole("main").getByRole("link", { name: "Library" }).click();
  await page.getByRole("link", { name: "Upload files" }).click();
  await page.getByRole("link", { name: "Other" }).click();
  await page.getByLabel("File", { exact: true }).setInputFiles(await shelf.file("Practice log.txt", "Monday\n"));
  await page.getByRole("button", { name: "Upload it" }).click();
  await ready(page, "Practice log.txt").waitFor();
  await page.getByRole("link", { name: "Add Practice log.txt to a module" }).click();
  await page.getByLabel("Module").selectOption({ label: "First" });
  await page.getByRole("button", { name: "Add it" }).click();
  await page.locator(".file-card", { hasText: "Practice log" }).waitFor();
  await page.goto("/library/");
  await page.getByRole("searchbox", { name: "Find a file by its name" }).fill("PRACTICE");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByLabel("Choose Practice log.txt").check();
  await page.getByRole("button", { name: "Delete the chosen files…" }).click();
  await page.getByText("used in 1 lesson, which will lose it too").waitFor();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("heading", { name: "No files yet" }).waitFor();
  await visitor.close();
});
