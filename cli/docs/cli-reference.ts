// Generates the tables of docs/cli.md from the program itself: `node cli/docs/cli-reference.ts` writes them;
// with `--check` it fails if they are out of date.

import { readFileSync, writeFileSync } from "node:fs";
import type { Option } from "commander";
import { runTool } from "../../lib/program/run-tool.ts";
import { type Shape } from "../../lib/json/codec.ts";
import {
  connectionShape,
  coverageShape,
  edgeShape,
  endpointShape,
  listenerShape,
  namedShapes,
  nodeCoverageShape,
  podCoverageShape,
} from "../../lib/json/messages.ts";
import { commandNames } from "../command/command-names.ts";
import { commandOptions } from "../command/program.ts";
import { podsTable } from "../views/pod-coverage.ts";
import { views } from "../views/views.ts";
import { wordTable } from "./word-table.ts";

const path = new URL("../../docs/cli.md", import.meta.url);
const marker = /(<!-- generated: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

const sections = new Map<string, () => string>([
  ...commandNames.map((name) => [`flags-${name}`, () => flagTable(commandOptions(name))] as const),
  ...Object.values(views).map((view) => [`columns-${view.name}`, () => columnTable(view.columns)] as const),
  ...Object.values(views).map(
    (view) => [`csv-${view.name}`, () => `${view.csv.map(code).join(" ")}\n`] as const,
  ),
  ["columns-pods", () => columnList(podsTable.columns)],
  ["fields-connection", () => fieldTable(connectionShape)],
  ["fields-edge", () => fieldTable(edgeShape)],
  ["fields-listener", () => fieldTable(listenerShape)],
  ["fields-endpoint", () => fieldTable(endpointShape)],
  ["fields-coverage", () => fieldTable(coverageShape)],
  ["fields-pod", () => fieldTable(podCoverageShape)],
  ["fields-node", () => fieldTable(nodeCoverageShape)],
  [
    "words",
    () =>
      table(
        ["field", "words"],
        wordTable.map(([field, words]) => [code(field), words.map(code).join(" ")]),
      ),
  ],
  [
    "fields-inner",
    () =>
      table(
        ["object", "fields"],
        Object.entries(namedShapes).map(([name, inner]) => [
          code(name),
          inner.fields.map((field) => code(field.name)).join(" "),
        ]),
      ),
  ],
]);

/** Returns the document with every generated part regenerated. */
function generate(document: string): string {
  return document.replace(marker, (_, begin: string, name: string, end: string) => {
    const section = sections.get(name);
    if (section === undefined)
      throw new Error(`docs/cli.md has a generated part ${name}, which nothing makes`);
    return begin + section() + end;
  });
}

function flagTable(options: readonly Option[]): string {
  return table(
    ["flag", "meaning"],
    options.map((option) => [code(option.flags), option.description]),
  );
}

function columnTable(
  columns: ReadonlyArray<{ readonly key: string; readonly header: string; readonly wide?: boolean }>,
): string {
  return table(
    ["column", "`--sort`", "shown by"],
    columns.map((column) => [column.header, code(column.key), column.wide === true ? "`-o wide`" : "always"]),
  );
}

// The columns of a table that is never sorted.
function columnList(columns: ReadonlyArray<{ readonly header: string }>): string {
  return `${columns.map((column) => column.header).join(" · ")}\n`;
}

function fieldTable<Message>(shape: Shape<Message>): string {
  return table(
    ["field", "type"],
    shape.fields.map((field) => [code(field.name), field.codec.type]),
  );
}

function table(headers: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  return [headers, headers.map(() => "---"), ...rows].map(tableRow).join("");
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

const tool = {
  start: "node cli/docs/cli-reference.ts",
  summary: "Generates the tables of docs/cli.md from the program itself.",
  flags: { check: { help: "write nothing, and exit with 1 if docs/cli.md is out of date" } },
};

await runTool(tool, process.argv.slice(2), ({ flags }) => {
  const before = readFileSync(path, "utf8");
  const after = generate(before);
  if (after === before) return;
  if (flags.has("check")) {
    console.error("docs/cli.md is out of date: run node cli/docs/cli-reference.ts");
    process.exitCode = 1;
  } else {
    writeFileSync(path, after);
  }
});
