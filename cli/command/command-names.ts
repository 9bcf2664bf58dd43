// The commands and their names.

/** The subjects: the views, and `watch` for connections as they open and close. */
export const subjects = ["edges", "connections", "listeners", "unix", "coverage", "watch"] as const;
/** One of the subjects. */
export type Subject = (typeof subjects)[number];

/** Whether a word is a subject. */
export function isSubject(word: string): word is Subject {
  return (subjects as readonly string[]).includes(word);
}

/** The commands in the order of help and documentation. */
export const commandNames = ["local", ...subjects, "version", "completion"] as const;
/** One of the commands. */
export type CommandName = (typeof commandNames)[number];

/** Other names of the commands: singular and short ones, as kubectl has them for its resources. */
export const otherNames: { readonly [Key in CommandName]: readonly string[] } = {
  local: [],
  edges: ["edge"],
  connections: ["connection", "conns", "conn"],
  listeners: ["listener", "lis"],
  unix: [],
  coverage: ["cov"],
  watch: [],
  version: [],
  completion: [],
};

/** Returns the command that a word names; null if there is none. */
export function commandNamed(word: string): CommandName | null {
  return commandNames.find((name) => name === word || otherNames[name].includes(word)) ?? null;
}
