// Prints connections as they open, change and close: one line, or one document, per event.

import type { WatchResponse } from "../../lib/gen/whotalks/v1/query.ts";
import type { Json } from "../../lib/json/codec.ts";
import { jsonLine, listHead } from "../../lib/json/list.ts";
import { changeWord } from "../../lib/vocabulary/changes.ts";
import { missingLine } from "./coverage-sentences.ts";
import { escapeText } from "../text/escape-text.ts";
import { type Format, isTable } from "../command/formats.ts";
import { fillTemplate, templateValues } from "../jsonpath/evaluate.ts";
import { coloured } from "../output/colour.ts";
import { csvCells, csvLine, yamlText } from "../output/document.ts";
import { type ColumnWishes, columnWidths, rowOf, shownColumns, tableLine } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { fitText } from "../text/text-width.ts";
import { connectionsView } from "../views/connections.ts";

/** Initial widths, which grow with the content: TIME, EVENT, CLIENT, SERVER, PROTOCOL, STATE. */
const WIDTHS_AT_FIRST = [8, 7, 28, 28, 8, 11];

/** Options for printing a watch. */
interface WatchWishes {
  readonly format: Format;
  readonly headers: boolean;
  /** Whether tables have the labels of pods. */
  readonly labels: boolean;
}

/** Prints a watch until it ends. */
export async function printWatch(
  parts: AsyncIterable<WatchResponse>,
  wishes: WatchWishes,
  terminal: Terminal,
): Promise<void> {
  const write = await eventWriter(wishes, terminal);
  for await (const part of parts) {
    if (part.header?.coverage !== undefined) {
      const missing = missingLine(part.header.coverage);
      if (missing !== "") terminal.say(`Not complete: ${escapeText(missing)}.`);
    }
    if (part.missed !== undefined)
      terminal.say(`${part.missed.events} events were left out: the reader was too slow.`);
    const data = write(part);
    if (data !== "") await terminal.write(data);
  }
}

type EventWriter = (part: WatchResponse) => string;

async function eventWriter(wishes: WatchWishes, terminal: Terminal): Promise<EventWriter> {
  const { format, headers, labels } = wishes;
  if (isTable(format)) return lineWriter({ format, headers, labels }, terminal);
  if (format.name === "json" || format.name === "ndjson") return documents((json) => `${jsonLine(json)}\n`);
  if (format.name === "jsonpath") return connections((json) => fillTemplate(format.template, json));
  if (format.name === "jsonpath-as-json")
    return connections((json) => `${templateValues(format.template, json).map(jsonLine).join("\n")}\n`);
  if (format.name === "yaml") {
    const write = await yamlText();
    return documents((json) => `---\n${write(json)}`);
  }
  if (format.name === "csv") return csvWriter(headers);
  return ({ event }) =>
    event?.connection === undefined ? "" : `${connectionsView.reference(event.connection)}\n`;
}

function documents(write: (json: Json) => string): EventWriter {
  return (part) => {
    const json = eventJson(part);
    return json === null ? "" : write(json);
  };
}

function connections(write: (json: Json) => string): EventWriter {
  return ({ event }) =>
    event?.connection === undefined ? "" : write(connectionsView.json(event.connection));
}

function csvWriter(headers: boolean): EventWriter {
  const paths = connectionsView.csv;
  let headed = !headers;
  return ({ event }) => {
    const header = headed ? "" : csvLine(["event", ...paths]);
    headed = true;
    if (event?.connection === undefined) return header;
    const cells = csvCells(paths, connectionsView.json(event.connection));
    return header + csvLine([changeWord(event.kind), ...cells]);
  };
}

function lineWriter(wishes: ColumnWishes & { readonly headers: boolean }, terminal: Terminal): EventWriter {
  const wide = wishes.format.name === "wide";
  // The user's own columns are all that is shown.
  const own = wishes.format.name === "custom-columns";
  // The time of the event replaces the age, which is meaningless here.
  const columns = shownColumns(connectionsView, wishes).filter((column) => own || column.key !== "age");
  const widths = own ? [] : [...WIDTHS_AT_FIRST];
  const widen = (cells: readonly string[]): void => {
    for (const [index, width] of columnWidths([cells], null).entries()) {
      widths[index] = Math.max(widths[index] ?? 0, width);
    }
  };
  const line = (cells: readonly string[]): string => {
    widen(cells);
    const size = terminal.size();
    const text = tableLine(cells, widths);
    return size === null ? text : fitText(text, size.columns);
  };
  let headed = !wishes.headers;
  const headers = [...(own ? [] : ["TIME", "EVENT"]), ...columns.map((column) => column.header)];
  const header = (): string => {
    if (headed) return "";
    headed = true;
    return `${coloured(line(headers), "header", terminal.colour)}\n`;
  };
  return ({ header: opening, event }) => {
    // The user's own columns are as wide as the first event needs.
    if (event?.connection === undefined) return own && opening !== undefined ? "" : header();
    const nowMs = terminal.now();
    const row = rowOf(connectionsView, columns, event.connection, { nowMs, wide });
    const time = new Date(nowMs).toTimeString().slice(0, 8);
    const cells = own ? row.cells : [time, changeWord(event.kind), ...row.cells];
    widen(cells);
    return `${header()}${coloured(line(cells), row.tone, terminal.colour)}\n`;
  };
}

function eventJson(part: WatchResponse): Json | null {
  if (part.event?.connection !== undefined) {
    return { type: changeWord(part.event.kind), connection: connectionsView.json(part.event.connection) };
  }
  if (part.missed !== undefined) return { type: "missed", events: part.missed.events };
  if (part.synced !== undefined) return { type: "synced" };
  const coverage = part.header?.coverage;
  return coverage === undefined
    ? null
    : { type: "header", ...listHead("ConnectionWatch", part.header!.timeMs, coverage) };
}
