// Does operations on real TCP sockets that several processes hold, and keeps account of what must be known of
// them: the tuple of each end of a connection, what it sent and received, who opened it.

import { Actor } from "./actors.ts";
import { silentAddresses } from "./namespace-setup.ts";
import type { Operation } from "./operations.ts";
import { ANSWER_BYTES, GREETING_BYTES } from "./orders.ts";

/** What a listener listens on, and where connections to it go. */
const hosts: readonly (readonly [listen: string, connect: readonly string[]])[] = [
  ["127.0.0.1", ["127.0.0.1"]],
  ["::1", ["::1"]],
  ["::", ["127.0.0.1", "::1"]],
  ["0.0.0.0", ["127.0.0.1"]],
];

/**
 * Bytes of a message at most, and those that overfill the buffers of a connection whose other end does not
 * read.
 */
const MESSAGE_BYTES_MAX = 3000;
const STUFFING_BYTES = 2 ** 22;

/** Processes that inherited a socket, at most. */
const CHILDREN_MAX = 20;

// Listeners have ports of their own, below those that are given to who connects: connections in TIME_WAIT
// occupy those.
let nextPort = 10_000;

interface Listener {
  readonly name: string;
  readonly actor: Actor;
  readonly host: string;
  readonly port: number;
}

/** One end of a connection. */
export interface End {
  readonly name: string;
  readonly peer: string;
  /** "127.0.0.1:40000 127.0.0.1:80". */
  readonly tuple: string;
  /** Who holds it, and perhaps processes that inherited it. */
  actor: Actor;
  /** Whether its descriptor was ever passed or inherited. */
  wasShared: boolean;
  sent: number;
  received: number;
  /** Whether the kernel may count less as acknowledged, since the connection was reset. */
  isCutOff: boolean;
  /** Whether it is not known how much went over it. */
  isUncounted: boolean;
  isHalfClosed: boolean;
  isClosed: boolean;
  /** Whether it was over before anyone heard. */
  isUnheard: boolean;
  /** Whether several listeners had its port, so that only its descriptor shows which one accepted it. */
  isAmbiguous: boolean;
}

// A process that inherited a socket, of a name and a tuple, from the actor that started it.
interface Child {
  readonly actor: Actor;
  readonly of: string;
  readonly tuple: string;
}

/** The sockets of several processes. */
export class Workload implements AsyncDisposable {
  readonly actors: Actor[] = [];
  /** Both ends of every connection that was opened. */
  readonly ends = new Map<string, End>();
  /** Attempts that were refused or given up, by "pid refused" and "pid unanswered". */
  readonly failed = new Map<string, number>();
  /** "local remote" of sockets whose holders changed though their state did not. */
  readonly moved = new Set<string>();
  /**
   * Whether the latest pass was made while holders changed: a process that is being forked has every
   * descriptor.
   */
  isBlurred = false;
  /** Operations so far. */
  performed = 0;
  readonly #listeners = new Map<string, Listener>();
  readonly #attempts = new Map<string, Actor>();
  readonly #children = new Map<string, Child>();
  // Who accepted what, and who waits to know.
  readonly #accepted = new Map<string, Actor>();
  readonly #awaited = new Map<string, () => void>();
  // What this batch does something to, and the listeners that it connects to.
  readonly #reserved = new Set<string>();
  readonly #used = new Set<string>();
  #names = 0;
  #frozen: Actor | null = null;
  #unanswered: Promise<unknown>[] = [];

  static async start(actors: number): Promise<Workload> {
    const workload = new Workload();
    for (let count = 0; count < actors; count++) workload.actors.push(await Actor.start(workload.#accept));
    return workload;
  }

  /**
   * Does the operations at the same time, no two to one socket. A frozen process accepts nothing until
   * thaw().
   */
  async perform(operations: readonly Operation[], frozen: Actor | null): Promise<void> {
    this.#frozen = frozen;
    frozen?.freeze();
    const running: Promise<unknown>[] = [];
    for (const operation of operations) {
      // Where there is nothing to do it to, that is opened.
      const begun =
        this.#begin(operation) ??
        this.#listenAndOpen(this.#pickActor(0), operation.choices[0], operation.choices[1]);
      running.push(begun);
      this.performed++;
    }
    await Promise.all(running);
    this.#reserved.clear();
    this.#used.clear();
  }

  /** Resumes the frozen process, and waits until it has accepted everything. */
  async thaw(): Promise<void> {
    this.#frozen?.thaw();
    this.#frozen = null;
    await Promise.all(this.#unanswered);
    this.#unanswered = [];
  }

  /** Says that a pass has seen who holds what. */
  settle(): void {
    this.isBlurred = false;
    this.moved.clear();
    for (const end of this.ends.values()) end.isAmbiguous = false;
  }

  /** Says that a pass was made while operations were done. */
  blur(): void {
    this.isBlurred = true;
  }

  /** Says that hearing begins now: what is not among these tuples is over. */
  beginHearing(tuples: ReadonlySet<string>): void {
    for (const end of this.ends.values()) end.isUnheard = !tuples.has(end.tuple);
    this.failed.clear();
  }

  /** Closes everything. */
  async closeAll(): Promise<void> {
    await this.thaw();
    await Promise.all([...this.#children.keys()].map((child) => this.#kill(child)));
    await Promise.all([...this.#attempts.keys()].map((name) => this.#abandon(name)));
    await Promise.all([...this.#listeners.values()].map((listener) => this.#stopListening(listener)));
    await Promise.all([...this.ends.values()].map((end) => this.#close(end)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.actors.map((actor) => actor.end()));
  }

  readonly #accept = (name: string, by: Actor): void => {
    this.#accepted.set(name, by);
    this.#awaited.get(name)?.();
  };

  // Null where there is nothing to do it to.
  #begin({ kind, choices: [first, second, third] }: Operation): Promise<unknown> | null {
    const actor = this.#pickActor(first);
    switch (kind) {
      case "refused":
        return this.#refuse(actor, second % 2 === 0 ? "127.0.0.1" : "::1");
      case "unanswered":
        return this.#attempt(actor, silentAddresses[second % silentAddresses.length]!);
      case "abandon":
        return this.#abandonAny(first);
      case "listen":
        return this.#listen(actor, hosts[second % hosts.length]![0], nextPort++);
      case "listen and open":
        return this.#listenAndOpen(actor, second, third);
      case "open":
        return this.#withListener(second, "any", (listener) => this.#open(actor, listener, third));
      case "open and close":
        return this.#withListener(second, "awake", (listener) => this.#openAndClose(actor, listener, third));
      case "share port":
        return this.#withUnusedPort(second, ({ host, port }) => this.#listen(actor, host, port));
      case "stop listening":
        return this.#withUnusedPort(second, (listener) => this.#stopListening(listener));
      case "fork listener":
        return this.#withListener(second, "awake", (listener) =>
          this.#fork(listener.actor, listener.name, listenerTuple(listener)),
        );
      case "kill":
        return this.#killAny(first);
      case "close":
        return this.#withEnd(first, (end) => this.#close(end));
      case "close both":
        return this.#withPair(first, (end, peer) => Promise.all([this.#close(end), this.#close(peer)]));
      case "half-close":
        return this.#withPair(first, (end) => this.#halfClose(end));
      case "reset":
        return this.#withPair(first, (end, peer) => this.#reset(end, peer));
      case "talk":
        return this.#withPair(first, (end, peer) => this.#talk(end, peer, second));
      case "spurn":
        return this.#withPair(first, (end, peer) => this.#spurn(end, peer, second));
      case "stuff":
        return this.#withPair(first, (end, peer) => this.#stuff(end, peer));
      case "pass":
        return this.#withPair(first, (end) => this.#pass(end, this.#pickActor(second)));
      case "fork":
        return this.#withPair(first, (end) => this.#forkEnd(end));
    }
  }

  // Reserves an end and its other end.
  #withEnd(choice: number, act: (end: End, peer: End) => Promise<unknown>): Promise<unknown> | null {
    const ends = [...this.ends.values()].filter((end) => !end.isClosed && this.#isFree(end));
    const end = pick(ends, choice);
    if (end === null) return null;
    const peer = this.ends.get(end.peer)!;
    this.#reserved.add(end.name).add(peer.name);
    return act(end, peer);
  }

  // The first end may still send. One whose other end is closed is closed, too.
  #withPair(choice: number, act: (end: End, peer: End) => Promise<unknown>): Promise<unknown> | null {
    return this.#withEnd(choice, (end, peer) => {
      if (peer.isClosed || (end.isHalfClosed && peer.isHalfClosed)) return this.#close(end);
      return end.isHalfClosed ? act(peer, end) : act(end, peer);
    });
  }

  // One that is not about to be closed, or whose process accepts at once.
  #withListener(
    choice: number,
    which: "any" | "awake",
    act: (listener: Listener) => Promise<unknown>,
  ): Promise<unknown> | null {
    const listeners = [...this.#listeners.values()].filter(
      (each) => !this.#reserved.has(each.name) && (which === "any" || !this.#isFrozen(each)),
    );
    const listener = pick(listeners, choice);
    if (listener === null) return null;
    this.#used.add(listener.name);
    return act(listener);
  }

  // Reserves all listeners on one port without connections in this batch.
  #withUnusedPort(choice: number, act: (listener: Listener) => Promise<unknown>): Promise<unknown> | null {
    const isUnused = (listener: Listener): boolean =>
      !this.#isFrozen(listener) &&
      this.#ofPort(listener).every(({ name }) => !this.#used.has(name) && !this.#reserved.has(name));
    const listener = pick(
      [...this.#listeners.values()].filter((each) => isUnused(each)),
      choice,
    );
    if (listener === null) return null;
    for (const { name } of this.#ofPort(listener)) this.#reserved.add(name);
    return act(listener);
  }

  #abandonAny(choice: number): Promise<void> | null {
    const free = [...this.#attempts].filter(([name, by]) => by !== this.#frozen && !this.#reserved.has(name));
    const attempt = pick(free, choice);
    return attempt && this.#abandon(attempt[0]);
  }

  #killAny(choice: number): Promise<void> | null {
    const isFree = (name: string, { actor, of }: Child): boolean => {
      const end = this.ends.get(of);
      return actor !== this.#frozen && !this.#reserved.has(name) && (end === undefined || this.#isFree(end));
    };
    const child = pick(
      [...this.#children].filter(([name, each]) => isFree(name, each)),
      choice,
    );
    return child && this.#kill(child[0]);
  }

  #pickActor(choice: number): Actor {
    return pick(
      this.actors.filter((actor) => actor !== this.#frozen),
      choice,
    )!;
  }

  #ofPort({ port }: Listener): Listener[] {
    return [...this.#listeners.values()].filter((other) => other.port === port);
  }

  #isFrozen(listener: Listener): boolean {
    return this.#ofPort(listener).some(({ actor }) => actor === this.#frozen);
  }

  // Whether nothing in this batch is done to an end and its other end.
  #isFree(end: End): boolean {
    const peer = this.ends.get(end.peer);
    const [mine, other] = [end, peer ?? end];
    const isFrozen = mine.actor === this.#frozen || (!other.isClosed && other.actor === this.#frozen);
    return !isFrozen && !this.#reserved.has(mine.name) && !this.#reserved.has(other.name);
  }

  async #listen(actor: Actor, host: string, port: number): Promise<Listener> {
    const name = `l${this.#names++}`;
    const listener = { name, actor, host, port };
    await actor.order({ do: "listen", name, host, port });
    this.#reserved.add(name);
    this.#listeners.set(name, listener);
    return listener;
  }

  async #stopListening(listener: Listener): Promise<void> {
    // A process that inherited it would keep receiving connections to the port, and accept none.
    const heirs = [...this.#children].filter(([, { of }]) => of === listener.name);
    const isShared = this.#ofPort(listener).length > 1;
    this.#listeners.delete(listener.name);
    this.moved.add(listenerTuple(listener));
    if (isShared) await Promise.all(heirs.map(([child]) => this.#kill(child)));
    await listener.actor.order({ do: "stop listening", name: listener.name });
  }

  async #listenAndOpen(actor: Actor, second: number, third: number): Promise<void> {
    const listener = await this.#listen(actor, hosts[third % hosts.length]![0], nextPort++);
    await this.#open(this.#pickActor(second), listener, third);
  }

  async #open(actor: Actor, listener: Listener, choice: number): Promise<readonly [End, End]> {
    const number = this.#names++;
    const [client, server] = [`c${number}`, `s${number}`];
    this.#reserved.add(client).add(server);
    const reachable = hosts.find(([host]) => host === listener.host)![1];
    const to = { host: reachable[choice % reachable.length]!, port: listener.port };
    const isFrozen = this.#isFrozen(listener);
    const accepted = new Promise<void>((resolve) => this.#awaited.set(server, resolve));
    const isAmbiguous = this.#ofPort(listener).length !== 1 || this.#isInherited(listener);
    const port = await actor.order({ do: "open", number, to, await: isFrozen ? "connection" : "answer" });
    const [near, far] = [`${to.host}:${port}`, `${to.host}:${to.port}`];
    const clientEnd: End = {
      ...newEnd(client, server, `${near} ${far}`, actor),
      sent: GREETING_BYTES,
      received: ANSWER_BYTES,
    };
    const serverEnd: End = {
      ...newEnd(server, client, `${far} ${near}`, listener.actor),
      sent: ANSWER_BYTES,
      received: GREETING_BYTES,
      isAmbiguous,
    };
    this.ends.set(client, clientEnd).set(server, serverEnd);
    const settle = async (): Promise<void> => {
      await accepted;
      serverEnd.actor = this.#accepted.get(server)!;
    };
    if (!isFrozen) await settle();
    else this.#unanswered.push(settle().then(() => actor.order({ do: "await answer", number })));
    return [clientEnd, serverEnd];
  }

  // Whether another process has, or had at the last pass, the descriptor of a listener on the same port.
  #isInherited({ port }: Listener): boolean {
    const heirs = [...this.#children.values()].map(({ tuple }) => tuple);
    return [...heirs, ...this.moved].some((tuple) => tuple.split(" ")[0]!.endsWith(`:${port}`));
  }

  async #openAndClose(actor: Actor, listener: Listener, choice: number): Promise<void> {
    const [client, server] = await this.#open(actor, listener, choice);
    if (choice % 5 === 0) await this.#reset(client, server);
    const [one, other] = choice % 2 === 0 ? [client, server] : [server, client];
    await this.#close(one);
    await this.#close(other);
  }

  async #refuse(actor: Actor, host: string): Promise<void> {
    this.#count(actor, "refused");
    // Nobody listens on port 1.
    await actor.order({ do: "open refused", to: { host, port: 1 } });
  }

  async #attempt(actor: Actor, host: string): Promise<void> {
    const name = `a${this.#names++}`;
    this.#reserved.add(name);
    this.#attempts.set(name, actor);
    await actor.order({ do: "open unanswered", name, to: { host, port: 80 } });
  }

  async #abandon(name: string): Promise<void> {
    const actor = this.#attempts.get(name)!;
    this.#attempts.delete(name);
    this.#count(actor, "unanswered");
    await actor.order({ do: "close", name });
  }

  #count(actor: Actor, outcome: string): void {
    const key = `${actor.pid} ${outcome}`;
    this.failed.set(key, (this.failed.get(key) ?? 0) + 1);
  }

  async #close(end: End): Promise<void> {
    if (end.isClosed) return;
    end.isClosed = true;
    this.moved.add(end.tuple);
    await end.actor.order({ do: "close", name: end.name });
  }

  async #reset(end: End, peer: End): Promise<void> {
    end.isCutOff = peer.isCutOff = true;
    end.isClosed = true;
    this.moved.add(end.tuple);
    await end.actor.order({ do: "reset", name: end.name });
  }

  async #halfClose(end: End): Promise<void> {
    end.isHalfClosed = true;
    await end.actor.order({ do: "half-close", name: end.name });
  }

  async #talk(from: End, to: End, choice: number): Promise<void> {
    await this.#say(from, to, 1 + (choice % MESSAGE_BYTES_MAX));
    if (!to.isHalfClosed) await this.#say(to, from, 1 + (choice % 7));
  }

  async #say(from: End, to: End, bytes: number): Promise<void> {
    from.sent += bytes;
    to.received += bytes;
    await from.actor.order({ do: "write", name: from.name, bytes, isAwaited: true });
    await to.actor.order({ do: "receive", name: to.name, total: to.received });
  }

  async #spurn(from: End, to: End, choice: number): Promise<void> {
    const bytes = 1 + (choice % MESSAGE_BYTES_MAX);
    from.isCutOff = to.isCutOff = true;
    from.sent += bytes;
    to.received += bytes;
    await to.actor.order({ do: "read no more", name: to.name });
    await from.actor.order({ do: "write", name: from.name, bytes, isAwaited: true });
    await this.#close(to);
  }

  async #stuff(from: End, to: End): Promise<void> {
    from.isUncounted = to.isUncounted = true;
    await to.actor.order({ do: "read no more", name: to.name });
    await from.actor.order({ do: "write", name: from.name, bytes: STUFFING_BYTES, isAwaited: false });
    await this.#close(from);
  }

  async #pass(end: End, to: Actor): Promise<void> {
    if (to === end.actor) return;
    this.moved.add(end.tuple);
    end.wasShared = true;
    await end.actor.pass(end.name, to);
    end.actor = to;
  }

  async #forkEnd(end: End): Promise<void> {
    end.wasShared = true;
    await this.#fork(end.actor, end.name, end.tuple);
  }

  async #fork(actor: Actor, name: string, tuple: string): Promise<void> {
    const [oldest] = [...this.#children].find(
      ([other, { actor: parent }]) => parent !== this.#frozen && !this.#reserved.has(other),
    ) ?? [null];
    if (this.#children.size >= CHILDREN_MAX && oldest !== null) await this.#kill(oldest);
    const child = `p${this.#names++}`;
    this.#reserved.add(name).add(child);
    this.#children.set(child, { actor, of: name, tuple });
    this.moved.add(tuple);
    await actor.order({ do: "fork", name, child });
  }

  async #kill(child: string): Promise<void> {
    const { actor, tuple } = this.#children.get(child)!;
    this.#children.delete(child);
    this.moved.add(tuple);
    await actor.order({ do: "kill", child });
  }
}

function newEnd(name: string, peer: string, tuple: string, actor: Actor): End {
  return {
    name,
    peer,
    tuple,
    actor,
    sent: 0,
    received: 0,
    wasShared: false,
    isCutOff: false,
    isUncounted: false,
    isHalfClosed: false,
    isClosed: false,
    isUnheard: false,
    isAmbiguous: false,
  };
}

function listenerTuple({ host, port }: Listener): string {
  return `${host}:${port} ${host === "127.0.0.1" || host === "0.0.0.0" ? "0.0.0.0" : "::"}:0`;
}

function pick<Choice>(choices: readonly Choice[], choice: number): Choice | null {
  return choices.length === 0 ? null : choices[choice % choices.length]!;
}
