// /proc/<pid>/stat (fs/proc/array.c do_task_stat): what a process is called, who started it and when.

/** The fields of a process's stat that identify it. */
interface PidStat {
  readonly pid: number;
  /** comm: any bytes but NUL, decoded as UTF-8. */
  readonly name: string;
  /** State letter: R S D T t Z X I. */
  readonly state: string;
  readonly parentPid: number;
  /** Start in clock ticks since boot. */
  readonly startTicks: number;
}

// comm stands in parentheses and may hold blanks, parentheses and newlines itself; what follows the last one
// that closes are a letter and numbers only.
const STAT = /^(\d{1,10}) \((.*)\) ([A-Za-z]) (-?\d+(?: -?\d+){18,})\s*$/s;

// Fields 4 and 22 of proc(5), counted from the first number after the state.
const PARENT = 0;
const START = 18;

/** Reads the file's text; null where it makes no sense. */
export function parsePidStat(text: string): PidStat | null {
  const match = STAT.exec(text);
  if (match === null) return null;
  const numbers = match[4]!.split(" ");
  const startTicks = Number(numbers[START]);
  const parentPid = Number(numbers[PARENT]);
  if (
    !Number.isSafeInteger(startTicks) ||
    startTicks < 0 ||
    !Number.isSafeInteger(parentPid) ||
    parentPid < 0
  )
    return null;
  return { pid: Number(match[1]), name: match[2]!, state: match[3]!, parentPid, startTicks };
}
