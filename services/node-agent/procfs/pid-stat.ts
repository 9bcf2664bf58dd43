// Parses /proc/<pid>/stat (fs/proc/array.c do_task_stat): a process's name, parent and start time.

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

// comm is in parentheses and may itself contain blanks, parentheses and newlines; only a letter and numbers
// follow the last closing parenthesis.
const STAT = /^(\d{1,10}) \((.*)\) ([A-Za-z]) (-?\d+(?: -?\d+){18,})\s*$/s;

// Fields 4 and 22 of proc(5), counted from the first number after the state.
const PARENT = 0;
const START = 18;

/** Parses the file's text; null if it is malformed. */
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
