// The page about caches: with traffic in several caches, axe finds nothing in both themes at both widths; an entry is
// looked up and forgotten and a cache emptied, all of it without a script.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, Person } from "./people.mjs";
import { startSite } from "./site.mjs";

const MOST_BYTES = 60_000;

let browser, site, staff;

before(async () => {
  browser = await startBrowser();
  site = await startSite({
    LYCEUM_CACHE_PAGES: "database:",
    // A server that does not answer.
    LYCEUM_CACHE_OTHER: "memcached://127.0.0.1:1",
  });
  await site.addUser("rosa", PASSWORD, "--staff");
  staff = new Person(await openVisitor(browser, site.origin, { javaScriptEnabled: false }));
  await staff.send("/accounts/login/", { username: "rosa", password: PASSWORD, next: "" });
  for (let round = 0; round < 20; round += 1) {
    for (const path of ["/", "/course/subject/physics/", `/?q=${round}`]) {
      const answer = await fetch(`${site.origin}${path}`);
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
    }
  }
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

/** Opens a page with scripts, which axe needs, and examines it. */
async function examine(name, path, status = 200) {
  const visitor = await openVisitor(browser, site.origin);
  await visitor.context.addCookies(await staff.context.cookies());
  const page = await visitor.open();
  const answer = await page.goto(path);
  assert.equal(answer.status(), status);
  const sent = await answer.text();
  assert.ok(sent.length < MOST_BYTES, `${sent.length} bytes`);
  assert.doesNotMatch(sent, /<[^>]+\sstyle=|<style|<script(?![^>]+src=)/);
  await page.setViewportSize({ width: 1280, height: 800 });
  for (const details of await page.locator(".page details").all()) await details.locator("summary").click();
  await inspect(page, name);
  await page.close();
  await visitor.close();
}

test("the pages about caches can be read by everybody", async () => {
  await examine("admin-cache", "/admin/cache/");
  await examine("admin-cache-space", "/admin/cache/?of=pages&space=page&range=day&done=cache");
  await examine("admin-cache-faults", "/admin/cache/key/?key=a%20b", 422);
  await examine("admin-cache-clear", "/admin/cache/clear/?cache=pages");
});

test("an entry is looked up and forgotten, and a cache emptied, without a script", async () => {
  const page = await staff.open("/admin/cache/");
  const example = await page.locator("#key-hint .mono").textContent();
  await page.getByLabel("Key").fill(example);
  await page.getByRole("button", { name: "Look it up" }).click();
  await page.getByText("JSON").or(page.getByText("Text", { exact: true })).first().waitFor();
  await examine("admin-cache-entry", new URL(page.url()).pathname + new URL(page.url()).search);
  await page.getByRole("button", { name: "Forget it" }).click();
  await page.getByRole("heading", { name: "Forgotten" }).waitFor();
  await page.goto("/admin/cache/");
  await page.getByRole("link", { name: "Empty the cache pages…" }).click();
  await page.getByRole("button", { name: "Empty it" }).click();
  await page.getByText("The cache is emptied.").waitFor();
  await page.close();
});
