#!/bin/sh
# help.sh PROGRAM: prints all help texts of a program: its own, and then each command's, behind a line "== COMMAND".
# manual.awk and completion.awk read this; so both follow the option tables.
set -eu
"$1" --help
"$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p' | while read -r command; do
	[ "$command" != help ] || continue
	echo "== $command"
	# A command may be two words.
	# shellcheck disable=SC2086
	"$1" $command --help
done
