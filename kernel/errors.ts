/**
 * Errors that the kernel gives to the program that embeds it. Domains never see them: they get fault codes.
 *
 * Codes are stable; texts name the place (domain, edge, key) and the cause.
 */
export type KernelErrorCode =
  | "link" // a domain lacks an export, or was built against another version of an interface
  | "unknown-domain"
  | "unknown-interface"
  | "unknown-capability"
  | "limit" // a process-wide budget: domains, types, edges, memories
  | "instantiate" // data or element segments do not fit, or V8 refused the instance
  | "start" // a domain died in _init or main
  | "argument" // the host passed an object that is not its own, a text too long, …
  | "closed"; // the system was stopped

export class KernelError extends Error {
  readonly code: KernelErrorCode;
  constructor(code: KernelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KernelError";
    this.code = code;
  }
}
