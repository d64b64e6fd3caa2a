/**
 * Takes the uncompressed kernel out of Debian's bzImage.
 *
 * Invariant: what comes out is an ELF file, or an error that says what was found instead.
 */
import { createZstdDecompress } from "node:zlib";
import { LabError } from "./lab.ts";

/** First bytes of a Zstandard frame. */
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** What a frame holds; bytes behind the frame are somebody else's and end the reading. */
function firstFrame(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const unzip = createZstdDecompress();
    const finish = (): void => resolve(Buffer.concat(parts));
    unzip.on("data", (part: Buffer) => parts.push(part));
    unzip.on("end", finish);
    unzip.on("error", finish);
    unzip.end(bytes);
  });
}

/**
 * @param image a bzImage (Documentation/arch/x86/boot.rst) whose payload is compressed with Zstandard.
 * @throws LabError when no ELF file is inside.
 */
export async function uncompressedKernel(image: Buffer): Promise<Buffer> {
  for (let at = image.indexOf(ZSTD); at >= 0; at = image.indexOf(ZSTD, at + 1)) {
    const kernel = await firstFrame(image.subarray(at));
    if (kernel.subarray(0, 4).equals(ELF)) return kernel;
  }
  throw new LabError("VM lab: the kernel package holds no kernel compressed with Zstandard");
}
