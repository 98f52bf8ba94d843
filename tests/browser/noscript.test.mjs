// Everything that no page needs a script for, in a browser that runs none.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, teach } from "./people.mjs";
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

const withoutScripts = () => openVisitor(browser, site.origin, { javaScriptEnabled: false });

test("without a script one reads, registers, enrolls, studies, logs out and in", async () => {
  const teacher = await teach(browser, site, "tomas");
  const course = await teacher.addCourse({ title: "Knots", slug: "knots" });
  const module = await teacher.addModule(course, "Two ropes");
  await teacher.addText(module, "The bend", "A bend joins *two* ropes.");
  await teacher.close();

  const reader = await withoutScripts();
  const page = await reader.open("/");
  await page.getByRole("searchbox").fill("knots");
  await page.getByRole("searchbox").press("Enter");
  await page.getByLabel("Sort").selectOption({ label: "Newest" });
  await page.getByRole("button", { name: "Sort" }).click();
  await page.getByRole("link", { name: "Knots" }).click();
  await page.getByRole("link", { name: "Register to enroll" }).click();
  await page.getByLabel("User name").fill("plain");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password again").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByRole("button", { name: "Enroll now" }).click();
  await page.locator("em", { hasText: "two" }).waitFor();
  await page.getByRole("button", { name: "Mark as done" }).click();
  await page.getByRole("button", { name: /^Done/ }).waitFor();

  await page.locator(".bar details.menu > summary").click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/students/courses/");
  await page.getByLabel("User name").fill("plain");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  await page.getByText("100 %").waitFor();
  await reader.close();
});

test("without a script one writes a course, sends a small file, moves contents and dismisses the message", async () => {
  await site.addUser("ferreira", PASSWORD, "--instructor");
  const teacher = await withoutScripts();
  const page = await teacher.open("/accounts/login/?next=/course/create/");
  await page.getByLabel("User name").fill("ferreira");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  await page.getByLabel("Title").fill("Plain Forms");
  await page.getByLabel("Address").fill("plain-forms");
  await page.getByLabel("Overview").fill("No script at all.");
  await page.getByRole("button", { name: "Make the course" }).click();
  await page.getByLabel("Title of the new module").fill("First");
  await page.getByRole("button", { name: "Add it" }).click();

  await page.locator("form.drop").getByRole("link", { name: "Text", exact: true }).click();
  await page.getByLabel("Title").fill("Hello");
  await page.getByLabel("Text", { exact: true }).fill("Hello.");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.getByRole("link", { name: "a recording" }).click();
  await page.getByLabel("Audio file").setInputFiles(await shelf.tone("Open D.wav", 2));
  await page.getByRole("button", { name: "Add it" }).click();

  // Each page tells the truth of its moment: it is asked for again until the recording is ready.
  const ready = page.locator('.file-card[data-state="ready"]', { hasText: "Open D" });
  for (let looks = 0; looks < 200 && (await ready.count()) === 0; looks += 1) await page.reload();
  await ready.waitFor();
  const names = () => page.locator(".rows > li").evaluateAll((rows) => rows.map((row) => row.dataset.name));
  assert.deepEqual(await names(), ["Hello", "Open D"]);
  await page.getByRole("button", { name: "Move Open D up" }).click();
  await page.waitForURL(/#content-\d+$/);
  assert.deepEqual(await names(), ["Open D", "Hello"]);

  const banner = page.locator(".banner", { hasText: "has been processed" });
  await banner.getByRole("button", { name: /^Dismiss/ }).click();
  await banner.waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Messages", exact: true }).first().waitFor();
  await teacher.close();
});
