# Functions of a slot, over those of files.sh; the slot is the current directory.
#
# A reader opens `current/...`: a symbolic link that is replaced by rename(2), never changed.
# `.undo` is there from before the flip until the release has proved itself. It is a link to what
# was current: renamed over `current` it takes the release back, and that needs no space. Whoever
# finds it, after a cut at whatever point, does just that.
# Order is kept in files (`pushed`, `history`), not in times: a board's clock may jump.

current() { link=$(readlink current 2> /dev/null || :); echo "${link#releases/}"; }

# Rename over a link. A mv that has no -T would move into the folder that the link names.
replace() {
  said=$(mv -Tf "$1" "$2" 2>&1) && return 0
  case $said in
    *option* | *sage:*)
      python3 -I -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$1" "$2" ;;
    *) echo "$said" >&2; return 1 ;;
  esac
}

# The only one in the slot, as long as this shell lives; where the board has neither flock nor
# python3, nothing keeps the users of two machines apart.
lock() { # seconds to wait
  exec 9>> .lock
  wait_s=$1
  until taken; do
    [ "$wait_s" -gt 0 ] || return 1
    beat; sleep 1; wait_s=$((wait_s - 1))
  done
}

taken() {
  if command -v flock > /dev/null; then
    flock -n 9
  elif command -v python3 > /dev/null; then
    python3 -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2> /dev/null
  fi
}

begin() { # slot, seconds to wait, seconds of a hook, on_publish: alone in it, and nothing half-done
  trap "" HUP PIPE  # a line that breaks stops nothing
  cd "$1"
  lock "$2" || { echo "another push or publish is under way there" >&2; exit 75; }
  mend "$3" "$4"
}

mend() { # seconds of a hook, on_publish
  trap tidy EXIT
  tidy
  recover "$1" "$2"
}

tidy() { rm -f .next .undo.next .history.next .pushed.next .log.*; }

recover() { # seconds of a hook, on_publish
  [ -L .undo ] || return 0
  tried=$(current)
  take_back
  old=$(current)
  [ "$tried" != "$old" ] || return 0
  short=$(printf '%.12s was cut short: %.12s is' "${tried:-nothing}" "${old:-nothing}")
  note "the publish of $short current again"
  wrong=$(hooks "$1" "$2" "")
  [ -z "$wrong" ] || note "$wrong"
}

take_back() {
  if [ "$(readlink .undo)" = releases/ ]; then
    rm -f current; settle .; rm -f .undo
  else
    replace .undo current
  fi
  settle .
}

damage() { # release, "sha256 name" lines: what is wrong with it; what is whole is on the disk
  printf '%s' "$2" | while read -r want name; do
    path=releases/$1/$name
    [ "$(digest "$path")" = "$want" ] || { echo "$name is missing or damaged"; break; }
    settle "$path"; settle "${path%/*}"
  done
}

# Releases in the order in which they became current. What was tried and did not stay stands
# behind the current one: it does not count.
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

moved() { # release, others: the others that are still there, then it
  it=$1; shift
  for line in "$@"; do
    [ "$line" = "$it" ] || [ ! -d "releases/$line" ] || echo "$line"
  done
  echo "$it"
}

pushed() { # release: it is the newest push
  moved "$1" $(cat pushed 2> /dev/null || :) | cat > .pushed.next  # cat says why it cannot
  settle .pushed.next; mv -f .pushed.next pushed; settle .
}

newest() { # all releases, the newest push first
  order=
  for one in $(ls releases) $(cat pushed 2> /dev/null || :); do
    [ -d "releases/$one" ] || continue
    rest=
    for other in $order; do [ "$other" = "$one" ] || rest="$rest $other"; done
    order=$one$rest
  done
  echo "$order"
}

limited() { # seconds, command: in a group of its own, which is killed when the time is up
  if command -v setsid > /dev/null; then
    setsid sh -c "$2" < /dev/null 3>&- 9>&- &
  else
    sh -c "$2" < /dev/null 3>&- 9>&- &
  fi
  child=$!
  (
    left=$1
    while kill -0 "$child"; do
      [ "$left" -gt 0 ] || { kill -9 "-$child" || kill -9 "$child"; }
      beat; sleep 1; left=$((left - 1))
    done
  ) > /dev/null 2>&1 9>&- &
  wait "$child"
}

hooks() { # seconds, on_publish, health_cmd: which one failed, and its last words
  log=.log.$$
  : 2> /dev/null > "$log" || log=/dev/null
  for which in on_publish health_cmd; do
    if [ "$which" = on_publish ]; then hook=$2; else hook=$3; fi
    [ -n "$hook" ] || continue
    status=0; limited "$1" "$hook" > "$log" 2>&1 || status=$?
    case $status in
      0) continue ;;
      137) echo "$which was killed after $1 s" ;;
      *) echo "$which failed with exit code $status: $(tail -n 1 "$log")" ;;
    esac
    return 0
  done
}

kib() { set -- $(du -sk "$1"); echo "$1"; }

forget() { # how many, KiB: drop the oldest; not the current one, the one before it, the newest push
  now=$(current); kept=$(before "$now"); order=$(newest); count=0; total=0
  for one in $order; do
    case " $now $kept ${order%% *} " in
      *" $one "*) count=$((count + 1)); total=$((total + $(kib "releases/$one"))) ;;
    esac
  done
  for one in $order; do
    case " $now $kept ${order%% *} " in *" $one "*) continue ;; esac
    size=$(kib "releases/$one"); count=$((count + 1)); total=$((total + size))
    [ "$count" -gt "$1" ] || [ "$total" -gt "$2" ] || continue
    mv "releases/$one" ".old.$one"
    count=$((count - 1)); total=$((total - size))
  done
  rm -rf .old.*
}

abandoned() { # partial pushes of machines that may never come back: four may wait
  set -- .push.*
  while [ "$#" -gt 4 ]; do rm -rf "$1"; shift; done
}

room() { # KiB to come, KiB in all: drop old releases for it, where that can help
  limit=$2; set -- "$1" $(df -Pk . | tail -n 1)
  case ${5:-x} in
    *[!0-9]*) ;;
    *)
      spare=$(($(kib releases) + $5))
      [ "$spare" -gt "$1" ] || return 0
      [ "$spare" -gt "$limit" ] || limit=$spare ;;
  esac
  forget 1000 $((limit - $1))
}

prepare() { # release, publish|rollback: all that takes space is there before anything changes
  ln -s "releases/$1" .next
  ln -s "releases/$(current)" .undo.next
  if [ "$2" = publish ]; then moved "$1" $(past) | cat > .history.next; settle .history.next; fi
  settle releases; settle .
  replace .undo.next .undo; settle .
}

commit() {
  [ ! -f .history.next ] || mv -f .history.next history
  settle .; rm -f .undo; settle .
}

activate() { # release, its sums, seconds, on_publish, health_cmd, publish|rollback, how many, KiB
  wrong=$(damage "$1" "$2")
  [ -z "$wrong" ] || { echo "damaged $wrong"; return 0; }
  prepare "$1" "$6"
  replace .next current; settle .
  wrong=$(hooks "$3" "$4" "$5")
  if [ -z "$wrong" ]; then commit; forget "$7" "$8"; echo "done"; return 0; fi
  take_back
  hooks "$3" "$4" "" > /dev/null
  echo "failed $wrong"
}
