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

pause() {
  sleep "$1" &
  wait $!
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
  message="waiting for $# of the hosts; the first is $first: ${why:-no answer}"
  [ "$message" = "${last-}" ] || printf '%s\n' "$message"
  last=$message
  printf '%.2000s\n' "$message" >"$report"
  if [ "$waited" -lt 20 ]; then pause 0.3; else pause 2; fi
  waited=$((waited + 1))
done
rm -f "$said".*
: >"$report"
echo 'every host answers'
"""
