// A workload of the claims: keeps connections open and prints them, so that a claim knows the truth; it first
// sends the same to the server, so that both sides' output can be compared. Runs with `node
// --input-type=module-typescript -e`; its argument is JSON: a list of targets
// {"host","port","family","protocol","count","livesMs"}. A connection that is lost, or has lived `livesMs`, is
// reopened.

import dgram from "node:dgram";
import net from "node:net";

interface Target {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp";
  readonly count: number;
  readonly livesMs?: number;
}

/** The common interface of the two kinds of sockets. */
interface Line {
  readonly write: (text: string) => unknown;
  readonly end: () => void;
  readonly destroy: () => void;
}

const targets = JSON.parse(process.argv[1] ?? "[]") as Target[];
const retryMs = 300;
const talkMs = 1000;

/**
 * The kernel retransmits a first packet that a firewall dropped only after seconds: it is faster to start
 * over.
 */
const connectMs = 2000;

/** One connection of a target, from its first packet to its end. */
class Conversation {
  readonly #target: Target;
  readonly #line: Line;
  readonly #connecting: NodeJS.Timeout;
  #talk: NodeJS.Timeout | undefined;
  #ends: NodeJS.Timeout | undefined;
  #own: object | undefined;
  #told = false;

  constructor(target: Target) {
    this.#target = target;
    this.#line = target.protocol === "udp" ? this.#datagrams(target) : this.#stream(target);
    this.#connecting = setTimeout(() => this.#line.destroy(), connectMs);
  }

  #stream({ host, port, family }: Target): Line {
    const socket = net.connect({ host, port, family });
    socket.setKeepAlive(true);
    socket.on("connect", () => {
      const { localAddress: ip = "", localPort = 0, remoteAddress = "", remotePort = 0 } = socket;
      this.#begin(ip, localPort, remoteAddress, remotePort);
      this.#established();
    });
    socket.on("data", () => undefined);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
    return socket;
  }

  #datagrams({ host, port, family }: Target): Line {
    const socket = dgram.createSocket(family === 6 ? "udp6" : "udp4");
    socket.connect(port, host, () => {
      const [local, remote] = [socket.address(), socket.remoteAddress()];
      this.#begin(local.address, local.port, remote.address, remote.port);
    });
    let alive = true;
    const close = (): void => {
      if (alive) socket.close();
      alive = false;
    };
    socket.on("message", () => this.#established());
    socket.on("error", close);
    socket.on("close", () => this.#closed());
    return { write: (text) => alive && socket.send(text, () => undefined), end: close, destroy: close };
  }

  #begin(ip: string, port: number, remoteIp: string, remotePort: number): void {
    this.#own = { protocol: this.#target.protocol, ip, port, remoteIp, remotePort };
    const name = `${ip} ${port} ${remoteIp} ${remotePort}\n`;
    this.#line.write(name);
    this.#talk = setInterval(() => this.#line.write(name), talkMs);
  }

  #established(): void {
    if (this.#told) return;
    this.#told = true;
    clearTimeout(this.#connecting);
    this.#tell("open");
    const { livesMs } = this.#target;
    if (livesMs !== undefined) this.#ends = setTimeout(() => this.#line.end(), livesMs);
  }

  #closed(): void {
    clearInterval(this.#talk);
    clearTimeout(this.#connecting);
    clearTimeout(this.#ends);
    if (this.#told) this.#tell("close");
    setTimeout(() => open(this.#target), retryMs);
  }

  #tell(event: "open" | "close"): void {
    console.log(JSON.stringify({ event, atMs: Date.now(), ...this.#own }));
  }
}

function open(target: Target): Conversation {
  return new Conversation(target);
}

for (const target of targets) for (let index = 0; index < target.count; index++) open(target);
process.on("SIGTERM", () => process.exit(0));
