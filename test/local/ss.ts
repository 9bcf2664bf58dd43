// Parses the output of `ss -tuanpeH` into lines that can be compared: protocol, state, addresses, inode, pids.

/** Maps ss's words for states to the kernel's. An unconnected UDP socket is in CLOSE. */
const states: Readonly<Record<string, string>> = {
  ESTAB: "ESTABLISHED",
  UNCONN: "CLOSE",
  LISTEN: "LISTEN",
  "TIME-WAIT": "TIME_WAIT",
  "SYN-SENT": "SYN_SENT",
  "SYN-RECV": "SYN_RECV",
  "FIN-WAIT-1": "FIN_WAIT1",
  "FIN-WAIT-2": "FIN_WAIT2",
  "CLOSE-WAIT": "CLOSE_WAIT",
  "LAST-ACK": "LAST_ACK",
  CLOSING: "CLOSING",
};

/** Returns one line per socket, sorted: "tcp ESTABLISHED 10.0.0.1:80 10.0.0.2:40000 inode 7 pids 1,2". */
export function parseSs(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map(parseSsLine).toSorted();
}

function parseSsLine(line: string): string {
  const [protocol, state, , , local, remote] = line.trim().split(/\s+/);
  const inode = / ino:(\d+)/.exec(line)?.[1] ?? "0";
  const pids = [...new Set([...line.matchAll(/\bpid=(\d+)/g)].map(([, pid]) => Number(pid)))].toSorted(
    (a, b) => a - b,
  );
  const listens = state === "LISTEN" || (protocol === "udp" && state === "UNCONN");
  const far = listens ? "*" : normalAddress(remote!);
  return `${protocol} ${states[state!] ?? state} ${normalAddress(local!)} ${far} inode ${inode} pids ${pids.join(",")}`;
}

// "*" is the dual-stack wildcard; an interface follows '%'; IPv4-mapped addresses are IPv4.
function normalAddress(text: string): string {
  const colon = text.lastIndexOf(":");
  const host = text
    .slice(0, colon)
    .replace(/^\[|\]$/g, "")
    .replace(/%.*$/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
  const port = text.slice(colon + 1);
  return `${host === "*" ? "::" : host}:${port === "*" ? 0 : port}`;
}
