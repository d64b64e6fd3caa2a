/**
 * Reads what a creator writes about its child: what it provides and what it may use.
 *
 * Invariant: every name was checked and every interface exists; a use names something that its creator has now.
 */
import type { Model } from "../interface/model.ts";
import type { ProvidedObject, ResolvedUse } from "../manifest/manifest.ts";
import { isName } from "../manifest/report.ts";
import { numbered } from "../manifest/validate.ts";

export type Refusal =
  | "NoImage"
  | "TooLarge"
  | "BadName"
  | "BadDescription"
  | "NameTaken"
  | "NoSuchGrant"
  | "NoSuchInterface"
  | "LimitExceeded"
  | "BadImage"
  | "Died"
  | "NoSuchDomain"
  | "NotRunning"
  | "NoCreator";

/** Why something cannot be done; a member of `DomainsError` in interfaces/domains.ts. */
export class CreationError extends Error {
  readonly code: Refusal;
  constructor(code: Refusal, message: string) {
    super(message);
    this.name = "CreationError";
    this.code = code;
  }
}

/** `a: B, c: D` as pairs, in order. @throws CreationError (BadDescription) */
function pairs(text: string, what: string, sign: ":" | "="): Map<string, string> {
  const found = new Map<string, string>();
  for (const item of text.split(",").map((i) => i.trim())) {
    if (item === "" && text.trim() === "") continue;
    const [name = "", value = "", ...more] = item.split(sign).map((part) => part.trim());
    const bad = (why: string): never => {
      throw new CreationError("BadDescription", `${what}: "${item}" ${why}`);
    };
    if (value === "" || more.length > 0) bad(`is not "NAME ${sign} …"`);
    if (!isName(name)) bad("does not begin with a name");
    if (found.has(name)) bad("comes a second time");
    found.set(name, value);
  }
  return found;
}

/** @throws CreationError (BadDescription, NoSuchInterface) */
export function readProvides(model: Model, text: string): ProvidedObject[] {
  const provided = pairs(text, "provides", ":");
  for (const [name, type] of provided)
    if (!Object.hasOwn(model.interfaces, type))
      throw new CreationError("NoSuchInterface", `provides.${name}: no interface is named ${type}`);
  return numbered(Object.fromEntries(provided));
}

/**
 * @param find what the creator has of a name, now
 * @throws CreationError (BadDescription, NoSuchGrant)
 */
export function readUses(text: string, find: (source: string) => ResolvedUse | null): ResolvedUse[] {
  return Array.from(pairs(text, "uses", "="), ([name, source]) => {
    const use = find(source);
    if (use === null) throw new CreationError("NoSuchGrant", `uses.${name}: the creator has no ${source}`);
    return { ...use, name };
  });
}
