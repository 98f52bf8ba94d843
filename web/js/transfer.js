// One upload: a form's fields and a file on their way, with progress, until the site has answered.

import { csrfToken } from "./common.js";
import { uploading } from "./words.js";

const WINDOW_MS = 4000;

/**
 * Sends `body` (FormData) to `action?key=<UUID>`. `report(words, percent)` hears of every step; percent is
 * null once the bytes are there and the site works on them. Resolves with the site's JSON answer; rejects
 * with a sentence for the reader, and the `status` of the answer. `signal` cancels.
 */
export function transfer(action, body, report, signal) {
  const address = new URL(action, location.href);
  address.searchParams.set("key", newKey());
  const request = new XMLHttpRequest();
  const meter = makeMeter(report);
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => meter(event.loaded, event.total));
    request.upload.addEventListener("load", () => report("Processing file, please wait...", null));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve({ answer: parsed(request.responseText), url: request.responseURL });
      else reject(failure(reason(request.status, request.responseText), request.status));
    });
    request.addEventListener("error", () => reject(failure("The connection was lost. The file is not there yet.", 0)));
    request.addEventListener("timeout", () => reject(failure("The site took too long to answer.", 0)));
    request.addEventListener("abort", () => reject(new DOMException("Canceled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json, text/html;q=0.5");
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.send(body);
  });
}

/** With the status of the answer; 0 without one. */
function failure(words, status) {
  return Object.assign(new Error(words), { status });
}

/** A function that is told how much is sent of how much, and reports percentage, rate and time left. */
export function makeMeter(report) {
  const samples = [];
  return (sent, total) => {
    const now = performance.now();
    samples.push({ at: now, sent });
    while (samples.length > 2 && now - samples[0].at > WINDOW_MS) samples.shift();
    report(uploading(sent, total, speed(samples)), total > 0 ? (sent / total) * 100 : 0);
  };
}

/** Bytes a second over the last moments, or 0 while that is not known. */
function speed(samples) {
  const first = samples[0];
  const last = samples[samples.length - 1];
  const seconds = (last.at - first.at) / 1000;
  return seconds > 0.4 ? (last.sent - first.sent) / seconds : 0;
}

/** A UUID even where crypto.randomUUID is missing: it needs https or this machine. */
export function newKey() {
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
export function reason(status, text) {
  const answer = parsed(text);
  const words = [answer.detail, answer.error, ...Object.values(answer).flat()].filter((each) => typeof each === "string");
  if (words.length > 0) return words[0];
  if (status === 413) return "The file is larger than this site takes.";
  if (status === 415) return "This is not a kind of file that belongs here.";
  if (status === 403) return "You are no longer logged in. Log in, then try again.";
  return `The site answered with an error (${status}). Try again in a moment.`;
}
