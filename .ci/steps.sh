# Functions of .ci/run: steps that are timed, alone or side by side. Needs $work.

SECONDS=0
: > "$work/minutes"

minutes() { awk -v s="$1" 'BEGIN { printf "%.1f", s / 60 }'; }

timed() {  # NAME FUNCTION: run a step, note its minutes and whether it failed
  local start=$SECONDS code=0
  # A process of its own: bash ignores `set -e` within whatever stands before ||.
  bash -euo pipefail -c "$2" > "$work/$1.log" 2>&1 || code=$?
  echo "$(minutes $((SECONDS - start))) $1" >> "$work/minutes"
  return "$code"
}

report() {  # NAME CODE: show a step's log, and end all where it failed
  echo "== $1"
  cat "$work/$1.log"
  if [ "$2" != 0 ]; then
    echo "== failed: $1 (exit code $2)"
    exit 1
  fi
}

step() {  # NAME [FUNCTION]
  local code=0
  timed "$1" "${2:-$1}" || code=$?
  report "$1" "$code"
}

together() {  # FUNCTION FUNCTION: two steps side by side, each of which keeps less than one core busy
  local first second code=0
  timed "$1" "$1" & first=$!
  timed "$2" "$2" & second=$!
  wait "$first" || code=$?
  local other=0
  wait "$second" || other=$?
  report "$1" "$code"
  report "$2" "$other"
}

refuse_skips() {  # NAME PATTERN: nothing that CI has the means for may be left out
  if grep -q "SKIPPED.*\($2\)" "$work/$1.log"; then
    echo "left out, see SKIPPED above"
    exit 1
  fi
}

summary() {
  echo "== minutes of each step"
  cat "$work/minutes"
  echo "== all passed in $(minutes "$SECONDS") minutes"
}
