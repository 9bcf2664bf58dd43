// Refreshes a table until interrupted: redrawn in place on a terminal, as lines of new and changed rows in a
// pipe.

import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../ask/answer.ts";
import { missingLine, readSentence } from "./coverage-sentences.ts";
import { clockTime } from "../text/age.ts";
import type { TableFormat } from "../command/formats.ts";
import { FailureError } from "../command/errors.ts";
import { escapeText } from "../text/escape-text.ts";
import { ChangedRows } from "../live/changed-rows.ts";
import { beginFrames, drawFrame, endFrames } from "../live/frame.ts";
import { readTable, type Table } from "../output/table.ts";
import type { PrintWishes } from "./print-once.ts";
import type { Terminal } from "../output/terminal.ts";
import type { View } from "../views/view.ts";

/** Options of a live table. */
interface LiveWishes extends PrintWishes {
  readonly format: TableFormat;
  readonly intervalMs: number;
  /** The line above the table: the command. */
  readonly title: string;
}

/** Queries repeatedly and shows each answer; ends when the signal is aborted. */
export async function printLive<Item>(
  view: View<Item>,
  ask: () => Answer<Item>,
  wishes: LiveWishes,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const screen =
    terminal.size() === null ? pipeScreen(wishes, terminal) : terminalScreen(view, wishes, terminal);
  const { labels, sort, limit } = wishes;
  const readWishes = { format: wishes.format, labels, sort, limit };
  let trouble = "";
  let answered = false;
  try {
    while (!signal.aborted) {
      try {
        const table = await readTable(view, ask(), readWishes);
        if (signal.aborted) break;
        answered = true;
        trouble = "";
        await screen.show(table);
      } catch (error) {
        if (signal.aborted) break;
        // A server that just answered may come back: continue, and report the problem once.
        if (!(error instanceof FailureError) || !answered) throw error;
        if (error.message !== trouble) await screen.trouble(error.message);
        trouble = error.message;
      }
      await sleep(wishes.intervalMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    await screen.end();
  }
}

interface Screen {
  show(table: Table): Promise<void>;
  trouble(message: string): Promise<void>;
  end(): Promise<void>;
}

function pipeScreen(wishes: LiveWishes, terminal: Terminal): Screen {
  const changed = new ChangedRows();
  let headed = !wishes.headers;
  let said = "";
  return {
    show: async (table) => {
      const missing = missingLine(table.head.coverage);
      if (missing !== said && missing !== "") terminal.say(`Not complete: ${escapeText(missing)}.`);
      said = missing;
      const header = headed ? "" : changed.header(table.headers, table.rows);
      headed = true;
      const lines = header + changed.next(table.rows);
      if (lines !== "") await terminal.write(lines);
    },
    trouble: (message) => {
      terminal.say(message);
      return Promise.resolve();
    },
    end: () => Promise.resolve(),
  };
}

function terminalScreen<Item>(view: View<Item>, wishes: LiveWishes, terminal: Terminal): Screen {
  let last: Table | null = null;
  let trouble = "";
  let begun = false;
  const draw = async (): Promise<void> => {
    const size = terminal.size();
    if (last === null || size === null) return;
    const { head, rows, end } = last;
    const count = end.complete ? String(rows.length) : `${rows.length} of ${end.matched}`;
    const title = `${wishes.title}   ${clockTime(head.timeMs)}   ${count} ${rows.length === 1 ? view.one : view.many}`;
    const missing = missingLine(head.coverage);
    const notes = [
      ...(rows.length === 0 ? [readSentence(head.coverage)] : []),
      ...(missing === "" ? [] : [`Not complete: ${missing}.`]),
      ...(trouble === "" ? [] : [trouble]),
    ];
    const frame = drawFrame(title, last, notes.map(escapeText), size, {
      headers: wishes.headers,
      colour: terminal.colour,
    });
    await terminal.write(begun ? frame : beginFrames + frame);
    begun = true;
  };
  const stopResize = terminal.onResize(() => void draw().catch(() => {}));
  return {
    show: (table) => {
      last = table;
      trouble = "";
      return draw();
    },
    trouble: (message) => {
      trouble = message;
      return draw();
    },
    end: async () => {
      stopResize();
      if (begun) await terminal.write(endFrames);
    },
  };
}
