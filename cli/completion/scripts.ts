// The completion scripts of the shells. Each runs `__complete` of the program that is being typed.

import { UsageError } from "../../lib/program/usage-error.ts";
import { listedWord } from "../../lib/program/typed-values.ts";

/** The shells, and kubectl, whose completion runs a program for each plugin. */
export const shells = ["bash", "zsh", "fish", "kubectl"] as const;
type Shell = (typeof shells)[number];

// The words are split here, since bash splits them at = and : too; only what follows the last of those is
// replaced by a completion.
const bash = String.raw`# bash completion for whotalks: source <(whotalks completion bash)
__whotalks_complete() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current answer directive kept word
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[-1]}"
  COMPREPLY=()
  answer="$("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)" || return
  directive="\${answer##*:}"
  kept="\${current%"\${current##*[=:]}"}"
  while IFS=$'\t' read -r word _; do
    [[ "$word" == :* ]] || COMPREPLY+=("\${word#"$kept"}")
  done <<< "$answer"
  (( directive & 2 )) && compopt -o nospace
  (( directive & 4 )) || compopt -o default
}
complete -F __whotalks_complete whotalks kubectl-whotalks
`;

const zsh = String.raw`#compdef whotalks kubectl-whotalks
# zsh completion for whotalks: source <(whotalks completion zsh), after compinit
_whotalks() {
  local -a answer
  local directive
  answer=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  directive="\${answer[-1]#:}"
  answer=("\${(@)answer[1,-2]%%$'\t'*}")
  if (( directive & 2 )); then
    compadd -S '' -a answer
  else
    compadd -a answer
  fi
  (( directive & 4 )) || _files
}
compdef _whotalks whotalks kubectl-whotalks
`;

const fish = String.raw`# fish completion for whotalks: whotalks completion fish | source
function __whotalks_complete
  set -l typed (commandline -opc)
  set -l current (commandline -ct)
  $typed[1] __complete $typed[2..-1] "$current" 2>/dev/null | string match -v -r '^:'
end
function __whotalks_wants_file
  set -l typed (commandline -opc)
  set -l current (commandline -ct)
  not contains -- ($typed[1] __complete $typed[2..-1] "$current" 2>/dev/null)[-1] :4 :6
end
for program in whotalks kubectl-whotalks
  complete -c $program -f -a '(__whotalks_complete)'
  complete -c $program -n __whotalks_wants_file -F
end
`;

const kubectl = `#!/bin/sh
# kubectl_complete-whotalks: kubectl runs it to complete 'kubectl whotalks'.
exec kubectl whotalks __complete "$@"
`;

const scripts: { readonly [Key in Shell]: string } = { bash, zsh, fish, kubectl };

/** Returns the script of a shell. Throws UsageError. */
export function completionScript(words: readonly string[]): string {
  const [shell, more] = words;
  if (shell === undefined) throw new UsageError(`completion takes a shell: one of ${shells.join(", ")}.`);
  if (more !== undefined) throw new UsageError(`completion takes one word, and '${more}' is one too many.`);
  return scripts[listedWord("completion", shell, shells)].replaceAll("\\${", "${");
}
