/**
 * The IDL compiler's API: interface files in, model and generated sources out.
 *
 * Owns nothing itself. All emitters are pure: they map a model to texts by path (relative to the folder that the caller
 * chooses) and touch no file.
 */
export { compileInterfaces } from "./compile.ts";
export { IdlErrors, render, type Diagnostic, type Span } from "./diagnostics.ts";
export { emitC } from "./emit/c.ts";
export { emitGuest } from "./emit/guest.ts";
export { emitHost } from "./emit/host.ts";
export { emitReference } from "./emit/reference.ts";
export { exchangeClass, moduleName, resultClass, serverClass } from "./names.ts";
