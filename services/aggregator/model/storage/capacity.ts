// How columns grow. Columns that are mostly read are copied into larger arrays: doubled while small, then by
// half, so that a large store has less spare room. Columns that are mostly written grow in place, in steps:
// they need no copies and little spare room, but each access costs about a nanosecond more.

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
type ColumnKind<Kind extends Column> = { readonly BYTES_PER_ELEMENT: number } & (new (
  buffer: ArrayBuffer,
) => Kind);

/** Rows of a new column. */
export const FIRST_ROWS = 256;
/** A column with fewer rows doubles when it grows. */
const DOUBLING_ROWS_MAX = 65_536;
/** Rows by which a larger column grows in place. */
const STEP_ROWS = 65_536;

/** Returns the next capacity of copied columns after `capacity`, at most `max`. */
export function nextCapacity(capacity: number, max: number): number {
  return Math.min(max, capacity < DOUBLING_ROWS_MAX ? capacity * 2 : Math.ceil(capacity * 1.5));
}

/** Returns a copy of the column with room for `capacity` elements; new elements are zero. */
export function grownColumn<Kind extends Column>(column: Kind, capacity: number): Kind {
  // Each typed array's constructor creates its own kind; TypeScript types `constructor` as Function only.
  const Kind = column.constructor as new (length: number) => Kind;
  const larger = new Kind(capacity);
  larger.set(column);
  return larger;
}

/**
 * Creates a column of FIRST_ROWS that grows in place up to `max` rows: address space is reserved for them,
 * memory is not.
 */
export function columnInPlace<Kind extends Column>(Kind: ColumnKind<Kind>, max: number): Kind {
  const width = Kind.BYTES_PER_ELEMENT;
  return new Kind(new ArrayBuffer(FIRST_ROWS * width, { maxByteLength: max * width }));
}

/** Grows columns in place by one step, up to `max` rows; new elements are zero. */
export function growInPlace(columns: readonly Column[], max: number): void {
  for (const column of columns) {
    const { buffer, length, BYTES_PER_ELEMENT } = column;
    const rows = length < DOUBLING_ROWS_MAX ? length * 2 : length + STEP_ROWS;
    (buffer as ArrayBuffer).resize(Math.min(max, rows) * BYTES_PER_ELEMENT);
  }
}
