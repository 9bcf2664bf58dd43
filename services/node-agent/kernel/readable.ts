// Which of many descriptors have something to read, in one system call instead of one for each.

import { syscalls } from "./syscalls.ts";

// struct pollfd (include/uapi/asm-generic/poll.h): int fd; short events, revents.
const WORDS = 2;
const HALVES = 4;
const EVENTS = 2;
const RETURNED = 3;
const POLLIN = 1;

/** A fixed list of descriptors, open as long as it is used. */
export class ReadableDescriptors {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #halves: Int16Array<ArrayBuffer>;

  constructor(descriptors: readonly number[]) {
    this.#words = new Int32Array(descriptors.length * WORDS);
    this.#halves = new Int16Array(this.#words.buffer);
    for (const [place, descriptor] of descriptors.entries()) {
      this.#words[place * WORDS] = descriptor;
      this.#halves[place * HALVES + EVENTS] = POLLIN;
    }
  }

  /** Places in the list of the descriptors that are readable or failed; all if the kernel does not say. */
  places(): number[] {
    const count = this.#words.length / WORDS;
    const found = count === 0 ? 0 : syscalls().poll(this.#words, count, 0);
    const places: number[] = [];
    if (found === 0) return places;
    for (let place = 0; place < count; place++)
      if (found < 0 || this.#halves[place * HALVES + RETURNED] !== 0) places.push(place);
    return places;
  }
}
