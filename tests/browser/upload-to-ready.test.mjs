// A teacher's way: from an empty course to recordings that students can play, without ever reloading the page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, dropFiles, register, teach } from "./people.mjs";
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

const card = (page, name) => page.locator(".file-card", { hasText: name });

/** Notes every state and every word that file cards show from now on, in `window.seen`. */
const watchCards = (page) =>
  page.evaluate(() => {
    window.seen = [];
    const note = () => {
      for (const row of document.querySelectorAll(".file-card[data-state]")) {
        const line = `${row.dataset.state}: ${row.querySelector(".words")?.textContent}`;
        if (!window.seen.includes(line)) window.seen.push(line);
      }
    };
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(note).observe(document.querySelector("main"), all);
  });

/** Waits for the answer to the order that a change of rows sends. */
const orderSaved = (page) => page.waitForResponse((answer) => answer.url().endsWith("/order/") && answer.ok());

const names = (page) => page.locator(".rows > li").evaluateAll((rows) => rows.map((row) => row.dataset.name));

/** Drags a row by its grip until it stands below another. */
async function dragBelow(page, name, other) {
  const row = (which) => page.locator(`.rows > li[data-name="${which}"]`);
  await row(name).locator(".grip").hover();
  await page.mouse.down();
  const isBelow = (all) => all.indexOf(name) > all.indexOf(other);
  for (let moves = 0; moves < 40 && !isBelow(await names(page)); moves += 1) {
    const goal = await row(other).boundingBox();
    await page.mouse.move(goal.x + 20, goal.y + goal.height - 4 - (moves % 4), { steps: 4 });
  }
  await page.mouse.up();
}

test("a teacher logs in, writes a draft, drops a film and sees it become ready, then students do too", async () => {
  await site.addUser("ferreira", PASSWORD, "--instructor");
  const teacher = await openVisitor(browser, site.origin);
  const page = await teacher.open("/accounts/login/");
  await page.getByLabel("User name").fill("ferreira");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("link", { name: "Teach" }).first().click();

  await page.getByRole("link", { name: "New course" }).click();
  await page.getByLabel("Subject").selectOption({ label: "Music" });
  await page.getByLabel("Title").fill("Bow & Breath: Élan");
  assert.equal(await page.getByLabel("Address").inputValue(), "bow-breath-elan");
  await page.getByLabel("Overview").fill("Long tones, slowly.");
  await page.getByRole("checkbox", { name: /^Draft/ }).check();
  await page.getByRole("button", { name: "Make the course" }).click();

  // A course begins with its first module; then there is a place to drop files on.
  await page.getByRole("heading", { level: 1, name: "Bow & Breath: Élan" }).waitFor();
  const student = await register(browser, site, "maya");
  const stranger = await student.open();
  assert.equal((await stranger.goto("/course/bow-breath-elan/")).status(), 404);
  await page.getByLabel("Title of the new module").fill("Long tones");
  await page.getByRole("button", { name: "Add it" }).click();

  await watchCards(page);
  await dropFiles(page.locator("form.drop"), [await shelf.film("Open strings.mp4", 3)], "video/mp4");
  const film = card(page, "Open strings");
  await page.locator('.file-card[data-state="ready"]', { hasText: "Open strings" }).waitFor();
  await film.getByText("Ready").waitFor();
  const seen = await page.evaluate(() => window.seen);
  assert.match(seen[0], /^uploading: Uploading \d+ %/);
  assert.ok(seen.some((line) => /^waiting: In line|^processing: Processing/.test(line)), seen.join("\n"));
  assert.match(seen.at(-1), /^ready: Ready/);

  // The message came to the open page: `seen` would be gone had it been loaded again.
  await page.locator(".banner", { hasText: "has been processed" }).waitFor();
  await page.getByRole("link", { name: "Messages, 1 unread" }).first().waitFor();

  await page.getByRole("link", { name: "Title, overview, state" }).click();
  await page.getByRole("checkbox", { name: /^Draft/ }).uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.goto("/course/mine/");
  await page.getByText("Published").waitFor();
  await page.getByRole("link", { name: "Bow & Breath: Élan" }).click();
  await page.getByRole("link", { name: "See as a student" }).click();
  await page.getByText("You see this course as a student does").waitFor();
  await page.waitForFunction(() => document.querySelector("video.video")?.readyState >= 1);

  assert.equal((await stranger.goto("/course/bow-breath-elan/")).status(), 200);
  await stranger.getByRole("button", { name: "Enroll now" }).click();
  await stranger.waitForFunction(() => document.querySelector("video.video")?.readyState >= 1);
  await student.close();
  await teacher.close();
});

test("a file that is no film fails in words, offers to try again, and leaves the others alone", async () => {
  const teacher = await teach(browser, site, "no-film");
  const course = await teacher.addCourse({ title: "Faults", slug: "faults" });
  const module = await teacher.addModule(course, "One");
  const page = await teacher.open(`/course/module/${module}/`);
  const zone = page.locator("form.drop");

  // Refused at once: its bytes are those of no film.
  const isAddition = (answer) => answer.request().method() === "PATCH";
  const refusal = page.waitForResponse(isAddition);
  await dropFiles(zone, [await shelf.file("letter.mp4", "Dear students, this is a letter.\n".repeat(40))], "video/mp4");
  assert.equal((await refusal).status(), 415);
  const letter = card(page, "letter.mp4");
  await letter.getByText(/^Failed: /).waitFor();
  const again = page.waitForResponse(isAddition);
  await letter.getByRole("button", { name: "Try again: letter.mp4" }).click();
  assert.equal((await again).status(), 415);
  await letter.getByRole("button", { name: "Try again: letter.mp4" }).waitFor();
  await letter.getByRole("button", { name: "Cancel: letter.mp4" }).click();
  await letter.waitFor({ state: "detached" });

  // Taken, and found wanting when it is processed: a film's head with nothing behind it.
  const head = Buffer.from("000000186674797069736f6d0000020069736f6d6d703432", "hex");
  await dropFiles(zone, [await shelf.file("torn.mp4", Buffer.concat([head, Buffer.alloc(4096, 7)]))], "video/mp4");
  const torn = card(page, "torn");
  await torn.getByText(/^Failed: /).waitFor();
  const told = page.locator(".banner", { hasText: "could not be processed" });
  const first = await told.getAttribute("data-message-id");
  await torn.getByRole("button", { name: /^Try again/ }).click();
  // The newest word stands, and the older one need not be dismissed.
  await page.locator(`.banner[data-message-id="${first}"]`).waitFor({ state: "detached" });
  await card(page, "torn").getByText(/^Failed: /).waitFor();
  await told.waitFor();

  // Chromium names the two refusals.
  assert.deepEqual(teacher.visitor.faults.filter((fault) => !fault.includes("415")), []);
  await teacher.context.close();
});

test("a recording, a picture, a file, a web video and a text are added, each by its own way", async () => {
  const teacher = await teach(browser, site, "five-kinds");
  const course = await teacher.addCourse({ title: "Five kinds", slug: "five-kinds", subject: 2 });
  const module = await teacher.addModule(course, "All of them");
  const page = await teacher.open(`/course/module/${module}/`);
  const files = [await shelf.tone("Open D.wav", 2), await shelf.picture("Fingerboard.png")];
  await dropFiles(page.locator("form.drop"), [...files, await shelf.file("Practice log.txt", "Monday: long tones.\n")]);
  for (const name of ["Open D", "Fingerboard", "Practice log"]) {
    await page.locator('.file-card[data-id][data-state="ready"]', { hasText: name }).waitFor();
  }

  await page.getByRole("link", { name: "Web video" }).click();
  await page.getByLabel("Title").fill("A lecture elsewhere");
  await page.getByLabel(/^Address of a video/).fill("https://films.example/1");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.getByRole("heading", { name: "One thing to mend" }).waitFor();
  assert.equal(await page.getByLabel("Title").inputValue(), "A lecture elsewhere");
  await page.getByLabel(/^Address of a video/).fill("https://vimeo.com/76979871");
  await page.getByRole("button", { name: "Add it" }).click();
  await card(page, "A lecture elsewhere").waitFor();

  await page.locator("form.drop").getByRole("link", { name: "Text", exact: true }).click();
  await page.getByLabel("Title").fill("Before you begin");
  await page.getByLabel("Text", { exact: true }).pressSequentially("Breathe *slowly*, <script>alert(1)</script>then bow.");
  const preview = page.locator("#preview");
  await preview.locator("em", { hasText: "slowly" }).waitFor();
  assert.equal(await preview.locator("script").count(), 0);
  await page.getByLabel("Plain text").check();
  await preview.getByText("Breathe *slowly*").waitFor();
  await page.getByLabel("Markdown").check();
  await preview.locator("em", { hasText: "slowly" }).waitFor();
  await page.getByRole("button", { name: "Add it" }).click();
  await card(page, "Before you begin").waitFor();
  assert.equal((await names(page)).length, 5);

  // A file by its own form, with progress in the page.
  await page.goto(`/course/module/${module}/content/audio/create/`);
  await page.getByLabel("Audio file").setInputFiles(files[0]);
  assert.equal(await page.getByLabel("Title").inputValue(), "Open D");
  await page.getByLabel("Title").fill("Open D, again");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.waitForURL(`**/course/module/${module}/`);
  await page.locator('.file-card[data-state="ready"]', { hasText: "Open D, again" }).waitFor();
  await teacher.close();
});

test("a text that was being written when the session ended is not lost, and one that was saved is not offered again", async () => {
  const teacher = await teach(browser, site, "writing");
  const course = await teacher.addCourse({ title: "Writing", slug: "writing" });
  const module = await teacher.addModule(course, "One");
  const form = `/course/module/${module}/content/text/create/`;
  const page = await teacher.open(form);
  const text = page.getByLabel("Text", { exact: true });
  await page.getByLabel("Title").fill("Breathing");
  await text.fill("Breathe out before you lift the bow.");
  await teacher.context.clearCookies();
  await page.getByRole("button", { name: "Add it" }).click();
  await page.waitForURL("**/accounts/login/**");
  await page.getByLabel("User name").fill("writing");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/accounts/"));
  // She may look around first, and comes back by a link.
  await page.goto(form);
  await page.getByText("What you wrote here before was not saved.").waitFor();
  await page.getByRole("link", { name: "Cancel" }).click();
  await page.waitForURL(`**/course/module/${module}/`);
  await page.goto(form);
  await page.getByText("What you wrote here before was not saved.").waitFor();
  await page.getByRole("button", { name: "Put it back" }).click();
  assert.equal(await text.inputValue(), "Breathe out before you lift the bow.");
  await page.locator("#preview").getByText("Breathe out").waitFor();
  await page.getByLabel("Title").fill("Breathing");
  await page.getByRole("button", { name: "Add it" }).click();
  await card(page, "Breathing").waitFor();
  await page.goto(form);
  await page.getByLabel("Title").waitFor();
  assert.equal(await page.getByText("was not saved").count(), 0);
  await teacher.close();
});

test("contents are put in order by dragging and by Alt and the arrows, and deleting one asks first", async () => {
  const teacher = await teach(browser, site, "order");
  const course = await teacher.addCourse({ title: "Order", slug: "order-of-things" });
  const module = await teacher.addModule(course, "First");
  await teacher.addModule(course, "Second");
  for (const title of ["One", "Two", "Three"]) await teacher.addText(module, title, "Words.");
  const page = await teacher.open(`/course/module/${module}/`);
  assert.deepEqual(await names(page), ["One", "Two", "Three"]);

  const dragged = orderSaved(page);
  await dragBelow(page, "One", "Three");
  await dragged;
  assert.deepEqual(await names(page), ["Two", "Three", "One"]);

  const pressed = orderSaved(page);
  const row = page.locator('.rows > li[data-name="One"]');
  await row.getByRole("link", { name: "One" }).focus();
  await page.keyboard.press("Alt+ArrowUp");
  await pressed;
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "One");
  await page.locator("#announcer", { hasText: "One is now 2 of 3" }).waitFor({ state: "attached" });
  await page.reload();
  assert.deepEqual(await names(page), ["Two", "One", "Three"]);

  const modules = orderSaved(page);
  await page.getByRole("button", { name: "Move Second up" }).click();
  await modules;
  await page.goto(`/course/${course}/outline/`);
  assert.deepEqual(
    await page.locator(".outline > li").evaluateAll((all) => all.map((each) => each.dataset.name)),
    ["Second", "First"],
  );

  await page.goto(`/course/module/${module}/`);
  const ask = async () => {
    await page.locator('summary[aria-label="More for Three"]').click();
    await card(page, "Three").getByRole("link", { name: "Delete…" }).click();
    await page.getByRole("heading", { name: "Delete Three?" }).waitFor();
  };
  await ask();
  await page.getByRole("link", { name: "Keep it" }).click();
  assert.deepEqual(await names(page), ["Two", "One", "Three"]);
  await ask();
  await page.getByRole("main").getByRole("button", { name: /^Delete/ }).click();
  await page.waitForURL(`**/course/module/${module}/**`);
  assert.deepEqual(await names(page), ["Two", "One"]);
  await teacher.close();
});
