// The words of uploads and players, and the address made of a title. Run by `npm test` in web/.

import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, size, slugOf, timeLeft, uploading } from "../js/words.js";

test("sizes are decimal and have a digit after the point only where it tells something", () => {
  assert.deepEqual([0, 999, 1000, 310_000, 1_900_000_000, 212_000_000, 2_000_000].map(size), ["0 B", "999 B", "1 kB", "310 kB", "1.9 GB", "212 MB", "2 MB"]);
});

test("a size just under a unit is not written as a thousand of the smaller one", () => {
  assert.equal(size(999_600), "1 MB");
});

test("an upload says percent, speed and time left", () => {
  assert.equal(uploading(798_000_000, 1_900_000_000, 18_000_000), "Uploading 42 % - 18 MB/s - 1 min left");
});

test("an upload leaves out what it does not know yet", () => {
  assert.equal(uploading(0, 0, 0), "Uploading 0 %");
});

test("an upload does not claim to be complete before it is", () => {
  assert.match(uploading(999, 1000, 0), /^Uploading 99 %$/);
});

test("time left is never nothing, and grows into minutes and hours", () => {
  assert.deepEqual([0.2, 21, 61, 300, 7200].map(timeLeft), ["1 s left", "20 s left", "1 min left", "5 min left", "2 h left"]);
});

test("a place in a recording has hours only when it needs them", () => {
  assert.deepEqual([0, 402, 3729, Number.NaN].map(clock), ["0:00", "6:42", "1:02:09", "0:00"]);
});

test("an address keeps the letters of a title without their marks", () => {
  assert.equal(slugOf("  Über Größe & Ruhe! "), "uber-grosse-ruhe");
  assert.equal(slugOf("Łódź, Ærø"), "lodz-aero");
});

test("an address is at most 200 characters long and does not end with a hyphen", () => {
  const slug = slugOf(`${"a".repeat(199)} b`);
  assert.equal(slug, "a".repeat(199));
});

test("a title without a letter gives an empty address, which its author fills in", () => {
  assert.equal(slugOf("???"), "");
});
