"""The shell scripts of a job, as they stand in its ConfigMap; @word@ is filled in.

POSIX sh, for `dash` and busybox alike: they run in the user's image. None of them
writes a word on stdout, which belongs to the user's program.

The agent keeps a record in the launcher's termination log, short lines a host: `+3`
when it starts something in worker 3, `!3 137` when that ended badly. mpirun does not
wait for a start that ends well, so no line could tell of it. The log holds 4,096 bytes;
the first kind of line stops where the second needs room.
"""

from typing import Final

RECORD: Final = """\
record() {  # LIMIT WORDS...: add a line to the record while there is room
    limit=$1; shift
    size=$(wc -c <"$MPIOP_RECORD" 2>/dev/null) || size=0
    [ "${size:-0}" -ge "$limit" ] || echo "$*" >>"$MPIOP_RECORD"
} 2>/dev/null
begun() {  # HOST: name the worker by its number, other hosts by their short name
    who=${1%%.*}
    case $who in *-worker-*) who=${who##*-worker-} ;; esac
    record 2500 "+$who"
}
over() {  # CODE: tell that what was begun has ended badly
    [ "$1" = 0 ] || record 3900 "!$who $1"
}
"""

KUBEXEC: Final = """\
#!/bin/sh
# Starts a command in another Pod of this job: kubexec.sh [ssh options] HOST COMMAND...
while [ $# -gt 0 ]; do
    case $1 in
    -[BbcDEeFIiJLlmOopQRSWw]) shift 2 ;;
    -*) shift ;;
    *) break ;;
    esac
done
host=${1#*@}; shift
: "${MPIOP_RECORD:=/dev/termination-log}"
@record@
# The remote end takes its standard input for a lifeline: when the stream breaks, it
# reads end of file and ends the whole process group. So ours must never end by itself.
pipe=@mount@/.lifeline.$$
mkfifo "$pipe" && exec 3<>"$pipe" && rm "$pipe" || exit 255
pod=${host%%.*}
begun "$host"
@mount@/kubectl exec -i "$pod" @container@-- /bin/sh -c '
exec 3<&0 </dev/null
if command -v setsid >/dev/null; then
    setsid /bin/sh -c "$1" 3<&- &
else
    /bin/sh -c "$1" 3<&- &
fi
job=$!
{ while read -r line; do :; done <&3
  kill -TERM -- "-$job" "$job"; sleep 5; kill -KILL -- "-$job" "$job"
} >/dev/null 2>&1 &
guard=$!
wait "$job"; code=$?
kill "$guard" 2>/dev/null
exit "$code"
' mpiop "$*" <&3 &
child=$!
trap 'kill "$child" 2>/dev/null' TERM INT HUP
wait "$child"; code=$?
over "$code"
exit "$code"
"""

SSH: Final = """\
#!/bin/sh
# Starts a command in another Pod of this job: ssh.sh [ssh options] HOST COMMAND...
: "${MPIOP_RECORD:=/dev/termination-log}"
@record@
host=
skip=
for word in "$@"; do
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in
    -[BbcDEeFIiJLlmOopQRSWw]) skip=1 ;;
    -*) ;;
    *) host=${word#*@}; break ;;
    esac
done
begun "$host"
ssh @options@ "$@" &
child=$!
trap 'kill "$child" 2>/dev/null' TERM INT HUP
wait "$child"; code=$?
over "$code"
exit "$code"
"""

WAIT: Final = r"""\
#!/bin/sh
# Waits until a process can be started in every other host of the job, by starting one.
# It proves name, daemon and key at once, and needs nothing that mpirun does not need.
MPIOP_RECORD=/dev/null; export MPIOP_RECORD
log=${MPIOP_WAIT_LOG:-/dev/termination-log}
own=$(uname -n)
left=$(sed 's/[ :].*//' /etc/mpi/hostfile)
probe() {
    case ${1%%.*} in "${own%%.*}") return 0 ;; esac
    /etc/mpi/@agent@ "$1" true </dev/null >/dev/null 2>&1
}
while [ -n "$left" ]; do
    still=
    set -- $left
    while [ $# -gt 0 ]; do
        batch=; pids=; n=0
        while [ $# -gt 0 ] && [ "$n" -lt 32 ]; do
            probe "$1" & pids="$pids $!"; batch="$batch $1"; n=$((n + 1)); shift
        done
        for host in $batch; do
            pid=${pids# }; pid=${pid%% *}; pids=${pids# }; pids=${pids#"$pid"}
            wait "$pid" || still="$still $host"
        done
    done
    left=${still# }
    if [ -n "$left" ]; then
        count=$(echo "$left" | wc -w)
        echo "waiting for $count hosts, the first is ${left%% *}" | tee "$log" >&2
        sleep 0.5
    fi
done
: >"$log"
"""

SSHD: Final = """\
#!/bin/sh
# Runs sshd in the foreground, as whichever user the container has, with a configuration
# and a host key of this job's own. Ranks see this container's environment: it is saved
# here and restored by remote.sh, since sshd passes nothing on.
umask 077
export -p >@run@/env || exit 1
cp @keys@/ssh_host_key @run@/host_key || exit 1
[ -d /run/sshd ] || mkdir -p /run/sshd 2>/dev/null
[ "$(id -u)" != 0 ] || chmod 755 /run/sshd 2>/dev/null
daemon=$(command -v sshd || echo /usr/sbin/sshd)
if [ ! -x "$daemon" ]; then
    echo "the image has no sshd: install openssh-server in it," \\
        "or set spec.remoteShell: KubectlExec" >&2
    exit 127
fi
exec "$daemon" -D -e -f /etc/mpi/sshd_config
"""

REMOTE: Final = """\
#!/bin/sh
# What sshd runs for every session: the command, in the container's own environment.
connection=$SSH_CONNECTION command=$SSH_ORIGINAL_COMMAND
. @run@/env
export SSH_CONNECTION="$connection"
[ -n "$command" ] || exec "${SHELL:-/bin/sh}" -l
exec /bin/sh -c "$command"
"""

SSHD_CONFIG: Final = """\
Port @port@
HostKey @run@/host_key
AuthorizedKeysFile @keys@/authorized_keys
ForceCommand /bin/sh /etc/mpi/remote.sh
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
PrintMotd no
MaxStartups 1000
MaxSessions 1000
"""

SSH_CONFIG: Final = """\
Host *
    Port @port@
    IdentityFile @keys@/id_rsa
    IdentitiesOnly yes
    BatchMode yes
    StrictHostKeyChecking yes
    UserKnownHostsFile @keys@/known_hosts
    ConnectionAttempts 10
    LogLevel ERROR
"""

IDLE: Final = (
    "/bin/sh",
    "-c",
    'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done',
)


def fill(script: str, **values: str) -> str:
    """Put values into a script's @words@; the record's functions are one of them."""
    for word, value in {"record": RECORD, **values}.items():
        script = script.replace(f"@{word}@", value)
    return script
