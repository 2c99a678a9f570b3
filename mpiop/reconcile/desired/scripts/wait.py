"""What the init container `mpiop-wait` runs: mpirun starts only when it can succeed."""

from typing import Final

WAIT: Final = r"""
here=${0%/*}
report=${MPIOP_REPORT:-/dev/termination-log}
said=$MPIOP_RUN/wait
export MPIOP_RECORD=
trap 'exit 143' TERM INT

hosts() {
  while read -r host _; do
    host=${host%%:*}
    [ "${host%%.*}" = "$launcher" ] || echo "$host"
  done <"$here/hostfile"
}

# What a worker must be able to do: be there; where only a name tells a proxy whom to
# call, resolve it.
check=true
case $hydra${MPIOP_POD_IP-} in
  *.*) ;;
  yes*) check="! command -v getent >/dev/null || getent hosts $launcher >/dev/null" ;;
esac
limit=
if timeout 30 true 2>/dev/null; then limit='timeout 30'; fi

probe() {
  $limit "$here/agent.sh" -o ConnectTimeout=10 -o BatchMode=yes "$1" "$check" \
    </dev/null >"$said.$2" 2>&1
}

tell() {
  [ "$1" = "${last-}" ] || printf '%s\n' "$1"
  last=$1
  printf '%.2000s\n' "$1" >"$report"
}

rest() {
  seconds=2
  [ "$1" -ge 20 ] || seconds=0.3
  sleep "$seconds" &
  wait $!
}

# A name is published a moment after its Pod is ready, and for half a minute a name
# server may remember that there was none. kubectl exec needs no names, but programs do:
# they are waited for while a server says no (exit code 2), and no longer.
await_names() {
  command -v getent >/dev/null || return 0
  table=ahosts # either kind of address will do; "hosts" wants the newer kind first
  getent ahosts localhost >/dev/null 2>&1 || table=hosts
  tries=0
  for host in $known; do
    until ${limit:+timeout 5} getent "$table" "$host" >/dev/null; do
      if [ $? -ne 2 ] || [ "$tries" -ge 32 ]; then
        echo "$host has no name here; kubectl exec does not need it, a program may"
        return 0
      fi
      tell "waiting for the name of $host to resolve"
      rest "$tries"
      tries=$((tries + 1))
    done
  done
}

waited=0
known=$(hosts)
todo=$known
while [ -n "$todo" ]; do
  left= first= why= number=0
  set -- $todo
  while [ $# -gt 0 ]; do
    started=
    number=0
    while [ $# -gt 0 ] && [ "$number" -lt "$batch" ]; do
      probe "$1" "$number" &
      started="$started $!:$number:$1"
      number=$((number + 1))
      shift
    done
    for one in $started; do
      host=${one##*:}
      if ! wait "${one%%:*}"; then
        left="$left $host"
        if [ -z "$first" ]; then
          number=${one#*:}
          first=$host
          why=$(tail -n 3 "$said.${number%%:*}" 2>/dev/null)
        fi
      fi
    done
  done
  todo=$left
  now=$(hosts)
  if [ "$now" != "$known" ]; then # scaled meanwhile: some are gone, some are new
    old=" $(echo $known) "
    todo=
    for host in $now; do
      case "$left $old" in
        *" $host "*" $host "*) todo="$todo $host" ;; # there before, no answer yet
        *" $host "*) ;;
        *) todo="$todo $host" ;;
      esac
    done
    known=$now
  fi
  [ -n "$todo" ] || break
  set -- $todo
  tell "waiting for $# of the hosts; the first is $first: ${why:-no answer}"
  rest "$waited"
  waited=$((waited + 1))
done
[ "$transport" != kubectl ] || await_names
rm -f "$said".*
: >"$report"
echo 'every host answers'
"""
