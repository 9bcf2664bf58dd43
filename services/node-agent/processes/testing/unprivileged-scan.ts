// Run as another user by scan.test.ts: prints what a scan without privileges reports of this process and its
// parent.

import { createProcessScanner } from "../scan.ts";

const { processes, limits } = createProcessScanner({ procRoot: "/proc" }).scan();
const own = processes.get(process.pid)?.namespaceInode;
const other = processes.get(process.ppid)?.namespaceInode;
process.stdout.write(JSON.stringify({ own, other, limits }));
