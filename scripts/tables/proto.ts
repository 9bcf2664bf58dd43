// Generates the messages of report.proto that carry tables, and the fields of query.proto that return a
// socket's column. They are regions of otherwise handwritten files.

import type {
  AnswerSchema,
  ElementType,
  MessageSchema,
  ReportColumnSchema,
  ReportTableSchema,
} from "../../lib/tables/schema.ts";
import { widthOf, wrapped } from "./code.ts";

/** Length of a line in a proto. */
const LINE_MAX = 80;

const wireTypes: Readonly<Record<ElementType, string>> = {
  u8: "uint8",
  u16: "uint16",
  u32: "uint32",
  i32: "int32",
  f64: "double",
};

/** Replaces the content between the marks of a region. */
export function withRegion(text: string, name: string, content: string): string {
  const begin = `// Begin of what is generated from ${name}.\n`;
  const end = `// End of what is generated from ${name}.\n`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`no region for ${name}: lines "${begin.trim()}" and "${end.trim()}"`);
  const indent = text.slice(text.lastIndexOf("\n", to) + 1, to);
  return `${text.slice(0, from + begin.length)}\n${content}\n${indent}${text.slice(to)}`;
}

/** The messages that carry a table. */
export function messagesOf(table: ReportTableSchema): string {
  const { message, changeMessage, columns } = table;
  if (message === undefined) return "";
  const added = columns
    .filter(({ wire }) => wire !== undefined)
    .map((column) => fieldOf(column, column.wire!, fieldDoc(column, table)));
  const [key] = columns;
  const changed = columns
    .filter(({ change }) => change !== undefined)
    .map((column) => fieldOf(column, column.change!, `As in ${message.name}.`));
  const id = fieldOf(key!, 2, `${wireTypes[key!.type]}: id of a row known already.`);
  return (
    messageText(message, added) +
    (changeMessage === undefined ? "" : `\n${messageText(changeMessage, [id, ...changed])}`)
  );
}

/** The fields of Connection that return columns. */
export function answersOf(answers: readonly (readonly [ReportColumnSchema, AnswerSchema])[]): string {
  return answers
    .map(([{ type }, { field, name, doc }]) => {
      const kind = type === "f64" ? "uint64" : "uint32";
      return `${comment(doc, "  ")}  optional ${kind} ${snake(name)} = ${field};\n`;
    })
    .join("");
}

interface Field {
  readonly number: number;
  readonly text: string;
}

function fieldOf({ name }: ReportColumnSchema, number: number, doc: string): Field {
  return { number, text: `${comment(doc, "  ")}  bytes ${snake(name)} = ${number};\n` };
}

function fieldDoc(column: ReportColumnSchema, { addresses }: ReportTableSchema): string {
  if (column.name === addresses)
    return `${column.doc} In network byte order: 4 bytes each where family is 4, else 16 bytes each.`;
  const width = widthOf(column);
  const doc = /^[A-Z][a-z]/.test(column.doc)
    ? column.doc.charAt(0).toLowerCase() + column.doc.slice(1)
    : column.doc;
  return `${wireTypes[column.type]}${width === 1 ? "" : `, ${width} a row`}: ${doc}`;
}

function messageText({ name, doc, reserved = [] }: MessageSchema, fields: readonly Field[]): string {
  const lines = fields.toSorted((a, b) => a.number - b.number).map(({ text }) => text);
  const numbers = reserved.map(([field]) => field).join(", ");
  const names = reserved.map(([, word]) => `"${word}"`).join(", ");
  const taken = reserved.length === 0 ? "" : `  reserved ${numbers};\n  reserved ${names};\n`;
  return `${comment(doc, "")}message ${name} {\n${taken}  // Number of rows.\n  uint32 count = 1;\n${lines.join("")}}\n`;
}

function comment(text: string, indent: string): string {
  return wrapped(text, LINE_MAX - indent.length - 3)
    .map((line) => `${indent}// ${line}\n`)
    .join("");
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
