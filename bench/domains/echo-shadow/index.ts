/**
 * The shadow of an Echo: what a call through a shadow costs, with and without an object.
 *
 * Invariants: a packet that was lost comes back empty, with its length and port; everything else is passed on as it is.
 * When restarts do not help, a method with an error answers it. One without has no way to: its answer, a fault, ends
 * the shadow as it did the domain behind.
 */
import { Fault } from "os/rpc";
import { Backing } from "os/shadow";
import { Slice } from "os/slice";
import {
  Echo,
  EchoAddResult,
  EchoBytes1500Result,
  EchoBytes64Result,
  EchoCallbackResult,
  EchoChainResult,
  EchoDequeResult,
  EchoError,
  EchoLendResult,
  EchoMoveResult,
  EchoPingResult,
  EchoScalarsResult,
  EchoServer,
  EchoSliceResult,
  EchoTextResult,
  Packet,
  PacketDeque32,
} from "idl/echo";
import { Lifecycle } from "idl/lifecycle";

class EchoShadow extends EchoServer {
  private echo: Echo = Echo.use("echo");
  private backing: Backing = new Backing(Lifecycle.use("life"));

  ping(): EchoPingResult {
    let answer = this.echo.ping();
    while (this.backing.recover(answer.fault)) answer = this.echo.ping();
    return answer;
  }

  add(value: u32): EchoAddResult {
    let answer = this.echo.add(value);
    while (this.backing.recover(answer.fault)) answer = this.echo.add(value);
    return answer;
  }

  move(packet: Packet): EchoMoveResult {
    const length = packet.length;
    const port = packet.port;
    let answer = this.echo.move(packet);
    while (this.backing.recover(answer.fault)) {
      if (answer.fault == Fault.Crashed) {
        packet = Packet.create();
        packet.length = length;
        packet.port = port;
      }
      answer = this.echo.move(packet);
    }
    if (answer.fault == Fault.None) return answer;
    if (answer.fault != Fault.Crashed) packet.free();
    return EchoMoveResult.err(EchoError.Asked);
  }

  lend(packet: Packet): EchoLendResult {
    let answer = this.echo.lend(packet);
    while (this.backing.recover(answer.fault)) answer = this.echo.lend(packet);
    return answer;
  }

  deque(packets: PacketDeque32): EchoDequeResult {
    let answer = this.echo.deque(packets);
    while (this.backing.recover(answer.fault)) {
      if (answer.fault == Fault.Crashed) packets = PacketDeque32.create();
      answer = this.echo.deque(packets);
    }
    if (answer.refused) packets.free();
    return answer;
  }

  bytes64(data: Slice): EchoBytes64Result {
    let answer = this.echo.bytes64(data);
    while (this.backing.recover(answer.fault)) answer = this.echo.bytes64(data);
    return answer;
  }

  bytes1500(data: Slice): EchoBytes1500Result {
    let answer = this.echo.bytes1500(data);
    while (this.backing.recover(answer.fault)) answer = this.echo.bytes1500(data);
    return answer;
  }

  slice(data: Slice): EchoSliceResult {
    let answer = this.echo.slice(data);
    while (this.backing.recover(answer.fault)) answer = this.echo.slice(data);
    return answer.fault == Fault.None ? answer : EchoSliceResult.err(EchoError.Asked);
  }

  text(line: string): EchoTextResult {
    let answer = this.echo.text(line);
    while (this.backing.recover(answer.fault)) answer = this.echo.text(line);
    return answer.fault == Fault.None ? answer : EchoTextResult.err(EchoError.Asked);
  }

  scalars(small: u32, big: u64, real: f64): EchoScalarsResult {
    let answer = this.echo.scalars(small, big, real);
    while (this.backing.recover(answer.fault)) answer = this.echo.scalars(small, big, real);
    return answer.fault == Fault.None ? answer : EchoScalarsResult.err(EchoError.Asked);
  }

  chain(depth: u32): EchoChainResult {
    let answer = this.echo.chain(depth);
    while (this.backing.recover(answer.fault)) answer = this.echo.chain(depth);
    return answer.fault == Fault.None ? answer : EchoChainResult.err(EchoError.Asked);
  }

  callback(peer: Echo): EchoCallbackResult {
    let answer = this.echo.callback(peer);
    while (this.backing.recover(answer.fault)) answer = this.echo.callback(peer);
    return answer.fault == Fault.None ? answer : EchoCallbackResult.err(EchoError.Asked);
  }
}

EchoServer.provide(new EchoShadow());
