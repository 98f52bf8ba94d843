// Two people talk in the room of a course; one of them loses her connection, writes on, and comes back to a complete
// room. What was written meanwhile is sent once, also after the site was killed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { inspect, startBrowser } from "./browser.mjs";
import { dropFiles, register, teach } from "./people.mjs";
import { openShelf } from "./recordings.mjs";
import { startSite } from "./site.mjs";

let browser, shelf, site;

before(async () => {
  browser = await startBrowser();
  shelf = await openShelf();
  // Many lines are said at once here, to have a history.
  site = await startSite({ LYCEUM_CHAT_RATE: "1000/second" });
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await shelf?.remove();
});

/** A teacher and a student, each with the room of one course before her. */
async function open(name) {
  const clara = await teach(browser, site, `clara-${name}`);
  const course = await clara.addCourse({ title: `Course ${name}`, slug: `course-${name}` });
  const maya = await register(browser, site, `maya-${name}`);
  await maya.send("/students/enroll-course/", { course: String(course) });
  const pages = [];
  for (const person of [clara, maya]) {
    const page = await person.open(`/chat/room/${course}/`);
    await here(page);
    pages.push(page);
  }
  return { clara, maya, pages, course };
}

const here = (page) => page.locator('#room-state[data-state="here"]').waitFor();
const away = (page) => page.locator('#room-state[data-state="away"]').waitFor();
const line = (page, words) => page.locator(".line:not(.is-waiting)", { hasText: words });

async function say(page, words) {
  await page.getByLabel("Your line").fill(words);
  await page.keyboard.press("Enter");
}

/** Says something, and waits until everybody has it. */
async function tell(page, words) {
  await say(page, words);
  await line(page, words).waitFor();
}

const wordsOf = (page) => page.locator(".line:not(.is-waiting) .text").allInnerTexts();

/** A button of the line's own, which come with the pointer. */
async function press(page, words, name) {
  await line(page, words).hover();
  await line(page, words).getByRole("button", { name }).click();
}

/** The line with these words has the focus: she was led there. What a search has found has the same words, and the focus before. */
const jumped = (page, words) =>
  page.waitForFunction((text) => document.querySelector("#room-list .line:focus .text")?.textContent === text, words);

test("two talk, and what one says the other reads at once, as text", async () => {
  const { pages } = await open("talk");
  const [clara, maya] = pages;
  await say(maya, "Why does `ORDER BY` sort? See https://example.org/plan. <b>Really</b>");
  await line(clara, "Why does").waitFor();
  assert.equal(await line(clara, "Why does").locator("code").innerText(), "ORDER BY");
  assert.equal(await line(clara, "Why does").locator(".text a").getAttribute("href"), "https://example.org/plan");
  assert.equal(await line(clara, "Why does").locator("b").count(), 0);
  await say(clara, "Because it must.");
  await line(maya, "Because it must.").getByText("Teacher").waitFor();
  await inspect(maya, "the room of a course");

  await press(maya, "Why does", "Change this line");
  await maya.getByLabel("Your line").fill("Why does it sort?");
  await maya.keyboard.press("Enter");
  await line(clara, "Why does it sort?").getByText("edited").waitFor();
  await maya.reload();
  await here(maya);
  assert.deepEqual(await wordsOf(maya), ["Why does it sort?", "Because it must."]);

  maya.on("dialog", (dialog) => dialog.accept());
  await press(maya, "Why does it sort?", "Delete this line");
  await line(clara, "Why does it sort?").waitFor({ state: "detached" });
});

test("who loses her connection writes on, and comes back to a complete room", async () => {
  const { maya: person, pages } = await open("away");
  const [clara, maya] = pages;
  await say(clara, "one");
  await line(maya, "one").waitFor();
  await person.context.setOffline(true);
  await away(maya);
  await maya.getByText(/No connection/).waitFor();
  assert.equal(await maya.locator("#room-here > li").count(), 0, "who is here is not known now");
  await say(maya, "written while away");
  await maya.locator(".is-waiting", { hasText: "written while away" }).getByText("Not sent yet").waitFor();
  await inspect(maya, "a room without its connection");
  // The site breaks down meanwhile, and is there again.
  await site.kill();
  await away(clara);
  await site.start();
  await here(clara);
  await tell(clara, "two");
  // What is not sent yet survives its page.
  await person.context.setOffline(false);
  await maya.reload();
  await here(maya);
  await line(maya, "written while away").waitFor();
  await line(clara, "written while away").waitFor();
  assert.equal(await maya.locator(".is-waiting").count(), 0);
  const heard = await wordsOf(maya);
  assert.deepEqual(heard, ["one", "two", "written while away"]);
  assert.deepEqual(await wordsOf(clara), heard);
});

test("a line that was on its way when the connection broke is there once", async () => {
  const { pages } = await open("once");
  const [clara, maya] = pages;
  // The answer to the first try never comes.
  const context = maya.context();
  const held = [];
  await context.routeWebSocket(/\/ws\/chat\/room\//, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      const isAnswer = /"type":"ack"|"client_id"/.test(String(message));
      if (isAnswer && held.length === 0) {
        held.push(message);
        return socket.close({ code: 1012, reason: "" });
      }
      return socket.send(message);
    });
  });
  await maya.reload();
  await here(maya);
  await say(maya, "once and no more");
  await line(maya, "once and no more").waitFor();
  await maya.locator(".is-waiting").waitFor({ state: "detached" });
  assert.equal(held.length, 1);
  await tell(maya, "and after that");
  await line(clara, "and after that").waitFor();
  assert.deepEqual(await wordsOf(clara), ["once and no more", "and after that"]);
  assert.deepEqual(await wordsOf(maya), ["once and no more", "and after that"]);
});

test("a mention is completed, marked, and reaches the other's bell; an answer leads to what it answers", async () => {
  const { clara: teacher, pages } = await open("named");
  const [clara, maya] = pages;
  await tell(clara, "Who has heard it?");
  await line(maya, "Who has heard it?").waitFor();
  const elsewhere = await teacher.open("/messages/");
  await press(maya, "Who has heard it?", "Answer this line");
  await maya.getByText("To clara-named: Who has heard it?").waitFor();
  const field = maya.getByLabel("Your line");
  await field.pressSequentially("I have, @cla");
  await maya.getByRole("option", { name: /clara-named/ }).waitFor();
  await field.press("Enter");
  assert.equal(await field.inputValue(), "I have, @clara-named ");
  await field.press("Enter");
  const answer = line(clara, "I have, @clara-named");
  await answer.waitFor();
  await answer.locator(".mention.is-me").waitFor();
  assert.match(await answer.locator(".quote").innerText(), /Who has heard it\?/);
  await elsewhere.getByText(/mentioned you in the room/).first().waitFor();
  await answer.locator(".quote").click();
  await jumped(clara, "Who has heard it?");
});

test("a line that is being changed is not thrown away by anything else that is pressed", async () => {
  const { pages } = await open("changing");
  const [clara, maya] = pages;
  await tell(clara, "What did you hear?");
  await tell(maya, "A fifth");
  const field = maya.getByLabel("Your line");
  await field.press("ArrowUp");
  await maya.getByText("You are changing a line.", { exact: true }).waitFor();
  await field.pressSequentially(", I should say");
  await press(maya, "What did you hear?", "Answer this line");
  await maya.getByText("Save it with Enter, or leave it as it was, first.").waitFor();
  await maya.locator("#room-file").setInputFiles(await shelf.picture("heard.png", "64x40"));
  assert.equal(await field.inputValue(), "A fifth, I should say");
  await field.press("Enter");
  await line(clara, "A fifth, I should say").waitFor();
});

test("a name that is completed before other words is taken once, and Enter sends then", async () => {
  const { pages } = await open("between");
  const [clara, maya] = pages;
  // Names are of those who are known to be there, or to have spoken.
  await tell(clara, "Here are the notes.");
  await line(maya, "Here are the notes.").waitFor();
  const field = maya.getByLabel("Your line");
  await field.fill("Thanks for this");
  await field.evaluate((each) => each.setSelectionRange(6, 6));
  await field.pressSequentially(" @cla");
  await maya.getByRole("option", { name: /clara-between/ }).waitFor();
  await field.press("Enter");
  assert.equal(await field.inputValue(), "Thanks @clara-between for this");
  await field.press("Enter");
  await line(clara, "Thanks @clara-between for this").waitFor();
});

test("what is written from right to left begins at the right", async () => {
  const { pages } = await open("direction");
  const [clara, maya] = pages;
  await tell(clara, "\u0645\u0631\u062d\u0628\u0627.");
  const shown = line(maya, "\u0645\u0631\u062d\u0628\u0627").locator(".text");
  const [first, stop] = await shown.evaluate((each) => {
    const text = document.createTreeWalker(each, NodeFilter.SHOW_TEXT).nextNode();
    return [0, text.data.indexOf(".")].map((at) => {
      const range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      return range.getBoundingClientRect().left;
    });
  });
  assert.ok(stop < first, `the full stop stands at ${stop}, the first letter at ${first}`);
});

test("who types is told, and who is here", async () => {
  const { pages } = await open("here");
  const [clara, maya] = pages;
  await clara.locator("#room-here", { hasText: "maya-here" }).waitFor();
  await maya.locator("#room-here", { hasText: "clara-here" }).waitFor();
  await maya.getByLabel("Your line").pressSequentially("I am");
  await clara.getByText("maya-here is typing").waitFor();
  await maya.close();
  await clara.locator('#room-here [data-person]', { hasText: "maya-here" }).waitFor({ state: "detached" });
  await clara.getByText("Earlier today").waitFor();
});

test("what is new is marked since when, and the bar counts its rooms until it is read", async () => {
  const { clara: teacher, maya: student, pages, course } = await open("marks");
  const [clara, maya] = pages;
  await tell(clara, "before she goes");
  await line(maya, "before she goes").waitFor();
  const read = maya.waitForFunction(() => document.getElementById("room").dataset.read !== "0");
  await read;
  await maya.goto("/students/courses/");
  await tell(clara, "while she is away");
  await maya.locator('.bar [data-rooms] .badge:has-text("1")').first().waitFor();
  await maya.goto(`/chat/room/${course}/`);
  await here(maya);
  const mark = maya.locator("#room-mark");
  assert.match(await mark.innerText(), /^New since \d\d:\d\d$/);
  assert.match(await mark.evaluate((each) => each.nextElementSibling.textContent), /while she is away/);
  await maya.locator(".bar a.rooms .badge").waitFor({ state: "hidden" });
  await maya.goto("/students/courses/");
  assert.equal(await maya.locator(".bar a.rooms .badge").isVisible(), false);
  await teacher.close();
  await student.close();
});

test("the teacher mutes, slows and locks, and it stands in the log", async () => {
  const { pages, course } = await open("order");
  const [clara, maya] = pages;
  await tell(maya, "too loud");
  await line(clara, "too loud").waitFor();
  await press(clara, "too loud", /^Mute maya-order/);
  await clara.getByRole("dialog").getByRole("button", { name: "An hour" }).click();
  await maya.locator("#room-shut", { hasText: /You can read, but not write, until/ }).waitFor();
  assert.equal(await maya.locator("#room-write").isVisible(), false);
  await press(clara, "too loud", /^Mute maya-order/);
  await inspect(clara, "a moderator asks for how long");
  await clara.getByRole("dialog").getByRole("button", { name: "May write again" }).click();
  await maya.getByLabel("Your line").waitFor();

  await clara.getByLabel("Moderate").click();
  await clara.getByRole("button", { name: "Lock the room" }).click();
  await maya.locator("#room-shut", { hasText: "This room is locked" }).waitFor();
  await tell(clara, "Only I write now.");
  await line(maya, "Only I write now.").waitFor();
  await inspect(maya, "a locked room");
  await clara.getByLabel("Moderate").click();
  await clara.getByRole("button", { name: "Open the room" }).click();
  await maya.getByLabel("Your line").waitFor();

  await clara.getByLabel("Moderate").click();
  await clara.getByLabel("Slow down: one line each").selectOption("3600");
  await clara.getByRole("button", { name: "Set" }).click();
  await maya.getByText("Slow: one line each 60 min").waitFor();
  await tell(maya, "the first is taken");
  await say(maya, "the second waits");
  await maya.locator(".is-waiting", { hasText: "the second waits" }).getByText(/Goes in/).waitFor();

  await clara.goto(`/chat/room/${course}/log/`);
  const log = clara.locator("section", { has: clara.getByRole("heading", { name: "What was done" }) });
  const acts = await log.locator("li p").allInnerTexts();
  assert.equal(acts.length, 5, acts.join("; "));
  assert.match(acts[4], /clara-order muted maya-order until/);
  await inspect(clara, "the log of a room");
});

test("without a script a room is read page by page, searched and moderated", async () => {
  const { clara: teacher, maya: student, pages, course } = await open("plain");
  const [clara] = pages;
  for (let number = 1; number <= 3; number += 1) await tell(clara, `plain line ${number}`);
  const plain = await browser.newContext({ baseURL: site.origin, javaScriptEnabled: false, storageState: await student.context.storageState() });
  const page = await plain.newPage();
  await page.goto(`/chat/room/${course}/`);
  assert.equal(await page.locator(".line").count(), 3);
  await page.goto(`/chat/room/${course}/?before=3`);
  assert.equal(await page.locator(".line").count(), 2);
  await page.getByRole("link", { name: "Later lines" }).click();
  await line(page, "plain line 3").waitFor();
  await page.goto(`/chat/room/${course}/?q=line+2`);
  await page.locator("#room-found a").click();
  await page.locator(".line", { hasText: "plain line 2" }).waitFor();
  await plain.close();
  const hers = await browser.newContext({ baseURL: site.origin, javaScriptEnabled: false, storageState: await teacher.context.storageState() });
  const desk = await hers.newPage();
  await desk.goto(`/chat/room/${course}/log/`);
  await desk.getByRole("button", { name: "Lock the room" }).click();
  await desk.getByText("It is locked").waitFor();
  await hers.close();
});

const attached = (page) => page.locator("#room-attached > li");

/** A picture from the clipboard, as a browser gives it to a page. */
async function paste(page, path) {
  const bytes = (await readFile(path)).toString("base64");
  await page.getByLabel("Your line").evaluate((field, [name, content]) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name, { type: "image/png" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, [basename(path), bytes]);
}

test("a picture is pasted, described and sent; the other sees it in its place, opens it, and loses it with its line", async () => {
  const { maya: student, pages } = await open("pictures");
  const [clara, maya] = pages;
  await paste(maya, await shelf.picture("plan.png", "800x500"));
  await attached(maya).getByText("plan.png", { exact: true }).waitFor();
  await maya.getByLabel("plan.png shows:").fill("The plan of a query");
  await attached(maya).getByText("Ready").waitFor();
  await inspect(maya, "a line with a picture that is being written");
  // Another one is dropped, and one is taken back.
  await dropFiles(maya.locator("#room"), [await shelf.picture("tall.png", "300x900"), await shelf.picture("no.png", "20x20")], "image/png");
  await attached(maya).getByText("no.png", { exact: true }).waitFor();
  await maya.getByRole("button", { name: "Remove no.png" }).click();
  assert.equal(await attached(maya).count(), 2);
  await say(maya, "Why so slow?");
  const shown = line(clara, "Why so slow?").locator(".pictures img");
  await shown.nth(1).waitFor();
  assert.equal(await attached(maya).count(), 0);
  assert.equal(await shown.count(), 2);
  assert.deepEqual(await shown.evaluateAll((all) => all.map((each) => [each.alt, each.width, each.height])), [
    ["The plan of a query", 320, 200], ["A picture without a description", 80, 240],
  ]);
  await clara.waitForFunction(() => [...document.querySelectorAll(".pictures img")].every((each) => each.complete && each.naturalWidth > 0));
  await line(maya, "Why so slow?").locator(".pictures img").nth(1).waitFor();
  await maya.locator(".is-waiting").waitFor({ state: "detached" });
  await inspect(clara, "a room with pictures");

  const link = line(clara, "Why so slow?").getByRole("link", { name: "The plan of a query" });
  await link.focus();
  await clara.keyboard.press("Enter");
  const dialog = clara.getByRole("dialog", { name: "Picture" });
  await dialog.getByRole("img", { name: "The plan of a query" }).waitFor();
  await clara.keyboard.press("ArrowRight");
  await dialog.getByText("2 of 2: A picture without a description").waitFor();
  await clara.keyboard.press("ArrowLeft");
  await inspect(clara, "a picture in full");
  await clara.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await link.evaluate((each) => each === document.activeElement), true);

  // A page without a script has it, too.
  const plain = await browser.newContext({ baseURL: site.origin, javaScriptEnabled: false, storageState: await student.context.storageState() });
  const page = await plain.newPage();
  await page.goto(maya.url());
  const address = await line(page, "Why so slow?").locator(".pictures a").first().getAttribute("href");
  assert.equal((await page.goto(address)).headers()["content-type"], "image/png");
  await plain.close();

  maya.on("dialog", (dialogue) => dialogue.accept());
  await press(maya, "Why so slow?", "Delete this line");
  await line(clara, "Why so slow?").waitFor({ state: "detached" });
  const answer = await clara.request.get(address);
  assert.equal(answer.status(), 404);
});

test("a picture that is added without a connection waits with its line, which says so, and goes when it is back", async () => {
  const { maya: person, pages } = await open("slow");
  const [clara, maya] = pages;
  // What pictures need is here before the connection goes.
  await maya.locator("#room-file").setInputFiles(await shelf.picture("first.png", "640x400"));
  await attached(maya).getByText("Ready").waitFor();
  await maya.getByLabel("Your line").press("Enter");
  const first = clara.locator(".line .pictures img").first();
  await first.waitFor();
  await person.context.setOffline(true);
  await away(maya);
  await maya.locator("#room-file").setInputFiles(await shelf.picture("second.png", "640x400"));
  await attached(maya).getByText("Goes when you are back").waitFor();
  await say(maya, "from the tunnel");
  await maya.locator(".is-waiting", { hasText: "from the tunnel" }).getByText("Keep this page open").waitFor();
  await say(maya, "and after it");
  await person.context.setOffline(false);
  await line(clara, "from the tunnel").locator(".pictures img").waitFor();
  await line(clara, "and after it").waitFor();
  assert.deepEqual(await wordsOf(clara), ["", "from the tunnel", "and after it"]);
  await maya.locator(".is-waiting").first().waitFor({ state: "detached" });
  assert.equal(await maya.locator(".is-waiting").count(), 0);
  // A draft keeps those that the site has.
  await maya.locator("#room-file").setInputFiles(await shelf.picture("third.png", "640x400"));
  await attached(maya).getByText("Ready").waitFor();
  await maya.reload();
  await here(maya);
  await attached(maya).getByText("third.png", { exact: true }).waitFor();
  await attached(maya).getByText("Ready").waitFor();
  await maya.getByLabel("Your line").press("Enter");
  await clara.waitForFunction(() => document.querySelectorAll(".line .pictures img").length === 3);
  // What is no picture says so, and nothing of it goes.
  await maya.locator("#room-file").setInputFiles(await shelf.file("notes.txt", "notes"));
  await maya.getByText("notes.txt is no picture that can be shown here.").waitFor();
  await maya.locator("#room-file").setInputFiles({ name: "torn.png", mimeType: "image/png", buffer: Buffer.from("89504e470d0a1a0a0000000d49484452", "hex") });
  await attached(maya).locator(".state", { hasText: /damaged|cannot|no picture/ }).waitFor();
  await say(maya, "with a torn one");
  await maya.getByText("torn.png cannot be shown. Remove it, then send the line.").waitFor();
  await maya.getByRole("button", { name: "Remove torn.png" }).click();
  await maya.getByLabel("Your line").press("Enter");
  await line(clara, "with a torn one").waitFor();
});

test("the room opens beside the lesson, which stays the larger", async () => {
  const { clara: teacher, maya: student, pages, course } = await open("beside");
  const module = await teacher.addModule(course, "The first module");
  await teacher.addText(module, "To read", "Some words.");
  const page = await student.open(`/students/course/${course}/${module}/`);
  await page.setViewportSize({ width: 1280, height: 900 });
  const button = page.getByRole("button", { name: "Room", exact: true });
  // Pressed twice, it opens once.
  await button.dblclick();
  await here(page);
  assert.equal(await page.locator("#lesson-room").count(), 1);
  await tell(pages[0], "Do you hear me in there?");
  await line(page, "Do you hear me in there?").waitFor();
  await tell(page, "Yes, beside the lesson.");
  await line(pages[0], "Yes, beside the lesson.").waitFor();
  await page.locator("#room-file").setInputFiles(await shelf.picture("beside.png", "640x400"));
  await page.getByLabel("beside.png shows:").fill("A test card");
  await say(page, "and this");
  await line(page, "and this").getByRole("link", { name: "A test card" }).click();
  await page.getByRole("dialog").getByRole("img", { name: "A test card" }).waitFor();
  await page.keyboard.press("Escape");
  const widths = await page.evaluate(() => [".lesson-main", ".lesson-room"].map((part) => document.querySelector(part).getBoundingClientRect().width));
  assert.ok(widths[0] > widths[1], widths.join(" and "));
  await inspect(page, "the room beside a lesson");
  // It stays open from one page to the next, until she closes it.
  await page.reload();
  await here(page);
  await page.getByRole("button", { name: "Close the room" }).click();
  assert.equal(await page.locator("#lesson-room").count(), 0);
  assert.equal(await button.getAttribute("aria-expanded"), "false");
  await page.reload();
  assert.equal(await page.locator("#lesson-room").count(), 0);
});

test("the history is read upwards while the place stays, and a jump back leads to the newest line", async () => {
  const { pages, course, maya: student } = await open("history");
  const [clara] = pages;
  await clara.evaluate(async (id) => {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/chat/room/${id}/?v=2`);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    for (let number = 1; number <= 130; number += 1) {
      const kept = new Promise((resolve) => {
        socket.onmessage = ({ data }) => JSON.parse(data).type === "ack" && resolve();
      });
      socket.send(JSON.stringify({ message: `history ${number}`, client_id: `n${number}` }));
      await kept;
    }
    socket.close();
  }, course);
  const page = await student.open(`/chat/room/${course}/`);
  await here(page);
  const shown = () => page.locator(".line").count();
  assert.ok((await shown()) <= 60);
  const scroller = page.locator("#room-lines");
  const first = page.locator(".line").first();
  const name = await first.getAttribute("id");
  await first.evaluate((each) => each.scrollIntoView({ block: "start" }));
  await page.waitForFunction((id) => document.querySelector(".line").id !== id, name);
  const top = await page.locator(`#${name}`).evaluate((each) => each.getBoundingClientRect().top - document.getElementById("room-lines").getBoundingClientRect().top);
  assert.ok(top > -80 && top < 200, `the line stands at ${top}`);
  await page.getByRole("link", { name: "Search this room" }).click();
  await page.getByLabel("Words in this room").fill("history 7");
  await page.locator("#room-found a", { hasText: /history 7$/ }).click();
  await jumped(page, "history 7");
  assert.equal(await page.locator("#room-list .text", { hasText: /^history 130$/ }).count(), 0);
  // What comes live meanwhile makes no hole.
  await tell(clara, "live and new");
  await page.locator("#room-down").click();
  await line(page, "live and new").waitFor();
  assert.equal(await page.locator('#room-list .line[tabindex="0"]').count(), 1, "the Tab key stops at one of the lines");
  const numbers = (await wordsOf(page)).map((words) => Number(/^history (\d+)/.exec(words)?.[1] ?? 131));
  assert.deepEqual(numbers, numbers.map((_, place) => numbers[0] + place));
  assert.ok(await scroller.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight < 80));
});

test("by the keyboard and by ear: lines are a log, one of them a stop, and each says who, when and what", async () => {
  const { pages } = await open("keys");
  const [clara, maya] = pages;
  for (const words of ["first of three", "second of three", "third of three"]) await tell(maya, words);
  await line(clara, "third of three").waitFor();
  const tree = await maya.locator("#room").ariaSnapshot();
  assert.match(tree, /log "What was said in this room"/);
  assert.match(tree, /textbox "Your line"/);
  assert.match(tree, /status: .*Connected/);
  await maya.getByLabel("Your line").focus();
  // Backwards from the field: its tools are after it, the newest line before it.
  await maya.keyboard.press("Shift+Tab");
  const focused = () => maya.evaluate(() => document.activeElement.id);
  assert.equal(await focused(), await line(maya, "third of three").getAttribute("id"));
  await maya.keyboard.press("ArrowUp");
  assert.equal(await focused(), await line(maya, "second of three").getAttribute("id"));
  const named = maya.getByRole("listitem", { name: /maya-keys .*\d\d:\d\d second of three/ });
  assert.equal(await named.count(), 1);
  await maya.keyboard.press("Tab");
  assert.equal(await maya.evaluate(() => document.activeElement.getAttribute("aria-label")), "Answer this line");
  await maya.keyboard.press("Escape");
  assert.equal(await focused(), "room-text");
  // The last of her own lines is changed from the empty field.
  await maya.keyboard.press("ArrowUp");
  assert.equal(await maya.getByLabel("Your line").inputValue(), "third of three");
  await maya.keyboard.press("Escape");
  assert.equal(await maya.getByLabel("Your line").inputValue(), "");
});

test("code with a language is colored, and a draft survives its page", async () => {
  const { pages } = await open("code");
  const [clara, maya] = pages;
  const field = maya.getByLabel("Your line");
  await field.fill("Look:\n```sql\nSELECT title FROM modules -- <b>all</b>\n```");
  await field.press("Enter");
  const code = line(clara, "SELECT title").locator("pre code");
  await code.locator(".hljs-keyword", { hasText: "SELECT" }).waitFor();
  assert.equal(await code.innerText(), "SELECT title FROM modules -- <b>all</b>");
  await field.fill("not yet said");
  await maya.reload();
  await here(maya);
  assert.equal(await maya.getByLabel("Your line").inputValue(), "not yet said");
  await inspect(clara, "a room with code");
});
