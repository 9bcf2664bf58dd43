// Finds the word of a list in what a user typed. Every list of the vocabulary has one function that uses it.

/**
 * Returns the word of a list that a text means; null if it means none. Ignores case, treats '_' and '-' as
 * equal, and resolves synonyms. Synonyms are written in the list's own form.
 */
export function findWord<Word extends string>(
  words: readonly Word[],
  text: string,
  synonyms: Readonly<Record<string, Word>> = {},
): Word | null {
  const wanted = fold(text);
  const word = words.find((candidate) => fold(candidate) === wanted);
  if (word !== undefined) return word;
  const synonym = Object.entries(synonyms).find(([candidate]) => fold(candidate) === wanted);
  return synonym === undefined ? null : synonym[1];
}

function fold(text: string): string {
  return text.trim().toLowerCase().replaceAll("_", "-");
}
