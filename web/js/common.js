// What several modules need: the CSRF cookie, a POST, an announcement, an icon.

const SVG = "http://www.w3.org/2000/svg";
const SPRITE = new URL("../icons.svg", import.meta.url).pathname;

/** The value of the csrftoken cookie, or an empty string. */
export function csrfToken() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
  return found ? decodeURIComponent(found.slice("csrftoken=".length)) : "";
}

/**
 * Posts form fields (an object) or JSON (a string) with the CSRF header. Throws with a sentence for
 * the reader when the site cannot be reached or does not agree.
 */
export async function post(url, body, { keepalive = false } = {}) {
  const headers = { "X-CSRFToken": csrfToken(), "X-Requested-With": "XMLHttpRequest", Accept: "application/json, text/html;q=0.5" };
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  const content = typeof body === "string" ? body : new URLSearchParams(body);
  let answer;
  try {
    answer = await fetch(url, { method: "POST", headers, body: content, credentials: "same-origin", keepalive });
  } catch {
    throw new Error("The site cannot be reached. Check your connection and try again.");
  }
  if (!answer.ok) throw new Error(await reason(answer));
  return answer;
}

async function reason(answer) {
  if (answer.status === 403) return "You are no longer logged in, or may not do this. Log in in another tab, and try again here.";
  if (answer.status === 404) return "This is no longer here. Reload the page.";
  if (answer.status === 409) return "It has changed in the meantime: this is how it stands now.";
  if (answer.status === 429) return "That was a little fast. Wait a minute and try again.";
  return `The site answered with an error (${answer.status}). Try again in a moment.`;
}

/** How a file stands, `{state, words, percent, revision}`; null when it is not there. Throws when that cannot be told. */
export async function uploadState(id) {
  const answer = await fetch(`/uploads/${Number(id)}/state/`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (answer.status === 404) return null;
  if (!answer.ok || answer.redirected) throw new Error(await reason(answer));
  return answer.json();
}

/** Says something to those who hear the page. `#announcer` is a polite live region in the base page. */
export function announce(words) {
  const region = document.getElementById("announcer");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = words;
  });
}

/** A new icon of the sprite, hidden from screen readers. */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${SPRITE}#${name}`);
  svg.append(use);
  return svg;
}

/** Shows another icon in an element that holds one already. */
export function setIcon(holder, name) {
  holder.querySelector("use")?.setAttribute("href", `${SPRITE}#${name}`);
}

/** A new element with a class and, if given, text. */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/**
 * Runs `act` once `wait` milliseconds have passed without another call. `flush` runs what still waits at once, and says
 * whether something did.
 */
export function debounce(act, wait) {
  let timer = 0;
  let due = null;
  const run = () => {
    clearTimeout(timer);
    const act = due;
    due = null;
    act?.();
    return act !== null;
  };
  const later = (...values) => {
    clearTimeout(timer);
    due = () => act(...values);
    timer = setTimeout(run, wait);
  };
  later.flush = run;
  return later;
}

/** A fault of the page itself, in words, where banners stand. */
export function showFault(words) {
  const region = document.getElementById("banners");
  const banner = element("div", "banner fault");
  const close = element("button", "icon-button");
  close.type = "button";
  close.setAttribute("aria-label", "Dismiss");
  close.append(icon("x"));
  close.addEventListener("click", () => banner.remove());
  banner.append(icon("circle-alert"), element("p", "", words), close);
  region?.prepend(banner);
}

/**
 * Selects that go at once when something is picked (sorting); their button is for those without a script. Arrows and letters
 * change a list that is closed as they go through it: then the button, or Enter, goes (WCAG 2.2, 3.2.2).
 */
export function goAtOnce(within) {
  for (const select of within.querySelectorAll("select[data-go]")) {
    const button = select.form.querySelector("button[type=submit]");
    let isGoneThrough = false;
    let isOther = false;
    const go = () => select.form.requestSubmit();
    if (button) button.hidden = true;
    select.addEventListener("pointerdown", () => (isGoneThrough = false));
    select.addEventListener("keydown", ({ key }) => {
      isGoneThrough = key !== "Enter";
      if (key === "Enter" && isOther) go();
    });
    select.addEventListener("change", () => {
      isOther = true;
      if (!isGoneThrough) go();
      else if (button) button.hidden = false;
    });
  }
}
