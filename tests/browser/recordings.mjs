// Small real recordings and pictures, made by ffmpeg when a test needs them.

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A folder for the files of one test file. */
export async function openShelf() {
  return new Shelf(await mkdtemp(join(tmpdir(), "lyceum-recordings-")));
}

export class Shelf {
  constructor(folder) {
    this.folder = folder;
  }

  async #make(name, ...options) {
    const path = join(this.folder, name);
    await run("ffmpeg", ["-nostdin", "-v", "error", "-y", ...options, path]);
    return path;
  }

  /** A film of a test card with a tone, in the codecs that `name`'s ending stands for. */
  film(name, seconds, frame = "320x180") {
    const picture = `testsrc2=size=${frame}:rate=10:duration=${seconds}`;
    const sound = `sine=frequency=440:duration=${seconds}`;
    return this.#make(name, "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-pix_fmt", "yuv420p");
  }

  /** A tone. */
  tone(name, seconds) {
    return this.#make(name, "-f", "lavfi", "-i", `sine=frequency=330:duration=${seconds}`);
  }

  /** A picture. */
  picture(name, frame = "640x400") {
    return this.#make(name, "-f", "lavfi", "-i", `testsrc=size=${frame}:duration=1:rate=1`, "-frames:v", "1");
  }

  /** Any bytes. */
  async file(name, content) {
    const path = join(this.folder, name);
    await writeFile(path, content);
    return path;
  }

  /** A file of so many random bytes that is of no known kind, however large; answers its hash, too. */
  async noise(name, size) {
    const path = join(this.folder, name);
    const hash = createHash("sha256");
    async function* pieces() {
      for (let left = size; left > 0; ) {
        const piece = randomBytes(Math.min(left, 1 << 20));
        if (left === size) piece[0] = 0;
        hash.update(piece);
        left -= piece.length;
        yield piece;
      }
    }
    await pipeline(pieces, createWriteStream(path));
    return { path, hash: hash.digest("hex") };
  }

  async remove() {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The corpus of tests/corpus: each file with its path, the form it is sent by, and how it ends. */
export async function corpus() {
  const here = join(import.meta.dirname, "..", "corpus");
  const { stdout } = await run(join(here, "make.sh"), { maxBuffer: 1 << 20 });
  const folder = stdout.trim();
  const lines = (await readFile(join(here, "corpus.tsv"), "utf8")).split("\n");
  return lines
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => {
      const [name, form, end, seconds, size, note] = line.split("\t");
      return { name, path: join(folder, name), form, end, seconds: Number(seconds), size, note };
    });
}
