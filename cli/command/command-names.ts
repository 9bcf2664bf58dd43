// The commands and their names.

/** The subjects: the views, and `watch` for connections as they open and close. */
export const subjects = ["edges", "connections", "listeners", "unix", "coverage", "watch"] as const;
/** One of the subjects. */
export type Subject = (typeof subjects)[number];

/** The commands in the order of help and documentation. */
export const commandNames = ["local", ...subjects] as const;
/** One of the commands. */
export type CommandName = (typeof commandNames)[number];
