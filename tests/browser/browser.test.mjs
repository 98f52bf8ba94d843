// The watch itself: each kind of fault is seen, and a good page passes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { extname } from "node:path";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";

const page = (body, head = "") =>
  `<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width, initial-scale=1">` +
  `<link rel="icon" href="/icon.svg"><title>A page</title>${head}</head><body><main><h1>A page</h1>${body}</main></body></html>`;

const PAGES = {
  "/icon.svg": [200, '<svg xmlns="http://www.w3.org/2000/svg"/>'],
  "/good/": [200, page("<p>Nothing is wrong here.</p>")],
  "/foreign/": [200, page('<img alt="A picture" src="http://pictures.example/a.png">')],
  "/inline/": [200, page('<p style="color: red">Red</p>')],
  "/throws/": [200, page("<p>Text</p>", '<script src="/throws.js"></script>')],
  "/throws.js": [200, 'throw new Error("a fault of the script")'],
  "/lost/": [200, page("<p>Text</p>", '<script src="/nowhere.js"></script>')],
  "/refused/": [403, page("<p>Not for you.</p>")],
  "/broken/": [500, page("<p>Broken</p>")],
  "/unnamed/": [200, page('<input type="text">')],
  "/wide/": [200, page("<table><tr><td>" + "x".repeat(400) + "</td></tr></table>")],
};

const TYPES = { ".js": "text/javascript", ".svg": "image/svg+xml" };

let browser, server, origin;

before(async () => {
  browser = await startBrowser();
  server = createServer((request, response) => {
    const [status, body] = PAGES[request.url] ?? [404, page("<p>Not here</p>")];
    const type = TYPES[extname(request.url)] ?? "text/html; charset=utf-8";
    const policy = "default-src 'self'; img-src *; script-src 'self'; style-src 'self'";
    response.writeHead(status, { "content-type": type, "content-security-policy": policy }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function faultsOf(address) {
  const visitor = await openVisitor(browser, origin);
  await visitor.open(address);
  await visitor.context.close();
  return visitor.faults;
}

test("a good page passes in both themes at both widths", async () => {
  const visitor = await openVisitor(browser, origin);
  await inspect(await visitor.open("/good/"), "good");
  await visitor.close();
});

test("a page that answers 403 as the test asked for is no fault", async () => {
  assert.deepEqual(await faultsOf("/refused/"), []);
});

for (const [address, sign] of [
  ["/foreign/", /another host was asked: http:\/\/pictures\.example/],
  ["/inline/", /Content Security Policy/],
  ["/throws/", /a fault of the script/],
  ["/lost/", /nowhere\.js/],
  ["/broken/", /^500 for /],
]) {
  test(`the fault of ${address} is seen`, async () => {
    assert.match((await faultsOf(address)).join("\n"), sign);
  });
}

for (const [address, sign] of [
  ["/unnamed/", /label/],
  ["/wide/", /wider than the window/],
]) {
  test(`the finding on ${address} is reported`, async () => {
    const visitor = await openVisitor(browser, origin);
    const opened = await visitor.open(address);
    await assert.rejects(inspect(opened, "page"), sign);
    await visitor.close();
  });
}
