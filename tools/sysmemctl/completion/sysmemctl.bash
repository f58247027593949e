# SPDX-License-Identifier: Apache-2.0
#
# Completion of sysmemctl(1) for bash.

# Numbers in the first column of what `sysmemctl list` prints: collections, then sessions.
_sysmemctl_ids() {
  sysmemctl "${socket[@]}" list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
}

_sysmemctl() {
  local cur prev words cword
  _init_completion || return
  local global='--help --version --socket --json'
  local commands='status heaps list show why tree holders top watch metrics doctor simulate alloc record run bench replay'
  local command='' socket=() i
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --socket) socket=(--socket "${words[++i]}") ;;
      -*) ;;
      *) command=${words[i]}; break ;;
    esac
  done
  case $prev in
    --dump) _filedir -d; return ;;
    --socket | --record | --output) _filedir; return ;;
  esac
  local offered=$global
  case $command in
    '') offered+=" $commands" ;;
    tree) offered+=" --dot $(_sysmemctl_ids)" ;;
    watch) offered+=" --count $(_sysmemctl_ids)" ;;
    record) offered+=" --output $(_sysmemctl_ids)" ;;
    show | why | holders) offered+=" $(_sysmemctl_ids)" ;;
    simulate) offered+=' --record' ;;
    alloc) offered+=' --dry-run --hold --then --fill --dump --timeout --unbound --silent --leaving' ;;
    run) offered+=' --share --verbose' ;;
    bench) offered+=' --rounds' ;;
    heaps) offered+=' --figures' ;;
    top) offered+=' --interval' ;;
  esac
  COMPREPLY=($(compgen -W "$offered" -- "$cur"))
  case $command in
    simulate | alloc) [[ $cur == -* ]] || _filedir '@(toml|json)' ;;
    run) [[ $cur == -* ]] || COMPREPLY+=($(compgen -c -f -- "$cur")) ;;
    replay) [[ $cur == -* ]] || _filedir ;;
  esac
}
complete -F _sysmemctl sysmemctl
