// Generates the class of a table's columns in the aggregator: everyone reads them as fields (a getter for each
// would use up V8's inlining budget), and the table that extends the class writes them.

import type { MethodSchema, ModelColumnSchema, ModelTableSchema } from "../../lib/tables/schema.ts";
import type { GeneratedFile } from "./code.ts";
import { arrayOf, columnsOf, docComment, fileHead, fileName, perElement, rowBytes, widthOf } from "./code.ts";

/** The file of a table whose schema is at `schemaPath`. */
export function modelTableFile(table: ModelTableSchema, schemaPath: string): GeneratedFile {
  const inPlace = table.columns.filter(({ grows }) => grows === "in place");
  const byCopy = table.columns.filter(({ grows }) => grows === "by copy");
  const text = [
    fileHead(schemaPath),
    `\n${imports(table, inPlace, byCopy)}`,
    `\n${docComment(table.limit.doc)}export const ${table.limit.name} = ${table.limit.rows};\n`,
    `\n${docComment(`${table.doc} A row takes ${rowBytes(table.columns)} bytes.`)}`,
    `export class ${table.name} {\n`,
    ...table.columns.map((column) => field(column, table)),
    ...table.columns.map((column) => `\n${readable(column)}`),
    ...(table.methods ?? []).map((method) => `\n${methodOf(table, method)}`),
    inPlace.length === 0 ? "" : `\n${growingInPlace(table, inPlace)}`,
    byCopy.length === 0 ? "" : `\n${growingByCopy(table, byCopy)}`,
    "}\n",
  ].join("");
  return { path: `services/aggregator/gen/${fileName(table.name)}`, text };
}

function imports(
  { copiesFrom }: ModelTableSchema,
  inPlace: readonly ModelColumnSchema[],
  byCopy: readonly ModelColumnSchema[],
): string {
  const names = [
    ...(inPlace.length === 0 ? [] : ["columnInPlace", "growInPlace"]),
    ...(byCopy.length === 0 ? [] : ["FIRST_ROWS", "grownColumn", "nextCapacity"]),
  ].toSorted((a, b) => a.localeCompare(b));
  const reports =
    copiesFrom === undefined
      ? ""
      : `import type { ${copiesFrom.name} as Reported } from "../../../lib/gen/tables/${fileName(copiesFrom.name)}";\n`;
  return (
    `${reports}import { ${names.join(", ")} } from "../model/storage/capacity.ts";\n` +
    `import type { Column } from "../model/storage/column.ts";\n` +
    (byCopy.length === 0 ? "" : `import { writable } from "../model/storage/column.ts";\n`)
  );
}

function field(column: ModelColumnSchema, { limit }: ModelTableSchema): string {
  const kind = arrayOf[column.type];
  if (column.grows === "in place")
    return `  protected readonly _${column.name} = columnInPlace(${kind}, ${limit.name});\n`;
  const width = widthOf(column);
  return `  protected _${column.name} = new ${kind}(FIRST_ROWS${width === 1 ? "" : ` * ${width}`});\n`;
}

function readable({ name, doc }: ModelColumnSchema): string {
  return `${docComment(doc, "  ")}  readonly ${name}: Column = this._${name};\n`;
}

function methodOf({ columns }: ModelTableSchema, method: MethodSchema): string {
  const chosen = columnsOf(method, columns);
  const doc = docComment(method.doc, "  ");
  if (method.does === "clear") {
    const clears = chosen.map((column) =>
      perElement(column, (at) => `this._${column.name}[${at("slot")}] = ${column.empty ?? 0}`),
    );
    return `${doc}  protected ${method.name}(slot: number): void {\n${clears.join("")}  }\n`;
  }
  const copies = chosen.map((column) =>
    perElement(column, (at) => `this._${column.name}[${at("slot")}] = from.${column.name}[${at("row")}]!`),
  );
  return `${doc}  protected ${method.name}(slot: number, from: Reported, row: number): void {\n${copies.join("")}  }\n`;
}

function growingInPlace({ limit }: ModelTableSchema, columns: readonly ModelColumnSchema[]): string {
  const each = columns.map(({ name }) => `        this._${name},\n`).join("");
  return (
    `  /** Grows the columns that grow in place by one step. */\n` +
    `  protected growInPlace(): void {\n` +
    `    growInPlace(\n      [\n${each}      ],\n      ${limit.name},\n    );\n  }\n`
  );
}

function growingByCopy({ limit }: ModelTableSchema, columns: readonly ModelColumnSchema[]): string {
  const first = columns.find((column) => widthOf(column) === 1)!;
  const each = columns.map((column) => {
    const width = widthOf(column);
    const size = width === 1 ? "capacity" : `capacity * ${width}`;
    return (
      `    this._${column.name} = grownColumn(this._${column.name}, ${size});\n` +
      `    own.${column.name} = this._${column.name};\n`
    );
  });
  return (
    `  /** Copies the columns that grow by copy into larger ones. */\n` +
    `  protected growByCopy(): void {\n` +
    `    const own = writable(this);\n` +
    `    const capacity = nextCapacity(this._${first.name}.length, ${limit.name});\n${each.join("")}  }\n`
  );
}
