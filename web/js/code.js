// Colors for code: highlight.js with the one language that a block names, loaded when the first such block is shown.

import highlighter from "../lib/highlight/core.js";

/** What people write behind the fence, and the grammar that reads it. */
const LANGUAGES = {
  bash: "bash", sh: "bash", shell: "bash", zsh: "bash",
  c: "c", h: "c", cpp: "cpp", "c++": "cpp", cs: "csharp", "c#": "csharp", csharp: "csharp",
  css: "css", diff: "diff", patch: "diff", go: "go", haskell: "haskell", hs: "haskell",
  html: "xml", svg: "xml", xml: "xml", ini: "ini", toml: "ini", java: "java",
  javascript: "javascript", js: "javascript", mjs: "javascript", json: "json", kotlin: "kotlin", kt: "kotlin",
  latex: "latex", tex: "latex", php: "php", python: "python", py: "python", r: "r", ruby: "ruby", rb: "ruby",
  rust: "rust", rs: "rust", sql: "sql", typescript: "typescript", ts: "typescript", yaml: "yaml", yml: "yaml",
};

/** Longer code is shown as it is: coloring it would hold the page up. */
const LONGEST = 8000;

const loading = new Map();

/** Colors one `<code data-language>`; of a language that is not known here nothing. */
export async function color(code) {
  const name = LANGUAGES[code.dataset.language];
  if (!name || code.textContent.length > LONGEST) return;
  if (!loading.has(name)) loading.set(name, load(name));
  await loading.get(name);
  const { value } = highlighter.highlight(code.textContent, { language: name, ignoreIllegals: true });
  code.replaceChildren(...copied(new DOMParser().parseFromString(value, "text/html").body));
}

async function load(name) {
  const { default: grammar } = await import(`../lib/highlight/languages/${name}.js`);
  highlighter.registerLanguage(name, grammar);
}

/** Texts, and spans with the highlighter's classes: whatever else it may give, nothing comes into the page. */
function copied(from) {
  return [...from.childNodes].flatMap((node) => {
    if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
    if (node.nodeType !== Node.ELEMENT_NODE) return [];
    if (node.localName !== "span") return copied(node);
    const made = document.createElement("span");
    made.className = [...node.classList].filter((name) => /^(hljs-|\w+_$)/.test(name)).join(" ");
    made.append(...copied(node));
    return [made];
  });
}
