# tail keeps the last line in memory, and this line never ends.
tail /dev/zero
