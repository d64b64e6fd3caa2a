/**
 * Starts programs: `start NAME` makes a child of the image that the store holds in pieces, as NAME/0, NAME/1, …
 *
 * Creation is an async method, so it is a thread's work. Invariant: `log` says how each start and stop has ended.
 */
import { Domains, DomainsError } from "idl/domains";
import { KeyValue } from "idl/key-value";
import { DomainState } from "idl/system";
import { Shell, ShellExecuteResult, ShellServer } from "idl/shell";
import { spawn } from "os/thread";

export { samara_thread } from "os/thread";

const domains = Domains.use("domains");
const store = KeyValue.use("store");
let log = "";
/** What the thread that runs is to start; one at a time. */
let wanted = "";

function piece(index: i32): string {
  return wanted + "/" + index.toString();
}

/** Bytes of the image; 0 when there is none. */
function imageSize(): i32 {
  let size = 0;
  let index = 0;
  for (let part = store.get(piece(0)); part.ok; part = store.get(piece(++index))) size += part.value.length;
  return size;
}

function create(): bool {
  const size = imageSize();
  if (!domains.begin(size).ok) return false;
  for (let i = 0, sent = 0; sent < size; i++) {
    const part = store.get(piece(i));
    if (!part.ok || !domains.append(part.value).ok) return false;
    sent += part.value.length;
  }
  const uses = "console = console";
  return domains.create(wanted, "program: Shell", uses, 4, 65536, 16, 0, 0).ok;
}

function start(_: i32): i32 {
  log += wanted + ": " + (create() ? "started" : domains.lastError().value) + "\n";
  wanted = "";
  return 0;
}

function tell(name: string, line: string): string {
  const program = Shell.use(name + ".program");
  const answer = program.execute(line);
  // A capability to a child stays in the table when the child is gone.
  program.drop();
  return answer.ok ? answer.value : name + " does not answer\n";
}

function stop(name: string): string {
  const ended = domains.kill(name);
  if (ended.ok) return "stopped\n";
  return ended.error == DomainsError.NoSuchDomain ? "there is no " + name + "\n" : "refused\n";
}

function stateOf(name: string): string {
  const state = domains.state(name);
  if (!state.ok) return "none\n";
  return state.value == DomainState.Running ? "running\n" : "ending\n";
}

class Launcher extends ShellServer {
  execute(line: string): ShellExecuteResult {
    const words = line.split(" ");
    const name = words.length > 1 ? words[1] : "";
    return ShellExecuteResult.ok(this.command(words[0], name, words.slice(2).join(" ")));
  }

  private command(word: string, name: string, rest: string): string {
    if (word == "log") return log;
    if (word == "left") return domains.left().memoryPages.toString() + "\n";
    if (word == "state") return stateOf(name);
    if (word == "stop") return stop(name);
    if (word == "tell") return tell(name, rest);
    if (word != "start" || wanted != "") return "?\n";
    wanted = name;
    spawn(start);
    return "starting\n";
  }
}
ShellServer.provide(new Launcher());
