/**
 * The caller of the crossing benchmark: one loop for each form of call.
 */
import { Slice } from "os/slice";
import { CrossingCase, CrossingError, CrossingRunResult, CrossingServer } from "idl/crossing";
import { Echo, Packet, PacketDeque32 } from "idl/echo";

const CALLEES: u32 = 64;

class CrossingService extends CrossingServer {
  private echo: Echo = Echo.use("echo0");
  private many: StaticArray<Echo> = new StaticArray<Echo>(CALLEES);
  private data: Slice = Slice.allocate(1500);
  private isReady: bool = false;

  run(what: CrossingCase, argument: u32, rounds: u32): CrossingRunResult {
    let made: u32 = 0;
    if (what == CrossingCase.Null) made = this.ping(rounds);
    else if (what == CrossingCase.Arg1) made = this.add(rounds);
    else if (what == CrossingCase.RRef) made = this.move(rounds);
    else if (what == CrossingCase.Borrow) made = this.lend(rounds);
    else if (what == CrossingCase.Deque32) made = this.deque(rounds);
    else if (what == CrossingCase.Bytes64 && argument <= 64) made = this.bytes64(argument, rounds);
    else if (what == CrossingCase.Bytes1500 && argument <= 1500) made = this.bytes1500(argument, rounds);
    else if (what == CrossingCase.Chain) made = this.chain(argument, rounds);
    else if (what == CrossingCase.Domains && argument > 0 && argument <= CALLEES) made = this.domains(argument, rounds);
    else return CrossingRunResult.err(CrossingError.Unknown);
    return made == rounds ? CrossingRunResult.ok(made) : CrossingRunResult.err(CrossingError.Failed);
  }

  private ping(rounds: u32): u32 {
    const echo = this.echo;
    for (let i: u32 = 0; i < rounds; i++) if (!echo.ping().ok) return i;
    return rounds;
  }

  private add(rounds: u32): u32 {
    const echo = this.echo;
    for (let i: u32 = 0; i < rounds; i++) if (!echo.add(i).ok) return i;
    return rounds;
  }

  private move(rounds: u32): u32 {
    const echo = this.echo;
    let packet = Packet.create();
    for (let i: u32 = 0; i < rounds; i++) {
      const result = echo.move(packet);
      if (result.refused) packet.free();
      if (!result.ok) return i;
      packet = result.value;
    }
    packet.free();
    return rounds;
  }

  private lend(rounds: u32): u32 {
    const echo = this.echo;
    const packet = Packet.create();
    let i: u32 = 0;
    while (i < rounds && echo.lend(packet).ok) i++;
    packet.free();
    return i;
  }

  private deque(rounds: u32): u32 {
    const echo = this.echo;
    let packets = PacketDeque32.create();
    for (let i = 0; i < PacketDeque32.capacity; i++) packets.append(Packet.create());
    for (let i: u32 = 0; i < rounds; i++) {
      const result = echo.deque(packets);
      if (result.refused) packets.free();
      if (!result.ok) return i;
      packets = result.value;
    }
    packets.free();
    return rounds;
  }

  private bytes64(length: u32, rounds: u32): u32 {
    const echo = this.echo;
    const data = this.data;
    data.setLength(length);
    for (let i: u32 = 0; i < rounds; i++) if (!echo.bytes64(data).ok) return i;
    return rounds;
  }

  private bytes1500(length: u32, rounds: u32): u32 {
    const echo = this.echo;
    const data = this.data;
    data.setLength(length);
    for (let i: u32 = 0; i < rounds; i++) if (!echo.bytes1500(data).ok) return i;
    return rounds;
  }

  private chain(depth: u32, rounds: u32): u32 {
    const echo = this.echo;
    for (let i: u32 = 0; i < rounds; i++) if (!echo.chain(depth - 1).ok) return i;
    return rounds;
  }

  private domains(count: u32, rounds: u32): u32 {
    if (!this.isReady) {
      for (let i: u32 = 0; i < CALLEES; i++) this.many[i] = Echo.use("echo" + i.toString());
      this.isReady = true;
    }
    let next: u32 = 0;
    for (let i: u32 = 0; i < rounds; i++) {
      if (!this.many[next].ping().ok) return i;
      next = next + 1 == count ? 0 : next + 1;
    }
    return rounds;
  }
}

CrossingServer.provide(new CrossingService());
