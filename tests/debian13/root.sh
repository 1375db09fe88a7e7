#!/bin/bash
# Makes the disk of a Debian 13 machine, its kernel and its initial file system:
#
#   root.sh FOLDER MIRROR PACKAGE…
#
# Run it as root in a mount namespace of its own, so that all mounts end with it.
set -euo pipefail
folder=$1 mirror=$2
shift 2
tree=$folder/tree

# The folder for temporary files of this host does not exist in there.
inside() { chroot "$tree" env --unset=TMPDIR DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

debootstrap --variant=minbase trixie "$tree" $mirror

mountpoint -q "$tree/proc" || mount -t proc proc "$tree/proc"
# Do not start services during the installation: the machine does not run yet.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod +x "$tree/usr/sbin/policy-rc.d"
inside apt-get install -y --no-install-recommends "$@"
inside apt-get clean
rm -rf "$tree"/var/lib/apt/lists/* "$tree/usr/sbin/policy-rc.d"

echo debian13 >"$tree/etc/hostname"
cat >"$tree/etc/fstab" <<'FSTAB'
LABEL=root  /       ext4 defaults 0 1
LABEL=cargo /cargo  ext4 defaults 0 2
FSTAB
mkdir "$tree/cargo"
cat >"$tree/etc/systemd/system/cargo.service" <<'UNIT'
[Unit]
Description=What this machine was started for
Wants=docker.service
Requires=cargo.mount
After=docker.service cargo.mount
OnFailure=poweroff.target

[Service]
Type=oneshot
ExecStart=/cargo/guest.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=inherit

[Install]
WantedBy=multi-user.target
UNIT
inside systemctl enable --quiet cargo.service
inside systemctl disable --quiet redis-server.service
inside systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  fstrim.timer getty@tty1.service serial-getty@ttyS0.service

cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
cp "$tree"/boot/initrd.img-* "$folder/initrd.img"
umount -R "$tree/proc"
truncate -s 8G "$folder/root.ext4"
mkfs.ext4 -q -L root -d "$tree" "$folder/root.ext4"
rm -rf --one-file-system "$tree"
