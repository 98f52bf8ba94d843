#!/bin/sh
# Lists all courses of a Lyceum site and enrolls you in each, with curl alone.
#
#   ./enroll.sh http://127.0.0.1:8000 maya
#
# The password is asked for, unless the variable LYCEUM_PASSWORD holds it. Enrolling twice is the same as once. Where a
# teacher decides who comes in, or all places are taken, it says how your request stands; a course that does not take you
# does not keep it from the others.
set -eu

if [ $# -ne 2 ]; then
  sed -n 's/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
site=${1%/}
name=$2
if [ -z "${LYCEUM_PASSWORD:-}" ]; then
  printf 'Password of %s: ' "$name" >&2
  stty -echo
  read -r LYCEUM_PASSWORD
  stty echo
  echo >&2
fi

# The password goes in by the standard input, where no list of processes shows it.
call() {
  quoted=$(printf '%s' "$name:$LYCEUM_PASSWORD" | sed 's/[\\"]/\\&/g')
  printf 'user = "%s"\n' "$quoted" | curl --silent --show-error --config - "$@"
}

# As a table, whose first column is the number and whose first line has the names.
courses=$(call --fail-with-body "$site/api/courses.csv?fields=id,title")
printf '%s\n' "$courses" | tr -d '\r' | tail -n +2 | {
  refused=0
  while IFS=, read -r id title; do
    case $id in
      # A line within a title.
      '' | *[!0-9]*) continue ;;
    esac
    # The body, and behind it the status, which has three digits.
    answer=$(call --write-out '%{http_code}' -X POST "$site/api/courses/$id/enroll/")
    body=${answer%???}
    case ${answer#"$body"} in
      200) echo "Enrolled in $title" ;;
      202)
        case $body in
          *'"waiting"'*) echo "Waiting for a place in $title" ;;
          *) echo "Asked to be let into $title" ;;
        esac
        ;;
      403 | 404 | 409)
        echo "Not enrolled in $title: $body" >&2
        refused=1
        ;;
      *)
        echo "$title: $body" >&2
        exit 1
        ;;
    esac
  done
  exit "$refused"
}
