/** An invalid filter. The message says what is wrong, quotes the value and says what would be valid. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}
