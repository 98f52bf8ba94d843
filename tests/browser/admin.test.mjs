// The admin site: somebody new to it adds a subject, enrolls somebody and finds both in the log; axe finds nothing on its
// pages in both themes at 360 and 1280 px, none is wider than a small screen, and all of it works without a script.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, Person, register, teach } from "./people.mjs";
import { startSite } from "./site.mjs";

const MOST_BYTES = 60_000;

let browser, site, staff, tomas;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  await site.addUser("rosa", PASSWORD, "--staff");
  staff = new Person(await openVisitor(browser, site.origin));
  await staff.send("/accounts/login/", { username: "rosa", password: PASSWORD, next: "" });
  tomas = await teach(browser, site, "tomas");
  const course = { subject: "2", title: "First steps", slug: "first-steps", overview: "How to begin." };
  await tomas.send("/course/create/", course);
  for (const name of ["maya", "ben"]) await (await register(browser, site, name)).close();
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

/** Examines the page that is open. */
async function examine(page, name) {
  const sent = await page.content();
  assert.ok(sent.length < MOST_BYTES, `${name}: ${sent.length} bytes`);
  assert.doesNotMatch(sent, /<[^>]+\sstyle=|<style|<script(?![^>]+src=)/);
  await page.setViewportSize({ width: 1280, height: 800 });
  await inspect(page, name);
  await page.setViewportSize({ width: 1280, height: 800 });
}

test("a newcomer adds a subject, enrolls somebody, and finds both in the log", async () => {
  const page = await staff.open("/students/courses/");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Admin" }).click();
  const side = page.getByRole("navigation", { name: "Admin", exact: true });
  await side.getByRole("link", { name: "Subjects" }).click();
  await page.getByRole("link", { name: "Add subject" }).click();
  await page.getByLabel("Title").fill("Ancient Greek");
  // The address comes by itself.
  assert.equal(await page.getByLabel("Address").inputValue(), "ancient-greek");
  await page.getByRole("button", { name: "Add subject" }).click();
  await page.getByText("Added.").waitFor();
  await side.getByRole("link", { name: "Enrollments" }).click();
  await page.getByRole("link", { name: "Add enrollment" }).first().click();
  await page.getByLabel("Student", { exact: true }).fill("mayaa");
  await page.getByLabel("Course", { exact: true }).selectOption({ label: "First steps" });
  await page.getByRole("button", { name: "Add enrollment" }).click();
  await page.getByRole("heading", { name: "One thing to mend" }).waitFor();
  assert.equal(await page.getByLabel("Student", { exact: true }).inputValue(), "mayaa");
  await page.getByLabel("Student", { exact: true }).fill("maya");
  await page.getByRole("button", { name: "Add enrollment" }).click();
  await page.getByText("Added.").waitFor();
  await page.getByRole("row", { name: /maya/ }).getByRole("link", { name: "First steps" }).waitFor();
  await side.getByRole("link", { name: "Log" }).click();
  await page.getByRole("row", { name: /maya in First steps/ }).waitFor();
  await page.getByRole("row", { name: /add subject/ }).getByText("Ancient Greek").first().waitFor();
  await page.close();
});

test("a newcomer sees why the cache is cold, finds a job that failed, and tries it again", async () => {
  const module = await tomas.addModule(await tomas.addCourse({ title: "Knots", slug: "knots" }), "Loops");
  const film = join(site.folder, "bowline.mp4");
  // How a film begins (ISO/IEC 14496-12, 4.3), and nothing of what it needs to end.
  const head = Buffer.from("000000206674797069736f6d0000020069736f6d69736f32617663316d703431", "hex");
  await writeFile(film, Buffer.concat([head, Buffer.alloc(100_000, 7)]));
  await tomas.addFile(module, "video", "The bowline", film);
  await tomas.waitForFiles(module);
  const page = await staff.open("/admin/");
  await page.getByRole("heading", { name: "Why it is cold" }).waitFor();
  await page.getByText(/This process began .*: what is kept in memory begins anew with it/).waitFor();
  const failed = page.getByRole("listitem").filter({ hasText: "bowline.mp4" });
  await failed.getByRole("button", { name: "Try again" }).waitFor();
  await page.getByRole("link", { name: "All jobs" }).click();
  await page.getByRole("link", { name: /^Failed/ }).click();
  const row = page.getByRole("row").filter({ hasText: "bowline.mp4" });
  await row.getByText(/tomas/).waitFor();
  await examine(page, "jobs that failed");
  await row.getByRole("button", { name: "Try again" }).click();
  await page.getByText("1 job is in line again.").waitFor();
  await page.close();
});

test("a page that keeps up by itself tells its time in the zone of the account", async () => {
  const page = await staff.open("/admin/");
  // The browser is in Madrid, the account in UTC.
  await page.clock.setFixedTime(new Date("2026-01-10T10:20:30Z"));
  await page.goto("/admin/jobs/");
  await page.getByText("Live, 10:20:30").waitFor();
  await page.close();
});

test("all rows of a page are chosen by one box, and the question names them", async () => {
  const page = await staff.open("/admin/users/?staff=no");
  await page.getByLabel("Choose all on this page").check();
  await page.getByText("3 chosen:").waitFor();
  await page.getByLabel("Choose tomas").uncheck();
  await page.getByText("2 chosen:").waitFor();
  await page.getByRole("button", { name: "End sessions…" }).click();
  await page.getByRole("heading", { name: "End sessions: 2 users?" }).waitFor();
  await examine(page, "admin-ask");
  await page.getByRole("button", { name: "End sessions: 2 users" }).click();
  await page.getByText("End sessions: 2 users.").waitFor();
  // The filter is still set.
  assert.equal(await page.getByLabel("Staff").inputValue(), "no");
  await page.close();
});

test("a file is looked through before anybody is enrolled by it", async () => {
  const page = await staff.open("/admin/enrollments/");
  await page.getByRole("link", { name: "Import CSV" }).click();
  await examine(page, "admin-import");
  const buffer = Buffer.from('username,course\nben,first-steps\n"maya,first-steps\nnobody,first-steps\n');
  await page.getByLabel("CSV file").setInputFiles({ name: "students.csv", mimeType: "text/csv", buffer });
  await page.getByRole("button", { name: "See what would happen" }).click();
  await page.getByRole("heading", { name: "1 enrollment would be made" }).waitFor();
  await page.getByRole("row", { name: /^3/ }).getByText("is not closed").waitFor();
  await page.getByRole("button", { name: "Make 1 enrollment, leave 2 lines out" }).click();
  await page.getByText("Imported: 1 enrollment.").waitFor();
  await page.close();
});

test("every page can be read by everybody", async () => {
  const page = await staff.open("/admin/users/");
  const lists = ["users", "groups", "subjects", "courses", "contents", "enrollments", "uploads", "rooms", "tokens", "log"];
  for (const name of lists) {
    await page.goto(`/admin/${name}/`);
    await examine(page, `admin-${name}`);
  }
  await page.goto("/admin/users/?q=nothing-like-that");
  await examine(page, "admin-nothing");
  for (const [name, path] of [["user", "users"], ["group", "groups"], ["course", "courses"]]) {
    await page.goto(`/admin/${path}/`);
    await page.locator(".row-link").first().click();
    await page.getByRole("button", { name: "Save" }).waitFor();
    await examine(page, `admin-${name}-form`);
  }
  await page.goto("/admin/users/add/");
  await page.getByRole("button", { name: "Add user" }).click();
  await page.getByRole("heading", { name: "2 things to mend" }).waitFor();
  await examine(page, "admin-user-faults");
  await page.close();
});

test("without a script the places unfold on a phone, and a subject is added with an address made by the site", async () => {
  const visitor = await openVisitor(browser, site.origin, { javaScriptEnabled: false });
  await visitor.context.addCookies(await staff.context.cookies());
  const page = await visitor.open("/admin/users/");
  await page.setViewportSize({ width: 360, height: 640 });
  await page.locator(".admin-places summary").click();
  await page.locator(".admin-places").getByRole("link", { name: "Subjects" }).click();
  await page.getByRole("link", { name: "Add subject" }).click();
  await page.getByLabel("Title").fill("Straße & Übung");
  await page.getByRole("button", { name: "Add subject" }).click();
  await page.getByText("Added.").waitFor();
  await page.getByText("strasse-ubung").waitFor();
  await page.close();
  await visitor.close();
});
