// Builds web/dist from the npm packages and our own files: `npm ci && node build.mjs`.
//
// No bundler: scripts stay the small ES modules that they are, styles go through Sass (which is how
// Pico is cut down to the parts in use), icons become one sprite, and everything that compresses gets
// a .br and a .gz beside it, so that the server never compresses a file twice.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as sass from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const modules = join(here, "node_modules");

/** Files taken as they are: from a package, to dist. Upright and italic, Latin subsets only. */
const COPIES = {
  "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "fonts/inter.woff2",
  "@fontsource-variable/inter/files/inter-latin-wght-italic.woff2": "fonts/inter-italic.woff2",
  "@fontsource-variable/inter/LICENSE": "fonts/inter.LICENSE.txt",
  "@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2": "fonts/source-serif.woff2",
  "@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-italic.woff2": "fonts/source-serif-italic.woff2",
  "@fontsource-variable/source-serif-4/LICENSE": "fonts/source-serif.LICENSE.txt",
  "sortablejs/Sortable.min.js": "lib/sortable.js",
  "sortablejs/LICENSE": "lib/sortable.LICENSE.txt",
  // The light build has no sound of its own beside the picture, which our playlists have.
  "hls.js/dist/hls.min.mjs": "lib/hls.js",
  "hls.js/LICENSE": "lib/hls.LICENSE.txt",
  "tus-js-client/dist/tus.min.js": "lib/tus.js",
  "tus-js-client/LICENSE": "lib/tus.LICENSE.txt",
  "@highlightjs/cdn-assets/es/core.min.js": "lib/highlight/core.js",
  "@highlightjs/cdn-assets/LICENSE": "lib/highlight/LICENSE.txt",
};

/** Languages that code in rooms is colored in; `js/code.js` says under which names people write them. */
const LANGUAGES = `
  bash c cpp csharp css diff go haskell ini java javascript json kotlin latex php python r ruby rust sql typescript xml yaml
`.trim().split(/\s+/);
for (const name of LANGUAGES) {
  COPIES[`@highlightjs/cdn-assets/es/languages/${name}.min.js`] = `lib/highlight/languages/${name}.js`;
}

/** The Lucide icons in use, by their own names. Add a name here to use another one. */
const ICONS = `
  arrow-down arrow-left arrow-right arrow-up arrow-up-to-line audio-lines bell book-open braces captions check
  chevron-down chevron-left chevron-right chevron-up circle-alert circle-check circle-stop clock code copy database-zap download
  ellipsis external-link eye eye-off file file-text file-x folder gauge globe graduation-cap grip-vertical heart-pulse history hourglass
  image info key-round keyboard languages layers layout-dashboard library link list list-checks loader-circle locate-fixed lock log-in log-out mail maximize menu message-circle minimize
  messages-square monitor moon pause pencil picture-in-picture-2 play plus refresh-cw reply rotate-ccw rotate-cw scroll-text search settings shapes shield smartphone
  sun sun-moon trash-2 triangle-alert upload user user-check users video volume-2 volume-x wifi-off x activity megaphone
`.trim().split(/\s+/);

/** Styles with a page of their own; the other files in css/ are parts of these. */
const STYLES = ["site", "lesson", "teach", "content", "library", "admin", "api", "reference", "room", "account"];

/** What compresses; fonts and pictures are compressed already. */
const COMPRESSIBLE = new Set([".css", ".js", ".svg", ".txt"]);

function put(path, bytes) {
  const target = join(dist, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, bytes);
}

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort();
}

function fail(sentence) {
  console.error(`build.mjs: ${sentence}`);
  process.exit(1);
}

/** The drawing inside an SVG file, without its <svg> element, comments and line breaks. */
function drawing(svg, name) {
  const inner = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg);
  if (!inner) fail(`${name} is no SVG drawing`);
  return inner[1].replace(/<!--[\s\S]*?-->/g, "").replace(/\s*\n\s*/g, "").replace(/ \/>/g, "/>");
}

function buildSprite() {
  const symbol = (id, svg) => `<symbol id="${id}" viewBox="0 0 24 24">${drawing(svg, id)}</symbol>`;
  const lucide = ICONS.map((name) => {
    const path = join(modules, "lucide-static/icons", `${name}.svg`);
    return symbol(name, readFileSync(path, "utf8"));
  });
  const own = filesUnder(join(here, "icons"))
    .filter((path) => path.endsWith(".svg"))
    .map((path) => symbol(relative(join(here, "icons"), path).slice(0, -4), readFileSync(path, "utf8")));
  const note = "<!-- Lucide icons (ISC, lucide.dev), and a few of our own in their manner -->";
  put("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${note}${[...lucide, ...own].join("")}</svg>`);
}

/**
 * Lengths of 4 px and more become rem, so that spaces, icons and targets grow with the type: for a reader
 * who asks for larger text, and on very large screens. Hairlines and rings stay as drawn.
 */
function inRem(css) {
  return css.replace(/(?<![\w.#]|\w-)(\d*\.?\d+)px\b/g, (whole, number) =>
    Number(number) < 4 ? whole : `${Number((Number(number) / 16).toFixed(5))}rem`.replace(/^0\./, "."));
}

function buildStyles() {
  for (const name of STYLES) {
    const { css } = sass.compile(join(here, "css", `${name}.scss`), {
      style: "compressed",
      charset: false,
      loadPaths: [modules],
      quietDeps: true,
    });
    put(`css/${name}.css`, inRem(css));
  }
}

/**
 * A script without the comments that have lines of their own: a quarter of what browsers would load. The lines stay, so
 * that a fault in a browser names the line of the source.
 */
function withoutComments(script) {
  return script
    .replace(/^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*$/gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/^[ \t]*\/\/.*$/gm, "");
}

/** Every `--name` that a style sheet reads without a fallback must be set in one of them. */
function checkCustomProperties() {
  const css = STYLES.map((name) => readFileSync(join(dist, "css", `${name}.css`), "utf8")).join("");
  const scripts = filesUnder(join(here, "js")).map((path) => readFileSync(path, "utf8")).join("");
  const set = new Set([...css.matchAll(/(--[\w-]+)\s*:/g)].map((match) => match[1]));
  for (const match of scripts.matchAll(/setProperty\("(--[\w-]+)"/g)) set.add(match[1]);
  const missing = new Set([...css.matchAll(/var\((--[\w-]+)\)/g)].map((match) => match[1]).filter((name) => !set.has(name)));
  if (missing.size > 0) fail(`custom properties that nothing sets: ${[...missing].join(", ")}`);
}

/** Every icon that a script or template names must be in the sprite. */
function checkIcons() {
  const sprite = readFileSync(join(dist, "icons.svg"), "utf8");
  const known = new Set([...sprite.matchAll(/<symbol id="([\w-]+)"/g)].map((match) => match[1]));
  const sources = filesUnder(join(here, "js"));
  for (const path of sources) {
    for (const match of readFileSync(path, "utf8").matchAll(/(?:icon|setIcon)\([^)"]*"([\w-]+)"/g)) {
      if (!known.has(match[1])) fail(`${relative(here, path)} uses the icon "${match[1]}", which is not in ICONS`);
    }
  }
}

/** Relative imports of the modules must lead to a file in dist. */
function checkImports() {
  const scripts = filesUnder(join(dist, "js"));
  for (const path of scripts) {
    for (const match of readFileSync(path, "utf8").matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)) {
      const target = join(dirname(path), match[1]);
      if (!statSync(target, { throwIfNoEntry: false })) fail(`${relative(dist, path)} imports ${match[1]}, which is not there`);
    }
  }
}

/** A short hash over names and contents: the folder under which the server offers these files. */
function version() {
  const hash = createHash("sha256");
  for (const path of filesUnder(dist)) {
    hash.update(`${relative(dist, path)}\0`).update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex").slice(0, 12);
}

function compress() {
  for (const path of filesUnder(dist).filter((file) => COMPRESSIBLE.has(extname(file)))) {
    const bytes = readFileSync(path);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

if (!statSync(modules, { throwIfNoEntry: false })) fail("the packages are missing; run `npm ci` in web/ first");
rmSync(dist, { recursive: true, force: true });
for (const [source, target] of Object.entries(COPIES)) put(target, readFileSync(join(modules, source)));
for (const path of filesUnder(join(here, "img"))) put(relative(here, path), readFileSync(path));
for (const path of filesUnder(join(here, "js"))) put(relative(here, path), withoutComments(readFileSync(path, "utf8")));
put("favicon.svg", readFileSync(join(here, "favicon.svg")));
buildSprite();
buildStyles();
checkCustomProperties();
checkIcons();
checkImports();
const built = version();
compress();
put("VERSION", `${built}\n`);
for (const name of [...STYLES.map((style) => `css/${style}.css`), "icons.svg"]) {
  const size = (suffix) => statSync(join(dist, name + suffix)).size;
  console.log(`${name}: ${size("")} bytes, ${size(".br")} as br`);
}
console.log(`web/dist ${built}`);
