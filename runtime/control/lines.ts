/**
 * Lines of JSON on a stream, as both ends of the control socket read them.
 *
 * Invariant: a line that is longer than its bound is never kept: it is reported once, and nothing is read any more.
 */
const NEWLINE = 0x0a;

/**
 * Cuts chunks into lines.
 * @param max bytes that a line may have
 * @param line gets each line without its end
 * @param tooLong called once, instead of everything that follows
 */
export function lineReader(max: number, line: (text: string) => void, tooLong: () => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let length = 0;
  let given = false;
  return (chunk) => {
    for (let at = 0; at < chunk.length && !given;) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      length += end - at;
      given = length > max;
      if (given) {
        parts = [];
        return tooLong();
      }
      parts.push(chunk.subarray(at, end));
      if (newline >= 0) {
        const text = Buffer.concat(parts).toString();
        parts = [];
        length = 0;
        line(text);
      }
      at = end + 1;
    }
  };
}
