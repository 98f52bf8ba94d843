// One upload: a form's fields and a file on their way, with progress, until the site has answered.

import { csrfToken } from "./common.js";
import { uploading } from "./words.js";

const WINDOW_MS = 4000;

/**
 * Sends `body` (FormData) to `action?key=<UUID>`. `report(words, percent)` hears of every step; percent is
 * null once the bytes are there and the site works on them. Resolves with the site's JSON answer; rejects
 * with a sentence for the reader. `signal` cancels.
 */
export function transfer(action, body, report, signal) {
  const address = new URL(action, location.href);
  address.searchParams.set("key", newKey());
  const request = new XMLHttpRequest();
  const samples = [];
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => {
      const now = performance.now();
      samples.push({ at: now, sent: event.loaded });
      while (samples.length > 2 && now - samples[0].at > WINDOW_MS) samples.shift();
      const percent = event.total > 0 ? (event.loaded / event.total) * 100 : 0;
      report(uploading(event.loaded, event.total, speed(samples)), percent);
    });
    request.upload.addEventListener("load", () => report("Processing file, please wait...", null));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve({ answer: parsed(request.responseText), url: request.responseURL });
      else reject(new Error(reason(request)));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost. The file is not there yet.")));
    request.addEventListener("timeout", () => reject(new Error("The site took too long to answer.")));
    request.addEventListener("abort", () => reject(new DOMException("Canceled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json, text/html;q=0.5");
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.send(body);
  });
}

/** Bytes a second over the last moments, or 0 while that is not known. */
function speed(samples) {
  const first = samples[0];
  const last = samples[samples.length - 1];
  const seconds = (last.at - first.at) / 1000;
  return seconds > 0.4 ? (last.sent - first.sent) / seconds : 0;
}

/** A UUID even where crypto.randomUUID is missing: it needs https or this machine. */
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** What went wrong, in the site's own words where it gave some. */
function reason(request) {
  const answer = parsed(request.responseText);
  const words = [answer.detail, answer.error, ...Object.values(answer).flat()].filter((each) => typeof each === "string");
  if (words.length > 0) return words[0];
  if (request.status === 413) return "The file is larger than this site takes.";
  if (request.status === 415) return "This is not a kind of file that belongs here.";
  if (request.status === 403) return "You are no longer logged in. Log in, then try again.";
  return `The site answered with an error (${request.status}). Try again in a moment.`;
}
