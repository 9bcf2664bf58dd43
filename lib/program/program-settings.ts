// Configuration of the programs that run in a cluster: each setting is an environment variable and a flag,
// validated by one schema into one frozen object, with all problems reported at once. main.ts passes the
// environment and the arguments.

import { z } from "zod";

import { parseDuration } from "../duration.ts";
import { type CommandLine, readCommandLine } from "./command-line.ts";
import { UsageError, usageSentence } from "./usage-error.ts";

/** Description of a setting besides its schema. */
export interface Setting {
  /**
   * Environment variable; the flag is its name without WHOTALKS_ in lower case ("WHOTALKS_HTTP_ADDRESS" →
   * "--http-address").
   */
  readonly variable: string;
  /** A value as a user would write it. */
  readonly example: string;
  /** One line of help. */
  readonly help: string;
  /** A secret has no flag, because every user of the machine sees flags, and problems never quote it. */
  readonly secret?: boolean;
}

/** The result of reading the settings. */
export type SettingsResult<Values> =
  | { readonly kind: "settings"; readonly values: Readonly<Values> }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "problems"; readonly text: string };

/** A program's settings: schema and descriptions have the same keys. */
export interface ProgramSettings<Shape extends z.ZodRawShape> {
  /** Name of the program and one sentence on what it does. */
  readonly program: string;
  readonly summary: string;
  readonly schema: z.ZodObject<Shape>;
  readonly settings: Readonly<Record<keyof Shape & string, Setting>>;
}

/** Reads the settings; flags take precedence over the environment, and an empty value counts as absent. */
export function readSettings<Shape extends z.ZodRawShape>(
  definition: ProgramSettings<Shape>,
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): SettingsResult<z.output<z.ZodObject<Shape>>> {
  const entries: [string, Setting][] = Object.entries(definition.settings);
  const { program, summary } = definition;
  const helpCommand = `${program} --help`;
  const visible = entries.filter(([, setting]) => setting.secret !== true);
  const known = Object.fromEntries([
    ...visible.map(([, setting]) => [flagOf(setting), { value: setting.example, help: setting.help }]),
    ["version", { help: "print the version" }],
  ]);
  let given: CommandLine<string>["flags"];
  try {
    given = readCommandLine(known, false, args).flags;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { kind: "problems", text: usageSentence(error, program, helpCommand) };
  }
  if (given.has("help")) return { kind: "help", text: helpText(program, summary, entries) };
  if (given.has("version")) return { kind: "version" };
  const raw: Record<string, string> = {};
  for (const [key, setting] of entries) {
    const value = given.get(flagOf(setting)) ?? environment[setting.variable];
    if (value !== undefined && value !== "") raw[key] = value;
  }
  const parsed = definition.schema.safeParse(raw);
  if (parsed.success) return { kind: "settings", values: Object.freeze(parsed.data) };
  const lines = parsed.error.issues.map((issue) => problem(issue, new Map(entries), raw));
  return {
    kind: "problems",
    text: [`${program}: the settings are not usable (see '${helpCommand}'):`, ...lines].join("\n"),
  };
}

/** A duration ("500ms", "2s", "3m", "1h") within bounds, as milliseconds. */
export function duration(minMs: number, maxMs: number): z.ZodType<number, string> {
  return z
    .string()
    .transform((text) => parseDuration(text) ?? Number.NaN)
    .refine((ms) => !Number.isNaN(ms), { error: "is not a duration", abort: true })
    .refine((ms) => ms >= minMs && ms <= maxMs, `must be between ${minMs} ms and ${maxMs} ms`);
}

/** One of the words of a list, resolved by the list's normalizing function. */
export function oneOf<Word extends string>(
  words: readonly Word[],
  normalize: (text: string) => Word | null,
): z.ZodType<Word, string> {
  return z.string().transform((text, context): Word => {
    const word = normalize(text);
    if (word !== null) return word;
    context.addIssue({ code: "custom", message: `is not one of ${words.join(", ")}` });
    return z.NEVER;
  });
}

/** An address to listen on ("0.0.0.0:4191", "[::]:4191", ":4191"); no host means every address. */
export function listenAddress(): z.ZodType<{ host: string; port: number }, string> {
  return z
    .string()
    .regex(/^(?:\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):\d{1,5}$/, "is not an address and a port")
    .transform((text) => {
      const colon = text.lastIndexOf(":");
      const host = text.slice(0, colon).replaceAll(/[[\]]/g, "");
      return { host: host === "" ? "::" : host, port: Number(text.slice(colon + 1)) };
    })
    .refine(({ port }) => port <= 65_535, "has a port above 65535");
}

/** One or more URLs of NATS servers, separated by commas. */
export function natsServers(): z.ZodType<string[], string> {
  return z
    .string()
    .transform((text) => text.split(",").map((url) => url.trim()))
    .refine(
      (urls) => urls.every((url) => /^(?:nats|tls):\/\/[^\s/]+$/.test(url)),
      "is not a list of nats:// or tls:// addresses",
    );
}

function flagOf(setting: Setting): string {
  return setting.variable
    .replace(/^WHOTALKS_/, "")
    .toLowerCase()
    .replaceAll("_", "-");
}

function problem(
  issue: z.core.$ZodIssue,
  settings: ReadonlyMap<string, Setting>,
  raw: Readonly<Record<string, string>>,
): string {
  const key = String(issue.path[0] ?? "");
  const setting = settings.get(key);
  if (setting === undefined) return `  ${issue.message}`;
  const value = raw[key];
  const said =
    value === undefined ? "is missing" : `${setting.secret === true ? "" : `"${value}" `}${issue.message}`;
  return `  ${setting.variable} ${said}; for example ${setting.variable}=${setting.example}`;
}

function helpText(
  program: string,
  summary: string,
  entries: readonly (readonly [string, Setting])[],
): string {
  const lines = entries.map(([, setting]) => {
    const flag = setting.secret === true ? "" : `--${flagOf(setting)}`;
    return `  ${setting.variable.padEnd(31)} ${flag.padEnd(25)} ${setting.help} (e.g. ${setting.example})`;
  });
  return [
    `${program}: ${summary}`,
    "",
    "Environment variable            Flag                      Meaning",
    ...lines,
    `  ${"".padEnd(31)} ${"--version".padEnd(25)} Print the version`,
    `  ${"".padEnd(31)} ${"-h, --help".padEnd(25)} Print this`,
  ].join("\n");
}
