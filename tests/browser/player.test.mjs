// The players of a lesson: pieces and qualities, captions, transcript, thumbnails, waveform; and what is left without.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, openVisitor, startBrowser } from "./browser.mjs";
import { PASSWORD, register, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

const FILM_SECONDS = 40;

/** A cue every four seconds. */
const captions = (word) =>
  `WEBVTT\n${Array.from({ length: FILM_SECONDS / 4 }, (_, at) => {
    const time = (seconds) => `00:${String(seconds).padStart(2, "0")}.000`;
    return `\n${time(at * 4)} --> ${time(at * 4 + 4)}\n${word} ${at} is about strings & <i>nothing</i> else at all, as anyone can hear in it.\n`;
  }).join("")}`;

let browser, site, shelf, student, lesson, short;

before(async () => {
  browser = await startBrowser();
  site = await startSite();
  shelf = await openShelf();
  const teacher = await teach(browser, site, "tomas");
  const course = await teacher.addCourse({ title: "How Strings Sing", slug: "how-strings-sing", subject: 3 });
  const module = await teacher.addModule(course, "What moves");
  const film = await teacher.addFile(module, "video", "A pulse on a rope", await shelf.film("rope.mp4", FILM_SECONDS, "1280x720"));
  await teacher.addCaptions(module, "video", film, "English", captions("Sentence"));
  await teacher.addCaptions(module, "video", film, "de", captions("Satz"));
  const tone = await teacher.addFile(module, "audio", "Three strings", await shelf.tone("strings.wav", FILM_SECONDS));
  await teacher.addCaptions(module, "audio", tone, "en", captions("Note"));
  const second = await teacher.addModule(course, "What is short");
  await teacher.addFile(second, "video", "A pluck", await shelf.film("pluck.mp4", 2));
  for (const each of [module, second]) await teacher.waitForFiles(each);
  await teacher.close();
  student = await register(browser, site, "maya");
  await student.send("/students/enroll-course/", { course: String(course) });
  lesson = `/students/course/${course}/${module}/`;
  short = `/students/course/${course}/${second}/`;
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

const player = (page) => page.getByRole("group", { name: "Player: A pulse on a rope" });
const recording = (page) => page.getByRole("group", { name: "Recording: Three strings" });
const transcript = (page) => page.getByRole("region", { name: "Transcript: A pulse on a rope" });

/** Presses Play and waits until the film has moved. */
async function play(page) {
  await player(page).hover();
  await player(page).getByRole("button", { name: "Play", exact: true }).click();
  await page.waitForFunction(() => document.querySelector("video").currentTime > 0.5);
}

const pause = (page) => page.locator("video").evaluate((film) => film.pause());
const goTo = (page, seconds) =>
  page.locator("video").evaluate(
    (film, to) =>
      new Promise((resolve) => {
        film.addEventListener("seeked", () => resolve(), { once: true });
        film.currentTime = to;
      }),
    seconds,
  );

test("a film comes in pieces, in the quality that is chosen, and goes where one presses", async () => {
  const page = await student.open(lesson);
  await play(page);
  const film = page.locator("video");
  assert.match(await film.evaluate((video) => video.currentSrc), /^blob:/);
  await player(page).getByRole("button", { name: /^Quality/ }).click();
  const names = await page.getByRole("menuitemradio", { name: /p\)?$/ }).allTextContents();
  assert.ok(names.includes("720p") && names.includes("240p"), names.join());
  await page.getByRole("menuitemradio", { name: "240p", exact: true }).click();
  await page.waitForFunction(() => document.querySelector("video").videoHeight === 240);
  await player(page).getByRole("button", { name: "Quality: 240p" }).click();
  await page.getByRole("menuitemradio", { name: "720p", exact: true }).click();
  await page.waitForFunction(() => document.querySelector("video").videoHeight === 720);

  const line = player(page).getByRole("slider", { name: "Time line" });
  const { x, y, width, height } = await line.boundingBox();
  await page.mouse.click(x + width * 0.75, y + height / 2);
  await page.waitForFunction((to) => Math.abs(document.querySelector("video").currentTime - to) < 3, FILM_SECONDS * 0.75);
  await page.waitForFunction((to) => document.querySelector("video").currentTime > to, FILM_SECONDS * 0.75 + 1);
  await page.close();
});

test("a short film goes to its last tenths as soon as anything of it is there", async () => {
  const page = await student.open(short);
  await page.locator("video").evaluate((film) => {
    const jump = () => {
      if (!film.currentSrc.startsWith("blob:")) return;
      film.removeEventListener("canplay", jump);
      film.currentTime = film.duration - 0.06;
    };
    film.addEventListener("canplay", jump);
  });
  await page.getByRole("group", { name: "Player: A pluck" }).getByRole("button", { name: "Play", exact: true }).click();
  await page.waitForFunction(() => {
    const film = document.querySelector("video");
    return film.ended || (!film.seeking && film.readyState > 1 && film.currentTime > film.duration - 0.1);
  });
  await page.close();
});

test("a film that ends without a connection leaves the lesson where it is, and it can be marked by hand", async () => {
  const visitor = await openVisitor(browser, site.origin, { storageState: await student.context.storageState() });
  const page = await visitor.open(short);
  const button = page.locator(".mark-done button");
  // It may have been played before.
  if ((await button.innerText()).includes("Done")) await button.click();
  await page.getByRole("button", { name: "Mark as done" }).waitFor();
  await page.getByRole("group", { name: "Player: A pluck" }).getByRole("button", { name: "Play", exact: true }).click();
  await page.waitForFunction(() => {
    const { buffered, currentSrc, duration } = document.querySelector("video");
    return currentSrc.startsWith("blob:") && buffered.length > 0 && duration - buffered.end(buffered.length - 1) < 0.5;
  });
  const lost = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/done/"));
  await visitor.context.setOffline(true);
  await page.locator("video").evaluate((film) => {
    film.currentTime = film.duration - 0.3;
    return film.play().catch(() => {});
  });
  await lost;
  await visitor.context.setOffline(false);
  await page.getByRole("button", { name: "Mark as done" }).click();
  await page.getByRole("button", { name: "Done" }).waitFor();
  await visitor.context.close();
  assert.deepEqual(visitor.faults.filter((fault) => !/ERR_INTERNET_DISCONNECTED/.test(fault)), []);
});

test("captions are shown in the language that is chosen, and the browser remembers it", async () => {
  const page = await student.open(lesson);
  await play(page);
  await pause(page);
  const shown = player(page).locator(".cues");
  await player(page).getByRole("button", { name: "Captions: off (c)" }).click();
  await page.getByRole("menuitemradio", { name: "Deutsch" }).click();
  await goTo(page, 9);
  await shown.getByText("Satz 2 is about strings & nothing else").waitFor();
  assert.equal(await shown.locator("i").textContent(), "nothing");
  await page.close();

  const again = await student.open(lesson);
  await player(again).getByRole("button", { name: "Captions: Deutsch (c)" }).waitFor();
  await play(again);
  await pause(again);
  await goTo(again, 13);
  await player(again).locator(".cues").getByText("Satz 3").waitFor();
  // After German comes English, then nothing.
  await again.locator("video").press("c");
  await player(again).locator(".cues").getByText("Sentence 3").waitFor();
  await again.locator("video").press("c");
  await player(again).getByRole("button", { name: "Captions: off (c)" }).waitFor();
  assert.equal(await player(again).locator(".cues p").count(), 0);
  await again.close();
});

test("the transcript follows what is spoken, is searched, and leads to its places", async () => {
  const page = await student.open(lesson);
  await play(page);
  await pause(page);
  const words = transcript(page);
  await words.getByLabel("Language of the transcript").selectOption({ label: "English" });
  await goTo(page, 21);
  const current = words.locator('li[aria-current="true"]');
  await current.getByText("Sentence 5").waitFor();
  const list = words.getByRole("list", { name: "Lines of the transcript" });
  const isInView = () =>
    list.evaluate((all) => {
      const [outer, inner] = [all, all.querySelector("[aria-current]")].map((each) => each.getBoundingClientRect());
      return inner.top >= outer.top && inner.bottom <= outer.bottom;
    });
  assert.ok(await isInView());

  await words.getByRole("button", { name: "Search the transcript" }).click();
  await words.getByRole("searchbox").fill("SENTENCE 8 is");
  const found = (told) => words.locator(".count").filter({ hasText: new RegExp(`^${told}$`) }).waitFor();
  await found("1 of 1");
  assert.equal(await words.locator("mark").allTextContents().then((all) => all.join("")), "Sentence 8 is");
  await words.getByRole("searchbox").fill("nothing");
  await found("1 of 10");
  await words.getByRole("button", { name: "Next match" }).click();
  await found("2 of 10");
  await words.getByRole("button", { name: "Previous match" }).click();
  await words.getByRole("button", { name: "Previous match" }).click();
  await found("10 of 10");
  // Who presses Enter before the search has begun means the new words, not the next of the old ones.
  await words.getByRole("searchbox").fill("SENTENCE 3");
  await words.getByRole("searchbox").press("Enter");
  await found("1 of 1");
  await words.getByRole("button", { name: "Close the search" }).click();
  assert.equal(await words.locator("mark").count(), 0);

  // Searching has let go of what is spoken; a press on a line takes it up again, and plays from there.
  await words.getByRole("button", { name: "Follow what is spoken" }).waitFor();
  await words.getByText("Sentence 7").click();
  await page.waitForFunction(() => {
    const film = document.querySelector("video");
    return !film.paused && film.currentTime > 28 && film.currentTime < 32;
  });
  await current.getByText("Sentence 7").waitFor();
  await words.getByRole("button", { name: "Following what is spoken" }).waitFor();
  await pause(page);
  await words.getByRole("button", { name: "Play from 0:08" }).click();
  await page.waitForFunction(() => document.querySelector("video").currentTime < 12);
  await pause(page);
  await inspect(page, "lesson-transcript");
  await page.close();
});

test("a picture of the place stands over the time line, for pointers and for keys", async () => {
  const page = await student.open(lesson);
  await player(page).hover();
  const line = player(page).getByRole("slider", { name: "Time line" });
  const { x, y, width, height } = await line.boundingBox();
  const picture = page.waitForResponse((answer) => /\/sprite-0\.jpg$/.test(answer.url()) && answer.ok());
  await page.mouse.move(x + width / 2, y + height / 2);
  const preview = player(page).locator(".preview");
  await preview.getByText("0:20").waitFor();
  await picture;
  const place = () => preview.locator(".picture").evaluate((shown) => shown.style.backgroundPosition);
  const before = await place();
  await page.mouse.move(x + width * 0.9, y + height / 2);
  await preview.getByText("0:36").waitFor();
  assert.notEqual(await place(), before);
  await page.mouse.move(0, 0);
  await preview.waitFor({ state: "hidden" });
  await goTo(page, 0);
  await page.locator("video").focus();
  await page.keyboard.press("Tab");
  await preview.getByText("0:00").waitFor();
  assert.equal(await line.evaluate((input) => document.activeElement === input), true);
  await page.close();
});

test("a waveform is pressed to hear a place, and the transcript of a recording unfolds", async () => {
  const page = await student.open(lesson);
  const box = recording(page);
  await box.locator("svg.waveform path.rest[d]").waitFor();
  await box.scrollIntoViewIfNeeded();
  const wave = await box.locator(".wave").boundingBox();
  await page.mouse.click(wave.x + wave.width / 2, wave.y + wave.height / 2);
  const sound = page.locator("audio");
  await page.waitForFunction((middle) => Math.abs(document.querySelector("audio").currentTime - middle) < 2, FILM_SECONDS / 2);
  const share = await box.locator("svg.part").evaluate((part) => part.width.baseVal.value / part.closest(".wave").clientWidth);
  assert.ok(Math.abs(share - 0.5) < 0.05, String(share));
  await box.getByRole("slider", { name: "Time line" }).press("End");
  await page.waitForFunction((end) => document.querySelector("audio").currentTime > end - 1, FILM_SECONDS);
  await box.getByRole("button", { name: "Transcript" }).click();
  const words = page.getByRole("region", { name: "Transcript: Three strings" });
  await words.getByText("Note 3").click();
  await page.waitForFunction(() => {
    const { paused, currentTime } = document.querySelector("audio");
    return !paused && currentTime >= 12 && currentTime < 18;
  });
  await sound.evaluate((each) => each.pause());
  await box.getByRole("button", { name: "Transcript" }).click();
  await words.waitFor({ state: "hidden" });
  await page.close();
});

test("a lost connection is told in plain words, and the film goes on when it is back", async () => {
  const visitor = await openVisitor(browser, site.origin, { storageState: await student.context.storageState() });
  const page = await visitor.context.newPage();
  // The beginning comes, and then nothing more: whatever had come would be played.
  const pieces = /\/(v\d+|sound)\.mp4$/;
  let isLost = false;
  await page.route(pieces, (route) => (isLost ? route.abort("connectionfailed") : route.continue()));
  page.on("requestfinished", (request) => {
    if (/\/v\d+\.mp4$/.test(request.url())) isLost = true;
  });
  await page.goto(lesson);
  await player(page).hover();
  await player(page).getByRole("button", { name: "Play", exact: true }).click();
  await page.getByRole("alert").getByText(/connection was lost/).waitFor();
  const stood = await page.locator("video").evaluate((film) => film.currentTime);
  await page.unroute(pieces);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.waitForFunction((from) => document.querySelector("video").currentTime > from + 2, stood);
  await page.getByRole("alert").waitFor({ state: "hidden" });
  await visitor.context.close();
  // Chromium complains of what could not be had; nothing else may be amiss.
  assert.deepEqual(visitor.faults.filter((fault) => !/ERR_CONNECTION_FAILED/.test(fault)), []);
});

test("without a script the film is a plain player with captions, and the transcript a text to unfold", async () => {
  const visitor = await openVisitor(browser, site.origin, { javaScriptEnabled: false });
  const page = await visitor.open(`/accounts/login/?next=${lesson}`);
  await page.getByLabel("User name").fill("maya");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  const film = page.locator("video[controls][src$='/video.mp4']");
  await film.waitFor();
  assert.equal(await film.locator("track[kind=captions]").count(), 2);
  await page.locator("details.transcript > summary").first().click();
  await page.getByText("Satz 9").waitFor();
  await page.getByRole("link", { name: "English" }).first().click();
  await page.getByRole("heading", { level: 1, name: "Transcript" }).waitFor();
  await page.getByText("Sentence 9").waitFor();
  await visitor.close();
});

test("no page of the student saw a fault", async () => {
  await student.close();
});
