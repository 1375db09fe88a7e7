pids=''
for _ in $(seq 50); do
  sleep 60 &
  pids="$pids $!"
done
echo $pids | wc -w
kill $pids
