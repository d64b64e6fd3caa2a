/**
 * The callee of the crossing benchmark: every method does the least that its interface allows.
 */
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

class EchoService extends EchoServer {
  private next: Echo = Echo.use("next");

  ping(): EchoPingResult {
    return EchoPingResult.ok();
  }

  add(value: u32): EchoAddResult {
    return EchoAddResult.ok(value + 1);
  }

  move(packet: Packet): EchoMoveResult {
    return EchoMoveResult.ok(packet);
  }

  lend(packet: Packet): EchoLendResult {
    return EchoLendResult.ok(packet.length);
  }

  deque(packets: PacketDeque32): EchoDequeResult {
    return EchoDequeResult.ok(packets);
  }

  bytes64(data: Slice): EchoBytes64Result {
    return EchoBytes64Result.ok(data.length);
  }

  bytes1500(data: Slice): EchoBytes1500Result {
    return EchoBytes1500Result.ok(data.length);
  }

  slice(data: Slice): EchoSliceResult {
    return EchoSliceResult.ok(data);
  }

  text(line: string): EchoTextResult {
    return EchoTextResult.ok(line);
  }

  scalars(small: u32, big: u64, real: f64): EchoScalarsResult {
    return EchoScalarsResult.ok(big, small, real);
  }

  chain(depth: u32): EchoChainResult {
    if (depth == 0) return EchoChainResult.ok(0);
    const result = this.next.chain(depth - 1);
    return result.ok ? EchoChainResult.ok(result.value + 1) : EchoChainResult.err(EchoError.Asked);
  }

  callback(peer: Echo): EchoCallbackResult {
    return peer.ping().ok ? EchoCallbackResult.ok(peer) : EchoCallbackResult.err(EchoError.Asked);
  }
}

EchoServer.provide(new EchoService());
