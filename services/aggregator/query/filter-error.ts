/**
 * A filter that cannot be meant. The message says what is wrong, quotes the value and says what would be
 * right.
 */
export class FilterError extends Error {
  override readonly name = "FilterError";
}
