# completion.awk: turns what help.sh prints into a completion for bash. Variable: name.

BEGIN { command = "" }

/^== / {
	command = substr($0, 4)
	order[++count] = command
	next
}

# "  --token-file FILE (may repeat)", "  -h, --help"
/^  -/ {
	for (i = 1; i <= NF && $i ~ /^-/; ++i) {
		option = $i
		sub(/,$/, "", option)
		if (option ~ /^--/)
			options[command] = options[command] " " option
	}
	if (i <= NF && $i ~ /^[A-Z]/) {
		valued[option] = 1
		if ($i == "FILE")
			files[option] = 1
	}
	next
}

# Operands: "Usage: callhistoryctl import [OPTION]... FILE..."
/^Usage: / && $NF ~ /FILE/ { operands[command] = 1 }

function pattern(set, key, text) {
	for (key in set)
		list[++size] = key
	# awk's order is not fixed: sorted, so that the same tables give the same file.
	for (i = 1; i <= size; ++i)
		for (j = i + 1; j <= size; ++j)
			if (list[j] < list[i]) {
				key = list[i]
				list[i] = list[j]
				list[j] = key
			}
	for (i = 1; i <= size; ++i)
		text = text (i > 1 ? "|" : "") list[i]
	size = 0
	return text == "" ? "--" : text
}

END {
	function_name = "_" name
	gsub(/-/, "_", function_name)
	printf "# bash completion for %s, made from its option tables.\n%s() {\n", name, function_name
	print "\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= index words"
	print "\tCOMPREPLY=()"
	printf "\tcase $previous in\n\t%s)\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n\t\treturn ;;\n", pattern(files)
	printf "\t%s) return ;;\n\tesac\n", pattern(valued)
	# The words that are neither options nor their values are the command.
	print "\tfor ((index = 1; index < COMP_CWORD; ++index)); do"
	printf "\t\tcase ${COMP_WORDS[index]} in\n\t\t%s) ((++index)) ;;\n\t\t-*) ;;\n", pattern(valued)
	print "\t\t*) command=${command:+$command }${COMP_WORDS[index]} ;;\n\t\tesac\n\tdone"
	print "\tcase $command in"
	for (i = 1; i <= count; ++i) {
		split(order[i], parts, " ")
		if (!(parts[1] in first)) {
			first[parts[1]] = 1
			heads = heads (heads == "" ? "" : " ") parts[1]
		}
		if (parts[2] != "")
			second[parts[1]] = second[parts[1]] (second[parts[1]] == "" ? "" : " ") parts[2]
		whole = whole sprintf("\t\"%s\"*) words=\"%s\"%s ;;\n", order[i], substr(options[order[i]], 2), \
			operands[order[i]] ? "\n\t\t[[ $current == -* ]] || { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return; }" : "")
	}
	# `help` is followed by a command, too.
	printf "\t\"\" | help) words=\"%s%s%s\" ;;\n", heads, count ? " help" : "", options[""]
	for (key in second)
		printf "\t%s | \"help %s\") words=\"%s\" ;;\n", key, key, second[key]
	printf "%s\t*) return ;;\n\tesac\n", whole
	print "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")"
	printf "}\ncomplete -F %s %s\n", function_name, name
}
