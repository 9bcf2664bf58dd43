// Drains events from their socket at the rate at which they arrive: at once while they are few, in batches
// every few milliseconds when they are many. When the kernel drops events the buffer grows, up to a limit.

import type { EventSocketOptions, TakeEvent } from "./event-socket.ts";
import { EventSocket } from "./event-socket.ts";
import type { DescriptorWatch } from "../syscalls.ts";
import { syscalls } from "../syscalls.ts";

/**
 * Initial bytes of the socket's buffer: about 1 KiB per event, so 8 MiB hold a third of a second at the
 * highest rates.
 */
const BUFFER_MIN_BYTES = 8 * 2 ** 20;
/** Two seconds at 26,000 connections a second. The kernel only uses memory for waiting events. */
const BUFFER_MAX_BYTES = 64 * 2 ** 20;

/** What to listen to, and the limits of the buffer. */
interface EventPumpOptions extends EventSocketOptions {
  /** Bytes of the buffer at first, and the maximum after events were lost. */
  readonly bufferMinBytes?: number;
  readonly bufferMaxBytes?: number;
}

/** Milliseconds between batches, and the events per batch that make its timer worthwhile: 1,000 a second. */
const BATCH_MS = 10;
const BATCH_EVENTS = 10;
/** Smaller batches in a row before each event is taken at once again. */
const SMALL_BATCHES = 50;

/** Takes the events of one socket. */
export class EventPump {
  /** Events received, since start. */
  events = 0;
  /** How often the kernel dropped events, since start. */
  overruns = 0;
  /** The earliest time to reread what was lost, by the owner's clock. */
  earliestRepairMs = 0;
  readonly #socket: EventSocket;
  readonly #take: TakeEvent;
  readonly #bufferMaxBytes: number;
  #watch: DescriptorWatch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #bufferBytes: number;
  #small = 0;
  #lost = false;

  /** Opens the socket in this thread's network namespace and starts taking events; throws SyscallError. */
  constructor(options: EventPumpOptions, take: TakeEvent) {
    this.#take = take;
    this.#bufferBytes = options.bufferMinBytes ?? BUFFER_MIN_BYTES;
    this.#bufferMaxBytes = options.bufferMaxBytes ?? BUFFER_MAX_BYTES;
    this.#socket = new EventSocket(options);
    this.#socket.resize(this.#bufferBytes);
    this.#watchSocket();
  }

  /** The socket's descriptor. */
  get descriptor(): number {
    return this.#socket.descriptor;
  }

  /** Takes all waiting events; returns how many. */
  drain(): number {
    const { events, lost } = this.#socket.drain(this.#take);
    this.events += events;
    if (lost) {
      this.overruns++;
      this.#lost = true;
      if (this.#bufferBytes < this.#bufferMaxBytes) {
        this.#bufferBytes *= 2;
        this.#socket.resize(this.#bufferBytes);
      }
    }
    return events;
  }

  /** Returns whether events were lost since the last call. */
  takeLoss(): boolean {
    const lost = this.#lost;
    this.#lost = false;
    return lost;
  }

  /** Stops taking events and closes the socket. */
  close(): void {
    this.#watch?.close();
    this.#watch = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#socket.close();
  }

  #watchSocket(): void {
    this.#watch = syscalls().watch(this.#socket.descriptor, () => {
      // At least a full batch at once: events arrive too fast for a wake-up each.
      if (this.drain() >= BATCH_EVENTS) this.#batch();
      else if (++this.#small % WAKES_LOOKED_AT === 0) this.#considerBatches();
    });
  }

  #wakesSinceMs = performance.now();

  #considerBatches(): void {
    const nowMs = performance.now();
    const often = nowMs - this.#wakesSinceMs < (WAKES_LOOKED_AT * BATCH_MS) / BATCH_EVENTS;
    this.#wakesSinceMs = nowMs;
    if (often) this.#batch();
  }

  #batch(): void {
    this.#watch?.close();
    this.#watch = null;
    this.#small = 0;
    this.#timer = setInterval(() => {
      this.#small = this.drain() >= BATCH_EVENTS ? 0 : this.#small + 1;
      if (this.#small < SMALL_BATCHES) return;
      clearInterval(this.#timer!);
      this.#timer = null;
      this.#small = 0;
      this.#wakesSinceMs = performance.now();
      this.#watchSocket();
    }, BATCH_MS);
    this.#timer.unref();
  }
}

/** Wake-ups after which their rate is checked. */
const WAKES_LOOKED_AT = 100;
