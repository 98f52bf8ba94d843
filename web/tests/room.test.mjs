// What a room says in words, who completes to which name, and how words of people become elements. Run by `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asCode, asLink, dayWords, fit, goesOn, isComposing, marked, matching, mentionAt, namesWords, newLinesWords, nextWait, sinceWords,
  setZone, timeWords, typingWords, waitWords,
} from "../js/room-words.js";

/** As much of a document as `rich.js` makes use of: what is put into elements stays text. */
class Element {
  constructor(name) {
    this.name = name;
    this.children = [];
    this.dataset = {};
  }

  append(...nodes) {
    this.children.push(...nodes.map((node) => (typeof node === "string" ? { text: node } : node)));
  }

  set textContent(text) {
    this.children = [{ text }];
  }
}
globalThis.document = { createElement: (name) => new Element(name), createTextNode: (text) => ({ text }) };
const { enrich } = await import("../js/rich.js");

/** Elements as `<name>…</name>`, to be read in a test. */
function shown(nodes) {
  return nodes
    .map((node) => {
      if (node.text !== undefined) return node.text;
      const extra = node.href ? ` ${node.href}` : node.className ? ` ${node.className}` : "";
      return `<${node.name}${extra}>${shown(node.children)}</${node.name}>`;
    })
    .join("");
}

const at = (text) => new Date(`${text}:00`);

test("days are told as people tell them", () => {
  const now = at("2026-07-03T09:00");
  assert.equal(dayWords(at("2026-07-03T00:10"), now), "Today");
  assert.equal(dayWords(at("2026-07-02T23:50"), now), "Yesterday");
  assert.match(dayWords(at("2026-06-01T12:00"), now), /2026/);
  assert.match(sinceWords(at("2026-07-03T08:52"), now), /^New since 08.52$/);
  assert.match(sinceWords(at("2026-07-02T08:52"), now), /^New since yesterday, 08.52$/);
});

test("times are told in the zone of the reader, not in that of her browser", () => {
  const noon = new Date("2026-07-03T12:00:00Z");
  setZone("Pacific/Auckland");
  assert.equal(timeWords(noon), "00:00");
  assert.equal(dayWords(noon, new Date("2026-07-04T10:00:00Z")), "Today");
  assert.equal(dayWords(new Date("2026-03-02T00:30:00Z"), noon), "2 March 2026");
  setZone("Nowhere/Atlantis");
  assert.equal(timeWords(noon), "00:00");
  setZone(undefined);
});

test("lines of one speaker stand under one name for five minutes, and not over midnight", () => {
  const line = (speaker, when) => ({ speaker, when: at(when) });
  assert.equal(goesOn(line("5", "2026-07-03T09:00"), line("5", "2026-07-03T09:04")), true);
  assert.equal(goesOn(line("5", "2026-07-03T09:00"), line("5", "2026-07-03T09:05")), false);
  assert.equal(goesOn(line("5", "2026-07-03T09:00"), line("6", "2026-07-03T09:01")), false);
  assert.equal(goesOn(line("5", "2026-07-02T23:59"), line("5", "2026-07-03T00:01")), false);
  assert.equal(goesOn(null, line("5", "2026-07-03T09:00")), false);
});

test("of many who type or were here only a few are named", () => {
  assert.deepEqual([[], ["Nikolai Brandt"], ["Nikolai Brandt", "Hana"], ["A", "B", "C"]].map(typingWords), [
    "", "Nikolai is typing", "Nikolai and Hana are typing", "Several people are typing",
  ]);
  assert.equal(namesWords(["Joon-ho Kim", "Leila", "Kwame", "A", "B"]), "Joon-ho, Leila, Kwame and 2 more");
  assert.equal(namesWords(["Joon-ho Kim", "Leila"]), "Joon-ho and Leila");
  assert.equal(namesWords(["Leila Haddad"]), "Leila");
  assert.deepEqual([1, 3].map(newLinesWords), ["1 new line", "3 new lines"]);
});

test("a wait is never told shorter than it is", () => {
  assert.deepEqual([0, 3.2, 59, 61, 5400, 100_000, 200_000].map(waitWords), ["1 s", "4 s", "59 s", "2 min", "2 h", "28 h", "3 days"]);
});

test("waits between tries double up to a bound, and are spread out", () => {
  let base = 0;
  const waits = [];
  for (let tries = 0; tries < 8; tries += 1) {
    const next = nextWait(base, 0.5);
    base = next.base;
    waits.push(next.wait);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
  assert.deepEqual([nextWait(4000, 0).wait, nextWait(4000, 1).wait], [4000, 12_000]);
});

test("a picture keeps its shape in a line and is never too small to press", () => {
  assert.deepEqual(fit(1920, 1080), { width: 320, height: 180 });
  assert.deepEqual(fit(1080, 1920), { width: 135, height: 240 });
  assert.deepEqual(fit(100, 80), { width: 100, height: 80 });
  assert.deepEqual(fit(4000, 10), { width: 320, height: 44 });
  assert.deepEqual(fit(0, 0), { width: 44, height: 44 });
});

test("a name is completed where an @ begins a word, and nowhere else", () => {
  assert.deepEqual(mentionAt("Ask @ma", 7), { from: 4, query: "ma" });
  assert.deepEqual(mentionAt("@", 1), { from: 0, query: "" });
  assert.deepEqual(mentionAt("(@łu and more", 4), { from: 1, query: "łu" });
  assert.equal(mentionAt("maya@example", 12), null);
  assert.equal(mentionAt("@maya is", 8), null);
});

test("names are found by how they, or one of their words, begin", () => {
  const people = [{ user: "zofia", name: "Zofia Tomczak" }, { user: "kb", name: "Kwame Boateng" }, { user: "tom", name: "Anna Kowal" }];
  assert.deepEqual(matching(people, "to").map(({ user }) => user), ["tom", "zofia"]);
  assert.deepEqual(matching(people, "kw").map(({ user }) => user), ["kb"]);
  assert.equal(matching(people, "", 2).length, 2);
  assert.deepEqual(matching(people, "x"), []);
});

test("code and links are put around what is selected", () => {
  assert.deepEqual(asCode("Run EXPLAIN now", 4, 11), { text: "Run `EXPLAIN` now", from: 5, to: 12 });
  assert.deepEqual(asCode("a\nb", 0, 3), { text: "```\na\nb\n```", from: 4, to: 7 });
  assert.equal(asCode("see SELECT\n1", 4, 12).text, "see \n```\nSELECT\n1\n```");
  assert.deepEqual(asLink("my plan", 3, 7), { text: "my [plan](https://)", from: 10, to: 18 });
  assert.deepEqual(asLink("https://a.example/", 0, 18), { text: "[](https://a.example/)", from: 1, to: 1 });
});

test("what was looked for is marked, whatever stands in it", () => {
  assert.deepEqual(marked("A (B) a", "a"), [{ text: "A", found: true }, { text: " (B) ", found: false }, { text: "a", found: true }]);
  assert.deepEqual(marked("f(x) = (", "("), [
    { text: "f", found: false }, { text: "(", found: true }, { text: "x) = ", found: false }, { text: "(", found: true },
  ]);
  assert.deepEqual(marked("a", " "), [{ text: "a", found: false }]);
});

test("words of people are text, except for links, code, emphasis and names that were mentioned", () => {
  assert.equal(shown(enrich("<b>Really</b> `a < b`")), "<p><b>Really</b> <code>a < b</code></p>");
  assert.equal(shown(enrich("See https://example.org/plan.")), "<p>See <a https://example.org/plan>https://example.org/plan</a>.</p>");
  assert.equal(shown(enrich("[My plan](https://example.org/a)")), "<p><a https://example.org/a>My plan</a></p>");
  assert.equal(shown(enrich("an octave *and* a **fifth**")), "<p>an octave <em>and</em> a <strong>fifth</strong></p>");
  assert.equal(shown(enrich("2*3*4, **kwargs and a * b * c")), "<p>2*3*4, **kwargs and a * b * c</p>");
  assert.equal(shown(enrich("a\n```\nx = 1\n```\nb")), "<p>a</p><pre><code>x = 1</code></pre><p>b</p>");
});

test("a link leads to the web and nowhere else", () => {
  for (const words of ["javascript:alert(1)", "[a](javascript:alert(1))", "data:text/html,a", "[a](//example.org)"]) {
    assert.doesNotMatch(shown(enrich(words)), /<a /, words);
  }
});

test("names are marked where the site says that they are mentioned, hers most", () => {
  const who = { mentions: ["maya", "kwame.o"], me: "maya" };
  assert.equal(shown(enrich("@maya, ask @kwame.o.", who)), "<p><span mention is-me>@maya</span>, ask <span mention>@kwame.o</span>.</p>");
  assert.equal(shown(enrich("@zofia and a@maya", who)), "<p>@zofia and a@maya</p>");
});

test("words that are made to be slow to read are read at once", () => {
  for (const part of ["@", "*a", "[a](", "`", "```", "@a.", "**", "https://"]) {
    const words = part.repeat(Math.ceil(4000 / part.length));
    assert.ok(enrich(words).length > 0, part);
  }
});

test("Enter that takes what an input method offers sends nothing, also where the composition has ended by then", () => {
  assert.equal(isComposing({ isComposing: true, keyCode: 13 }), true);
  assert.equal(isComposing({ isComposing: false, keyCode: 229 }), true);
  assert.equal(isComposing({ isComposing: false, keyCode: 13 }), false);
});
