# Run at build time by callhistory_embed(): FILE → BASE.c and BASE.h.
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${BASE}.h "#include <stddef.h>\nextern const unsigned char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_size;\n")
file(WRITE ${BASE}.c "#include \"${SYMBOL}.h\"\nconst unsigned char ${SYMBOL}[] = {\n${bytes}0};\nconst size_t ${SYMBOL}_size = sizeof(${SYMBOL}) - 1;\n")
