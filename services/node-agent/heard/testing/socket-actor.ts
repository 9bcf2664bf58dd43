// A process that opens, uses and closes TCP sockets as it is ordered over its channel (orders.ts).

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createConnection, createServer } from "node:net";

import { until } from "../../../../lib/testing/eventually.ts";
import type { Address, FromActor, Order, ToActor } from "./orders.ts";
import { ANSWER_BYTES, GREETING_BYTES } from "./orders.ts";

// What Node.js keeps to itself: the descriptor of a socket or server.
interface WithHandle {
  readonly _handle: { readonly fd: number };
}

interface End {
  readonly socket: Socket;
  received: number;
  check: (() => void) | null;
}

const servers = new Map<string, Server>();
const ends = new Map<string, End>();
const children = new Map<string, ChildProcess>();

function hold(name: string, socket: Socket, received = 0): End {
  const end: End = { socket, received, check: null };
  ends.set(name, end);
  socket.allowHalfOpen = true;
  socket.on("data", (data) => {
    end.received += data.length;
    end.check?.();
  });
  // The other end may reset it at any time.
  socket.on("error", () => undefined);
  return end;
}

async function receive(end: End, total: number): Promise<void> {
  if (end.received >= total) return;
  await new Promise<void>((resolve) => {
    end.check = () => {
      if (end.received >= total) resolve();
    };
  });
  end.check = null;
}

function accept(socket: Socket): void {
  socket.once("readable", () => {
    const greeting = socket.read(GREETING_BYTES) as Buffer | null;
    // A connection whose answer is not awaited may be gone already.
    if (greeting === null) return;
    const name = `s${greeting.readUInt32LE()}`;
    hold(name, socket, GREETING_BYTES);
    socket.write(new Uint8Array(ANSWER_BYTES));
    answer({ accepted: name });
  });
  socket.on("error", () => undefined);
}

async function listen(name: string, host: string, port: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, accept);
  server.listen({ host, port, reusePort: true });
  await once(server, "listening");
  servers.set(name, server);
}

async function open(number: number, to: Address, awaited: "answer" | "connection"): Promise<number> {
  const socket = createConnection({ ...to, allowHalfOpen: true });
  const end = hold(`c${number}`, socket);
  await once(socket, "connect");
  const greeting = Buffer.alloc(GREETING_BYTES);
  greeting.writeUInt32LE(number);
  socket.write(greeting);
  if (awaited === "answer") await receive(end, ANSWER_BYTES);
  return socket.localPort!;
}

async function openRefused(to: Address): Promise<void> {
  const socket = createConnection(to);
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  if (error.code !== "ECONNREFUSED") throw error;
}

async function write({ socket }: End, bytes: number, isAwaited: boolean): Promise<void> {
  const written = new Promise<void>((resolve) => socket.write(new Uint8Array(bytes), () => resolve()));
  if (isAwaited) await written;
}

async function close(name: string, how: (socket: Socket) => void): Promise<void> {
  const { socket } = ends.get(name)!;
  ends.delete(name);
  if (socket.closed) return;
  const closed = once(socket, "close").catch(() => undefined);
  how(socket);
  await closed;
}

async function halfClose({ socket }: End): Promise<void> {
  if (socket.destroyed || socket.writableEnded) return;
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.end(() => resolve());
  });
}

// Not as one of the first three descriptors: Node.js makes those blocking, for all who share them.
async function fork(name: string, child: string): Promise<void> {
  const { _handle: inherited } = (servers.get(name) ?? ends.get(name)!.socket) as unknown as WithHandle;
  const heir = spawn("sleep", ["infinity"], { stdio: ["ignore", "ignore", "ignore", inherited.fd] });
  children.set(child, heir);
  await once(heir, "spawn");
  // Its descriptors are those of the new program a moment before its name is.
  await until("it has become sleep", () => readFileSync(`/proc/${heir.pid}/comm`, "utf8") === "sleep\n");
}

async function kill(child: string): Promise<void> {
  const heir = children.get(child)!;
  children.delete(child);
  const exited = once(heir, "exit");
  heir.kill("SIGKILL");
  await exited;
}

async function pass(name: string): Promise<void> {
  const { socket, received } = ends.get(name)!;
  ends.delete(name);
  await new Promise<void>((resolve, reject) => {
    const message: FromActor = { passed: name, received };
    process.send!(message, socket, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function obey(what: Order): Promise<number> {
  switch (what.do) {
    case "listen":
      await listen(what.name, what.host, what.port);
      break;
    case "stop listening":
      servers.get(what.name)!.close();
      servers.delete(what.name);
      break;
    case "open":
      return await open(what.number, what.to, what.await);
    case "await answer":
      await receive(ends.get(`c${what.number}`)!, ANSWER_BYTES);
      break;
    case "open refused":
      await openRefused(what.to);
      break;
    case "open unanswered":
      hold(what.name, createConnection(what.to));
      break;
    case "write":
      await write(ends.get(what.name)!, what.bytes, what.isAwaited);
      break;
    case "receive":
      await receive(ends.get(what.name)!, what.total);
      break;
    case "read no more":
      ends.get(what.name)!.socket.pause();
      break;
    case "read again":
      ends.get(what.name)!.socket.resume();
      break;
    case "half-close":
      await halfClose(ends.get(what.name)!);
      break;
    case "close":
      await close(what.name, (socket) => socket.destroy());
      break;
    case "reset":
      await close(what.name, (socket) => socket.resetAndDestroy());
      break;
    case "fork":
      await fork(what.name, what.child);
      break;
    case "kill":
      await kill(what.child);
      break;
    case "pass":
      await pass(what.name);
      break;
    case "nothing":
      break;
  }
  return 0;
}

function answer(message: FromActor): void {
  process.send!(message);
}

process.on("message", (message: ToActor, handle: unknown) => {
  if ("take" in message) {
    hold(message.take, handle as Socket, message.received);
    answer({ taken: message.take });
    return;
  }
  const { order, what } = message;
  obey(what).then(
    (port) => answer({ done: order, port }),
    (error: unknown) => answer({ failed: order, error: `${JSON.stringify(what)}: ${String(error)}` }),
  );
});
// A socket that is passed adds listeners of its own.
process.setMaxListeners(0);
process.on("disconnect", () => process.exit());
answer({ ready: true });
