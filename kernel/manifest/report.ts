/**
 * What is wrong with a manifest or descriptor, collected under the path of each value.
 *
 * Owns the wording that all rules share. Invariant: reads values of any shape, because manifests are programs.
 */
import { suggestion } from "./nearest.ts";

export type Dict = Readonly<Record<string, unknown>>;
export type Ranges = Readonly<Record<string, readonly [number, number]>>;

const NAME = /^[a-z][a-zA-Z0-9-]{0,62}$/;

/** Whether a domain, or an object of one, may have this name. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

/** Collects problems under a path. */
export class Report {
  readonly problems: string[];
  readonly path: string;
  constructor(path: string, problems: string[] = []) {
    this.path = path;
    this.problems = problems;
  }
  at(key: string): Report {
    return new Report(this.path.endsWith(": ") ? this.path + key : `${this.path}.${key}`, this.problems);
  }
  add(text: string): void {
    this.problems.push(this.path.endsWith(": ") ? this.path + text : `${this.path}: ${text}`);
  }
  /** The value as a dictionary; reports anything else. Absent is an empty one when `optional`. */
  dict(value: unknown, optional = false): Dict {
    if (value === undefined && optional) return {};
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Dict;
    this.add(`must be an object, is ${show(value)}`);
    return {};
  }
  keys(value: Dict, known: readonly string[]): void {
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) this.at(key).add(`unknown key${suggestion(key, known)}`);
    }
  }
  integer(value: unknown, low: number, high: number): void {
    if (typeof value !== "number" || !Number.isInteger(value)) this.add(`must be an integer, is ${show(value)}`);
    else if (value < low || value > high) this.add(`must be ${low} … ${high}, is ${value}`);
  }
  name(name: string): void {
    if (!isName(name)) this.add(`"${name}" is no name: write a letter, then letters, digits and "-", at most 63`);
  }
}

/** A value as it stands in a message. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "number" || typeof value === "boolean" || value == null) return String(value);
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
