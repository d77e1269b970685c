# The Debian package: `cpack --config build/release/CPackConfig.cmake -B DIRECTORY`. Programs, manual pages, units, configuration, and
# the scripts of deploy/redis. What only the package has is the component `debian`, which `cmake --install` leaves out.
set(deploy ${CMAKE_SOURCE_DIR}/deploy)
function(debian_files destination)
  install(FILES ${ARGN} DESTINATION ${destination} COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()
debian_files(
  /usr/lib/systemd/system
  ${deploy}/systemd/callhistoryd.service ${deploy}/systemd/callhistory-gateway.service ${deploy}/systemd/callhistory-redis.service
  ${deploy}/systemd/callhistory-backup.service ${deploy}/systemd/callhistory-backup.timer
  ${deploy}/systemd/callhistory-retention.service ${deploy}/systemd/callhistory-retention.timer)
debian_files(/usr/share/callhistory/redis ${deploy}/redis/redis.conf ${deploy}/redis/users.acl ${deploy}/redis/sentinel.acl)
debian_files(/usr/share/doc/callhistory ${deploy}/README.md ${deploy}/debian/copyright)
debian_files(/etc/callhistory ${deploy}/systemd/callhistoryd.conf ${deploy}/systemd/callhistory-gateway.conf
             ${deploy}/systemd/callhistory-retention.conf)
install(
  PROGRAMS ${deploy}/redis/start ${deploy}/redis/repair-log ${deploy}/redis/cli ${deploy}/redis/reload
           ${deploy}/redis/credentials ${deploy}/redis/backup ${deploy}/redis/restore ${deploy}/redis/cluster
  DESTINATION /usr/share/callhistory/redis
  COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deploy}/systemd/callhistory.sysusers DESTINATION /usr/lib/sysusers.d RENAME callhistory.conf COMPONENT debian
        EXCLUDE_FROM_ALL)
install(FILES ${deploy}/systemd/callhistory.tmpfiles DESTINATION /usr/lib/tmpfiles.d RENAME callhistory.conf COMPONENT debian
        EXCLUDE_FROM_ALL)

# Debian wants its changelog compressed, without the time of the compression.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${CMAKE_BINARY_DIR}/debian/changelog
     "callhistory (${PROJECT_VERSION}) stable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n"
     " -- Call History maintainers <maintainers@callhistory.invalid>  ${date}\n")
execute_process(COMMAND gzip -9nf ${CMAKE_BINARY_DIR}/debian/changelog)
debian_files(/usr/share/doc/callhistory ${CMAKE_BINARY_DIR}/debian/changelog.gz)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME callhistory)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PACKAGE_CONTACT "Call History maintainers <maintainers@callhistory.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "system of record for a phone company's call history")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "callhistoryd serves call history over gRPC, callhistory-gateway serves the
documented HTTP API, callhistoryctl imports calls and manages tokens. The
calls are kept in a Redis or Valkey server, which a unit of this package runs.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, tzdata, systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "valkey-server | redis-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${deploy}/debian/postinst ${deploy}/debian/prerm ${deploy}/debian/postrm
                                       ${deploy}/debian/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${deploy}/debian/compress.cmake)
include(CPack)
