// A live table on a terminal: each frame is drawn over the previous one, without scrolling. Pure.

import { coloured } from "../output/colour.ts";
import { columnWidths, type Table, tableLine } from "../output/table.ts";
import type { TerminalSize } from "../output/terminal.ts";
import { fitText } from "../text/text-width.ts";

const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** Hides the cursor and clears the screen, before the first frame. */
export const beginFrames = "\u001b[?25l\u001b[2J";

/** Shows the cursor below the last frame, which stays. */
export const endFrames = "\n\u001b[?25h";

/**
 * Draws one frame: a summary line, the table as far as it fits, and a line about what does not fit or is
 * missing.
 */
export function drawFrame(
  title: string,
  table: Table,
  notes: readonly string[],
  size: TerminalSize,
  options: { readonly headers: boolean; readonly colour: boolean },
): string {
  const lines = [coloured(fitText(title, size.columns), "quiet", options.colour)];
  // Reserve lines for title, header, notes, and the last row, which stays free for the cursor.
  const room = Math.max(1, size.rows - 2 - (options.headers ? 1 : 0) - notes.length);
  const cut = table.rows.length > room;
  const shown = cut ? table.rows.slice(0, Math.max(0, room - 1)) : table.rows;
  const cells = shown.map((row) => row.cells);
  const widths = columnWidths(options.headers ? [table.headers, ...cells] : cells, size.columns);
  const line = (texts: readonly string[]): string => fitText(tableLine(texts, widths), size.columns);
  if (options.headers) lines.push(coloured(line(table.headers), "header", options.colour));
  for (const row of shown) lines.push(coloured(line(row.cells), row.tone, options.colour));
  if (cut) lines.push(fitText(`… and ${table.rows.length - shown.length} more`, size.columns));
  for (const note of notes) lines.push(coloured(fitText(note, size.columns), "bad", options.colour));
  const visible = lines.slice(0, Math.max(1, size.rows - 1));
  return HOME + visible.map((text) => text + CLEAR_LINE).join("\n") + CLEAR_BELOW;
}
