# The libraries that the product needs, from Debian 12's or 13's packages.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.7)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl>=3)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle>=3.8)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_GEN_C protoc-gen-c REQUIRED)

# gRPC is not found by pkg-config: its file names a hundred C++ and abseil libraries, which pkg-config takes half a minute
# to walk through, and the C API needs only these two.
find_path(GRPC_INCLUDE_DIR grpc/grpc.h REQUIRED)
find_library(GRPC_LIBRARY grpc REQUIRED)
find_library(GPR_LIBRARY gpr REQUIRED)
add_library(callhistory_grpc INTERFACE)
target_include_directories(callhistory_grpc SYSTEM INTERFACE ${GRPC_INCLUDE_DIR})
target_link_libraries(callhistory_grpc INTERFACE ${GRPC_LIBRARY} ${GPR_LIBRARY})
