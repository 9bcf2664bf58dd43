// The fields of classes, read from formatted source text: oxfmt indents members by two spaces and closes a
// class in the first column.

const CLASS = /^(?:export )?(?:abstract )?class (\w+)/;
const FIELD =
  /^ {2}(?:(?:private|protected|public|readonly|override|declare|abstract) )*(#?\w+)[?!]?(?::|;| =)(.*)$/;
const COLUMN = /\b(?:Uint|Int|Float|BigInt|BigUint)\d+(?:Clamped)?Array\b/;

/** A class and its instance fields that are not columns. */
interface ClassFields {
  readonly name: string;
  readonly fields: readonly string[];
}

/** Returns the classes of a source text. A field whose type or value is a typed array is a column. */
export function classFields(text: string): ClassFields[] {
  const classes: ClassFields[] = [];
  let fields: string[] | null = null;
  for (const line of text.split("\n")) {
    const name = CLASS.exec(line)?.[1];
    if (name !== undefined && !line.endsWith("{}")) {
      fields = [];
      classes.push({ name, fields });
    } else if (line === "}") {
      fields = null;
    } else if (fields !== null) {
      const [, field, rest] = FIELD.exec(line) ?? [];
      if (field !== undefined && !COLUMN.test(rest!)) fields.push(field);
    }
  }
  return classes;
}
