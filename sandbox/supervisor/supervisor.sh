# Process 1 of a cell. It reads its orders from standard input, runs one job, kills what the job left
# behind, and reports the end on the job's own streams behind a nonce that the job was never told.
# From the start of the job on only builtins are used: a fork bomb leaves no room to fork.

exec 3<&0 4>&2 </dev/null 2>/dev/null

# Its own openings of the two streams, where it may have them: a job can make the ones that it shares
# non-blocking, and then a full pipe would swallow the report.
exec 6>&1 7>&4
[ -w /proc/self/fd/1 ] && exec 6>/proc/self/fd/1
[ -w /proc/self/fd/4 ] && exec 7>/proc/self/fd/4

# The worker's voice while the job has the foreground. When the worker is gone, so is the job. A program of its
# own, and started before any nonce is here: of the supervisor's processes the profile hides process 1 alone
# from a job that looks for the nonce in their memory. It waits until the last writer has closed its pipe.
voice='
trap "" TERM
read -r _
while read -r order <&3; do
  case $order in
    term) kill -TERM -1 ;;
    kill) kill -KILL -1 ;;
  esac
done
kill -KILL -1
'
mkfifo /tmp/.voice
/bin/sh -c "$voice" voice 4>&- 6>&- 7>&- </tmp/.voice >/dev/null &
exec 9>/tmp/.voice
rm -f /tmp/.voice

ready='' collect='' stdin=/dev/null newline='
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

if [ "$files_bytes" -gt 0 ]; then
  dd bs=10240 count=$((files_bytes / 10240)) iflag=fullblock <&3 | tar -x -f - -C / || fault unpack
fi
exec 5<"$stdin"
[ "$stdin" = /dev/null ] || rm -f "$stdin"

# What the cell has used so far, from its own cgroup: version 2 first, then version 1.
cpu_time() {
  cpu_ns=''
  if read -r key value </sys/fs/cgroup/cpu.stat; then
    [ "$key" = usage_usec ] && cpu_ns=${value}000
  else
    read -r cpu_ns </sys/fs/cgroup/cpuacct/cpuacct.usage
  fi
}

memory() {
  peak='' oom_kills=''
  read -r peak </sys/fs/cgroup/memory.peak || read -r peak </sys/fs/cgroup/memory/memory.max_usage_in_bytes
  while read -r key value; do
    [ "$key" = oom_kill ] && oom_kills=$value
  done </sys/fs/cgroup/memory.events || while read -r key value; do
    [ "$key" = oom_kill ] && oom_kills=$value
  done </sys/fs/cgroup/memory/memory.oom_control
}

exec 9>&-
cpu_time
# One clock tells how long the command took: when its news arrives depends on how busy everybody else is.
read -r started _ </proc/uptime
printf '\000%s start %s %s\n' "$overture" "${cpu_ns:--}" "${started:--}" >&6

# BusyBox's shell would die of it. Caught and not ignored, because what is ignored the job would inherit.
trap : INT

# In the foreground, because a shell without job control starts what it puts behind with SIGINT ignored.
(
  exec 2>&4 3<&- 4>&- <&5 5<&- 6>&- 7>&-
  cd /workspace && exec "$@"
)
exit_code=$?
read -r ended _ </proc/uptime

kill -KILL -1
cpu_time
memory
printf '\000%s end\n' "$nonce" >&7
printf '\000%s end %s %s %s %s %s\n' \
  "$nonce" "$exit_code" "${cpu_ns:--}" "${peak:--}" "${oom_kills:--}" "${ended:--}" >&6

if [ "$collect" ]; then
  eval "set -- $collect"
  # What the job made unreadable is its own all the same.
  chmod -R u+rX /workspace
  cd /workspace || exit
  exec tar -c -f - "$@" >&6
fi

# The end of a container costs the engine more than a job does: it waits until the worker lets go.
read -r _ <&3
exit "$exit_code"
