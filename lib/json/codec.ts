// The building blocks of the mapping between proto messages and JSON: one codec per kind of field, which
// writes a value, reads it back and names itself for the documentation. messages.ts has the field names.

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Reports where a document does not have the expected shape. */
export class JsonShapeError extends Error {
  override readonly name = "JsonShapeError";
}

/** How one kind of field is written and read. */
export interface Codec<Value> {
  /** Its name in the documentation. */
  readonly type: string;
  /** Returns the JSON; undefined omits the field. */
  write(value: Value): Json | undefined;
  /** Reads what write() returned, undefined if the field is absent; throws JsonShapeError naming the path. */
  read(json: unknown, path: string): Value;
}

/** Text, omitted if empty. */
export const text: Codec<string> = {
  type: "text",
  write: (value) => (value === "" ? undefined : value),
  read: (json, path) => (json === undefined ? "" : isText(json) ? json : fail(json, path, "text")),
};

/** A number that is always present. */
export const number: Codec<number> = {
  type: "number",
  write: (value) => value,
  read: (json, path) => (json === undefined ? 0 : isCount(json) ? json : fail(json, path, "a number")),
};

/** A number, omitted if 0 (0 means "none"). */
export const numberUnlessZero: Codec<number> = {
  ...number,
  write: (value) => (value === 0 ? undefined : value),
};

/** A number, omitted if unknown. */
export const numberIfKnown: Codec<number | undefined> = {
  type: "number, where known",
  write: (value) => value,
  read: (json, path) => (json === undefined ? undefined : number.read(json, path)),
};

/** true or false, always present. */
export const flag: Codec<boolean> = {
  type: "true or false",
  write: (value) => value,
  read: (json, path) =>
    json === undefined ? false : isFlag(json) ? json : fail(json, path, "true or false"),
};

/** true, omitted if false. */
export const flagIfTrue: Codec<boolean> = {
  ...flag,
  type: "true, or left out",
  write: (value) => (value ? true : undefined),
};

/** true or false, omitted if unknown. */
export const flagIfKnown: Codec<boolean | undefined> = {
  type: "true or false, where known",
  write: (value) => value,
  read: (json, path) => (json === undefined ? undefined : flag.read(json, path)),
};

/** The first and last millisecond that RFC 3339 can express (years 0000 to 9999). */
const TIME_MS_MIN = Date.parse("0000-01-01T00:00:00.000Z");
const TIME_MS_MAX = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * Milliseconds since 1970, written as RFC 3339 with milliseconds in UTC; omitted if 0 or outside RFC 3339's
 * range.
 */
export const time: Codec<number> = {
  type: "time",
  write: (value) =>
    value !== 0 && value >= TIME_MS_MIN && value <= TIME_MS_MAX ? new Date(value).toISOString() : undefined,
  read: (json, path) => {
    if (json === undefined) return 0;
    const parsed = typeof json === "string" ? Date.parse(json) : Number.NaN;
    if (Number.isNaN(parsed)) throw mismatch(json, path, "a time such as 2026-01-02T03:04:05.678Z");
    return parsed;
  },
};

/** A list of texts, omitted if empty. */
export const texts: Codec<string[]> = {
  type: "list of text",
  write: (value) => (value.length === 0 ? undefined : value),
  read: (json, path) => listOf(json, path, (item, at) => text.read(item ?? null, at)),
};

/** Names and their texts, omitted if empty. */
export const labels: Codec<{ [name: string]: string }> = {
  type: "object of text",
  write: (value) => (Object.keys(value).length === 0 ? undefined : value),
  read: (json, path) => {
    if (json === undefined) return {};
    const source = record(json, path);
    // fromEntries defines own properties, so that a label called __proto__ stays a label.
    return Object.fromEntries(
      Object.keys(source).map((name) => [name, text.read(source[name] ?? null, `${path}.${name}`)]),
    );
  },
};

/** A list of objects, omitted if empty. */
export function listOfObjects<Message>(of: Shape<Message>): Codec<Message[]> {
  return {
    type: "list of objects",
    write: (value) => (value.length === 0 ? undefined : value.map((item) => writeObject(of, item))),
    read: (json, path) => listOf(json, path, (item, at) => readObject(of, item, at)),
  };
}

/** A list of objects that is always present. */
export function listAlways<Message>(of: Shape<Message>): Codec<Message[]> {
  return { ...listOfObjects(of), write: (value) => value.map((item) => writeObject(of, item)) };
}

/** An object, omitted if absent. */
export function object<Message>(of: Shape<Message>): Codec<Message | undefined> {
  return {
    type: "object",
    write: (value) => (value === undefined ? undefined : writeObject(of, value)),
    read: (json, path) => (json === undefined ? undefined : readObject(of, json, path)),
  };
}

/** The names and codecs of a message's fields, in output order. */
type Fields<Message> = {
  readonly [Key in keyof Message]-?: readonly [name: string, codec: Codec<Message[Key]>];
};

/** A message's complete mapping. The compiler checks that every field of the proto is in it. */
export interface Shape<Message> {
  readonly fields: ReadonlyArray<ShapeField<Message>>;
}

/** One field of a shape. */
interface ShapeField<Message> {
  readonly key: keyof Message & string;
  readonly name: string;
  readonly codec: Codec<unknown>;
}

/** Creates a shape from its fields. */
export function shape<Message>(fields: Fields<Message>): Shape<Message> {
  const keys = Object.keys(fields) as Array<keyof Message & string>;
  return {
    fields: keys.map((key) => ({ key, name: fields[key][0], codec: fields[key][1] as Codec<unknown> })),
  };
}

/** Writes a message as a JSON object. */
export function writeObject<Message>(of: Shape<Message>, message: Message): { [name: string]: Json } {
  const json: { [name: string]: Json } = {};
  for (const field of of.fields) {
    const value = field.codec.write(message[field.key]);
    if (value !== undefined) json[field.name] = value;
  }
  return json;
}

/** Reads a message from a JSON object; names that are not in the shape are ignored, absent ones are empty. */
export function readObject<Message>(of: Shape<Message>, json: unknown, path: string): Message {
  const source = record(json, path);
  const message: { [key: string]: unknown } = {};
  for (const field of of.fields) {
    const value = Object.hasOwn(source, field.name) ? source[field.name] : undefined;
    message[field.key] = field.codec.read(value, path === "" ? field.name : `${path}.${field.name}`);
  }
  // Every key of the message was set above, each by the codec of its own type.
  return message as Message;
}

/** Returns a value as an object; throws JsonShapeError if it is not an object. */
export function record(json: unknown, path: string): { [name: string]: unknown } {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw mismatch(json, path, "an object");
  return json as { [name: string]: unknown };
}

function listOf<Item>(json: unknown, path: string, read: (item: unknown, path: string) => Item): Item[] {
  if (json === undefined) return [];
  if (!Array.isArray(json)) throw mismatch(json, path, "a list");
  return json.map((item, index) => read(item, `${path}[${index}]`));
}

function isText(json: unknown): json is string {
  return typeof json === "string";
}

function isFlag(json: unknown): json is boolean {
  return typeof json === "boolean";
}

function isCount(json: unknown): json is number {
  return Number.isSafeInteger(json);
}

function fail(json: unknown, path: string, wanted: string): never {
  throw mismatch(json, path, wanted);
}

function mismatch(json: unknown, path: string, wanted: string): JsonShapeError {
  const found = JSON.stringify(json) ?? "nothing";
  const shown = found.length > 40 ? `${found.slice(0, 40)}…` : found;
  return new JsonShapeError(`${path === "" ? "the document" : path} should be ${wanted}, but is ${shown}`);
}
