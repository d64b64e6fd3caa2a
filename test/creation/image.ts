/** Sends the bytes of a module through the interface `Domains`, piece by piece. */

export interface Answer<T> {
  readonly ok: boolean;
  readonly value: T;
  readonly error?: string;
  readonly fault?: string;
}
export interface Left {
  readonly memoryPages: number;
  readonly heapBytes: number;
  readonly heapObjects: number;
  readonly threads: number;
  readonly domains: number;
}
export interface Creator {
  begin(bytes: number): Answer<void>;
  append(piece: Uint8Array): Answer<void>;
  create(name: string, provides: string, uses: string, ...limits: readonly number[]): Promise<Answer<void>>;
  lastError(): Answer<string>;
  left(): Answer<Left>;
  state(name: string): Answer<number>;
  kill(name: string): Answer<void>;
}

export const MAX_PIECE = 4096;

/** The first error, or null. */
export function sendImage(creator: Creator, bytes: Uint8Array): string | null {
  const begun = creator.begin(bytes.length);
  if (!begun.ok) return begun.error ?? begun.fault!;
  for (let at = 0; at < bytes.length; at += MAX_PIECE) {
    const sent = creator.append(bytes.subarray(at, at + MAX_PIECE));
    if (!sent.ok) return sent.error ?? sent.fault!;
  }
  return null;
}
