// Everything by keyboard alone: each step finds its control with Tab, and whatever has the focus shows it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

/** No page has more stops than this. */
const MOST_STOPS = 120;

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

/** What is wrong with how the focused element shows itself, or an empty string. */
const focusFault = (page) =>
  page.evaluate(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) return "";
    const name = `${focused.tagName.toLowerCase()} "${(focused.getAttribute("aria-label") ?? focused.textContent).trim().slice(0, 40)}"`;
    // A card or a label may be outlined in place of the link or radio button in it.
    let outlined = focused;
    const shows = ({ outlineStyle, outlineWidth, outlineColor }) =>
      outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 && !/^(transparent|rgba\(.*, 0\))$/.test(outlineColor);
    while (outlined && !shows(getComputedStyle(outlined))) outlined = outlined.parentElement;
    if (!outlined) return `${name} has the focus and no outline`;
    const box = outlined.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) return `${name} has the focus and no size`;
    const isInside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return isInside ? "" : `${name} has the focus outside of the window`;
  });

/** Presses Tab (or Shift+Tab) until `target` has the focus; each stop on the way must be seen. */
async function tabTo(page, target, key = "Tab") {
  await target.waitFor({ state: "attached" });
  for (let stop = 0; stop < MOST_STOPS; stop += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
    assert.equal(await focusFault(page), "", `on ${page.url()}`);
  }
  assert.fail(`${MOST_STOPS} times ${key} on ${page.url()} never came to ${target}`);
}

/** Goes to a link or button and presses Enter. */
async function enter(page, target) {
  await tabTo(page, target);
  await page.keyboard.press("Enter");
}

/** Goes to a field and types. */
async function type(page, target, text) {
  await tabTo(page, target);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(text);
}

test("the first Tab leads to a link that skips the bar, and / to the search", async () => {
  const visitor = await openVisitor(browser, site.origin);
  const page = await visitor.open("/accounts/login/");
  // The page itself puts the cursor nowhere: the first stop is the link.
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  assert.equal(await skip.evaluate((link) => link === document.activeElement), true);
  assert.equal(await focusFault(page), "");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), true);
  await page.goto("/");
  await page.keyboard.press("/");
  assert.equal(await page.getByRole("searchbox").evaluate((field) => field === document.activeElement), true);
  await visitor.close();
});

test("whoever turns shortcuts off does nothing by a letter, here and on the next page", async () => {
  const visitor = await openVisitor(browser, site.origin);
  const page = await visitor.open("/");
  const hasFocus = () => page.getByRole("searchbox").evaluate((field) => field === document.activeElement);
  await enter(page, page.getByRole("button", { name: "Shortcuts: on" }));
  await page.locator("#announcer", { hasText: "Shortcuts: off" }).waitFor({ state: "attached" });
  await page.keyboard.press("/");
  assert.equal(await hasFocus(), false);
  await page.goto("/accounts/login/");
  await page.locator("#main").focus();
  await page.keyboard.press("/");
  assert.equal(await hasFocus(), false);
  await page.getByRole("button", { name: "Shortcuts: off" }).click();
  await page.keyboard.press("/");
  assert.equal(await hasFocus(), true);
  await visitor.close();
});

test("arrows go through the ways to sort, and only Enter or the button leads to another page", async () => {
  const teacher = await teach(browser, site, "sorting");
  await teacher.addCourse({ title: "To be sorted", slug: "to-be-sorted", subject: 3 });
  const page = await teacher.open("/");
  const sort = page.getByRole("combobox", { name: "Sort" });
  const button = page.getByRole("button", { name: "Sort" });
  assert.equal(await button.isVisible(), false);
  await tabTo(page, sort);
  await page.keyboard.press("ArrowDown");
  await button.waitFor();
  assert.equal(await sort.inputValue(), "title");
  assert.equal(new URL(page.url()).search, "");
  await page.keyboard.press("Enter");
  await page.waitForURL(/sort=title/);
  await tabTo(page, sort);
  await page.keyboard.press("ArrowUp");
  await enter(page, button);
  await page.waitForURL(/sort=newest/);
  await sort.selectOption({ label: "Title" });
  await page.waitForURL(/sort=title/);
  await teacher.close();
});

test("by keyboard a newcomer registers, enrolls, plays the film, marks it done and logs out", async () => {
  const teacher = await teach(browser, site, "tomas");
  const course = await teacher.addCourse({ title: "How Strings Sing", slug: "how-strings-sing", subject: 3 });
  const module = await teacher.addModule(course, "What moves");
  await teacher.addFile(module, "video", "A pulse on a rope", await shelf.film("rope.mp4", 20));
  await teacher.waitForFiles(module);
  await teacher.close();

  const newcomer = await openVisitor(browser, site.origin);
  const page = await newcomer.open("/");
  await enter(page, page.getByRole("link", { name: "How Strings Sing" }));
  await enter(page, page.getByRole("link", { name: "Register to enroll" }));
  // A form that failed puts the cursor where the first fault is.
  await enter(page, page.getByRole("button", { name: "Make the account" }));
  await page.getByRole("heading", { name: /things to mend/ }).waitFor();
  await page.waitForFunction(() => document.activeElement?.id === "username");
  await page.keyboard.type("keys");
  await type(page, page.getByLabel("Password", { exact: true }), PASSWORD);
  await type(page, page.getByLabel("Password again"), PASSWORD);
  await page.keyboard.press("Enter");
  await enter(page, page.getByRole("button", { name: "Enroll now" }));
  await page.getByRole("heading", { level: 1, name: "What moves" }).waitFor();

  await enter(page, page.getByRole("button", { name: "Play", exact: true }));
  await page.waitForFunction(() => document.querySelector("video").currentTime > 0.5);
  await page.keyboard.press("k");
  await page.waitForFunction(() => document.querySelector("video").paused);
  const before = await page.evaluate(() => document.querySelector("video").currentTime);
  await page.keyboard.press("l");
  await page.waitForFunction((from) => document.querySelector("video").currentTime >= from + 9, before);
  // Outside of the player letters do as much, unless shortcuts are turned off, on whatever page.
  const isMuted = () => page.evaluate(() => document.querySelector("video").muted);
  await page.locator("#main").focus();
  await page.keyboard.press("m");
  assert.equal(await isMuted(), true);
  await enter(page, page.getByRole("button", { name: "Mark as done" }));
  await page.getByRole("button", { name: /^Done/ }).waitFor();
  await page.locator("#announcer", { hasText: "Marked as done" }).waitFor({ state: "attached" });

  // A menu opens with Enter, closes with Escape, and gives the focus back.
  const menu = page.locator(".bar details.menu");
  await page.goto("/students/courses/");
  await enter(page, menu.locator("summary"));
  await page.getByRole("link", { name: "Settings" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Settings" }).waitFor({ state: "hidden" });
  assert.equal(await menu.locator("summary").evaluate((summary) => summary === document.activeElement), true);
  await page.keyboard.press("Enter");
  await enter(page, page.getByRole("button", { name: "Log out" }));
  await page.getByRole("link", { name: "Log in" }).first().waitFor();
  await newcomer.close();
});

test("by keyboard a teacher writes a course, adds contents, puts them in order and deletes one", async () => {
  const teacher = await teach(browser, site, "ferreira");
  const page = await teacher.open("/course/mine/");
  await enter(page, page.getByRole("link", { name: "New course" }));
  await type(page, page.getByLabel("Title"), "Long Tones");
  await type(page, page.getByLabel("Overview"), "Slowly.");
  await enter(page, page.getByRole("button", { name: "Make the course" }));
  await page.getByRole("heading", { level: 1, name: "Long Tones" }).waitFor();
  await type(page, page.getByLabel("Title of the new module"), "Open strings");
  await page.keyboard.press("Enter");
  for (const title of ["One", "Two"]) {
    await enter(page, page.locator("form.drop").getByRole("link", { name: "Text", exact: true }));
    await type(page, page.getByLabel("Title"), title);
    await type(page, page.getByLabel("Text", { exact: true }), "Words.");
    await enter(page, page.getByRole("button", { name: "Add it" }));
    await page.locator(".file-card", { hasText: title }).waitFor();
  }

  const names = () => page.locator(".rows > li").evaluateAll((rows) => rows.map((row) => row.dataset.name));
  const saved = () => page.waitForResponse((answer) => answer.url().endsWith("/order/") && answer.ok());
  await tabTo(page, page.getByRole("link", { name: "Two", exact: true }));
  const up = saved();
  await page.keyboard.press("Alt+ArrowUp");
  await up;
  assert.deepEqual(await names(), ["Two", "One"]);
  assert.equal(await focusFault(page), "");
  const down = saved();
  await enter(page, page.getByRole("button", { name: "Move Two down" }));
  await down;
  assert.deepEqual(await names(), ["One", "Two"]);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Move Two down");

  const more = page.locator('summary[aria-label="More for Two"]');
  await enter(page, more);
  const entry = page.locator('.file-card[data-name="Two"]').getByRole("link", { name: "Delete…" });
  await entry.waitFor();
  await page.keyboard.press("Escape");
  await entry.waitFor({ state: "hidden" });
  await page.keyboard.press("Enter");
  await enter(page, entry);
  await enter(page, page.getByRole("main").getByRole("button", { name: /^Delete/ }));
  await page.locator(".file-card", { hasText: "Two" }).waitFor({ state: "detached" });
  assert.deepEqual(await names(), ["One"]);
  await teacher.close();
});
