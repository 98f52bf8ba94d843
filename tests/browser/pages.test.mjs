// Every page of the site, as it stands with scripts: axe finds nothing in both themes at both widths; it is
// light, does not jump, asks no other host, and fits a screen of 320 px.

import assert from "node:assert/strict";
import { chmod, rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { Person, register, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

/** HTML, styles, scripts and icons of one page, as sent: look.md. */
const MOST_BYTES = 60_000;
/** Sum of the scores of layout shifts (web.dev/cls calls 0.1 good). */
const MOST_SHIFT = 0.02;

const OVERVIEW =
  "Strings, and why they sing.\n\n## What you will learn\n\n- Hear a node\n- Find it with a fingertip\n- Say why it is there\n\n" +
  "## Who it is for\n\nAnyone with a string and an afternoon. See [the page](https://example.org/) on strings.\n";
const READING =
  "A string that is plucked moves in *many* ways at once.\n\n## A table\n\n| Mode | Nodes |\n|---|---|\n| 1 | 0 |\n| 2 | 1 |\n\n" +
  "> A quote.\n\n```\nf = v / 2L\n```\n\n1. One\n2. Two\n\nAnd `code`, and [a link](https://example.org/).\n";

let browser, site, shelf;
/** Who looks: nobody known, a student, a teacher. */
const eyes = {};
/** The numbers of what was made. */
const made = {};

before(async () => {
  browser = await startBrowser();
  shelf = await openShelf();
  // An ffmpeg that waits while the file `closed` is there, so that a film stays in processing for as long as
  // its page is looked at.
  const waiting = `case "$*" in *-version*|*-encoders*|*-filters*) ;; *) while [ -e ${shelf.folder}/closed ]; do sleep 0.1; done ;; esac`;
  await chmod(await shelf.file("ffmpeg", `#!/bin/sh\n${waiting}\nexec ffmpeg "$@"\n`), 0o755);
  await chmod(await shelf.file("ffprobe", `#!/bin/sh\nexec ffprobe "$@"\n`), 0o755);
  site = await startSite({ LYCEUM_FFMPEG: shelf.folder });
  eyes.anonymous = new Person(await openVisitor(browser, site.origin));
  eyes.student = await register(browser, site, "maya");
  eyes.teacher = await teach(browser, site, "tomas");
  for (const person of Object.values(eyes)) await watch(person.context);
  // A web video's player is the one foreign thing on a page; what it answers is not ours to test.
  for (const { visitor, context } of [eyes.student, eyes.teacher]) {
    visitor.allow("player.vimeo.com");
    const player = '<!doctype html><html lang="en"><title>Player</title><main><h1>Player</h1></main></html>';
    await context.route("https://player.vimeo.com/**", (route) => route.fulfill({ contentType: "text/html", body: player }));
  }
});

after(async () => {
  await rm(`${shelf.folder}/closed`, { force: true });
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

/** Adds up the layout shifts of every page that is opened from now on. */
const watch = (context) =>
  context.addInitScript(() => {
    window.shift = 0;
    const add = (list) => {
      for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shift += value;
    };
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  });

/** Counts what a page takes over the wire, from an empty cache. */
async function weigh(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  const kinds = new Map();
  const weights = new Map();
  client.on("Network.responseReceived", ({ requestId, type, response }) => kinds.set(requestId, { type, url: response.url }));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => weights.set(requestId, encodedDataLength));
  return () => {
    const isOurs = ({ type, url }) => new URL(url).origin === site.origin && !["Font", "Image", "Media", "EventSource"].includes(type);
    const parts = [...kinds].filter(([id, kind]) => weights.has(id) && isOurs(kind));
    return parts.map(([id, { url }]) => ({ url, bytes: weights.get(id) }));
  };
}

/** The page has its fonts and has been drawn with them. */
const settled = (page) =>
  page.evaluate(async () => {
    await document.fonts.ready;
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  });

/** All that must hold for a page as it stands. */
async function examine(page, name) {
  await settled(page);
  assert.ok((await page.evaluate(() => window.shift)) < MOST_SHIFT, `${name} shifts by ${await page.evaluate(() => window.shift)}`);
  assert.equal(await page.locator("main").evaluate((main) => main.ownerDocument.querySelectorAll("h1").length), 1, `h1 on ${name}`);
  // Scripts may set custom properties (a player's fill); what the site sent has no style at all.
  const sent = await page.evaluate(async () => (await fetch(location.href, { headers: { Accept: "text/html" } })).text());
  assert.doesNotMatch(sent, /<[^>]+\sstyle=|<style|<script(?![^>]+src=)/, name);
  await inspect(page, name);
}

/** Opens a page and examines it. `act` brings it into the state that is meant. */
function look(who, name, address, { status = 200, act } = {}) {
  return test(`the page ${name}`, async () => {
    const page = await eyes[who].open();
    const weighed = await weigh(page);
    const path = typeof address === "function" ? address() : address;
    const answer = await page.goto(path, { waitUntil: "load" });
    assert.equal(answer.status(), status, path);
    const parts = weighed();
    const sum = parts.reduce((all, { bytes }) => all + bytes, 0);
    assert.ok(sum > 0 && sum < MOST_BYTES, `${sum} bytes: ${JSON.stringify(parts)}`);
    await act?.(page);
    await examine(page, name);
    await page.close();
  });
}

/** Sends a form as it is, so that it comes back with faults. */
const sendEmpty = (button) => async (page) => {
  await page.getByRole("main").getByRole("button", { name: button }).click();
  await page.locator(".fault-summary").waitFor();
};

// ---- before there is anything

look("anonymous", "catalogue-empty", "/");
look("student", "my-courses-empty", "/students/courses/");
look("student", "messages-empty", "/messages/");
look("teacher", "teach-empty", "/course/mine/");
look("teacher", "library-empty", "/library/");

test("a teacher writes a course with every kind of content", async () => {
  const teacher = eyes.teacher;
  made.course = await teacher.addCourse({ title: "How Strings Sing", slug: "how-strings-sing", subject: 3, overview: OVERVIEW });
  made.module = await teacher.addModule(made.course, "What moves when nothing seems to");
  await teacher.addText(made.module, "What you will see", READING);
  const film = await shelf.film("A pulse on a rope.mp4", 3, "640x360");
  const sent = await teacher.addFile(made.module, "video", "A pulse on a rope", film);
  made.film = sent.content;
  for (const language of ["en", "de"]) {
    await teacher.addCaptions(made.module, "video", sent, language, "WEBVTT\n\n00:00.500 --> 00:02.000\nA pulse travels.\n");
  }
  await teacher.addFile(made.module, "audio", "Three strings, one bow", await shelf.tone("strings.wav", 3));
  await teacher.addFile(made.module, "image", "A fingerboard with its nodes marked", await shelf.picture("board.png", "900x500"));
  await teacher.addFile(made.module, "file", "Practice log", await shelf.file("log.txt", "Monday\n"));
  await teacher.addWebVideo(made.module, "A lecture elsewhere", "https://vimeo.com/76979871");
  made.empty = await teacher.addModule(made.course, "What stands still");
  made.onTheirWay = await teacher.addModule(made.course, "On their way");
  made.hollow = await teacher.addCourse({ title: "Not written yet", slug: "not-written-yet", subject: 1 });
  await teacher.addCourse({ title: "A draft", slug: "a-draft", subject: 2, draft: true });
  for (const [index, title] of ["Proof, Gently", "Hearing Harmony", "Shell, Files and Patience"].entries()) {
    await teacher.addCourse({ title, slug: `course-${index}`, subject: [1, 2, 4][index] });
  }
  await teacher.waitForFiles(made.module);
  for (const course of [made.course, made.hollow]) await eyes.student.send("/students/enroll-course/", { course: String(course) });
  const head = Buffer.from("000000186674797069736f6d0000020069736f6d6d703432", "hex");
  const torn = await shelf.file("torn.mp4", Buffer.concat([head, Buffer.alloc(4096, 7)]));
  await teacher.addFile(made.onTheirWay, "video", "A torn film", torn);
  await teacher.waitForFiles(made.onTheirWay);
  await shelf.file("closed", "");
  await teacher.addFile(made.onTheirWay, "video", "The bow, held three ways", film);
  await teacher.addFile(made.onTheirWay, "audio", "Tuning by ear", await shelf.tone("ear.wav", 2));
  const page = await teacher.open(`/course/module/${made.onTheirWay}/`);
  await page.locator('.file-card[data-state="processing"]').first().waitFor();
  await page.close();
});

// ---- everybody

look("anonymous", "catalogue", "/");
look("anonymous", "catalogue-subject", "/course/subject/physics/");
look("anonymous", "catalogue-search", "/?q=strings");
look("anonymous", "catalogue-nothing-found", "/?q=zzzz");
look("anonymous", "course", "/course/how-strings-sing/");
look("anonymous", "course-without-modules", "/course/not-written-yet/");
look("anonymous", "login", "/accounts/login/?next=/course/how-strings-sing/");
look("anonymous", "login-faults", "/accounts/login/", { act: sendEmpty("Log in") });
look("anonymous", "register", "/students/register/");
look("anonymous", "register-faults", "/students/register/", { act: sendEmpty("Make the account") });
look("anonymous", "not-found", "/course/nothing-here/", { status: 404 });
look("anonymous", "api-root", "/api/");
look("anonymous", "api-list", "/api/courses/?page=1&page_size=2");
look("anonymous", "api-refused", () => `/api/courses/${made.course}/enroll/`, { status: 401 });
look("anonymous", "api-reference", "/api/docs/");
look("anonymous", "api-reference-courses", "/api/docs/courses/", {
  act: async (page) => {
    await page.locator("details > summary", { hasText: "Example" }).first().click();
  },
});

// ---- a student

look("student", "catalogue-student", "/", {
  act: async (page) => {
    await page.locator(".bar details.menu > summary").click();
    await page.getByRole("link", { name: "Settings" }).waitFor();
  },
});
look("student", "course-enrolled", "/course/how-strings-sing/");
look("student", "my-courses", "/students/courses/");
look("student", "lesson", () => `/students/course/${made.course}/${made.module}/`, {
  act: async (page) => {
    await page.waitForFunction(() => document.querySelector("video").readyState >= 1);
    await page.getByRole("button", { name: "Mark as done" }).first().click();
    await page.getByRole("button", { name: /^Done/ }).waitFor();
  },
});
look("student", "transcript", () => `/students/content/${made.film}/transcript/`);
look("student", "lesson-processing", () => `/students/course/${made.course}/${made.onTheirWay}/`);
look("student", "rooms", "/chat/");
look("student", "room", () => `/chat/room/${made.course}/`, {
  act: async (page) => {
    await page.locator('#room-state[data-state="here"]').waitFor();
  },
});
look("teacher", "room-log", () => `/chat/room/${made.course}/log/`);
look("student", "lesson-module-empty", () => `/students/course/${made.course}/${made.empty}/`);
look("student", "lesson-empty", () => `/students/course/${made.hollow}/`);
look("student", "leave", () => `/students/course/${made.course}/leave/`);
look("student", "profile", "/accounts/profile/");
look("student", "profile-faults", "/accounts/profile/", {
  act: async (page) => {
    await page.getByLabel(/^Email/).fill("nobody");
    await sendEmpty("Save")(page);
  },
});
look("student", "password", "/accounts/password/");
look("student", "password-faults", "/accounts/password/", { act: sendEmpty("Change the password") });
look("student", "sessions", "/accounts/sessions/");
look("student", "api-action", () => `/api/courses/${made.course}/enroll/`, { status: 405 });
look("student", "tokens", "/accounts/tokens/");
look("student", "tokens-made", "/accounts/tokens/", {
  act: async (page) => {
    await page.getByLabel("Name").fill("Laptop");
    await page.getByRole("button", { name: "Make the token" }).click();
    await page.getByText("it is shown this once").waitFor();
  },
});
look("teacher", "api-forms", () => `/api/courses/${made.course}/`);
look("teacher", "api-faults", "/api/courses/", {
  act: async (page) => {
    await page.locator("#post > div > form").getByRole("button", { name: "POST" }).click();
    await page.locator(".fault-summary").waitFor();
  },
});
look("student", "forbidden", "/course/mine/", { status: 403 });

// ---- a teacher

look("teacher", "teach", "/course/mine/");
look("teacher", "course-create", "/course/create/");
look("teacher", "course-create-faults", "/course/create/", { act: sendEmpty("Make the course") });
look("teacher", "course-edit", () => `/course/${made.course}/edit/`);
look("teacher", "course-delete", () => `/course/${made.course}/delete/`);
look("teacher", "course-own", "/course/how-strings-sing/");
look("teacher", "course-draft", "/course/a-draft/");
look("teacher", "modules", () => `/course/${made.course}/module/`);
look("teacher", "modules-faults", () => `/course/${made.course}/module/`, {
  act: async (page) => {
    await page.getByRole("textbox", { name: /title/i }).first().fill("");
    await sendEmpty("Save")(page);
  },
});
look("teacher", "outline", () => `/course/module/${made.module}/`);
look("teacher", "outline-states", () => `/course/module/${made.onTheirWay}/`);
look("teacher", "outline-menu", () => `/course/module/${made.module}/`, {
  act: async (page) => {
    await page.locator(".file-card details.menu > summary").first().click();
    await page.locator(".file-card details.menu[open] .menu-list").waitFor();
  },
});
look("teacher", "outline-empty", () => `/course/${made.hollow}/outline/`);
look("teacher", "module-edit", () => `/course/module/${made.module}/edit/`);
look("teacher", "module-delete", () => `/course/module/${made.module}/delete/`);
for (const kind of ["text", "video", "audio", "image", "file"]) {
  look("teacher", `content-${kind}`, () => `/course/module/${made.module}/content/${kind}/create/`);
}
look("teacher", "content-web-video", () => `/course/module/${made.module}/content/video/create/?from=web`);
look("teacher", "content-text-faults", () => `/course/module/${made.module}/content/text/create/`, { act: sendEmpty("Add it") });
look("teacher", "content-video-faults", () => `/course/module/${made.module}/content/video/create/`, { act: sendEmpty("Add it") });
look("teacher", "content-change", () => `/course/module/${made.module}/`, {
  act: async (page) => {
    await page.getByRole("link", { name: "A pulse on a rope" }).click();
    await page.getByRole("heading", { level: 1, name: "Change the video" }).waitFor();
  },
});
look("teacher", "content-delete", () => `/course/module/${made.module}/`, {
  act: async (page) => {
    await page.locator(".file-card details.menu > summary").first().click();
    await page.locator(".file-card").first().getByRole("link", { name: "Delete…" }).click();
    await page.getByRole("heading", { level: 1, name: /^Delete/ }).waitFor();
  },
});
look("teacher", "library", "/library/");
look("teacher", "library-chosen", "/library/?sort=size&kind=video", {
  act: async (page) => {
    await page.locator(".file-row input").first().check();
    await page.locator(".file-row details.menu > summary").first().click();
    await page.locator(".file-row details.menu[open] .menu-list").waitFor();
  },
});
look("teacher", "library-unfinished", "/library/", {
  act: async (page) => {
    await page.evaluate(async () => {
      const headers = { "Tus-Resumable": "1.0.0", "Upload-Length": "2100000000", "Upload-Metadata": `filename ${btoa("Masterclass.mov")}` };
      const token = decodeURIComponent(/csrftoken=([^;]+)/.exec(document.cookie)[1]);
      await fetch("/uploads/", { method: "POST", headers: { ...headers, "X-CSRFToken": token } });
    });
    await page.reload();
    await page.getByRole("heading", { name: "Not finished" }).waitFor();
  },
});
look("teacher", "library-discard", "/library/", {
  act: async (page) => {
    await page.getByRole("link", { name: "Discard Masterclass.mov…" }).first().click();
    await page.getByRole("heading", { level: 1, name: "Discard Masterclass.mov?" }).waitFor();
  },
});
look("teacher", "library-nothing-found", "/library/?q=zzzz");
look("teacher", "library-upload", "/library/upload/");
for (const what of ["Add to a module", "Rename", "Delete…"]) {
  look("teacher", `library-${what.replace(/\W+/g, "-").toLowerCase()}`, "/library/?state=ready", {
    act: async (page) => {
      await page.locator(".file-row details.menu > summary").first().click();
      await page.locator(".file-row").first().locator(".menu-list").getByRole("link", { name: what, exact: true }).click();
      await page.getByRole("heading", { level: 1, name: /^Add to|^Rename|^Delete/ }).waitFor();
    },
  });
}
look("teacher", "messages", "/messages/");

test("no visitor saw a fault", async () => {
  // A password that is asked for twice, and forms that come back, are answered 4xx: the tests asked for it.
  for (const [who, person] of Object.entries(eyes)) await assert.doesNotReject(person.close(), who);
});
