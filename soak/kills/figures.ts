// What is compared after each fault, and the table of all of them.

/** Totals since the load was started. */
export interface Figures {
  /** Connections that the clients made. */
  readonly made: number;
  /** Connections that the edges count. */
  readonly shown: number;
  /** Ends of clients and servers that coverage says were not seen. */
  readonly unseenEnds: number;
  /** Since when the edges count, in milliseconds since 1970. */
  readonly countedSinceMs: number;
  /** Of the connections since the latest fault: ends that are not shown, since another end or a flow shows the connection. */
  readonly missingEnds: number;
  /** Clients and ports of connections since the latest fault that no answer shows. */
  readonly lostExamples: readonly string[];
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
  /** Connections of which coverage says that neither end was seen, beside those that are shown all the same. */
  readonly told: number;
  /** Whether the answers say that their sums begin later than before: what was before is lost, and told. */
  readonly beginsLater: boolean;
  readonly heldRight: boolean;
}

/** By how much more than was lost coverage may say was not seen: one twentieth, and one connection. */
const EXCESS_SHARE = 0.05;
const EXCESS_MIN = 1;
/** Milliseconds by which an estimate of when sums begin may move. */
const SINCE_MS_MAX = 2000;

/** The difference that a fault made. */
export function effectOf(fault: string, before: Figures, after: Figures): Effect {
  const surplus = after.shown - after.made - (before.shown - before.made);
  return {
    fault,
    made: after.made - before.made,
    doubled: Math.max(0, surplus),
    lost: Math.max(0, -surplus),
    told: Math.max(0, Math.round((after.unseenEnds - before.unseenEnds - after.missingEnds) / 2)),
    beginsLater: after.countedSinceMs - before.countedSinceMs > SINCE_MS_MAX,
    heldRight: after.heldRight,
  };
}

/** Why an effect is a fault of ours; null if it is none. */
export function verdictOn({ doubled, lost, told, beginsLater, heldRight }: Effect): string | null {
  if (doubled > 0) return "counted twice";
  if (beginsLater) return heldRight ? null : "held ones wrong";
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
    const later = all.filter(({ beginsLater }) => beginsLater).length;
    const faulty = [...verdicts].map(([verdict, times]) => `${verdict} (${times})`).join(", ") || "none";
    const begin = later === 0 ? "" : `, sums begin later (${later})`;
    const [made, doubled] = [sum((effect) => effect.made), sum((effect) => effect.doubled)];
    const [lost, told] = [sum((effect) => effect.lost), sum((effect) => effect.told)];
    lines.push(`| ${fault} | ${all.length} | ${made} | ${doubled} | ${lost} | ${told}${begin} | ${faulty} |`);
  }
  return lines.join("\n");
}
