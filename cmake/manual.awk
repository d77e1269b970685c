# manual.awk: turns what help.sh prints into a manual page. Variables: name, version.

function escaped(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/'/, "\\(aq", text)
	sub(/^\./, "\\\\\\&.", text)
	return text
}

# Prints the paragraph that has been gathered.
function paragraph() {
	if (text != "")
		printf ".PP\n%s\n", escaped(text)
	text = ""
}

function heading(macro, words) {
	paragraph()
	printf ".%s %s\n", macro, toupper(macro == "SH" ? words : "") (macro == "SH" ? "" : escaped(words))
}

# Where an option's lines go: at once, or, for those that several commands share, to the end of the page, once.
function emit(line) {
	if (!shared)
		print line
	else if (fresh)
		kept = kept line "\n"
}

function synopsis(usage) {
	sub(/^Usage: /, "", usage)
	return ".B " escaped(usage)
}

NR == 1 {
	printf ".TH %s 1 \"\" \"Call History %s\" \"User Commands\"\n", toupper(name), version
	usage = $0
	next
}

/^== / {
	paragraph()
	if (!commands++)
		print ".SH COMMANDS"
	command = substr($0, 4)
	heading("SS", command)
	shared = option = 0
	next
}

/^Usage: / {
	print synopsis($0)
	next
}

# The first sentence of the program's description names it.
!named && NF {
	sentence = $0
	sub(/\..*/, "", sentence)
	printf ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n%s\n.SH DESCRIPTION\n", escaped(name), escaped(tolower(substr(sentence, 1, 1)) substr(sentence, 2)), synopsis(usage)
	named = 1
}

/^Commands:$/ { listing = 1; paragraph(); next }
listing && /^  / { next }
listing { listing = 0 }

/^Options:$/ {
	paragraph()
	if (command == "")
		print ".SH OPTIONS"
	next
}

/^Shared options:$/ { paragraph(); shared = 1; next }

/^  -/ {
	paragraph()
	line = substr($0, 3)
	fresh = !(line in seen)
	if (shared)
		seen[line] = 1
	emit(".TP")
	emit(".B " escaped(line))
	option = 1
	next
}

option && /^      / {
	line = substr($0, 7)
	if (line ~ /^(default|environment): /)
		emit(".br")
	emit(escaped(line))
	next
}

/^$/ { option = 0; paragraph(); next }

{ text = text (text == "" ? "" : " ") $0 }

END {
	paragraph()
	if (kept != "")
		printf ".SH SHARED OPTIONS\n%s", kept
	if (!commands)
		print ".SH EXIT STATUS\n0 success or a drained SIGTERM, 1 failure, 2 invalid usage."
}
