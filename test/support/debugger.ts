/**
 * A debugger for tests: a client of the protocol of Node's inspector.
 *
 * Events are kept until somebody asks for them, so that none is missed.
 */

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** As much of the inspector's protocol as tests need. */
export class Debugger {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #events: Message[] = [];
  #heard: (() => void) | null = null;
  #next = 1;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.id !== undefined) return this.#answers.get(message.id)?.(message);
      this.#events.push(message);
      this.#heard?.();
    });
  }

  static async attach(url: string): Promise<Debugger> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`no debugger at ${url}`)));
    });
    return new Debugger(socket);
  }

  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result!;
  }

  /** Parameters of the first event, past or to come, of which this holds. */
  async event<T>(method: string, holds: (params: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const found = this.#events.find((m) => m.method === method && holds(m.params as T));
      if (found !== undefined) {
        this.#events.splice(this.#events.indexOf(found), 1);
        return found.params as T;
      }
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}
