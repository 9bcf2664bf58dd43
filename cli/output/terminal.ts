// The command line's output: data to standard output, messages to standard error. A thin layer over the
// process's streams.

import { BrokenPipeError } from "../command/errors.ts";

/** Columns and rows of a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What printers write to. */
export interface Terminal {
  /** Writes data; resolves once it was passed on, rejects with BrokenPipeError if the reader is gone. */
  write(data: string): Promise<void>;
  /** Prints one line to the user, separate from the data. */
  say(line: string): void;
  /** The size of the terminal that receives the data; null if it is a file or a pipe. */
  size(): TerminalSize | null;
  /** Whether data may be coloured. */
  readonly colour: boolean;
  /** Calls back whenever the size changes; returns a function that unsubscribes. */
  onResize(callback: () => void): () => void;
  /** Milliseconds since 1970. */
  now(): number;
}

const SIZE_UNKNOWN: TerminalSize = { columns: 80, rows: 24 };

/** The terminal on which this process was started. */
export function processTerminal(environment: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdout, stderr } = process;
  // Both streams also emit an error if their reader is gone; write() has already reported it, and unread
  // messages are not an error.
  stdout.on("error", () => {});
  stderr.on("error", () => {});
  return {
    write: (data) =>
      new Promise((resolve, reject) => {
        stdout.write(data, (error) => {
          if (error === undefined || error === null) resolve();
          else reject(isBrokenPipe(error) ? new BrokenPipeError() : error);
        });
      }),
    say: (line) => {
      stderr.write(`${line}\n`);
    },
    // A terminal without a size (a serial line, an unsized pseudo-terminal) reports 0.
    size: () =>
      stdout.isTTY
        ? { columns: stdout.columns || SIZE_UNKNOWN.columns, rows: stdout.rows || SIZE_UNKNOWN.rows }
        : null,
    // https://no-color.org: present and not empty.
    colour: stdout.isTTY && !environment["NO_COLOR"] && environment["TERM"] !== "dumb",
    onResize: (callback) => {
      stdout.on("resize", callback);
      return () => stdout.off("resize", callback);
    },
    now: () => Date.now(),
  };
}

function isBrokenPipe(error: NodeJS.ErrnoException): boolean {
  return error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED" || error.code === "ECONNRESET";
}
