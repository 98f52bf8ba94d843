// Words of people as they are shown: links that can be followed, code as code, everything else as text. Nothing that
// somebody wrote becomes markup: only text is put into elements that are made here.

const FENCE = /```[^\n`]*\n?([\s\S]*?)```/g;
const PIECE = /`([^`\n]+)`|(https?:\/\/[^\s<>"'`]+)/g;

/** The nodes that show these words. */
export function enrich(words) {
  const nodes = [];
  let from = 0;
  for (const found of words.matchAll(FENCE)) {
    nodes.push(...lines(words.slice(from, found.index)));
    const block = document.createElement("pre");
    block.append(element("code", found[1].replace(/\n$/, "")));
    block.tabIndex = 0;
    nodes.push(block);
    from = found.index + found[0].length;
  }
  nodes.push(...lines(words.slice(from)));
  return nodes;
}

function lines(words) {
  const text = words.replace(/^\n+|\n+$/g, "");
  if (!text) return [];
  const paragraph = document.createElement("p");
  let from = 0;
  for (const found of text.matchAll(PIECE)) {
    paragraph.append(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[1] !== undefined) {
      paragraph.append(element("code", found[1]));
      continue;
    }
    const address = found[2].replace(/[.,;:!?)\]]+$/, "");
    from -= found[2].length - address.length;
    paragraph.append(link(address));
  }
  paragraph.append(text.slice(from));
  return [paragraph];
}

function link(address) {
  if (!URL.canParse(address)) return document.createTextNode(address);
  const anchor = element("a", address);
  anchor.href = address;
  anchor.rel = "noopener noreferrer nofollow ugc";
  return anchor;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
