// What is compared after each fault, and the table of all of them.

/** Totals since the load was started. */
export interface Figures {
  /** Connections that the clients made. */
  readonly made: number;
  /** Connections that the edges count. */
  readonly shown: number;
  /** Connections that coverage says were not seen: unseen ends of the clients, or of the servers if those are fewer. */
  readonly told: number;
  /** Connections of the latest fault that only conntrack knows: both their ends are unseen, and they are shown all the same. */
  readonly byFlowAlone: number;
  /** Whether the connections that are held open are shown as open, each once. */
  readonly heldRight: boolean;
}

/** What one fault did. */
export interface Effect {
  readonly fault: string;
  readonly made: number;
  /** Connections counted more than once, and connections that are missing. */
  readonly doubled: number;
  readonly lost: number;
  /** Connections that coverage says were not seen, more than before, without those that flows show all the same. */
  readonly told: number;
  readonly heldRight: boolean;
}

/** By how much more than was lost coverage may say was not seen: one twentieth, and one connection. */
const EXCESS_SHARE = 0.05;
const EXCESS_MIN = 1;

/** The difference that a fault made. */
export function effectOf(fault: string, before: Figures, after: Figures): Effect {
  const surplus = after.shown - after.made - (before.shown - before.made);
  return {
    fault,
    made: after.made - before.made,
    doubled: Math.max(0, surplus),
    lost: Math.max(0, -surplus),
    told: Math.max(0, after.told - before.told - after.byFlowAlone),
    heldRight: after.heldRight,
  };
}

/** Why an effect is a fault of ours; null if it is none. */
export function verdictOn({ doubled, lost, told, heldRight }: Effect): string | null {
  if (doubled > 0) return "counted twice";
  if (told < lost) return "lost untold";
  if (told > lost + Math.max(EXCESS_MIN, lost * EXCESS_SHARE)) return "told too much";
  return heldRight ? null : "held ones wrong";
}

/** A table of effects, one line for each kind of fault, as Markdown. */
export function effectTable(effects: readonly Effect[]): string {
  const lines = ["| fault | times | connections | counted twice | lost | told | faulty |"];
  lines.push("| --- | --- | --- | --- | --- | --- | --- |");
  for (const [fault, all] of Map.groupBy(effects, (effect) => effect.fault)) {
    const sum = (figure: (effect: Effect) => number): number =>
      all.reduce((total, effect) => total + figure(effect), 0);
    const verdicts = new Map<string, number>();
    for (const verdict of all.map(verdictOn))
      if (verdict !== null) verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    const faulty = [...verdicts].map(([verdict, times]) => `${verdict} (${times})`).join(", ") || "none";
    const [made, doubled] = [sum((effect) => effect.made), sum((effect) => effect.doubled)];
    const [lost, told] = [sum((effect) => effect.lost), sum((effect) => effect.told)];
    lines.push(`| ${fault} | ${all.length} | ${made} | ${doubled} | ${lost} | ${told} | ${faulty} |`);
  }
  return lines.join("\n");
}
