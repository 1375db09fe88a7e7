# Process 1 of a cell. It reads its orders from standard input, runs one job, kills what the job left
# behind, and reports the end on the job's own streams, with a nonce that the job does not know.
# From the start of the job until its processes are killed it uses only builtins: a fork bomb leaves no room
# to fork.

exec 3<&0 4>&2 </dev/null 2>/dev/null

# The supervisor opens the two streams for itself, if it may. A job can make the descriptors that it shares
# with it non-blocking, and then the report would be lost in a full pipe.
exec 6>&1 7>&4
[ -w /proc/self/fd/1 ] && exec 6>/proc/self/fd/1
[ -w /proc/self/fd/4 ] && exec 7>/proc/self/fd/4

# The voice waits at a pipe until the supervisor has read its orders. A here-document is such a pipe, which saves
# two programs that would make and remove one. In some shells it is a file.
exec 8<<WAIT
wait
WAIT
if [ -p /proc/self/fd/8 ] && [ -w /proc/self/fd/8 ]; then
  exec 9>/proc/self/fd/8
else
  mkfifo /tmp/.voice
  exec 8<>/tmp/.voice 9>/tmp/.voice 8</tmp/.voice
  rm -f /tmp/.voice
fi

# The cell's own cgroup is of version 2, of version 1, or can't be seen. The shell looks before a job waits for it.
cgroup_version=''
if [ -r /sys/fs/cgroup/cpu.stat ]; then
  cgroup_version=2
elif [ -r /sys/fs/cgroup/cpuacct/cpuacct.usage ] || [ -r /sys/fs/cgroup/memory/memory.oom_control ]; then
  cgroup_version=1
fi

# The CPU time that the cell has used so far.
cpu_time() {
  cpu_ns=''
  case $cgroup_version in
    2) read -r key value </sys/fs/cgroup/cpu.stat && [ "$key" = usage_usec ] && cpu_ns=${value}000 ;;
    1) read -r cpu_ns </sys/fs/cgroup/cpuacct/cpuacct.usage ;;
  esac
}

# The voice carries out the worker's orders while the job runs in the foreground, and kills the job when the
# worker is gone. It is a process of its own that starts before any nonce is read: a job may look for the
# nonce in the memory of processes, and the profile hides only that of process 1. It begins when the last
# writer has closed its pipe. So it must not be a function: a shell keeps copies of what it closes for one.
(
  exec <&8 >/dev/null 4>&- 6>&- 7>&- 8<&- 9>&-
  trap "" TERM
  while read -r _; do :; done
  while read -r order most_ns <&3; do
    case $order in
      term) kill -TERM -1 ;;
      cpu)
        cpu_time
        [ "$cpu_ns" ] && [ "$cpu_ns" -ge "$most_ns" ] && kill -KILL -1
        ;;
      kill) kill -KILL -1 ;;
    esac
  done
  # The worker is gone. There is nothing to kill yet if the job has not started.
  until kill -KILL -1; do :; done
) &
exec 8<&-

# If a signal kills the job, the shell writes a line. Only this tells a signal from an exit code that the job
# chose. The line goes into a pipe: that of a here-document, where the shell makes one for it.
exec 8<<WORD
WORD
if [ -p /proc/self/fd/8 ] && [ -r /proc/self/fd/8 ] && [ -w /proc/self/fd/8 ]; then
  exec 8<>/proc/self/fd/8
else
  mkfifo /tmp/.word
  exec 8<>/tmp/.word
  rm -f /tmp/.word
fi

# Orders that ask for bash name this variable.
asks='' bash=bash
command -v bash >/dev/null || bash=/bin/sh

# In braces: the shell reads all of it now, and not while a job waits.
{
ready='' confirmed=1 collect='' exact='' workspace_bytes=0 stack_kib=8192 stdin=/dev/null newline='
'

read -r overture nonce orders_bytes files_bytes <&3 || exit 0
if [ "$orders_bytes" -gt 0 ]; then
  orders=$(dd bs="$orders_bytes" count=1 iflag=fullblock <&3)
else
  read -r orders <&3
fi
eval "$orders"
[ "$ready" ] || exit 0

fault() {
  printf '\000%s fault %s\n' "$nonce" "$1" >&7
  printf '\000%s fault %s\n' "$overture" "$1" >&6
  exit 0
}

unpack() {
  dd bs=10240 count=$(($1 / 10240)) iflag=fullblock <&3 | tar -x -p -f - -C "$2" || fault "$3"
}
[ "$workspace_bytes" -gt 0 ] && unpack "$workspace_bytes" /workspace workspace
[ "$files_bytes" -gt 0 ] && unpack "$files_bytes" / unpack
# The worker knows only at the end of a content that comes from its store whether it is the right one.
[ "$confirmed" ] || read -r confirmed <&3
case $confirmed in
  '') exit 0 ;;
  # Names longer than 100 bytes, which another tar cuts short.
  long-name) case $(tar --version) in *GNU*|*bsdtar*) ;; *) fault names ;; esac ;;
esac
exec 5<"$stdin"
[ "$stdin" = /dev/null ] || rm -f "$stdin"

memory() {
  peak='' oom_kills='' oom_events=''
  case $cgroup_version in
    2) read -r peak </sys/fs/cgroup/memory.peak; oom_events=/sys/fs/cgroup/memory.events ;;
    1)
      read -r peak </sys/fs/cgroup/memory/memory.max_usage_in_bytes
      oom_events=/sys/fs/cgroup/memory/memory.oom_control
      ;;
  esac
  [ "$oom_events" ] && while read -r key value; do
    [ "$key" = oom_kill ] && oom_kills=$value
  done <"$oom_events"
}

exec 9>&-
cpu_time
# How long the command took is measured here, by one clock: when the marks arrive depends on the host's load.
read -r started _ </proc/uptime
printf '\000%s start %s %s\n' "$overture" "${cpu_ns:--}" "${started:--}" >&6

# BusyBox's shell would die of SIGINT. It is caught, not ignored: the job would inherit an ignored signal.
trap : INT

# The job runs in the foreground: a shell without job control starts background processes with SIGINT ignored.
exec 2>&8
(
  exec 2>&4 3<&- 4>&- <&5 5<&- 6>&- 7>&- 8<&-
  cd /workspace || exit
  ulimit -s "$stack_kib" || exit 126
  [ "$asks$bash" = bash/bin/sh ] &&
    echo 'This image has no bash, so /bin/sh runs this. Try: an image with bash, such as bash:5' >&2
  case $1 in
    */*) ;;
    *) command -v "$1" >/dev/null || { printf '%s: not found\n' "$1" >&2; exit 127; } ;;
  esac
  exec "$@"
)
exit_code=$?
read -r ended _ </proc/uptime
exec 2>/dev/null
echo >&8
read -r word <&8

facts=''
# No shell writes a line for SIGINT.
{ [ "$word" ] || [ "$exit_code" = 130 ]; } && facts=signal
# A language's runtime has left a report that its heap is full.
[ -e /tmp/.heap-report ] && facts="$facts heap"

kill -KILL -1
cpu_time
memory
printf '\000%s end\n' "$nonce" >&7
printf '\000%s end %s %s %s %s %s %s\n' \
  "$nonce" "$exit_code" "${cpu_ns:--}" "${peak:--}" "${oom_kills:--}" "${ended:--}" "$facts" >&6

if [ "$collect" ]; then
  eval "set -- $collect"
  # Files that the job made unreadable are still its own. In an exact archive no other mode may change.
  [ "$exact" ] &&
    find /workspace -type d ! -perm -500 -exec chmod u+rx {} \; -o -type f ! -perm -400 -exec chmod u+r {} + ||
    chmod -R u+rX /workspace
  cd /workspace || exit
  # GNU tar can keep the whole time of a file, and gives the same archive for the same files. Another tar
  # does not know these options, and writes nothing.
  if [ "$exact" ]; then
    tar -c -f - --sort=name --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
      "$@" >&6 && exit
  fi
  exec tar -c -f - "$@" >&6
fi

# The end of a container costs the engine more than a job does. So the supervisor waits until the worker has
# closed the connection.
read -r _ <&3
exit "$exit_code"
}
