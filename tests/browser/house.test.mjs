// What holds for the site as a whole, before any feature: it starts, answers, survives a power cut, ends in order.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
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

test("a page that is not there says so in a title and a heading", async () => {
  const visitor = await openVisitor(browser, site.origin);
  const page = await visitor.open();
  const answer = await page.goto("/no/such/page/");
  assert.equal(answer.status(), 404);
  assert.match(await page.title(), /not here/);
  await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
  await inspect(page, "not-found");
  await visitor.close();
});

test("after a power cut the site starts again on the same data", async () => {
  await site.kill();
  await site.start();
  const answer = await fetch(`${site.origin}/healthz`);
  assert.equal(answer.status, 200);
});
