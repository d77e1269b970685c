# callhistory_module(name deps...): a static library of the directory's C files, with our warnings.
function(callhistory_module name)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  add_library(callhistory_${name} STATIC ${sources})
  target_include_directories(callhistory_${name} PUBLIC ${CMAKE_SOURCE_DIR}/services ${CMAKE_SOURCE_DIR}/gateway)
  target_link_libraries(callhistory_${name} PRIVATE callhistory_warnings PUBLIC ${ARGN})
endfunction()

# callhistory_program(name deps...): a program of the folder's C files, installed in bin/.
function(callhistory_program name)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  add_executable(${name} ${sources})
  target_compile_definitions(${name} PRIVATE CALLHISTORY_VERSION="${PROJECT_VERSION}")
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/services ${CMAKE_SOURCE_DIR}/gateway)
  target_link_libraries(${name} PRIVATE callhistory_warnings ${ARGN})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
