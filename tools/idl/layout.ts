/**
 * Where the fields of a record lie.
 *
 * Owns the layout rule: declaration order, natural alignment, little-endian; bool and enums one byte; `RRef` fields
 * take no bytes but slots, numbered in declaration order. Invariant: the layout depends on nothing but names, order
 * and types.
 */
import type { Field, FieldType, Method, ScalarName, ValueType } from "#kernel/interface/model.ts";

const SIZES: Readonly<Record<ScalarName, number>> = {
  bool: 1,
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f32: 4,
  f64: 8,
};

/** Bytes of one scalar in an object. */
export function scalarSize(scalar: ScalarName): number {
  return SIZES[scalar];
}

/** Size and alignment of a field that is not a slot, bytes. */
export function fieldSize(type: Exclude<FieldType, { kind: "rref" }>): { size: number; align: number } {
  switch (type.kind) {
    case "scalar":
      return { size: SIZES[type.scalar], align: SIZES[type.scalar] };
    case "enum":
      return { size: 1, align: 1 };
    case "bytes":
      return { size: type.length, align: 1 };
    case "array":
      return { size: type.length * SIZES[type.element], align: SIZES[type.element] };
    default:
      throw new Error(`unknown field type ${JSON.stringify(type)}`);
  }
}

/** Places all fields of a record. `size` is the visible size of a new object, a multiple of its largest alignment. */
export function layOut(fields: readonly Omit<Field, "at">[]): { fields: Field[]; slots: string[]; size: number } {
  const slots: string[] = [];
  let end = 0;
  let widest = 1;
  const placed = fields.map((field): Field => {
    if (field.type.kind === "rref") return { ...field, at: slots.push(field.type.type) - 1 };
    const { size, align } = fieldSize(field.type);
    const at = Math.ceil(end / align) * align;
    end = at + size;
    widest = Math.max(widest, align);
    return { ...field, at };
  });
  return { fields: placed, slots, size: Math.ceil(end / widest) * widest };
}

/** Bytes of the argument region that one call of a method takes: each text is rounded up to 8 bytes. */
export function argumentBytes(method: Method): number {
  const size = (type: ValueType): number => (type.kind === "str" || type.kind === "slice" ? (type.max + 7) & ~7 : 0);
  return method.params.reduce((sum, p) => sum + size(p.type), 0);
}
