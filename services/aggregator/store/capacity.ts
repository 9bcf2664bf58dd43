// How the store's columns grow: doubled while small, then by half, so that less of a large store is spare room.

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** Rows below which a column doubles when it grows. */
const DOUBLING_ROWS_MAX = 65_536;

/** The capacity after `capacity`, at most `max`. */
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
