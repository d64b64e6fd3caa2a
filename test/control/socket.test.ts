/**
 * The control socket: its protocol, clients that break it, names and files that are left over.
 */
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ControlClient } from "#runtime/control/client.ts";
import { ControlServer, type Handler } from "#runtime/control/server.ts";
import { listRunning, socketPath } from "#runtime/control/socket.ts";

let dir: string;
const servers: ControlServer[] = [];
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "control-"))));
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(dir, { recursive: true, force: true });
});

const HANDLERS = new Map<string, Handler>([
  ["echo", (args) => args],
  ["who", (_, system) => system],
  ["nothing", () => undefined],
  ["long", () => "x".repeat(1 << 20)],
  ["later", () => new Promise((resolve) => setTimeout(() => resolve("late"), 20))],
  [
    "fail",
    () => {
      throw new Error("not today");
    },
  ],
]);

async function serve(name = "sys", free = false): Promise<ControlServer> {
  const server = await (free ? ControlServer.listenFree : ControlServer.listen)(dir, name, HANDLERS);
  servers.push(server);
  return server;
}

/** Sends bytes, ends, and gives everything that comes back, line by line, until the other side ends. */
function talk(path: string, bytes: string | Buffer, end = true): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    const done = (): void => {
      socket.destroy();
      resolve(
        text
          .trimEnd()
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as unknown),
      );
    };
    socket.on("end", done);
    socket.on("error", (error) => (text === "" ? reject(error) : done()));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

describe("a request", () => {
  test("is one line of JSON, and its answer another with the same id", async () => {
    const { path } = await serve();
    const lines = ['{"id":1,"command":"echo","a":[1,"ä"]}', '{"id":"x","command":"who"}', '{"command":"nothing"}'];
    expect(await talk(path, `${lines.join("\n")}\n`)).toEqual([
      { id: 1, ok: true, value: { a: [1, "ä"] } },
      { id: "x", ok: true, value: "sys" },
      { id: null, ok: true, value: null },
    ]);
  });

  test("may come in pieces; answers keep the order of requests, and come after the client has ended its side", async () => {
    const { path } = await serve();
    const text = '{"id":1,"command":"later"}\n{"id":2,"command":"echo"}\n';
    const socket = connect({ path, allowHalfOpen: true });
    let got = "";
    socket.on("data", (chunk) => (got += chunk.toString()));
    for (const character of text) {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    await new Promise((resolve) => socket.on("end", resolve));
    expect(got).toBe('{"id":1,"ok":true,"value":"late"}\n{"id":2,"ok":true,"value":{}}\n');
  });

  test.each([
    ["no JSON", "hello", null, /^not JSON: /],
    ["nothing", "", null, /^not JSON: /],
    ["a number", "17", null, /^a request is an object/],
    ["a list", "[]", null, /^a request is an object/],
    ["null", "null", null, /^a request is an object/],
    ["no command", '{"id":7}', 7, /^unknown command undefined; there are echo, who/],
    ["an unknown command", '{"id":7,"command":"ecko"}', 7, /^unknown command "ecko"; there are echo/],
    ["a name of Object's", '{"id":7,"command":"constructor"}', 7, /^unknown command "constructor"/],
    ["a command that fails", '{"id":7,"command":"fail"}', 7, /^not today$/],
    ["bytes that are no text", Buffer.from([0xff, 0x00, 0xfe]), null, /^not JSON: /],
  ])("of %s gets an error, and the connection goes on", async (_, line, id, error) => {
    const { path } = await serve();
    const bytes = Buffer.concat([Buffer.from(line), Buffer.from('\n{"id":8,"command":"nothing"}\n')]);
    const [first, second] = await talk(path, bytes);
    expect(first).toEqual({ id, ok: false, error: expect.stringMatching(error) as unknown });
    expect(second).toEqual({ id: 8, ok: true, value: null });
  });
});

describe("a hostile client", () => {
  test("that never ends its line is told so and cut off", async () => {
    const { path } = await serve();
    const answers = await talk(path, "x".repeat(1 << 20), false);
    expect(answers).toEqual([{ id: null, ok: false, error: "a request has at most 65536 bytes" }]);
  });

  test("that asks and never reads is cut off, and others are served", async () => {
    const { path } = await serve();
    const deaf = connect(path);
    deaf.pause();
    deaf.on("error", () => {});
    const closed = new Promise((resolve) => deaf.on("close", resolve));
    for (let i = 0; i < 100; i++) deaf.write('{"command":"long"}\n');
    expect(await talk(path, '{"id":1,"command":"who"}\n')).toEqual([{ id: 1, ok: true, value: "sys" }]);
    // Cut off means that what was sent ends before all hundred answers.
    let got = 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
    deaf.on("data", (chunk) => (got += chunk.length));
    deaf.resume();
    deaf.end();
    await closed;
    expect(got).toBeLessThan(100 << 20);
  });

  test("that sends very many at once keeps nobody else waiting", async () => {
    const { path } = await serve();
    let turns = 0;
    const count = (): void => void (turns++, (timer = setImmediate(count)));
    let timer = setImmediate(count);
    const answers = await talk(path, '{"command":"who"}\n'.repeat(1000));
    clearImmediate(timer);
    expect(answers).toHaveLength(1000);
    expect(turns).toBeGreaterThan(900);
  });

  test("that goes on sending after a line that was too long is cut off all the same", async () => {
    const { path } = await serve();
    const socket = connect(path);
    socket.on("error", () => {});
    socket.write("x".repeat(100_000));
    const more = setInterval(() => socket.write("x"), 10);
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(more);
  });

  test("that goes away in the middle of anything does no harm", async () => {
    const { path } = await serve();
    for (const bytes of ["", "{", '{"command":"long"}\n', '{"command":"later"}\n{"command":"later"}\n']) {
      const socket = connect(path);
      await new Promise<void>((resolve) => socket.on("connect", resolve));
      await new Promise((resolve) => socket.write(bytes, resolve));
      socket.destroy();
    }
    expect(await talk(path, '{"id":1,"command":"who"}\n')).toEqual([{ id: 1, ok: true, value: "sys" }]);
  });

  test("with a thousand connections leaves some for others once it is gone", async () => {
    const { path } = await serve();
    const sockets: Socket[] = Array.from({ length: 1000 }, () => connect(path));
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.on("error", () => resolve());
            socket.on("connect", () => resolve());
          }),
      ),
    );
    for (const socket of sockets) socket.destroy();
    const answers = await (await ControlClient.connect(dir, "sys")).request("who");
    expect(answers).toBe("sys");
  });
});

describe("a name", () => {
  test("belongs to the user alone, and is free again after the end", async () => {
    const server = await serve();
    expect(statSync(server.path).mode & 0o777).toBe(0o600);
    expect(await listRunning(dir)).toEqual(["sys"]);
    await servers.pop()!.close();
    expect(existsSync(server.path)).toBe(false);
    expect(await listRunning(dir)).toEqual([]);
  });

  test("of a running system is refused to a second one, which may take a free one instead", async () => {
    await serve();
    await expect(serve()).rejects.toThrow("a system named sys is running already; give this one another name");
    const [second, third] = [await serve("sys", true), await serve("sys", true)];
    expect([second.name, third.name]).toEqual(["sys-2", "sys-3"]);
    expect(await listRunning(dir)).toEqual(["sys", "sys-2", "sys-3"]);
    const client = await ControlClient.connect(dir, "sys-2");
    expect(await client.request("who")).toBe("sys-2");
    client.close();
  });

  test("whose file a killed system left is taken over", async () => {
    const path = socketPath(dir, "sys");
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    // A file nobody listens at, as after a kill: the closing server would remove its own.
    const kept = `${path}.kept`;
    linkSync(path, kept);
    await new Promise((resolve) => dead.close(resolve));
    linkSync(kept, path);
    expect(await listRunning(dir)).toEqual([]);
    await serve();
    expect(await listRunning(dir)).toEqual(["sys"]);
  });

  test("with a file left over goes to one of two systems that begin at once, and the other says so", async () => {
    const path = socketPath(dir, "sys");
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    linkSync(path, `${path}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    linkSync(`${path}.kept`, path);
    const both = await Promise.allSettled([serve(), serve(), serve()]);
    expect(both.map((r) => r.status).toSorted()).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await talk(path, '{"id":1,"command":"who"}\n')).toEqual([{ id: 1, ok: true, value: "sys" }]);
  });

  test("whose lock a killed system left is taken all the same", async () => {
    const lock = `${socketPath(dir, "sys")}.lock`;
    mkdirSync(lock);
    utimesSync(lock, 0, 0);
    await serve();
    expect(existsSync(lock)).toBe(false);
  });

  test.each(["", "Sys", "a/b", "..", "a b", "x".repeat(33), "-a"])("cannot be %j", async (name) => {
    await expect(serve(name)).rejects.toThrow("is no name of a system");
  });

  test("in a folder with a path too long for a socket listens elsewhere, with rights for one user", async () => {
    dir = join(dir, "d".repeat(100));
    const server = await serve();
    expect(Buffer.byteLength(server.path)).toBeLessThanOrEqual(100);
    expect(await listRunning(dir)).toEqual(["sys"]);
    const folder = join(server.path, "..");
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await servers.pop()!.close();
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "in the way");
    await expect(serve()).rejects.toThrow();
    rmSync(folder);
  });
});

describe("a client", () => {
  test("is told that no system runs, which ones do, and that its system has ended", async () => {
    await expect(ControlClient.connect(dir)).rejects.toThrow("no system is running; `npm start` boots one");
    await serve("a");
    const server = await serve("b");
    await expect(ControlClient.connect(dir)).rejects.toThrow("several systems are running: a, b");
    await expect(ControlClient.connect(dir, "c")).rejects.toThrow("no system named c is running; there is a, b");
    const client = await ControlClient.connect(dir, "b");
    await expect(client.request("fail")).rejects.toThrow("not today");
    const pending = expect(client.request("later")).rejects.toThrow("the system b has ended");
    await server.close();
    servers.pop();
    await pending;
    await expect(client.request("who")).rejects.toThrow("the system b has ended");
  });

  test("waits no longer than it is told to, and an answer that comes later is nobody's", async () => {
    await serve();
    const client = await ControlClient.connect(dir);
    await expect(client.request("later", {}, 5)).rejects.toThrow("the system sys has not answered for 5 ms");
    expect(await client.request("later")).toBe("late");
    client.close();
  });
});
