# shellcheck shell=bash source-path=SCRIPTDIR
# simbac chart: lines of a table as a picture.
. "$(dirname "$0")/common.sh"

printf 'panel,line,seed,x,y\nleft,one,1,1,2\nleft,two,1,1,3\nleft,one,1,2,5\nright,one,1,1,nan\nleft,two,1,2,\n' >table.csv
expect 0 "$SIMBAC" chart table.csv -o table.svg --x-label epoch --y-label loss
grep -q "</svg>" table.svg || fail "no picture"
expect 0 "$SIMBAC" chart table.csv -o table.png --columns 1
[ -s table.png ] || fail "no picture"

printf 'line,x\none,1\n' >bad.csv
expect 1 "$SIMBAC" chart bad.csv -o bad.png
says "bad.csv:1: there is no column 'y'"
printf 'line,x,y\none,1,2\none,two,2\n' >bad.csv
expect 1 "$SIMBAC" chart bad.csv -o bad.png
says "bad.csv:3: 'two' is not a number"
printf 'line,x,y\none,1\n' >bad.csv
expect 1 "$SIMBAC" chart bad.csv -o bad.png
says "bad.csv:2: no cell for 'y'"
printf 'line,x,y\n' >bad.csv
expect 1 "$SIMBAC" chart bad.csv -o bad.png
says "has no rows"
expect 3 "$SIMBAC" chart absent.csv -o bad.png
[ ! -e bad.png ] || fail "a picture of nothing"
