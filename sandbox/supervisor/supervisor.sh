# Process 1 of a cell. It reads its orders from standard input, runs one job, kills what the job left
# behind, and reports the end on the job's own streams behind a nonce that the job was never told.
# From the start of the job on only builtins are used: a fork bomb leaves no room to fork.

exec 3<&0 4>&2 </dev/null 2>/dev/null
ready='' collect='' stdin=/dev/null

read -r nonce orders_bytes files_bytes <&3 || exit 0
eval "$(dd bs="$orders_bytes" count=1 iflag=fullblock <&3)"
[ "$ready" ] || exit 0

fault() {
  printf '\000%s fault %s\n' "$nonce" "$1" >&4
  printf '\000%s fault %s\n' "$nonce" "$1"
  exit 0
}

if [ "$files_bytes" -gt 0 ]; then
  dd bs=10240 count=$((files_bytes / 10240)) iflag=fullblock <&3 | tar -x -f - -C / || fault unpack
fi
exec 5<"$stdin"
[ "$stdin" = /dev/null ] || rm -f "$stdin"

# What the cell has used so far, from its own cgroup: version 2 first, then version 1.
usage() {
  cpu_ns='' peak='' oom_kills=''
  while read -r key value; do
    [ "$key" = usage_usec ] && cpu_ns=${value}000
  done </sys/fs/cgroup/cpu.stat || read -r cpu_ns </sys/fs/cgroup/cpuacct/cpuacct.usage
  read -r peak </sys/fs/cgroup/memory.peak || read -r peak </sys/fs/cgroup/memory/memory.max_usage_in_bytes
  while read -r key value; do
    [ "$key" = oom_kill ] && oom_kills=$value
  done </sys/fs/cgroup/memory.events || while read -r key value; do
    [ "$key" = oom_kill ] && oom_kills=$value
  done </sys/fs/cgroup/memory/memory.oom_control
}

# The worker's voice while the job has the foreground. When the worker is gone, so is the job.
{
  trap '' TERM
  while read -r order; do
    case $order in
      term) kill -TERM -1 ;;
      kill) kill -KILL -1 ;;
    esac
  done
  kill -KILL -1
} <&3 3<&- 4>&- 5<&- >/dev/null &

usage
printf '\000%s start %s\n' "$nonce" "${cpu_ns:--}"

# In the foreground, because a shell without job control starts what it puts behind with SIGINT ignored.
(
  exec 2>&4 3<&- 4>&- <&5 5<&-
  cd /workspace && exec "$@"
)
exit_code=$?

kill -KILL -1
usage
printf '\000%s end\n' "$nonce" >&4
printf '\000%s end %s %s %s %s\n' "$nonce" "$exit_code" "${cpu_ns:--}" "${peak:--}" "${oom_kills:--}"

if [ "$collect" ]; then
  eval "set -- $collect"
  # What the job made unreadable is its own all the same.
  chmod -R u+rX /workspace
  cd /workspace || exit
  exec tar -c -f - "$@"
fi
exit "$exit_code"
