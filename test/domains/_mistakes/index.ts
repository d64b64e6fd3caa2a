/**
 * Programs that break the rules of ownership, by name: `execute` runs one, if it was built in spite of the check.
 *
 * Invariant: each is an exported function of one of the files; the tests read what is wrong with it from its comments.
 */
import { ShellExecuteResult, ShellServer } from "idl/shell";
import * as leaks from "./programs/leaks";
import * as loans from "./programs/loans";
import * as moves from "./programs/moves";
import * as paths from "./programs/paths";
import * as places from "./programs/places";

export * from "./programs/leaks";
export * from "./programs/loans";
export * from "./programs/moves";
export * from "./programs/paths";
export * from "./programs/places";

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    return ShellExecuteResult.ok(line);
  }
}
ShellServer.provide(new Program());
