// Sizes, speeds, times and addresses as people say and write them. Pure, so that every page says them alike.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 1_900_000_000 -> "1.9 GB". Decimal units, as file managers show them. */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit >= 2 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits).replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** Seconds that remain: "20 s left", "1 min left", "2 h left". */
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 55) return `${Math.max(1, Math.round(seconds / 5) * 5)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${Math.round(seconds / 3600)} h left`;
}

/** "Uploading 42 % - 18 MB/s - 1 min left"; what is not known yet is left out. */
export function uploading(sent, total, bytesPerSecond) {
  const parts = [`Uploading ${total > 0 ? Math.floor((sent / total) * 100) : 0} %`];
  if (bytesPerSecond > 0) {
    parts.push(`${size(bytesPerSecond)}/s`);
    parts.push(timeLeft((total - sent) / bytesPerSecond));
  }
  return parts.join(" - ");
}

/** A place in a recording: "6:42", "1:02:09". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** As the site takes it: characters of an address. */
const LONGEST_SLUG = 200;

/** Letters that are no letter with a mark. */
const SPELLED = { ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ı: "i" };

/** Letters without their marks, digits, and single hyphens between them. */
export function slugOf(title) {
  return title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[ßæœøłđðþı]/g, (letter) => SPELLED[letter])
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, LONGEST_SLUG)
    .replace(/-+$/, "");
}
