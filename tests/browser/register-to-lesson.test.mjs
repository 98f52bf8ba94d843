// A newcomer's way: from the catalogue over an account to a watched lesson, and back to where she stopped.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

const FILM_SECONDS = 40;

let browser, site, shelf;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  shelf = await openShelf();
  const teacher = await teach(browser, site, "tomas");
  const course = await teacher.addCourse({ title: "How Strings Sing", slug: "how-strings-sing", subject: 3 });
  const first = await teacher.addModule(course, "What moves");
  await teacher.addFile(first, "video", "A pulse on a rope", await shelf.film("rope.mp4", FILM_SECONDS));
  await teacher.addText(first, "What you saw", "A pulse **keeps its shape**.");
  const second = await teacher.addModule(course, "What stands still");
  await teacher.addText(second, "Nodes", "Where nothing moves.");
  await teacher.waitForFiles(first);
  await teacher.close();
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

/** Resolves once the film has really moved on by a second of its own time. */
const plays = (video) =>
  video.evaluate(
    (film) =>
      new Promise((resolve, reject) => {
        const from = film.currentTime;
        film.addEventListener("error", () => reject(new Error(`the film cannot be played: ${film.error.message}`)));
        film.addEventListener("timeupdate", () => film.currentTime >= from + 1 && resolve());
      }),
  );

for (const width of [360, 1280]) {
  test(`a newcomer registers from a course's page, studies, and goes on where she stopped, at ${width} px`, async () => {
    const viewport = { width, height: 800 };
    const options = { viewport, hasTouch: width < 500 };
    const newcomer = await openVisitor(browser, site.origin, options);
    const page = await newcomer.open("/");

    await page.getByRole("link", { name: "How Strings Sing" }).click();
    await page.getByRole("heading", { level: 1, name: "How Strings Sing" }).waitFor();
    await page.getByRole("link", { name: "Register to enroll" }).click();

    await page.getByLabel("User name").fill(`newcomer-${width}`);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByLabel("Password again").fill(PASSWORD);
    await page.getByRole("button", { name: "Make the account" }).click();

    // Back at the course that she came for, which she can join now.
    await page.getByRole("button", { name: "Enroll now" }).click();
    await page.getByRole("heading", { level: 1, name: "What moves" }).waitFor();
    assert.match(page.url(), /\/students\/course\/\d+\//);

    const video = page.locator("video.video");
    await page.getByRole("group", { name: "Player: A pulse on a rope" }).hover();
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await plays(video);

    // Ten seconds on, then a pause: the site keeps the place.
    const kept = page.waitForResponse((answer) => answer.url().endsWith("/position/") && answer.ok());
    await video.press("l");
    await video.press("k");
    assert.equal(await video.evaluate((film) => film.paused), true);
    await kept;

    const film = page.locator(".content", { has: page.locator("video") });
    await film.getByRole("button", { name: "Mark as done" }).click();
    await film.getByRole("button", { name: /^Done/ }).waitFor();
    await page.locator("#course-progress-words", { hasText: "1 of 3" }).waitFor({ state: "attached" });
    assert.equal(await page.locator("#course-progress").getAttribute("value"), "33");

    // Later, on a new page.
    await page.close();
    const later = await newcomer.open("/students/courses/");
    await later.getByText("33 %").waitFor();
    await later.getByRole("link", { name: "How Strings Sing" }).click();
    await later.getByRole("heading", { level: 1, name: "What moves" }).waitFor();
    const again = later.locator("video.video");
    await later.waitForFunction(() => document.querySelector("video").currentTime >= 10);
    await later.locator(".content", { has: again }).getByRole("button", { name: /^Done/ }).waitFor();

    // Narrow pages lead on by the bar below, wide ones by the list of modules.
    await later.getByRole("link", { name: /What stands still/ }).locator("visible=true").first().click();
    await later.getByRole("heading", { level: 1, name: "What stands still" }).waitFor();
    await newcomer.close();
  });
}
