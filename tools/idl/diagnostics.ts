/**
 * What the IDL compiler says when a source is wrong.
 *
 * Owns the format of every message: `file:line:column: error: reason`, the source line, a caret under the offending
 * text, and what to write instead. Invariant: one run reports all errors that it can tell apart, in source order, and
 * no model leaves the compiler when there is one.
 */

/** A stretch of source text; `line` counts from 1, `column` and the offsets from 0. */
export interface Span {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly start: number;
  readonly end: number;
}

export interface Diagnostic {
  readonly span: Span;
  readonly reason: string;
  /** What to write instead, without the word "write" before it. */
  readonly instead: string;
}

/** Thrown by `compileInterfaces`: every error of the run; `message` holds them all, rendered. */
export class IdlErrors extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[], sources: ReadonlyMap<string, string>) {
    super(diagnostics.map((d) => render(d, sources.get(d.span.file) ?? "")).join("\n"));
    this.name = "IdlErrors";
    this.diagnostics = diagnostics;
  }
}

/** Collects errors; `finish` throws them. */
export class Diagnostics {
  readonly #list: Diagnostic[] = [];
  readonly #sources: ReadonlyMap<string, string>;

  constructor(sources: ReadonlyMap<string, string>) {
    this.#sources = sources;
  }

  get count(): number {
    return this.#list.length;
  }

  /** @param instead what to write, e.g. "`Str<256>` instead"; the message puts "write" before it. */
  error(span: Span, reason: string, instead: string): void {
    this.#list.push({ span, reason, instead });
  }

  /** Throws all errors so far, by file, line and column; returns when there is none. */
  finish(): void {
    if (this.#list.length === 0) return;
    const order = this.#list.toSorted(
      (a, b) => compare(a.span.file, b.span.file) || a.span.start - b.span.start || compare(a.reason, b.reason),
    );
    throw new IdlErrors(order, this.#sources);
  }
}

/** One error as the user sees it: four lines, no newline at the end. */
export function render(diagnostic: Diagnostic, source: string): string {
  const { span, reason, instead } = diagnostic;
  const text = source.split(/\r?\n/)[span.line - 1] ?? "";
  const width = Math.max(1, Math.min(span.end - span.start, text.length - span.column));
  // Tabs stay tabs, so that the caret stands below the text whatever a tab's width is.
  const indent = text.slice(0, span.column).replace(/[^\t]/g, " ");
  return [
    `${span.file}:${span.line}:${span.column + 1}: error: ${reason}`,
    `  ${text}`,
    `  ${indent}${"^".repeat(width)}`,
    `  write ${instead}`,
  ].join("\n");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
