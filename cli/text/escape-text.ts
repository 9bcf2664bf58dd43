// Names and paths come from untrusted processes: characters that a terminal would obey are shown, never sent.

// C0 and C1 controls and DEL; the line and paragraph separators; characters that change the direction of text
// or are invisible (they can make one name look like another); lone surrogates; private tags. Backslashes
// stay, because systemd's unit names are full of them.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const named = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** Returns the text with everything that a terminal would obey written as \n, \x1b or \u202e. */
export function escapeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0)!;
    return (
      named.get(character) ??
      (code < 0x100
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code > 0xffff ? `{${code.toString(16)}}` : code.toString(16).padStart(4, "0")}`)
    );
  });
}
