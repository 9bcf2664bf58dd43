// Generates code from the table schemas: classes, mappings to reports, and parts of the protos. generate.ts
// runs it.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { flowTable } from "../lib/tables/flow.columns.ts";
import { holderTable } from "../lib/tables/holder.columns.ts";
import { socketTable } from "../lib/tables/socket.columns.ts";
import { connectionModelTable } from "../services/aggregator/model/connections/connection.columns.ts";
import { edgeModelTable } from "../services/aggregator/model/edges/edge.columns.ts";
import { flowModelTable } from "../services/aggregator/model/flows/flow.columns.ts";
import { socketModelTable } from "../services/aggregator/model/sockets/socket.columns.ts";
import { destroyedTable } from "../services/node-agent/destroyed/destroyed.columns.ts";
import { answerFiles, answersIn } from "./tables/answers.ts";
import type { GeneratedFile } from "./tables/code.ts";
import { modelTableFile } from "./tables/model-table.ts";
import { answersOf, messagesOf, withRegion } from "./tables/proto.ts";
import type { ReportTablePlace } from "./tables/report-table.ts";
import { reportTableFile } from "./tables/report-table.ts";

const root = path.join(import.meta.dirname, "..");
const libTables: readonly ReportTablePlace[] = [
  { table: socketTable, schemaPath: "lib/tables/socket.columns.ts", folder: "lib/gen/tables" },
  { table: holderTable, schemaPath: "lib/tables/holder.columns.ts", folder: "lib/gen/tables" },
  { table: flowTable, schemaPath: "lib/tables/flow.columns.ts", folder: "lib/gen/tables" },
];
const modelFolder = "services/aggregator/model";

function textOf(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

function protos(): GeneratedFile[] {
  const reportPath = "proto/whotalks/v1/report.proto";
  const queryPath = "proto/whotalks/v1/query.proto";
  let report = textOf(reportPath);
  for (const { table, schemaPath } of libTables) report = withRegion(report, schemaPath, messagesOf(table));
  const [sockets] = libTables;
  const query = withRegion(textOf(queryPath), sockets!.schemaPath, answersOf(answersIn(socketTable)));
  return [
    { path: reportPath, text: report },
    { path: queryPath, text: query },
  ];
}

const files: GeneratedFile[] = [
  ...libTables.map((place) => reportTableFile(place)),
  reportTableFile({
    table: destroyedTable,
    schemaPath: "services/node-agent/destroyed/destroyed.columns.ts",
    folder: "services/node-agent/gen",
  }),
  modelTableFile(socketModelTable, `${modelFolder}/sockets/socket.columns.ts`),
  modelTableFile(flowModelTable, `${modelFolder}/flows/flow.columns.ts`),
  modelTableFile(connectionModelTable, `${modelFolder}/connections/connection.columns.ts`),
  modelTableFile(edgeModelTable, `${modelFolder}/edges/edge.columns.ts`),
  ...answerFiles(socketTable, "lib/tables/socket.columns.ts"),
  ...protos(),
];

/** Writes every generated file. */
export function writeTables(): void {
  for (const file of files) {
    mkdirSync(path.dirname(path.join(root, file.path)), { recursive: true });
    writeFileSync(path.join(root, file.path), file.text);
  }
}

/** The generated files that are not what their schemas describe. */
export function staleTables(): string[] {
  return files.filter((file) => readIfThere(file.path) !== file.text).map((file) => file.path);
}

function readIfThere(file: string): string | null {
  try {
    return textOf(file);
  } catch {
    return null;
  }
}
