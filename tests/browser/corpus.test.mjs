// Chromium plays every recording of the corpus that becomes ready: it begins, and it goes to another place.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { register, teach } from "./people.mjs";
import { corpus } from "./recordings.mjs";
import { startSite } from "./site.mjs";

/** So many recordings stand in one lesson. */
const IN_MODULE = 8;

let browser, site, student;
/** `[{lesson, title, kind, seconds}]`. */
const shown = [];

before(async () => {
  const all = await corpus();
  const files = all.filter(({ form, end }) => end === "ready" && (form === "video" || form === "audio"));
  assert.ok(files.length > 10);
  browser = await startBrowser();
  site = await startSite();
  const teacher = await teach(browser, site, "tomas");
  const course = await teacher.addCourse({ title: "The corpus", slug: "the-corpus" });
  for (let at = 0; at < files.length; at += IN_MODULE) {
    const module = await teacher.addModule(course, `From ${at}`);
    for (const { name, path, form: kind, seconds } of files.slice(at, at + IN_MODULE)) {
      await teacher.addFile(module, kind, name, path);
      shown.push({ lesson: `/students/course/${course}/${module}/`, title: name, kind, seconds });
    }
    await teacher.waitForFiles(module);
  }
  await teacher.close();
  student = await register(browser, site, "maya");
  await student.send("/students/enroll-course/", { course: String(course) });
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

test("every ready recording plays and seeks", async () => {
  const faults = [];
  for (const { lesson, title, kind, seconds } of shown) {
    const page = await student.open(lesson);
    const name = kind === "video" ? `Player: ${title}` : `Recording: ${title}`;
    const box = page.getByRole("group", { name, exact: true });
    try {
      await box.getByRole("button", { name: "Play", exact: true }).click();
      const media = await box.locator("video, audio").elementHandle();
      await page.waitForFunction((each) => each.ended || each.currentTime > 0.02, media, { timeout: 20_000 });
      const length = await media.evaluate((each) => each.duration);
      assert.ok(Math.abs(length - seconds) < 0.5, `it is ${length} s long, and should be ${seconds}`);
      await media.evaluate((each) => {
        each.pause();
        each.currentTime = each.duration * 0.6;
      });
      await page.waitForFunction((each) => !each.seeking && each.readyState > 1, media, { timeout: 20_000 });
      assert.equal(await box.getByRole("alert").isVisible(), false);
    } catch (fault) {
      faults.push(`${title}: ${fault.message}`);
    }
    await page.close();
  }
  assert.deepEqual(faults, []);
  await student.close();
});
