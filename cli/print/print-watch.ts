// Prints connections as they open, change and close: one line, or one document, per event.

import type { WatchResponse } from "../../lib/gen/whotalks/v1/query.ts";
import type { Json } from "../../lib/json/codec.ts";
import { jsonLine, listHead } from "../../lib/json/list.ts";
import { changeWord } from "../../lib/vocabulary/changes.ts";
import { missingLine } from "./coverage-sentences.ts";
import { escapeText } from "../text/escape-text.ts";
import { type Format, isTable } from "../command/formats.ts";
import { coloured } from "../output/colour.ts";
import { csvCells, csvLine, yamlText } from "../output/document.ts";
import { columnWidths, rowOf, shownColumns, tableLine } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { fitText } from "../text/text-width.ts";
import { connectionsView } from "../views/connections.ts";

/** Initial widths, which grow with the content: TIME, EVENT, CLIENT, SERVER, PROTOCOL, STATE. */
const WIDTHS_AT_FIRST = [8, 7, 28, 28, 8, 11];

/** Prints a watch until it ends. */
export async function printWatch(
  parts: AsyncIterable<WatchResponse>,
  wishes: { readonly format: Format; readonly headers: boolean },
  terminal: Terminal,
): Promise<void> {
  const write = await eventWriter(wishes.format, wishes.headers, terminal);
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

async function eventWriter(format: Format, headers: boolean, terminal: Terminal): Promise<EventWriter> {
  if (isTable(format)) return lineWriter(format === "wide", headers, terminal);
  if (format === "json") return documents((json) => `${jsonLine(json)}\n`);
  if (format === "yaml") {
    const write = await yamlText();
    return documents((json) => `---\n${write(json)}`);
  }
  if (format === "csv") return csvWriter(headers);
  return ({ event }) =>
    event?.connection === undefined ? "" : `${connectionsView.reference(event.connection)}\n`;
}

function documents(write: (json: Json) => string): EventWriter {
  return (part) => {
    const json = eventJson(part);
    return json === null ? "" : write(json);
  };
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

function lineWriter(wide: boolean, headers: boolean, terminal: Terminal): EventWriter {
  // The time of the event replaces the age, which is meaningless here.
  const columns = shownColumns(connectionsView, wide).filter((column) => column.key !== "age");
  const widths = [...WIDTHS_AT_FIRST];
  const line = (cells: readonly string[]): string => {
    for (const [index, width] of columnWidths([cells], null).entries()) {
      widths[index] = Math.max(widths[index] ?? 0, width);
    }
    const size = terminal.size();
    const text = tableLine(cells, widths);
    return size === null ? text : fitText(text, size.columns);
  };
  let headed = !headers;
  return ({ event }) => {
    const header = headed
      ? ""
      : `${coloured(line(["TIME", "EVENT", ...columns.map((column) => column.header)]), "header", terminal.colour)}\n`;
    headed = true;
    if (event?.connection === undefined) return header;
    const nowMs = terminal.now();
    const row = rowOf(connectionsView, columns, event.connection, { nowMs, wide });
    const cells = [new Date(nowMs).toTimeString().slice(0, 8), changeWord(event.kind), ...row.cells];
    return `${header}${coloured(line(cells), row.tone, terminal.colour)}\n`;
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
