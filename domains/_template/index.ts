/**
 * template: answers every line with a greeting.
 *
 * Invariant: an answer for every line, whatever it says.
 */
import { ShellExecuteResult, ShellServer } from "idl/shell";

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    return ShellExecuteResult.ok("template: hello, " + line + "\n");
  }
}

ShellServer.provide(new Program());
