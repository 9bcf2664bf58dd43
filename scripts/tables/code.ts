// Shared by all generated tables: the names of types, comments, and which of a table's columns a method
// covers.

import type { ColumnSchema, ElementType, MethodSchema } from "../../lib/tables/schema.ts";

/** Length of a generated line of code. */
const LINE_MAX = 110;

/** A generated file: its path from the repository's root, and its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** The typed array of each element type. */
export const arrayOf: Readonly<Record<ElementType, string>> = {
  u8: "Uint8Array",
  u16: "Uint16Array",
  u32: "Uint32Array",
  i32: "Int32Array",
  f64: "Float64Array",
};

const bytesOf: Readonly<Record<ElementType, number>> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/** Elements of a column per row. */
export function widthOf({ width = 1 }: ColumnSchema): number {
  return width;
}

/** Bytes of some columns per row. */
export function rowBytes(columns: readonly ColumnSchema[]): number {
  return columns.reduce((bytes, column) => bytes + bytesOf[column.type] * widthOf(column), 0);
}

/** The file name of a class: SocketColumns is in socket-columns.ts. */
export function fileName(className: string): string {
  return `${className.replaceAll(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}.ts`;
}

/** The first lines of a generated file. */
export function fileHead(schemaPath: string): string {
  return `// Generated from ${schemaPath} by scripts/generate-tables.ts: do not edit.\n`;
}

/** Formats sentences as a documentation comment. */
export function docComment(text: string, indent = ""): string {
  const line = `${indent}/** ${text} */\n`;
  if (line.length <= LINE_MAX + 1) return line;
  const lines = wrapped(text, LINE_MAX - indent.length - 3);
  return `${indent}/**\n${lines.map((each) => `${indent} * ${each}\n`).join("")}${indent} */\n`;
}

/** Wraps sentences into lines of at most `charactersMax` characters. */
export function wrapped(text: string, charactersMax: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > charactersMax) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** The columns that a method clears or copies. */
export function columnsOf<Column extends ColumnSchema>(
  { groups }: MethodSchema,
  columns: readonly Column[],
): Column[] {
  return columns.filter(({ group = "" }) => groups.includes(group));
}

/** One statement per element that a column has in a row: a loop if there are several. */
export function perElement(
  column: ColumnSchema,
  statement: (row: (index: string) => string) => string,
): string {
  const width = widthOf(column);
  if (width === 1) return `    ${statement((index) => index)};\n`;
  return `    for (let i = 0; i < ${width}; i++) ${statement((index) => `${index} * ${width} + i`)};\n`;
}
