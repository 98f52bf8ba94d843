// A Chromium whose pages are watched: no test passes on a page that asks another host, breaks the
// Content-Security-Policy, throws, or gets a 5xx.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Screenshots go here when the variable is set. */
const shots = process.env.LYCEUM_SHOTS;

const THEMES = ["light", "dark"];
const WIDTHS = [360, 1280];
// Where only looked at for what does not fit: the narrowest phone, a tablet, a small laptop.
const BETWEEN = [320, 768, 1024];
// From here on lists are tables; below, they are cards.
const TABLES_FROM = 768;

/** Starts Debian's Chromium; it can reach nothing but this machine. */
export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.LYCEUM_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ],
  });
}

/**
 * Opens a visitor: cookies of its own, and pages that are watched.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} origin the site; relative addresses start here
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @returns {Promise<Visitor>}
 */
export async function openVisitor(browser, origin, options = {}) {
  const context = await browser.newContext({
    baseURL: origin,
    locale: "en-US",
    timezoneId: "Europe/Madrid",
    reducedMotion: "reduce",
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  context.setDefaultTimeout(120_000);
  return new Visitor(context, origin);
}

export class Visitor {
  #origin;
  #faults = [];
  /** Addresses that a page was opened at and answered 4xx: Chromium complains of them, the test asked for them. */
  #refused = new Set();
  /** Hosts that pages may ask, as the site's configuration names a player's. */
  #allowed = new Set();

  constructor(context, origin) {
    this.context = context;
    this.#origin = origin;
    context.on("request", (request) => this.#seeRequest(request));
    context.on("response", (response) => this.#seeResponse(response));
    context.on("console", (message) => this.#seeConsole(message));
    context.on("weberror", (fault) => this.#faults.push({ text: `script: ${fault.error().stack}` }));
  }

  /** Opens a page, at an address if one is given. */
  async open(address) {
    const page = await this.context.newPage();
    if (address) await page.goto(address);
    return page;
  }

  /** Lets pages ask this host too. */
  allow(host) {
    this.#allowed.add(host);
  }

  #seeRequest(request) {
    const url = new URL(request.url());
    const isOurs = ["data:", "blob:", "about:"].includes(url.protocol) || url.host === new URL(this.#origin).host;
    if (!isOurs && !this.#allowed.has(url.host)) this.#faults.push({ text: `another host was asked: ${url}` });
  }

  #seeResponse(response) {
    const status = response.status();
    if (status >= 500) this.#faults.push({ text: `${status} for ${response.url()}` });
    else if (status >= 400 && response.request().isNavigationRequest()) this.#refused.add(response.url());
  }

  #seeConsole(message) {
    if (message.type() !== "error") return;
    const { url } = message.location();
    const refusal = message.text().startsWith("Failed to load resource") ? url : null;
    this.#faults.push({ text: `console: ${message.text()} (${url})`, refusal });
  }

  /** What went wrong on this visitor's pages so far. */
  get faults() {
    const isMeant = ({ refusal }) => refusal && this.#refused.has(refusal);
    return this.#faults.filter((fault) => !isMeant(fault)).map(({ text }) => text);
  }

  /** Closes all pages, and fails if anything went wrong on one of them. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }
}

/**
 * Looks at a page in both themes at both widths: axe finds nothing. At these widths and those between, nothing hangs over
 * the side, and no word of a table is broken.
 * Takes a screenshot of each into the folder `LYCEUM_SHOTS`, if that is set.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name for messages and the screenshots' file names
 */
export async function inspect(page, name) {
  const before = page.viewportSize();
  const findings = [];
  for (const width of BETWEEN) {
    await page.setViewportSize({ width, height: 800 });
    for (const finding of await fit(page, width)) findings.push(`${name}, ${width} px: ${finding}`);
  }
  for (const colorScheme of THEMES) {
    for (const width of WIDTHS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      for (const finding of [...(await look(page)), ...(await fit(page, width))]) findings.push(`${name}, ${colorScheme}, ${width} px: ${finding}`);
      if (shots) {
        await mkdir(shots, { recursive: true });
        await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
  assert.deepEqual(findings, []);
}

/** What is wrong with the page as it stands. */
async function look(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id} (${help}) at ${node.target.join(" ")}: ${node.failureSummary}`),
    );
  });
}

/** What of the page does not fit into the window. Keys for machines may be broken, and what is marked as too long. */
function fit(page, width) {
  return page.evaluate((hasTables) => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const findings = scrollWidth > clientWidth ? [`the page is ${scrollWidth - clientWidth} px wider than the window`] : [];
    const isBroken = (text, { 0: word, index }) => {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const lines = [...range.getClientRects()].filter((line) => line.width > 0);
      return new Set(lines.map((line) => Math.round(line.top))).size > 1;
    };
    for (const table of hasTables ? document.querySelectorAll("main .table") : []) {
      const texts = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.parentElement.closest(".sr-only, .breaks, .changes, .mono")) continue;
        const words = [...text.data.matchAll(/(?<![^\s(])\p{L}{2,20}(?![^\s.,:;)])/gu)].filter((word) => isBroken(text, word));
        findings.push(...words.map(([word]) => `the word ${word} is broken`));
      }
    }
    return findings;
  }, width >= TABLES_FROM);
}
