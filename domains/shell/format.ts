/**
 * Text that people read: columns, amounts, and answers that fit.
 *
 * Invariant: what `clip` returns is at most MAX_ANSWER bytes of UTF-8, which is what the Shell interface carries.
 */
import { textLength } from "os/text";

const MAX_ANSWER = 4096;
const CUT = "…\n";

/** Lines of cells as columns, each as wide as its widest cell. */
export function columns(rows: Array<Array<string>>): string {
  const widths = new Array<i32>();
  for (let r = 0; r < rows.length; r++) {
    for (let c = 0; c < rows[r].length; c++) {
      if (c == widths.length) widths.push(0);
      widths[c] = max(widths[c], rows[r][c].length);
    }
  }
  let text = "";
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r];
    let line = "";
    for (let c = 0; c < row.length; c++) line += c == row.length - 1 ? row[c] : row[c].padEnd(widths[c] + 2);
    text += line + "\n";
  }
  return text;
}

/** 1536 → "1.5 KiB". */
export function bytes(n: u64): string {
  if (n < 1024) return n.toString() + " B";
  const units = ["KiB", "MiB", "GiB"];
  let unit = 0;
  let scaled = (n * 10) / 1024;
  while (scaled >= 10240 && unit + 1 < units.length) {
    scaled /= 1024;
    unit++;
  }
  return (scaled / 10).toString() + "." + (scaled % 10).toString() + " " + units[unit];
}

/** Cuts an answer that is too long, between two characters. */
export function clip(text: string): string {
  if (textLength(text) <= MAX_ANSWER) return text;
  let end = min(text.length, MAX_ANSWER);
  while (textLength(text.substring(0, end)) > MAX_ANSWER - textLength(CUT)) end -= 16;
  return text.substring(0, end) + CUT;
}

/** Bytes as text, what cannot be shown as dots. */
export function printable(text: string): string {
  let shown = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    shown += code < 0x20 || code == 0x7f ? "." : text.charAt(i);
  }
  return shown;
}
