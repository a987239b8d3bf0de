# Functions of a slot, for POSIX sh with sha256sum; the slot is the current directory.
# A reader opens `current/...`: a symbolic link that is replaced by rename(2), never changed.

current() { link=$(readlink current 2> /dev/null || :); echo "${link#releases/}"; }

# Rename over a link. A mv that has no -T would move into the folder that the link names.
replace() {
  mv -Tf "$1" "$2" 2> /dev/null ||
    python3 -I -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$1" "$2"
}

settle() { sync "$1" 2> /dev/null || sync; }

point() { # release: make it current; no release: none is
  if [ -n "$1" ]; then
    rm -f ".current.$$"; ln -s "releases/$1" ".current.$$"; settle .; replace ".current.$$" current
  else
    rm -f current
  fi
  settle .
  [ "$(current)" = "$1" ]
}

damage() { # release, "sha256 name" lines: says what is wrong with it, nothing where it is whole
  printf '%s' "$2" | while read -r want name; do
    sum=$(sha256sum < "releases/$1/$name" 2> /dev/null || :)
    [ "${sum%% *}" = "$want" ] || { echo "$name is missing or damaged"; break; }
  done
}

# Releases in the order in which they became current. What was tried and did not stay, or was left
# by a cut, stands behind the current one: it does not count.
past() {
  [ -f history ] || return 0
  now=$(current); all=; kept=
  while read -r line; do
    all="$all$line
"
    [ "$line" != "$now" ] || kept=$all
  done < history
  printf '%s' "$kept"
}

before() { # release: the one that was current before it
  last=
  for line in $(past); do
    [ "$line" != "$1" ] || break
    [ ! -d "releases/$line" ] || last=$line
  done
  echo "$last"
}

remember() { # release: it is the newest of the past
  { for line in $(past); do [ "$line" = "$1" ] || echo "$line"; done; echo "$1"; } > ".history.$$"
  settle ".history.$$"; mv -f ".history.$$" history; settle .
}

limited() { # seconds, command: in a group of its own, which is killed when the time is up
  if command -v setsid > /dev/null; then setsid sh -c "$2" < /dev/null & else sh -c "$2" < /dev/null & fi
  child=$!
  (
    left=$1
    while kill -0 "$child"; do
      [ "$left" -gt 0 ] || { kill -9 "-$child" || kill -9 "$child"; }
      sleep 1; left=$((left - 1))
    done
  ) > /dev/null 2>&1 &
  wait "$child"
}

hooks() { # seconds, on_publish, health_cmd: says which one failed, and its last words
  for which in on_publish health_cmd; do
    if [ "$which" = on_publish ]; then hook=$2; else hook=$3; fi
    [ -n "$hook" ] || continue
    status=0; limited "$1" "$hook" > ".log.$$" 2>&1 || status=$?
    case $status in
      0) continue ;;
      137) echo "$which was killed after $1 s" ;;
      *) echo "$which failed with exit code $status: $(tail -n 1 ".log.$$")" ;;
    esac
    return 0
  done
}

forget() { # how many: delete older releases, but not the current one and the one before it
  now=$(current); kept=$(before "$now"); count=0
  for one in $(ls -1t releases); do
    count=$((count + 1))
    [ "$count" -gt "$1" ] && [ "$one" != "$now" ] && [ "$one" != "$kept" ] || continue
    mv "releases/$one" ".old.$one"
  done
  rm -rf .old.*
  find . -name '.?*' -prune -mtime +7 -exec rm -rf {} +
}

activate() { # release, its sums, seconds, on_publish, health_cmd, publish|rollback, how many to keep
  wrong=$(damage "$1" "$2")
  [ -z "$wrong" ] || { echo "damaged $wrong"; return 0; }
  trap 'rm -f .*.$$' EXIT
  old=$(current)
  [ "$old" != "$1" ] || old=$(before "$1")
  [ "$6" = rollback ] || remember "$1"
  point "$1"
  wrong=$(hooks "$3" "$4" "$5")
  if [ -z "$wrong" ]; then forget "$7"; echo done; return 0; fi
  point "$old"
  hooks "$3" "$4" "" > /dev/null
  echo "failed $wrong"
}
