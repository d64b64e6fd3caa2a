/**
 * Hand-made hostile modules: each is refused with its own typed error.
 *
 * Keeps: admission throws nothing but AdmissionError, with the right code, a message that names the cause, and an
 * offset that lies in the module.
 */
import { describe, expect, test } from "vitest";
import { ADMISSION_CODES, AdmissionError } from "#kernel/wasm/errors.ts";
import { admitHostile } from "./admission.ts";
import { REFUSED_STRUCTURE, type Refused } from "./refused.ts";
import { MEMORY_INDEX, REFUSED_CODE, VALID_FOR_V8 } from "./refused-code.ts";

/** The error that admission answers with; fails when it admits or throws anything else. */
function refusal(bytes: Uint8Array): AdmissionError {
  try {
    admitHostile(bytes);
  } catch (error) {
    if (error instanceof AdmissionError) return error;
    throw new Error(`not an AdmissionError but ${String(error)}`, { cause: error });
  }
  throw new Error("admitted");
}

function check(row: Refused): void {
  const bytes = row.build();
  const error = refusal(bytes);
  expect(row.codes, error.message).toContain(error.code);
  expect(ADMISSION_CODES).toContain(error.code);
  expect(error.message).toMatch(row.says);
  expect(Number.isInteger(error.offset) && error.offset >= -1 && error.offset <= bytes.length).toBe(true);
}

describe("hand-made modules are refused", () => {
  test.each(REFUSED_STRUCTURE)("$name", check);
  test.each(REFUSED_CODE)("$name", check);
});

test("names are unique, so that a failure points at one module", () => {
  const names = [...REFUSED_STRUCTURE, ...REFUSED_CODE].map((row) => row.name);
  expect(new Set(names).size).toBe(names.length);
});

test("the forbidden features are valid for the engine, so the loader alone keeps them out", () => {
  const refusedByEngine = VALID_FOR_V8.filter((row) => !WebAssembly.validate(row.build() as Uint8Array<ArrayBuffer>));
  expect(refusedByEngine.map((row) => row.name)).toEqual([]);
});

test("no memory instruction reaches memory 1 or 2", () => {
  for (const row of MEMORY_INDEX) check(row);
});
