# Times TFLite models on a device without Python, with TFLite's benchmark_model.
#
# `sh benchmark_model.sh JOB` makes the visits that the file JOB lists, one process of the binary
# each. What a visit printed is appended to the job's results and printed too, every line marked
# with "| ", then a line that says how it ended. Started again, it goes on after the last whole
# visit. It ends, and the binary with it, when nobody holds its standard input open.
# `sh benchmark_model.sh probe BINARY` only looks whether the binary can be started.
#
# POSIX sh; of other commands only what Android's toybox has. JOB holds a key and a value a line:
#   results FILE             appended to
#   root FOLDER              where proc and sys are found; nothing for /
#   binary PATH              of benchmark_model
#   mask HEX                 CPUs it runs on; none: whichever the system gives
#   core NUMBER              one of them, whose governor and frequency are told
#   governor NAME            set meanwhile, which needs root
#   max_temperature N        visits wait while a sensor is hotter, in thousandths of a degree Celsius
#   cool_down_s N            the longest such wait
#   argument TEXT            of the binary, one a line
#   delegate NAME            as the binary calls it
#   visit NUMBER NEED MODEL  NEED is "delegated" when the delegate must have run the model, or "any"

LC_ALL=C # so that output is bytes, whatever they are
export LC_ALL

REFUSED=3
ABANDONED=4

OUTPUT=benchmark_model.out   # of the binary, on the visit that is being made
RECORD=benchmark_model.rec   # what is put on file next
RUNNING=benchmark_model.pid  # process of the binary, for when this shell is killed
LOCK=benchmark_model.lock

job=$1
me=$$
results= root= binary= mask= cores= governor= max_temperature= cool_down_s=0 delegate=
process= watcher= saved=

main() {
    read_job
    listen &
    watcher=$!
    trap 'leave $ABANDONED' HUP INT TERM
    only_one
    cut_torn
    usable || refuse runtime "benchmark_model cannot be started ($(tail -n 1 "$OUTPUT" | plain))"
    set_governor
    header >"$RECORD"
    record
    made=" $(sed -n 's/^@hwnas end \([0-9]*\) .*/\1/p' "$results" | join) "
    while read -r key number need model <&4; do
        case "$key $made" in
        "visit "*" $number "*) ;;
        "visit "*) visit ;;
        esac
    done 4<"$job"
    { state after && say "@hwnas done"; } >"$RECORD"
    record
    leave 0
}

say() {
    printf '%s\n' "$*"
}

refuse() { # kind, sentence
    say "@hwnas refused $1 $2"
    leave $REFUSED
}

leave() { # status; the trap's way out, too
    trap '' HUP INT TERM
    [ -z "$process" ] || kill -KILL "$process" 2>/dev/null
    restore_governor
    rm -f "$RUNNING" "$OUTPUT" "$RECORD"
    [ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null
    exit "$1"
}

read_job() {
    while read -r key value; do
        case $key in
        results) results=$value ;;
        root) root=$value ;;
        binary) binary=$value ;;
        mask) mask=$value ;;
        core) cores="$cores $value" ;;
        governor) governor=$value ;;
        max_temperature) max_temperature=$value ;;
        cool_down_s) cool_down_s=$value ;;
        delegate) delegate=$value ;;
        esac
    done <"$job"
}

# Whether the binary can be started, and its help is what was expected; the help lies in OUTPUT.
usable() {
    [ -x "$binary" ] || chmod 755 "$binary" 2>/dev/null # a file that was sent here need not be
    "$binary" --help=true >"$OUTPUT" 2>&1
    grep -q graph "$OUTPUT"
}

probe() { # binary
    binary=$1
    if usable; then
        digest
        leave 0
    fi
    cat "$OUTPUT" >&2
    leave $REFUSED
}

# Standard input at its end means that the client is gone. The process number lies in a file
# because this shell may have been killed with the binary still running.
listen() {
    exec >/dev/null 2>&1
    while read -r ignored <&3; do :; done
    kill -TERM "$me"
    [ ! -s "$RUNNING" ] || kill -KILL "$(cat "$RUNNING")"
}

# Waits for a shell that was left behind and has not ended yet.
only_one() {
    command -v flock >/dev/null 2>&1 || return 0
    exec 9>"$LOCK"
    flock 9 9>&9 # some shells hide such descriptors from the commands they start
}

cut_torn() {
    [ -f "$results" ] || return 0
    whole=$(sed -n -e '/^@hwnas end /=' -e '/^@hwnas header$/=' -e '/^@hwnas done$/=' "$results" |
        tail -n 1)
    head -n "${whole:-0}" "$results" >"$RECORD" && mv "$RECORD" "$results"
}

record() {
    cat "$RECORD" >>"$results" || refuse storage "$results could not be written"
    cat "$RECORD"
}

visit() { # number need model
    cool_down
    run >"$OUTPUT" 2>&1
    {
        say "@hwnas visit $number $model" &&
            plain <"$OUTPUT" | sed -e 's/^/| /' &&
            say && # its last line may have no end
            say "@hwnas end $number $status"
    } >"$RECORD" || refuse storage "$RECORD could not be written"
    if good; then
        record
    else
        cat "$RECORD"
        leave $REFUSED
    fi
}

run() { # model; leaves its exit status in status
    set --
    while read -r key value; do
        [ "$key" != argument ] || set -- "$@" "$value"
    done <"$job"
    set -- "$binary" --graph="$model" "$@"
    [ -z "$mask" ] || set -- taskset "$mask" "$@"
    "$@" </dev/null 3<&- 4<&- 9>&- &
    process=$!
    say "$process" >"$RUNNING"
    wait "$process"
    status=$?
    process=
    rm -f "$RUNNING"
}

# Only visits that count are put on file: whatever is there need not be made again.
good() {
    [ "$status" = 0 ] &&
        grep -q 'nference timings in us: ' "$OUTPUT" &&
        ! grep -q 'Unconsumed cmdline flags: ' "$OUTPUT" &&
        { [ "$need" = any ] || grep -q "pplied $delegate delegate" "$OUTPUT"; }
}

digest() { # of the binary
    found=$(sha256sum "$binary" 2>/dev/null) || found=$(cksum "$binary" 2>/dev/null)
    say "${found%% *}"
}

header() {
    say "@hwnas device binary $(digest)"
    for key in 'model name' Model Hardware; do
        say "@hwnas device cpu $(cpuinfo "$key")"
    done
    say "@hwnas device kernel $(uname -s) $(uname -r)"
    say "@hwnas device machine $(uname -m)"
    if command -v getprop >/dev/null 2>&1; then
        say "@hwnas device cpu $(getprop ro.soc.model)"
        say "@hwnas device cpu $(getprop ro.board.platform)"
        say "@hwnas device android $(getprop ro.build.version.release)"
    fi
    state before
    say "@hwnas header"
}

state() { # when
    for file in $(of_cores scaling_governor); do
        say "@hwnas $1 governor $(value "$file")"
    done
    for file in $(of_cores scaling_cur_freq); do
        say "@hwnas $1 khz $(value "$file")"
    done
    say "@hwnas $1 mhz $(cpuinfo 'cpu MHz')"
    hottest
    say "@hwnas $1 temperature $temperature"
    for folder in "$root"/sys/class/power_supply/*; do
        # a wireless mouse has a battery, too
        case "$(value "$folder/type") $(value "$folder/scope")" in
        "Battery Device" | [!B]*) ;;
        "Battery "*)
            say "@hwnas $1 battery_percent $(value "$folder/capacity")"
            say "@hwnas $1 battery_status $(value "$folder/status")"
            break
            ;;
        esac
    done
}

cpuinfo() { # key
    sed -n -e "s/^$1[[:space:]]*: //p" "$root/proc/cpuinfo" 2>/dev/null | head -n 1
}

of_cores() { # name of a file that each core has
    for core in ${cores:-'[0-9]*'}; do
        for file in "$root"/sys/devices/system/cpu/cpu$core/cpufreq/$1; do
            [ ! -r "$file" ] || say "$file"
        done
    done
}

value() { # file
    [ -r "$1" ] || return 0
    cat "$1" 2>/dev/null
}

# Leaves the highest temperature of all sensors in temperature; nothing where none can be read.
hottest() {
    temperature=
    for file in "$root"/sys/class/thermal/thermal_zone*/temp; do
        found=
        { read -r found <"$file"; } 2>/dev/null || continue
        # zones that are off, or no thermometers, say other things
        case $found in
        *[!0-9]* | ????????*) ;;
        *) [ "$found" -gt 150000 ] || [ "$found" -lt "${temperature:-1000}" ] || temperature=$found ;;
        esac
    done
}

cool_down() {
    [ -n "$max_temperature" ] || return 0
    waited=0
    hottest
    while [ "${temperature:-$max_temperature}" -gt "$max_temperature" ]; do
        [ "$waited" -lt "$cool_down_s" ] ||
            refuse hot "it is at $((temperature / 1000)) C after waiting $waited s for at most \
$((max_temperature / 1000)) C"
        [ $((waited % 10)) -ne 1 ] || say "@hwnas waiting $temperature $max_temperature"
        sleep 1
        waited=$((waited + 1))
        hottest
    done
    [ -n "$temperature" ] || refuse hot "none of its temperatures can be read"
}

set_governor() {
    [ -n "$governor" ] || return 0
    file=
    for file in $(of_cores scaling_governor); do
        before=$(value "$file")
        offered=$(value "${file%governor}available_governors")
        case " $offered " in
        *" $governor "*) ;;
        *) refuse governor "its cores offer ${offered:-no governor}" ;;
        esac
        [ "$before" != "$governor" ] || continue # perhaps by way of another core
        saved="$saved $before $file"
        { say "$governor" >"$file"; } 2>/dev/null || refuse governor "$file cannot be written"
    done
    [ -n "$file" ] || refuse governor "its cores offer no governor"
}

restore_governor() {
    set -- $saved
    while [ $# -gt 1 ]; do
        say "$1" >"$2"
        shift 2
    done
}

plain() { # text of standard input, one character for each byte that cannot be printed
    sed -e 's/[^ -~]/?/g'
}

join() { # lines of standard input, in one
    while read -r one; do printf '%s ' "$one"; done
}

exec 3<&0 </dev/null
case $1 in
probe) probe "$2" ;;
*) main ;;
esac
