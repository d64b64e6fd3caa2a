/**
 * A small program that has one capability, and can die.
 */
import { Console } from "idl/console";
import { ShellExecuteResult, ShellServer } from "idl/shell";

const console_ = Console.use("console");
let greeted = 0;

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    if (line == "die") throw new Error("told to die");
    console_.write("greeted " + line);
    return ShellExecuteResult.ok("hello " + line + ", you are number " + (++greeted).toString() + "\n");
  }
}
ShellServer.provide(new Program());

export function main(): void {
  console_.write("a greeter runs");
}
