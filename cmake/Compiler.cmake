# How everything is compiled: C17, warnings, hardening, and sanitizers by name.
include(CheckCSourceCompiles)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

set(CALLHISTORY_SANITIZE "" CACHE STRING "Sanitizers for everything: address,undefined or thread")
option(CALLHISTORY_FUZZ "Build the fuzzers with libFuzzer (clang)" OFF)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-omit-frame-pointer)
if(CALLHISTORY_SANITIZE)
  add_compile_options(-fsanitize=${CALLHISTORY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CALLHISTORY_SANITIZE})
endif()
if(CALLHISTORY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Hardening: programs at random addresses, symbols bound and made read-only at the start, guarded stacks, checked string
# functions (with the C library's and the compiler's best level), and valid targets only for indirect jumps where the
# processor checks them. tests/hardening.py looks for each of them in the finished programs.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
add_compile_options(-fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  add_compile_options(-fcf-protection)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Needs an optimiser; level 3 needs gcc 12 or clang 9 and a C library from 2.34 on, which is refused otherwise.
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Werror")
  check_c_source_compiles("#include <string.h>
#if __USE_FORTIFY_LEVEL < 3
#error
#endif
int main(void) { return 0; }" CALLHISTORY_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${CALLHISTORY_FORTIFY_3}>,3,2>)
endif()

# Our own code links this; generated code does not. CMAKE_COMPILE_WARNING_AS_ERROR (the presets debug, asan and tsan, and CI)
# makes the warnings errors; elsewhere a compiler that we have not met must not stop a build.
add_library(callhistory_warnings INTERFACE)
target_compile_options(callhistory_warnings INTERFACE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                       -Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-format-nonliteral)
