// The ways to read conntrack that a user may ask for; apart from the reader itself, so that settings load none of it.

/** What may be asked for: `auto` is the best that works. */
export const conntrackChoices = ["auto", "events", "dump", "proc", "none"] as const;
export type ConntrackChoice = (typeof conntrackChoices)[number];
