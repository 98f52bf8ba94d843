// What journeys begin with: people who are logged in, and courses that somebody wrote. It takes the same forms
// as a person does, without drawing their pages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { openVisitor } from "./browser.mjs";

/** Everybody's here. */
export const PASSWORD = "violet harbor 9";

/** Somebody new, registered and logged in. */
export async function register(browser, site, name, options = {}) {
  const person = new Person(await openVisitor(browser, site.origin, options));
  await person.send("/students/register/", { username: name, password1: PASSWORD, password2: PASSWORD });
  return person;
}

/** A teacher, made on the command line and logged in. */
export async function teach(browser, site, name, options = {}) {
  await site.addUser(name, PASSWORD, "--instructor");
  const person = new Person(await openVisitor(browser, site.origin, options));
  await person.send("/accounts/login/", { username: name, password: PASSWORD, next: "" });
  return person;
}

/** A visitor who is logged in. */
export class Person {
  constructor(visitor) {
    this.visitor = visitor;
    this.context = visitor.context;
  }

  open(address) {
    return this.visitor.open(address);
  }

  close() {
    return this.visitor.close();
  }

  async #token(address) {
    const of = (cookies) => cookies.find(({ name }) => name === "csrftoken")?.value;
    const held = of(await this.context.cookies());
    if (held) return held;
    await this.context.request.get(address);
    return of(await this.context.cookies());
  }

  /** Sends a form as a browser does, and follows where it leads. */
  async send(address, fields, { multipart = false } = {}) {
    const all = { csrfmiddlewaretoken: await this.#token(address), ...fields };
    const answer = await this.context.request.post(address, multipart ? { multipart: all } : { form: all });
    assert.ok(answer.ok(), `${answer.status()} for ${address}: ${multipart ? "" : JSON.stringify(fields)}`);
    return answer;
  }

  /** Sends a form as the site's scripts do. */
  async #tell(address, fields) {
    const headers = { Accept: "application/json", "X-CSRFToken": await this.#token(address) };
    const answer = await this.context.request.post(address, { headers, multipart: fields });
    assert.ok(answer.ok(), `${answer.status()} for ${address}: ${await answer.text()}`);
    return answer.json();
  }

  /** Makes a course, and gives its number. */
  async addCourse({ title, slug, subject = 1, overview = "About it.", draft = false }) {
    const fields = { subject: String(subject), title, slug, overview, ...(draft && { draft: "on" }) };
    await this.send("/course/create/", fields);
    const page = await this.context.request.get("/course/mine/");
    const numbers = [...(await page.text()).matchAll(/\/course\/(\d+)\/edit\//g)].map(([, number]) => Number(number));
    return Math.max(...numbers);
  }

  /** Makes a module, and gives its number. */
  async addModule(course, title) {
    const answer = await this.send(`/course/${course}/module/add/`, { title });
    const numbers = [...(await answer.text()).matchAll(/id="module-(\d+)"/g)].map(([, number]) => Number(number));
    return Math.max(...numbers);
  }

  /** Adds what is typed: a text, or the address of a video. */
  addText(module, title, content, format = "markdown") {
    return this.send(`/course/module/${module}/content/text/create/`, { title, content, format });
  }

  addWebVideo(module, title, url) {
    return this.#tell(`/course/module/${module}/content/video/create/`, { title, url });
  }

  /** Adds a file from the disk; gives the site's answer with `content` and `upload`. */
  async addFile(module, kind, title, path) {
    const file = { name: basename(path), mimeType: "application/octet-stream", buffer: await readFile(path) };
    return this.#tell(`/course/module/${module}/content/${kind}/create/`, { title, file });
  }

  /** Gives a recording captions; `made` is the answer of {@link addFile}. */
  addCaptions(module, kind, made, language, text) {
    const captions = { name: "captions.vtt", mimeType: "text/vtt", buffer: Buffer.from(text) };
    const address = `/course/module/${module}/content/${kind}/${made.item}/captions/`;
    return this.send(address, { language, captions }, { multipart: true });
  }

  /** Waits on the page of a module until all its files have been processed. */
  async waitForFiles(module) {
    const page = await this.open(`/course/module/${module}/`);
    const areDone = () => {
      const states = [...document.querySelectorAll(".file-card[data-state]")].map((card) => card.dataset.state);
      return states.every((state) => state === "ready" || state === "failed");
    };
    // As long as a busy machine needs; what never ends is ended by the test runner.
    await page.waitForFunction(areDone, undefined, { timeout: 0 });
    await page.close();
  }
}

/**
 * Drops files from the disk on an element, as from a file manager.
 *
 * @param {import("playwright-core").Locator} target
 * @param {string[]} paths
 * @param {string} type the media type that the file manager gives
 */
export async function dropFiles(target, paths, type = "") {
  const files = await Promise.all(
    paths.map(async (path) => ({ name: basename(path), bytes: (await readFile(path)).toString("base64"), type })),
  );
  const carried = await target.page().evaluateHandle((all) => {
    const transfer = new DataTransfer();
    for (const { name, bytes, type: mime } of all) {
      const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([content], name, { type: mime }));
    }
    return transfer;
  }, files);
  for (const event of ["dragenter", "dragover", "drop"]) await target.dispatchEvent(event, { dataTransfer: carried });
}
