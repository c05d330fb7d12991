"""Completion for bash and zsh, generated from the parsers: verbs, options, choices and names.

Verbs and options are fixed in the script. Names (of artifacts, models, …) change, so the script asks for them with
`edgeproof names KIND` when they are needed. Where no name fits, the shell completes paths.
"""

import argparse
import shlex
from collections.abc import Iterator

from .command_line import CommandParser

SHELLS = ("bash", "zsh")

_BASH = """\
# Completion of edgeproof for bash. Load it with: source <(edgeproof completion bash)
_edgeproof() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} place="" words="" kind="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$place ${COMP_WORDS[index]}" in
      @VERBS@) place="$place ${COMP_WORDS[index]}" ;;
    esac
  done
@TABLE@
  if [[ -n $kind ]]; then
    words+=" $("${COMP_WORDS[0]}" names "$kind" 2>/dev/null)"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _edgeproof edgeproof
"""

_ZSH = """\
#compdef edgeproof
# Completion of edgeproof for zsh. Load it with: source <(edgeproof completion zsh)
_edgeproof() {
  local current="${words[CURRENT]}" previous="${words[CURRENT-1]}" place="" kind="" index
  local program="${words[1]}" offered=""
  for ((index = 2; index < CURRENT; index++)); do
    case "$place ${words[index]}" in
      @VERBS@) place="$place ${words[index]}" ;;
    esac
  done
@TABLE@
  if [[ -n $kind ]]; then
    offered+=" $("$program" names "$kind" 2>/dev/null)"
  fi
  compadd -- ${=offered} || _files
}
if [[ "${funcstack[1]}" == _edgeproof ]]; then
  _edgeproof "$@"  # a file of $fpath: zsh has loaded this script to complete something
elif (( $+functions[compdef] )); then
  compdef _edgeproof edgeproof
fi
"""


def render_completion(shell: str, parser: CommandParser, kinds: set[str]) -> str:
    """Return the shell completion of a program. `kinds`: those metavars for which `edgeproof names` has names."""
    places = dict(_walk(parser, ""))
    template, variable = (_BASH, "words") if shell == "bash" else (_ZSH, "offered")
    verbs = "|".join(shlex.quote(place) for place in places if place)
    return template.replace("@VERBS@", verbs).replace("@TABLE@", "\n".join(_tabulate(places, kinds, variable)))


def _walk(parser: CommandParser, place: str) -> Iterator[tuple[str, CommandParser]]:
    """Yield every parser with its place: the words that lead to it, each after a space."""
    yield place, parser
    for name, verb in parser.verbs.items():
        yield from _walk(verb, f"{place} {name}")


def _tabulate(places: dict[str, CommandParser], kinds: set[str], variable: str) -> Iterator[str]:
    """Yield the lines that set the words and the kind of name for a place and the word before the current one."""
    yield '  case "$place:$previous" in'
    for place, parser in places.items():
        for action in parser.arguments:
            if action.option_strings and action.nargs != 0:
                pattern = "|".join(shlex.quote(f"{place}:{flag}") for flag in action.option_strings)
                yield f"    {pattern}) {_offer([action], kinds, variable)} ;;"
    yield '    *) case "$place:$current" in'
    for place, parser in places.items():
        flags = [flag for action in parser.arguments for flag in action.option_strings]
        values = [action for action in parser.arguments if not action.option_strings]
        yield f"      {shlex.quote(place + ':-')}*) {variable}={shlex.quote(' '.join(flags))} ;;"
        yield f"      {shlex.quote(place + ':')}*) {_offer(values, kinds, variable, parser)} ;;"
    yield "    esac ;;"
    yield "  esac"


def _offer(actions: list[argparse.Action], kinds: set[str], variable: str, parser: CommandParser | None = None) -> str:
    """Return the assignments that offer the choices of arguments and the kind of names they take.

    `parser`: whose verbs are offered, too, and the names that may stand in their place.
    """
    offered = [*parser.verbs] if parser else []
    for action in actions:
        offered += [str(choice) for choice in action.choices or ()]
    kind = next(
        (str(action.metavar) for action in actions if action.metavar in kinds), parser.instead if parser else ""
    )
    return f"{variable}={shlex.quote(' '.join(offered))} kind={kind}"
