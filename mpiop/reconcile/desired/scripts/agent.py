"""The remote-start agent: what mpirun calls instead of ssh, for both transports.

It records for the operator which hosts were started and which starts ended badly, in
the launcher's termination message, and writes nothing of its own to stdout.
"""

from typing import Final

# Runs in the worker, under kubectl exec. Its stdin is the stream: when that ends,
# everything in its session is ended, ranks in process groups of their own included.
REMOTE: Final = r"""
exec 3<&0 </dev/null
/bin/sh -c "$1" 3<&- &
main=$!
(
  trap "" TERM HUP INT
  while read -r _; do :; done
  read -r own _ </proc/self/stat
  session_of() {
    { read -r line <"$1"; } 2>/dev/null || return 1
    set -- ${line##*) }
    session=$4
  }
  end() {
    for stat in /proc/[0-9]*/stat; do
      session_of "$stat" && [ "$session" = $$ ] || continue
      [ "${line%% *}" = "$own" ] || kill "$1" "${line%% *}"
    done
  }
  session_of /proc/$$/stat
  if [ "$session" = $$ ]; then
    end -TERM
    sleep 5
    end -KILL
  else
    kill -TERM "$main"
  fi
) <&3 3<&- >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$main"
code=$?
kill -KILL "$watcher" 2>/dev/null
exit "$code"
"""

AGENT: Final = r"""
here=${0%/*}
run=${MPIOP_RUN:-$default_run}

# Finds the host among the words, as ssh does, and how many words precede the command.
find_host() {
  host= words=0
  while [ $# -gt 0 ]; do
    case $1 in
      -[BbcDEeFIiJLlmOopQRSWw])
        words=$((words + 1))
        [ $# -lt 2 ] || shift ;;
      -*) ;;
      *)
        [ -z "$host" ] || return 0
        host=${1##*@} ;;
    esac
    words=$((words + 1))
    shift
  done
}

# Takes a name for as long as this Pod lives; fails where it is taken.
claim() { (set -C; : >"$run/$1") 2>/dev/null || [ ! -e "$run/$1" ]; }

# Takes one of so many places: without a lock, no more lines than places are written.
place() {
  [ ! -e "$run/$1.$2" ] || return 1
  number=1
  until claim "$1.$number"; do
    [ "$number" -lt "$2" ] || return 1
    number=$((number + 1))
  done
}

# Names a worker by its number, other hosts by their short name.
who=
name() {
  who=${1%%.*}
  case $who in *-worker-*) who=${who##*-worker-} ;; esac
  case $who in *[!0-9]*) who=$(printf %.20s "$who") ;; esac
}

# A record is 250 short lines, 70 longer and 24 ends at most: under 3,500 bytes. A
# start that ends well leaves no line, as mpirun may not wait for it.
record_start() {
  [ -n "${MPIOP_RECORD-}" ] || return 0
  case $who in
    *[!0-9]*) claim "host.$who" && place host 70 || return 0 ;;
    *) [ "$who" -lt 250 ] && claim "host.$who" || return 0 ;;
  esac
  echo "+$who" >>"$MPIOP_RECORD"
} 2>/dev/null
record_end() {
  [ -n "${MPIOP_RECORD-}" ] && [ "$code" -ne 0 ] && place end 24 || return 0
  echo "!$who $code" >>"$MPIOP_RECORD"
} 2>/dev/null

# Lets Hydra's proxies call this Pod by its address: its name may not resolve there.
call_by_address() {
  case ${MPIOP_POD_IP-} in *.*) ;; *) return 0 ;; esac
  for flag in '--control-port ' '--upstream-host '; do
    case $command in
      *"$flag$launcher"[:\ ]*)
        rest=${command#*"$flag$launcher"}
        command=${command%%"$flag$launcher"*}$flag$MPIOP_POD_IP$rest ;;
    esac
  done
}

# Waits for the remote start, however often a signal interrupts.
await() {
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || return 0
  done
}

over_kubectl() {
  stream=$run/stream.$$
  rm -f "$stream"
  mkfifo "$stream" || exit 1
  "$run/kubectl" --cache-dir "$run/cache" exec -i "${host%%.*}" -c "$container" \
    -- /bin/sh -c "$remote" sh "$command" <"$stream" &
  child=$!
  # Only this process holds the other end: however it ends, the stream does too.
  exec 9>"$stream"
  rm -f "$stream"
  trap 'ended=1; exec 9>&-' TERM INT HUP
  await
}

over_ssh() {
  if [ "$transport" = ssh ]; then
    if [ ! -e "$run/id" ]; then
      (umask 077 && cat "$here/id" >"$run/id.$$") && mv -f "$run/id.$$" "$run/id"
    fi
    set -- -F "$here/ssh_config" -i "$run/id" \
      -o "UserKnownHostsFile=$here/known_hosts" "$@"
  fi
  exec 3<&0
  ssh -o ConnectionAttempts=10 "$@" ${command:+"$command"} <&3 3<&- &
  child=$!
  exec 3<&-
  trap 'ended=1; kill -TERM "$child"' TERM INT HUP
  await
}

find_host "$@"
if [ -z "$host" ]; then
  echo "usage: ${0##*/} [options] [user@]HOST COMMAND..." >&2
  exit 2
fi
name "$host"

# Turn the words round: options and host stay, the command becomes one string.
count=$(($# - words))
while [ "$words" -gt 0 ]; do
  set -- "$@" "$1"
  shift
  words=$((words - 1))
done
command=
while [ "$count" -gt 0 ]; do
  command=$command${command:+ }$1
  shift
  count=$((count - 1))
done
call_by_address

# A launcher that takes ranks has no sshd. Intel MPI calls its own host like any other.
if [ "${host%%.*}" = "$launcher" ] && [ -n "${MPIOP_RECORD-}" ]; then
  exec /bin/sh -c "$command"
fi

ended=
record_start
case $transport in
  kubectl) over_kubectl ;;
  *) over_ssh "$@" ;;
esac
[ -n "$ended" ] || record_end
exit "$code"
"""
