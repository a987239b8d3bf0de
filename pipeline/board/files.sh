# Functions for every script on a board, for POSIX sh with sha256sum. Descriptor 3 is the script's
# own stdout: a line there is a sign that it goes on.

beat() { echo "$BEAT" >&3 || :; } 2> /dev/null

note() { echo "$NOTE$1" >&3 || :; } 2> /dev/null

# See to it that a file or folder is on the disk. A `sync` without names, or a file system that
# cannot do it for one, does it for all; a disk that cannot keep it ends the script.
settle() {
  said=$(sync "$1" 2>&1) || case $said in
    *"nput/output error"* | *"o space left"* | *"ead-only"* | *uota*) echo "$said" >&2; return 1 ;;
    *) sync ;;
  esac
}

# The bytes of a file, with a beat for every 4 MiB of them.
bytes() {
  size=$(wc -c < "$1"); blocks=$(((size + 4194303) / 4194304))
  while [ "$blocks" -gt 0 ]; do
    dd bs=65536 count=64 2> /dev/null; beat; blocks=$((blocks - 1))
  done < "$1"
}

# sha256 of a file, `none` where there is none.
digest() {
  [ -f "$1" ] || { echo none; return 0; }
  sum=$(bytes "$1" | sha256sum)
  echo "${sum%% *}"
}

# Make a folder and those above it; each name is on the disk before anything is put below it.
folders() {
  [ -d "$1/" ] && return 0
  folders "${1%/*}"
  mkdir "$1" 2> /dev/null || [ -d "$1" ] || mkdir "$1"
  settle "${1%/*}/"
}
