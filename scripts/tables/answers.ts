// The columns of a connection's counted socket that the query API returns: the aggregator's part, and the
// names for JSON and CSV.

import type { AnswerSchema, ReportColumnSchema, ReportTableSchema } from "../../lib/tables/schema.ts";
import type { GeneratedFile } from "./code.ts";
import { docComment, fileHead } from "./code.ts";

/** The columns of a table that the query API returns. */
export function answersIn({ columns }: ReportTableSchema): (readonly [ReportColumnSchema, AnswerSchema])[] {
  return columns.flatMap((column) => (column.answer === undefined ? [] : [[column, column.answer] as const]));
}

/** The files for the columns that the query API returns. */
export function answerFiles(table: ReportTableSchema, schemaPath: string): GeneratedFile[] {
  const answers = answersIn(table);
  const list = answers.map(([, { name }]) => `  "${name}",\n`).join("");
  const fields = answers
    .map(([, { name, doc }]) => `${docComment(doc, "  ")}  readonly ${name}: number;\n`)
    .join("");
  const values = answers
    .map(([column, { name }]) => `    ${name}: sockets.${column.name}[slot]!,\n`)
    .join("");
  const assignments = answers.map(([, { name }]) => `  message.${name} = counters.${name};\n`).join("");
  return [
    {
      path: "lib/json/gen/connection-counters.ts",
      text:
        fileHead(schemaPath) +
        `\n/** The fields of a connection that are counters of its socket, as in JSON. */\n` +
        `export const connectionCounters = [\n${list}] as const;\n`,
    },
    {
      path: "services/aggregator/gen/connection-counters.ts",
      text:
        fileHead(schemaPath) +
        `\nimport type { Connection } from "../../../lib/gen/whotalks/v1/query.ts";\n` +
        `import type { SocketColumns } from "./socket-columns.ts";\n` +
        `\n/** The counters of a connection's client, if they are known: it is the side that waits. Else the server's. */\n` +
        `export interface ConnectionCounters {\n${fields}}\n` +
        `\n/** The counters of a socket. */\n` +
        `export function countersOf(sockets: SocketColumns, slot: number): ConnectionCounters {\n  return {\n${values}  };\n}\n` +
        `\n/** Writes counters into a connection's message. */\n` +
        `export function writeCounters(message: Connection, counters: ConnectionCounters): void {\n${assignments}}\n`,
    },
  ];
}
