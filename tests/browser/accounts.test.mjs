// Ways into an account: a forgotten password by a letter, log-in with a second factor; and the pages around them and
// around who gets into a course, in both themes and widths.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, Person, register, teach } from "./people.mjs";
import { startSite } from "./site.mjs";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_MS = 30_000;

let browser, site;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

/** The newest letter to somebody, taken out of the folder; it is waited for. */
async function letterTo(address) {
  const folder = join(site.folder, "mail");
  for (let tries = 0; tries < 600; tries += 1) {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const text = await readFile(path, "utf8").catch(() => "");
      if (text.includes(`To: ${address}`) && text.trimEnd().length > 0) {
        await rm(path);
        // Lines that are long or hold an equals sign come quoted (RFC 2045, section 6.7).
        const isQuoted = /quoted-printable/i.test(text);
        return isQuoted ? text.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))) : text;
      }
    }
    await pause(100);
  }
  throw new Error(`no letter came to ${address}:\n${site.log}`);
}

const linkIn = (letter) => /https?:\/\/\S+key=[\w-]{43}/.exec(letter)[0];

/** What an authenticator shows (RFC 6238). */
function codeOf(secret, at = Date.now()) {
  const bits = [...secret.replace(/\s/g, "")].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / STEP_MS)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const offset = digest[19] & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Looks at a page in both themes and widths. */
async function examine(page, name) {
  const sent = await page.evaluate(async () => (await fetch(location.href, { headers: { Accept: "text/html" } })).text());
  assert.doesNotMatch(sent, /<[^>]+\sstyle=|<style|<script(?![^>]+src=)/, name);
  await page.setViewportSize({ width: 1280, height: 800 });
  await inspect(page, name);
}

test("who has forgotten her password chooses another by a letter", async () => {
  const maya = await register(browser, site, "maya");
  await maya.send("/accounts/profile/", { name: "", email: "maya@example.org", password: PASSWORD, timezone: "UTC", theme: "system" });
  const confirm = await maya.open(linkIn(await letterTo("maya@example.org")));
  await examine(confirm, "address-confirm");
  await confirm.getByRole("button", { name: "Confirm the address" }).click();
  await confirm.getByRole("heading", { name: "Your mail address is confirmed" }).waitFor();
  await confirm.close();

  const visitor = new Person(await openVisitor(browser, site.origin));
  const page = await visitor.open("/accounts/login/");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByRole("heading", { level: 1, name: "A new password" }).waitFor();
  await examine(page, "forgot");
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.locator(".fault-summary").waitFor();
  await examine(page, "forgot-faults");
  await page.getByLabel("User name or mail address").fill("maya@example.org");
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.getByRole("heading", { name: "Look at your mail" }).waitFor();
  await examine(page, "forgot-sent");

  const link = linkIn(await letterTo("maya@example.org"));
  await page.goto(link);
  await page.getByRole("heading", { name: "Choose a new password" }).waitFor();
  assert.equal(page.url(), `${site.origin}/accounts/password/reset/`, "the secret stands in no address");
  await examine(page, "reset");
  for (const label of ["New password", "New password again"]) {
    await page.getByLabel(label, { exact: true }).fill("amber kettle 42");
  }
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("Your new password is set").waitFor();
  await page.getByLabel("User name").fill("maya");
  await page.getByLabel("Password", { exact: true }).fill("amber kettle 42");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "You are in no course yet" }).waitFor();

  await page.goto(link);
  await page.getByRole("heading", { name: "This link does not work" }).waitFor();
  await examine(page, "reset-used");
  assert.ok(!site.log.includes(link.split("key=")[1]), "the log holds no secret");
  await visitor.close();
  await maya.close();
});

test("a second factor is set up, asked for, and stood in for by a recovery code", async () => {
  const ines = await register(browser, site, "ines");
  const page = await ines.open("/accounts/security/");
  await examine(page, "security");
  await page.getByRole("button", { name: "Set it up" }).click();
  await page.getByRole("heading", { name: "Set up two-factor log-in" }).waitFor();
  await examine(page, "two-factor-setup");
  const secret = await page.locator("code.key").innerText();
  await page.getByLabel("Code").fill("000000");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.locator(".fault-summary").waitFor();
  const used = Date.now();
  await page.getByLabel("Code").fill(codeOf(secret, used));
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.getByText("Two-factor log-in is on").waitFor();
  await inspect(page, "recovery-codes");
  const codes = await page.locator(".codes code").allInnerTexts();
  assert.equal(codes.length, 10);
  await page.getByRole("link", { name: "I have kept them" }).click();
  await page.getByText("You have 10 recovery codes left").waitFor();
  await examine(page, "security-on");
  await page.getByRole("link", { name: "Turn it off…" }).click();
  await examine(page, "two-factor-end");

  const visitor = new Person(await openVisitor(browser, site.origin));
  const login = await visitor.open("/accounts/login/?next=/messages/");
  await login.getByLabel("User name").fill("ines");
  await login.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await login.getByRole("button", { name: "Log in" }).click();
  await login.getByRole("heading", { name: "Your code" }).waitFor();
  await examine(login, "login-code");
  await login.getByLabel("Code").fill(codeOf(secret, used));
  await login.getByRole("button", { name: "Log in" }).click();
  await login.locator(".fault-summary").waitFor();
  // The next step of time is taken ahead of its hour: a phone may be a little fast.
  await login.getByLabel("Code").fill(codeOf(secret, used + STEP_MS));
  await login.getByRole("button", { name: "Log in" }).click();
  await login.waitForURL("**/messages/");
  await visitor.close();

  const lost = new Person(await openVisitor(browser, site.origin, { javaScriptEnabled: false }));
  const bare = await lost.open("/accounts/login/");
  await bare.getByLabel("User name").fill("ines");
  await bare.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await bare.getByRole("button", { name: "Log in" }).click();
  await bare.getByLabel("Code").fill(codes[0].toUpperCase());
  await bare.getByRole("button", { name: "Log in" }).click();
  await bare.waitForURL("**/students/courses/");
  await lost.close();
  await ines.close();
});

test("a teacher decides who comes in, and students see how they stand", async () => {
  const tomas = await teach(browser, site, "tomas");
  const course = await tomas.addCourse({ title: "How Strings Sing", slug: "how-strings-sing", subject: 3, overview: "Strings." });
  const page = await tomas.open(`/course/${course}/entry/`);
  await examine(page, "entry-empty");
  await page.getByRole("textbox", { name: /^Places/ }).fill("1");
  await page.getByLabel(/I decide who comes in/).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const students = [];
  for (const name of ["anna", "ben"]) {
    const student = await register(browser, site, name);
    const overview = await student.open("/course/how-strings-sing/");
    if (name === "anna") await examine(overview, "course-ask");
    await overview.getByRole("button", { name: "Ask to be let in" }).click();
    await overview.getByText("You have asked to be let in").waitFor();
    students.push({ student, overview });
  }
  await examine(students[0].overview, "course-asked");
  await page.reload();
  for (const name of ["anna", "ben"]) await page.getByRole("checkbox", { name: new RegExp(name) }).check();
  await examine(page, "entry");
  await page.getByRole("button", { name: "Let the chosen in" }).click();
  await page.getByText("2 are accepted").waitFor();
  const [anna, ben] = students;
  await ben.overview.reload();
  await ben.overview.getByText("You get the next place").waitFor();
  await examine(ben.overview, "course-waiting");
  await anna.student.send(`/students/course/${course}/leave/`, {});
  // He hears of it on the page that is open.
  await ben.overview.getByText("You are in the course “How Strings Sing” now.").first().waitFor();

  await page.getByRole("textbox", { name: /^Note/ }).fill("Spring class");
  await page.getByRole("button", { name: "Make an invitation" }).click();
  await page.getByText("it is shown this once").waitFor();
  await inspect(page, "entry-invitation");
  const link = await page.locator("#link").innerText();
  const visitor = new Person(await openVisitor(browser, site.origin));
  const join = await visitor.open(link);
  await join.getByRole("heading", { name: "You are invited to How Strings Sing" }).waitFor();
  await examine(join, "join");
  await visitor.close();
  for (const { student } of students) await student.close();
  await tomas.close();
});
