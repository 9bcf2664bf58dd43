// How the store's columns grow. What is read again and again is copied into larger arrays: doubled while
// small, then by half, so that less of a large store is spare room. What is written more than it is read grows
// in place, in steps: it needs no copies and has little spare room, but each access costs about a nanosecond
// more.

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
type ColumnKind<Kind extends Column> = { readonly BYTES_PER_ELEMENT: number } & (new (
  buffer: ArrayBuffer,
) => Kind);

/** Rows of a new column. */
export const FIRST_ROWS = 256;
/** Rows below which a column doubles when it grows. */
const DOUBLING_ROWS_MAX = 65_536;
/** Rows by which a larger one grows in place. */
const STEP_ROWS = 65_536;

/** The capacity after `capacity` of columns that are copied, at most `max`. */
export function nextCapacity(capacity: number, max: number): number {
  return Math.min(max, capacity < DOUBLING_ROWS_MAX ? capacity * 2 : Math.ceil(capacity * 1.5));
}

/** A copy of the column with room for `capacity` elements; what is new is zero. */
export function grownColumn<Kind extends Column>(column: Kind, capacity: number): Kind {
  // Each typed array's constructor makes its own kind; TypeScript types `constructor` as Function only.
  const Kind = column.constructor as new (length: number) => Kind;
  const larger = new Kind(capacity);
  larger.set(column);
  return larger;
}

/**
 * A column of FIRST_ROWS that grows in place up to `max` rows: addresses are reserved for so many, memory is
 * not.
 */
export function columnInPlace<Kind extends Column>(Kind: ColumnKind<Kind>, max: number): Kind {
  const width = Kind.BYTES_PER_ELEMENT;
  return new Kind(new ArrayBuffer(FIRST_ROWS * width, { maxByteLength: max * width }));
}

/** Gives columns that grow in place one step more room, up to `max` rows; what is new is zero. */
export function growInPlace(columns: readonly Column[], max: number): void {
  for (const column of columns) {
    const { buffer, length, BYTES_PER_ELEMENT } = column;
    const rows = length < DOUBLING_ROWS_MAX ? length * 2 : length + STEP_ROWS;
    (buffer as ArrayBuffer).resize(Math.min(max, rows) * BYTES_PER_ELEMENT);
  }
}
