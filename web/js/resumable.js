// One resumable upload (tus 1.0): it goes on where it stopped, after a broken line, a restarted site, or a
// closed browser in which the same file is chosen again.

import "../lib/tus.js";
import { csrfToken } from "./common.js";
import { makeMeter, reason, transfer } from "./transfer.js";

const { tus } = window;

/** Waits before trying again; they begin anew whenever a byte has arrived in between. */
const RETRY_MS = [0, 1000, 2000, 5000, ...Array(60).fill(10_000)];

/**
 * The first request brings no more than this. Browsers hear an answer only when all is sent: so a file that the site
 * cannot read is refused after its first bytes, and not after an hour.
 */
const FIRST_BYTES = 65_536;

/** What tells that a request may go better later; the others say that the file will not be taken. */
const TEMPORARY = new Set([0, 409, 423, 429, 460]);

/** What tells that the site has ended the upload: trying again begins anew. */
const GONE = new Set([404, 410, 415]);

/** The same file for the same place, in this browser. */
function fingerprint(file, { endpoint, metadata }) {
  const parts = [file.name, file.type, file.size, file.lastModified, endpoint, metadata.module, metadata.content];
  return Promise.resolve(`upload:${JSON.stringify(parts)}`);
}

/**
 * Sends `file` to `endpoint`. `held` keeps what is known of the upload between two calls: a call with the
 * same one goes on. `report(words, percent)` hears of every step. Resolves with `{upload, content}`, numbers of
 * what the file became; rejects with a sentence for the reader, or an AbortError when `signal` aborts.
 */
export function sendResumably({ endpoint, file, metadata, held, report, signal }) {
  const meter = makeMeter(report);
  let percent = 0;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const upload = new tus.Upload(file, {
      endpoint,
      metadata: { filename: file.name, filetype: file.type, ...metadata },
      uploadUrl: held.url,
      fingerprint,
      retryDelays: RETRY_MS,
      removeFingerprintOnSuccess: true,
      chunkSize: FIRST_BYTES,
      onChunkComplete: () => (upload.options.chunkSize = Infinity),
      headers: { "X-Requested-With": "XMLHttpRequest", Accept: "application/json" },
      // The token changes with the log-in; the one that holds now counts.
      onBeforeRequest: (request) => request.setHeader("X-CSRFToken", csrfToken()),
      onUploadUrlAvailable: () => (held.url = upload.url),
      onProgress: (sent, total) => {
        percent = total > 0 ? (sent / total) * 100 : 0;
        if (sent >= total) report("Processing file, please wait...", null);
        else meter(sent, total);
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        const isTemporary = TEMPORARY.has(status) || status >= 500;
        if (isTemporary) report(`Connection lost at ${Math.floor(percent)} % - trying again`, percent);
        return isTemporary;
      },
      onSuccess: ({ lastResponse }) => {
        const number = (name) => Number(lastResponse.getHeader(name)) || undefined;
        resolve({ upload: number("Lyceum-Upload"), content: number("Lyceum-Content") });
      },
      onError: (error) => {
        if (error.originalResponse && GONE.has(error.originalResponse.getStatus())) forget(upload, held);
        reject(new Error(sentence(error.originalResponse)));
      },
    });
    // Ends it for good; what cannot be ended now expires.
    held.end = () => held.url && upload.abort(true).catch(() => {});
    signal.addEventListener("abort", () => {
      upload.abort().catch(() => {});
      reject(new DOMException("Stopped", "AbortError"));
    });
    begin(upload, held, signal);
  });
}

/** What is known of the upload of a form while its page is open. */
const heldBy = new WeakMap();

/**
 * Sends the form of a content without its file first, since it may need mending; then the file, resumably, to take the
 * place of the present one. Resolves as `transfer` does.
 */
export async function replaceFile({ form, field, endpoint, content, line }) {
  const [file] = field.files;
  const body = new FormData(form);
  body.delete(field.name);
  const { answer, url } = await transfer(form.action, body, () => {}, line.signal());
  const known = heldBy.get(form);
  const held = known?.file === file ? known.held : {};
  heldBy.set(form, { file, held });
  await sendResumably({ endpoint, file, metadata: { content }, held, report: line.report, signal: line.signal() });
  return { answer: { ...answer, message: "Upload complete!" }, url };
}

/** Goes on with what this browser sent before, if there is such an upload. */
async function begin(upload, held, signal) {
  const [before] = held.url ? [] : await upload.findPreviousUploads().catch(() => []);
  if (signal.aborted) return;
  if (before) upload.resumeFromPreviousUpload(before);
  upload.start();
}

async function forget(upload, held) {
  delete held.url;
  const { urlStorage } = tus.defaultOptions;
  for (const { urlStorageKey } of await upload.findPreviousUploads()) await urlStorage.removeUpload(urlStorageKey);
}

function sentence(response) {
  if (!response) return "The site cannot be reached. Check your connection and try again.";
  return reason(response.getStatus(), response.getBody());
}
