// Prints one answer and ends: as a table, or as a streamed document.

import type { Answer, AnswerEnd, AnswerHead, AnswerPart } from "../ask/answer.ts";
import {
  accountSentence,
  countedSentence,
  missingLine,
  missingSentences,
  readSentence,
} from "./coverage-sentences.ts";
import { escapeText } from "../text/escape-text.ts";
import {
  type DocumentFormat,
  type Format,
  isTable,
  type Sort,
  type TableFormat,
} from "../command/formats.ts";
import { sortItems } from "../output/order.ts";
import { coloured } from "../output/colour.ts";
import { documentWriter } from "../output/document.ts";
import { columnWidths, readInnerTable, readTable, type Table, tableLine } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import type { View } from "../views/view.ts";

/** Options for printing an answer. */
export interface PrintWishes {
  readonly format: Format;
  readonly headers: boolean;
  /** Whether tables have the labels of pods. */
  readonly labels: boolean;
  readonly sort: Sort | null;
  readonly limit: number;
  /** Whether the user set filters: then an empty answer mentions them. */
  readonly filtered: boolean;
  /** Where an empty answer looked, such as " in namespace shop"; empty for everywhere. */
  readonly place: string;
}

/** Characters buffered before a write: large enough to make writes rare. */
const CHUNK_LENGTH = 64 * 1024;

/** Prints an answer: data to standard output, remarks on what it lacks to standard error. */
export async function printOnce<Item>(
  view: View<Item>,
  answer: Answer<Item>,
  wishes: PrintWishes,
  terminal: Terminal,
): Promise<void> {
  const { format } = wishes;
  if (isTable(format)) await printTable(view, answer, wishes, format, terminal);
  else await printDocument(view, answer, wishes, format, terminal);
}

async function printTable<Item>(
  view: View<Item>,
  answer: Answer<Item>,
  wishes: PrintWishes,
  format: TableFormat,
  terminal: Terminal,
): Promise<void> {
  const { labels, sort, limit } = wishes;
  const table = await readTable(view, answer, { format, labels, sort, limit });
  if (table.rows.length === 0) {
    terminal.say(`No ${view.many}${wishes.filtered ? " match" : ""}${wishes.place}.`);
    terminal.say(readSentence(table.head.coverage));
  } else {
    const chunks = new Chunks(terminal);
    await addTable(table, wishes, terminal, chunks);
    const inner =
      format.name === "wide" && view.wideTable !== undefined
        ? readInnerTable(view.wideTable, table.head)
        : null;
    if (inner !== null && inner.rows.length > 0) {
      await chunks.add("\n");
      await addTable(inner, wishes, terminal, chunks);
    }
    await chunks.flush();
  }
  sayWhatIsMissing(view, table.head, table.end, table.rows.length, terminal);
}

async function addTable(
  { headers, rows }: Pick<Table, "headers" | "rows">,
  wishes: PrintWishes,
  terminal: Terminal,
  chunks: Chunks,
): Promise<void> {
  const headed = wishes.headers ? [headers] : [];
  const columns = terminal.size()?.columns ?? null;
  const widths = columnWidths([...headed, ...rows.map((row) => row.cells)], columns);
  if (wishes.headers) {
    await chunks.add(`${coloured(tableLine(headers, widths), "header", terminal.colour)}\n`);
  }
  for (const row of rows) {
    await chunks.add(`${coloured(tableLine(row.cells, widths), row.tone, terminal.colour)}\n`);
  }
}

async function printDocument<Item>(
  view: View<Item>,
  answer: Answer<Item>,
  wishes: PrintWishes,
  format: DocumentFormat,
  terminal: Terminal,
): Promise<void> {
  const writer = await documentWriter(format, view, wishes.headers);
  const chunks = new Chunks(terminal);
  let head: AnswerHead | null = null;
  let end: AnswerEnd | null = null;
  let count = 0;
  for await (const part of wishes.sort === null ? answer : sorted(view, answer, wishes.sort, wishes.limit)) {
    if (part.part === "head") {
      head = part;
      await chunks.add(writer.open(part));
    } else if (part.part === "end") {
      end = part;
      await chunks.add(writer.close(part));
    } else {
      count += part.items.length;
      for (const item of part.items) await chunks.add(writer.item(item));
    }
  }
  await chunks.flush();
  if (head !== null && end !== null) sayWhatIsMissing(view, head, end, count, terminal);
}

// Sorting needs all items in memory; only answers that are sorted pay for it.
async function* sorted<Item>(
  view: View<Item>,
  answer: Answer<Item>,
  sort: Sort,
  limit: number,
): AsyncGenerator<AnswerPart<Item>> {
  const items: Item[] = [];
  for await (const part of answer) {
    if (part.part === "items") for (const item of part.items) items.push(item);
    else if (part.part === "head") yield part;
    else {
      sortItems(view, items, sort);
      const kept = limit > 0 ? items.slice(0, limit) : items;
      yield { part: "items", items: kept };
      yield { ...part, complete: part.complete && kept.length === items.length };
    }
  }
}

function sayWhatIsMissing<Item>(
  view: View<Item>,
  head: AnswerHead,
  end: AnswerEnd,
  shown: number,
  terminal: Terminal,
): void {
  if (!end.complete) terminal.say(`Showing ${shown} of ${end.matched} ${view.many}.`);
  if (view.name === "coverage") {
    const account = accountSentence(head.coverage, head.timeMs);
    if (account !== "") terminal.say(account);
    const counted = countedSentence(head.coverage, head.timeMs);
    if (counted !== "") terminal.say(counted);
    for (const sentence of missingSentences(head.coverage)) terminal.say(escapeText(sentence));
    return;
  }
  const missing = missingLine(head.coverage);
  if (missing !== "") terminal.say(`Not complete: ${escapeText(missing)}.`);
}

/** Combines small texts into few writes. */
class Chunks {
  readonly #terminal: Terminal;
  #texts: string[] = [];
  #length = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  async add(text: string): Promise<void> {
    this.#texts.push(text);
    this.#length += text.length;
    if (this.#length >= CHUNK_LENGTH) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const data = this.#texts.join("");
    this.#texts = [];
    this.#length = 0;
    await this.#terminal.write(data);
  }
}
