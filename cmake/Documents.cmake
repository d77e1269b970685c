# callhistory_documents(program): a manual page and a completion for bash, made from the program's --help, which is made from its
# option tables; installed in share/man/man1 and share/bash-completion/completions.
set(CALLHISTORY_DOCUMENTS_DIR ${CMAKE_CURRENT_LIST_DIR})
find_program(AWK NAMES awk REQUIRED)

function(callhistory_documents program)
  set(source ${CALLHISTORY_DOCUMENTS_DIR})
  set(help ${CMAKE_BINARY_DIR}/share/${program}.help)
  set(page ${CMAKE_BINARY_DIR}/share/man/man1/${program}.1)
  set(completion ${CMAKE_BINARY_DIR}/share/bash-completion/completions/${program})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/man/man1 ${CMAKE_BINARY_DIR}/share/bash-completion/completions)
  add_custom_command(
    OUTPUT ${page} ${completion}
    COMMAND sh ${source}/help.sh $<TARGET_FILE:${program}> > ${help}
    COMMAND ${AWK} -v name=${program} -v version=${PROJECT_VERSION} -f ${source}/manual.awk ${help} > ${page}
    COMMAND ${AWK} -v name=${program} -f ${source}/completion.awk ${help} > ${completion}
    DEPENDS ${program} ${source}/help.sh ${source}/manual.awk ${source}/completion.awk
    VERBATIM)
  add_custom_target(${program}-documents ALL DEPENDS ${page} ${completion})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endfunction()
