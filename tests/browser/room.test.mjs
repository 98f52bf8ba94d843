// Two people talk in the room of a course; one of them loses her connection, writes on, and comes back to a complete
// room. What was written meanwhile is sent once, also after the site was killed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, startBrowser } from "./browser.mjs";
import { register, teach } from "./people.mjs";
import { startSite } from "./site.mjs";

let browser, site;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

/** A teacher and a student, each with the room of one course before her. */
async function open(name) {
  const clara = await teach(browser, site, `clara-${name}`);
  const course = await clara.addCourse({ title: `Course ${name}`, slug: `course-${name}` });
  const maya = await register(browser, site, `maya-${name}`);
  await maya.send("/students/enroll-course/", { course: String(course) });
  const pages = [];
  for (const person of [clara, maya]) {
    const page = await person.open(`/chat/room/${course}/`);
    await here(page);
    pages.push(page);
  }
  return { clara, maya, pages };
}

const here = (page) => page.locator('#room-state[data-state="here"]').waitFor();
const away = (page) => page.locator('#room-state[data-state="away"]').waitFor();
const line = (page, words) => page.locator(".line:not(.is-waiting)", { hasText: words });

async function say(page, words) {
  await page.getByLabel("Your line").fill(words);
  await page.keyboard.press("Enter");
}

const wordsOf = (page) => page.locator(".line:not(.is-waiting) .text").allInnerTexts();

test("two talk, and what one says the other reads at once, as text", async () => {
  const { pages } = await open("talk");
  const [clara, maya] = pages;
  await say(maya, "Why does `ORDER BY` sort? See https://example.org/plan. <b>Really</b>");
  await line(clara, "Why does").waitFor();
  assert.equal(await line(clara, "Why does").locator("code").innerText(), "ORDER BY");
  assert.equal(await line(clara, "Why does").locator("a").getAttribute("href"), "https://example.org/plan");
  assert.equal(await line(clara, "Why does").locator("b").count(), 0);
  await say(clara, "Because it must.");
  await line(maya, "Because it must.").getByText("Teacher").waitFor();
  await inspect(maya, "the room of a course");

  const mine = line(maya, "Why does");
  await mine.hover();
  await mine.getByRole("button", { name: "Change this line" }).click();
  await maya.getByLabel("Your line").fill("Why does it sort?");
  await maya.keyboard.press("Enter");
  await line(clara, "Why does it sort?").getByText("edited").waitFor();
  await maya.reload();
  await here(maya);
  assert.deepEqual(await wordsOf(maya), ["Why does it sort?", "Because it must."]);

  maya.on("dialog", (dialog) => dialog.accept());
  await line(maya, "Why does it sort?").hover();
  await line(maya, "Why does it sort?").getByRole("button", { name: "Delete this line" }).click();
  await line(clara, "Why does it sort?").waitFor({ state: "detached" });
});

test("who loses her connection writes on, and comes back to a complete room", async () => {
  const { maya: person, pages } = await open("away");
  const [clara, maya] = pages;
  await say(clara, "one");
  await line(maya, "one").waitFor();
  await person.context.setOffline(true);
  // Chromium keeps sockets that were open before: this is what ends one when a network goes.
  await maya.evaluate(() => window.dispatchEvent(new Event("offline")));
  await site.kill();
  await Promise.all([away(clara), away(maya)]);
  await say(maya, "written while away");
  await maya.locator(".is-waiting", { hasText: "written while away" }).waitFor();
  await site.start();
  await here(clara);
  await say(clara, "two");
  await line(clara, "two").waitFor();
  await person.context.setOffline(false);
  await maya.evaluate(() => window.dispatchEvent(new Event("online")));
  await here(maya);
  await line(maya, "written while away").waitFor();
  await line(clara, "written while away").waitFor();
  assert.equal(await maya.locator(".is-waiting").count(), 0);
  const heard = await wordsOf(maya);
  assert.deepEqual(heard.toSorted(), ["one", "two", "written while away"]);
  assert.deepEqual(await wordsOf(clara), heard);
});
