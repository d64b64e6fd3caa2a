/**
 * Why something does not build: messages for the person whose source it is.
 *
 * Invariant: a BuildError needs no stack trace; its text names file, line and cause. Anything else that a build throws
 * is a bug of the tools.
 */
export class BuildError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BuildError";
  }
}

/** `file:line:column: error: message`, the source line, and a caret under the place. */
export function frame(
  file: string,
  text: string,
  start: number,
  end: number,
  message: string,
  severity: "error" | "warning" = "error",
): string {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const lineEnd = text.indexOf("\n", start) < 0 ? text.length : text.indexOf("\n", start);
  const line = text.slice(0, lineStart).split("\n").length;
  const source = text.slice(lineStart, lineEnd);
  const column = start - lineStart;
  const carets = "^".repeat(Math.max(1, Math.min(end, lineEnd) - start));
  // Tabs stay tabs in the second line, so that the caret stands under its character.
  const indent = source.slice(0, column).replace(/[^\t]/g, " ");
  return `${file}:${line}:${column + 1}: ${severity}: ${message}\n    ${source}\n    ${indent}${carets}`;
}
