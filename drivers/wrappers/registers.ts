/**
 * Registers as tables: what an access means, in the names of the device's specification.
 *
 * Invariant: a field covers bits of its own register, and fields do not overlap (tested). What a table does not know is
 * shown as a number, never as the nearest name.
 */

/** Name, highest and lowest bit. */
export type Field = readonly [name: string, high: number, low: number];

export interface Register {
  readonly name: string;
  readonly fields: readonly Field[];
}

/** What one access is, for people. */
export interface Meaning {
  readonly register: string;
  /** `EN=1 CSS=0 …`, or empty. */
  readonly fields: string;
}

/** Value of bits `high` to `low` of a word. */
export function bits(value: number, high: number, low: number): number {
  return (value >>> low) & (high - low === 31 ? -1 : (1 << (high - low + 1)) - 1);
}

/** `EN=1 MPS=0`; numbers that need more than 8 bits and are no count read better in hexadecimal. */
export function showFields(fields: readonly Field[], value: number): string {
  return fields
    .map(([name, high, low]) => {
      const field = bits(value, high, low) >>> 0;
      return `${name}=${high - low >= 16 && field > 9 ? `0x${field.toString(16)}` : field}`;
    })
    .join(" ");
}

export const hex = (value: number, digits = 8): string => `0x${(value >>> 0).toString(16).padStart(digits, "0")}`;

/** Registers of a device's configuration space that a driver meets: PCI Local Bus 3.0, 6.2. By offset of the word. */
const CONFIG: Readonly<Record<number, Register>> = {
  0x00: {
    name: "ID",
    fields: [
      ["DID", 31, 16],
      ["VID", 15, 0],
    ],
  },
  0x04: {
    name: "CMD",
    fields: [
      ["IOSE", 0, 0],
      ["MSE", 1, 1],
      ["BME", 2, 2],
      ["ID", 10, 10],
    ],
  },
  0x06: { name: "STS", fields: [["CL", 4, 4]] },
  0x08: { name: "RID", fields: [["CC", 31, 8]] },
  0x2c: {
    name: "SS",
    fields: [
      ["SSID", 31, 16],
      ["SSVID", 15, 0],
    ],
  },
  0x34: { name: "CAP", fields: [["CP", 7, 0]] },
};

/** Fields that an access of `width` bytes covers. */
export function configMeaning(offset: number, width: number, value: number): Meaning {
  const register = CONFIG[offset];
  if (register === undefined) return { register: `config ${hex(offset, 2)}`, fields: "" };
  const fields = register.fields.filter(([, high]) => high < width * 8);
  return { register: register.name, fields: showFields(fields, value) };
}
