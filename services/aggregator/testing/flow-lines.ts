// Flows as conntrack prints them, in short notation.

/**
 * Returns a line of `conntrack -L -o id`: tuples are "10.1.0.1:40000 > 10.1.0.2:80", the original and the
 * reply's.
 */
export function flowLine(
  protocol: "tcp" | "udp" | "sctp",
  id: number,
  original: string,
  reply: string,
): string {
  const number = { tcp: 6, udp: 17, sctp: 132 }[protocol];
  const state = protocol === "udp" ? "" : " ESTABLISHED";
  return `${protocol} ${number} 100${state} ${tuple(original)} ${tuple(reply)} [ASSURED] mark=0 use=1 id=${id}`;
}

function tuple(text: string): string {
  const [source, destination] = text.split(" > ") as [string, string];
  const [from, to] = [source, destination].map((end) => [
    end.slice(0, end.lastIndexOf(":")),
    end.slice(end.lastIndexOf(":") + 1),
  ]) as [string[], string[]];
  return `src=${from[0]} dst=${to[0]} sport=${from[1]} dport=${to[1]}`;
}
