// Words of people as they are shown: links that can be followed, code as code, emphasis, and who is named. Nothing that
// somebody wrote becomes markup: only text is put into elements that are made here.

const FENCE = /```([^\n`]*)\n?([\s\S]*?)```/g;
const PIECE = new RegExp(
  [
    "`(?<code>[^`\\n]+)`",
    "\\[(?<words>[^\\[\\]\\n]+)\\]\\((?<target>https?:\\/\\/[^\\s<>\"'`)]+)\\)",
    "(?<address>https?:\\/\\/[^\\s<>\"'`]+)",
    "(?<![\\p{L}\\p{N}*])\\*\\*(?<strong>[^\\s*]|[^\\s*][^*\\n]*[^\\s*])\\*\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}*])\\*(?<em>[^\\s*]|[^\\s*][^*\\n]*[^\\s*])\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}_@.+-])@(?<named>[\\p{L}\\p{N}_@.+-]+)",
  ].join("|"),
  "gu",
);

/**
 * The nodes that show these words.
 *
 * @param {string} words
 * @param {{mentions?: string[], me?: string}} [who] user names that the words name, and whose page this is
 */
export function enrich(words, { mentions = [], me = "" } = {}) {
  const who = { mentions: new Set(mentions), me };
  const nodes = [];
  let from = 0;
  for (const found of words.matchAll(FENCE)) {
    nodes.push(...lines(words.slice(from, found.index), who));
    nodes.push(block(found[1].trim(), found[2].replace(/\n$/, "")));
    from = found.index + found[0].length;
  }
  nodes.push(...lines(words.slice(from), who));
  return nodes;
}

/** Code that has a place of its own; colored once it is there, by a module that only pages with code load. */
function block(language, text) {
  const made = document.createElement("pre");
  const code = element("code", text);
  made.append(code);
  made.tabIndex = 0;
  if (/^[\w+#-]{1,20}$/.test(language)) {
    code.dataset.language = language.toLowerCase();
    import("./code.js").then(({ color }) => color(code)).catch(() => {
      // Without colors it reads as well.
    });
  }
  return made;
}

function lines(words, who) {
  const text = words.replace(/^\n+|\n+$/g, "");
  if (!text) return [];
  const paragraph = document.createElement("p");
  paragraph.append(...pieces(text, who));
  return [paragraph];
}

function pieces(text, who) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(PIECE)) {
    const { node, length } = piece(found, who);
    if (found.index > from) nodes.push(document.createTextNode(text.slice(from, found.index)));
    nodes.push(node);
    from = found.index + length;
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

/** What was found as an element, and how much of the text it stands for. */
function piece(found, who) {
  const { code, words, target, address, strong, em, named } = found.groups;
  const length = found[0].length;
  if (code !== undefined) return { node: element("code", code), length };
  if (target !== undefined) return { node: link(target, words), length };
  if (address !== undefined) {
    const clean = address.replace(/[.,;:!?)\]*]+$/, "");
    return { node: link(clean, clean), length: clean.length };
  }
  if (strong !== undefined) return { node: around("strong", pieces(strong, who)), length };
  if (em !== undefined) return { node: around("em", pieces(em, who)), length };
  return mention(found[0], named, who);
}

/** A name may be followed by the end of a sentence, which user names may hold, too. */
function mention(whole, named, { mentions, me }) {
  let name = named;
  while (name && !mentions.has(name)) name = /[.+-]$/.test(name) ? name.slice(0, -1) : "";
  if (!name) return { node: document.createTextNode(whole), length: whole.length };
  const made = element("span", `@${name}`);
  made.className = name === me ? "mention is-me" : "mention";
  return { node: made, length: name.length + 1 };
}

function link(address, words) {
  if (!URL.canParse(address)) return document.createTextNode(words);
  const anchor = element("a", words);
  anchor.href = address;
  // Where it leads, when the words say something else.
  if (words !== address) anchor.title = address;
  anchor.rel = "noopener noreferrer nofollow ugc";
  return anchor;
}

function around(name, nodes) {
  const made = document.createElement(name);
  made.append(...nodes);
  return made;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
