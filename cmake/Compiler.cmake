# The compiler's rules: C17, warnings as errors in our own code, sanitizers by name.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

set(CALLHISTORY_SANITIZE "" CACHE STRING "Sanitizers for everything: address,undefined or thread")
option(CALLHISTORY_FUZZ "Build the fuzzers with libFuzzer (clang)" OFF)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-omit-frame-pointer -fstack-protector-strong -D_FORTIFY_SOURCE=2
                    $<$<CONFIG:Debug>:-U_FORTIFY_SOURCE>)
add_link_options(-Wl,-z,relro,-z,now)
if(CALLHISTORY_SANITIZE)
  add_compile_options(-fsanitize=${CALLHISTORY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CALLHISTORY_SANITIZE})
endif()
if(CALLHISTORY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Our own code links this; generated code does not.
add_library(callhistory_warnings INTERFACE)
target_compile_options(callhistory_warnings INTERFACE -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes
                       -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-format-nonliteral)
