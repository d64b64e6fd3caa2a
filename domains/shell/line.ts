/**
 * A command line as words.
 *
 * Invariant: words are separated by blanks; `rest` keeps the blanks inside of what it returns.
 */
export class Line {
  private at: i32 = 0;

  constructor(private text: string) {}

  /** The next word, or "" at the end. */
  word(): string {
    this.skip();
    const start = this.at;
    while (this.at < this.text.length && !this.isBlank()) this.at++;
    return this.text.substring(start, this.at);
  }

  /** Everything that is left, without blanks around it. */
  rest(): string {
    const left = this.text.substring(this.at).trim();
    this.at = this.text.length;
    return left;
  }

  private skip(): void {
    while (this.at < this.text.length && this.isBlank()) this.at++;
  }

  private isBlank(): bool {
    const code = this.text.charCodeAt(this.at);
    return code == 0x20 || code == 0x09;
  }
}

/** A block number in decimal digits, or -1. */
export function parseNumber(word: string): i64 {
  if (word.length == 0 || word.length > 15) return -1;
  let value: i64 = 0;
  for (let i = 0; i < word.length; i++) {
    const digit = word.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
