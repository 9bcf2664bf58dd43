// Generates the class of a table that agents keep, and the mapping of its columns to the messages of
// report.proto. Rows are copied and compared column by column: a loop over names at run time costs four to ten
// times as much.

import type { MethodSchema, ReportColumnSchema, ReportTableSchema } from "../../lib/tables/schema.ts";
import type { GeneratedFile } from "./code.ts";
import { arrayOf, columnsOf, docComment, fileHead, fileName, perElement, rowBytes, widthOf } from "./code.ts";

/** Path of a table's schema, path of its class, and how that file imports the codec. */
export interface ReportTablePlace {
  readonly table: ReportTableSchema;
  readonly schemaPath: string;
  readonly folder: string;
}

/** The file of a table. */
export function reportTableFile({ table, schemaPath, folder }: ReportTablePlace): GeneratedFile {
  const imports =
    table.message === undefined ? "" : `\nimport type { TableColumns } from "../../table-codec.ts";\n`;
  const text = [
    fileHead(schemaPath),
    imports,
    `\n${docComment(limitDoc(table))}export const ${table.limit.name} = ${table.limit.rows};\n`,
    `\n${docComment(`${table.doc} A row takes ${rowBytes(table.columns)} bytes.`)}`,
    `export class ${table.name} {\n`,
    fields(table),
    `\n${constructorOf(table)}`,
    `\n${growth(table)}`,
    `\n${appending(table)}`,
    `\n${copying(table)}`,
    ...(table.methods ?? []).map((method) => `\n${methodOf(table, method)}`),
    `\n  /** Removes all rows, keeping the memory. */\n  clear(): void {\n    this.length = 0;\n  }\n`,
    `\n${growing(table)}`,
    "}\n",
    table.message === undefined ? "" : bindings(table),
  ].join("");
  return { path: `${folder}/${fileName(table.name)}`, text };
}

function limitDoc({ limit, columns }: ReportTableSchema): string {
  const megabytes = Math.round((limit.rows * rowBytes(columns)) / 1e6);
  return `${limit.doc} So many take ${megabytes} MB.`;
}

function fields({ columns }: ReportTableSchema): string {
  const each = columns.map(
    (column) => `${docComment(docOf(column), "  ")}  ${column.name}: ${arrayOf[column.type]};\n`,
  );
  return `  /** Rows in use. */\n  length = 0;\n${each.join("")}`;
}

function docOf(column: ReportColumnSchema): string {
  const width = widthOf(column);
  return width === 1 ? column.doc : `${width} a row. ${column.doc}`;
}

function constructorOf({ columns, firstRows }: ReportTableSchema): string {
  const each = columns.map((column) => {
    const width = widthOf(column);
    return `    this.${column.name} = new ${arrayOf[column.type]}(capacity${width === 1 ? "" : ` * ${width}`});\n`;
  });
  return `  constructor(capacity = ${firstRows}) {\n${each.join("")}  }\n`;
}

function growth({ columns }: ReportTableSchema): string {
  const [first] = columns;
  return `  /** Rows that fit before the columns must grow. */\n  get capacity(): number {\n    return this.${first!.name}.length;\n  }\n`;
}

function appending(table: ReportTableSchema): string {
  return table.appendsValues === true ? appendingValues(table) : appendingRows(table);
}

function appendingValues({ name, columns, limit }: ReportTableSchema): string {
  const parameters = columns.map((column) => `${column.name}: number`).join(", ");
  const assignments = columns.map((column) => `    this.${column.name}[row] = ${column.name};\n`).join("");
  const values = columns.map((column) => `from.${column.name}[fromRow]!`).join(", ");
  return (
    `  /** Appends a row; returns its index, or -1 if ${limit.name} is reached. */\n` +
    `  append(${parameters}): number {\n` +
    `    const row = this.length;\n` +
    `    if (row === this.capacity) {\n` +
    `      if (row >= ${limit.name}) return -1;\n` +
    `      this.#grow();\n` +
    `    }\n${assignments}` +
    `    return this.length++;\n  }\n\n` +
    `  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */\n` +
    `  appendRow(from: ${name}, fromRow: number): number {\n` +
    `    return this.append(${values});\n  }\n`
  );
}

function appendingRows({ name, columns, limit }: ReportTableSchema): string {
  const sets = columns
    .map((column) => {
      const width = widthOf(column);
      const times = (index: string): string => (width === 1 ? index : `${index} * ${width}`);
      const to = width === 1 ? "from + count" : `(from + count) * ${width}`;
      return `    this.${column.name}.set(other.${column.name}.subarray(${times("from")}, ${to}), ${times("this.length")});\n`;
    })
    .join("");
  return (
    `  /** Makes room for one more row, which is not cleared; returns its index, or -1 if ${limit.name} is reached. */\n` +
    `  append(): number {\n` +
    `    if (this.length === this.capacity) {\n` +
    `      if (this.length >= ${limit.name}) return -1;\n` +
    `      this.#grow();\n` +
    `    }\n` +
    `    return this.length++;\n  }\n\n` +
    `  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */\n` +
    `  appendRow(from: ${name}, fromRow: number): number {\n` +
    `    const row = this.append();\n` +
    `    if (row >= 0) this.copyRow(row, from, fromRow);\n` +
    `    return row;\n  }\n\n` +
    `  /** Appends rows [from, to) of another table, at a tenth of the cost of row by row; returns how many fitted. */\n` +
    `  appendRows(other: ${name}, from: number, to: number): number {\n` +
    `    const count = Math.min(to - from, ${limit.name} - this.length);\n` +
    `    while (this.length + count > this.capacity) this.#grow();\n` +
    sets +
    `    this.length += count;\n` +
    `    return count;\n  }\n`
  );
}

function copying({ name, columns }: ReportTableSchema): string {
  return (
    `  /** Copies one row of another table over a row of this one. */\n` +
    `  copyRow(row: number, from: ${name}, fromRow: number): void {\n${copies(columns)}  }\n`
  );
}

function copies(columns: readonly ReportColumnSchema[]): string {
  return columns
    .map((column) =>
      perElement(
        column,
        (at) => `this.${column.name}[${at("row")}] = from.${column.name}[${at("fromRow")}]!`,
      ),
    )
    .join("");
}

function methodOf({ name, columns }: ReportTableSchema, method: MethodSchema): string {
  const chosen = columnsOf(method, columns);
  const doc = docComment(method.doc, "  ");
  if (method.does === "copy")
    return `${doc}  ${method.name}(row: number, from: ${name}, fromRow: number): void {\n${copies(chosen)}  }\n`;
  const clears = chosen.map((column) =>
    perElement(column, (at) => `this.${column.name}[${at("row")}] = ${column.empty ?? 0}`),
  );
  return `${doc}  ${method.name}(row: number): void {\n${clears.join("")}  }\n`;
}

function growing({ columns, limit }: ReportTableSchema): string {
  const each = columns.map((column) => {
    const width = widthOf(column);
    const size = width === 1 ? "capacity" : `capacity * ${width}`;
    return (
      `    const ${column.name} = new ${arrayOf[column.type]}(${size});\n` +
      `    ${column.name}.set(this.${column.name});\n` +
      `    this.${column.name} = ${column.name};\n`
    );
  });
  return `  #grow(): void {\n    const capacity = Math.min(${limit.name}, Math.max(1, this.capacity * 2));\n${each.join("")}  }\n`;
}

function bindings(table: ReportTableSchema): string {
  const base = table.name.replace(/Columns$/, "");
  const lower = base.charAt(0).toLowerCase() + base.slice(1);
  const added = table.columns.filter(({ wire }) => wire !== undefined);
  const changed = table.columns.filter(({ change }) => change !== undefined);
  const addresses = table.columns.find(({ name }) => name === table.addresses);
  const addressField = addresses && `  addresses: [${addresses.wire}, ${widthOf(addresses) / 4}],\n`;
  return (
    `\n/** Bytes of a row on the wire at most: every column, IPv6 addresses. */\n` +
    `export const ${base.toUpperCase()}_WIRE_BYTES = ${rowBytes(added)};\n` +
    binding(`${lower}Columns`, table, added, "wire", addressField) +
    (table.changeMessage === undefined ? "" : changeBindings(table, base, changed))
  );
}

function changeBindings(
  table: ReportTableSchema,
  base: string,
  changed: readonly ReportColumnSchema[],
): string {
  const lower = base.charAt(0).toLowerCase() + base.slice(1);
  const [id] = table.columns;
  const names = changed.map(({ name }) => `  "${name}",\n`).join("");
  const comparisons = changed.map(({ name }) => `a.${name}[rowA] !== b.${name}[rowB]`);
  const comparison =
    `\n/** The columns that change during a row's life. */\n` +
    `export const changing${base}Columns = [\n${names}] as const;\n` +
    `\n/** Whether two rows differ in a column that changes during a row's life. */\n` +
    `export function ${lower}Differs(a: ${table.name}, rowA: number, b: ${table.name}, rowB: number): boolean {\n` +
    `  return (\n    ${comparisons.join(" ||\n    ")}\n  );\n}\n`;
  return (
    `\n/** Bytes of a change on the wire at most. */\n` +
    `export const ${base.toUpperCase()}_CHANGE_WIRE_BYTES = ${rowBytes([id!, ...changed])};\n` +
    binding(`${lower}ChangeColumns`, table, changed, "change", "") +
    (table.comparesRows === true ? comparison : "")
  );
}

function binding(
  constant: string,
  { name, columns, addresses, message, changeMessage }: ReportTableSchema,
  carried: readonly ReportColumnSchema[],
  number: "wire" | "change",
  addressField: string | undefined,
): string {
  const [key] = columns;
  const rows = carried
    .filter((column) => column !== key && column.name !== addresses)
    .toSorted((a, b) => a[number]! - b[number]!)
    .map((column) => {
      const width = widthOf(column);
      return `    [${column[number]}, "${column.name}"${width === 1 ? "" : `, ${width}`}],\n`;
    });
  const named = (number === "wire" ? message : changeMessage)!.name;
  return (
    `\n/** Maps columns to the fields of ${named} (report.proto). */\n` +
    `export const ${constant}: TableColumns<${name}> = {\n` +
    `  key: [2, "${key!.name}"],\n  columns: [\n${rows.join("")}  ],\n${addressField ?? ""}};\n`
  );
}
