// The lower bound: reads the same tables of the same namespaces as the procfs reader and drops the content.

import { closeSync, openSync, readSync } from "node:fs";

import { procfsTables } from "../../services/node-agent/readers/procfs.ts";
import { serveRounds } from "../measure.ts";

const pids = JSON.parse(process.argv[2]!) as number[];
const buffer = Buffer.alloc(65536);

await serveRounds(() => {
  let bytes = 0;
  for (const pid of pids) for (const table of procfsTables) bytes += readAndDrop(`/proc/${pid}/net/${table}`);
  return Promise.resolve({ bytes });
});

function readAndDrop(file: string): number {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return 0; // A table that this kernel lacks.
  }
  let bytes = 0;
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) bytes += read;
  closeSync(fd);
  return bytes;
}
