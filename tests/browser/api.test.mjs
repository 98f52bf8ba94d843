// A newcomer's way through the API without reading anything and without scripts: from /api/ to an enrollment, and to a
// course that is made, changed and deleted.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, teach } from "./people.mjs";
import { startSite } from "./site.mjs";

let browser, site;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  const teacher = await teach(browser, site, "tomas");
  await teacher.addCourse({ title: "Knots", slug: "knots" });
  await teacher.close();
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

const withoutScripts = (options = {}) => openVisitor(browser, site.origin, { javaScriptEnabled: false, ...options });

/** The JSON that a page shows. */
const shown = async (page) => JSON.parse(await page.locator("#json").textContent());

/** axe needs scripts: the page as it is served, in a visitor who has them. */
async function examine(visitor, path, name) {
  const state = await visitor.context.storageState();
  const seeing = await openVisitor(browser, site.origin, { storageState: state });
  await inspect(await seeing.open(path), name);
  await seeing.close();
}

for (const width of [360, 1280]) {
  test(`a newcomer finds a course from /api/, registers and enrolls by its forms, at ${width} px`, async () => {
    const newcomer = await withoutScripts({ viewport: { width, height: 800 }, hasTouch: width < 500 });
    const page = await newcomer.open("/api/");
    await page.getByRole("heading", { level: 1, name: "Api Root" }).waitFor();
    await page.locator("#json").getByRole("link", { name: /\/api\/courses\// }).click();

    await page.getByLabel("search", { exact: true }).fill("knots");
    await page.getByRole("button", { name: "Send" }).click();
    const [course] = await shown(page);
    assert.equal(course.title, "Knots");
    await page.locator("#json").getByRole("link", { name: String(course.id), exact: true }).first().click();
    await page.getByRole("link", { name: "Enroll", exact: true }).click();

    assert.deepEqual(await shown(page), { detail: "Authentication credentials were not provided." });
    await page.getByRole("main").getByRole("link", { name: "Register" }).click();
    await page.getByLabel("User name").fill(`newcomer-${width}`);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByLabel("Password again").fill(PASSWORD);
    await page.getByRole("button", { name: "Make the account" }).click();

    await page.getByText("something to send").waitFor();
    await page.getByRole("button", { name: "POST" }).click();
    assert.deepEqual(await shown(page), { enrolled: true });
    await page.getByRole("status").getByText("It is done.").waitFor();
    await page.goto("/students/courses/");
    await page.getByRole("link", { name: "Knots" }).first().waitFor();
    await newcomer.close();
  });

  test(`a teacher makes a course by the forms of the API, mends faults, changes and deletes it, at ${width} px`, async () => {
    const name = `ferreira-${width}`;
    await site.addUser(name, PASSWORD, "--instructor");
    const teacher = await withoutScripts({ viewport: { width, height: 800 }, hasTouch: width < 500 });
    const page = await teacher.open("/api/courses/");
    await page.getByRole("main").getByRole("link", { name: "Log in" }).click();
    await page.getByLabel("User name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("main").getByRole("button", { name: "Log in" }).click();

    const form = page.locator("#post > div > form");
    await form.getByLabel("title", { exact: false }).fill("Plain <Forms>");
    await form.getByLabel("slug", { exact: false }).fill("not a slug");
    await form.getByRole("button", { name: "POST" }).click();
    await page.getByText("HTTP 400").waitFor();
    assert.equal(await form.getByLabel("title", { exact: false }).inputValue(), "Plain <Forms>");
    await page.locator(".fault-summary").getByRole("link", { name: /^slug/ }).click();
    await form.getByLabel("slug", { exact: false }).fill(`plain-forms-${width}`);
    await form.getByLabel("subject", { exact: false }).selectOption({ label: "Music (2)" });
    await form.getByLabel("overview", { exact: false }).fill("No script at all.");
    await form.getByRole("button", { name: "POST" }).click();
    await page.getByText("HTTP 201").waitFor();
    const made = await shown(page);
    assert.equal(made.title, "Plain <Forms>");

    await page.locator(".head").getByRole("link").click();
    const change = page.locator("#change > div > form");
    assert.equal(await change.getByLabel("title", { exact: false }).inputValue(), "Plain <Forms>");
    await change.getByLabel("title", { exact: false }).fill("Plain Forms");
    await change.getByRole("button", { name: "PATCH" }).click();
    await page.getByRole("status").getByText("It is changed.").waitFor();
    assert.equal((await shown(page)).title, "Plain Forms");
    if (width > 500) await examine(teacher, `/api/courses/${made.id}/`, "api-course-forms");

    await page.getByText("As raw JSON").click();
    await page.locator("#change details textarea").fill('{"title": "Raw", "color": "red"}');
    await page.locator("#change details").getByRole("button", { name: "PATCH" }).click();
    await page.getByText("HTTP 400").waitFor();
    await page.locator(".fault-summary").getByText("There is no field “color”").waitFor();
    assert.equal(await page.locator("#change details textarea").inputValue(), '{"title": "Raw", "color": "red"}');

    await page.goto(`/api/courses/${made.id}/`);
    await page.getByText("DELETE…").click();
    await page.getByRole("button", { name: "Yes, DELETE" }).click();
    await page.getByText("HTTP 204").waitFor();
    await page.goto(`/api/courses/${made.id}/`);
    await page.getByText("HTTP 404").waitFor();
    await teacher.close();
  });
}
