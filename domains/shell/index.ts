/**
 * The shell: executes one command line and answers what is to be shown.
 *
 * It has no terminal; whoever has one calls it. Invariant: any line whatever gets an answer, and the domain goes on.
 */
import { DomainState, System, SystemError, SystemPage } from "idl/system";
import { ShellExecuteResult, ShellServer } from "idl/shell";
import { bytes, clip, columns } from "./format";
import { Line } from "./line";
import { crashCommand, diskCommand, kvCommand } from "./services";

const HELP = `help                    this text
@NAME LINE              a line for the program of another domain
ps                      domains, their state and what they hold
stat                    the exchange heap and calls since boot
kv get KEY              a value of the key-value store
kv put KEY VALUE        stores one
kv del KEY              deletes one
kv ls | kv stat         keys; sizes
disk read BLOCK         the first bytes of a block of the scratch disk
disk write BLOCK TEXT   writes one
disk stat               size and counters
crash [HOW]             makes the domain "crasher" crash; alone, lists how
kill NAME               ends a domain
restart NAME            begins a domain's next life
inspect NAME            limits, calls, why it died last
trace NAME              its last calls, and what the kernel did with it
`;

const system = System.use("system");

function stateName(state: DomainState): string {
  if (state == DomainState.Loaded) return "loaded";
  if (state == DomainState.Running) return "running";
  return state == DomainState.Dying ? "dying" : "dead";
}

function ps(): string {
  const rows: Array<Array<string>> = [["NAME", "STATE", "GEN", "FAULTS", "HEAP", "OBJECTS", "LAST FAULT"]];
  const count = system.count();
  if (!count.ok) return "ps: the kernel does not answer\n";
  const domains = count.value;
  for (let i: u32 = 0; i < domains; i++) {
    const name = system.name(i);
    const info = system.domain(i);
    if (!name.ok || !info.ok) continue;
    const fault = system.lastFault(i);
    rows.push([
      name.value,
      stateName(info.state),
      info.generation.toString(),
      info.faults.toString(),
      bytes(info.bytes),
      info.objects.toString(),
      fault.ok ? fault.value : "",
    ]);
  }
  return columns(rows);
}

function statistics(): string {
  const answer = system.statistics();
  if (!answer.ok) return "stat: the kernel does not answer\n";
  return columns([
    ["exchange heap", bytes(answer.heapBytes)],
    ["objects", answer.objects.toString()],
    ["domains", answer.domains.toString()],
    ["calls", answer.calls.toString()],
  ]);
}

function kill(line: Line): string {
  const name = line.word();
  if (name == "") return "usage: kill NAME\n";
  const answer = system.kill(name);
  if (answer.ok) return "killed " + name + "\n";
  return "kill: there is no running domain of this name (see ps)\n";
}

function restart(line: Line): string {
  const name = line.word();
  if (name == "") return "usage: restart NAME\n";
  const answer = system.restart(name);
  if (answer.ok) return "restarted " + name + ": life " + answer.value.toString() + "\n";
  if (!answer.isError) return "restart: the kernel does not answer\n";
  if (answer.error == SystemError.NoSuchDomain) return "restart: there is no domain of this name (see ps)\n";
  if (answer.error == SystemError.Busy) return name + " restarts when the calls into it have returned\n";
  return name + " did not come up again (see ps)\n";
}

/** A page of the kernel's about one domain. */
function page(what: SystemPage, command: string, line: Line): string {
  const name = line.word();
  if (name == "") return "usage: " + command + " NAME\n";
  let text = "";
  let answer = system.page(what, name, 0);
  for (let next: u32 = 1; answer.ok && answer.value != ""; next++) {
    text += answer.value + "\n";
    answer = system.page(what, name, next);
  }
  return answer.ok ? text : command + ": there is no domain of this name (see ps)\n";
}

function execute(line: Line): string {
  const command = line.word();
  if (command == "") return "";
  if (command == "help") return HELP;
  if (command == "ps") return ps();
  if (command == "stat") return statistics();
  if (command == "kv") return kvCommand(line);
  if (command == "disk") return diskCommand(line);
  if (command == "crash") return crashCommand(line);
  if (command == "kill") return kill(line);
  if (command == "restart") return restart(line);
  if (command == "inspect") return page(SystemPage.Inspect, command, line);
  if (command == "trace") return page(SystemPage.Trace, command, line);
  return command + ": no such command; write help\n";
}

class ShellService extends ShellServer {
  execute(line: string): ShellExecuteResult {
    return ShellExecuteResult.ok(clip(execute(new Line(line))));
  }
}

ShellServer.provide(new ShellService());
