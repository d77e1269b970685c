# callhistory_embed(target symbol file): compiles a file's bytes into a target as
#   const unsigned char symbol[]; const size_t symbol_size;  (a NUL byte follows the bytes and is not counted)
# declared in "<symbol>.h".
set(CALLHISTORY_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/EmbedFile.cmake)

function(callhistory_embed target symbol file)
  set(base ${CMAKE_CURRENT_BINARY_DIR}/embed/${symbol})
  add_custom_command(
    OUTPUT ${base}.c ${base}.h
    COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DFILE=${file} -DBASE=${base} -P ${CALLHISTORY_EMBED_SCRIPT}
    DEPENDS ${file} ${CALLHISTORY_EMBED_SCRIPT}
    VERBATIM)
  target_sources(${target} PRIVATE ${base}.c ${base}.h)
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embed)
endfunction()
