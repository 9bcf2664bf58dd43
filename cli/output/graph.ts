// -o dot and -o mermaid: edges as a picture. Both are written as a stream; only the names are kept.

import type { Edge } from "../../lib/gen/whotalks/v1/query.ts";
import { escapeText } from "../text/escape-text.ts";
import { endpointLabel } from "../views/endpoint-label.ts";
import type { DocumentWriter } from "./document.ts";

/** Writes edges in Graphviz's language: https://graphviz.org/doc/info/lang.html */
export function dotWriter(): DocumentWriter<Edge> {
  return {
    open: () => "digraph whotalks {\n  rankdir=LR;\n  node [shape=box];\n",
    item: (edge) => {
      const failed = isFailed(edge) ? ", color=red" : "";
      return `  ${dotText(clientOf(edge))} -> ${dotText(serverOf(edge))} [label=${dotText(labelOf(edge))}${failed}];\n`;
    },
    close: () => "}\n",
  };
}

/** Writes edges as a flowchart of Mermaid, which GitHub and GitLab draw: https://mermaid.js.org/syntax/flowchart.html */
export function mermaidWriter(): DocumentWriter<Edge> {
  const ids = new Map<string, string>();
  const node = (name: string): string => {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const id = `n${ids.size}`;
    ids.set(name, id);
    return `${id}[${mermaidText(name)}]`;
  };
  return {
    open: () => "flowchart LR\n",
    item: (edge) => {
      const arrow = isFailed(edge) ? "-.->" : "-->";
      return `  ${node(clientOf(edge))} ${arrow}|${mermaidText(labelOf(edge))}| ${node(serverOf(edge))}\n`;
    },
    close: () => "",
  };
}

function clientOf(edge: Edge): string {
  return endpointLabel(edge.client) || "?";
}

function serverOf(edge: Edge): string {
  return endpointLabel(edge.server) || edge.unixPath || "?";
}

function labelOf({ protocol, port, unixPath }: Edge): string {
  if (protocol === "unix") return unixPath === "" ? protocol : `unix ${unixPath}`;
  return port === 0 ? protocol : `${protocol}/${port}`;
}

function isFailed({ outcome }: Edge): boolean {
  return outcome === "refused" || outcome === "timed-out";
}

function dotText(text: string): string {
  return `"${escapeText(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

// Mermaid has character codes instead of escapes.
function mermaidText(text: string): string {
  return `"${escapeText(text).replaceAll("#", "#35;").replaceAll('"', "#quot;")}"`;
}
