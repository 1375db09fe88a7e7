# A line that never ends is kept until it does.
tail /dev/zero
