// Where the command line writes: data to standard output, talk to standard error. The thin shell around the
// process's streams.

import { BrokenPipeError } from "../command/errors.ts";

/** Columns and rows of a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What printers write to. */
export interface Terminal {
  /** Writes data; resolves once it is on its way, rejects with BrokenPipeError where nobody reads any more. */
  write(data: string): Promise<void>;
  /** Says one line to the user, beside the data. */
  say(line: string): void;
  /** The size of the terminal that data goes to; null where it goes to a file or a pipe. */
  size(): TerminalSize | null;
  /** Whether data may be coloured. */
  readonly colour: boolean;
  /** Calls back whenever the size changes; gives a function that ends this. */
  onResize(callback: () => void): () => void;
  /** Milliseconds since 1970. */
  now(): number;
}

const SIZE_UNKNOWN: TerminalSize = { columns: 80, rows: 24 };

/** The terminal that this process was started on. */
export function processTerminal(environment: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdout, stderr } = process;
  // Both streams report a reader that went away here too; write() has told already, and talk nobody reads is
  // no error.
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
    // A terminal without a size (a serial line, a pseudo-terminal that nobody sized) says 0.
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
